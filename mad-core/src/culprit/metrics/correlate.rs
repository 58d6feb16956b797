//! Anomalies that correlate with that of the first suspect.

use std::collections::BTreeMap;

use super::charges::{Candidate, Charge};
use super::ranking::Correlated;
use super::series::Series;
use super::timeline::Timeline;

/// Smallest number of rows before the onset that are compared; as many as the incident has, if it has
/// more.
const ROWS_BEFORE: i64 = 10;
/// Smallest number of rows that two series must have in common.
const MIN_ROWS: usize = 5;
/// Smallest correlation that is reported.
const MIN_SCORE: f64 = 0.5;
/// Largest number of correlated anomalies that are reported.
const MAX_REPORTED: usize = 10;

/// The anomalies of at least `least` scales that correlate with the strongest series of the first
/// candidate in the rows around the onset, the closest first.
pub(super) fn correlated(
    candidates: &[Candidate<'_>],
    timeline: &Timeline,
    least: f64,
) -> Vec<Correlated> {
    let has_points = |charge: &&Charge<'_>| !charge.series.points().is_empty();
    let Some(first) = candidates.first().and_then(|one| one.charges.iter().find(has_points)) else {
        return Vec::new();
    };
    // as many rows before the onset as the incident has
    let from = -ROWS_BEFORE.max(timeline.rows as i64);
    let rows = |series: &Series| -> BTreeMap<i64, f64> {
        let badness = |value| series.kind.badness(value);
        let all = series.points().iter().map(|point| (timeline.row(point.0), badness(point.1)));
        all.filter(|(row, _)| *row >= from).collect()
    };
    let own = rows(first.series);
    let charges = candidates.iter().flat_map(|candidate| &candidate.charges);
    let others = charges.filter(|charge| {
        charge.effect.size >= least && charge.series.name() != first.series.name()
    });
    let mut found: Vec<Correlated> = others
        .filter_map(|charge| {
            let score = rank_correlation(&own, &rows(charge.series))?;
            (score >= MIN_SCORE).then(|| Correlated {
                service: charge.series.service.to_string(),
                resource: charge.series.resource.to_string(),
                metric: charge.series.metric.to_string(),
                correlation_score: score,
            })
        })
        .collect();
    // the sort is stable: equal scores stay in the order of the candidates
    found.sort_by(|a, b| b.correlation_score.total_cmp(&a.correlation_score));
    found.truncate(MAX_REPORTED);
    found
}

/// Spearman's rank correlation over the common rows: Pearson's correlation of the ranks. Equal values
/// share their mean rank. `None` for fewer than five rows, and if a series is constant.
fn rank_correlation(a: &BTreeMap<i64, f64>, b: &BTreeMap<i64, f64>) -> Option<f64> {
    let common = a.iter().filter_map(|(row, a)| Some((*a, *b.get(row)?)));
    let (a, b): (Vec<f64>, Vec<f64>) = common.unzip();
    if a.len() < MIN_ROWS {
        return None;
    }
    let middle = (a.len() as f64 - 1.0) / 2.0;
    // Pearson correlation of the ranks, whose mean is known
    let (a, b) = (ranks(&a), ranks(&b));
    let product = |a: &[f64], b: &[f64]| -> f64 {
        a.iter().zip(b).map(|(a, b)| (a - middle) * (b - middle)).sum()
    };
    let score = product(&a, &b) / (product(&a, &a) * product(&b, &b)).sqrt();
    score.is_finite().then_some(score)
}

/// Ranks from 0, the mean rank for equal values.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let rank = |value: &f64| {
        let below = sorted.partition_point(|other| other < value);
        let to = sorted.partition_point(|other| other <= value);
        (below + to).saturating_sub(1) as f64 / 2.0
    };
    values.iter().map(rank).collect()
}
