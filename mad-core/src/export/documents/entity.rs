//! An entity, as reports and files show it.

use serde::Serialize;

use crate::series::Entity;

/// An entity.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct EntityDocument {
    pub service: String,
    pub endpoint: String,
}

impl From<&Entity> for EntityDocument {
    fn from(entity: &Entity) -> Self {
        Self { service: entity.service.to_string(), endpoint: entity.endpoint.to_string() }
    }
}
