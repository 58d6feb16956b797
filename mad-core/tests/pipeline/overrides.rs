//! Settings of some entities in the pipeline: overrides, mutes, routes.

use mad_core::config::{MuteWindow, Override, PipelineConfig, SeriesKind};
use mad_core::pipeline::Pipeline;
use mad_core::series::{Direction, Glob};
use mad_core::time::{SECOND, Timestamp};
use mad_core::{JudgedRow, MetricPoint, Reason, Request, SignalKind};

use crate::common::minute;

/// Two services of a metric that jumps to `jump` at minute 100 for five minutes.
fn judged(config: PipelineConfig, jump: f64) -> (Pipeline, Vec<JudgedRow>) {
    let mut pipeline = Pipeline::new(config).unwrap().bounded_input();
    let mut points = Vec::new();
    for i in 0..120 {
        for service in ["a", "b"] {
            let usual = 10.0 + (i * 7919 % 997) as f64 / 997.0;
            let value = if (100..105).contains(&i) { jump } else { usual };
            let point = MetricPoint::new(minute(i), service, "cpu", value);
            points.extend(pipeline.ingest([point]).rows);
        }
    }
    points.extend(pipeline.finish().rows);
    (pipeline, points)
}

fn flagged(pipeline: &Pipeline, points: &[JudgedRow], service: &str) -> usize {
    let entity = pipeline.entities().find(service, "").unwrap();
    let mine = points.iter().filter(|judged| judged.head.entity == entity);
    mine.filter(|judged| judged.verdict.is_anomaly).count()
}

fn with(over: Override) -> PipelineConfig {
    let over = Override { service: Glob::new("a"), ..over };
    PipelineConfig { overrides: vec![over], ..PipelineConfig::default() }
}

#[test]
fn an_override_applies_to_its_entities_only() {
    for (over, a) in [
        (Override { direction: Some(Direction::Down), ..Override::default() }, 0),
        (Override { direction: Some(Direction::Up), ..Override::default() }, 5),
        (Override { watched: Some(false), ..Override::default() }, 0),
        (Override { threshold: Some(0.99), ..Override::default() }, 0),
        (Override { min_points: Some(110), ..Override::default() }, 0),
    ] {
        let (pipeline, points) = judged(with(over.clone()), 90.0);
        assert_eq!(flagged(&pipeline, &points, "a"), a, "{over:?}");
        assert_eq!(flagged(&pipeline, &points, "b"), 5, "{over:?}");
        assert_eq!(pipeline.incidents().len(), 1 + usize::from(a > 0), "{over:?}");
    }
}

#[test]
fn a_kind_decides_how_a_metric_is_judged() {
    let over = Override { kind: Some(SeriesKind::Latency), ..Override::default() };
    assert_eq!(SeriesKind::Latency.signal(), SignalKind::Latency);
    // a fall is no evidence
    let (pipeline, points) = judged(with(over), 0.1);
    assert_eq!((flagged(&pipeline, &points, "a"), flagged(&pipeline, &points, "b")), (0, 5));
}

#[test]
fn muted_rows_are_judged_but_not_flagged_and_learnt_clipped() {
    let mute = MuteWindow {
        service: Glob::new("a"),
        from: Some(minute(99)),
        to: Some(minute(103)),
        ..MuteWindow::default()
    };
    let config = PipelineConfig { mutes: vec![mute], ..PipelineConfig::default() };
    let (pipeline, points) = judged(config, 90.0);
    assert_eq!((flagged(&pipeline, &points, "a"), flagged(&pipeline, &points, "b")), (2, 5));
    let a = pipeline.entities().find("a", "").unwrap();
    let reason = |i: i64| {
        let at = |judged: &&JudgedRow| judged.head.entity == a && judged.head.at == minute(i);
        points.iter().find(at).unwrap().verdict.reason
    };
    assert_eq!([98, 99, 102].map(reason), [Reason::Normal, Reason::Muted, Reason::Muted]);
    assert_eq!([103, 104].map(reason), [Reason::AboveExpected; 2]);
}

#[test]
fn requests_follow_the_same_settings() {
    let run = |config: PipelineConfig| {
        let mut pipeline = Pipeline::new(config).unwrap().bounded_input();
        let mut rows = Vec::new();
        for i in 0..3_600 {
            let slow = if i >= 3_000 { 20.0 } else { 1.0 };
            let at = Timestamp::from_nanos(i * SECOND);
            let path = format!("/item/{i}?page={i}");
            let latency = slow * (100.0 + (i * 37 % 41) as f64);
            rows.extend(pipeline.ingest([Request::new(at, "a", &path, 200, latency)]).rows);
        }
        rows.extend(pipeline.finish().rows);
        let flagged = rows.iter().filter(|judged| judged.verdict.is_anomaly).count();
        (pipeline, rows.len(), flagged)
    };
    let (pipeline, rows, flagged) = run(PipelineConfig::default());
    assert_eq!((rows, flagged, pipeline.entities().len()), (60, 10, 1));
    assert!(pipeline.entities().find("a", "/item/{id}").is_some());
    let latency = Glob::new("*latency*");
    let over = Override { signal: latency, watched: Some(false), ..Override::default() };
    assert_eq!(run(with(over)).2, 0);
    let mute = MuteWindow { from: Some(minute(0)), ..MuteWindow::default() };
    let config = PipelineConfig { mutes: vec![mute], ..PipelineConfig::default() };
    assert_eq!(run(config).2, 0);
    let mut raw = PipelineConfig::default();
    raw.routes.enabled = false;
    // every raw path, and the service across them
    let raw = run(raw).0;
    assert_eq!((raw.entities().counted(), raw.entities().services()), (3_600, 1));
}
