//! Shapes of traffic that are no incidents: held-open requests, cold starts, gaps of the collection,
//! health checks, the cut end of a stream, rare and periodic endpoints.

use mad_core::config::{Override, PipelineConfig};
use mad_core::series::Glob;
use mad_core::time::SECOND;
use mad_core::{
    Incident, IncidentChange, Pipeline, Reason, Request, Signal, SignalName, Source, Timestamp,
    Update,
};

use crate::common::minute;

const DAY: i64 = 1_440;

/// A uniform number between 0 and 1 of a seed and two counters (`SplitMix64`).
fn unit(seed: u64, a: i64, b: i64) -> f64 {
    let mut mixed = seed
        .wrapping_mul(0xD134_2543_DE82_EF95)
        .wrapping_add((a as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15))
        .wrapping_add((b as u64).wrapping_mul(0xC2B2_AE3D_27D4_EB4F));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// A number about `mean` requests in a minute: the sum of two uniform numbers.
fn about(mean: f64, seed: u64, i: i64) -> i64 {
    let spread = mean.sqrt() * 2.4 * (unit(seed, i, -1) + unit(seed, i, -2) - 1.0);
    (mean + spread).round().max(0.0) as i64
}

/// The requests of one endpoint: of each minute their number, and of each its status and latency.
fn endpoint(
    (service, path): (&'static str, &'static str),
    end: i64,
    seed: u64,
    rate: impl Fn(i64) -> f64,
    answer: impl Fn(i64, i64) -> (i64, f64),
) -> Vec<Request<'static>> {
    let mut all = Vec::new();
    for i in 0..end {
        for k in 0..about(rate(i), seed, i) {
            let into = (unit(seed, i, 3 * k) * 60.0 * SECOND as f64) as i64;
            let (status, ms) = answer(i, k);
            all.push(Request::new(minute(i).plus(into), service, path, status, ms));
        }
    }
    all
}

/// Ordinary endpoints of other services, which keep event time going.
fn ordinary(end: i64) -> Vec<Request<'static>> {
    let one = |seed: u64| move |i, k| (200, 60.0 + 30.0 * unit(seed, i, k));
    let mut all = endpoint(("menu", "/list"), end, 99, |_| 12.0, one(98));
    all.extend(endpoint(("stock", "/level"), end, 97, |_| 8.0, one(96)));
    all.extend(endpoint(("till", "/sum"), end, 95, |_| 8.0, one(94)));
    all
}

fn completed(one: &Request<'_>) -> Timestamp {
    one.timestamp.plus((one.latency_ms * 1e6) as i64)
}

/// The incidents of requests that arrive when they are completed.
fn run(config: &PipelineConfig, mut all: Vec<Request<'static>>) -> Vec<Incident> {
    all.sort_by_key(completed);
    let mut pipeline = Pipeline::new(config.clone()).unwrap();
    let update = pipeline.ingest(all);
    assert_eq!(update.rejected.total(), 0, "{:?}", update.rejected);
    assert_eq!(pipeline.finish().rejected.total(), 0);
    pipeline.incidents().into_iter().cloned().collect()
}

fn default() -> PipelineConfig {
    PipelineConfig::default()
}

fn said(found: &[Incident]) -> Vec<String> {
    let one = |one: &Incident| {
        let signals: Vec<&str> = one.signals().map(SignalName::as_str).collect();
        format!("{} {} to {} {signals:?}", one.entity, one.start, one.end)
    };
    found.iter().map(one).collect()
}

/// A latency of a shape: the seed, and the counters of the request.
type Shape = fn(u64, i64, i64) -> f64;

/// Answers at once to a quarter of the polls, and to the others after 30 s.
fn long_poll(seed: u64, i: i64, k: i64) -> f64 {
    let moved = unit(seed, i, 3 * k + 2);
    if unit(seed, i, 3 * k + 1) < 0.25 { 40.0 + 80.0 * moved } else { 30_000.0 + 40.0 * moved }
}

/// Answers when something happens, within 60 s.
fn event_poll(seed: u64, i: i64, k: i64) -> f64 {
    (-20_000.0 * (1.0 - unit(seed, i, 3 * k + 1)).ln()).min(60_000.0)
}

/// Streams and sockets that last from seconds to an hour.
fn stream(seed: u64, i: i64, k: i64) -> f64 {
    2_000.0 * 1_800_f64.powf(unit(seed, i, 3 * k + 1))
}

