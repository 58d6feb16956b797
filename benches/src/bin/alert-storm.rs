//! 5,000 series that go bad at once: how many incidents, and how long the bad minutes take:
//! `cargo run --release --bin alert-storm`.
//!
//! Prints one line; exits 1 when there are more incidents than connected causes, or a second is not
//! enough.

use std::io::Write;
use std::time::Instant;

use mad_core::error::Result;
use mad_core::time::{MINUTE, Timestamp};
use mad_core::{Edge, MetricPoint, Pipeline, PipelineConfig, Source, Update};

const CAUSES: usize = 5;
const SERVICES: usize = 500;
const SERIES_OF_A_SERVICE: usize = 10;
const CALM_MINUTES: i64 = 60;
const BAD_MINUTES: i64 = 5;
const START: Timestamp = Timestamp::from_seconds(1_767_693_600);

/// The value of a series in a minute: its own level that drifts a little.
fn value(series: usize, minute: i64) -> f64 {
    let wander = ((series as i64 * 7_919 + minute * 104_729) % 997) as f64 / 997.0;
    let bad = if minute >= CALM_MINUTES { 60.0 } else { 0.0 };
    10.0 + (series % 7) as f64 + wander + bad
}

fn feed(pipeline: &mut Pipeline, names: &[(String, String)], minute: i64) -> Update {
    let at = START.plus(minute * MINUTE);
    let named = names.iter().enumerate();
    let points = named.map(|(series, (service, resource))| {
        let point = MetricPoint::new(at, service, "load", value(series, minute));
        MetricPoint { resource, ..point }
    });
    pipeline.ingest(points)
}

fn main() -> Result<()> {
    let mut pipeline = Pipeline::new(PipelineConfig::default())?;
    let names: Vec<(String, String)> = (0..SERVICES)
        .flat_map(|service| {
            let name = format!("service-{service}");
            (0..SERIES_OF_A_SERVICE).map(move |pod| (name.clone(), format!("pod-{pod}")))
        })
        .collect();
    let mut update = Update::default();
    // each calls one with the same cause, so that a cause is a tree of services
    for service in CAUSES..SERVICES {
        let caller = format!("service-{service}");
        let callee = format!("service-{}", service % CAUSES + (service / CAUSES - 1) / 2 * CAUSES);
        pipeline.push(Edge::new(&caller, &callee), &Source::at(1), &mut update);
    }
    for minute in 0..CALM_MINUTES {
        feed(&mut pipeline, &names, minute);
    }
    let before = pipeline.incidents().len();
    let begun = Instant::now();
    let mut changes = 0;
    for minute in CALM_MINUTES..CALM_MINUTES + BAD_MINUTES {
        changes += feed(&mut pipeline, &names, minute).changes.len();
    }
    changes += pipeline.finish().changes.len();
    let seconds = begun.elapsed().as_secs_f64();
    let open = pipeline.incidents().iter().filter(|incident| incident.is_open()).count();
    let reached: u64 = pipeline.incidents().iter().map(|incident| incident.reached + 1).sum();
    let _ = writeln!(
        std::io::stdout(),
        "alert storm: {} series in {BAD_MINUTES} bad minutes: {open} incidents for {CAUSES} causes \
         ({before} before), {reached} entities in them, {changes} changes reported, {seconds:.2} s",
        names.len(),
    );
    if open != CAUSES || seconds >= 1.0 {
        std::process::exit(1);
    }
    Ok(())
}
