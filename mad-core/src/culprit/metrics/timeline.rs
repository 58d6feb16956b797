//! Rows of time, and where among them the incident begins.

use std::collections::BTreeMap;

use super::effect::floor;
use super::window::Series;
use crate::robust::{MAD_OF_SIGMA, median, median_mad};

/// Normal time that ends at most this many rows before the incident runs into it.
const CONTIGUOUS_ROWS: i64 = 3;
/// How far back of the told begin of an incident an earlier one is looked for, in rows.
const TOLD_LATE_ROWS: usize = 120;
/// Points on either side of a step whose medians are compared.
const SIDE: usize = 3;
/// A step of fewer scales than this is none.
const MIN_STEP: f64 = 3.5;
/// What one series may add to the search, in scales: one loud series is no incident.
const MOST_STEP: f64 = 50.0;

/// The incident's rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeline {
    /// Nanoseconds of row 0, the incident's first.
    pub start: i64,
    /// Nanoseconds of its last row.
    pub end: i64,
    /// Nanoseconds from row to row, above 0.
    pub step: i64,
    /// Rows of the incident.
    pub rows: usize,
    /// Whether normal time runs into the incident.
    pub contiguous: bool,
}

impl Timeline {
    /// Finds the rows. Where the incident's begin is unknown, or normal time runs into it and the
    /// fault is older than was told, moves the points of the fault to the incident. None without
    /// points.
    pub fn find(series: &mut [Series], target: Option<usize>) -> Option<Self> {
        let step = step(series);
        let start = series.iter().filter_map(|series| Some(series.incident().first()?.0)).min()?;
        let end = series.iter().filter_map(|series| Some(series.incident().last()?.0)).max()?;
        let normal_end = series.iter().filter_map(|series| Some(series.normal().last()?.0)).max();
        let gap = normal_end.map(|end| start.saturating_sub(end));
        let contiguous =
            gap.is_none_or(|gap| gap > 0 && gap <= step.saturating_mul(CONTIGUOUS_ROWS));
        let mut timeline = Self { start, end, step, rows: 0, contiguous };
        if contiguous {
            let told = normal_end.is_some();
            if let Some(row) = timeline.onset(series, target, told) {
                timeline.start = start.saturating_add(row.saturating_mul(step));
                let cut = timeline.start.saturating_sub(step / 2);
                for series in &mut *series {
                    series.begin_at(cut);
                }
            }
        }
        let rows = series.iter().flat_map(|series| series.incident());
        let mut rows: Vec<i64> = rows.map(|point| timeline.row(point.0)).collect();
        rows.sort_unstable();
        rows.dedup();
        timeline.rows = rows.len();
        Some(timeline)
    }

    /// Whether a moment lies within the incident's rows, of which each tells the time up to it.
    pub fn holds(&self, at: i64) -> bool {
        at > self.start.saturating_sub(self.step) && at <= self.end
    }

    /// The row of a moment.
    pub fn row(&self, at: i64) -> i64 {
        at.saturating_sub(self.start).saturating_add(self.step / 2).div_euclid(self.step)
    }

    /// The row at which the largest step in the bad direction begins: the target's own, or that of
    /// all series together. Of a told begin, only an earlier row from which on it lasts.
    fn onset(&self, series: &[Series], target: Option<usize>, told: bool) -> Option<i64> {
        let own = target.and_then(|index| series.get(index..=index));
        // that the target is bad somewhere was told
        let least = if own.is_some() && !told { 0.0 } else { MIN_STEP };
        // integers: the sum must not depend on the order of the series
        let mut steps: BTreeMap<i64, u64> = BTreeMap::new();
        for series in own.unwrap_or(series) {
            for (row, size) in self.steps(series, told) {
                if size > least {
                    let size = (size.min(MOST_STEP) - least) * 1e6;
                    *steps.entry(row).or_default() += size as u64;
                }
            }
        }
        // of equal ones the first
        let from = if told { self.unbroken_from(series) } else { i64::MIN };
        let (row, size) = steps.range(from..).rev().max_by_key(|(_, size)| **size)?;
        let told_size = steps.get(&0).copied().unwrap_or(0);
        (!told || (*row < 0 && *size > 2 * told_size)).then_some(*row)
    }

    /// The earliest row from which on no row is missing up to the incident.
    fn unbroken_from(&self, series: &[Series]) -> i64 {
        let rows = series.iter().flat_map(|series| {
            series.normal().iter().rev().take(TOLD_LATE_ROWS).map(|point| self.row(point.0))
        });
        let mut rows: Vec<i64> = rows.filter(|row| *row < 0).collect();
        rows.sort_unstable_by(|a, b| b.cmp(a));
        let near = |from: i64, row: i64| from.saturating_sub(row) <= CONTIGUOUS_ROWS;
        rows.into_iter()
            .try_fold(0, |from, row| if near(from, row) { Ok(row) } else { Err(from) })
            .unwrap_or_else(|from| from)
    }

    /// How far a series steps up, in the bad direction, at each of its rows: the median of the
    /// points from there on less that of the points before. Of a told begin only at the rows before
    /// it, and no more than lasts until then and beyond.
    fn steps(&self, series: &Series, told: bool) -> Vec<(i64, f64)> {
        let points = series.points();
        let values: Vec<f64> = points.iter().map(|point| point.1).collect();
        let (center, mad) = median_mad(&values);
        let scale = (mad / MAD_OF_SIGMA).max(floor(series.kind, center)).max(1e-12);
        let begin = series.normal().len();
        let middle = |from: usize, to: usize| Some(median(values.get(from..to)?) / scale);
        let end = |at: usize| values.len().min(at + SIDE);
        let step = |at: usize| {
            let before = middle(at.saturating_sub(SIDE), at)?;
            let mut after = vec![middle(at, end(at))?];
            if told {
                after.push(middle(begin, end(begin))?);
                after.extend((at < begin).then(|| middle(at, begin)).flatten());
            }
            let size = |after: f64| series.kind.badness(after - before);
            // the row itself has gone half of the way
            let own = 2.0 * size(values.get(at)? / scale);
            let size = after.into_iter().map(size).fold(own, f64::min);
            Some((self.row(points.get(at)?.0), size))
        };
        let rows = if told {
            begin.saturating_sub(TOLD_LATE_ROWS).max(SIDE)..begin + 1
        } else {
            SIDE..values.len()
        };
        rows.filter_map(step).collect()
    }
}

/// The usual time between two points of a series, over all series; 1 where there is none.
fn step(series: &[Series]) -> i64 {
    let mut steps: Vec<i64> = Vec::new();
    for series in series {
        let gaps = |points: &[(i64, f64)]| -> Vec<i64> {
            points
                .windows(2)
                .filter_map(|w| Some(w.last()?.0.saturating_sub(w.first()?.0)))
                .collect()
        };
        let mut own = gaps(series.normal());
        own.extend(gaps(series.incident()));
        own.sort_unstable();
        steps.extend(own.get(own.len() / 2));
    }
    steps.sort_unstable();
    steps.get(steps.len() / 2).copied().unwrap_or(1).max(1)
}
