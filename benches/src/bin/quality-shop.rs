//! Quality on simulated shops, at the shipped defaults: `cargo run --release --bin quality-shop`.
//!
//! Prints one line per kind of incident; exits 1 when a figure of the table's goals is missed.

use std::io::Write;

use mad_benches::run_shop;
use mad_core::evaluate::Evaluation;
use mad_core::simulate::{IncidentKind, IncidentSpec, ShopConfig, random_incident};

const SEEDS: u64 = 20;

struct Line {
    name: &'static str,
    evaluation: Evaluation,
    blamed: u64,
    incidents: u64,
    /// Incidents that are one to whoever is called: at one place, at one time.
    parts: u64,
    missed: Vec<u64>,
}

fn scored(
    name: &'static str,
    rows: u64,
    hours: f64,
    incidents: impl Fn(u64) -> Vec<IncidentSpec> + Sync,
) -> Line {
    let one = |seed: u64| {
        (seed, incidents(seed).len() as u64, run_shop(seed, rows, hours, incidents(seed)))
    };
    let specs = incidents(0);
    let alike = |spec: &&IncidentSpec| {
        specs.first().is_some_and(|first| {
            (&first.service, &first.endpoint) == (&spec.service, &spec.endpoint)
        })
    };
    let parts = specs.iter().filter(alike).count().max(1) as u64;
    let mut runs: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2)
            .map(|half| {
                let one = &one;
                scope.spawn(move || (half..SEEDS).step_by(2).map(one).collect::<Vec<_>>())
            })
            .collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()).flatten().collect()
    });
    runs.sort_by_key(|(seed, _, _)| *seed);
    let mut line = Line {
        name,
        evaluation: Evaluation::default(),
        blamed: 0,
        incidents: 0,
        parts,
        missed: Vec::new(),
    };
    for (seed, incidents, run) in runs {
        let Ok(run) = run else { continue };
        if run.evaluation.incidents.missed > 0 {
            line.missed.push(seed);
        }
        line.evaluation.merge(run.evaluation);
        line.blamed += run.blamed;
        line.incidents += incidents;
    }
    line
}

fn share(value: Option<f64>) -> String {
    value.map_or_else(|| "    -".to_owned(), |value| format!("{value:.3}"))
}

fn print(line: &Line) {
    let Line { name, evaluation, parts, missed, .. } = line;
    let (blamed, incidents) = (line.blamed / parts, line.incidents / parts);
    let rows = &evaluation.rows;
    let delay =
        evaluation.median_delay_seconds.map_or_else(|| "-".into(), |s| format!("{:.2}", s / 60.0));
    let mut out = std::io::stdout().lock();
    let written = writeln!(
        out,
        "{name:34} found {:>2} of {incidents:>2}  blamed {blamed:>2}  false incidents {:>2}  rows: precision {} recall {} \
         (fp {:>3})  known after {delay:>5} min  missed seeds {missed:?}",
        evaluation.incidents.found / parts,
        evaluation.incidents.false_incidents,
        share(rows.scores.precision),
        share(rows.scores.recall),
        rows.fp,
    );
    // a closed pipe ends the printing, not the run
    drop(written);
}

