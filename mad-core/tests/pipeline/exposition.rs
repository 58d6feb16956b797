//! The text format of Prometheus: which entities it gives.

use mad_core::export::prometheus_text;
use mad_core::{Pipeline, PipelineConfig, Request};

use crate::common::minute;

const PATHS: [&str; 6] = ["/a", "/b", "/c", "/d", "/e", "/f"];

/// A pipeline over an hour in which the last path becomes slow.
fn pipeline() -> Pipeline {
    let mut pipeline = Pipeline::new(PipelineConfig::default()).unwrap();
    pipeline.ingest((0..60).flat_map(|at| {
        PATHS.iter().flat_map(move |path| {
            let slow = *path == "/f" && at > 50;
            (0..20).map(move |k| {
                let ms = if slow { 4000.0 } else { 50.0 } + f64::from(k);
                Request::new(minute(at).plus(i64::from(k)), "shop", path, 200, ms)
            })
        })
    }));
    pipeline.finish();
    pipeline
}

#[test]
fn the_most_anomalous_entities_are_given_and_the_others_are_counted() {
    let pipeline = pipeline();
    let (all, few) = (prometheus_text(&pipeline, 1_000), prometheus_text(&pipeline, 2));
    assert!(!all.contains("mad_series_left_out"));
    assert!(PATHS.iter().all(|path| all.contains(&format!("endpoint=\"{path}\""))), "{all}");
    let scores: Vec<&str> = few.lines().filter(|line| line.starts_with("mad_score{")).collect();
    assert_eq!(scores.len(), 2, "{few}");
    assert!(scores.iter().any(|line| line.contains("/f")), "{few}");
    let counted = all.lines().filter(|line| line.starts_with("mad_score{")).count();
    assert!(few.ends_with(&format!("\nmad_series_left_out {}\n", counted - 2)), "{few}");
    for name in ["mad_value{", "mad_expected_high{", "mad_anomalous{"] {
        assert!(few.lines().filter(|line| line.starts_with(name)).count() <= 12, "{few}");
    }
}
