//! The simulated systems MELT, API and radar, and the scenarios of the checkout.

use std::collections::BTreeSet;

use mad_core::simulate::{
    Api, ApiConfig, LoadPattern, Melt, MeltConfig, RadarConfig, RadarScenario, RadarWorld,
    TraceScenario, Traces, TracesConfig, World,
};
use mad_core::time::{MINUTE, Timestamp};

fn melt(seed: u64) -> World {
    let config = MeltConfig { services: 4, duration_seconds: 60_000.0, seed, ..Default::default() };
    Melt::new(config).unwrap().run()
}

/// Service, metric or endpoint, and time of the true incidents of a kind.
fn truth<'a>(world: &'a World, kind: &str) -> BTreeSet<(&'a str, &'a str, Timestamp)> {
    let of_kind = world.truth.incidents.iter().filter(|one| one.kind == kind);
    of_kind.map(|one| (&*one.service, &*one.endpoint, one.start)).collect()
}

#[test]
fn the_same_seed_gives_the_same_files() {
    assert_eq!(melt(3).files(true), melt(3).files(true));
    assert_ne!(melt(3).files(true), melt(4).files(true));
    let api = |seed| Api::new(ApiConfig { seed, ..Default::default() }).unwrap().run();
    assert_eq!(api(3).files(false), api(3).files(false));
    assert_ne!(api(3).files(false), api(4).files(false));
}

#[test]
fn melt_has_the_shares_of_the_original() {
    let world = melt(1);
    let share = |count: usize, of: usize| count as f64 / of as f64;
    let anomalous = world.metrics.iter().filter(|one| one.is_anomaly).count();
    assert!((share(anomalous, 2 * 4_000) - 0.05).abs() < 0.01, "{anomalous}");
    for (level, expected) in [("INFO", 0.7), ("WARN", 0.2), ("ERROR", 0.1)] {
        let count = world.logs.iter().filter(|one| one.level == level).count();
        assert!((share(count, 4_000) - expected).abs() < 0.03, "{level} {count}");
    }
    for kind in ["restart", "config", "login", "deploy"] {
        let count = world.changes.iter().filter(|one| one.kind == kind).count();
        assert!((share(count, 4_000) - 0.25).abs() < 0.03, "{kind} {count}");
    }
    assert!((share(world.spans.len(), 4_000) - 0.8).abs() < 0.03, "{}", world.spans.len());
    for point in &world.metrics {
        let usual = match point.metric {
            "cpu" => 13.0..23.0,
            "memory" => 1_257.0..1_757.0,
            _ => 100.0..109.0,
        };
        assert_eq!(usual.contains(&point.value), !point.is_anomaly, "{point:?}");
    }
}

#[test]
fn labels_of_melt_and_its_truth_agree_and_lost_spans_are_lost() {
    let world = melt(2);
    let metrics: BTreeSet<_> = world
        .metrics
        .iter()
        .filter(|one| one.is_anomaly)
        .map(|one| (&*one.service, one.metric, one.timestamp))
        .collect();
    assert_eq!(metrics, truth(&world, "metric"));
    let logs: BTreeSet<_> = world
        .logs
        .iter()
        .filter(|one| one.is_anomaly)
        .map(|one| (&*one.service, "", one.timestamp))
        .collect();
    assert_eq!(logs, truth(&world, "log"));
    let written: BTreeSet<_> =
        world.spans.iter().map(|span| (&*span.service, "", span.start.floor(MINUTE))).collect();
    let lost = truth(&world, "trace");
    assert!(written.is_disjoint(&lost));
    assert_eq!(written.len() + lost.len(), 4_000);
}

#[test]
fn names_repeat_beyond_four_services() {
    let config = MeltConfig { services: 6, duration_seconds: 60.0, ..Default::default() };
    let world = Melt::new(config).unwrap().run();
    let services: BTreeSet<&str> = world.logs.iter().map(|one| &*one.service).collect();
    assert_eq!(services.len(), 6);
    assert!(services.contains("frontend-2") && services.contains("auth-service-2"));
}

#[test]
fn anomalous_requests_have_a_minute_and_endpoint_each() {
    let config = ApiConfig { seed: 5, ..Default::default() };
    let start = config.start;
    let world = Api::new(config).unwrap().run();
    let found: Vec<_> = world.requests.iter().filter(|one| one.is_anomaly).collect();
    assert_eq!(found.len(), 20);
    let minutes: BTreeSet<_> = found.iter().map(|one| one.timestamp.floor(MINUTE)).collect();
    assert_eq!(minutes.len(), 20);
    assert!(minutes.first().is_some_and(|first| *first >= start.plus(30 * MINUTE)));
    let cells: BTreeSet<_> = found
        .iter()
        .map(|one| (&*one.service, &*one.endpoint, one.timestamp.floor(MINUTE)))
        .collect();
    assert_eq!(cells, truth(&world, "request"));
    let normal = world.requests.iter().filter(|one| !one.is_anomaly);
    assert!(normal.clone().all(|one| one.latency_ms <= 60.0));
    // 20 calls a minute for 4 hours, each with one call of the second service; five standard deviations
    let count = normal.count() as f64;
    assert!((count / 2.0 - 4_800.0).abs() < 5.0 * 4_800_f64.sqrt(), "{count}");
}

