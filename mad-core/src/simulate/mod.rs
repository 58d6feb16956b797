//! Seeded generators of telemetry with known incidents.
//!
//! [`Shop`] is the original system's world: a web shop of four services with three endpoints each
//! and one incident, grown to any number of services and incidents. It yields one request at a
//! time, in order of time and in constant memory, and the same bytes for the same configuration on
//! every machine.
//!
//! [`Traces`] are spans, with missing ones and skewed clocks: a checkout with a slow payment, a failing
//! inventory, a silent inventory or a cascade, or a chain of two to six services whose last one fails
//! or is slow.
//!
//! [`Melt`] is a chain of services with metrics, logs, events and traces. [`Api`] is two services under
//! a load pattern, with single anomalous requests. [`RadarWorld`] is a service that is measured once a
//! second, with log lines; [`Radar`] gives its measurements alone.
//!
//! # How the numbers are drawn
//!
//! xoshiro256++ seeded with `seed`; a uniform is the upper 53 bits times 2^-53. Stream 0 gives each
//! request its endpoint, latency, error, stretch and trace id, in this order and whether they are
//! used or not. Stream 1 gives the times, stream 2 + k belongs to incident k. So an incident leaves
//! every request outside it as it was, and one more incident leaves the others as they were.
//!
//! Times are the order statistics of uniform times: `n + 1` exponential spacings, divided by their
//! sum, are the spacings of `n` sorted uniforms (Devroye, "Non-Uniform Random Variate Generation",
//! 1986, V.2). The sum is taken in a first pass, which costs about 10 ns a row.

mod api;
mod catalogue;
mod config;
mod incident;
mod melt;
mod melt_traces;
mod radar;
mod radar_world;
mod random;
mod request;
mod shop;
mod span;
mod trace_config;
mod traces;
mod world;

pub use crate::evaluate::{Truth, TruthIncident};
pub use api::{Api, ApiConfig, LoadPattern};
pub use config::ShopConfig;
pub use incident::{IncidentKind, IncidentSpec, random_incident};
pub use melt::{Melt, MeltConfig};
pub use melt_traces::{LostSpan, MeltTraces};
pub use radar::{Radar, RadarPoint, RadarScenario};
pub use radar_world::{RadarConfig, RadarWorld};
pub use request::{SimulatedRequest, write_csv_header};
pub use shop::{Shop, ShopRequests};
pub use span::{SimulatedSpan, write_spans_header};
pub use trace_config::{TraceScenario, TracesConfig};
pub use traces::{Traces, TracesTelemetry};
pub use world::{SimulatedChange, SimulatedLog, SimulatedMetric, World};