#[expect(clippy::too_many_lines, reason = "one table, read from top to bottom")]
fn main() -> std::process::ExitCode {
    let kind = |kind: IncidentKind| move |seed: u64| vec![random_incident(seed, kind)];
    let fixed = |_| ShopConfig::default().incidents;
    let two = |seed: u64| {
        let second = (1..1_000)
            .map(|k| random_incident(seed + 1_000 * k, IncidentKind::OUTAGE))
            .find(|other| {
                let first = random_incident(seed, IncidentKind::OUTAGE);
                (&other.service, &other.endpoint) != (&first.service, &first.endpoint)
            });
        let first = random_incident(seed, IncidentKind::OUTAGE);
        let second =
            second.map(|second| IncidentSpec { start_seconds: first.start_seconds, ..second });
        [Some(first), second].into_iter().flatten().collect()
    };
    let latency = |factor: f64| kind(IncidentKind::Latency { factor });
    let errors = |add: f64| kind(IncidentKind::Errors { add });
    // several signals at once, each a little
    let weak = |factor: f64, add: f64, rest: f64| {
        move |seed: u64| {
            let kinds = [
                IncidentKind::Latency { factor },
                IncidentKind::Errors { add },
                IncidentKind::Traffic { factor: rest },
            ];
            kinds.map(|kind| random_incident(seed, kind)).into()
        }
    };
    let mut failures = 0;
    let mut goal = |line: &Line, what: &str, met: bool| {
        if !met {
            failures += 1;
            let _ = writeln!(std::io::stdout(), "    goal missed by {}: {what}", line.name);
        }
    };
    let run = |name, rows, hours, incidents: &(dyn Fn(u64) -> Vec<IncidentSpec> + Sync)| {
        let line = scored(name, rows, hours, incidents);
        print(&line);
        line
    };
    let outage = kind(IncidentKind::OUTAGE);
    let low = run("outage, 10,000 rows in 2 h", 10_000, 2.0, &outage);
    let high = run("outage, 100,000 rows in 2 h", 100_000, 2.0, &outage);
    for (line, recall) in [(&low, 0.85), (&high, 0.95)] {
        let rows = line.evaluation.rows.scores;
        goal(line, "found 20 of 20", line.evaluation.incidents.found == SEEDS);
        goal(line, "culprit first 20 of 20", line.blamed == SEEDS);
        goal(line, "row precision >= .90", rows.precision.is_some_and(|p| p >= 0.90));
        goal(line, "row recall", rows.recall.is_some_and(|r| r >= recall));
        goal(
            line,
            "known within 2 min",
            line.evaluation.median_delay_seconds.is_some_and(|d| d <= 120.0),
        );
    }
    let false_incidents =
        low.evaluation.incidents.false_incidents + high.evaluation.incidents.false_incidents;
    goal(&low, "at most 2 false incidents in both", false_incidents <= 2);
    let low = run("A's fixed incident, 10,000 rows", 10_000, 2.0, &fixed);
    let high = run("A's fixed incident, 100,000 rows", 100_000, 2.0, &fixed);
    for line in [&low, &high] {
        goal(
            line,
            "found and blamed",
            line.evaluation.incidents.found == SEEDS && line.blamed == SEEDS,
        );
    }
    for (name, least, incidents) in [
        (
            "latency x3, 100,000 rows",
            19,
            &latency(3.0) as &(dyn Fn(u64) -> Vec<IncidentSpec> + Sync),
        ),
        ("latency x2, 100,000 rows", 19, &latency(2.0)),
        ("errors +20 points, 100,000 rows", 19, &errors(0.20)),
        ("traffic -70 %, 100,000 rows", 18, &kind(IncidentKind::Traffic { factor: 0.3 })),
    ] {
        let line = run(name, 100_000, 2.0, incidents);
        goal(&line, "found and blamed", line.evaluation.incidents.found.min(line.blamed) >= least);
        goal(&line, "at most 1 false incident", line.evaluation.incidents.false_incidents <= 1);
    }
    for (name, rows, incidents) in [
        (
            "two outages at once, 100,000 rows",
            100_000,
            &two as &(dyn Fn(u64) -> Vec<IncidentSpec> + Sync),
        ),
        ("two outages at once, 10,000 rows", 10_000, &two),
        ("latency x1.5, 100,000 rows", 100_000, &latency(1.5)),
        ("errors +5 points, 100,000 rows", 100_000, &errors(0.05)),
        ("latency x3, 10,000 rows", 10_000, &latency(3.0)),
        ("errors +20 points, 10,000 rows", 10_000, &errors(0.20)),
        ("x1.25, +2, -15 %, 100,000 rows", 100_000, &weak(1.25, 0.02, 0.85)),
        ("x1.25, +4, -30 %, 100,000 rows", 100_000, &weak(1.25, 0.04, 0.7)),
        ("x2, +10, -50 %, 10,000 rows", 10_000, &weak(2.0, 0.1, 0.5)),
    ] {
        let line = run(name, rows, 2.0, incidents);
        goal(&line, "at most 1 false incident", line.evaluation.incidents.false_incidents <= 1);
    }
    let none = |_| Vec::new();
    for (name, rows) in
        [("quiet, 20 x 24 h, low rate", 120_000), ("quiet, 20 x 24 h, high rate", 1_200_000)]
    {
        let line = run(name, rows, 24.0, &none);
        goal(
            &line,
            "at most 1 false incident a day",
            line.evaluation.incidents.false_incidents <= SEEDS,
        );
    }
    let _ = writeln!(
        std::io::stdout(),
        "{}",
        if failures == 0 { "all goals met" } else { "goals missed" }
    );
    std::process::ExitCode::from(u8::from(failures > 0))
}
