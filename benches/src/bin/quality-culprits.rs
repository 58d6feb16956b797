//! Culprits of simulated situations: `cargo run --release --bin quality-culprits`.
//!
//! Prints one line per situation, with and without a declared target: the share of runs in which the
//! first culprit is right, the first three hold it, its metric is right, its onset is right to a row,
//! in which no culprit is named, and in which the true one is then stated as the best-supported
//! candidate. An argument N takes N seeds (50), a second one the first seed.

use std::io::Write;
use std::process::ExitCode;

use mad_benches::situations::{Happening, Situation};
use mad_core::culprit::{MetricEvidence, MetricRanker, MetricRankerConfig};

/// The situations by name.
const SITUATIONS: [(&str, Happening); 11] = [
    ("cpu", Happening::Cpu),
    ("memory", Happening::Memory),
    ("network delay", Happening::Delay),
    ("flapping", Happening::Flapping),
    ("canary", Happening::Canary),
    ("lead of 1", Happening::Lead(1)),
    ("lead of 5", Happening::Lead(5)),
    ("lead of 15", Happening::Lead(15)),
    ("lead of 30", Happening::Lead(30)),
    ("quiet", Happening::Quiet),
    ("rollout", Happening::Rollout),
];

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).filter_map(|text| text.parse::<u64>().ok());
    let (seeds, from) = (arguments.next().unwrap_or(50), arguments.next().unwrap_or(0));
    let Ok(ranker) = MetricRanker::new(MetricRankerConfig::default()) else {
        return ExitCode::FAILURE;
    };
    let mut out = std::io::stdout().lock();
    let verbose = std::env::args().any(|argument| argument == "--wrong");
    for (label, happening) in SITUATIONS {
        for with_target in [false, true] {
            let (mut first, mut third, mut metric, mut onset, mut none, mut said) =
                (0, 0, 0, 0, 0, 0);
            for seed in from..from + seeds {
                let one = Situation::draw(seed, happening);
                let edges = one.edges.iter().map(|(a, b)| (a.as_str(), b.as_str()));
                let target = (&*one.target.0, &*one.target.1);
                let ranking = ranker.rank(&one.window(), edges, with_target.then_some(target));
                none += u64::from(ranking.abstained);
                let truth = one.culprit.as_deref();
                let place =
                    ranking.culprits.iter().position(|named| Some(&*named.entity.service) == truth);
                let unnamed = ranking.unnamed.first().map(|known| known.service.as_str());
                said += u64::from(truth.is_some() && unnamed == truth);
                first += u64::from(place == Some(0));
                third += u64::from(place.is_some_and(|place| place < 3));
                if let Some(named) = ranking.culprits.first().filter(|_| place == Some(0)) {
                    metric += u64::from(named.metric.starts_with(one.metric));
                    let lead = if let Happening::Lead(rows) = happening { rows } else { 0 };
                    let row = (named.onset.nanos() / 1_000_000_000 - 1_700_000_000) / 60;
                    onset += u64::from((row - (one.onset - lead)).abs() <= 1);
                }
                if verbose && place != Some(0) {
                    let named: Vec<String> = ranking
                        .culprits
                        .iter()
                        .take(3)
                        .map(|named| {
                            format!(
                                "{}:{:.2} [{}]",
                                named.entity.service,
                                named.score,
                                named
                                    .evidence
                                    .first()
                                    .map(MetricEvidence::sentence)
                                    .unwrap_or_default()
                            )
                        })
                        .collect();
                    drop(writeln!(out, "  {label} {with_target} {seed}: {truth:?} {named:?}"));
                }
            }
            let share = |count: u64| count as f64 / seeds as f64;
            drop(writeln!(
                out,
                "{label:13} {}  AC@1 {:.2}  AC@3 {:.2}  metric {:.2}  onset {:.2}  none {:.2}  said {:.2}",
                if with_target { "target   " } else { "no target" },
                share(first),
                share(third),
                share(metric),
                share(onset),
                share(none),
                share(said)
            ));
        }
    }
    ExitCode::SUCCESS
}