/// Pops that wait for five seconds at most, of a queue that is mostly full.
fn blocking_pop(seed: u64, i: i64, k: i64) -> f64 {
    if unit(seed, i, 3 * k + 1) < 0.85 { 0.5 + unit(seed, i, 3 * k + 2) } else { 5_000.0 }
}

const SHAPES: [(&str, i64, Shape); 4] = [
    ("long poll", 200, long_poll),
    ("event poll", 200, event_poll),
    ("stream", 101, stream),
    ("blocking pop", 200, blocking_pop),
];

#[test]
fn requests_that_are_held_open_are_no_incident() {
    for (name, status, shape) in SHAPES {
        for (rate, end) in [(2.0, 700), (6.0, 700), (30.0, 500), (120.0, 200)] {
            // Of few pops the percentiles jump between both peaks, which is a doubtful case.
            if name == "blocking pop" && rate < 20.0 {
                continue;
            }
            for seed in 0..2 {
                let mut all = ordinary(end);
                let answer = |i, k| (status, shape(seed, i, k));
                all.extend(endpoint(("push", "/events"), end, seed, |_| rate, answer));
                all.retain(|one| completed(one) < minute(end));
                let found = run(&default(), all);
                assert!(found.is_empty(), "{name}, {rate} a minute, {seed}: {:?}", said(&found));
            }
        }
    }
}

#[test]
fn polls_without_events_by_night_are_settled_by_an_override() {
    let end = DAY;
    let all = || {
        let mut all = ordinary(end);
        // From 22:00 on nothing happens, so that all polls end after 30 s.
        let busy = |i: i64| if i < 1_320 { 0.9 } else { 0.0 };
        let answer = |i: i64, k: i64| {
            let is_short = unit(1, i, 3 * k + 1) < busy(i);
            (200, if is_short { 50.0 + 50.0 * unit(1, i, 3 * k + 2) } else { 30_000.0 })
        };
        all.extend(endpoint(("push", "/events"), end, 1, |_| 20.0, answer));
        all
    };
    let found = run(&default(), all());
    assert_eq!(found.len(), 1, "the first night is news: {:?}", said(&found));
    let quiet = |signal: &str| Override {
        service: Glob::new("push"),
        endpoint: Glob::new("/events*"),
        signal: Glob::new(signal),
        watched: Some(false),
        ..Override::default()
    };
    let overrides = vec![quiet("*_latency_ms"), quiet("slow_share")];
    let found = run(&PipelineConfig { overrides, ..default() }, all());
    assert!(found.is_empty(), "{:?}", said(&found));
}

/// Requests that are busy for a while and idle in between, with `cold` first minutes of each burst.
fn bursts(
    end: i64,
    (rate, seed): (f64, u64),
    is_on: impl Fn(i64) -> bool + Copy,
    cold: i64,
) -> Vec<Request<'static>> {
    let mut all = ordinary(end);
    let is_cold = |i: i64| (0..cold).any(|back| is_on(i - back) && !is_on(i - back - 1));
    let answer = |i: i64, k: i64| {
        let warm = 40.0 + 30.0 * unit(seed, i, 3 * k + 2);
        let start = 6_000.0 + 500.0 * unit(seed, i, 3 * k + 1);
        (200, if is_cold(i) && k < 3 { start } else { warm })
    };
    all.extend(endpoint(("fn", "/run"), end, seed, |i| if is_on(i) { rate } else { 0.0 }, answer));
    all
}

#[test]
fn the_first_requests_after_idle_time_are_no_incident() {
    // Two days of traffic, then a pause, and a cold first minute.
    for rate in [2.0, 6.0, 30.0] {
        for idle in [30, 120, 480] {
            let is_on = |i: i64| (1..DAY).contains(&i) || i >= DAY + idle;
            let end = DAY + idle + 60;
            let slow = |found: &[Incident]| {
                let is_slow = |one: &&Incident| {
                    one.signals().any(|signal| signal.as_str() == "p95_latency_ms")
                };
                found.iter().filter(is_slow).count()
            };
            let found = run(&default(), bursts(end, (rate, 5), is_on, 1));
            assert_eq!(slow(&found), 0, "{rate} a minute, {idle} minutes: {:?}", said(&found));
            // A latency that stays high is one.
            let found = run(&default(), bursts(end, (rate, 5), is_on, 50));
            assert_eq!(slow(&found), 1, "{rate} a minute, {idle} minutes: {:?}", said(&found));
        }
    }
}

