//! Service level objectives: the budget use of incidents from counted requests.

use mad_core::config::{Override, SloConfig};
use mad_core::series::Glob;
use mad_core::time::{MINUTE, Timestamp};
use mad_core::{IncidentDocument, MetricPoint, Pipeline, PipelineConfig, Request};

fn at(minute: i64, second: i64) -> Timestamp {
    Timestamp::from_nanos(minute * MINUTE + second * 1_000_000_000)
}

/// Four hours of 60 requests a minute; for five minutes a third of them fail and a sixth are slow.
fn requests() -> Vec<Request<'static>> {
    let mut out = Vec::new();
    for minute in 0..240_i64 {
        for second in 0..60_i64 {
            let bad = (200..205).contains(&minute);
            let status = if bad && second % 3 == 0 { 500 } else { 200 };
            let slow = if bad && second % 6 == 1 { 800.0 } else { 0.0 };
            let latency = 40.0 + (second * 37 % 50) as f64 + slow;
            out.push(Request::new(at(minute, second), "pay", "/", status, latency));
        }
    }
    out
}

fn detected(config: PipelineConfig) -> Pipeline {
    let mut pipeline = Pipeline::new(config).unwrap();
    pipeline.ingest(requests());
    pipeline.finish();
    pipeline
}

#[test]
fn an_incident_reports_its_use_of_both_budgets() {
    let pipeline = detected(PipelineConfig::default());
    let incident = pipeline.incidents()[0];
    let slo = incident.slo.unwrap();
    assert_eq!((slo.errors.bad, slo.errors.requests), (100, 300));
    assert_eq!((slo.latency.bad, slo.latency.requests), (50, 300));
    // 60 a minute are 2,592,000 in 30 days
    assert!((slo.errors.window_requests - 2_592_000.0).abs() < 1e-3);
    assert!((slo.errors.budget_share() - 100.0 / 2_592.0).abs() < 1e-9);
    assert!((slo.errors.rate() - 1_000.0 / 3.0).abs() < 1e-6);
    assert!((slo.latency.budget_share() - 50.0 / 25_920.0).abs() < 1e-9);
    let explanation = pipeline.explain(incident);
    let words = [
        "Failed requests used 3.9 % of the 30-day error budget (objective 99.9 %).",
        "Requests longer than 500 ms used 0.19 % of the 30-day latency budget (objective 99 %).",
    ];
    for sentence in words {
        assert!(explanation.impact.iter().any(|said| said == sentence), "{:?}", explanation.impact);
    }
    let severity = [
        "33.3 % of its requests failed (usual 0 %).",
        "At that rate a 30-day error budget lasts 2 hours.",
        "At that rate a 30-day latency budget lasts 43 hours.",
    ];
    assert_eq!(explanation.severity_evidence[1..], severity[1..]);
    assert!(!explanation.impact.iter().any(|said| said.contains("used up")));
    let document = serde_json::to_value(IncidentDocument::new(&pipeline, incident)).unwrap();
    assert_eq!(document["slo"]["errors"]["bad"], 100);
    assert_eq!(document["slo"]["window_days"], 30.0);
}

#[test]
fn an_open_incident_says_when_the_rest_of_the_budget_is_used_up() {
    // the objective allows 259 failures in 30 days; 100 happen in five minutes
    let slo = SloConfig { error_objective: 0.9999, ..SloConfig::default() };
    let mut pipeline = Pipeline::new(PipelineConfig { slo, ..PipelineConfig::default() }).unwrap();
    let until = requests().iter().position(|one| one.timestamp >= at(205, 0)).unwrap();
    pipeline.ingest(requests().into_iter().take(until + 1));
    let incident = pipeline.incidents()[0];
    assert!(incident.is_open());
    let errors = incident.slo.unwrap().errors;
    let minutes = 30.0 * 1440.0 / errors.rate() * (1.0 - errors.budget_share());
    assert!(errors.budget_share() > 0.3 && minutes < 10.0, "{minutes}");
    let said = format!(
        "At this rate the rest of the 30-day error budget is used up in {} minutes.",
        minutes.round()
    );
    let impact = pipeline.explain(incident).impact;
    assert!(impact.contains(&said), "{said} is not in {impact:?}");
}

#[test]
fn objectives_differ_by_entity_and_survive_a_restore() {
    let strict = Override {
        service: Glob::new("p*"),
        error_objective: Some(0.99),
        latency_objective_ms: Some(60.0),
        ..Override::default()
    };
    let config = PipelineConfig { overrides: vec![strict], ..PipelineConfig::default() };
    let slow = |pipeline: &Pipeline| {
        let slo = pipeline.incidents()[0].slo.unwrap();
        (slo.errors.objective, slo.latency_ms, slo.latency.bad)
    };
    let whole = detected(config.clone());
    let (objective, ms, bad) = slow(&whole);
    assert_eq!((objective, ms), (0.99, 60.0));
    assert!(bad > 150, "{bad} of 300 took longer than 60 ms");
    let all = requests();
    let (first, rest) = all.split_at(9_000);
    let mut saved = Pipeline::new(config.clone()).unwrap();
    saved.ingest(first.iter().copied());
    let mut restored = Pipeline::restore(config, &saved.checkpoint().unwrap()).unwrap();
    restored.ingest(rest.iter().copied());
    restored.finish();
    assert_eq!(slow(&restored), slow(&whole));
    // changed objectives apply from the restore on
    let config = PipelineConfig::default();
    let mut other = Pipeline::restore(config, &saved.checkpoint().unwrap()).unwrap();
    other.ingest(rest.iter().copied());
    other.finish();
    assert_eq!(slow(&other), (0.999, 500.0, 50));
}

#[test]
fn metrics_alone_have_no_objectives() {
    let mut pipeline = Pipeline::new(PipelineConfig::default()).unwrap();
    let point = |minute: i64| {
        let value = if (200..210).contains(&minute) { 90.0 } else { 5.0 + (minute % 7) as f64 };
        MetricPoint::new(at(minute, 0), "pay", "cpu", value)
    };
    pipeline.ingest((0..240).map(point));
    pipeline.finish();
    let incident = pipeline.incidents()[0];
    assert_eq!(incident.slo, None);
    let document = serde_json::to_value(IncidentDocument::new(&pipeline, incident)).unwrap();
    assert!(document["slo"].is_null());
    assert!(pipeline.explain(incident).severity_evidence.is_empty());
}

#[test]
fn objectives_out_of_range_are_refused() {
    let problem = |slo: SloConfig| slo.validate().unwrap_err().to_string();
    let all = SloConfig { error_objective: 1.0, ..SloConfig::default() };
    let expected = "config field `slo.error_objective` is 1; expected a share above 0 and below 1";
    assert_eq!(problem(all), expected);
    let nan = SloConfig { latency_objective: f64::NAN, ..SloConfig::default() };
    assert!(problem(nan).contains("slo.latency_objective"));
    let never = SloConfig { latency_objective_ms: 0.0, ..SloConfig::default() };
    assert!(problem(never).contains("above 0, at most 1e9 ms"));
    let over = Override { error_objective: Some(1.5), ..Override::default() };
    let message = over.validate("override[0]").unwrap_err().to_string();
    assert!(message.contains("override[0].error_objective"), "{message}");
    let signal = Glob::new("error_rate");
    let over = Override { signal, error_objective: Some(0.5), ..Override::default() };
    assert!(over.validate("override[0]").is_err());
}
