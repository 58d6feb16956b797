//! One edge of the service graph.

use super::RejectReason;
use super::request::check_name;

/// A call from one service to another, borrowed from its source.
///
/// # Examples
///
/// ```
/// use mad_core::{Edge, telemetry::RejectReason};
///
/// let edge = Edge::new("cart", "payments");
/// assert_eq!(edge.calls, 1);
/// assert!(edge.check().is_ok());
/// assert_eq!(Edge::new("cart", "").check(), Err((RejectReason::MissingField, "callee")));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge<'a> {
    /// The service that calls.
    pub caller: &'a str,
    /// The service that is called; may be the caller itself.
    pub callee: &'a str,
    /// Calls seen (1 unless given).
    pub calls: u64,
}

impl<'a> Edge<'a> {
    /// The names of the fields in files and tables, those that an input needs first.
    pub const FIELDS: &'static [&'static str] = &["caller", "callee", "calls"];

    /// An edge of one call.
    pub const fn new(caller: &'a str, callee: &'a str) -> Self {
        Self { caller, callee, calls: 1 }
    }

    /// Checks every field.
    ///
    /// # Errors
    ///
    /// The reason, and the field at fault.
    pub fn check(&self) -> Result<(), (RejectReason, &'static str)> {
        check_name(self.caller).map_err(|reason| (reason, "caller"))?;
        check_name(self.callee).map_err(|reason| (reason, "callee"))
    }
}
