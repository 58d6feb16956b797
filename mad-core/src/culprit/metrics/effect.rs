//! The effect of an incident on one series: its distance from the normal level in scales.

use std::collections::{BTreeMap, BTreeSet};

use super::kind::MetricKind;
use super::series::{Point, Series};
use super::timeline::Timeline;
use crate::robust::{MAD_OF_SIGMA, mad_sorted, median, median_sorted, quantile_sorted};

/// Smallest number of normal values for a level.
const MIN_NORMAL: usize = 4;
/// Rows before the first anomalous row from which the level there is taken.
const ROWS_BEFORE: usize = 3;
/// Most rows by which a cause moves before the target.
const MAX_LEAD: usize = 10;
/// Normal values that are left without the rows of such a lead.
const MIN_BEFORE_LEAD: usize = 20;
/// Distance from the normal level from which a series may have moved before the target, in scales.
const MIN_LEAD_EFFECT: f64 = 3.0;
/// Upper bound of a distance in scales.
const MAX_Z: f64 = 1e9;

/// The normal level of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Level {
    pub center: f64,
    pub scale: f64,
}

/// The distance of a series from its level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Effect {
    /// Distance in scales in the bad direction, above 0.
    pub size: f64,
    /// The value in the anomalous rows.
    pub value: f64,
    /// The expected value there.
    pub expected: f64,
    /// Scale of `size`.
    pub scale: f64,
    /// Time of the first row that reaches half of the effect, ns.
    pub onset: i64,
}

