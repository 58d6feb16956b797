//! Saved state: it continues unchanged, is small, and is refused when damaged.

use mad_core::config::{PipelineConfig, ScoreConfig};
use mad_core::error::ErrorKind;
use mad_core::pipeline::{Pipeline, Update};
use mad_core::score::SignalScorer;
use mad_core::simulate::{ShopConfig, SimulatedRequest};
use mad_core::telemetry::SpanKind;
use mad_core::time::{MINUTE, Timestamp};
use mad_core::{
    Change, Document, Edge, Entity, LogLine, MetricPoint, Request, Sample, SignalKind, Source, Span,
};
use proptest::prelude::*;

use crate::common::{request, shop_with_outage};

/// An hour of a small shop with an incident and a metric beside it.
fn shop() -> Vec<SimulatedRequest> {
    let config =
        ShopConfig { rows: 1_500, duration_seconds: 3_600.0, services: 1, ..ShopConfig::default() };
    shop_with_outage(config, (2_400.0, 540.0))
}

fn feed(pipeline: &mut Pipeline, requests: &[SimulatedRequest]) -> String {
    let mut update = Update::default();
    for row in requests {
        let SimulatedRequest { timestamp, service, latency_ms, .. } = row;
        pipeline.push(request(row), &Source::at(1), &mut update);
        let cpu = if (2_400..2_700).contains(&(timestamp.nanos() / 1_000_000_000 % 3_600)) {
            9.0
        } else {
            1.0
        };
        let at = timestamp.floor(MINUTE);
        pipeline.push(
            MetricPoint::new(at, service, "cpu", cpu + latency_ms % 0.1),
            &Source::at(1),
            &mut update,
        );
    }
    format!("{update:?}")
}

#[test]
fn a_restored_pipeline_continues_unchanged_at_every_place() {
    let requests = shop();
    let config = PipelineConfig::default();
    let mut whole = Pipeline::new(config.clone()).unwrap();
    feed(&mut whole, &requests);
    whole.finish();
    assert!(!whole.incidents().is_empty());
    let end = whole.checkpoint().unwrap();
    let mut one = Pipeline::new(config.clone()).unwrap();
    let mut other = Pipeline::new(config.clone()).unwrap();
    // restores after each of 1,500 requests
    for request in requests.chunks(1) {
        let restored = Pipeline::restore(config.clone(), &other.checkpoint().unwrap()).unwrap();
        other = restored;
        assert_eq!(feed(&mut one, request), feed(&mut other, request));
    }
    one.finish();
    other.finish();
    assert!(other.checkpoint().unwrap() == end && one.checkpoint().unwrap() == end);
    let document = |pipeline: &Pipeline| serde_json::to_string(&Document::new(pipeline)).unwrap();
    assert_eq!(document(&other), document(&whole));
}

#[test]
fn a_series_takes_at_most_5600_bytes() {
    let mut pipeline = Pipeline::new(PipelineConfig::default()).unwrap().bounded_input();
    let entities = 40;
    for minute in 0..300_i64 {
        for entity in 0..entities {
            let service = format!("service-{entity}");
            for k in 0..20_i64 {
                let at = Timestamp::from_nanos(minute * MINUTE + k * 3_000_000_000);
                let latency = 100.0 + (minute * 7919 + k * 104_729 + entity) as f64 % 997.0 / 9.97;
                let status = if k == minute % 50 { 500 } else { 200 };
                pipeline.ingest([Request::new(at, &service, "/pay", status, latency)]);
            }
        }
    }
    let saved = pipeline.checkpoint().unwrap();
    let a_series = saved.len() as i64 / (entities * 4);
    assert!(a_series <= 5_600, "{a_series} bytes a series");
}

#[test]
fn a_gauge_with_its_season_takes_at_most_8_kilobytes_after_any_time() {
    let mut gauge = SignalScorer::new(SignalKind::Gauge, &ScoreConfig::default()).unwrap();
    let mut most = 0;
    for minute in 0..30_000_i64 {
        let at = Timestamp::from_nanos(minute * MINUTE);
        let value = 100.0 + (minute * 7919) as f64 % 997.0 / 9.97;
        gauge.observe(at, Sample { value, n: 1 });
        if minute % 240 == 239 {
            most = most.max(rmp_serde::to_vec_named(&gauge).unwrap().len());
        }
    }
    assert!((1_000..=8_000).contains(&most), "{most} bytes");
}

