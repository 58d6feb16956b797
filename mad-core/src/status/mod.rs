//! The state of every entity and series with its reason, from the public queries of a pipeline.

mod entity_status;
mod health_state;
mod states;
mod why;

pub use entity_status::{EntityStatus, StateDocument};
pub use health_state::HealthState;
pub(crate) use states::state_documents;
pub use states::states;
pub use why::{Question, why, why_at, why_signal};
