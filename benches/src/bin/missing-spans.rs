//! Missing spans found in the traces of the MELT world: `cargo run --release --bin missing-spans`.
//!
//! Prints one line over 20 seeds of 1,000 minutes; exits 1 below an F1 of .9.

use std::collections::BTreeSet;
use std::io::Write;

use mad_core::Limits;
use mad_core::error::Result;
use mad_core::graph::TraceProfiles;
use mad_core::simulate::MeltTraces;
use mad_core::time::{MINUTE, Timestamp};

const SEEDS: u64 = 20;
const MINUTES: u32 = 1_000;
const MISSING: f64 = 0.2;
const START: Timestamp = Timestamp::from_seconds(1_767_693_600);

fn main() -> Result<()> {
    let (mut right, mut reported, mut lost) = (0, 0, 0);
    for seed in 0..SEEDS {
        let (spans, labels) = MeltTraces::new(MINUTES, MISSING, seed, START)?.run();
        let truth: BTreeSet<(Timestamp, &str)> =
            labels.iter().map(|label| (label.minute, &*label.service)).collect();
        let mut profiles = TraceProfiles::new(&Limits::default());
        let mut traces = Vec::new();
        for span in &spans {
            traces.extend(profiles.close(span.start));
            profiles.span(&span.span());
        }
        traces.extend(profiles.close(Timestamp::MAX));
        let found: BTreeSet<(Timestamp, &str)> = traces
            .iter()
            .flat_map(|trace| trace.missing.iter().map(|place| (trace.start.floor(MINUTE), *place)))
            .filter_map(|(minute, place)| Some((minute, profiles.operation(place)?.0)))
            .collect();
        right += found.intersection(&truth).count();
        reported += found.len();
        lost += truth.len();
    }
    let (precision, recall) = (right as f64 / reported as f64, right as f64 / lost as f64);
    let f1 = 2.0 * precision * recall / (precision + recall);
    let _ = writeln!(
        std::io::stdout(),
        "missing spans: precision {precision:.3}, recall {recall:.3}, F1 {f1:.3} ({lost} lost in \
         {SEEDS} x {MINUTES} traces; the first 20 are only learned)",
    );
    if f1 >= 0.9 { Ok(()) } else { std::process::exit(1) }
}
