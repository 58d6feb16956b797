//! The requests of an entity that one version or one host served.

use std::cmp::Reverse;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::subset_names::SubsetNames;

/// Most subsets of one kind in a step. Where there are more, the step has none of that kind, because
/// its sums would lack requests.
const MOST_IN_STEP: usize = 64;
/// Most subsets of one kind in a sum over steps, where pods come and go.
const MOST_IN_SUM: usize = 128;
/// Natural logarithms of latencies are added up in these parts of one, as integers, so that a sum
/// does not depend on the order of arrival.
const LOG_PARTS: f64 = 1e4;
/// Smallest latency whose logarithm is taken, ms.
const SMALLEST_MS: f64 = 1e-3;

/// What a subset of requests has in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubsetKind {
    /// The version of the service that served them.
    Version,
    /// The host, pod or instance that served them.
    Host,
}

impl SubsetKind {
    /// All kinds.
    pub const ALL: [Self; 2] = [Self::Version, Self::Host];

    /// The name in files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Host => "host",
        }
    }
}

impl fmt::Display for SubsetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Counts of some requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubsetCounts {
    /// Requests.
    pub requests: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Requests with a known latency.
    pub measured: u64,
    /// Sum of the natural logarithms of the latencies in ms, in 1/10,000.
    log_sum: i64,
    /// Sum of their squares, in 1/100,000,000.
    log_squares: i64,
}

impl SubsetCounts {
    /// Counts a request; a latency of NaN is unknown.
    pub fn count(&mut self, is_error: bool, latency_ms: f64) {
        self.requests += 1;
        self.errors += u64::from(is_error);
        if !latency_ms.is_nan() {
            let log = (latency_ms.max(SMALLEST_MS).ln() * LOG_PARTS) as i64;
            self.measured += 1;
            self.log_sum = self.log_sum.saturating_add(log);
            self.log_squares = self.log_squares.saturating_add(log * log);
        }
    }

    /// Adds other requests.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.measured += other.measured;
        self.log_sum = self.log_sum.saturating_add(other.log_sum);
        self.log_squares = self.log_squares.saturating_add(other.log_squares);
    }

    /// These requests without those of `part`, which is a part of them.
    #[must_use]
    pub fn without(&self, part: &Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(part.requests),
            errors: self.errors.saturating_sub(part.errors),
            measured: self.measured.saturating_sub(part.measured),
            log_sum: self.log_sum.saturating_sub(part.log_sum),
            log_squares: self.log_squares.saturating_sub(part.log_squares),
        }
    }

    /// Share of the requests that failed, 0 to 1; NaN without requests.
    pub fn error_rate(&self) -> f64 {
        self.errors as f64 / self.requests as f64
    }

    /// Geometric mean of the latencies, ms; NaN without one.
    pub fn typical_ms(&self) -> f64 {
        self.mean_log().exp()
    }

    /// Mean of the natural logarithms of the latencies; NaN without one.
    pub(crate) fn mean_log(&self) -> f64 {
        self.log_sum as f64 / LOG_PARTS / self.measured as f64
    }

    /// Variance of these logarithms; NaN without one.
    pub(crate) fn log_variance(&self) -> f64 {
        let squares = self.log_squares as f64 / (LOG_PARTS * LOG_PARTS) / self.measured as f64;
        (squares - self.mean_log().powi(2)).max(0.0)
    }
}

/// The requests of an entity that one version or one host served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subset {
    /// What they have in common.
    pub kind: SubsetKind,
    /// The version or host.
    pub name: Arc<str>,
    /// Their counts.
    pub counts: SubsetCounts,
}

/// The subsets of requests over some rows of one entity, by kind and name.
///
/// # Examples
///
/// ```
/// use mad_core::feature::{Subset, SubsetCounts, SubsetKind, Subsets};
///
/// let mut counts = SubsetCounts::default();
/// counts.count(true, 12.0);
/// counts.count(false, f64::NAN);
/// let row = [Subset { kind: SubsetKind::Version, name: "1.5.0".into(), counts }];
/// let mut sums = Subsets::default();
/// sums.add(&row);
/// sums.add(&row);
/// assert_eq!(sums.iter().next().map(|subset| subset.counts.errors), Some(2));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subsets {
    /// By kind and name.
    subsets: Vec<Subset>,
    /// By kind, whether there are more than a sum has room for.
    too_many: [bool; SubsetKind::ALL.len()],
}

impl Subsets {
    /// Adds those of a row.
    pub fn add(&mut self, row: &[Subset]) {
        for subset in row {
            let key = |one: &Subset| (one.kind, one.name.clone());
            match self.subsets.binary_search_by(|known| key(known).cmp(&key(subset))) {
                Ok(place) => {
                    if let Some(known) = self.subsets.get_mut(place) {
                        known.counts.add(&subset.counts);
                    }
                }
                Err(place) if self.of(subset.kind).count() < MOST_IN_SUM => {
                    self.subsets.insert(place, subset.clone());
                }
                Err(_) => {
                    if let Some(is_full) = self.too_many.get_mut(subset.kind as usize) {
                        *is_full = true;
                    }
                }
            }
        }
    }

