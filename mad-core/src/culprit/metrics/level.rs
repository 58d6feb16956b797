//! The normal level of a series: its center, its trend and its scale.

use std::collections::BTreeMap;

use super::kind::MetricKind;
use super::series::{Point, Series};
use crate::robust::{
    MAD_OF_SIGMA, mad_sorted, median, median_sorted, quantile_sorted, select_median, sort_by_keys,
};

/// Smallest number of normal values for a level.
const MIN_NORMAL: usize = 4;
/// Most rows by which a cause moves before the target.
pub(super) const MAX_LEAD: usize = 30;
/// Normal values that are left without the rows of such a lead.
const MIN_BEFORE_LEAD: usize = 20;
/// Largest median of a series of counts whose scale has a floor.
const MAX_COUNT: f64 = 30.0;
/// Blocks of normal time whose medians show a trend.
const TREND_BLOCKS: usize = 8;
/// Share of the pairs of blocks that agree in the direction of a trend.
const TREND_AGREES: f64 = 0.9;
/// Smallest scale of a new resource that is compared with its siblings, as a share of their level: pods
/// of one service differ by about a tenth by their node, their caches and their age.
const SIBLINGS_DIFFER: f64 = 0.1;
/// Upper bound of a distance in scales.
pub(super) const MAX_Z: f64 = 1e9;

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

impl Level {
    /// The expected value that is closest to `value`, between the normal level and its trend.
    pub fn expected(&self, value: f64) -> f64 {
        let trend = self.trend.unwrap_or(self.center);
        value.clamp(self.center.min(trend), self.center.max(trend))
    }

