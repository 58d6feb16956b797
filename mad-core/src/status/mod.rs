//! The state of every entity and series with its reason, from the public queries of a pipeline.

mod states;

pub(crate) use states::state_documents;
pub use states::{EntityStatus, HealthState, StateDocument, states, why, why_point};
