//! Helpers that the tests of several areas share.
#![allow(dead_code, reason = "no test binary uses all of them")]

#[cfg(feature = "simulate")]
use mad_core::simulate::{IncidentSpec, Shop, ShopConfig, SimulatedRequest};
use mad_core::time::{MINUTE, Timestamp};
use mad_core::{Request, Span, SpanKind};

/// The start of minute `i` after 1970.
pub fn minute(i: i64) -> Timestamp {
    Timestamp::from_nanos(i * MINUTE)
}

/// Deterministic noise between 0 and 1 without a short period.
pub fn wobble(i: i64) -> f64 {
    f64::midpoint((i * 7919 % 997) as f64 / 997.0, (i * 104_729 % 641) as f64 / 641.0)
}

/// The root span of a trace: `front` serves `GET /` in 10 ms.
pub const ROOT: Span<'static> = Span {
    trace_id: "t",
    span_id: "1",
    parent_id: None,
    service: "front",
    operation: "GET /",
    start: Timestamp::from_seconds(0),
    duration_ms: 10.0,
    status: "ok",
    kind: SpanKind::Server,
    peer: None,
};

/// The requests of the simulated shop with one outage; start and duration in seconds.
#[cfg(feature = "simulate")]
pub fn shop_with_outage(
    config: ShopConfig,
    (start_seconds, duration_seconds): (f64, f64),
) -> Vec<SimulatedRequest> {
    let outage = IncidentSpec { start_seconds, duration_seconds, ..IncidentSpec::default() };
    let config = ShopConfig { incidents: vec![outage], ..config };
    Shop::new(config).unwrap().requests().collect()
}

/// A simulated request as the pipeline takes it.
#[cfg(feature = "simulate")]
pub fn request(row: &SimulatedRequest) -> Request<'_> {
    let status = i64::from(row.status_code);
    Request::new(row.timestamp, &row.service, &row.endpoint, status, row.latency_ms)
}
