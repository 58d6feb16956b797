//! Methods over all signals of a row: classical z-scores and the Isolation Forest.

use super::Judgement;
use super::bounded::Bounded;
use crate::error::Result;
use crate::feature::RowKind;
use crate::forest::{WindowedForest, WindowedForestConfig};
use crate::guard::JudgedRow;
use crate::score::{Scorer, ZScorer, neg_log10_sf};
use crate::series::{Direction, Sample, Signal, SignalId};

/// z beyond which a value is anomalous.
const Z: f64 = 3.0;
/// Values behind a mean and a standard deviation: a day of minutes.
const WINDOW: usize = 1_440;
/// Forest score above which a row is anomalous: -0.12 on the decision function of scikit-learn.
const FOREST_LIMIT: f64 = 0.62;
/// Most entities with a forest, which takes 640 kB.
const MOST_FORESTS: usize = 1_000;
/// Most signals of a row that a forest looks at.
const MOST_COLUMNS: usize = 64;
/// The signals of a row of requests that are judged.
const OF_REQUESTS: [Signal; 3] = [Signal::P95Latency, Signal::ErrorRate, Signal::RequestCount];
/// The signal that has no z-score: a rate that is mostly 0 hardly has a standard deviation, so that
/// each error would be anomalous.
const WITHOUT_Z: Signal = Signal::ErrorRate;

/// The judged signals of a row: id, name and value.
fn signals(row: &JudgedRow) -> impl Iterator<Item = (SignalId, &str, Sample)> {
    let is_requests = row.head.kind == RowKind::Requests;
    let of = row.signals.iter().filter(move |signal| {
        !is_requests || OF_REQUESTS.iter().any(|one| SignalId::from(*one) == signal.id)
    });
    of.map(|signal| (signal.id, signal.name.as_str(), signal.sample))
}

fn is_judged(row: &JudgedRow) -> bool {
    matches!(row.head.kind, RowKind::Requests | RowKind::Metrics)
}

/// A classical z-score for each signal; the row has that of its largest.
#[derive(Debug)]
pub(super) struct ZRule(Bounded<Vec<(SignalId, ZScorer)>>);

impl ZRule {
    pub fn new(most: usize) -> Self {
        Self(Bounded::new(most))
    }

    pub fn judge(&mut self, row: &JudgedRow) -> Option<Judgement> {
        if !is_judged(row) {
            return None;
        }
        let threshold = neg_log10_sf(Z) - std::f64::consts::LOG10_2;
        let known = self.0.of(row, || Ok(Vec::new()))?;
        let mut worst: Option<Judgement> = None;
        for (id, name, sample) in signals(row) {
            if row.head.kind == RowKind::Requests && id == SignalId::from(WITHOUT_Z) {
                continue;
            }
            if !known.iter().any(|(other, _)| *other == id) {
                known.push((id, ZScorer::new(WINDOW, Direction::Both, Z).ok()?));
            }
            let Some((_, scorer)) = known.iter_mut().find(|(other, _)| *other == id) else {
                continue;
            };
            let score = scorer.observe(row.head.at, sample, threshold);
            if score.points == 0 {
                continue;
            }
            let judged = Judgement::of_signal(name, sample.value, &score, threshold);
            if worst.as_ref().is_none_or(|worst| judged.score > worst.score) {
                worst = Some(judged);
            }
        }
        worst
    }
}

/// The forest of one entity.
#[derive(Debug)]
struct RowForest {
    /// The signals, in the order of the columns.
    columns: Vec<SignalId>,
    forest: WindowedForest,
}

/// An Isolation Forest for each entity over the signals of its rows.
#[derive(Debug)]
pub(super) struct ForestRule {
    entities: Bounded<RowForest>,
    config: WindowedForestConfig,
    drifts: u64,
}

impl ForestRule {
    pub fn new(most: usize) -> Result<Self> {
        let config = WindowedForestConfig::default();
        config.validate()?;
        Ok(Self { entities: Bounded::new(most.min(MOST_FORESTS)), config, drifts: 0 })
    }

    pub fn judge(&mut self, row: &JudgedRow) -> Option<Judgement> {
        if !is_judged(row) {
            return None;
        }
        let config = self.config;
        let known = self.entities.of(row, || {
            Ok(RowForest { columns: Vec::new(), forest: WindowedForest::new(config)? })
        })?;
        let mut values = Vec::new();
        for (id, _, sample) in signals(row) {
            if sample.n > 0 && !known.columns.contains(&id) && known.columns.len() < MOST_COLUMNS {
                known.columns.push(id);
            }
        }
        for column in &known.columns {
            let found = signals(row).find(|(id, ..)| id == column);
            let sample = found.map(|(_, _, sample)| sample).filter(|sample| sample.n > 0);
            values.push(sample.map_or(f64::NAN, |sample| sample.value));
        }
        // The mean latency stands beside the percentile.
        values.extend(row.requests.map(|facts| facts.mean_ms));
        let score = known.forest.score(&values);
        let drift = known.forest.learn(&values);
        self.drifts += u64::from(drift.is_some_and(|drift| drift.is_drift()));
        let score = score?;
        // Straight lines from 0 over 0.5 at the limit to 1.
        let scaled = if score <= FOREST_LIMIT {
            0.5 * score / FOREST_LIMIT
        } else {
            0.5 + 0.5 * (score - FOREST_LIMIT) / (1.0 - FOREST_LIMIT)
        };
        let mut judged = Judgement::of_row(scaled, score > FOREST_LIMIT);
        if let ([_], Some((_, name, sample))) = (known.columns.as_slice(), signals(row).next()) {
            (judged.signal, judged.value) = (name.into(), sample.value);
        }
        Some(judged)
    }

    /// Times that the rows of an entity no longer resembled those of its fit.
    pub fn drifts(&self) -> u64 {
        self.drifts
    }
}