#[test]
fn a_cold_start_has_its_reason_and_its_setting() {
    let is_on = |i: i64| (1..600).contains(&i) || i >= 700;
    let reasons = |config: PipelineConfig| {
        let mut all = bursts(760, (30.0, 5), is_on, 1);
        all.sort_by_key(|request| request.timestamp);
        let mut pipeline = Pipeline::new(config).unwrap();
        let mut rows = pipeline.ingest(all).rows;
        rows.extend(pipeline.finish().rows);
        let cold = rows.iter().filter(|row| row.verdict.reason == Reason::ColdStart).count();
        let at = |row: &&mad_core::JudgedRow| row.head.at == minute(700);
        let flagged = rows.iter().filter(at).filter(|row| row.verdict.is_anomaly).count();
        (cold, flagged)
    };
    assert_eq!(reasons(default()), (1, 0));
    let mut config = default();
    config.guard.cold_start_minutes = 0.0;
    assert_eq!(reasons(config).0, 0);
}

#[test]
fn functions_that_scale_to_zero_are_known() {
    for (period, busy) in [(60, 12), (120, 20)] {
        let is_on = |i: i64| i > 0 && i % period < busy;
        let found = run(&default(), bursts(2 * DAY, (6.0, 3), is_on, 1));
        assert!(found.is_empty(), "each {period}: {:?}", said(&found));
    }
}

/// A shop whose payments fail from 280 to 20 minutes after a hole of the collection, or never.
fn with_hole(hole: i64, faulty: bool) -> Vec<Request<'static>> {
    let end = 400 + hole;
    let is_bad = |i: i64| faulty && (280..330 + hole).contains(&i);
    let mut all = ordinary(end);
    all.extend(endpoint(
        ("shop", "/pay"),
        end,
        7,
        |_| 12.0,
        |i, k| {
            let fails = is_bad(i) && unit(7, i, 3 * k + 1) < 0.6;
            (if fails { 503 } else { 200 }, 80.0 + 40.0 * unit(7, i, 3 * k + 2))
        },
    ));
    all.retain(|one| !(minute(300)..minute(300 + hole)).contains(&one.timestamp));
    all.sort_by_key(|request| request.timestamp);
    all
}

#[test]
fn a_hole_of_the_collection_opens_and_ends_no_incident() {
    for hole in [3, 12, 40, 200, 700] {
        for faulty in [false, true] {
            let mut pipeline = Pipeline::new(default()).unwrap();
            let mut update = Update::default();
            for request in with_hole(hole, faulty) {
                pipeline.push(request, &Source::at(1), &mut update);
            }
            update.changes.extend(pipeline.finish().changes);
            let opened = update.changes.iter().filter(|change| {
                matches!(change, IncidentChange::Opened(_) | IncidentChange::Reopened(_))
            });
            let context = format!("{hole} minutes, {faulty}");
            assert_eq!(opened.count(), usize::from(faulty), "{context}");
            let found: Vec<Incident> = pipeline.incidents().into_iter().cloned().collect();
            assert_eq!(found.len(), usize::from(faulty), "{context}: {:?}", said(&found));
            if let Some(one) = found.first() {
                assert!(
                    (minute(280)..minute(284)).contains(&one.start),
                    "{context}: {}",
                    one.start
                );
                let end = minute(330 + hole);
                assert!(one.end.since(end).abs() <= 180 * SECOND, "{context}: {}", one.end);
            }
        }
    }
}

#[test]
fn health_checks_are_no_incident_unless_they_fail() {
    let checks = |every: i64, seed: u64, deploy: Option<i64>| {
        let mut all = ordinary(900);
        for second in (0..900 * 60).step_by(every as usize) {
            let fails = deploy.is_some_and(|at| (at..at + 3).contains(&(second / 60)));
            // A pause of the collector of garbage now and then.
            let is_slow = unit(seed, second, 1) < 0.002;
            let ms = if is_slow { 200.0 } else { 0.8 + 0.8 * unit(seed, second, 2) };
            let into = (unit(seed, second, 3) * 0.2 * SECOND as f64) as i64;
            let at = Timestamp::from_seconds(second).plus(into);
            all.push(Request::new(at, "shop", "/health", if fails { 503 } else { 200 }, ms));
        }
        all
    };
    for every in [5, 10, 30] {
        for seed in 0..3 {
            let found = run(&default(), checks(every, seed, None));
            assert!(found.is_empty(), "each {every} s, {seed}: {:?}", said(&found));
        }
    }
    let found = run(&default(), checks(5, 1, Some(500)));
    assert_eq!(found.len(), 1, "three minutes without readiness: {:?}", said(&found));
    let over = Override {
        endpoint: Glob::new("/health*"),
        signal: Glob::new("error_rate"),
        watched: Some(false),
        ..Override::default()
    };
    let config = PipelineConfig { overrides: vec![over], ..default() };
    assert!(run(&config, checks(5, 1, Some(500))).is_empty());
}

