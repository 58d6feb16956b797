//! mad-core
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::unreachable,
        clippy::print_stdout,
        reason = "a failing test may panic"
    )
)]

pub mod error;
pub mod evaluate;
pub mod feature;
pub mod limits;
pub mod reference;
pub mod robust;
pub mod series;
#[cfg(feature = "simulate")]
pub mod simulate;
pub mod telemetry;
pub mod time;
pub mod wire;

pub use error::{Error, ErrorKind, Result};
pub use feature::{FeatureRow, Sample, Signal, SignalKind};
pub use limits::Limits;
pub use series::{Entity, EntityId, EntityTable};
pub use telemetry::{RejectReason, Rejections, Request};
pub use time::Timestamp;
