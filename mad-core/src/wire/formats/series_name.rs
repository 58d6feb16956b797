//! The names of series, and the keys by which they are known.

use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};

use super::naming::{cut, fitted, optional};
use crate::limits::MAX_NAME_BYTES;

/// At least as many bytes as any suffix of a metric has, such as `/error_share`.
const LONGEST_SUFFIX: usize = 64;

/// Where the points of one series belong.
#[derive(Debug, Clone, Copy)]
pub(super) struct SeriesName<'a> {
    pub service: &'a str,
    pub host: &'a str,
    pub metric: &'a str,
    /// All other labels, see [`resource_of`].
    pub resource: &'a str,
}

impl SeriesName<'_> {
    /// The hash of the name, by which the memory knows the series.
    pub fn key(&self) -> u64 {
        let Self { service, host, metric, resource } = *self;
        key_of((service, host, metric, resource))
    }

    /// Whether records accept these names as they are, also with a suffix of the metric and with
    /// fewer labels. Other names have to be cut or cleaned for each record.
    pub fn is_accepted(&self) -> bool {
        let Self { service, host, metric, resource } = *self;
        let names = [(service, fitted(service)), (metric, fitted(metric))];
        let others = [(host, optional(host)), (resource, optional(resource))];
        let is_short = metric.len() + LONGEST_SUFFIX <= MAX_NAME_BYTES;
        is_short && names.into_iter().chain(others).all(|(name, fitted)| name == fitted)
    }
}

/// The series of a counter that differ in the status alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    /// The hash of the name with the labels `resource`.
    pub key: u64,
    /// The labels without the status.
    pub resource: String,
    /// Whether the requests that the series counts failed.
    pub failed: bool,
}

/// A key of a series from its names. It is the same in every run of one build.
pub(super) fn key_of(parts: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}

/// The labels of a series as one name, `k=v,k=v` in their order. A long one is cut and ends in a
/// hash of the whole.
pub(super) fn resource_of<'l>(labels: impl Iterator<Item = (&'l str, &'l str)>) -> String {
    let mut name = String::new();
    for (label, value) in labels {
        if !name.is_empty() {
            name.push(',');
        }
        name.push_str(label);
        name.push('=');
        name.push_str(value);
    }
    if name.len() > MAX_NAME_BYTES {
        let hash = key_of(&name);
        let kept = cut(&name, MAX_NAME_BYTES - 17).len();
        name.truncate(kept);
        let _ = write!(name, "#{hash:016x}");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_labels_are_cut_and_stay_distinct() {
        let value = "x".repeat(600);
        let one = resource_of([("a", value.as_str())].into_iter());
        let other = resource_of([("a", value.as_str()), ("b", "")].into_iter());
        assert!(one.len() <= MAX_NAME_BYTES && one != other);
    }
}
