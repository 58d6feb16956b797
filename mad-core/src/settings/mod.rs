//! Settings of some entities: what is judged otherwise, and what nobody is to be woken for.
//!
//! [`PipelineConfig::resolve`](crate::PipelineConfig::resolve) gives the settings of one entity,
//! [`PipelineConfig::mute_at`](crate::PipelineConfig::mute_at) its mute at a moment.

mod daily;
mod entity;
mod glob;
mod mute;
mod overrides;

pub use daily::{Daily, Weekday};
pub use entity::{EntitySettings, SignalSettings};
pub use glob::Glob;
pub use mute::MuteWindow;
pub use overrides::{MetricKind, Override};
