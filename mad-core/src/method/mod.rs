//! Other detectors beside the default: their rules, a table of what each flags, and ensembles.
//!
//! [`Methods`] takes the rows that a [`Pipeline`](crate::Pipeline) has judged, and gives an
//! [`Opinion`] of each chosen method about each row. The opinions change nothing about incidents.
//! docs/methods.md says what each method is good for.
//!
//! | method | rows | rule |
//! |---|---|---|
//! | `default` | all | the verdict of the pipeline |
//! | `ewma` | requests, metrics | latency over 3 times its exponentially weighted mean, failed requests over 20 %, silence |
//! | `zscore` | requests, metrics | a signal beyond 3 standard deviations |
//! | `isolation_forest` | requests, metrics | the signals of a row are easily separated from those of earlier rows |
//! | `one_class_svm` | requests, metrics | the signals of a row are outside the region of earlier rows |
//! | `lstm_autoencoder` | requests, metrics | a network that has learnt to repeat earlier rows repeats it badly |
//! | `log_level` | logs | an error line |
//! | `event_kind` | changes | a restart |
//!
//! Every score is 0 to 1, with 0.5 at the threshold of its method, so that scores of several methods
//! can be averaged.

mod bounded;
mod entities;
mod ewma;
mod methods;
mod name;
mod opinion;
#[cfg(feature = "parallel")]
mod parallel;
mod rules;
mod vector;

pub use methods::{Member, Methods};
pub use name::MethodName;
pub use opinion::{Judgement, MemberSet, MethodSummary, Opinion};
