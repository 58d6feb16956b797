//! The service graph: which services call each other, with latencies on both sides of each call.
//!
//! [`ServiceGraph`] is built from spans (a child in another service than its parent is a call), from
//! edge lists, and from requests that share a trace. [`TraceProfiles`] learns which operations occur
//! together in traces and finds missing spans. The order of the records does not matter as long as
//! related records arrive within the bounds of [`Limits`](crate::Limits) of each other.

mod calls;
mod document;
mod ids;
mod node;
mod open_requests;
mod open_spans;
mod open_trace;
mod service_graph;
mod state;
mod trace_profiles;

pub use calls::{CallEdge, Latency};
pub use document::GraphDocument;
pub use node::{GraphCounters, ServiceNode};
pub use open_trace::CallGap;
pub use service_graph::ServiceGraph;
pub use trace_profiles::{TraceProfile, TraceProfiles};
