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
const MAX_LEAD: usize = 30;
/// Normal values that are left without the rows of such a lead.
const MIN_BEFORE_LEAD: usize = 20;
/// Distance from the normal level from which a series may have moved before the target, in scales.
const MIN_LEAD_EFFECT: f64 = 3.0;
/// Distance from the expected value that is a clear move, in scales without floors, and as a share of
/// the effect.
const CLEAR_MOVE: f64 = 4.0;
const CLEAR_SHARE: f64 = 0.1;
/// Largest median of a series of counts whose scale has a floor.
const MAX_COUNT: f64 = 30.0;
/// Blocks of normal time whose medians show a trend.
const TREND_BLOCKS: usize = 8;
/// Share of the pairs of blocks that agree in the direction of a trend.
const TREND_AGREES: f64 = 0.9;
/// Share of the incident's rows that are at least as bad as its lasting value. Less than half, because
/// a fault that comes and goes is there in half of the rows.
const LASTING_SHARE: f64 = 0.4;
/// Rows below which that share is the half: a single stray row must not be a lasting value.
const FEW_ROWS: usize = 6;
/// Upper bound of a distance in scales.
const MAX_Z: f64 = 1e9;

/// The normal level of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Level {
    pub center: f64,
    /// Where a lasting trend of normal time arrives in the incident.
    pub trend: Option<f64>,
    pub scale: f64,
    /// The scale without floors.
    pub noise: f64,
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
    /// Time of the first clear move, or of the first row that reaches half of the effect, ns.
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
/// incident (`contiguous`), its last thirty rows are left out, or ten, if twenty others remain, because a cause
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
        // without the rows of a lead, if enough others remain
        let leads = if contiguous { [MAX_LEAD, MAX_LEAD / 3, 0] } else { [0; 3] };
        let kept = leads.iter().map(|lead| normal.len().saturating_sub(*lead));
        let kept = kept.filter(|kept| *kept >= MIN_BEFORE_LEAD).min();
        let calm = kept.and_then(|kept| normal.get(..kept)).unwrap_or(normal);
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
        let Level { center, scale, .. } = (*level)?;
        let peer = peers.get(series.base().0).filter(|_| series.kind != MetricKind::Availability);
        let floor = floor(series.kind, center).max(0.1 * peer.copied().unwrap_or(0.0));
        let floor = floor.max(series.floor);
        let trend = if contiguous { trend(series.normal(), series.incident()) } else { None };
        let floored = scale.max(floor).clamp(1e-12, f64::MAX);
        Some(Level { center, trend, scale: floored, noise: scale })
    };
    let own: Vec<Option<Level>> = series.iter().zip(&raw).map(floored).collect();
    let with_siblings = |(index, level): (usize, &Option<Level>)| {
        level.or_else(|| level_of_siblings(index, series, &own))
    };
    own.iter().enumerate().map(with_siblings).collect()
}

/// The smallest scale of a series of counts: the standard deviation of a Poisson count of its median,
/// and of 1 at least. Errors that are counted one by one stay at 0 for long; one more is no news. 0 for
/// a series with other values, and for large counts.
pub(super) fn count_floor(series: &Series) -> f64 {
    let counts = matches!(series.kind, MetricKind::Errors | MetricKind::Traffic);
    if !counts || !series.points().iter().all(|point| point.1.fract() == 0.0) {
        return 0.0;
    }
    let level = median(&values(series.points().iter()));
    if level <= MAX_COUNT { level.max(1.0).sqrt() } else { 0.0 }
}

/// The value at which a lasting trend of normal time arrives in the middle of the incident.
///
/// Memory that warms up and disks that fill are not at their median. The trend is the median of the
/// slopes between blocks (Theil-Sen); it counts if nearly all pairs of blocks agree in its direction.
fn trend(normal: &[Point], incident: &[Point]) -> Option<f64> {
    let length = normal.len() / TREND_BLOCKS;
    if length < 2 {
        return None;
    }
    let blocks: Vec<(f64, f64)> = normal
        .rchunks(length)
        .take(TREND_BLOCKS)
        .filter_map(|block| {
            let middle = block.get(block.len() / 2)?.0;
            Some((middle as f64, median(&values(block.iter()))))
        })
        .collect();
    let pairs = blocks.iter().enumerate();
    let mut slopes: Vec<f64> = pairs
        .flat_map(|(at, later)| {
            let earlier = blocks.iter().skip(at + 1);
            earlier.map(move |earlier| (later.1 - earlier.1) / (later.0 - earlier.0))
        })
        .collect();
    slopes.sort_unstable_by(f64::total_cmp);
    let up = slopes.iter().filter(|slope| **slope > 0.0).count();
    let agreeing = up.max(slopes.len() - up) as f64 / slopes.len() as f64;
    if agreeing < TREND_AGREES {
        return None;
    }
    let middle = incident.get(incident.len() / 2)?.0 as f64;
    let slope = median_sorted(&slopes);
    let arrived: Vec<f64> =
        blocks.iter().map(|(at, value)| value + slope * (middle - at)).collect();
    Some(median(&arrived)).filter(|value| value.is_finite())
}

