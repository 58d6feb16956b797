//! Service level objectives of an entity: how much of its error budgets an incident used up.

mod impact;
mod traffic;

pub use impact::{Burn, RowObjectives, SloImpact};
pub(crate) use traffic::Traffic;
