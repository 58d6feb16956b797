//! False incidents in calm traffic with a rhythm, at the shipped defaults:
//! `cargo run --release --bin quality-calm [SEEDS]`.
//!
//! Each seed is 14 days of four endpoints that follow the day, with cron jobs. Prints one
//! line a seed; exits 1 when there is more than one incident in ten days from day 4 on.

use std::io::Write;
use std::process::ExitCode;

use mad_benches::traffic::{DAY, Endpoint, Job, Uniform, incidents, minute_of, of_seeds};
use mad_core::{Incident, Result};

const SEEDS: u64 = 20;
const DAYS: i64 = 14;
/// Days until which the rhythm may still be news.
const LEARNING: i64 = 4;
/// Requests a minute of the largest endpoint.
const RATES: (f64, f64) = (10.0, 600.0);

/// Four endpoints that follow the day. One has an hourly job, one slow requests during a nightly
/// batch, and one a job at 02:10.
fn endpoints(seed: u64, rate: f64) -> Vec<Endpoint> {
    let mut draws = Uniform::new(seed);
    let mut one = |service, path, share: f64, jobs: Vec<Job>| Endpoint {
        service,
        path,
        rate: (rate * share).max(2.0),
        latency: draws.between(20.0, 300.0),
        errors: draws.between(0.0005, 0.01),
        swing: 0.5 + 0.4 * draws.unit(),
        jobs,
        fault: None,
    };
    let job =
        |every, first, length, traffic, latency| Job { every, first, length, traffic, latency };
    let list = one("shop", "/list", 1.0, Vec::new());
    let report = one("shop", "/report", 0.4, vec![job(60, 15, 3, 3.0, 1.0)]);
    let stock = one("stock", "/level", 0.6, vec![job(DAY, 180, 40, 0.0, 3.0)]);
    let mail = one("mail", "/send", 0.3, vec![job(DAY, 130, 10, 7.0, 1.5)]);
    vec![list, report, stock, mail]
}

fn run(seed: u64) -> Result<(f64, Vec<Incident>)> {
    let rate = Uniform::new(1_000 + seed).between(RATES.0, RATES.1);
    Ok((rate, incidents(&endpoints(seed, rate), DAYS * DAY, seed)?))
}

fn main() -> Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    let given = std::env::args().nth(1).and_then(|seeds| seeds.parse().ok());
    let seeds = given.unwrap_or(SEEDS);
    let (mut all, mut worst) = (0, 0);
    for (seed, (rate, found)) in of_seeds(seeds, run)?.into_iter().enumerate() {
        let late = found.iter().filter(|one| minute_of(one.start) >= LEARNING * DAY);
        let late: Vec<&Incident> = late.collect();
        (all, worst) = (all + late.len(), worst.max(late.len()));
        let _ = writeln!(
            out,
            "seed {seed:>2}, {rate:>3.0} a minute: {} incidents in the first {LEARNING} days, {} in the \
             {} days after",
            found.len() - late.len(),
            late.len(),
            DAYS - LEARNING,
        );
        for one in late {
            let (start, end) = (one.start, one.end);
            let signals: Vec<String> = one.signals().map(|signal| format!("{signal:?}")).collect();
            let _ = writeln!(out, "    {} {start} to {end}: {}", one.entity, signals.join(", "));
        }
    }
    let met = worst <= 1;
    let _ = writeln!(
        out,
        "{all} incidents in {seeds} times {} days, at most {worst} in one of them: {}",
        DAYS - LEARNING,
        if met { "the goal is met" } else { "the goal is missed" }
    );
    Ok(ExitCode::from(u8::from(!met)))
}
