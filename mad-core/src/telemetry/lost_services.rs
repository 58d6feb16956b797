//! The services of rejected records.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::RejectReason;
use crate::limits::{MAX_NAME_BYTES, REJECTED_SERVICES};

/// Rejected records of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostRecords {
    /// How many there are.
    pub records: u64,
    /// The reason of the first one.
    pub reason: RejectReason,
    /// The position of the first one.
    pub position: u64,
}

/// Counts rejected records by their service, of at most [`REJECTED_SERVICES`] services.
///
/// A service whose records are all rejected is missing from all results. Its share of the input may
/// be small, so that the counts by reason do not show it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostServices(BTreeMap<Box<str>, LostRecords>);

impl LostServices {
    /// Counts a rejected record of a service. Empty and overlong names, and services beyond the
    /// limit, are left out.
    pub fn add(&mut self, service: &str, reason: RejectReason, position: u64) {
        self.merge_one(service, LostRecords { records: 1, reason, position });
    }

    /// Adds the counts of `other`, whose records come later.
    pub fn merge(&mut self, other: &Self) {
        for (service, lost) in &other.0 {
            self.merge_one(service, *lost);
        }
    }

    /// The services and their rejected records, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &LostRecords)> {
        self.0.iter().map(|(service, lost)| (&**service, lost))
    }

    fn merge_one(&mut self, service: &str, lost: LostRecords) {
        let service = service.trim();
        if let Some(known) = self.0.get_mut(service) {
            known.records += lost.records;
        } else if !service.is_empty()
            && service.len() <= MAX_NAME_BYTES
            && self.0.len() < REJECTED_SERVICES
        {
            self.0.insert(service.into(), lost);
        }
    }
}
