//! Where the requests of an incident enter, as reports and files show it.

use serde::Serialize;

use super::{EntityDocument, SloDocument};
use crate::explain::FrontDoor;

/// The requests at the affected entities that no other affected service calls.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct FrontDoorDocument {
    pub entities: Vec<EntityDocument>,
    pub requests: u64,
    pub errors: u64,
    pub no_response: u64,
    pub slo: Option<SloDocument>,
    pub slo_of: Option<EntityDocument>,
}

impl From<&FrontDoor> for FrontDoorDocument {
    fn from(door: &FrontDoor) -> Self {
        Self {
            entities: door.entities.iter().map(Into::into).collect(),
            requests: door.requests,
            errors: door.errors,
            no_response: door.no_response,
            slo: door.slo.as_ref().map(Into::into),
            slo_of: door.slo_of.as_ref().map(Into::into),
        }
    }
}
