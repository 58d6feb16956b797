//! Counts of good and rejected records by kind.

use serde::{Deserialize, Serialize};

use super::{RecordKind, Rejections};

/// Counts of the records of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindCounts {
    /// Good records.
    pub records: u64,
    /// Records that were not taken.
    pub rejected: Rejections,
}

impl KindCounts {
    /// Whether there was no record of this kind, neither good nor bad.
    pub fn is_empty(&self) -> bool {
        self.records + self.rejected.total() == 0
    }
}

/// Counts of records by kind.
///
/// # Examples
///
/// ```
/// use mad_core::telemetry::{RecordCounts, RecordKind, RejectReason};
///
/// let mut counts = RecordCounts::default();
/// counts.of_mut(RecordKind::Spans).records += 2;
/// counts.of_mut(RecordKind::Logs).rejected.add(RejectReason::Late, 7, String::new);
/// let kinds: Vec<RecordKind> = counts.iter().map(|(kind, _)| kind).collect();
/// assert_eq!(kinds, [RecordKind::Spans, RecordKind::Logs]);
/// assert_eq!(counts.of(RecordKind::Spans).records, 2);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordCounts {
    requests: KindCounts,
    metrics: KindCounts,
    spans: KindCounts,
    logs: KindCounts,
    changes: KindCounts,
    edges: KindCounts,
}

impl RecordCounts {
    /// The counts of one kind.
    pub fn of(&self, kind: RecordKind) -> &KindCounts {
        match kind {
            RecordKind::Requests => &self.requests,
            RecordKind::Metrics => &self.metrics,
            RecordKind::Spans => &self.spans,
            RecordKind::Logs => &self.logs,
            RecordKind::Changes => &self.changes,
            RecordKind::Edges => &self.edges,
        }
    }

    /// The counts of one kind, to be changed.
    pub fn of_mut(&mut self, kind: RecordKind) -> &mut KindCounts {
        match kind {
            RecordKind::Requests => &mut self.requests,
            RecordKind::Metrics => &mut self.metrics,
            RecordKind::Spans => &mut self.spans,
            RecordKind::Logs => &mut self.logs,
            RecordKind::Changes => &mut self.changes,
            RecordKind::Edges => &mut self.edges,
        }
    }

    /// Good records of all kinds.
    pub fn accepted(&self) -> u64 {
        RecordKind::ALL.into_iter().map(|kind| self.of(kind).records).sum()
    }

    /// Rejections of all kinds.
    pub fn rejected(&self) -> Rejections {
        let mut all = Rejections::default();
        for (_, counts) in self.iter() {
            all.merge(counts.rejected.clone());
        }
        all
    }

    /// The kinds with at least one record, good or bad, in the order of [`RecordKind::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (RecordKind, &KindCounts)> {
        let all = RecordKind::ALL.into_iter().map(|kind| (kind, self.of(kind)));
        all.filter(|(_, counts)| !counts.is_empty())
    }
}
