//! Methods over all signals of a row: classical z-scores, and models that are fitted on the newest rows.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Judgement;
use super::entities::EntityRule;
use crate::error::Result;
use crate::feature::RowKind;
use crate::forest::{WindowedForest, WindowedForestConfig};
use crate::guard::JudgedRow;
use crate::model::{RowModel, WindowConfig, WindowedModel};
use crate::score::{Scorer, ZScorer, neg_log10_sf};
use crate::series::{Direction, Sample, Signal, SignalId};

/// z beyond which a value is anomalous.
const Z: f64 = 3.0;
/// Values behind a mean and a standard deviation: a day of minutes.
const WINDOW: usize = 1_440;
/// Forest score above which a row is anomalous: -0.12 on the decision function of scikit-learn.
const FOREST_LIMIT: f64 = 0.62;
/// Most signals of a row that a model looks at.
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

/// A classical z-score for each signal; the row has that of its largest.
#[derive(Debug)]
pub(super) struct ZRule;

impl EntityRule for ZRule {
    type State = Vec<(SignalId, ZScorer)>;

    fn make(&self) -> Result<Self::State> {
        Ok(Vec::new())
    }

    fn judge(&self, known: &mut Self::State, row: &JudgedRow) -> Option<Judgement> {
        let threshold = neg_log10_sf(Z) - std::f64::consts::LOG10_2;
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

/// The signals of an entity in the order of the columns of its model.
#[derive(Debug, Default)]
struct Columns(Vec<SignalId>);

impl Columns {
    /// The values of a row. A signal that was not seen before is a further column. The mean latency
    /// of requests comes first.
    fn values(&mut self, row: &JudgedRow) -> Vec<f64> {
        for (id, _, sample) in signals(row) {
            if sample.n > 0 && !self.0.contains(&id) && self.0.len() < MOST_COLUMNS {
                self.0.push(id);
            }
        }
        let mut values: Vec<f64> = row.requests.iter().map(|facts| facts.mean_ms).collect();
        for column in &self.0 {
            let found = signals(row).find(|(id, ..)| id == column);
            let sample = found.map(|(_, _, sample)| sample).filter(|sample| sample.n > 0);
            values.push(sample.map_or(f64::NAN, |sample| sample.value));
        }
        values
    }

    /// The judgement of a row by its score. It names the signal if there is only one.
    fn judged(&self, row: &JudgedRow, score: f64) -> Judgement {
        let mut judged = Judgement::of_row(score, score > 0.5);
        if let ([_], Some((_, name, sample))) = (self.0.as_slice(), signals(row).next()) {
            (judged.signal, judged.value) = (name.into(), sample.value);
        }
        judged
    }
}

/// An Isolation Forest for each entity over the signals of its rows.
#[derive(Debug)]
pub(super) struct ForestRule {
    config: WindowedForestConfig,
    drifts: AtomicU64,
}

/// The forest of one entity.
#[derive(Debug)]
pub(super) struct RowForest {
    columns: Columns,
    forest: WindowedForest,
}

impl ForestRule {
    pub fn new() -> Result<Self> {
        let config = WindowedForestConfig::default();
        config.validate()?;
        Ok(Self { config, drifts: AtomicU64::new(0) })
    }

    /// Times that the rows of an entity no longer resembled those of its fit.
    pub fn drifts(&self) -> u64 {
        self.drifts.load(Ordering::Relaxed)
    }
}

impl EntityRule for ForestRule {
    type State = RowForest;

    fn make(&self) -> Result<RowForest> {
        Ok(RowForest { columns: Columns::default(), forest: WindowedForest::new(self.config)? })
    }

    fn judge(&self, known: &mut RowForest, row: &JudgedRow) -> Option<Judgement> {
        let values = known.columns.values(row);
        let score = known.forest.score(&values);
        let drift = known.forest.learn(&values);
        if drift.is_some_and(|drift| drift.is_drift()) {
            self.drifts.fetch_add(1, Ordering::Relaxed);
        }
        let score = score?;
        // Straight lines from 0 over 0.5 at the limit to 1.
        let scaled = if score <= FOREST_LIMIT {
            0.5 * score / FOREST_LIMIT
        } else {
            0.5 + 0.5 * (score - FOREST_LIMIT) / (1.0 - FOREST_LIMIT)
        };
        Some(known.columns.judged(row, scaled))
    }
}

/// A model for each entity over the signals of its rows.
#[derive(Debug)]
pub(super) struct ModelRule<M: RowModel>(M::Config);

/// The model of one entity.
#[derive(Debug)]
pub(super) struct RowsOf<M: RowModel> {
    columns: Columns,
    model: WindowedModel<M>,
}

impl<M: RowModel> ModelRule<M> {
    pub fn new(config: M::Config) -> Self {
        Self(config)
    }
}

impl<M: RowModel + Send> EntityRule for ModelRule<M>
where
    M::Config: Send + Sync,
{
    type State = RowsOf<M>;

    fn make(&self) -> Result<RowsOf<M>> {
        let model = WindowedModel::new(WindowConfig::default(), self.0)?;
        Ok(RowsOf { columns: Columns::default(), model })
    }

    fn judge(&self, known: &mut RowsOf<M>, row: &JudgedRow) -> Option<Judgement> {
        let values = known.columns.values(row);
        let score = known.model.observe(&values)?;
        Some(known.columns.judged(row, score))
    }
}
