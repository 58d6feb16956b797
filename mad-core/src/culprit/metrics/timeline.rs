//! The rows of an incident on a common time grid.

use super::series::Series;

/// Normal time that ends at most this many rows before the incident is contiguous with it.
pub(super) const CONTIGUOUS_ROWS: i64 = 3;

/// The time grid of an incident.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeline {
    /// Time of row 0, the first row of the incident, ns.
    pub start: i64,
    /// Time of the last row, ns.
    pub end: i64,
    /// Time from row to row, ns, above 0.
    pub step: i64,
    /// Rows of the incident: the largest number that a series has.
    pub rows: usize,
    /// Whether normal time runs into the incident, or is a part of it.
    pub contiguous: bool,
    /// Whether the caller declared the onset, by giving normal time.
    pub declared: bool,
    /// Whether this is a window of normal time, which spans and log lines are not divided by.
    pub quiet: bool,
}

impl Timeline {
    /// The incident as declared by the window; `None` without points.
    pub fn declared(series: &[Series]) -> Option<Self> {
        let step = step(series);
        let start = series.iter().filter_map(|series| Some(series.incident().first()?.0)).min()?;
        let end = series.iter().filter_map(|series| Some(series.incident().last()?.0)).max()?;
        let normal_end = series.iter().filter_map(|series| Some(series.normal().last()?.0)).max();
        // the onset is declared if there is normal time; contiguous if it ends just before the incident
        let gap = normal_end.map(|end| start.saturating_sub(end));
        let contiguous =
            gap.is_none_or(|gap| gap > 0 && gap <= step.saturating_mul(CONTIGUOUS_ROWS));
        Some(Self {
            start,
            end,
            step,
            rows: rows(series),
            contiguous,
            declared: gap.is_some(),
            quiet: false,
        })
    }

    /// The incident with its onset at another row; splits the points of all series there.
    pub fn with_onset(&self, row: i64, series: &mut [Series]) -> Self {
        let start = self.start.saturating_add(row.saturating_mul(self.step));
        for series in &mut *series {
            series.set_onset(start.saturating_sub(self.step / 2));
        }
        Self { start, rows: rows(series), ..*self }
    }

    /// Whether a moment lies within the incident. A row covers the step that ends at its time.
    pub fn holds(&self, at: i64) -> bool {
        at > self.start.saturating_sub(self.step) && at <= self.end
    }

    /// The row of a moment.
    pub fn row(&self, at: i64) -> i64 {
        at.saturating_sub(self.start).saturating_add(self.step / 2).div_euclid(self.step)
    }
}

/// The largest number of incident points of a series.
fn rows(series: &[Series]) -> usize {
    series.iter().map(|series| series.incident().len()).max().unwrap_or(0)
}

/// The median time between two points, first by series, then over all series; 1 without any.
fn step(series: &[Series]) -> i64 {
    let mut steps: Vec<i64> = Vec::new();
    for series in series {
        // steps between neighbouring points, on either side of the onset
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
