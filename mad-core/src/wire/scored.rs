//! Flagged rows from the fields of a scored file.

use crate::guard::Severity;
use crate::history::{FlaggedRow, FlaggedSignal};
use crate::score::neg_log10_p_of;
use crate::series::{EntityTable, Signal};
use crate::time::Timestamp;

/// Evidence of a row of the reference mode is its z-score, up to this value.
const MAX_REFERENCE_EVIDENCE: f64 = 300.0;

/// Builds a flagged row from the fields of a row of `scored.csv`, as the ranking of culprits takes
/// it. `field` gives the text of a column, empty where the file does not have it; a number that
/// cannot be read is NaN. `at` is the start of the row's step.
///
/// The evidence is found again from the column `score`. A file of the reference mode has neither
/// `score` nor `signal`: it judges the 95th percentile of latency alone, so the evidence is the size
/// of its z-score in `mad_z`.
///
/// # Examples
///
/// ```
/// use mad_core::wire::flagged_row;
/// use mad_core::{EntityTable, Signal, Timestamp};
///
/// let mut entities = EntityTable::new(10);
/// let field = |column: &str| match column {
///     "service" => "payments",
///     "endpoint" => "/pay",
///     "signal" => "error_rate",
///     "score" => "0.75",
///     "value" => "0.2",
///     _ => "",
/// };
/// let row = flagged_row(field, Timestamp::from_seconds(60), &mut entities);
/// assert_eq!(row.entity, entities.id("payments", "/pay"));
/// assert_eq!(row.signals[0].signal, Signal::ErrorRate);
/// assert_eq!((row.signals[0].value, row.neg_log10_p), (0.2, 12.0));
/// ```
pub fn flagged_row<'a>(
    field: impl Fn(&str) -> &'a str,
    at: Timestamp,
    entities: &mut EntityTable,
) -> FlaggedRow {
    let number = |column: &str| field(column).parse().unwrap_or(f64::NAN);
    let named = field("signal");
    let is_reference = named.is_empty();
    let signal = Signal::ALL.into_iter().find(|signal| signal.as_str() == named);
    let z: f64 = number(if is_reference { "mad_z" } else { "z" });
    let score: f64 = number("score");
    let neg_log10_p =
        if score.is_finite() { neg_log10_p_of(score) } else { z.abs().min(MAX_REFERENCE_EVIDENCE) };
    let severity = match field("severity") {
        "Critical" => Severity::Critical,
        "Warning" => Severity::Warning,
        _ => Severity::Info,
    };
    let value = number(if is_reference { "p95_latency_ms" } else { "value" });
    let flagged = FlaggedSignal::new(signal.unwrap_or(Signal::P95Latency), value, neg_log10_p)
        .expected(number("expected"), number("expected_low"), number("expected_high"))
        .z(z);
    FlaggedRow::new(entities.id(field("service"), field("endpoint")), at)
        .requests(number("req_count") as u64, number("error_count") as u64)
        .severity(severity)
        .signal(flagged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_the_reference_mode_is_judged_by_its_p95() {
        let field = |column: &str| match column {
            "service" | "endpoint" => "a",
            "mad_z" => "-400.5",
            "p95_latency_ms" => "250",
            "severity" => "Critical",
            _ => "",
        };
        let row = flagged_row(field, Timestamp::from_seconds(0), &mut EntityTable::new(1));
        assert_eq!(row.signals[0].signal, Signal::P95Latency);
        assert_eq!((row.signals[0].value, row.signals[0].z), (250.0, -400.5));
        assert_eq!((row.neg_log10_p, row.severity), (300.0, Severity::Critical));
    }
}
