//! Exports of log queries as CSV: of CloudWatch Logs Insights and of Azure Monitor (Application
//! Insights, Log Analytics).
//!
//! Each row becomes one JSON object that the reader of JSON logs takes. The columns of Azure Monitor
//! get the usual names, and its times, levels and kinds of items the usual form.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::FormatOptions;
use super::json_logs::JsonReader;
use super::lines::LineReader;
use super::output::Output;
use super::table::{Row, RowReader, delimiter_of};
use crate::telemetry::RecordKind;
use crate::wire::csv_fields::split_quoted;

/// Fields of records, and the columns of Application Insights and of Log Analytics that hold them, the
/// best first.
const AZURE: [(&str, &[&str]); 9] = [
    ("timestamp", &["timestamp", "TimeGenerated"]),
    ("service", &["cloud_RoleName", "AppRoleName"]),
    ("host", &["cloud_RoleInstance", "AppRoleInstance"]),
    ("trace_id", &["operation_Id", "OperationId"]),
    ("level", &["severityLevel", "SeverityLevel"]),
    ("body", &["message", "Message", "outerMessage", "OuterMessage"]),
    ("endpoint", &["url", "Url", "name", "Name"]),
    ("status_code", &["resultCode", "ResultCode", "success", "Success"]),
    ("latency_ms", &["duration", "DurationMs"]),
];
/// The fields of a request alone, at the end of [`AZURE`].
const OF_REQUESTS: usize = 3;
/// Columns of CloudWatch with the log line; the others that begin so are about its storage.
const OF_CLOUDWATCH: [&str; 2] = ["@timestamp", "@message"];
/// Levels of Azure Monitor by their number.
const LEVELS: [&str; 5] = ["TRACE", "INFO", "WARN", "ERROR", "FATAL"];
/// Columns of which a table of logs has one beside its time.
const CONTENTS: [&str; 7] =
    ["@message", "message", "Message", "outerMessage", "OuterMessage", "resultCode", "ResultCode"];

/// Whether a line is the header of an export of a log query.
pub(super) fn is_log_table(header: &str) -> bool {
    let columns = columns(header);
    let has = |name: &str| columns.iter().any(|(column, _)| column == name);
    let has_zone = columns.iter().any(|(_, zone)| !zone.is_empty());
    let is_azure = has("TimeGenerated") || (has("timestamp") && (has_zone || has("itemType")));
    let has_content = CONTENTS.iter().any(|name| has(name));
    has_content && (is_azure || (has("@timestamp") && has("@message")))
}

/// The columns of a header, each with the zone that Azure writes behind those of times.
fn columns(header: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    split_quoted(header, delimiter_of(header), |_, field| {
        let text = field.text();
        let (name, zone) = column_of(&text);
        found.push((name.to_owned(), zone.to_owned()));
    });
    found
}

/// `timestamp [UTC]` is the column `timestamp` with times of the zone `UTC`.
fn column_of(text: &str) -> (&str, &str) {
    let text = text.trim();
    match text.strip_suffix(']').and_then(|text| text.split_once(" [")) {
        Some((name, zone)) => (name, zone),
        None => (text, ""),
    }
}

/// Reads the rows of an export.
#[derive(Debug)]
pub(super) struct LogTableReader {
    lines: JsonReader,
    is_azure: bool,
    has_requests: bool,
}

impl LogTableReader {
    /// The header of the table says whether its rows are requests.
    pub fn new(options: &FormatOptions, first: &str) -> Self {
        let columns = columns(first.lines().next().unwrap_or_default());
        let has = |name: &str| columns.iter().any(|(column, _)| column == name);
        let has_requests = has("resultCode") || has("ResultCode");
        let own = if has_requests { RecordKind::Requests } else { RecordKind::Logs };
        let options = FormatOptions { kind: options.kind.or(Some(own)), ..options.clone() };
        let lines = JsonReader::new(&options, "");
        Self { lines, is_azure: !has("@timestamp"), has_requests }
    }

