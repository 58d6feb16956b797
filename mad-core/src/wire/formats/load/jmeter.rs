//! Results of JMeter as CSV, with any columns and commas, tabs or semicolons between them.

use std::borrow::Cow;

use super::{Sample, code_of};
use crate::telemetry::{RejectReason, RequestTime};
use crate::time::{Timestamp, ZonePolicy};
use crate::wire::formats::FormatOptions;
use crate::wire::formats::access::zone_or_utc;
use crate::wire::formats::output::Output;
use crate::wire::formats::service::Services;
use crate::wire::formats::table::{Row, RowReader};

/// The columns of JMeter's defaults, for files without a header.
const DEFAULT: [&str; 17] = [
    "timeStamp",
    "elapsed",
    "label",
    "responseCode",
    "responseMessage",
    "threadName",
    "dataType",
    "success",
    "failureMessage",
    "bytes",
    "sentBytes",
    "grpThreads",
    "allThreads",
    "URL",
    "Latency",
    "IdleTime",
    "Connect",
];

/// Reads rows of samples.
#[derive(Debug)]
pub(in crate::wire::formats) struct JmeterReader {
    services: Services,
    zone: ZonePolicy,
}

impl JmeterReader {
    pub fn new(options: &FormatOptions) -> Self {
        Self { services: Services::new(options, "load-test"), zone: zone_or_utc(options.zone) }
    }
}

/// Whether a line is the header of a table of JMeter, or a row of its default columns.
pub(in crate::wire::formats) fn is_jmeter(line: &str) -> bool {
    let has = |name: &str| line.contains(name);
    (has("timeStamp") && has("elapsed") && (has("label") || has("responseCode")))
        || is_row(&line.split(',').map(Cow::Borrowed).collect::<Vec<_>>())
}

/// Whether fields are those of a row of the default columns.
fn is_row(fields: &[Cow<'_, str>]) -> bool {
    let digits = |at: usize, most: usize| {
        fields.get(at).is_some_and(|field| {
            !field.is_empty() && field.len() <= most && field.bytes().all(|b| b.is_ascii_digit())
        })
    };
    fields.len() >= 12
        && digits(0, 13)
        && fields.first().is_some_and(|time| time.len() == 13)
        && digits(1, 9)
        && fields.iter().any(|field| matches!(field.as_ref(), "true" | "false"))
}

impl RowReader for JmeterReader {
    fn default_header(&self, first: &[Cow<'_, str>]) -> Option<Vec<String>> {
        is_row(first).then(|| DEFAULT.iter().map(|name| (*name).to_owned()).collect())
    }

    fn row(&mut self, row: &Row<'_>, position: u64, out: &mut Output<'_>) {
        let written = row.get("timeStamp");
        if written.eq_ignore_ascii_case("timeStamp") {
            // a second run was appended to the file
            return;
        }
        let Ok(time) = Timestamp::parse(written, self.zone) else {
            let reason = RejectReason::BadTimestamp;
            out.rejections.add(reason, position, || format!("timeStamp = {written:?}"));
            return;
        };
        let elapsed = row.number("elapsed");
        if !elapsed.is_finite() || elapsed < 0.0 {
            let detail = || format!("elapsed = {:?}", row.get("elapsed"));
            out.rejections.add(RejectReason::BadValue, position, detail);
            return;
        }
        Sample {
            time,
            name: row.get("label"),
            method: "",
            url: row.get("URL"),
            latency_ms: elapsed,
            code: code_of(row.get("responseCode")),
            failed: failed(row.get("success")),
        }
        .give(&self.services, position, out);
    }

    fn request_time(&self) -> Option<RequestTime> {
        Some(RequestTime::Start)
    }
}

/// What the column `success` says.
pub(super) fn failed(success: &str) -> Option<bool> {
    if success.eq_ignore_ascii_case("true") {
        Some(false)
    } else {
        success.eq_ignore_ascii_case("false").then_some(true)
    }
}
