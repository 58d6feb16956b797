//! The effect of an incident on one series: its distance from the normal level in scales.

use std::collections::BTreeSet;

use super::level::{Level, MAX_LEAD, MAX_Z, sample, values};
use super::series::{Point, Series};
use super::timeline::Timeline;
use crate::robust::{median, quantile_sorted};

/// Rows before the first anomalous row from which the level there is taken.
const ROWS_BEFORE: usize = 3;
/// Distance from the normal level from which a series may have moved before the target, in scales.
const MIN_LEAD_EFFECT: f64 = 3.0;
/// Distance from the expected value that is a clear move, in scales without floors, and as a share of
/// the effect.
const CLEAR_MOVE: f64 = 4.0;
const CLEAR_SHARE: f64 = 0.1;
/// Share of the incident's rows that are at least as bad as its lasting value. Less than half, because
/// a fault that comes and goes is there in half of the rows.
const LASTING_SHARE: f64 = 0.4;
/// Rows below which that share is the half: a single stray row must not be a lasting value.
const FEW_ROWS: usize = 6;

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