#[test]
fn patterns_change_what_they_name() {
    let run = |pattern| {
        let config =
            ApiConfig { pattern, anomalies: 0, calls_per_minute: 60.0, ..Default::default() };
        let begin = config.start.plus(25 * MINUTE);
        let world = Api::new(config).unwrap().run();
        let ping: Vec<_> =
            world.requests.into_iter().filter(|one| &*one.endpoint == "/ping").collect();
        ping.into_iter().partition::<Vec<_>, _>(|one| one.timestamp < begin)
    };
    let (before, after) = run(LoadPattern::HighTraffic);
    let factor = after.len() as f64 / 215.0 / (before.len() as f64 / 25.0);
    assert!((4.5..5.5).contains(&factor), "{factor}");
    let (_, after) = run(LoadPattern::HighLatency);
    assert!(after.iter().all(|one| (400.0..=800.0).contains(&one.latency_ms) && one.is_anomaly));
    let (_, after) = run(LoadPattern::HighError);
    let failed = after.iter().filter(|one| one.status_code == 500).count() as f64;
    assert!((failed / after.len() as f64 - 0.3).abs() < 0.02);
    let (_, after) = run(LoadPattern::Degrading);
    let last = after.last().unwrap().latency_ms;
    assert!(last > 10.0 * 1.05_f64.powi(213), "{last}");
    let (_, after) = run(LoadPattern::Burst);
    let burst = after.iter().filter(|one| one.is_anomaly).count() as f64;
    assert!((burst / after.len() as f64 - 100.0 / 150.0).abs() < 0.03, "{burst}");
}

#[test]
fn radar_logs_timeouts_of_its_database() {
    let config = RadarConfig { scenario: RadarScenario::Saturation, ..Default::default() };
    let begin = config.start.plus(60 * MINUTE);
    let world = RadarWorld::new(config.clone()).unwrap().run();
    let timeouts: Vec<_> = world.logs.iter().filter(|one| one.is_anomaly).collect();
    assert!(!timeouts.is_empty() && timeouts.len() % 3 == 0);
    assert!(timeouts.iter().all(|one| one.level == "ERROR" && one.timestamp > begin));
    assert_eq!(world.truth.incidents[0].start, begin);
    let calm = RadarConfig { scenario: RadarScenario::Calm, ..config.clone() };
    let calm = RadarWorld::new(calm).unwrap().run();
    assert!(calm.truth.incidents.is_empty() && calm.metrics.iter().all(|one| !one.is_anomaly));
    let drift = RadarConfig { scenario: RadarScenario::Drift, interval_seconds: 5.0, ..config };
    let drift = RadarWorld::new(drift).unwrap().run();
    assert_eq!((drift.metrics.len(), drift.changes.len()), (3 * 1_440, 1));
}

#[test]
fn a_silent_service_has_no_requests_in_the_incident() {
    let run = |config: TracesConfig| {
        let traces = Traces::new(config).unwrap();
        let incident = traces.truth().incidents.remove(0);
        (traces.run(), incident)
    };
    let scenario = TraceScenario::SilentInventory;
    let (telemetry, incident) = run(TracesConfig { scenario, ..Default::default() });
    assert_eq!((&*incident.service, &*incident.kind), ("inventory", "silence"));
    let within = |at: Timestamp| incident.start <= at && at < incident.end;
    let inventory: Vec<_> =
        telemetry.requests.iter().filter(|one| &*one.service == "inventory").collect();
    assert!(inventory.len() > 500 && !inventory.iter().any(|one| within(one.timestamp)));

    let scenario = TraceScenario::SlowPayment;
    let config = TracesConfig { scenario, delay_ms: Some(500.0), ..Default::default() };
    let (telemetry, incident) = run(config);
    let slow: Vec<f64> = telemetry
        .requests
        .iter()
        .filter(|one| &*one.service == "payment" && incident.start <= one.timestamp)
        .filter(|one| one.timestamp < incident.end && one.status_code == 200)
        .map(|one| one.latency_ms)
        .collect();
    assert!(slow.iter().all(|ms| (500.0..1_500.0).contains(ms)), "{slow:?}");
}

#[test]
fn settings_outside_their_limits_are_named() {
    let names = [
        Melt::new(MeltConfig { services: 0, ..Default::default() }).err(),
        Melt::new(MeltConfig { missing: f64::NAN, ..Default::default() }).err(),
        Melt::new(MeltConfig { interval_seconds: 1e9, ..Default::default() }).err(),
        Melt::new(MeltConfig { duration_seconds: 30.0, ..Default::default() }).err(),
        Api::new(ApiConfig { anomalies: 211, ..Default::default() }).err(),
        Api::new(ApiConfig { calls_per_minute: 0.0, ..Default::default() }).err(),
        RadarWorld::new(RadarConfig { interval_seconds: 1.5, ..Default::default() }).err(),
        Traces::new(TracesConfig { error_rate: Some(1.5), ..Default::default() }).err(),
    ]
    .map(|error| error.unwrap().to_string());
    let expected = [
        "services",
        "missing",
        "interval_seconds",
        "duration_seconds",
        "anomalies",
        "calls_per_minute",
        "interval_seconds",
        "error_rate",
    ];
    for (message, field) in names.iter().zip(expected) {
        assert!(message.contains(field), "{message}");
    }
}
