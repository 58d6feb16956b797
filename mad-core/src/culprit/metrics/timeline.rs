//! Rows of time, and where among them the incident begins.

use super::window::Series;

/// Normal time that ends at most this many rows before the incident runs into it.
pub(super) const CONTIGUOUS_ROWS: i64 = 3;

/// The incident's rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeline {
    /// Nanoseconds of row 0, the incident's first.
    pub start: i64,
    /// Nanoseconds of its last row.
    pub end: i64,
    /// Nanoseconds from row to row, above 0.
    pub step: i64,
    /// Rows of the incident: the most that a series has.
    pub rows: usize,
    /// Whether normal time runs into the incident, or is a part of it.
    pub contiguous: bool,
    /// Whether there is normal time: the incident's begin was told.
    pub told: bool,
}

impl Timeline {
    /// The incident as it was told; None without points.
    pub fn told(series: &[Series]) -> Option<Self> {
        let step = step(series);
        let start = series.iter().filter_map(|series| Some(series.incident().first()?.0)).min()?;
        let end = series.iter().filter_map(|series| Some(series.incident().last()?.0)).max()?;
        let normal_end = series.iter().filter_map(|series| Some(series.normal().last()?.0)).max();
        let gap = normal_end.map(|end| start.saturating_sub(end));
        let contiguous =
            gap.is_none_or(|gap| gap > 0 && gap <= step.saturating_mul(CONTIGUOUS_ROWS));
        Some(Self { start, end, step, rows: rows(series), contiguous, told: gap.is_some() })
    }

    /// The incident that begins at this row of the told one; its points are moved to it.
    pub fn begun_at(&self, row: i64, series: &mut [Series]) -> Self {
        let start = self.start.saturating_add(row.saturating_mul(self.step));
        for series in &mut *series {
            series.begin_at(start.saturating_sub(self.step / 2));
        }
        Self { start, rows: rows(series), ..*self }
    }

    /// Whether a moment lies within the incident's rows, of which each tells the time up to it.
    pub fn holds(&self, at: i64) -> bool {
        at > self.start.saturating_sub(self.step) && at <= self.end
    }

    /// The row of a moment.
    pub fn row(&self, at: i64) -> i64 {
        at.saturating_sub(self.start).saturating_add(self.step / 2).div_euclid(self.step)
    }
}

fn rows(series: &[Series]) -> usize {
    series.iter().map(|series| series.incident().len()).max().unwrap_or(0)
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