    /// The fields that a row of Azure Monitor states.
    fn of_azure(&self, row: &Row<'_>) -> Map<String, Value> {
        let left_out = if self.has_requests { 0 } else { OF_REQUESTS };
        let known = AZURE.iter().take(AZURE.len() - left_out);
        let stated = |column: &str| {
            row.fields().find_map(|(name, text)| {
                let (name, zone) = column_of(name);
                (name == column && !text.is_empty()).then_some((text, zone))
            })
        };
        let field = |(field, columns): &(&str, &[&str])| {
            let (text, zone) = columns.iter().find_map(|column| stated(column))?;
            let level = || text.parse().ok().and_then(|level: usize| LEVELS.get(level));
            let value = match *field {
                "timestamp" => time_of(text, zone),
                "level" => Cow::Borrowed(level().map_or(text, |level| level)),
                _ => Cow::Borrowed(text),
            };
            Some(((*field).to_owned(), Value::from(value)))
        };
        known.filter_map(field).collect()
    }
}

impl RowReader for LogTableReader {
    fn row(&mut self, row: &Row<'_>, position: u64, out: &mut Output<'_>) {
        let object = if self.is_azure {
            let (item, table) = (row.get("itemType"), row.get("Type"));
            if item == "dependency" || table == "AppDependencies" {
                let detail = "a call that the service made, not one that it served";
                return out.refuse(detail, position);
            }
            self.of_azure(row)
        } else {
            // the group of CloudWatch: 123456789012:/aws/lambda/pay
            let group = row.get("@log").rsplit(['/', ':']).next().unwrap_or_default();
            self.lines.set_service(group);
            let is_content = |name: &str| !name.starts_with('@') || OF_CLOUDWATCH.contains(&name);
            let fields = row.fields().filter(|(name, text)| is_content(name) && !text.is_empty());
            fields.map(|(name, text)| (name.to_owned(), Value::from(text))).collect()
        };
        self.lines.line(&Value::Object(object).to_string(), position, out);
    }

    fn notes(&self) -> Vec<String> {
        self.lines.notes()
    }
}

/// A time as the portal of Azure exports it, `1/6/2026, 10:45:00.123 AM`, in the form of RFC 3339.
/// Other times stay as they are.
fn time_of<'t>(text: &'t str, zone: &str) -> Cow<'t, str> {
    let zone = if zone == "UTC" { "Z" } else { "" };
    match portal_time(text) {
        Some(time) => Cow::Owned(format!("{time}{zone}")),
        None => Cow::Borrowed(text),
    }
}

fn portal_time(text: &str) -> Option<String> {
    let (date, time) = text.split_once(", ")?;
    let mut date = date.split('/').map(str::parse::<u32>);
    let (month, day, year) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    let (clock, half) = time.split_once(' ').unwrap_or((time, ""));
    let (hour, rest) = clock.split_once(':')?;
    let hour: u32 = hour.parse().ok()?;
    let hour = match half {
        "" => hour,
        "AM" => hour % 12,
        "PM" => hour % 12 + 12,
        _ => return None,
    };
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_portal_are_month_first_with_halves_of_days() {
        for (text, want) in [
            ("1/6/2026, 10:45:00.123 AM", "2026-01-06T10:45:00.123Z"),
            ("12/31/2026, 12:00:00.000 AM", "2026-12-31T00:00:00.000Z"),
            ("12/31/2026, 12:00:00.000 PM", "2026-12-31T12:00:00.000Z"),
            ("1/6/2026, 13:45:00", "2026-01-06T13:45:00Z"),
            ("2026-01-06T10:45:00.1Z", "2026-01-06T10:45:00.1Z"),
            ("1/x/2026, 10:45", "1/x/2026, 10:45"),
        ] {
            assert_eq!(time_of(text, "UTC"), want);
        }
        assert_eq!(time_of("1/6/2026, 1:45:00 PM", "Local Time"), "2026-01-06T13:45:00");
    }

    #[test]
    fn headers_of_other_tables_are_none() {
        for header in [
            "@timestamp,@message,@logStream",
            "\"timestamp [UTC]\",message,severityLevel",
            "timestamp,name,resultCode,itemType",
            "TenantId,TimeGenerated [UTC],Message",
        ] {
            assert!(is_log_table(header), "{header}");
        }
        for header in [
            "timestamp,service,level,message",
            "@timestamp,value",
            "time,message",
            "TimeGenerated,x",
        ] {
            assert!(!is_log_table(header), "{header}");
        }
    }
}
