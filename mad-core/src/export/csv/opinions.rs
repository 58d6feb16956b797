//! Opinions of methods as lines of CSV.

use super::rows::Line;
use crate::method::Opinion;

/// Appends the header of a methods file.
pub fn write_opinions_header(out: &mut Vec<u8>) {
    out.extend_from_slice(
        b"bucket_ts,service,endpoint,method,is_anomaly,severity,score,signal,value,expected,\
expected_low,expected_high,health,members,votes,kind\n",
    );
}

/// Appends a line of a methods file: one judgement of one method. `members` and `votes` of an ensemble
/// are names with spaces between them. An unknown value is an empty field.
///
/// # Examples
///
/// ```
/// use mad_core::export::write_opinion;
/// use mad_core::method::Methods;
/// use mad_core::{Change, Timestamp};
///
/// let mut methods = Methods::new(&["event_kind"], 100)?;
/// let (mut opinions, mut out) = (Vec::new(), Vec::new());
/// methods.push_change(&Change::new(Timestamp::from_seconds(0), "db", "restart"), &mut opinions);
/// write_opinion(&opinions[0], &mut out);
/// assert_eq!(out, b"1970-01-01T00:00:00Z,db,,event_kind,true,Warning,0.5,restart,1,0,0,0,,,,event\n");
/// # Ok::<(), mad_core::Error>(())
/// ```
pub fn write_opinion(opinion: &Opinion, out: &mut Vec<u8>) {
    let judged = &opinion.judgement;
    let mut line = Line { out };
    line.key(opinion.at, &opinion.entity);
    line.word(opinion.method.as_str());
    line.word(if judged.is_anomaly { "true" } else { "false" });
    line.word(judged.severity.as_str());
    line.float(judged.score);
    line.field(&judged.signal);
    for value in [judged.value, judged.expected, judged.low, judged.high, judged.health] {
        line.float(value);
    }
    line.word(&opinion.members.names());
    line.word(&opinion.votes.names());
    line.word(opinion.kind());
    line.end();
}