#[test]
fn incomplete_state_is_refused_with_the_reason() {
    let config = PipelineConfig::default();
    let mut pipeline = Pipeline::new(config.clone()).unwrap();
    feed(&mut pipeline, &shop()[..500]);
    let saved = pipeline.checkpoint().unwrap();
    let refused = |bytes: &[u8]| {
        let error = Pipeline::restore(config.clone(), bytes).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::State);
        error.to_string()
    };
    assert_eq!(refused(b""), "the saved state is cut: 0 bytes are left");
    assert_eq!(refused(b"PK\x03\x04 and more"), "this is no saved state of mad");
    for length in [1, 7, 8, 12, 20, 23, 24, 100, saved.len() - 1] {
        assert!(refused(&saved[..length]).contains("is cut"), "{length}");
    }
    let mut newer = saved.clone();
    newer[8] = 9;
    assert!(refused(&newer).contains("newer version (format 9, this one knows 1)"));
    let other = PipelineConfig {
        score: mad_core::ScoreConfig { window: 100, ..config.score },
        ..config.clone()
    };
    let error = Pipeline::restore(other, &saved).unwrap_err().to_string();
    assert!(error.contains("`score.window` = 240, and the config has 100"), "{error}");
    let mut milder = config;
    milder.guard.min_points = 50;
    milder.score.threshold = 0.7;
    assert_eq!(Pipeline::restore(milder.clone(), &saved).unwrap().config(), &milder);
}

/// A pipeline that has learnt calm requests, gauges and log lines.
fn calm(config: PipelineConfig) -> Pipeline {
    let mut pipeline = Pipeline::new(config).unwrap();
    let mut update = Update::default();
    for second in 0..7_200_i64 {
        let at = Timestamp::from_seconds(second);
        let source = Source::at(second.unsigned_abs() + 1);
        let status = if second % 97 == 0 { 500 } else { 200 };
        let latency = 50.0 + (second * 37 % 11) as f64;
        pipeline.push(Request::new(at, "cart", "/add", status, latency), &source, &mut update);
        if second % 60 == 0 {
            let cpu = 0.4 + (second / 60 * 17 % 7) as f64 / 100.0;
            pipeline.push(MetricPoint::new(at, "cart", "cpu", cpu), &source, &mut update);
        }
    }
    assert_eq!(pipeline.incidents().len(), 0);
    pipeline
}

