//! How far a series left its normal level, in scales.

use std::collections::{BTreeMap, BTreeSet};

use super::MetricKind;
use super::timeline::Timeline;
use super::window::{Point, Series};
use crate::robust::{MAD_OF_SIGMA, mad_sorted, median, median_sorted, quantile_sorted};

/// Fewest normal values that a scale is made of.
const MIN_NORMAL: usize = 4;
/// Rows before the first bad one that tell the level there.
const BEFORE: usize = 3;
/// An effect is not told beyond this.
const MOST: f64 = 1e9;

/// The normal level of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Level {
    pub center: f64,
    pub scale: f64,
}

/// How far a series left its level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Effect {
    /// In scales, in the bad direction, above 0.
    pub size: f64,
    /// The value in the bad rows.
    pub value: f64,
    /// What was expected there.
    pub expected: f64,
    /// Scale of `size`.
    pub scale: f64,
    /// Nanoseconds of the first row at half of the effect.
    pub onset: i64,
}

/// The level of every series; None where too little is known.
///
/// The scale is the largest of: 1.4826 MAD; the width between the 5th and 95th percentile over 3.29
/// (of fewer than 50 values the 10th and 90th, over 2.56, since one strange row must not hide the
/// next); 5 % of the level; a tenth of the median scale of all series of that metric. An
/// availability has an absolute floor of a tenth of a percent point instead of the last two. Of more
/// than `points` values every second, third, ... is taken.
pub(super) fn levels(series: &[Series], points: usize, floors: bool) -> Vec<Option<Level>> {
    let mut sorted = Vec::new();
    let raw_level = |series: &Series| raw_level(series.normal(), points, &mut sorted);
    let raw: Vec<Option<Level>> = series.iter().map(raw_level).collect();
    if !floors {
        let least = |level: Level| Level { scale: level.scale.clamp(1e-12, f64::MAX), ..level };
        return raw.into_iter().map(|level| level.map(least)).collect();
    }
    let mut peers: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (series, level) in series.iter().zip(&raw) {
        if let Some(level) = level {
            peers.entry(series.base().0).or_default().push(level.scale);
        }
    }
    let peers: BTreeMap<&str, f64> =
        peers.into_iter().map(|(metric, scales)| (metric, median(&scales))).collect();
    let floored = |(series, level): (&Series, &Option<Level>)| {
        let Level { center, scale } = (*level)?;
        let peer = peers.get(series.base().0).filter(|_| series.kind != MetricKind::Availability);
        let floor = floor(series.kind, center).max(0.1 * peer.copied().unwrap_or(0.0));
        Some(Level { center, scale: scale.max(floor).clamp(1e-12, f64::MAX) })
    };
    series.iter().zip(&raw).map(floored).collect()
}

/// The smallest scale of a series at this level: 5 % of it; of an availability, a tenth of a
/// percent point.
pub(super) fn floor(kind: MetricKind, center: f64) -> f64 {
    match kind {
        MetricKind::Availability if center.abs() <= 1.5 => 0.001,
        MetricKind::Availability => 0.1,
        _ => 0.05 * center.abs(),
    }
}

fn raw_level(normal: &[Point], points: usize, sorted: &mut Vec<f64>) -> Option<Level> {
    if normal.len() < MIN_NORMAL {
        return None;
    }
    sorted.clear();
    sorted.extend(some(normal, points).map(|(_, value)| value + 0.0));
    sorted.sort_unstable_by(f64::total_cmp);
    let center = median_sorted(sorted);
    let mad = mad_sorted(sorted, center);
    let (q, width) = if sorted.len() < 50 { (0.1, 2.563) } else { (0.05, 3.290) };
    let wide = quantile_sorted(sorted, 1.0 - q) / width - quantile_sorted(sorted, q) / width;
    Some(Level { center, scale: (mad / MAD_OF_SIGMA).max(wide) })
}

impl Level {
    fn z(&self, value: f64) -> f64 {
        (value / self.scale - self.center / self.scale).clamp(-MOST, MOST)
    }
}

/// The rows of the incident in which the target is bad: those beyond the middle between its calm
/// level and its peak. None where that says nothing.
pub(super) fn bad_rows(
    target: &Series,
    level: &Level,
    timeline: &Timeline,
) -> Option<BTreeSet<i64>> {
    let badness = |value: f64| target.kind.badness(level.z(value));
    let rows: Vec<(i64, f64)> =
        target.incident().iter().map(|point| (timeline.row(point.0), badness(point.1))).collect();
    let mut peaks: Vec<f64> = rows.iter().map(|(_, bad)| *bad).collect();
    peaks.sort_unstable_by(f64::total_cmp);
    let before = target.normal().iter().rev().take(timeline.rows).map(|point| badness(point.1));
    let mut pool: Vec<f64> = peaks.iter().copied().chain(before).collect();
    pool.sort_unstable_by(f64::total_cmp);
    let calm = median(pool.get(..(pool.len() / 2).max(1))?);
    let limit = f64::midpoint(calm, quantile_sorted(&peaks, 0.9));
    let bad: BTreeSet<i64> =
        rows.into_iter().filter(|(_, bad)| *bad >= limit).map(|(row, _)| row).collect();
    (!bad.is_empty()).then_some(bad)
}

