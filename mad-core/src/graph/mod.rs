//! Who calls whom: a live and bounded graph of services, with what each call costs on both sides.
//!
//! It is made of spans (a child in another service than its parent is a call), of edges that are
//! told, and of requests that share a trace. The order in which records come does not matter as long
//! as related ones are within the bounds of [`Limits`](crate::Limits) of each other.

mod calls;
mod document;
mod ids;
mod keep;
mod open;
mod open_trace;
mod requests;
mod service_graph;
mod shapes;
mod state;

pub use calls::{CallEdge, Latency};
pub use document::{GraphCounters, GraphDocument, ServiceNode};
pub use service_graph::ServiceGraph;
pub use shapes::{CallGap, TraceShape, TraceShapes};
