//! Explanations of incidents and decisions: sentences whose numbers come from the evidence.
//!
//! [`TemplateExplainer`] explains incidents and single decisions. [`format_value`],
//! [`describe_signal`] and [`describe_reason`] give the wording of values, signals and reasons to other
//! outputs, so that each is defined once.

mod budgets;
mod catalogue;
mod causes;
mod chain;
mod explanation;
mod findings;
mod front_door;
mod line;
mod log_evidence;
mod message;
mod messages;
mod phrase;
mod phrases;
mod rules;
mod standout;
mod template;
mod why;
mod words;
mod written;

pub use catalogue::{Catalogue, CatalogueText};
pub use chain::{Link, Tie};
pub use explanation::Explanation;
pub use front_door::FrontDoor;
pub(crate) use log_evidence::log_phrase;
pub use message::Message;
pub use messages::all as all_messages;
pub use phrase::Phrase;
pub use template::TemplateExplainer;
pub(crate) use template::evidence_phrase;
pub use why::Why;
pub(crate) use why::{muted, silence};
pub(crate) use words::date_clock;
pub use words::{describe_reason, describe_signal, describe_signal_in, format_value, reason_label};
