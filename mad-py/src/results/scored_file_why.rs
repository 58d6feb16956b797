//! Why rows of a scored file were flagged or not.

use std::collections::BTreeMap;
use std::time::Duration;

use mad_core::explain::{TemplateExplainer, Why};
use mad_core::history::Decision;
use mad_core::time::ZonePolicy;
use mad_core::{Reason, Signal, SignalKind, Timestamp};
use pyo3::prelude::*;
use serde::Serialize;

use crate::config::to_json;
use crate::errors::value_error;
use crate::results::scored_file::ScoredFile;

/// A row and why it was flagged or not.
#[derive(Serialize)]
struct Answer {
    service: String,
    endpoint: String,
    metric: String,
    bucket: String,
    is_anomaly: bool,
    reason: String,
}

/// Of each endpoint of a service (or resource and metric) the newest row of a scored file by `at`,
/// and why it was flagged or not: a list as JSON.
#[pyfunction]
#[pyo3(signature = (scored, service, endpoint=None, metric=None, at=None))]
pub fn why_from_scored(
    scored: &Bound<'_, PyAny>,
    service: &str,
    endpoint: Option<&str>,
    metric: Option<&str>,
    at: Option<&str>,
) -> PyResult<String> {
    let read = |text: &str| {
        Timestamp::parse(text, ZonePolicy::Refuse)
            .map_err(|error| value_error(format!("at = {text:?}: {error}")))
    };
    let at = at.map(read).transpose()?;
    let mut file = ScoredFile::open(scored, &["bucket_ts", "service", "is_anomaly"])?;
    let mut newest: BTreeMap<(String, String), Decision> = BTreeMap::new();
    while file.next()? {
        let place = if file.has("resource") { "resource" } else { "endpoint" };
        let named =
            |given: Option<&str>, column| given.is_none_or(|name| file.text(column) == name);
        if file.text("service") != service || !named(endpoint, place) || !named(metric, "metric") {
            continue;
        }
        let decision = decision(&file)?;
        if at.is_none_or(|at| decision.bucket <= at) {
            newest.insert((file.text(place).to_owned(), file.text("metric").to_owned()), decision);
        }
    }
    let answer = |((endpoint, metric), decision): ((String, String), Decision)| {
        let metric_name = (!metric.is_empty()).then_some(metric.as_str());
        let why = Why {
            decision: &decision,
            metric: metric_name,
            settings: None,
            maturity: None,
            muted_until: None,
            step: Duration::from_secs(60),
        };
        let reason = TemplateExplainer.reason(&why);
        Answer {
            service: service.to_owned(),
            endpoint,
            bucket: decision.bucket.to_string(),
            is_anomaly: decision.is_anomaly,
            reason,
            metric,
        }
    };
    to_json(&newest.into_iter().map(answer).collect::<Vec<_>>())
}

fn decision(file: &ScoredFile<'_>) -> PyResult<Decision> {
    let (named, reason) = (file.text("signal"), file.text("reason"));
    let signal = Signal::ALL.into_iter().find(|signal| signal.as_str() == named);
    let of_metric = file.has("metric");
    // a file of the reference mode judges the p95 alone and names no signal
    let value = if of_metric || signal.is_some() { "value" } else { "p95_latency_ms" };
    let signal = (!of_metric).then(|| signal.unwrap_or(Signal::P95Latency));
    Ok(Decision {
        bucket: file.bucket()?,
        count: file.number("req_count") as u64,
        signal,
        kind: signal.map_or(SignalKind::Gauge, Signal::kind),
        value: file.number(value),
        expected: file.number("expected"),
        low: file.number("expected_low"),
        high: file.number("expected_high"),
        score: file.number("score"),
        is_anomaly: file.flagged(),
        reason: Reason::ALL
            .into_iter()
            .find(|one| one.as_str() == reason)
            .unwrap_or(Reason::Normal),
    })
}