/// The normal level of every series; `None` for fewer than four normal values.
///
/// The scale is the largest of:
///
/// - 1.4826 MAD;
/// - the width between the 5th and 95th percentile over 3.29, which is the standard deviation of a
///   normal distribution (for fewer than 50 values the 10th and 90th over 2.56, because one extreme
///   row must not hide the next);
/// - 5 % of the level;
/// - a tenth of the median scale of all series of that metric.
///
/// An availability has an absolute floor of a tenth of a percentage point instead of the last two.
/// Of more than `points` values every second, third and so on is used. Where normal time runs into the
/// incident (`contiguous`), its last ten rows are left out if enough others remain, because a cause
/// moves before its symptom.
pub(super) fn levels(
    series: &[Series],
    points: usize,
    floors: bool,
    contiguous: bool,
) -> Vec<Option<Level>> {
    let mut sorted = Vec::new();
    let raw_level = |series: &Series| {
        let normal = series.normal();
        let kept = normal.len().saturating_sub(if contiguous { MAX_LEAD } else { 0 });
        let calm = normal.get(..kept).filter(|_| kept >= MIN_BEFORE_LEAD).unwrap_or(normal);
        raw_level(calm, points, &mut sorted)
    };
    let raw: Vec<Option<Level>> = series.iter().map(raw_level).collect();
    if !floors {
        let least = |level: Level| Level { scale: level.scale.clamp(1e-12, f64::MAX), ..level };
        return raw.into_iter().map(|level| level.map(least)).collect();
    }
    // median scale of the same metric elsewhere, as a floor
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

/// Median and scale without floors.
fn raw_level(normal: &[Point], points: usize, sorted: &mut Vec<f64>) -> Option<Level> {
    if normal.len() < MIN_NORMAL {
        return None;
    }
    sorted.clear();
    sorted.extend(sample(normal, points).map(|(_, value)| value + 0.0));
    sorted.sort_unstable_by(f64::total_cmp);
    let center = median_sorted(sorted);
    // MAD, and the width of the percentiles as a normal standard deviation
    let mad = mad_sorted(sorted, center);
    let (q, width) = if sorted.len() < 50 { (0.1, 2.563) } else { (0.05, 3.290) };
    let wide = quantile_sorted(sorted, 1.0 - q) / width - quantile_sorted(sorted, q) / width;
    Some(Level { center, scale: (mad / MAD_OF_SIGMA).max(wide) })
}

impl Level {
    /// Distance of a value in scales.
    fn z(&self, value: f64) -> f64 {
        (value / self.scale - self.center / self.scale).clamp(-MAX_Z, MAX_Z)
    }
}

/// The anomalous rows of the target: those beyond the middle between its calm level and its peak.
/// `None` if there are none.
///
/// The calm level is the median of the better half of the incident and as many rows before it. The
/// peak is the 90th percentile of the incident.
pub(super) fn anomalous_rows(
    target: &Series,
    level: &Level,
    timeline: &Timeline,
) -> Option<BTreeSet<i64>> {
    let badness = |value: f64| target.kind.badness(level.z(value));
    let rows: Vec<(i64, f64)> =
        target.incident().iter().map(|point| (timeline.row(point.0), badness(point.1))).collect();
    // calm level: median of the better half of incident and time before it
    let mut peaks: Vec<f64> = rows.iter().map(|(_, bad)| *bad).collect();
    peaks.sort_unstable_by(f64::total_cmp);
    let before = target.normal().iter().rev().take(timeline.rows).map(|point| badness(point.1));
    let mut pool: Vec<f64> = peaks.iter().copied().chain(before).collect();
    pool.sort_unstable_by(f64::total_cmp);
    let calm = median(pool.get(..(pool.len() / 2).max(1))?);
    // anomalous beyond the middle between calm level and peak
    let limit = f64::midpoint(calm, quantile_sorted(&peaks, 0.9));
    let bad: BTreeSet<i64> =
        rows.into_iter().filter(|(_, bad)| *bad >= limit).map(|(row, _)| row).collect();
    (!bad.is_empty()).then_some(bad)
}

/// The effect of a series; `None` if it did not move in the bad direction.
///
/// With anomalous rows of a target, the effect is the median in these rows, relative to the normal
/// level or to the rows just before, whichever is closer. Normal time can be long ago, and the level
/// may have changed since. Without a target it is the value that half of the incident's rows reach.
/// Of more than `points` rows some are used.
pub(super) fn effect(
    series: &Series,
    level: &Level,
    timeline: &Timeline,
    bad: Option<&BTreeSet<i64>>,
    points: usize,
) -> Option<Effect> {
    let kind = series.kind;
    let (value, expected, moved_at) = match bad {
        Some(bad) => aligned(series, level, timeline, bad)?,
        None => (lasting(series, level, points)?, level.center, None),
    };
    let moved = level.z(value) - level.z(expected);
    // a single point of a longer incident is weak evidence that the effect lasts
    let alone =
        if bad.is_none() && series.incident().len() == 1 && timeline.rows > 1 { 0.5 } else { 1.0 };
    let size = alone * kind.badness(moved);
    let moved_there = size > 0.0; // false for NaN too
    if !moved_there {
        return None;
    }
    // the onset is the first row that reaches half of the effect
    let half = |value: f64| kind.badness(level.z(value) - level.z(expected)) >= 0.5 * size;
    let first = series
        .incident()
        .iter()
        .find(|point| half(point.1) && bad.is_none_or(|bad| bad.contains(&timeline.row(point.0))));
    let onset = moved_at.or_else(|| Some(first.or(series.incident().first())?.0))?;
    Some(Effect { size, value, expected, scale: level.scale, onset })
}

/// The value in the target's anomalous rows, the level that it is compared with, and the time from
/// which on it was there, if that is before the target.
///
/// A cause moves before its symptom. Rows just before the target in which the series is already there,
/// at most ten, therefore do not count as the level before.
fn aligned(
    series: &Series,
    level: &Level,
    timeline: &Timeline,
    bad: &BTreeSet<i64>,
) -> Option<(f64, f64, Option<i64>)> {
    let first = *bad.first()?;
    let in_bad = series.incident().iter().filter(|point| bad.contains(&timeline.row(point.0)));
    // the value is the median in the anomalous rows
    let value = median(&values(in_bad));
    let within: Vec<&Point> =
        series.incident().iter().filter(|point| timeline.row(point.0) < first).collect();
    let normal = if timeline.contiguous { series.normal() } else { &[] };
    let newest = || within.iter().rev().copied().chain(normal.iter().rev());
    // rows in which the series had moved already: at least half as far to the same side
    let reached = level.z(value);
    let has_moved = |point: &&Point| 2.0 * level.z(point.1) * reached.signum() >= reached.abs();
    let lead: Vec<&Point> = newest().take(MAX_LEAD + 1).take_while(has_moved).collect();
    let is_lead = reached.abs() >= MIN_LEAD_EFFECT
        && lead.len() <= MAX_LEAD
        && newest().nth(lead.len()).is_some();
    let lead = if is_lead { lead } else { Vec::new() };
    let moved_at = lead.last().map(|point| point.0);
    // the level just before: earlier rows of the incident, filled up with normal time
    let rows = within.len().saturating_sub(lead.len()).max(ROWS_BEFORE);
    let level_before = median(&values(newest().skip(lead.len()).take(rows)));
    if !level_before.is_finite() {
        return Some((value, level.center, moved_at));
    }
    let from_normal = level.z(value);
    let from_before = from_normal - level.z(level_before);
    // if the direction depends on the level chosen, there is no effect
    if from_normal.signum() != from_before.signum() {
        return None;
    }
    // the closer of both levels gives the smaller effect
    let closer = from_before.abs() < from_normal.abs();
    Some((value, if closer { level_before } else { level.center }, moved_at))
}

/// The value that half of the rows are at least as far in the bad direction as.
fn lasting(series: &Series, level: &Level, points: usize) -> Option<f64> {
    if series.kind.is_one_sided() {
        let mut values = values(sample(series.incident(), points));
        let half = values.len().checked_sub(1)? / 2;
        let (least, most) =
            (values.iter().copied().reduce(f64::min)?, values.iter().copied().reduce(f64::max)?);
        // at the bound all distances are equal, so the slower path below compares the values too
        if level.z(least).abs() < MAX_Z && level.z(most).abs() < MAX_Z {
            let worse =
                |a: &f64, b: &f64| series.kind.badness(*b).total_cmp(&series.kind.badness(*a));
            let (_, value, _) = values.select_nth_unstable_by(half, worse);
            return Some(*value);
        }
    }
    let badness = |point: &Point| (series.kind.badness(level.z(point.1)), point.1);
    let mut worst: Vec<(f64, f64)> = sample(series.incident(), points).map(badness).collect();
    let half = worst.len().checked_sub(1)? / 2;
    let (_, (_, value), _) =
        worst.select_nth_unstable_by(half, |a, b| b.0.total_cmp(&a.0).then(a.1.total_cmp(&b.1)));
    Some(*value)
}

/// At most about `points` of all points, evenly spaced.
fn sample(all: &[Point], points: usize) -> impl Iterator<Item = &Point> {
    all.iter().step_by(all.len().div_ceil(points.max(1)).max(1))
}

/// The values of points.
fn values<'a>(points: impl Iterator<Item = &'a Point>) -> Vec<f64> {
    points.map(|point| point.1).collect()
}
