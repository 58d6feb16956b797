//! Endpoints that are judged from their first row on, and those that are not known yet.

use mad_core::status::{HealthState, states};
use mad_core::{Command, Glob, Incident, Pipeline, PipelineConfig, Request, Signal, Timestamp};
use proptest::prelude::*;

use crate::signals::noise;

const SECOND: i64 = 1_000_000_000;

/// Requests of one endpoint: from and to a minute, the number a minute, and the share that fails.
#[derive(Clone, Copy, Debug)]
struct Endpoint {
    service: &'static str,
    path: &'static str,
    minutes: (i64, i64),
    rate: i64,
    fail: f64,
}

fn run(endpoints: &[Endpoint], seed: u64) -> Pipeline {
    let mut requests = Vec::new();
    for (place, one) in endpoints.iter().enumerate() {
        for minute in one.minutes.0..one.minutes.1 {
            for k in 0..one.rate {
                let draw = ((seed * 7 + place as u64) << 40) | ((minute * 10_000 + k) as u64 * 2);
                let at = minute * 60 * SECOND + k * 60 * SECOND / one.rate;
                let status = if noise(draw) < one.fail { 503 } else { 200 };
                let latency = 40.0 + 20.0 * noise(draw + 1);
                requests.push((at, one.service, one.path, status, latency));
            }
        }
    }
    requests.sort_by_key(|request| request.0);
    let mut pipeline = Pipeline::new(PipelineConfig::default()).unwrap().bounded_input();
    pipeline.ingest(requests.iter().map(|(at, service, path, status, latency)| {
        Request::new(Timestamp::from_nanos(*at), service, path, *status, *latency)
    }));
    pipeline.finish();
    pipeline
}

fn of<'a>(pipeline: &'a Pipeline, path: &str) -> Vec<&'a Incident> {
    pipeline.incidents().into_iter().filter(|one| *one.entity.endpoint == *path).collect()
}

fn state(pipeline: &Pipeline, path: &str) -> HealthState {
    let all = states(pipeline);
    all.into_iter().find(|one| *one.entity.endpoint == *path).unwrap().state
}

const WELL: Endpoint =
    Endpoint { service: "shop", path: "/well", minutes: (0, 200), rate: 30, fail: 0.003 };

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]

    /// An endpoint that fails from its first request on is an incident from its first minutes to
    /// its last one, in a service that is well and alone.
    #[test]
    fn failing_since_first_seen(
        fail in 0.5..=1.0_f64, rate in 2..60_i64, start in 60..120_i64, alone: bool, seed in 0..1_000_u64,
    ) {
        let new = Endpoint { path: "/new", minutes: (start, 200), rate, fail, ..WELL };
        let all = [new, WELL];
        let pipeline = run(if alone { &all[..1] } else { &all }, seed);
        let found = of(&pipeline, "/new");
        prop_assert_eq!(found.len(), 1, "{:?}", found);
        let late = found[0].start.nanos() / (60 * SECOND) - start;
        prop_assert!((0..=8).contains(&late), "{late} minutes late");
        prop_assert!(found[0].end.nanos() / (60 * SECOND) >= 198, "ended at {}", found[0].end);
        let summary = pipeline.explain(found[0]).summary;
        prop_assert!(summary.contains("failing since first seen"), "{summary}");
        prop_assert!(of(&pipeline, "/well").is_empty());
    }

    /// A new endpoint that fails rarely, or as often as the others of its service, is normal.
    #[test]
    fn a_new_endpoint_that_is_well_is_normal(
        fail in 0.0..0.05_f64, rate in 10..60_i64, start in 60..120_i64, seed in 0..1_000_u64,
    ) {
        let new = Endpoint { path: "/new", minutes: (start, 200), rate, fail, ..WELL };
        let pipeline = run(&[new, WELL], seed);
        prop_assert!(pipeline.incidents().is_empty(), "{:?}", pipeline.incidents());
        prop_assert_eq!(state(&pipeline, "/new"), HealthState::Normal);
    }

    /// One or two stray requests hours before the traffic begins change nothing.
    #[test]
    fn stray_early_requests_are_forgotten(
        early in 1..3_i64, fails: bool, rate in 20..60_i64, seed in 0..1_000_u64,
    ) {
        let stray = Endpoint {
            path: "/new", minutes: (0, early), rate: 1, fail: f64::from(u8::from(fails)), ..WELL
        };
        let begins = Endpoint { path: "/new", minutes: (300, 310), rate, ..WELL };
        let pipeline = run(&[stray, begins], seed);
        prop_assert!(pipeline.incidents().is_empty(), "{:?}", pipeline.incidents());
        let known = states(&pipeline).into_iter().next().unwrap();
        prop_assert_eq!(known.state, HealthState::Unknown);
        prop_assert_eq!((known.points, known.ready_at), (10, Some(Timestamp::from_seconds(320 * 60))));
    }
}

#[test]
fn an_endpoint_that_recovers_is_learnt_then() {
    let failing = Endpoint { path: "/new", minutes: (0, 60), fail: 0.9, ..WELL };
    let well = Endpoint { minutes: (60, 200), fail: 0.01, ..failing };
    let again = Endpoint { minutes: (200, 220), fail: 0.3, ..failing };
    let pipeline = run(&[failing, well, again], 1);
    let found = of(&pipeline, "/new");
    let minutes: Vec<(i64, i64)> = found
        .iter()
        .map(|one| (one.start.nanos() / (60 * SECOND), one.end.nanos() / (60 * SECOND)))
        .collect();
    assert_eq!(minutes, [(200, 220), (0, 60)]);
    assert!(found.iter().all(|one| one.signals().any(|signal| *signal == Signal::ErrorRate)));
}

#[test]
fn a_person_can_accept_a_rate_that_was_never_usual() {
    let mut pipeline = Pipeline::new(PipelineConfig::default()).unwrap().bounded_input();
    let requests = |minutes: std::ops::Range<i64>| {
        let of = |minute: i64| {
            (0..30).map(move |k: i64| {
                let at = Timestamp::from_seconds(60 * minute + 2 * k);
                let status = if k % 10 > 0 { 503 } else { 200 };
                Request::new(at, "standby", "/ready", status, 4.0)
            })
        };
        minutes.flat_map(of)
    };
    pipeline.ingest(requests(0..100));
    let accept = Command::AcceptLevel {
        service: Glob::new("standby"),
        endpoint: Glob::default(),
        signal: Glob::default(),
        at: Timestamp::from_seconds(6_000),
    };
    pipeline.apply(&accept).unwrap();
    pipeline.ingest(requests(100..200));
    pipeline.finish();
    let ends: Vec<i64> =
        pipeline.incidents().iter().map(|one| one.end.nanos() / (60 * SECOND)).collect();
    assert!(ends.len() == 1 && (99..=101).contains(&ends[0]), "{ends:?}");
    assert_eq!(state(&pipeline, "/ready"), HealthState::Normal);
}
