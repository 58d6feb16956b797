//! Metrics of one entity that deviate together.

use mad_core::config::PipelineConfig;
use mad_core::pipeline::Pipeline;
use mad_core::telemetry::MetricPoint;
use mad_core::time::MINUTE;

use crate::common::{minute, series_in};
use crate::signals::noise;

const METRICS: [&str; 12] = [
    "cpu",
    "heap",
    "disk",
    "io_wait",
    "threads",
    "sockets",
    "queue",
    "cache",
    "gc",
    "files",
    "swap",
    "interrupts",
];
/// Rows in which the first five metrics are off by some scales.
const OFF: std::ops::Range<i64> = 900..910;

/// The metrics of a host under a common load, with five of them `off` scales up in [`OFF`]. Each host
/// has one metric only if they are `apart`.
fn points(off: f64, apart: bool) -> Vec<MetricPoint<'static>> {
    let normal = |seed: u64| (0..8).map(|k| noise(seed * 8 + k)).sum::<f64>() - 4.0;
    let mut load = 0.0;
    let mut points = Vec::new();
    for i in 0..1_000_i64 {
        load = 0.9 * load + 0.4 * normal(i as u64);
        for (place, name) in METRICS.into_iter().enumerate() {
            let own = normal((1 + place as u64) << 32 | i as u64);
            let shift = if place < 5 && OFF.contains(&i) { off } else { 0.0 };
            let value = 100.0 + 5.0 * (0.7 * load + own + shift);
            let service = if apart { name } else { "host" };
            points.push(MetricPoint::new(minute(i), service, name, value));
        }
    }
    points
}

fn flagged(points: &[MetricPoint<'_>]) -> (Pipeline, Vec<(i64, String, f64)>) {
    let mut pipeline = Pipeline::new(PipelineConfig::default()).unwrap().bounded_input();
    let mut rows = pipeline.ingest(points.iter().copied()).rows;
    rows.extend(pipeline.finish().rows);
    let flagged = series_in(&rows).into_iter().filter(|(_, judged)| judged.is_anomaly);
    let flagged = flagged.map(|(row, judged)| {
        let step = row.head.at.since(minute(0)) / MINUTE;
        (step, judged.name.to_string(), judged.neg_log10_p)
    });
    let flagged = flagged.collect();
    (pipeline, flagged)
}

#[test]
fn five_weak_metrics_make_one_incident() {
    let (alone, found) = flagged(&points(2.5, true));
    assert!(alone.incidents().is_empty(), "{found:?}");
    let (together, found) = flagged(&points(2.5, false));
    let incidents = together.incidents();
    assert_eq!(incidents.len(), 1, "{found:?}");
    let (start, end) = (incidents[0].start, incidents[0].end);
    assert!(minute(OFF.start) <= start && end <= minute(OFF.end + 5), "{start} to {end}");
    // all of a row have the same evidence, so that the text names them together
    let first = found.iter().find(|(step, ..)| *step == start.since(minute(0)) / MINUTE);
    let (step, _, evidence) = first.unwrap();
    let of_row: Vec<_> = found.iter().filter(|(at, ..)| at == step).collect();
    assert!(of_row.len() >= 3 && of_row.iter().all(|(.., own)| own == evidence), "{of_row:?}");
    let explanation = together.explain(incidents[0]);
    let why = explanation.why_flagged.join(" ");
    assert!(why.contains(" together with the "), "{why}");
}

#[test]
fn less_than_ten_times_the_rarity_of_the_threshold_opens_nothing() {
    let strongest = |off: f64| {
        let (pipeline, found) = flagged(&points(off, false));
        let most = found.iter().map(|(.., evidence)| *evidence).fold(0.0, f64::max);
        (most, pipeline.incidents().len())
    };
    let all: Vec<(f64, usize)> =
        (10..=25).map(|tenth| strongest(f64::from(tenth) / 10.0)).collect();
    let weak = |(most, _): &&(f64, usize)| (4.0..5.0).contains(most);
    assert!(all.iter().filter(weak).count() > 0, "{all:?}");
    assert!(all.iter().filter(weak).all(|(_, incidents)| *incidents == 0), "{all:?}");
    assert!(all.iter().any(|(_, incidents)| *incidents > 0), "{all:?}");
}

#[test]
fn metrics_that_move_with_their_load_are_normal() {
    let (pipeline, found) = flagged(&points(0.0, false));
    assert!(pipeline.incidents().is_empty(), "{found:?}");
}

#[test]
fn a_saved_pipeline_knows_how_metrics_move_together() {
    let points = points(2.5, false);
    let run = |cut: usize| {
        let (before, after) = points.split_at(cut);
        let mut pipeline = Pipeline::new(PipelineConfig::default()).unwrap().bounded_input();
        pipeline.ingest(before.iter().copied());
        let saved = pipeline.checkpoint().unwrap();
        let mut pipeline = Pipeline::restore(PipelineConfig::default(), &saved).unwrap();
        pipeline.ingest(after.iter().copied());
        pipeline.finish();
        pipeline.checkpoint().unwrap()
    };
    let whole = run(0);
    for cut in [12 * 500, 12 * 903 + 5] {
        assert!(run(cut) == whole, "{cut}");
    }
}
