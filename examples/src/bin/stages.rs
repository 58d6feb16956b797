//! The stages composed by hand, without a `Pipeline`: each is a public type that works alone.
//!
//! ```text
//! cargo run -p mad-examples --bin stages
//! ```
//!
//! Two services report their latency once a minute. From 10:40 on the called service `store` is slow
//! and makes its caller `cart` slow too. A `MadScorer` scores each value, an `IncidentGrouper` groups
//! the flagged rows, a `CulpritRanker` finds the service at fault with the calls of a `ServiceGraph`,
//! and a `TemplateExplainer` writes the explanation.

use std::error::Error;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use mad_core::incident::RowOutcome;
use mad_core::score::MadConfig;
use mad_core::{
    ChangeEvent, CulpritConfig, CulpritRanker, Edge, EntityTable, FlaggedRow, FlaggedSignal,
    IncidentConfig, IncidentGrouper, Limits, MadScorer, RankingContext, Sample, Scorer,
    ServiceGraph, Signal, TemplateExplainer, Timestamp,
};

/// `-log10 p` from which a row is flagged: one in 10,000 by chance.
const THRESHOLD: f64 = 4.0;

/// The calls of a service graph, without changes.
struct Calls<'a>(&'a ServiceGraph);

impl RankingContext for Calls<'_> {
    fn callees(&self, service: &str) -> Vec<Arc<str>> {
        self.0.callees(service)
    }

    fn changes(&self, _: &str, _: Timestamp, _: Timestamp) -> Vec<ChangeEvent> {
        Vec::new()
    }
}

/// Latency of a service in a minute, ms. The fault starts at minute 40.
fn latency(service: &str, minute: i64) -> f64 {
    let usual = 100.0 + (minute * 37 % 50) as f64;
    match service {
        _ if minute < 40 => usual,
        "store" => usual + 800.0,
        _ => usual + 500.0,
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout().lock();
    let mut graph = ServiceGraph::new(&Limits::default())?;
    graph.edge(&Edge::new("cart", "store"));
    let mut entities = EntityTable::new(100);
    let mut watched = Vec::new();
    for service in ["cart", "store"] {
        let id = entities.id(service, "/items");
        watched.push((service, id, MadScorer::new(MadConfig::default())?));
    }
    let mut grouper = IncidentGrouper::new(IncidentConfig::default(), Duration::ZERO, 100)?;
    let (mut flagged, mut changes) = (Vec::new(), Vec::new());
    let ten = 1_767_693_600;
    for minute in 0..50 {
        let at = Timestamp::from_seconds(ten + 60 * minute);
        for (service, id, scorer) in &mut watched {
            // each value is scored with the values before it, then learned
            let sample = Sample { value: latency(service, minute), n: 1 };
            let known = scorer.points();
            let score = scorer.observe(at, sample, THRESHOLD);
            if score.neg_log10_p < THRESHOLD || known < 20 {
                continue;
            }
            let signal = FlaggedSignal::new(Signal::P50Latency, sample.value, score.neg_log10_p)
                .expected(score.expected, score.low, score.high)
                .z(score.z);
            let row = FlaggedRow::new(*id, at).requests(60, 0).signal(signal);
            if let Some(entity) = entities.get(*id) {
                grouper.take(entity, RowOutcome::Alarm(row.clone()), &(), &mut changes);
            }
            flagged.push(row);
        }
    }
    let end = Timestamp::from_seconds(ten + 60 * 50);
    let ranker = CulpritRanker::new(CulpritConfig::default())?;
    let ranking = ranker.rank_with(&flagged, &entities, end, &Calls(&graph));
    for incident in grouper.incidents() {
        let explanation = TemplateExplainer.explain(incident, Some(&ranking));
        writeln!(out, "{}", explanation.summary)?;
    }
    if let Some(first) = ranking.culprits.first() {
        writeln!(out, "culprit {}", first.entity)?;
    }
    Ok(())
}
