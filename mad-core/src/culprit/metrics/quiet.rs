//! Windows of normal time, ranked as if they were the incident.

use super::series::Series;
use super::timeline::Timeline;

/// Most windows of normal time that the incident is compared with, and the least number that says
/// something.
const QUIET_WINDOWS: usize = 6;
const MIN_QUIET_WINDOWS: usize = 4;
/// Rows of normal time before the first of these windows.
const ROWS_BEFORE_QUIET: usize = 20;
/// By how much the incident has to stand out from the second of them if the first is an earlier
/// incident: the logarithm of a factor of the effect.
const EARLIER_INCIDENT: f64 = 1.0;

/// The weight from which a culprit stands out, from the first weights of the windows of normal time.
///
/// Fleets always have a series that drifts or strays. If the incident were one more such window, its
/// first weight would exceed those of `n` others with a chance of 1 in `n + 1`. One of them may hold an
/// earlier incident, which must not hide this one. 0 without windows.
pub(super) fn usual_weight(mut weights: Vec<f64>) -> f64 {
    weights.sort_unstable_by(|a, b| b.total_cmp(a));
    match *weights.as_slice() {
        [first, second, ..] => first.min(second + EARLIER_INCIDENT),
        _ => 0.0,
    }
}

/// Windows of normal time, each with the time before it as normal time.
pub(super) fn windows<'a>(
    series: &'a [Series],
    timeline: &'a Timeline,
) -> impl Iterator<Item = (Vec<Series>, Timeline)> + 'a {
    let rows = series.iter().map(|series| series.normal().len()).max().unwrap_or(0);
    // as long as the incident; of a long incident an eighth of normal time, but ten rows
    let length = timeline.rows.min((rows / 8).max(10)).max(1);
    let before = (3 * length).max(ROWS_BEFORE_QUIET);
    let windows = (rows.saturating_sub(before) / length).min(QUIET_WINDOWS);
    let windows = if windows < MIN_QUIET_WINDOWS { 0 } else { windows };
    let last = series.iter().filter_map(|series| Some(series.normal().last()?.0)).max();
    let last = last.unwrap_or_default();
    let span = timeline.step.saturating_mul(length as i64);
    (0..windows as i64).map(move |index| {
        let end = last.saturating_sub(span.saturating_mul(index));
        let from = end.saturating_sub(span);
        let cut: Vec<Series> = series.iter().map(|one| one.window(from, end)).collect();
        let start = from.saturating_add(timeline.step);
        let quiet =
            Timeline { start, end, rows: length, quiet: true, contiguous: true, ..*timeline };
        (cut, quiet)
    })
}