    /// Distance of a value in scales.
    pub fn z(&self, value: f64) -> f64 {
        (value / self.scale - self.center / self.scale).clamp(-MAX_Z, MAX_Z)
    }
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
/// incident (`contiguous`), its last thirty rows are left out, or ten, if twenty others remain, because
/// a cause moves before its symptom.
pub(super) fn levels(
    series: &[Series],
    points: usize,
    floors: bool,
    contiguous: bool,
) -> Vec<Option<Level>> {
    let (mut sorted, mut keys) = (Vec::new(), Vec::new());
    let raw_level = |series: &Series| {
        let normal = series.normal();
        // without the rows of a lead, if enough others remain
        let leads = if contiguous { [MAX_LEAD, MAX_LEAD / 3, 0] } else { [0; 3] };
        let kept = leads.iter().map(|lead| normal.len().saturating_sub(*lead));
        let kept = kept.filter(|kept| *kept >= MIN_BEFORE_LEAD).min();
        let calm = kept.and_then(|kept| normal.get(..kept)).unwrap_or(normal);
        raw_level(calm, points, &mut sorted, &mut keys)
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
    let mut floored = |(series, level): (&Series, &Option<Level>)| {
        let Level { center, scale, .. } = (*level)?;
        let peer = peers.get(series.base().0).filter(|_| series.kind != MetricKind::Availability);
        let floor = floor(series.kind, center).max(0.1 * peer.copied().unwrap_or(0.0));
        let floor = floor.max(series.floor);
        let trend = contiguous
            .then(|| trend(series.normal(), series.incident(), points, &mut sorted))
            .flatten();
        let floored = scale.max(floor).clamp(1e-12, f64::MAX);
        Some(Level { center, trend, scale: floored, noise: scale })
    };
    let own: Vec<Option<Level>> = series.iter().zip(&raw).map(&mut floored).collect();
    let siblings = siblings(series, &own, points);
    let with_siblings = |(series, level): (&Series, Option<Level>)| {
        level.or_else(|| {
            let key = (&*series.service, &*series.metric);
            siblings.get(&key).copied().flatten().filter(|_| is_new(series))
        })
    };
    series.iter().zip(own).map(with_siblings).collect()
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
/// slopes between blocks (Theil-Sen); it counts if nearly all pairs of blocks agree in its direction. Of
/// more than `points` values some are used.
fn trend(
    normal: &[Point],
    incident: &[Point],
    points: usize,
    scratch: &mut Vec<f64>,
) -> Option<f64> {
    let middle = incident.get(incident.len() / 2)?.0 as f64;
    let every = every(normal, points);
    let rows = normal.len().div_ceil(every);
    let length = rows / TREND_BLOCKS;
    if length < 2 {
        return None;
    }
    // the newest block first; the oldest rows that fill no block are not used
    let mut blocks = [(0.0, 0.0); TREND_BLOCKS];
    for (at, block) in blocks.iter_mut().enumerate() {
        let from = rows - (at + 1) * length;
        let of_block = normal.iter().step_by(every).skip(from).take(length);
        scratch.clear();
        scratch.extend(of_block.map(|point| point.1 + 0.0));
        let time = normal.get((from + length / 2) * every)?.0;
        *block = (time as f64, select_median(scratch));
    }
    let pairs = blocks.iter().enumerate();
    let slopes = pairs.flat_map(|(at, later)| {
        let earlier = blocks.iter().skip(at + 1);
        earlier.map(move |earlier| (later.1 - earlier.1) / (later.0 - earlier.0))
    });
    scratch.clear();
    scratch.extend(slopes);
    let up = scratch.iter().filter(|slope| **slope > 0.0).count();
    let agreeing = up.max(scratch.len() - up) as f64 / scratch.len() as f64;
    if agreeing < TREND_AGREES {
        return None;
    }
    scratch.sort_unstable_by(f64::total_cmp);
    let slope = median_sorted(scratch);
    let arrived = blocks.map(|(at, value)| value + slope * (middle - at));
    Some(median(&arrived)).filter(|value| value.is_finite())
}

/// Whether a series is new in the incident, such as that of a new pod, and bad in one direction. A new
/// pod may take less of the load, so that metrics which are bad in both directions have no siblings.
fn is_new(series: &Series) -> bool {
    !series.resource.is_empty() && series.kind.is_one_sided() && series.normal().is_empty()
}

/// The level of the new series of a service and metric: that of the same metric of the other
/// resources, by service and metric.
///
/// What these have at present counts as well, where it is worse: a load that all share is no news. The
/// scale covers the distances between them. There is none without others. A new series has no level, so
/// that all new ones of a service have the same siblings.
fn siblings<'a>(
    series: &'a [Series],
    levels: &[Option<Level>],
    points: usize,
) -> BTreeMap<(&'a str, &'a str), Option<Level>> {
    let new = series.iter().filter(|one| is_new(one));
    let mut groups: BTreeMap<(&str, &str), Vec<(&Series, Level)>> =
        new.map(|one| ((&*one.service, &*one.metric), Vec::new())).collect();
    if groups.is_empty() {
        return BTreeMap::new();
    }
    for (one, level) in series.iter().zip(levels) {
        if let (Some(group), Some(level)) = (groups.get_mut(&(&*one.service, &*one.metric)), level)
        {
            group.push((one, *level));
        }
    }
    groups.into_iter().map(|(name, group)| (name, level_of_siblings(&group, points))).collect()
}

/// See [`siblings`].
fn level_of_siblings(siblings: &[(&Series, Level)], points: usize) -> Option<Level> {
    let kind = siblings.first()?.0.kind;
    let centers: Vec<f64> = siblings.iter().map(|(_, level)| level.center).collect();
    let scales: Vec<f64> = siblings.iter().map(|(_, level)| level.scale).collect();
    let moved = siblings.iter().filter(|(other, _)| !other.incident().is_empty());
    let moved: Vec<f64> = moved
        .map(|(other, level)| median(&values(sample(other.incident(), points))) - level.center)
        .collect();
    let center = median(&centers);
    let spread = centers.iter().map(|other| (other - center).abs()).fold(0.0, f64::max);
    // of few resources the distances are smaller than those of all that there could be
    let spread = spread * (1.0 + 2.0 / centers.len().max(1) as f64);
    let spread = match kind {
        MetricKind::Availability => spread,
        _ => spread.max(SIBLINGS_DIFFER * center.abs()),
    };
    let moved = if moved.is_empty() { 0.0 } else { median(&moved) };
    let worse = if kind.badness(moved) > 0.0 { moved } else { 0.0 };
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
fn raw_level(
    normal: &[Point],
    points: usize,
    sorted: &mut Vec<f64>,
    keys: &mut Vec<i64>,
) -> Option<Level> {
    if normal.len() < MIN_NORMAL {
        return None;
    }
    sorted.clear();
    sorted.extend(sample(normal, points).map(|(_, value)| value + 0.0));
    sort_by_keys(sorted, keys);
    let center = median_sorted(sorted);
    // MAD, and the width of the percentiles as a normal standard deviation
    let mad = mad_sorted(sorted, center);
    let (q, width) = if sorted.len() < 50 { (0.1, 2.563) } else { (0.05, 3.290) };
    let wide = quantile_sorted(sorted, 1.0 - q) / width - quantile_sorted(sorted, q) / width;
    let scale = (mad / MAD_OF_SIGMA).max(wide);
    Some(Level { center, trend: None, scale, noise: scale })
}

/// At most about `points` of all points, evenly spaced.
pub(super) fn sample(all: &[Point], points: usize) -> impl Iterator<Item = &Point> {
    all.iter().step_by(every(all, points))
}

/// The distance of the points of a sample.
fn every(all: &[Point], points: usize) -> usize {
    all.len().div_ceil(points.max(1)).max(1)
}

/// The values of points.
pub(super) fn values<'a>(points: impl Iterator<Item = &'a Point>) -> Vec<f64> {
    points.map(|point| point.1).collect()
}
