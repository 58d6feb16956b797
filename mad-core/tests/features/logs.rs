//! Log lines: counts of each level per service and step, judged as metrics are.

use mad_core::config::PipelineConfig;
use mad_core::pipeline::{Pipeline, Update};
use mad_core::telemetry::Doubt;
use mad_core::time::{MINUTE, Timestamp};
use mad_core::{Entity, JudgedRow, JudgedSignal, LogLine, MetricPoint, Source};

use crate::common::series_in;
use proptest::prelude::*;

const LEVELS: [&str; 6] = ["INFO", "info", "", "DEBUG", "WARN", "INFO"];

/// Three hours of two services, line by line; `cart` writes a burst of errors from minute 120 on.
fn lines() -> Vec<(Timestamp, &'static str, &'static str)> {
    let mut out = Vec::new();
    for second in (0..10_800_i64).step_by(4) {
        let at = Timestamp::from_seconds(second);
        for (service, offset) in [("cart", 0), ("mail", 3)] {
            let turn = (second / 4 + offset) as usize;
            let level = if turn.is_multiple_of(41) { "ERROR" } else { LEVELS[turn % LEVELS.len()] };
            out.push((at, service, level));
            if service == "cart" && (7_200..7_500).contains(&second) {
                out.push((at, service, "fatal"));
            }
        }
    }
    out
}

fn feed(pipeline: &mut Pipeline, lines: &[(Timestamp, &str, &str)]) -> Update {
    let mut update = Update::default();
    for (at, service, level) in lines {
        pipeline.push(LogLine::new(*at, service, level, "x"), &Source::at(1), &mut update);
    }
    update
}

fn points_of<'a>(update: &'a Update, metric: &str) -> Vec<(&'a JudgedRow, &'a JudgedSignal)> {
    series_in(&update.rows).into_iter().filter(|(_, one)| one.name.as_str() == metric).collect()
}

#[test]
fn a_burst_of_error_lines_is_an_incident_with_its_numbers() {
    let mut pipeline = Pipeline::new(PipelineConfig::default()).unwrap();
    let update = feed(&mut pipeline, &lines());
    pipeline.finish();
    assert_eq!(pipeline.counters().lines, lines().len() as u64);
    let warnings = points_of(&update, "log_warnings");
    assert!(warnings.iter().all(|(_, judged)| !judged.is_anomaly));
    let incidents = pipeline.incidents();
    assert_eq!(incidents.len(), 1);
    let incident = incidents[0];
    assert_eq!(incident.entity, Entity::new("cart", ""));
    assert_eq!(incident.start, Timestamp::from_seconds(7_200));
    assert_eq!(incident.end, Timestamp::from_seconds(7_500));
    let explanation = pipeline.explain(incident);
    let summary = "cart: number of error lines reached 16 (usual 0), \
                   1970-01-01 02:00 to 02:05 UTC (5 minutes, all flagged). \
                   Nothing else was flagged around that time.";
    assert_eq!(explanation.summary, summary);
    assert!(explanation.why_flagged[0].contains("the number of error lines was 16 (usual 0), "));
    assert_eq!(explanation.likely_causes.len(), 1);
    assert!(explanation.likely_causes[0].contains("cart reports in its log"));
    assert!(
        explanation.recommended_actions[0].starts_with("Read the errors that cart logged from")
    );
}

#[test]
fn fewer_lines_than_expected_are_no_anomaly() {
    let mut pipeline = Pipeline::new(PipelineConfig::default()).unwrap();
    let mut all = Vec::new();
    for minute in 0..120_i64 {
        let errors = if minute >= 100 { 0 } else { 40 };
        let at = |second: i64| Timestamp::from_nanos(minute * MINUTE + second * 1_000_000_000);
        all.push((at(0), "cart", "INFO"));
        all.extend((0..errors).map(|second| (at(second), "cart", "ERROR")));
    }
    feed(&mut pipeline, &all);
    pipeline.finish();
    assert!(pipeline.incidents().is_empty());
}

#[test]
fn steps_without_a_line_count_as_zero_up_to_an_hour_back() {
    let mut pipeline = Pipeline::new(PipelineConfig::default()).unwrap().bounded_input();
    let at = |minute: i64| Timestamp::from_nanos(minute * MINUTE);
    let given = [(at(0), "a", "ERROR"), (at(3), "a", "ERROR"), (at(500), "a", "ERROR")];
    let mut update = feed(&mut pipeline, &given);
    update.rows.extend(pipeline.finish().rows);
    let errors = points_of(&update, "log_errors");
    let counts: Vec<(i64, f64)> = errors
        .iter()
        .map(|(row, judged)| (row.head.at.nanos() / MINUTE, judged.sample.value))
        .collect();
    assert_eq!(counts[..4], [(0, 1.0), (1, 0.0), (2, 0.0), (3, 1.0)]);
    assert_eq!(counts[4], (440, 0.0));
    assert_eq!((counts.len(), counts[counts.len() - 1]), (65, (500, 1.0)));
}