/// The last minute of a file or a stream is a part of a minute.
#[test]
fn the_cut_last_minute_opens_no_incident_of_traffic() {
    for seconds in [1, 5, 20, 45] {
        for rate in [30.0, 200.0] {
            let mut all = ordinary(180);
            all.extend(endpoint(
                ("shop", "/pay"),
                180,
                3,
                |_| rate,
                |i, k| (200, 50.0 + 20.0 * unit(3, i, k)),
            ));
            let end = minute(179).plus(seconds * SECOND);
            all.retain(|one| one.timestamp < end);
            let found = run(&default(), all.clone());
            assert!(found.is_empty(), "{seconds} s, {rate}: {:?}", said(&found));
            // In a stream a tick closes the minute.
            all.sort_by_key(|request| request.timestamp);
            let mut pipeline = Pipeline::new(default()).unwrap();
            pipeline.ingest(all);
            let update = pipeline.advance(minute(182));
            let traffic = Signal::RequestCount;
            let flagged = update
                .rows
                .iter()
                .filter(|row| row.signal(traffic).is_some_and(|signal| signal.is_anomaly));
            assert_eq!(flagged.count(), 0, "{seconds} s, {rate}");
            assert!(pipeline.incidents().is_empty(), "{seconds} s, {rate}");
        }
    }
}

#[test]
fn a_rare_endpoint_beside_bursty_ones_is_not_silent() {
    for seed in 0..3 {
        let end = 2 * DAY;
        let mut all = ordinary(end);
        // Bursts of five to thirty minutes with pauses of the same length.
        for (path, phase) in [("/sync", 0), ("/export", 17)] {
            let is_on = |i: i64| unit(seed, (i + phase) / 23, 7) < 0.5;
            let rate = |i: i64| if is_on(i) { 40.0 } else { 0.0 };
            all.extend(endpoint(("batch", path), end, seed + phase as u64, rate, |i, k| {
                (200, 30.0 + 10.0 * unit(seed, i, k))
            }));
        }
        all.extend(endpoint(
            ("batch", "/rare"),
            end,
            seed + 50,
            |_| 0.08,
            |i, k| (200, 30.0 + 10.0 * unit(seed, i, k)),
        ));
        let found = run(&default(), all);
        let rare = found.iter().filter(|one| &*one.entity.endpoint == "/rare").count();
        assert_eq!(rare, 0, "{seed}: {:?}", said(&found));
    }
}

#[test]
fn a_request_at_equal_times_is_missed_when_it_stops_and_not_before() {
    for every in [1, 2, 5, 15] {
        let stop = 60 * every.max(10);
        let periodic = |end: i64| {
            let mut all = ordinary(end + 12 * every + 30);
            let at = |n: i64| minute(n * every).plus(30 * SECOND);
            all.extend((0..end / every).map(|n| Request::new(at(n), "cron", "/tick", 200, 12.0)));
            all
        };
        let found = run(&default(), periodic(stop));
        assert_eq!(found.len(), 1, "each {every} minutes: {:?}", said(&found));
        assert_eq!(&*found[0].entity.service, "cron");
        let late = found[0].opened_at.since(minute(stop)) / (60 * SECOND);
        assert!((5..=6 * every + 6).contains(&late), "each {every} minutes: {late} minutes late");
        let mut all = periodic(stop);
        all.retain(|one| one.timestamp < minute(stop));
        assert!(run(&default(), all).is_empty(), "each {every} minutes");
    }
}

#[test]
fn two_endpoints_that_are_rarely_there_together_lose_no_record() {
    let patterns: [fn(i64) -> bool; 3] = [|_| true, |i| (i / 30) % 4 == 0, |i| i % DAY < 1_000];
    for seed in 0..4 {
        for (rate, other) in [(12.0, 0.05), (12.0, 20.0), (1.0, 60.0), (0.3, 0.3)] {
            for is_on in patterns {
                let mut all = endpoint(
                    ("menu", "/list"),
                    DAY,
                    seed,
                    |_| rate,
                    |i, k| (200, 50.0 + 30.0 * unit(seed, i, k)),
                );
                let busy = |i| if is_on(i) { other } else { 0.0 };
                all.extend(endpoint(("push", "/events"), DAY, seed + 50, busy, |i, k| {
                    (200, 50.0 + 30.0 * unit(seed + 50, i, k))
                }));
                // `run` fails on a record that is rejected
                run(&default(), all);
            }
        }
    }
}
