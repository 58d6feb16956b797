//! The `simulation.log` of Gatling: tab-separated events.

use super::{Sample, code_in};
use crate::telemetry::{RejectReason, RequestTime};
use crate::time::{Timestamp, ZonePolicy};
use crate::wire::formats::lines::LineReader;
use crate::wire::formats::output::Output;
use crate::wire::formats::service::Services;
use crate::wire::formats::{Code, FormatOptions};

/// Whether a line begins a log of Gatling.
pub(in crate::wire::formats) fn is_gatling(line: &str) -> bool {
    line.starts_with("RUN\t") && line.split('\t').count() >= 4
}

/// Reads events; those that are no request are skipped.
#[derive(Debug)]
pub(in crate::wire::formats) struct GatlingReader {
    services: Services,
}

impl GatlingReader {
    pub fn new(options: &FormatOptions) -> Self {
        Self { services: Services::new(options, "load-test") }
    }
}

impl LineReader for GatlingReader {
    /// `REQUEST  groups  name  start  end  OK|KO  message`; old versions write the number of the
    /// user before the groups, or after `REQUEST` and the scenario.
    fn line(&mut self, text: &str, position: u64, out: &mut Output<'_>) {
        let mut fields: Vec<&str> = text.split('\t').collect();
        if fields.first() != Some(&"REQUEST") {
            return;
        }
        let is_time = |text: &str| text.len() == 13 && text.bytes().all(|b| b.is_ascii_digit());
        let Some(at) = fields.windows(2).position(|pair| pair.iter().all(|one| is_time(one)))
        else {
            return out.refuse(text, position);
        };
        let rest = fields.split_off(at);
        let (Some(start), Some(end), Some(outcome)) = (rest.first(), rest.get(1), rest.get(2))
        else {
            return out.refuse(text, position);
        };
        let time = Timestamp::parse(start, ZonePolicy::Offset(0));
        let Some(time) = out.time(time, start, position) else { return };
        let millis = |text: &str| text.parse::<f64>().unwrap_or(f64::NAN);
        let latency_ms = millis(end) - millis(start);
        if latency_ms < 0.0 {
            return out.rejections.add(RejectReason::BadValue, position, || text.to_owned());
        }
        let code = rest.get(3).map_or(Code::None, |message| code_in(message));
        Sample {
            time,
            name: fields.last().map_or("", |name| name.trim()),
            method: "",
            url: "",
            latency_ms,
            code,
            failed: Some(*outcome != "OK"),
        }
        .give(&self.services, position, out);
    }

    fn request_time(&self) -> Option<RequestTime> {
        Some(RequestTime::Start)
    }
}