/// The level of a series that is new in the incident, such as that of a new pod: that of the same
/// metric of the other resources of its service.
///
/// What these have at present counts as well, where it is worse: a load that all share is no news. The
/// scale covers the distances between them. `None` without others, and for metrics that are bad in both
/// directions, because a new pod may take less of the load.
fn level_of_siblings(index: usize, series: &[Series], levels: &[Option<Level>]) -> Option<Level> {
    let one = series.get(index)?;
    if one.resource.is_empty() || !one.kind.is_one_sided() || !one.normal().is_empty() {
        return None;
    }
    let is_sibling = |other: &Series| {
        (&other.service, &other.metric) == (&one.service, &one.metric)
            && other.resource != one.resource
    };
    let siblings: Vec<(&Series, Level)> = series
        .iter()
        .zip(levels)
        .filter(|(other, _)| is_sibling(other))
        .filter_map(|(other, level)| Some((other, (*level)?)))
        .collect();
    let centers: Vec<f64> = siblings.iter().map(|(_, level)| level.center).collect();
    let scales: Vec<f64> = siblings.iter().map(|(_, level)| level.scale).collect();
    let moved = siblings.iter().filter(|(other, _)| !other.incident().is_empty());
    let moved: Vec<f64> = moved
        .map(|(other, level)| median(&values(other.incident().iter())) - level.center)
        .collect();
    let center = median(&centers);
    let spread = centers.iter().map(|other| (other - center).abs()).fold(0.0, f64::max);
    let moved = if moved.is_empty() { 0.0 } else { median(&moved) };
    let worse = if one.kind.badness(moved) > 0.0 { moved } else { 0.0 };
    let scale = median(&scales).max(spread);
    (scale > 0.0).then_some(Level { center: center + worse, trend: None, scale, noise: scale })
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
    let scale = (mad / MAD_OF_SIGMA).max(wide);
    Some(Level { center, trend: None, scale, noise: scale })
}

impl Level {
    /// The expected value that is closest to `value`, between the normal level and its trend.
    fn expected(&self, value: f64) -> f64 {
        let trend = self.trend.unwrap_or(self.center);
        value.clamp(self.center.min(trend), self.center.max(trend))
    }

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
    let (value, expected, moved_at) = if let Some(bad) = bad {
        aligned(series, level, timeline, bad)?
    } else {
        let value = lasting(series, level, points)?;
        (value, level.expected(value), None)
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
    // a ramp begins with its first clear move
    let clear = (CLEAR_MOVE * level.noise / level.scale).max(CLEAR_SHARE * size);
    let has_moved = |point: &&Point| kind.badness(level.z(point.1) - level.z(expected)) >= clear;
    let until = series.points().partition_point(|point| point.0 < onset);
    let ramp = series.points().get(..until).unwrap_or_default().iter().rev().take(MAX_LEAD);
    let onset = ramp.take_while(has_moved).last().map_or(onset, |point| point.0);
    Some(Effect { size, value, expected, scale: level.scale, onset })
}

/// The value in the target's anomalous rows, the level that it is compared with, and the time from
/// which on it was there, if that is before the target.
///
/// A cause moves before its symptom. Rows just before the target in which the series is already there,
/// at most thirty, therefore do not count as the level before.
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

/// The place of the lasting value among `rows` rows, the worst first; `None` without rows.
fn place(rows: usize) -> Option<usize> {
    let last = rows.checked_sub(1)?;
    Some(if rows < FEW_ROWS { rows / 2 } else { (last as f64 * LASTING_SHARE).round() as usize })
}

/// The value that a share of the rows are at least as far in the bad direction as.
fn lasting(series: &Series, level: &Level, points: usize) -> Option<f64> {
    if series.kind.is_one_sided() {
        let mut values = values(sample(series.incident(), points));
        let at = place(values.len())?;
        let (least, most) =
            (values.iter().copied().reduce(f64::min)?, values.iter().copied().reduce(f64::max)?);
        // at the bound all distances are equal, so the slower path below compares the values too
        if level.z(least).abs() < MAX_Z && level.z(most).abs() < MAX_Z {
            let worse =
                |a: &f64, b: &f64| series.kind.badness(*b).total_cmp(&series.kind.badness(*a));
            let (_, value, _) = values.select_nth_unstable_by(at, worse);
            return Some(*value);
        }
    }
    let badness = |point: &Point| (series.kind.badness(level.z(point.1)), point.1);
    let mut worst: Vec<(f64, f64)> = sample(series.incident(), points).map(badness).collect();
    let at = place(worst.len())?;
    let (_, (_, value), _) =
        worst.select_nth_unstable_by(at, |a, b| b.0.total_cmp(&a.0).then(a.1.total_cmp(&b.1)));
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