#[test]
fn wrong_and_late_lines_are_counted_and_stop_nothing() {
    let mut pipeline = Pipeline::new(PipelineConfig::default()).unwrap();
    let mut update = feed(&mut pipeline, &lines());
    let late = Timestamp::from_seconds(60);
    for line in [
        LogLine::new(late, "cart", "ERROR", "x"),
        LogLine::new(late, "", "ERROR", "x"),
        LogLine::new(late, "cart", "ERROR", ""),
    ] {
        pipeline.push(line, &Source::at(7), &mut update);
    }
    assert_eq!(update.rejected.total(), 3);
    assert_eq!(update.rejected.first()[0].position, 7);
}

#[test]
fn services_beyond_the_limit_are_counted_and_not_judged() {
    let mut config = PipelineConfig::default();
    config.limits.entities = 1;
    let mut pipeline = Pipeline::new(config).unwrap();
    feed(&mut pipeline, &lines());
    pipeline.finish();
    let names: Vec<String> = pipeline.entities().iter().map(|(_, e)| e.to_string()).collect();
    assert_eq!(names[0], "cart");
    assert_eq!(pipeline.counters().points_overflowed, 2_700);
    assert_eq!(pipeline.series().len(), 2);
}

#[test]
fn an_exported_entity_keeps_its_counts_of_lines() {
    let all = lines();
    let at = Timestamp::from_seconds(5_400);
    let (first, rest) = all.split_at(all.partition_point(|line| line.0 < at));
    let mut whole = Pipeline::new(PipelineConfig::default()).unwrap();
    feed(&mut whole, first);
    whole.advance(at);
    let mut other = Pipeline::new(PipelineConfig::default()).unwrap();
    let cart = Entity::new("cart", "");
    other.load(&cart, &whole.export(&cart).unwrap()).unwrap();
    other.advance(at);
    feed(&mut whole, rest);
    feed(&mut other, rest);
    whole.finish();
    other.finish();
    assert!(other.export(&cart).unwrap() == whole.export(&cart).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn batches_and_restores_change_nothing(cut in 1_usize..900, metric: bool) {
        let all = lines();
        let mut whole = Pipeline::new(PipelineConfig::default()).unwrap();
        let mut parts = whole.clone();
        let beside = |pipeline: &mut Pipeline, piece: &[(Timestamp, &str, &str)]| {
            let mut update = Update::default();
            for (at, ..) in piece.iter().filter(|_| metric) {
                pipeline.push(MetricPoint::new(*at, "cart", "cpu", 1.0), &Source::at(1), &mut update);
            }
        };
        let (mut at_once, mut in_parts) = (Vec::new(), Vec::new());
        for piece in all.chunks(cut) {
            beside(&mut whole, piece);
            at_once.extend(feed(&mut whole, piece).changes);
            let saved = parts.checkpoint().unwrap();
            parts = Pipeline::restore(PipelineConfig::default(), &saved).unwrap();
            beside(&mut parts, piece);
            in_parts.extend(feed(&mut parts, piece).changes);
        }
        whole.finish();
        parts.finish();
        prop_assert_eq!(format!("{at_once:?}"), format!("{in_parts:?}"));
        prop_assert!(whole.checkpoint().unwrap() == parts.checkpoint().unwrap());
        let mut batch = Pipeline::new(PipelineConfig::default()).unwrap();
        if !metric {
            feed(&mut batch, &all);
            batch.finish();
            prop_assert!(whole.checkpoint().unwrap() == batch.checkpoint().unwrap());
        }
    }
}

#[test]
fn numbers_of_each_service_are_read_on_their_own_scale() {
    let mut pipeline = Pipeline::new(PipelineConfig::default()).unwrap();
    let mut lines = Vec::new();
    for second in 0..600 {
        let at = Timestamp::from_seconds(second);
        lines.push((at, "syslog", if second % 100 == 0 { "3" } else { "6" }));
        lines.push((at, "dotnet", if second % 100 == 0 { "3" } else { "2" }));
        lines.push((at, "words", if second % 100 == 0 { "purple" } else { "info" }));
    }
    let mut update = feed(&mut pipeline, &lines);
    update.rows.extend(pipeline.finish().rows);
    let sum = |service: &str, metric: &str| -> f64 {
        let points = points_of(&update, metric);
        let points = points.iter().filter(|(row, _)| &*row.entity.service == service);
        points.map(|(_, signal)| signal.sample.value).sum()
    };
    let counts = |service| (sum(service, "log_errors"), sum(service, "log_warnings"));
    assert_eq!(counts("syslog"), (6.0, 0.0));
    assert_eq!(counts("dotnet"), (0.0, 6.0));
    assert_eq!(counts("words"), (0.0, 0.0));
    let (doubt, remark) = update.rejected.remarks().next().unwrap();
    assert_eq!((doubt, remark.records), (Doubt::UnknownLevel, 6));
    assert_eq!(remark.values, ["purple"]);
    assert_eq!(update.rejected.total(), 0);
}
