//! Rows at which an incident may begin.

use std::collections::{BTreeMap, BTreeSet};

use super::MetricEvidence;
use super::effect::floor;
use super::timeline::{CONTIGUOUS_ROWS, Timeline};
use super::window::Series;
use crate::robust::{MAD_OF_SIGMA, median_mad};

/// How far back of the told begin an earlier one is looked for, in rows.
const TOLD_LATE_ROWS: i64 = 120;
/// Points on either side of a step whose medians are compared.
const SIDE: usize = 3;
/// A step of fewer scales than this is none.
const MIN_STEP: f64 = 3.5;
/// What one series may add, in scales: one loud series is no incident.
const MOST_STEP: f64 = 20.0;
/// Begins that are looked at closely.
const MOST_BEGINS: usize = 12;
/// Scales from which a target counts as bad before it was told.
const BAD: f64 = 1.5;

/// Rows at which the incident may begin; row 0 is its begin as it was told, or the first of all.
///
/// With a target it is one row: the first from which on the target was bad until the told begin, or
/// the one at which it steps up most. Without, it is the told one and those at which all series
/// together step up most.
pub(super) fn begins(series: &[Series], target: Option<&Series>, timeline: &Timeline) -> Vec<i64> {
    if !timeline.contiguous {
        return vec![0];
    }
    let from = if timeline.told { unbroken_from(series, timeline) } else { i64::MIN };
    match target {
        Some(target) if timeline.told => vec![bad_from(target, timeline, from)],
        Some(target) => {
            let all = steps(std::slice::from_ref(target), timeline, 0.0);
            // of equal ones the first
            let most = all.into_iter().rev().max_by_key(|(_, size)| *size);
            vec![most.map_or(0, |(row, _)| row)]
        }
        None => {
            let all = steps(series, timeline, MIN_STEP);
            let to = if timeline.told { 0 } else { timeline.row(timeline.end) };
            let mut most: Vec<(i64, u64)> =
                all.range(from..to).map(|(row, size)| (*row, *size)).collect();
            most.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
            most.truncate(MOST_BEGINS);
            let told = timeline.told.then_some(0).into_iter();
            told.chain(most.into_iter().map(|(row, _)| row)).collect()
        }
    }
}
/// The row from which on the target was bad until the told begin.
fn bad_from(target: &Series, timeline: &Timeline, from: i64) -> i64 {
    let values: Vec<f64> = target.normal().iter().map(|point| point.1).collect();
    let (center, scale) = level(target, &values);
    let bad = |value: f64| target.kind.badness((value - center) / scale) >= BAD;
    let newest = target.normal().iter().rev().map(|point| (timeline.row(point.0), point.1));
    newest
        .take_while(|(row, value)| *row >= from && bad(*value))
        .last()
        .map_or(0, |(row, _)| row.min(0))
}

/// The row from which on this evidence's series had gone half of the way, if that is before the incident.
pub(super) fn older(
    series: &[Series],
    evidence: &MetricEvidence,
    timeline: &Timeline,
) -> Option<i64> {
    let MetricEvidence { service, resource, metric, value, expected, .. } = evidence;
    let series = series.iter().find(|one| one.name() == (service, resource, metric))?;
    let half = 0.5 * series.kind.badness(value - expected);
    let newest = series.normal().iter().rev();
    let last = newest.take_while(|point| series.kind.badness(point.1 - expected) >= half).last()?;
    Some(timeline.row(last.0))
}

/// How far all series together step up, in the bad direction, at each row.
fn steps(series: &[Series], timeline: &Timeline, least: f64) -> BTreeMap<i64, u64> {
    // integers: the sum must not depend on the order of the series
    let mut sums: BTreeMap<i64, u64> = BTreeMap::new();
    for series in series {
        let points = series.points();
        let values: Vec<f64> = points.iter().map(|point| point.1).collect();
        let (_, scale) = level(series, &values);
        let middles: Vec<f64> = values.windows(SIDE).filter_map(middle).collect();
        let places = points.iter().enumerate().skip(SIDE);
        for (at, (time, value)) in places {
            let Some(before) = middles.get(at - SIDE) else { continue };
            let after = middles.get(at).or(middles.last()).unwrap_or(value);
            let size = |after: f64| series.kind.badness((after - before) / scale);
            // the row itself has gone half of the way
            let size = size(*after).min(2.0 * size(*value));
            if size > least {
                let size = (size.min(MOST_STEP) - least) * 1e6;
                *sums.entry(timeline.row(*time)).or_default() += size as u64;
            }
        }
    }
    sums
}

fn level(series: &Series, values: &[f64]) -> (f64, f64) {
    let (center, mad) = median_mad(values);
    (center, (mad / MAD_OF_SIGMA).max(floor(series.kind, center)).max(1e-12))
}

/// The median of three.
fn middle(of: &[f64]) -> Option<f64> {
    let [a, b, c] = *of else { return None };
    Some(a.min(b).max(a.max(b).min(c)))
}

/// The earliest row from which on no row is missing up to the incident.
fn unbroken_from(series: &[Series], timeline: &Timeline) -> i64 {
    let newest = |series: &Series| {
        let rows = series.normal().iter().rev().map(|point| timeline.row(point.0));
        rows.take_while(|row| *row >= -TOLD_LATE_ROWS).collect::<Vec<i64>>()
    };
    let rows: BTreeSet<i64> = series.iter().flat_map(newest).filter(|row| *row < 0).collect();
    let near = |from: i64, row: i64| from.saturating_sub(row) <= CONTIGUOUS_ROWS;
    rows.into_iter()
        .rev()
        .try_fold(0, |from, row| if near(from, row) { Ok(row) } else { Err(from) })
        .unwrap_or_else(|from| from)
}
