//! Results of JMeter as XML. Samples within a sample are parts of it and count once.

use super::jmeter::failed;
use super::xml_tags::{Tag, XmlTags, attribute};
use super::{Sample, code_of};
use crate::error::Result;
use crate::telemetry::{RejectReason, RequestTime};
use crate::time::{Timestamp, ZonePolicy};
use crate::wire::formats::access::zone_or_utc;
use crate::wire::formats::output::Output;
use crate::wire::formats::service::Services;
use crate::wire::formats::{FormatDecoder, FormatOptions};
use crate::wire::text::too_long;

/// Elements that are samples. The last one is that of the first version of the format.
const SAMPLES: [&str; 3] = ["httpSample", "sample", "sampleResult"];

/// Reads samples from the tags of the file.
#[derive(Debug)]
pub(in crate::wire::formats) struct JmeterXmlDecoder {
    tags: XmlTags,
    reader: Reader,
    ended: bool,
}

#[derive(Debug)]
struct Reader {
    services: Services,
    zone: ZonePolicy,
    /// Open samples around the next tag.
    depth: usize,
}

impl JmeterXmlDecoder {
    pub fn new(options: &FormatOptions) -> Self {
        let services = Services::new(options, "load-test");
        let reader = Reader { services, zone: zone_or_utc(options.zone), depth: 0 };
        Self { tags: XmlTags::default(), reader, ended: false }
    }
}

impl Reader {
    fn take(&mut self, tag: Tag<'_>, line: u64, out: &mut Output<'_>) {
        match tag {
            Tag::TooLong => out.rejections.add(RejectReason::LineTooLong, line, too_long),
            Tag::End(name) if SAMPLES.contains(&name) => self.depth = self.depth.saturating_sub(1),
            Tag::Start { name, attributes, is_empty } if SAMPLES.contains(&name) => {
                if self.depth == 0 {
                    self.sample(attributes, line, out);
                }
                self.depth += usize::from(!is_empty);
            }
            Tag::Start { .. } | Tag::End(_) => {}
        }
    }

    fn sample(&self, attributes: &str, line: u64, out: &mut Output<'_>) {
        let get = |names: [&str; 2]| {
            names.into_iter().find_map(|name| attribute(attributes, name)).unwrap_or_default()
        };
        let written = get(["ts", "timeStamp"]);
        let Ok(time) = Timestamp::parse(&written, self.zone) else {
            let detail = || format!("ts = {written:?}");
            out.rejections.add(RejectReason::BadTimestamp, line, detail);
            return;
        };
        let elapsed = get(["t", "time"]);
        let Some(latency_ms) = elapsed.parse().ok().filter(|ms: &f64| ms.is_finite() && *ms >= 0.0)
        else {
            out.rejections.add(RejectReason::BadValue, line, || format!("t = {elapsed:?}"));
            return;
        };
        Sample {
            time,
            name: &get(["lb", "label"]),
            method: "",
            url: "",
            latency_ms,
            code: code_of(&get(["rc", "responseCode"])),
            failed: failed(&get(["s", "success"])),
        }
        .give(&self.services, line, out);
    }
}

impl FormatDecoder for JmeterXmlDecoder {
    fn feed(&mut self, bytes: &[u8], out: &mut Output<'_>) -> Result<()> {
        let reader = &mut self.reader;
        self.tags.feed(bytes, |tag, line| reader.take(tag, line, out));
        Ok(())
    }

    fn finish(&mut self, out: &mut Output<'_>) -> Result<()> {
        if !std::mem::replace(&mut self.ended, true) && self.tags.is_cut() && self.reader.depth == 0
        {
            let (line, rest) = (self.tags.line + 1, self.tags.rest());
            if SAMPLES.iter().any(|name| rest.starts_with(name)) {
                out.rejections.add(RejectReason::Truncated, line, || format!("<{rest}"));
            }
        }
        Ok(())
    }

    fn request_time(&self) -> Option<RequestTime> {
        Some(RequestTime::Start)
    }
}
