//! Rejected records: counts by reason, and the first records of each reason.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{LostServices, RejectReason};
use crate::limits::REJECTED_SAMPLES;

/// One rejected record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// Why.
    pub reason: RejectReason,
    /// The line of a text file or the row of a table, counted from 1 (a CSV header is line 1).
    pub position: u64,
    /// The field and value at fault, shortened.
    pub detail: String,
}

/// Counts of rejected records by reason, and the first [`REJECTED_SAMPLES`] records of each.
///
/// # Examples
///
/// ```
/// use mad_core::{RejectReason, Rejections};
///
/// let mut rejections = Rejections::default();
/// rejections.add(RejectReason::NotUtf8, 7, || "`caf\\xe9`".to_owned());
/// assert_eq!((rejections.total(), rejections.count(RejectReason::NotUtf8)), (1, 1));
/// assert_eq!(rejections.first()[0].position, 7);
/// assert_eq!(RejectReason::NotUtf8.hint(), "write the file in UTF-8");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejections {
    counts: BTreeMap<RejectReason, u64>,
    first: Vec<Rejected>,
    remarks: BTreeMap<Doubt, Remark>,
    /// Columns with another name than their field, by field.
    renamed: BTreeMap<String, String>,
    services: LostServices,
}

impl Rejections {
    /// Counts the service of a record that was rejected, beside [`add`](Self::add).
    pub fn add_service(&mut self, service: &str, reason: RejectReason, position: u64) {
        self.services.add(service, reason, position);
    }

    /// Rejected records by service.
    pub fn services(&self) -> &LostServices {
        &self.services
    }

    /// Counts a record; `detail` is called only for the first [`REJECTED_SAMPLES`] of a reason.
    pub fn add(&mut self, reason: RejectReason, position: u64, detail: impl FnOnce() -> String) {
        let count = self.counts.entry(reason).or_default();
        *count += 1;
        if *count <= REJECTED_SAMPLES as u64 {
            let detail = shorten(&detail());
            self.first.push(Rejected { reason, position, detail });
        }
    }

    /// Rejections of which the counts and the first records are known, such as those of a receipt.
    /// Further records of a reason than [`REJECTED_SAMPLES`] are left out.
    pub fn from_parts(
        counts: impl IntoIterator<Item = (RejectReason, u64)>,
        first: impl IntoIterator<Item = Rejected>,
    ) -> Self {
        let counts: BTreeMap<RejectReason, u64> = counts.into_iter().collect();
        let mut all = Self { counts, first: Vec::new(), ..Self::default() };
        all.merge(Self { first: first.into_iter().collect(), ..Self::default() });
        all
    }

    /// Adds the counts and records of `other`.
    pub fn merge(&mut self, other: Self) {
        for rejected in other.first {
            let kept = self.first.iter().filter(|kept| kept.reason == rejected.reason).count();
            if kept < REJECTED_SAMPLES {
                self.first.push(rejected);
            }
        }
        for (reason, count) in other.counts {
            *self.counts.entry(reason).or_default() += count;
        }
        self.renamed.extend(other.renamed);
        for (doubt, remark) in other.remarks {
            self.remarks.entry(doubt).or_default().merge(remark);
        }
        self.services.merge(&other.services);
    }

    /// Counts a record that was taken although one of its values is not known; `value` is called
    /// for the first records, whose different values are kept.
    pub fn remark(&mut self, doubt: Doubt, position: u64, value: impl FnOnce() -> String) {
        let remark = self.remarks.entry(doubt).or_default();
        remark.records += 1;
        if remark.values.len() < REJECTED_SAMPLES && remark.records <= LOOKED_AT {
            let merged = Remark { records: 0, position, values: vec![shorten(&value())] };
            remark.merge(merged);
        }
    }

    /// Notes the column or key from which a field is read, where it has another name.
    pub fn rename(&mut self, field: &str, column: &str) {
        if !self.renamed.contains_key(field) {
            self.renamed.insert(field.to_owned(), shorten(column));
        }
    }

    /// Fields that were read from columns or keys of another name.
    pub fn renamed(&self) -> impl Iterator<Item = (&str, &str)> + '_ {
        self.renamed.iter().map(|(field, column)| (field.as_str(), column.as_str()))
    }

    /// Records that were taken although a value is not known, by the kind of doubt.
    pub fn remarks(&self) -> impl Iterator<Item = (Doubt, &Remark)> + '_ {
        self.remarks.iter().map(|(doubt, remark)| (*doubt, remark))
    }

    /// The number of rejected records.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The number of records rejected for `reason`.
    pub fn count(&self, reason: RejectReason) -> u64 {
        self.counts.get(&reason).copied().unwrap_or(0)
    }

    /// Counts by reason, in the order of the reasons.
    pub fn counts(&self) -> impl Iterator<Item = (RejectReason, u64)> + '_ {
        self.counts.iter().map(|(reason, count)| (*reason, *count))
    }

    /// The first records of each reason, at most [`REJECTED_SAMPLES`].
    pub fn first(&self) -> &[Rejected] {
        &self.first
    }
}

/// A value of a record that was taken but is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Doubt {
    /// The status is text or a number without a known meaning: the request counts and did not fail.
    UnknownStatus,
    /// The latency is missing or no number: the request counts, its latency does not.
    UnknownLatency,
    /// The level of a log line is a word without a known meaning: it is no error and no warning.
    UnknownLevel,
}

impl Doubt {
    /// The doubt and its consequence as parts of a sentence.
    pub const fn describe(self) -> (&'static str, &'static str) {
        match self {
            Self::UnknownStatus => {
                ("an unknown status", "they count as requests that did not fail")
            }
            Self::UnknownLatency => ("no readable latency", "only their status is judged"),
            Self::UnknownLevel => {
                ("an unknown level", "they count neither as errors nor as warnings")
            }
        }
    }
}

/// Records of one kind of doubt.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// How many records.
    pub records: u64,
    /// The line or row of the first one.
    pub position: u64,
    /// Different values among the first records, at most [`REJECTED_SAMPLES`].
    pub values: Vec<String>,
}

/// Records whose values are compared with those kept.
const LOOKED_AT: u64 = 10_000;

impl Remark {
    fn merge(&mut self, other: Self) {
        if self.values.is_empty() {
            self.position = other.position;
        }
        self.records += other.records;
        for value in other.values {
            if self.values.len() < REJECTED_SAMPLES && !self.values.contains(&value) {
                self.values.push(value);
            }
        }
    }
}

/// At most 80 characters, control characters escaped.
fn shorten(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().take(80) {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    if text.chars().nth(80).is_some() {
        out.push('…');
    }
    out
}