    /// All of them, versions first, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Subset> {
        self.subsets.iter()
    }

    /// Those of a kind, by name; none where there were too many.
    pub fn of(&self, kind: SubsetKind) -> impl Iterator<Item = &Subset> + Clone {
        let is_full = self.too_many.get(kind as usize).copied().unwrap_or(false);
        self.subsets.iter().filter(move |subset| subset.kind == kind && !is_full)
    }

    /// All of them but those of a kind with too many.
    pub(super) fn into_kept(self) -> Vec<Subset> {
        let is_full = self.too_many;
        let is_kept =
            |subset: &Subset| !is_full.get(subset.kind as usize).copied().unwrap_or(false);
        self.subsets.into_iter().filter(is_kept).collect()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.subsets.is_empty()
    }
}

/// The subsets of an entity in an open step: by kind, those of each number in a [`SubsetNames`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct OpenSubsets([Vec<(u32, SubsetCounts)>; SubsetKind::ALL.len()]);

/// The numbers of the version and the host of a request; `None` where they are unknown.
pub(super) type SubsetNumbers = [Option<u32>; SubsetKind::ALL.len()];

impl OpenSubsets {
    /// Counts a request.
    pub fn count(&mut self, numbers: SubsetNumbers, is_error: bool, latency_ms: f64) {
        for (known, number) in self.0.iter_mut().zip(numbers) {
            let Some(number) = number else { continue };
            if let Some((_, counts)) = known.iter_mut().find(|(known, _)| *known == number) {
                counts.count(is_error, latency_ms);
            } else if known.len() <= MOST_IN_STEP {
                let mut counts = SubsetCounts::default();
                counts.count(is_error, latency_ms);
                known.push((number, counts));
            }
        }
    }

    /// Takes over those of another endpoint.
    pub fn append(&mut self, other: Self) {
        for (known, others) in self.0.iter_mut().zip(other.0) {
            for (number, counts) in others {
                if let Some((_, sum)) = known.iter_mut().find(|(known, _)| *known == number) {
                    sum.add(&counts);
                } else if known.len() <= MOST_IN_STEP {
                    known.push((number, counts));
                }
            }
        }
    }

    /// Takes out all subsets, by kind and name. A kind with too many has none.
    pub fn close(&mut self, names: &SubsetNames) -> Vec<Subset> {
        let mut out = Vec::new();
        for (kind, known) in SubsetKind::ALL.into_iter().zip(&mut self.0) {
            if known.len() <= MOST_IN_STEP {
                let named = known.iter().filter_map(|(number, counts)| {
                    let name = names.name(*number)?.clone();
                    Some(Subset { kind, name, counts: *counts })
                });
                out.extend(named);
            }
            known.clear();
        }
        out.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
        out
    }
}

/// The subset with the most failed requests, with all subsets of its kind together; the first by name
/// of those that have equally many. `None` without subsets of the kind.
pub(crate) fn most_failed(subsets: &Subsets, kind: SubsetKind) -> Option<(&Subset, SubsetCounts)> {
    let most = subsets.of(kind).min_by_key(|subset| Reverse(subset.counts.errors))?;
    Some((most, together(subsets, kind)))
}

/// The subset with the longest typical latency, likewise.
pub(crate) fn slowest(subsets: &Subsets, kind: SubsetKind) -> Option<(&Subset, SubsetCounts)> {
    let measured = subsets.of(kind).filter(|subset| subset.counts.measured > 0);
    let slower = |a: &&Subset, b: &&Subset| b.counts.mean_log().total_cmp(&a.counts.mean_log());
    Some((measured.min_by(slower)?, together(subsets, kind)))
}

fn together(subsets: &Subsets, kind: SubsetKind) -> SubsetCounts {
    let mut all = SubsetCounts::default();
    for subset in subsets.of(kind) {
        all.add(&subset.counts);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(count: u32) -> OpenSubsets {
        let mut open = OpenSubsets::default();
        for number in 0..count {
            open.count([None, Some(number)], number == 0, 100.0);
        }
        open
    }

    #[test]
    fn a_step_with_too_many_hosts_has_none() {
        let mut names = SubsetNames::new(1_000);
        for number in 0..100 {
            names.number(&format!("host-{number:02}"));
        }
        assert_eq!(numbered(64).close(&names).len(), 64);
        assert_eq!(numbered(65).close(&names), []);
    }

    #[test]
    fn sums_do_not_depend_on_the_order_of_requests() {
        let latencies = [3.0, 0.1, 7e5, 12.5, 1e-9];
        let sum = |order: &mut dyn Iterator<Item = &f64>| {
            let mut counts = SubsetCounts::default();
            order.for_each(|latency| counts.count(false, *latency));
            counts
        };
        assert_eq!(sum(&mut latencies.iter()), sum(&mut latencies.iter().rev()));
        let two = sum(&mut [10.0, 1_000.0].iter());
        assert!((two.typical_ms() - 100.0).abs() < 0.1, "{}", two.typical_ms());
        assert!((two.log_variance() - 10_f64.ln().powi(2)).abs() < 0.01);
    }

    #[test]
    fn a_sum_with_too_many_names_has_none_of_that_kind() {
        let subset = |kind, name: String| Subset {
            kind,
            name: name.into(),
            counts: SubsetCounts { requests: 1, ..SubsetCounts::default() },
        };
        let mut sums = Subsets::default();
        sums.add(&[subset(SubsetKind::Version, "1".into())]);
        for pod in 0..200 {
            sums.add(&[subset(SubsetKind::Host, format!("pod-{pod}"))]);
        }
        assert_eq!(sums.of(SubsetKind::Host).count(), 0);
        assert_eq!(sums.of(SubsetKind::Version).count(), 1);
    }
}
