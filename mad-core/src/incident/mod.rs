//! Verdicts to incidents: when one opens, what belongs to it, when it is over.

mod change;
mod config;
mod grouper;
mod open_state;
mod reopen;
mod slo;
mod ties;
mod types;

pub use change::IncidentChange;
pub use config::IncidentConfig;
pub use grouper::IncidentGrouper;
pub(crate) use open_state::OpenState;
pub(crate) use slo::Traffic;
pub use slo::{Burn, RowObjectives, SloConfig, SloImpact};
pub use ties::Ties;
pub use types::{CloseReason, Incident, IncidentStatus, MOST_MEMBERS, Member, Peak};
