//! Plain records in, and what is rejected and why.

mod metric;
mod rejection;
mod request;

pub use metric::MetricPoint;
pub use rejection::{RejectReason, Rejected, Rejections};
pub use request::Request;
