//! Which services have to do with each other.

use std::sync::Arc;

/// Which services have to do with each other: those that call each other.
pub trait Ties {
    /// The services that call `service` or are called by it, in any order.
    fn neighbours(&self, service: &str) -> Vec<Arc<str>>;
}

/// Nothing is known of calls.
impl Ties for () {
    fn neighbours(&self, _: &str) -> Vec<Arc<str>> {
        Vec::new()
    }
}
