//! The sentence about an input of which nothing, or too little, could be used.

use super::{KindCounts, RecordKind, Rejected};

impl KindCounts {
    /// Records that were accepted or rejected. Records that had been accepted before do not count.
    pub fn offered(&self) -> u64 {
        self.records + self.rejected.total() - self.repeated()
    }

    /// Records that had been accepted before.
    pub fn repeated(&self) -> u64 {
        self.rejected.count(super::RejectReason::Duplicate)
    }

    /// Whether nothing, or less than the share `min_accepted`, was accepted.
    ///
    /// Records that had been accepted before do not count. An input without any record is no
    /// shortfall, because nothing was lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use mad_core::telemetry::{KindCounts, RecordKind, RejectReason};
    ///
    /// let mut counts = KindCounts { records: 94, ..KindCounts::default() };
    /// assert!(!counts.falls_short(0.95));
    /// for line in 2..8 {
    ///     counts.rejected.add(RejectReason::MissingField, line, || "service is empty".to_owned());
    /// }
    /// assert!(counts.falls_short(0.95) && !counts.falls_short(0.94));
    /// assert_eq!(
    ///     counts.shortfall(RecordKind::Requests, "line"),
    ///     "6 of 100 requests could not be read: a required field is missing \
    ///      (service is empty, line 2)"
    /// );
    /// ```
    pub fn falls_short(&self, min_accepted: f64) -> bool {
        let (accepted, offered) = (self.records, self.offered());
        offered > 0 && (accepted == 0 || (accepted as f64) < min_accepted * offered as f64)
    }

    /// How much was lost, the most frequent fault and its first example. `place` is the word
    /// for the position of a record, such as `line` or `row`.
    pub fn shortfall(&self, kind: RecordKind, place: &str) -> String {
        let (accepted, offered) = (self.records, self.offered());
        let records = noun(kind, offered);
        let main = self.main_fault();
        let verb = match main {
            Some(first) if first.reason.was_read() => "accepted",
            _ => "read",
        };
        let all = with_separators(offered);
        let text = match accepted {
            0 if offered == 1 => format!("The only {records} could not be {verb}"),
            0 => format!("None of the {all} {records} could be {verb}"),
            _ => {
                format!(
                    "{} of {all} {records} could not be {verb}",
                    with_separators(offered - accepted)
                )
            }
        };
        let Some(Rejected { reason, position, detail }) = main else { return text };
        let detail = if detail.is_empty() { String::new() } else { format!("{detail}, ") };
        format!("{text}: {} ({detail}{place} {position})", reason.describe())
    }

    /// The first record of the most frequent reason.
    pub fn main_fault(&self) -> Option<&Rejected> {
        let rejected = &self.rejected;
        let first =
            rejected.first().iter().filter(|one| one.reason != super::RejectReason::Duplicate);
        // of equal counts, the first that was met
        first.rev().max_by_key(|one| rejected.count(one.reason)).map(|main| {
            let same = rejected.first().iter().find(|one| one.reason == main.reason);
            same.unwrap_or(main)
        })
    }
}

/// The name of records of a kind.
fn noun(kind: RecordKind, count: u64) -> &'static str {
    let (one, many) = match kind {
        RecordKind::Requests => ("request", "requests"),
        RecordKind::Metrics => ("point", "points"),
        RecordKind::Spans => ("span", "spans"),
        RecordKind::Logs => ("log line", "log lines"),
        RecordKind::Changes => ("change", "changes"),
        RecordKind::Edges => ("edge", "edges"),
    };
    if count == 1 { one } else { many }
}

/// A count with separated thousands: `12,345`.
pub fn with_separators(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
