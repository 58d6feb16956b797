//! Plain records in, and what is rejected and why.

mod change;
mod edge;
mod log_line;
mod metric;
mod rejection;
mod request;
mod route;
mod span;

pub use change::{Change, ChangeEvent};
pub use edge::Edge;
pub use log_line::{LogLevel, LogLine};
pub use metric::MetricPoint;
pub use rejection::{RejectReason, Rejected, Rejections};
pub use request::Request;
pub use route::RouteTemplates;
pub use span::{Span, SpanKind};
