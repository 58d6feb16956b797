//! Culprits of simulated incidents whose onset is declared 0, 30 and 60 seconds late:
//! `cargo run --release --bin late-onset`.
//!
//! Prints one line per fault and delay. Exits with 1 if a delay costs more accuracy than its goal. With
//! `--declared` the declared onset is used without a search, for comparison.

use std::io::Write;
use std::process::ExitCode;

use mad_benches::fleet::{FAULTS, Fleet, FleetConfig};
use mad_core::culprit::{MetricRanker, MetricRankerConfig};

/// Fleets for each fault and delay.
const SEEDS: u64 = 20;
/// Largest number of seconds of normal time, and of the incident.
const WINDOW: i64 = 120;
/// Delay in seconds, and the largest accepted loss of AC@1.
const DELAYS: [(i64, f64); 3] = [(0, 0.0), (30, 0.1), (60, 0.2)];

fn main() -> ExitCode {
    let find_onset = !std::env::args().any(|argument| argument == "--declared");
    let config = MetricRankerConfig { find_onset, ..MetricRankerConfig::default() };
    let Ok(ranker) = MetricRanker::new(config) else {
        return ExitCode::FAILURE;
    };
    let mut out = std::io::stdout().lock();
    let mut missed = false;
    let mut on_time = 0.0;
    for (late, goal) in DELAYS {
        let mut all = [0.0; 2];
        for (fault, (name, _)) in FAULTS.iter().enumerate() {
            let mut hits = [0.0; 2];
            for seed in 0..SEEDS {
                let rows = (300, 180);
                let fleet = Fleet::draw(FleetConfig { seed, services: 20, rows, fault });
                let edges = fleet.edges.iter().map(|(a, b)| (a.as_str(), b.as_str()));
                let ranking = ranker.rank(&fleet.window(rows.0 + late, WINDOW), edges, None);
                let place =
                    ranking.culprits.iter().position(|one| *one.entity.service == *fleet.culprit);
                for (hits, most) in hits.iter_mut().zip([1, 3]) {
                    *hits += f64::from(place.is_some_and(|place| place < most)) / SEEDS as f64;
                }
            }
            for (all, hits) in all.iter_mut().zip(hits) {
                *all += hits / FAULTS.len() as f64;
            }
            let [first, third] = hits;
            // the result of a write is ignored, so that a closed pipe does not end the run
            drop(writeln!(out, "{late:2} s late  {name:5}  AC@1 {first:.2}  AC@3 {third:.2}"));
        }
        let [first, third] = all;
        if late == 0 {
            on_time = first;
        }
        missed |= on_time - first > goal;
        drop(writeln!(
            out,
            "{late:2} s late  all    AC@1 {first:.2}  AC@3 {third:.2}  lost {:.2}, at most {goal:.2}",
            on_time - first
        ));
    }
    if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
