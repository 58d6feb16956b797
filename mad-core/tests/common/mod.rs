//! Helpers that the tests of several areas share.
#![allow(dead_code, reason = "no test binary uses all of them")]

use mad_core::feature::{FeatureRow, Row, RowBuilder};
use mad_core::history::FlaggedSignal;
use mad_core::score::{RowScorer, RowScores};
use mad_core::series::Signal;
#[cfg(feature = "simulate")]
use mad_core::simulate::{IncidentSpec, Shop, ShopConfig, SimulatedRequest};
use mad_core::time::{MINUTE, Timestamp};
use mad_core::{JudgedRow, JudgedSignal, Request, Span, SpanKind};

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
    host: "",
    version: "",
};

/// The requests of the simulated shop with one outage; start and duration in seconds.
#[cfg(feature = "simulate")]
pub fn shop_with_outage(
    mut config: ShopConfig,
    (start_seconds, duration_seconds): (f64, f64),
) -> Vec<SimulatedRequest> {
    let outage = IncidentSpec { start_seconds, duration_seconds, ..IncidentSpec::default() };
    config.incidents = vec![outage];
    Shop::new(config).unwrap().requests().collect()
}

/// A simulated request as the pipeline takes it.
#[cfg(feature = "simulate")]
pub fn request(row: &SimulatedRequest) -> Request<'_> {
    let status = i64::from(row.status_code);
    Request::new(row.timestamp, &row.service, &row.endpoint, status, row.latency_ms)
}

/// Judges a row in plain fields.
pub fn with_row<T>(row: &FeatureRow, judge: impl FnOnce(&Row<'_>) -> T) -> T {
    let row = RowBuilder::from(row);
    judge(&row.row())
}

/// The scores of a row, which is not learnt.
pub fn score(scorer: &RowScorer, row: &FeatureRow) -> RowScores {
    let mut scores = RowScores::default();
    with_row(row, |row| scorer.score(row, &mut scores));
    scores
}

/// The scores of a row, which is learnt.
pub fn observe(scorer: &mut RowScorer, row: &FeatureRow) -> RowScores {
    let mut scores = RowScores::default();
    with_row(row, |row| scorer.observe(row, &mut scores));
    scores
}

/// A p95 latency of 900 ms where 140 ms were expected.
pub fn slow_p95(neg_log10_p: f64) -> FlaggedSignal {
    FlaggedSignal::new(Signal::P95Latency, 900.0, neg_log10_p).expected(140.0, 100.0, 210.0).z(12.0)
}

/// The values of series in judged rows, each with its row.
pub fn series_in(rows: &[JudgedRow]) -> Vec<(&JudgedRow, &JudgedSignal)> {
    let of_series = rows.iter().filter(|row| row.requests.is_none());
    of_series.flat_map(|row| row.signals.iter().map(move |signal| (row, signal))).collect()
}
