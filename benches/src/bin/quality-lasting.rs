//! Lasting outages of 30 minutes to 24 hours, at the shipped defaults:
//! `cargo run --release --bin quality-lasting [SEEDS]`.
//!
//! Each run has one faulty endpoint among three, after six hours of calm. Prints one line a kind;
//! exits 1 when a run does not have one incident that ends within ten minutes of the outage.

use std::io::Write;
use std::process::ExitCode;

use mad_benches::traffic::{Endpoint, Fault, Uniform, incidents, minute_of, of_seeds};
use mad_core::{Incident, Result};

const SEEDS: u64 = 20;
/// Minutes before and after the outage.
const CALM: i64 = 360;
const AFTER: i64 = 180;
/// Minutes by which an incident may end before or after its outage.
const TOLERANCE: i64 = 10;
/// Shortest and longest outage in minutes.
const LENGTHS: (f64, f64) = (30.0, 1_440.0);
/// Requests a minute of the faulty endpoint.
const RATES: (f64, f64) = (30.0, 400.0);

const KINDS: [(&str, Fault); 5] = [
    ("all requests fail", Fault::Errors(1.0)),
    ("a fifth of the requests fails", Fault::Errors(0.2)),
    ("latency x5", Fault::Slow(5.0)),
    ("traffic -80 %", Fault::Traffic(0.2)),
    ("no requests", Fault::Traffic(0.0)),
];

/// What came of one outage.
struct Outcome {
    seed: u64,
    minutes: i64,
    rate: f64,
    /// Incidents of the outage, and others.
    own: usize,
    others: usize,
    /// Minutes from the outage to the incident: of its first and of its last row.
    late: i64,
    over: i64,
    /// Signals of its incidents.
    signals: String,
}

impl Outcome {
    fn is_right(&self) -> bool {
        (self.own, self.others) == (1, 0) && self.over.abs() <= TOLERANCE
    }
}

fn run(seed: u64, kind: usize, fault: Fault) -> Result<Outcome> {
    let mut draws = Uniform::new(100 * seed + kind as u64);
    let minutes = draws.between(LENGTHS.0, LENGTHS.1).round() as i64;
    let rate = draws.between(RATES.0, RATES.1);
    let (first, last) = (CALM, CALM + minutes);
    let well = |service, path, rate| Endpoint {
        service,
        path,
        rate,
        latency: 80.0,
        errors: 0.004,
        swing: 0.0,
        jobs: Vec::new(),
        fault: None,
    };
    let faulty = Endpoint { fault: Some((fault, first, last)), ..well("pay", "/charge", rate) };
    let all = [faulty, well("pay", "/refund", 20.0), well("cart", "/items", 60.0)];
    let found = incidents(&all, last + AFTER, 7 * seed + kind as u64)?;
    let is_own = |one: &&Incident| {
        minute_of(one.start) < last && minute_of(one.end) >= first && &*one.entity.service == "pay"
    };
    let own: Vec<&Incident> = found.iter().filter(is_own).collect();
    let start = own.iter().map(|one| minute_of(one.start)).min().unwrap_or(i64::MAX / 2);
    let end = own.iter().map(|one| minute_of(one.end)).max().unwrap_or(i64::MAX / 2);
    let others = found.len() - own.len();
    let (late, over) = (start - first, end - last);
    let names = own.iter().flat_map(|one| one.signals()).map(|signal| format!("{signal:?}"));
    let signals = names.collect::<Vec<String>>().join(", ");
    Ok(Outcome { seed, minutes, rate, own: own.len(), others, late, over, signals })
}

fn main() -> Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    let given = std::env::args().nth(1).and_then(|seeds| seeds.parse().ok());
    let seeds = given.unwrap_or(SEEDS);
    let mut met = true;
    for (place, (name, fault)) in KINDS.into_iter().enumerate() {
        let runs = of_seeds(seeds, |seed| run(seed, place, fault))?;
        let right = runs.iter().filter(|run| run.is_right()).count();
        let once = runs.iter().filter(|run| run.own == 1).count();
        let others: usize = runs.iter().map(|run| run.others).sum();
        let worst = runs.iter().map(|run| run.over.abs()).max().unwrap_or(0);
        let late = runs.iter().map(|run| run.late).max().unwrap_or(0);
        met &= right == runs.len();
        let _ = writeln!(
            out,
            "{name:30} right {right:>2} of {seeds}  one incident in {once:>2}  others {others}  latest \
             start {late:>3} min  largest difference of the end {worst:>3} min"
        );
        for run in runs.iter().filter(|run| !run.is_right()) {
            let Outcome { seed, minutes, rate, own, others, late, over, signals } = run;
            let _ = writeln!(
                out,
                "    seed {seed}: {minutes} min at {rate:.0} a minute: {own} incidents, {others} others, \
                 start {late:+} min, end {over:+} min, {signals}"
            );
        }
        let _ = out.flush();
    }
    let _ = writeln!(out, "{}", if met { "all goals met" } else { "goals missed" });
    Ok(ExitCode::from(u8::from(!met)))
}