#[test]
fn a_changed_threshold_keeps_the_learnt_state() {
    let before = PipelineConfig::default();
    let mut after = before.clone();
    after.score.threshold = 0.6;
    after.score.accept_after_hours = 2.0;
    after.guard.min_points = 40;
    let saved = calm(before).checkpoint().unwrap();
    let mut restored = Pipeline::restore(after.clone(), &saved).unwrap();
    let mut always = calm(after);
    // from now on it judges as a pipeline which had the new config from the start
    let slow = |second| Request::new(Timestamp::from_seconds(second), "cart", "/add", 200, 900.0);
    let busy = |second| MetricPoint::new(Timestamp::from_seconds(second), "cart", "cpu", 0.9);
    for start in (7_200..7_800).step_by(60) {
        let requests = |pipeline: &mut Pipeline| {
            let mut update = pipeline.ingest((start..start + 60).map(slow));
            pipeline.push(busy(start), &Source::at(1), &mut update);
            update
        };
        assert_eq!(requests(&mut restored), requests(&mut always));
    }
    assert_eq!(restored.incidents().len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_flipped_bit_is_refused(place in any::<prop::sample::Index>(), bit in 0..8) {
        let mut pipeline = Pipeline::new(PipelineConfig::default()).unwrap();
        let at = |second: i64| Timestamp::from_seconds(second);
        pipeline.ingest((0..200).map(|i| Request::new(at(i), "a", "/x", 200, i as f64)));
        let mut saved = pipeline.checkpoint().unwrap();
        let place = place.index(saved.len());
        saved[place] ^= 1_u8 << bit;
        prop_assert!(Pipeline::restore(PipelineConfig::default(), &saved).is_err());
    }
}

/// A state of format 1: two services with requests, a metric, spans, log lines, a change, an open
/// incident.
fn of_every_kind() -> Pipeline {
    let mut pipeline = Pipeline::new(PipelineConfig::default()).unwrap();
    let mut update = Update::default();
    for second in (0..5_400_i64).step_by(6) {
        let at = Timestamp::from_seconds(1_767_693_600 + second);
        let slow = if second >= 5_000 { 700.0 } else { 0.0 };
        let wander = (second * 7919 % 997) as f64 / 50.0;
        pipeline.push(
            Request::new(at, "cart", "/add", 200, 40.0 + wander + slow),
            &Source::at(1),
            &mut update,
        );
        let busy = MetricPoint::new(at.floor(MINUTE), "cart", "busy", 0.5 + wander / 100.0);
        pipeline.push(busy, &Source::at(1), &mut update);
        let trace = second.to_string();
        let span = Span {
            trace_id: &trace,
            span_id: "a",
            parent_id: None,
            service: "mail",
            operation: "send",
            start: at,
            duration_ms: 9.0 + wander,
            status: "ok",
            kind: SpanKind::Server,
            peer: None,
            host: "",
            version: "",
        };
        pipeline.push(span, &Source::at(1), &mut update);
        let level = if second % 90 == 0 { "ERROR" } else { "INFO" };
        pipeline.push(LogLine::new(at, "cart", level, "refused"), &Source::at(1), &mut update);
    }
    let at = Timestamp::from_seconds(1_767_693_600 + 4_900);
    let deploy = Change { version: "1.4.2", ..Change::new(at, "cart", "deploy") };
    pipeline.push(deploy, &Source::at(1), &mut update);
    pipeline.push(Edge { caller: "cart", callee: "mail", calls: 3 }, &Source::at(1), &mut update);
    pipeline
}

const STATE_1: &[u8] = include_bytes!("../fixtures/state-1.bin");
const ENTITY_1: &[u8] = include_bytes!("../fixtures/entity-1.bin");

#[test]
fn state_of_format_1_is_restored() {
    let config = PipelineConfig::default();
    let mut restored = Pipeline::restore(config.clone(), STATE_1).unwrap();
    let incident = restored.incidents()[0];
    assert_eq!(incident.entity, Entity::new("cart", "/add"));
    assert!(incident.is_open());
    assert_eq!(restored.counters().requests, 1_800);
    assert_eq!(&*restored.graph().callees("cart")[0], "mail");
    let culprits = restored.culprits(None).culprits;
    assert_eq!(culprits[0].changes[0].version, "1.4.2");
    let at = Timestamp::from_seconds(1_767_693_600 + 5_400);
    let update = restored.ingest([Request::new(at, "cart", "/add", 200, 44.0)]);
    assert_eq!(update.rejected.total(), 0);
    restored.finish();
    let mut elsewhere = Pipeline::new(config).unwrap();
    elsewhere.load(&Entity::new("cart", "/add"), ENTITY_1).unwrap();
    assert_eq!(elsewhere.incidents().len(), 1);
}

/// Writes the fixtures when `MAD_WRITE_FIXTURES` is set, which is done once for each new format.
#[test]
fn state_of_every_kind_is_restored() {
    let pipeline = of_every_kind();
    let saved = pipeline.checkpoint().unwrap();
    let restored = Pipeline::restore(PipelineConfig::default(), &saved).unwrap();
    assert!(restored.checkpoint().unwrap() == saved);
    let part = pipeline.export(&Entity::new("cart", "/add")).unwrap();
    assert!(restored.export(&Entity::new("cart", "/add")).unwrap() == part);
    if std::env::var_os("MAD_WRITE_FIXTURES").is_some() {
        std::fs::write("tests/fixtures/state-1.bin", saved).unwrap();
        std::fs::write("tests/fixtures/entity-1.bin", part).unwrap();
    }
}
