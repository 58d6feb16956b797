//! One change of a system.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::RejectReason;
use super::request::{check_name, check_optional_name, check_time};
use crate::time::Timestamp;

/// One change of a system, such as a deploy, borrowed from its source.
///
/// # Examples
///
/// ```
/// use mad_core::{Change, Timestamp, telemetry::RejectReason};
///
/// let change = Change::new(Timestamp::from_seconds(0), "payments", "deploy");
/// assert!(Change { version: "1.4.2", ..change }.check().is_ok());
/// assert_eq!(Change { kind: "", ..change }.check(), Err((RejectReason::MissingField, "kind")));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    /// When it was made.
    pub timestamp: Timestamp,
    /// The service that was changed.
    pub service: &'a str,
    /// What kind of change: `deploy`, `config`, `restart`, or any other word.
    pub kind: &'a str,
    /// The changed item, such as the name of a flag; may be empty.
    pub name: &'a str,
    /// The new version or value; may be empty.
    pub version: &'a str,
}

impl<'a> Change<'a> {
    /// The names of the fields in files and tables, those that an input needs first.
    pub const FIELDS: &'static [&'static str] =
        &["timestamp", "service", "kind", "name", "version"];

    /// A change without name and version.
    pub const fn new(timestamp: Timestamp, service: &'a str, kind: &'a str) -> Self {
        Self { timestamp, service, kind, name: "", version: "" }
    }

    /// The change as it is kept.
    pub(crate) fn event(&self) -> ChangeEvent {
        ChangeEvent {
            at: self.timestamp,
            service: self.service.into(),
            kind: self.kind.to_owned(),
            name: self.name.to_owned(),
            version: self.version.to_owned(),
        }
    }

    /// Checks every field.
    ///
    /// # Errors
    ///
    /// The reason, and the field at fault.
    pub fn check(&self) -> Result<(), (RejectReason, &'static str)> {
        check_time(self.timestamp).map_err(|reason| (reason, "timestamp"))?;
        check_name(self.service).map_err(|reason| (reason, "service"))?;
        check_name(self.kind).map_err(|reason| (reason, "kind"))?;
        check_optional_name(self.name).map_err(|reason| (reason, "name"))?;
        check_optional_name(self.version).map_err(|reason| (reason, "version"))
    }
}

/// Words in the kind of a change that replaces the code of a service, and of one that switches a part of
/// it.
const DEPLOYS: [&str; 4] = ["deploy", "release", "rollout", "rollback"];
const FLAGS: [&str; 3] = ["flag", "toggle", "experiment"];

/// A change that was made to a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeEvent {
    /// When.
    pub at: Timestamp,
    /// To which service.
    pub service: Arc<str>,
    /// What kind of change, such as `deploy`.
    pub kind: String,
    /// The changed item; may be empty.
    pub name: String,
    /// The new version or value; may be empty.
    pub version: String,
}

impl ChangeEvent {
    /// Puts deploys first, then feature flags, then all other changes such as settings, each the
    /// newest first: a deploy changes the most, and a change just before a fault is its likelier
    /// cause.
    pub(crate) fn sort(changes: &mut [Self]) {
        changes.sort_by(|a, b| {
            let order = a.class().cmp(&b.class()).then(b.at.cmp(&a.at));
            let names = |one: &Self| (one.kind.clone(), one.name.clone(), one.version.clone());
            order.then_with(|| names(a).cmp(&names(b)))
        });
    }

    /// 0 for a deploy, 1 for a feature flag, 2 for anything else.
    fn class(&self) -> u8 {
        let kind = self.kind.to_ascii_lowercase();
        let names = |words: &[&str]| words.iter().any(|word| kind.contains(word));
        if names(&DEPLOYS) {
            0
        } else if names(&FLAGS) {
            1
        } else {
            2
        }
    }
}
