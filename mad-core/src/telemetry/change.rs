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
