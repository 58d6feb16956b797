//! Sources with a wrong clock, as reports and answers show them.

use serde::Serialize;

use crate::feature::ClockFault;
use crate::series::EntityTable;
use crate::time::SECOND;

/// Offsets whose ends are this close are one offset, seconds.
const ONE_OFFSET: i64 = 60;

/// A source whose records have wrong times. Offsets are seconds from the clock of the others; a
/// negative one is behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct ClockFaultDocument {
    pub host: Option<String>,
    pub service: Option<String>,
    pub endpoint: Option<String>,
    /// Records with a wrong time, of `records` since the first of them.
    pub wrong: u64,
    pub records: u64,
    pub offset_seconds: [i64; 2],
    pub frozen: bool,
    /// The fault as a sentence.
    pub text: String,
}

impl ClockFaultDocument {
    /// A fault with the names of its entity.
    pub fn new(fault: &ClockFault, entities: &EntityTable) -> Self {
        let entity = fault.entity.and_then(|entity| entities.get(entity));
        let offset_seconds = [fault.offset.0, fault.offset.1].map(|nanos| nanos / SECOND);
        let source = match (&fault.host, entity) {
            (Some(host), _) => format!("host {host}"),
            (None, Some(entity)) => entity.to_string(),
            (None, None) => "a source".to_owned(),
        };
        let offset = match offset_seconds {
            _ if fault.frozen => "a time that stands still".to_owned(),
            [low, high] if high - low <= ONE_OFFSET.max(high.abs() / 10) => {
                format!("a time about {}", offset(low + (high - low) / 2))
            }
            [low, high] => format!("times from {} to {}", offset(low), offset(high)),
        };
        let of = if fault.wrong == fault.records {
            fault.wrong.to_string()
        } else {
            format!("{} of {}", fault.wrong, fault.records)
        };
        let text = format!("{source}: {of} records have {offset}; check its clock");
        Self {
            host: fault.host.as_ref().map(ToString::to_string),
            service: entity.map(|entity| entity.service.to_string()),
            endpoint: entity.map(|entity| entity.endpoint.to_string()),
            wrong: fault.wrong,
            records: fault.records,
            offset_seconds,
            frozen: fault.frozen,
            text,
        }
    }
}

/// An offset in its largest whole unit, such as `20 minutes ahead`.
fn offset(seconds: i64) -> String {
    let side = if seconds < 0 { "behind" } else { "ahead" };
    let size = seconds.unsigned_abs();
    let (count, unit) = match size {
        0..120 => (size, "second"),
        120..5_400 => ((size + 30) / 60, "minute"),
        5_400..172_800 => ((size + 1_800) / 3_600, "hour"),
        _ => ((size + 43_200) / 86_400, "day"),
    };
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{s} {side}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_has_a_unit_and_a_side() {
        let texts = [45, -300, 1_200, 86_400, -172_800, 1].map(offset);
        let expected = [
            "45 seconds ahead",
            "5 minutes behind",
            "20 minutes ahead",
            "24 hours ahead",
            "2 days behind",
            "1 second ahead",
        ];
        assert_eq!(texts, expected);
    }

    #[test]
    fn a_fault_names_its_source_and_offset() {
        let fault = ClockFault {
            host: Some("web-3".into()),
            entity: None,
            wrong: 40,
            records: 40,
            offset: (599 * SECOND, 605 * SECOND),
            frozen: false,
        };
        let document = ClockFaultDocument::new(&fault, &EntityTable::new(1));
        assert_eq!(
            document.text,
            "host web-3: 40 records have a time about 10 minutes ahead; check its clock"
        );
        let jumping =
            ClockFault { records: 50, offset: (-7_200 * SECOND, 86_400 * SECOND), ..fault };
        let document = ClockFaultDocument::new(&jumping, &EntityTable::new(1));
        assert!(
            document
                .text
                .contains("40 of 50 records have times from 2 hours behind to 24 hours ahead")
        );
    }
}
