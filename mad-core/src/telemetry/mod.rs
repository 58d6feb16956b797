//! Records of every kind of telemetry, and the reasons for which a record is rejected.

mod change;
mod counts;
mod edge;
mod level;
mod log_line;
mod lost_services;
mod metric;
mod plausibility;
mod record;
mod reject_reason;
mod rejection;
mod request;
mod request_time;
mod route;
mod shortfall;
mod span;
mod status;
mod status_text;

pub use change::{Change, ChangeEvent};
pub use counts::{KindCounts, RecordCounts};
pub use edge::Edge;
pub use level::{LevelNumbers, LogLevel, WrittenLevel};
pub use log_line::LogLine;
pub use lost_services::{LostRecords, LostServices};
pub use metric::MetricPoint;
pub use plausibility::Plausibility;
pub use record::{PartitionId, Record, RecordKind, Source};
pub use reject_reason::RejectReason;
pub use rejection::{Doubt, Rejected, Rejections, Remark};
pub use request::Request;
pub use request_time::RequestTime;
pub use route::RouteTemplates;
pub use shortfall::with_separators;
pub use span::{Span, SpanKind};
pub use status::Status;
