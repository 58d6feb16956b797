//! Candidate rows for the onset of an incident.

use std::collections::{BTreeMap, BTreeSet};

use super::level::floor;
use super::ranking::MetricEvidence;
use super::series::Series;
use super::timeline::{CONTIGUOUS_ROWS, Timeline};
use crate::robust::{MAD_OF_SIGMA, median_mad};

/// Rows before the declared onset in which an earlier one is searched.
const MAX_LATE_ROWS: i64 = 120;
/// Points on either side of a level step whose medians are compared.
const SIDE: usize = 3;
/// Smallest level step, in scales.
const MIN_STEP: f64 = 3.5;
/// Largest contribution of one series, in scales, so that one series cannot decide the onset.
const MAX_STEP: f64 = 20.0;
/// Largest number of candidates without a target.
const MAX_CANDIDATES: usize = 12;
/// Effect from which the target counts as anomalous before the declared onset, in scales.
const ANOMALOUS: f64 = 1.5;

/// Candidate rows for the onset. Row 0 is the declared onset, or the first of all rows.
///
/// With a target there is one candidate: the first row from which on the target was anomalous until
/// the declared onset, or its largest level step if no onset was declared. Without a target the
/// candidates are the declared onset and the rows with the largest level steps of all series.
pub(super) fn candidates(
    series: &[Series],
    target: Option<&Series>,
    timeline: &Timeline,
) -> Vec<i64> {
    if !timeline.contiguous {
        return vec![0];
    }
    let from = if timeline.declared { unbroken_from(series, timeline) } else { i64::MIN };
    match target {
        Some(target) if timeline.declared => vec![anomalous_from(target, timeline, from)],
        Some(target) => {
            let all = steps(std::slice::from_ref(target), timeline, 0.0);
            // the first of equal steps
            let most = all.into_iter().rev().max_by_key(|(_, size)| *size);
            vec![most.map_or(0, |(row, _)| row)]
        }
        None => {
            let all = steps(series, timeline, MIN_STEP);
            let to = if timeline.declared { 0 } else { timeline.row(timeline.end) };
            let mut most: Vec<(i64, u64)> =
                all.range(from..to).map(|(row, size)| (*row, *size)).collect();
            most.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
            most.truncate(MAX_CANDIDATES);
            let declared = timeline.declared.then_some(0).into_iter();
            declared.chain(most.into_iter().map(|(row, _)| row)).collect()
        }
    }
}

/// The row from which on the target was anomalous until the declared onset.
fn anomalous_from(target: &Series, timeline: &Timeline, from: i64) -> i64 {
    let values: Vec<f64> = target.normal().iter().map(|point| point.1).collect();
    let (center, scale) = level(target, &values);
    let bad = |value: f64| target.kind.badness((value - center) / scale) >= ANOMALOUS;
    let newest = target.normal().iter().rev().map(|point| (timeline.row(point.0), point.1));
    newest
        .take_while(|(row, value)| *row >= from && bad(*value))
        .last()
        .map_or(0, |(row, _)| row.min(0))
}

/// The row from which on the series of this evidence showed half of its effect, if that is before the
/// incident.
pub(super) fn earlier(
    series: &[Series],
    evidence: &MetricEvidence,
    timeline: &Timeline,
) -> Option<i64> {
    let MetricEvidence { service, resource, metric, value, expected, .. } = evidence;
    let series = series.iter().find(|one| one.name() == (service, resource, metric))?;
    // rows backwards from the incident while half of the effect persists
    let half = 0.5 * series.kind.badness(value - expected);
    let newest = series.normal().iter().rev();
    let last = newest.take_while(|point| series.kind.badness(point.1 - expected) >= half).last()?;
    Some(timeline.row(last.0))
}

/// The sum of the level steps of all series at each row, in the bad direction, in millionths of a
/// scale.
fn steps(series: &[Series], timeline: &Timeline, least: f64) -> BTreeMap<i64, u64> {
    // integer sums do not depend on the order of the series
    let mut sums: BTreeMap<i64, u64> = BTreeMap::new();
    for series in series {
        let points = series.points();
        let values: Vec<f64> = points.iter().map(|point| point.1).collect();
        // scale of the whole series, because the onset is not known yet
        let (_, scale) = level(series, &values);
        // running medians of three points
        let middles: Vec<f64> = values.windows(SIDE).filter_map(middle).collect();
        let places = points.iter().enumerate().skip(SIDE);
        for (at, (time, value)) in places {
            // medians just before and from this row on
            let Some(before) = middles.get(at - SIDE) else { continue };
            let after = middles.get(at).or(middles.last()).unwrap_or(value);
            let size = |after: f64| series.kind.badness((after - before) / scale);
            // the row itself must show at least half of the step
            let size = size(*after).min(2.0 * size(*value));
            if size > least {
                let size = (size.min(MAX_STEP) - least) * 1e6;
                *sums.entry(timeline.row(*time)).or_default() += size as u64;
            }
        }
    }
    sums
}

/// Center and scale of all values of a series.
fn level(series: &Series, values: &[f64]) -> (f64, f64) {
    let (center, mad) = median_mad(values);
    (center, (mad / MAD_OF_SIGMA).max(floor(series.kind, center)).max(1e-12))
}

/// The median of three.
fn middle(of: &[f64]) -> Option<f64> {
    let [a, b, c] = *of else { return None };
    Some(a.min(b).max(a.max(b).min(c)))
}

/// The earliest row from which the rows up to the incident have no gap.
fn unbroken_from(series: &[Series], timeline: &Timeline) -> i64 {
    let newest = |series: &Series| {
        let rows = series.normal().iter().rev().map(|point| timeline.row(point.0));
        rows.take_while(|row| *row >= -MAX_LATE_ROWS).collect::<Vec<i64>>()
    };
    let rows: BTreeSet<i64> = series.iter().flat_map(newest).filter(|row| *row < 0).collect();
    // stop at the first gap of more than a few rows
    let near = |from: i64, row: i64| from.saturating_sub(row) <= CONTIGUOUS_ROWS;
    rows.into_iter()
        .rev()
        .try_fold(0, |from, row| if near(from, row) { Ok(row) } else { Err(from) })
        .unwrap_or_else(|from| from)
}
