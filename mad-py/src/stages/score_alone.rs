//! One series judged by a single scorer.

use mad_core::forest::WindowedForestConfig;
use mad_core::lstm::{AutoencoderConfig, LstmAutoencoder};
use mad_core::model::{RowModel, WindowConfig, WindowedModel};
use mad_core::score::{
    BinomialScorer, CusumScorer, DifferenceScorer, DoubleMadScorer, EwmaScorer, ExtremeScorer,
    ForestScorer, GaugeScorer, LongScorer, MadConfig, MadScorer, Score, Scorer, SeasonalScorer,
    SeriesScore, ShiftScorer, SilenceScorer, SlopeScorer, ZScorer, neg_log10_sf,
};
use mad_core::series::Direction;
use mad_core::svm::{OneClassSvm, SvmConfig};
use mad_core::{Error, Sample, Timestamp};
use numpy::PyReadonlyArray1;
use pyo3::prelude::*;

use crate::border::detached;
use crate::errors::{to_py, value_error};
use crate::stages::score_series::{Columns, SeriesScores};

/// Evidence from which a value is flagged, and its deviate on two sides.
const NEG_LOG10_P: f64 = 4.0;
const BAND: f64 = 3.89;
/// Values before the first flag, and after an alarm before the next.
const LEAST: usize = 20;
const PAUSE: usize = 100;
/// Values of a level, of a line and of a block.
const LAST: usize = 12;
const SPAN: usize = 24;
const BLOCK: usize = 60;
/// Trials that a learnt share is trusted with at most.
const TRUSTED: f64 = 1_000.0;
/// Distance from the mean in standard deviations, ratio to the mean, and values behind a mean, of the
/// classical methods.
const Z: f64 = 3.0;
const RATIO: f64 = 3.0;
const MEAN_OF: usize = 1_440;

/// Names of the scorers that `score_alone` takes.
#[pyfunction]
pub fn scorer_names() -> Vec<&'static str> {
    vec![
        "mad",
        "double_mad",
        "long",
        "seasonal",
        "difference",
        "slope",
        "shift",
        "cusum",
        "record",
        "silence",
        "binomial",
        "gauge",
        "ewma",
        "zscore",
        "isolation_forest",
        "one_class_svm",
        "lstm_autoencoder",
    ]
}

/// Scores one series by one scorer; `timestamps` in nanoseconds, ascending.
#[pyfunction]
pub fn score_alone(
    py: Python<'_>,
    timestamps: PyReadonlyArray1<'_, i64>,
    values: PyReadonlyArray1<'_, f64>,
    scorer: &str,
) -> PyResult<SeriesScores> {
    let (times, values) = (timestamps.as_array(), values.as_array());
    if times.len() != values.len() {
        let message =
            format!("{} timestamps and {} values; give one each", times.len(), values.len());
        return Err(value_error(message));
    }
    let rows = times
        .iter()
        .zip(values)
        .map(|(at, value)| (Timestamp::from_nanos(*at), Sample { value: *value, n: 1 }));
    let both = Direction::Both;
    let level = MadConfig { band: BAND, ..MadConfig::default() };
    let made: Result<Columns, Error> = detached(py, || {
        Ok(match scorer {
            "mad" => judge(MadScorer::new(level)?, rows),
            "double_mad" => judge(DoubleMadScorer::new(level.window, both, BAND)?, rows),
            "long" => judge(LongScorer::new(both, BAND)?, rows),
            "seasonal" => judge(SeasonalScorer::new(both, BAND)?, rows),
            "difference" => judge(DifferenceScorer::new(LAST, both, BAND)?, rows),
            "slope" => judge(SlopeScorer::new(SPAN, both, BAND)?, rows),
            "shift" => judge(ShiftScorer::new(LAST, both, BAND)?, rows),
            "cusum" => judge(CusumScorer::new(BLOCK, both, NEG_LOG10_P)?, rows),
            "record" => judge(ExtremeScorer::new(both), rows),
            "silence" => judge(SilenceScorer::new(None, NEG_LOG10_P)?, rows),
            "binomial" => {
                judge(BinomialScorer::learning(level.window, TRUSTED, NEG_LOG10_P)?, rows)
            }
            "gauge" => judge(GaugeScorer::new(level, NEG_LOG10_P)?, rows),
            "ewma" => judge(EwmaScorer::new(RATIO)?, rows),
            "zscore" => {
                let edge = neg_log10_sf(Z) - std::f64::consts::LOG10_2;
                judge_from(ZScorer::new(MEAN_OF, both, Z)?, edge, rows)
            }
            "isolation_forest" => judge(ForestScorer::new(WindowedForestConfig::default())?, rows),
            "one_class_svm" => judge_by::<OneClassSvm>(SvmConfig::default(), rows)?,
            "lstm_autoencoder" => judge_by::<LstmAutoencoder>(AutoencoderConfig::default(), rows)?,
            _ => return Err(Error::argument("scorer", scorer, &scorer_names().join(", "))),
        })
    })?;
    Ok(made.map_err(|error| to_py(&error))?.into_arrays(py))
}

/// Flags the values that the scorer finds anomalous, and raises an alarm unless one was raised
/// within the pause.
fn judge(scorer: impl Scorer, rows: impl Iterator<Item = (Timestamp, Sample)>) -> Columns {
    judge_from(scorer, NEG_LOG10_P, rows)
}

/// The same with another threshold. Scores are scaled so that 0.5 is at the threshold.
fn judge_from(
    mut scorer: impl Scorer,
    threshold: f64,
    rows: impl Iterator<Item = (Timestamp, Sample)>,
) -> Columns {
    columns(threshold, rows.map(|(at, sample)| scorer.observe(at, sample, threshold)))
}

/// The same by a model that is fitted on the newest values.
fn judge_by<M: RowModel>(
    config: M::Config,
    rows: impl Iterator<Item = (Timestamp, Sample)>,
) -> mad_core::Result<Columns> {
    let mut model = WindowedModel::<M>::new(WindowConfig::default(), config)?;
    let score = |(_, sample): (Timestamp, Sample)| {
        let known = sample.value.is_finite().then(|| model.observe(&[sample.value])).flatten();
        let Some(score) = known else { return Score::unknown() };
        // the inverse of `Score::value`; only a score above one half is anomalous
        let neg_log10_p = (NEG_LOG10_P * score / (1.0 - score)).min(300.0);
        let most = if score > 0.5 { f64::MAX } else { NEG_LOG10_P.next_down() };
        Score { neg_log10_p: neg_log10_p.min(most), points: 1, ..Score::unknown() }
    };
    Ok(columns(NEG_LOG10_P, rows.map(score)))
}

/// The columns of some scores.
fn columns(threshold: f64, scores: impl Iterator<Item = Score>) -> Columns {
    let (mut columns, mut next) = (Columns::default(), 0);
    for (place, score) in scores.enumerate() {
        let is_anomaly = place >= LEAST && score.neg_log10_p >= threshold;
        let neg_log10_p = score.neg_log10_p * (NEG_LOG10_P / threshold);
        let score = Score { neg_log10_p, ..score };
        let quiet = place < next;
        let is_alarm = is_anomaly && !quiet;
        if is_alarm {
            next = place + 1 + PAUSE;
        }
        let alarm_score = if quiet { 0.0 } else { score.value() };
        columns.push(&SeriesScore { score, is_anomaly, is_alarm, alarm_score });
    }
    columns
}
