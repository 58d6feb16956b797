//! Which other anomalies move as the first suspect's does.

use std::collections::BTreeMap;

use super::blame::{Charge, Suspect};
use super::timeline::Timeline;
use super::types::Correlated;
use super::window::Series;

/// Rows before the begin that are compared, at least; as many as the incident has, if it has more.
const BEFORE: i64 = 10;
/// Fewest rows that two series must have in common.
const MIN_ROWS: usize = 5;
/// Least correlation that is told.
const MIN_SCORE: f64 = 0.5;
/// Most correlated anomalies that are told.
const MOST: usize = 10;

/// The anomalies of at least `least` scales whose ranks go with those of the first suspect's strongest
/// series, in the rows around the begin; the closest first.
pub(super) fn correlated(
    suspects: &[Suspect<'_>],
    timeline: &Timeline,
    least: f64,
) -> Vec<Correlated> {
    let has_points = |charge: &&Charge<'_>| !charge.series.points().is_empty();
    let Some(first) = suspects.first().and_then(|one| one.charges.iter().find(has_points)) else {
        return Vec::new();
    };
    let from = -BEFORE.max(timeline.rows as i64);
    let rows = |series: &Series| -> BTreeMap<i64, f64> {
        let badness = |value| series.kind.badness(value);
        let all = series.points().iter().map(|point| (timeline.row(point.0), badness(point.1)));
        all.filter(|(row, _)| *row >= from).collect()
    };
    let own = rows(first.series);
    let charges = suspects.iter().flat_map(|suspect| &suspect.charges);
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
    // stable: of equal ones the service that is blamed more
    found.sort_by(|a, b| b.correlation_score.total_cmp(&a.correlation_score));
    found.truncate(MOST);
    found
}

/// Spearman's correlation over the rows that both have: Pearson's of the ranks, of which equal values
/// share the mean. None of fewer than five rows, and where one does not move.
fn rank_correlation(a: &BTreeMap<i64, f64>, b: &BTreeMap<i64, f64>) -> Option<f64> {
    let common = a.iter().filter_map(|(row, a)| Some((*a, *b.get(row)?)));
    let (a, b): (Vec<f64>, Vec<f64>) = common.unzip();
    if a.len() < MIN_ROWS {
        return None;
    }
    let middle = (a.len() as f64 - 1.0) / 2.0;
    let (a, b) = (ranks(&a), ranks(&b));
    let product = |a: &[f64], b: &[f64]| -> f64 {
        a.iter().zip(b).map(|(a, b)| (a - middle) * (b - middle)).sum()
    };
    let score = product(&a, &b) / (product(&a, &a) * product(&b, &b)).sqrt();
    score.is_finite().then_some(score)
}

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
