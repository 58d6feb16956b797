//! Incidents: the grouping of flagged rows, from the first row to the close.

mod change;
mod fault;
mod grouper;
#[expect(clippy::module_inception, reason = "the file holds the type `Incident`")]
mod incident;
mod life_cycle;
mod member;
mod of_service;
mod open_state;
mod outcome;
mod peak;
mod reopen;
mod seen_rows;
mod topology;

pub use change::IncidentChange;
pub use grouper::IncidentGrouper;
pub use incident::Incident;
pub use life_cycle::{CloseReason, IncidentStatus};
pub use member::{MOST_MEMBERS, Member};
pub(crate) use open_state::OpenState;
pub use outcome::RowOutcome;
pub use peak::Peak;
pub(crate) use peak::usual_beside;
pub use seen_rows::SeenRows;
pub use topology::Topology;
