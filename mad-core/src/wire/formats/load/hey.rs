//! Tables of hey (`-o csv`) and ab (`-g`).

use super::{Sample, code_of};
use crate::telemetry::{RejectReason, RequestTime};
use crate::time::{Timestamp, ZonePolicy};
use crate::wire::formats::output::Output;
use crate::wire::formats::service::Services;
use crate::wire::formats::table::{Row, RowReader};
use crate::wire::formats::{Code, FormatOptions};

/// Whether a line is the header of a table of hey.
pub(in crate::wire::formats) fn is_hey(line: &str) -> bool {
    line.starts_with("response-time,") && line.contains("status-code") && line.contains("offset")
}

/// Whether a line is the header of a table of ab.
pub(in crate::wire::formats) fn is_ab(line: &str) -> bool {
    line.starts_with("starttime\tseconds\t") && line.contains("ttime")
}

/// Reads rows of hey, whose times are seconds since the start of the test.
#[derive(Debug)]
pub(in crate::wire::formats) struct HeyReader {
    services: Services,
    /// The start of the test.
    start: Option<Timestamp>,
}

impl HeyReader {
    /// hey writes its table at the end, so that the test began before the last change of the file
    /// by the largest offset. Rows arrive one by one: the last change is taken as the start.
    pub fn new(options: &FormatOptions) -> Self {
        Self { services: Services::new(options, "load-test"), start: options.written }
    }
}

impl RowReader for HeyReader {
    fn row(&mut self, row: &Row<'_>, position: u64, out: &mut Output<'_>) {
        let (seconds, offset) = (row.number("response-time"), row.number("offset"));
        let time = self.start.filter(|_| (0.0..1e9).contains(&offset));
        let Some(start) = time else {
            return out.rejections.add(RejectReason::BadTimestamp, position, || {
                format!("offset = {:?}, and nothing says when the test began", row.get("offset"))
            });
        };
        if seconds.is_nan() || seconds < 0.0 {
            let detail = || format!("response-time = {:?}", row.get("response-time"));
            return out.rejections.add(RejectReason::BadValue, position, detail);
        }
        Sample {
            time: start.plus((offset * 1e9) as i64),
            name: "-",
            method: "",
            url: "",
            latency_ms: seconds * 1e3,
            code: code_of(row.get("status-code")),
            failed: None,
        }
        .give(&self.services, position, out);
    }

    fn request_time(&self) -> Option<RequestTime> {
        Some(RequestTime::Start)
    }

    fn notes(&self) -> Vec<String> {
        vec!["the table has no dates: the last change of the file is taken as the start".to_owned()]
    }
}

/// Reads rows of ab, which state no status.
#[derive(Debug)]
pub(in crate::wire::formats) struct AbReader {
    services: Services,
}

impl AbReader {
    pub fn new(options: &FormatOptions) -> Self {
        Self { services: Services::new(options, "load-test") }
    }
}

impl RowReader for AbReader {
    fn row(&mut self, row: &Row<'_>, position: u64, out: &mut Output<'_>) {
        let written = row.get("seconds");
        let time = Timestamp::parse(written, ZonePolicy::Offset(0));
        let Some(time) = out.time(time, written, position) else { return };
        let latency_ms = row.number("ttime");
        if latency_ms.is_nan() || latency_ms < 0.0 {
            let detail = || format!("ttime = {:?}", row.get("ttime"));
            return out.rejections.add(RejectReason::BadValue, position, detail);
        }
        let (code, failed) = (Code::None, Some(false));
        Sample { time, name: "-", method: "", url: "", latency_ms, code, failed }.give(
            &self.services,
            position,
            out,
        );
    }

    fn request_time(&self) -> Option<RequestTime> {
        Some(RequestTime::Start)
    }
}
