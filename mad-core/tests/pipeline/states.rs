//! Health states: every state with its reason and start, independent of batches and restores.

use mad_core::config::{MuteWindow, Override, PipelineConfig};
use mad_core::pipeline::{Pipeline, Update};
use mad_core::series::Glob;
use mad_core::status::{EntityStatus, HealthState, states, why, why_signal};
use mad_core::time::{MINUTE, SECOND};
use mad_core::{JudgedRow, MetricPoint, Reason, Request, Source};

use crate::common::{minute, wobble};

/// A minute of ten requests, each `factor` times as slow as usual.
fn requests(service: &'static str, i: i64, factor: f64) -> Vec<Request<'static>> {
    let one = |k: i64| {
        let latency = factor * (100.0 + 20.0 * wobble(1000 * i + k));
        Request::new(minute(i).plus(k * 6 * SECOND), service, "/x", 200, latency)
    };
    (0..10).map(one).collect()
}

fn run(config: PipelineConfig, requests: &[Request<'_>]) -> (Pipeline, Vec<JudgedRow>) {
    let mut pipeline = Pipeline::new(config).unwrap();
    let mut rows = pipeline.ingest(requests.iter().copied()).rows;
    rows.extend(pipeline.finish().rows);
    (pipeline, rows)
}

/// The only state of a run of `minutes`, the last of them `factor` times as slow.
fn last(config: PipelineConfig, minutes: i64, factor: f64) -> EntityStatus {
    let slow = |i| if i + 1 == minutes { factor } else { 1.0 };
    let all: Vec<_> = (0..minutes).flat_map(|i| requests("a", i, slow(i))).collect();
    let found = states(&run(config, &all).0);
    assert_eq!(found.len(), 1);
    found.into_iter().next().unwrap()
}

fn default() -> PipelineConfig {
    PipelineConfig::default()
}

#[test]
fn learning_entities_state_how_many_points_are_missing() {
    let known = last(default(), 5, 1.0);
    assert_eq!(known.state, HealthState::Unknown);
    assert_eq!(
        known.reason,
        "learning until about 1970-01-01 00:20 UTC: warming up until 1970-01-01 00:15 UTC (guard.warm_up_minutes is 15); 5 points so far"
    );
    let known = last(default(), 17, 50.0);
    assert_eq!((known.state, known.points), (HealthState::Unknown, 17));
    assert_eq!(
        known.reason,
        "learning until about 1970-01-01 00:20 UTC: 17 of 20 points (guard.min_points)"
    );
    assert_eq!(known.ready_at, Some(minute(20)));
    assert_eq!((known.since, known.last_seen), (minute(0), minute(16)));
}

#[test]
fn flagged_and_normal_entities_state_the_value_and_the_expectation() {
    let known = last(default(), 60, 40.0);
    assert_eq!(known.state, HealthState::Anomalous);
    assert_eq!((known.since, known.last_seen), (minute(59), minute(59)));
    assert!(known.score > 0.5);
    assert!(known.reason.contains(" ms, expected "), "{}", known.reason);
    assert!(known.reason.ends_with(", flagged from 0.5 on"), "{}", known.reason);
    let known = last(default(), 60, 1.0);
    assert_eq!((known.state, known.points), (HealthState::Normal, 60));
    assert_eq!(known.since, minute(20), "since it is judged");
    assert!(known.score < 0.5);
    assert!(known.reason.contains("; score 0"), "{}", known.reason);
}

#[test]
fn suppressed_entities_name_the_deciding_setting() {
    let mut config = default();
    config.guard.latency_relative = 50.0;
    let known = last(config, 60, 40.0);
    assert_eq!(known.state, HealthState::Suppressed);
    assert!(
        known.reason.ends_with(
            "; a change of 5,000 % (guard.latency_relative) and 2 ms (guard.latency_absolute_ms) \
             is needed"
        ),
        "{}",
        known.reason
    );
    let known = last(default(), 60, 0.2);
    assert_eq!(known.state, HealthState::Suppressed);
    assert!(
        known.reason.ends_with("; a latency below its expected range is no fault"),
        "{}",
        known.reason
    );
    let downwards =
        Override { direction: Some(mad_core::series::Direction::Down), ..Override::default() };
    let known = last(PipelineConfig { overrides: vec![downwards], ..default() }, 60, 40.0);
    assert_eq!(known.state, HealthState::Suppressed);
    assert!(known.reason.ends_with("; only a fall counts"), "{}", known.reason);
}

#[test]
fn too_few_requests_are_reported_for_any_score() {
    let mut config = default();
    config.guard.min_requests = 20;
    for factor in [1.0, 40.0] {
        let known = last(config.clone(), 60, factor);
        assert_eq!(known.state, HealthState::TooFewRequests, "{factor}");
        let reason = "10 requests in the minute; 20 (guard.min_requests) are needed";
        assert_eq!(known.reason, reason);
        assert_eq!(known.since, minute(20));
    }
    config.guard.min_requests = 10;
    assert_eq!(last(config, 60, 1.0).state, HealthState::Normal);
}

#[test]
fn a_mute_states_its_end_and_an_override_states_itself() {
    let mute = |to| MuteWindow { service: Glob::new("a"), to, ..MuteWindow::default() };
    let config = |to| PipelineConfig { mutes: vec![mute(to)], ..default() };
    let known = last(config(Some(minute(90))), 60, 40.0);
    assert_eq!(known.state, HealthState::Muted);
    assert_eq!(known.reason, "muted until 1970-01-01 01:30 UTC");
    assert_eq!(known.since, minute(0));
    assert_eq!(last(config(None), 60, 40.0).reason, "muted for good");
    assert_eq!(last(config(Some(minute(30))), 60, 40.0).state, HealthState::Anomalous);
    let out = Override { watched: Some(false), ..Override::default() };
    let known = last(PipelineConfig { overrides: vec![out], ..default() }, 60, 40.0);
    assert_eq!(known.state, HealthState::Disabled);
    assert_eq!(known.reason, "an override says watched = false");
}

#[test]
fn an_entity_is_silent_after_its_longest_gap() {
    let mut all: Vec<_> = (0..60).flat_map(|i| requests("a", i, 1.0)).collect();
    all.extend((60..90).flat_map(|i| requests("b", i, 1.0)));
    let found = states(&run(default(), &all).0);
    let a = found.iter().find(|known| &*known.entity.service == "a").unwrap();
    assert_eq!(a.state, HealthState::Silent);
    assert_eq!(a.reason, "no requests since 1970-01-01 00:59 UTC: 31 minutes");
    assert_eq!(a.since, minute(59));
    // its regular interval is ten minutes
    let mut all: Vec<_> = (0..60).flat_map(|i| requests("b", i, 1.0)).collect();
    all.extend((0..6).flat_map(|i| requests("a", 10 * i, 1.0)));
    all.sort_by_key(|request| request.timestamp);
    let found = states(&run(default(), &all).0);
    assert!(found.iter().all(|known| known.state != HealthState::Silent), "{found:?}");
}

#[test]
fn a_tick_without_closed_steps_can_report_silence() {
    let mut pipeline = Pipeline::new(default()).unwrap();
    pipeline.ingest((0..60).flat_map(|i| requests("a", i, 1.0)));
    pipeline.advance(minute(62));
    assert_eq!(states(&pipeline)[0].state, HealthState::Normal);
    pipeline.advance(minute(66));
    assert_eq!(states(&pipeline)[0].state, HealthState::Silent);
}

#[test]
fn metrics_have_separate_states_without_requests() {
    let mut pipeline = Pipeline::new(default()).unwrap().bounded_input();
    let cpu = |i: i64| {
        let value = if i == 59 { 90.0 } else { 10.0 + wobble(i) };
        MetricPoint { resource: "node 1", ..MetricPoint::new(minute(5 * i), "db", "cpu", value) }
    };
    let temperature = |i: i64| MetricPoint::new(minute(5 * i), "db", "heat", wobble(i));
    let points = (0..60).flat_map(|i| [Some(cpu(i)), (i < 30).then(|| temperature(i))]);
    pipeline.ingest(points.flatten());
    pipeline.finish();
    let found = states(&pipeline);
    let of = |metric: &str| found.iter().find(|s| s.metric.as_deref() == Some(metric)).unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(of("cpu").state, HealthState::Anomalous);
    assert_eq!(&*of("cpu").entity.endpoint, "node 1");
    assert!(of("cpu").reason.starts_with("cpu 90, expected "), "{}", of("cpu").reason);
    assert_eq!(of("heat").state, HealthState::Silent);
    assert_eq!(of("heat").reason, "no points since 1970-01-01 02:25 UTC: 2.5 hours");
}

#[test]
fn batches_ticks_and_a_restore_change_no_state() {
    let all: Vec<_> = (0..80)
        .flat_map(|i| {
            let slow = if i == 79 { 30.0 } else { 1.0 };
            [requests("a", i, slow), requests("b", i, 1.0)].concat()
        })
        .collect();
    let (whole, _) = run(default(), &all);
    let mut pipeline = Pipeline::new(default()).unwrap();
    for part in all.chunks(17) {
        pipeline.ingest(part.iter().copied());
        let saved = pipeline.checkpoint().unwrap();
        let restored = Pipeline::restore(default(), &saved).unwrap();
        assert_eq!(states(&restored), states(&pipeline));
        pipeline = restored;
    }
    pipeline.finish();
    assert_eq!(states(&pipeline), states(&whole));
    assert_eq!(states(&whole)[0].state, HealthState::Anomalous);
}

#[test]
fn every_row_has_an_answer_that_is_its_verdict() {
    let slow = |i| if matches!(i, 40 | 50 | 51) { 30.0 } else { 1.0 };
    let all: Vec<_> = (0..60).flat_map(|i| requests("a", i, slow(i))).collect();
    let (pipeline, rows) = run(default(), &all);
    for judged in &rows {
        let answer = why(&pipeline, judged);
        let flagged = judged.verdict.is_anomaly;
        let head = if flagged { ": flagged, " } else { ": not flagged, " };
        assert!(answer.starts_with("a /x, 1970-01-01 00:") && answer.contains(head), "{answer}");
        assert_eq!(
            answer.contains("guard.min_points"),
            judged.verdict.reason == Reason::TooFewPoints
        );
        if judged.verdict.reason == Reason::TooFewPoints {
            let before = judged.head.at.nanos() / MINUTE;
            assert!(answer.contains(&format!("{before} of 20 points")), "{answer}");
        }
    }
    assert!(why(&pipeline, &rows[50]).contains(" Part of incident "));
    assert!(why(&pipeline, &rows[40]).contains(" Part of "), "{}", why(&pipeline, &rows[40]));
}

#[test]
fn hostile_names_and_gaps_stay_on_one_line() {
    let mut pipeline = Pipeline::new(default()).unwrap().bounded_input();
    let mut update = Update::default();
    for i in 0..40 {
        let value = if i == 39 { f64::NAN } else { wobble(i) };
        let point = MetricPoint::new(minute(i), "db", "c\u{202e}pu", value);
        pipeline.push(point, &Source::at(1), &mut update);
    }
    update.rows.extend(pipeline.finish().rows);
    let gap = update.rows.last().unwrap();
    let answer = why_signal(&pipeline, &gap.entity, gap.head.at, &gap.signals[0]);
    assert!(answer.contains("no value of c\\u{202e}pu"), "{answer}");
    assert!(!answer.contains(['\n', '\u{202e}']), "{answer}");
    assert!(!states(&pipeline)[0].reason.contains('\u{202e}'));
}
