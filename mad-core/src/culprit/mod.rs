//! Who is to blame, with evidence.

mod ranker;
mod types;

pub use ranker::CulpritRanker;
pub use types::{Culprit, CulpritConfig, Evidence, Ranking};
