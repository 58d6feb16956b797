//! Verdicts to incidents: when one opens, what belongs to it, when it is over.

mod change;
mod grouper;
mod open_state;
mod outcome;
mod reopen;
mod topology;
mod types;

pub use change::IncidentChange;
pub use grouper::IncidentGrouper;
pub(crate) use open_state::OpenState;
pub use outcome::RowOutcome;
pub use topology::Topology;
pub use types::{CloseReason, Incident, IncidentStatus, MOST_MEMBERS, Member, Peak};