/// The effect of a series; None where it did not move in the bad direction.
///
/// With bad rows: the median of these against the normal level and against the rows just before
/// the first of them, whichever is closer, since normal time can be long ago and the level another
/// since. Without: what half of the incident's rows reach, of
/// more than `points` some.
pub(super) fn effect(
    series: &Series,
    level: &Level,
    timeline: &Timeline,
    bad: Option<&BTreeSet<i64>>,
    points: usize,
) -> Option<Effect> {
    let kind = series.kind;
    let (value, expected) = match bad {
        Some(bad) => aligned(series, level, timeline, bad)?,
        None => (lasting(series, level, points)?, level.center),
    };
    let moved = level.z(value) - level.z(expected);
    let alone =
        if bad.is_none() && series.incident().len() == 1 && timeline.rows > 1 { 0.5 } else { 1.0 };
    let size = alone * kind.badness(moved);
    let moved_there = size > 0.0; // false for NaN too
    if !moved_there {
        return None;
    }
    let half = |value: f64| kind.badness(level.z(value) - level.z(expected)) >= 0.5 * size;
    let first = series
        .incident()
        .iter()
        .find(|point| half(point.1) && bad.is_none_or(|bad| bad.contains(&timeline.row(point.0))));
    let onset = first.or(series.incident().first())?.0;
    Some(Effect { size, value, expected, scale: level.scale, onset })
}

/// The value in the bad rows, and what it is held against.
fn aligned(
    series: &Series,
    level: &Level,
    timeline: &Timeline,
    bad: &BTreeSet<i64>,
) -> Option<(f64, f64)> {
    let first = *bad.first()?;
    let in_bad = series.incident().iter().filter(|point| bad.contains(&timeline.row(point.0)));
    let value = median(&values(in_bad));
    let within = series.incident().iter().filter(|point| timeline.row(point.0) < first);
    let mut before = values(within);
    if timeline.contiguous {
        let missing = BEFORE.saturating_sub(before.len());
        before.extend(series.normal().iter().rev().take(missing).map(|point| point.1));
    }
    let level_before = median(&before);
    if !level_before.is_finite() {
        return Some((value, level.center));
    }
    let from_normal = level.z(value);
    let from_before = from_normal - level.z(level_before);
    // a move that depends on what it is held against is none
    if from_normal.signum() != from_before.signum() {
        return None;
    }
    let closer = from_before.abs() < from_normal.abs();
    Some((value, if closer { level_before } else { level.center }))
}

/// The value that half of the rows are at least as bad as.
fn lasting(series: &Series, level: &Level, points: usize) -> Option<f64> {
    if series.kind.is_one_sided() {
        let mut values = values(some(series.incident(), points));
        let half = values.len().checked_sub(1)? / 2;
        let (least, most) =
            (values.iter().copied().reduce(f64::min)?, values.iter().copied().reduce(f64::max)?);
        // beyond that distances are equal, and the value decides
        if level.z(least).abs() < MOST && level.z(most).abs() < MOST {
            let worse =
                |a: &f64, b: &f64| series.kind.badness(*b).total_cmp(&series.kind.badness(*a));
            let (_, value, _) = values.select_nth_unstable_by(half, worse);
            return Some(*value);
        }
    }
    let badness = |point: &Point| (series.kind.badness(level.z(point.1)), point.1);
    let mut worst: Vec<(f64, f64)> = some(series.incident(), points).map(badness).collect();
    let half = worst.len().checked_sub(1)? / 2;
    let (_, (_, value), _) =
        worst.select_nth_unstable_by(half, |a, b| b.0.total_cmp(&a.0).then(a.1.total_cmp(&b.1)));
    Some(*value)
}

/// Every second, third, ... of more than so many points.
fn some(all: &[Point], points: usize) -> impl Iterator<Item = &Point> {
    all.iter().step_by(all.len().div_ceil(points.max(1)).max(1))
}

fn values<'a>(points: impl Iterator<Item = &'a Point>) -> Vec<f64> {
    points.map(|point| point.1).collect()
}
