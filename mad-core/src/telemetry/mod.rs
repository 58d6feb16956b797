//! Plain records in, and what is rejected and why.

mod metric;
mod rejection;
mod request;
mod route;

pub use metric::MetricPoint;
pub use rejection::{RejectReason, Rejected, Rejections};
pub use request::Request;
pub use route::RouteTemplates;
