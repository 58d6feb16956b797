//! Entities: a service and one of its endpoints or resources.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// An entity, which is what rows are about: a service and one of its endpoints or resources.
///
/// # Examples
///
/// ```
/// use mad_core::Entity;
///
/// let pay = Entity::new("payments", "/pay");
/// assert_eq!(pay.to_string(), "payments /pay");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Entity {
    /// The service.
    pub service: Arc<str>,
    /// The endpoint of requests or the resource of metrics; empty for the whole service.
    pub endpoint: Arc<str>,
}

impl Entity {
    /// An entity from its two names.
    pub fn new(service: &str, endpoint: &str) -> Self {
        Self { service: service.into(), endpoint: endpoint.into() }
    }

    /// The entity of all records whose service has no place in a full table.
    pub fn overflow() -> Self {
        Self::new(OTHER, OTHER)
    }

    /// Whether it stands for a service as a whole: for its traffic across all endpoints, its log
    /// lines and its metrics without a resource.
    ///
    /// ```
    /// use mad_core::Entity;
    ///
    /// assert!(Entity::new("payments", "").is_service());
    /// assert!(!Entity::new("payments", "/pay").is_service());
    /// ```
    pub fn is_service(&self) -> bool {
        self.endpoint.is_empty()
    }
}

/// Name of the endpoint that takes the requests of a service whose own endpoints have no place.
pub(super) const OTHER: &str = "(other)";

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.service)?;
        // metrics of the whole service have no endpoint
        if self.endpoint.is_empty() { Ok(()) } else { write!(f, " {}", self.endpoint) }
    }
}

/// Dense id of an entity within one table, in order of first appearance. The id of a forgotten entity
/// is given to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntityId(pub u32);

impl EntityId {
    /// The id as an index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}
