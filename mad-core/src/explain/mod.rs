//! Evidence to words that are true by construction.

mod budgets;
mod causes;
mod chain;
mod explanation;
mod phrases;
mod template;
mod why;
mod words;

pub use chain::{Link, Tie};
pub use explanation::Explanation;
pub use template::TemplateExplainer;
pub(crate) use template::evidence_text;
pub use why::Why;
pub(crate) use why::{muted, silence};
