//! The likelihood of gauges: four views of a value, calibrated by the series' own past.
//!
//! The file is longer than others because the scorer and the view that it takes of a
//! value share all of their state.

use serde::{Deserialize, Serialize};

use super::ablation::GaugePart;
use super::band::{band, outside_if};
use super::block_cusum::{BlockCusum, DriftAlarm, SLACK};
use super::calibration::{Calibration, DECADES};
use super::from_memory::is_usable;
use super::long_memory::{Baseline, LEAST, LongMemory, SIGMA_OF_RANGE, scale_of};
use super::phase_component::Phase;
use super::range_seen::RangeSeen;
use super::season::Season;
use super::shift::median_with;
use super::{Learn, MadConfig, MadScorer, ScaleSource, Score, Scorer};
use crate::error::Result;
use crate::robust::RollingMad;
use crate::series::Sample;
use crate::time::Timestamp;

/// Values that are judged by [`MadScorer`] alone, before the long views know enough.
const MAD_ONLY: u32 = 20;
/// Values until which the `-log10 p` of [`MadScorer`] is an upper bound.
const IMMATURE: u32 = 120;
/// Deviations that say where the series is just now: two hours in steps of five minutes.
const PRESENT_VALUES: usize = 25;
/// Deviations before the current one that with it make a lasting level: one hour in steps of five
/// minutes.
const LASTING_VALUES: usize = 11;
/// Values of a block of the CUSUM: five hours in steps of five minutes, one hour of minutes.
const BLOCK_VALUES: usize = 60;
/// Smallest scale of a view, as a share of the level: smaller differences are rounding.
const RELATIVE_FLOOR: f64 = 1e-3;
/// Smallest scale of a view in the gauge's unit, for levels near 0.
const ABSOLUTE_FLOOR: f64 = 1e-9;
/// Decades from which rows belong to one episode of the alarm view.
const ALARM_EPISODE: f64 = 4.0;
/// Share of a row's `-log10 p` that is left one row later.
const DECAY: f64 = 0.9;
/// Largest decayed `-log10 p`, as a share of the threshold, so that decay alone never flags a row.
const DECAY_LIMIT: f64 = 0.975;

/// Share of the long memory from which on a value is usual.
const USUAL_SHARE: f64 = 0.2;
/// Distance within which values count as the same level, as a share of the value; at most a scale
/// of the long memory.
const USUAL_REACH: f64 = 0.05;
/// How far the window of a series that follows a trend lies from the middle of the long memory, in
/// scales of that: 1.35 for a straight line. A step lies much further out.
const TREND: std::ops::RangeInclusive<f64> = 1.0..=2.5;
/// Scales of the window that one of the long memory has at least.
const TREND_SCALES: f64 = 4.0;
/// Share of the squared deviations that the season leaves unexplained, from which on it says too
/// little of when a usual value is unusual.
const SEASON_KNOWN: f64 = 0.3;

/// Judges a gauge against four views of its past, calibrated by how far it deviated so far.
///
/// # Method
///
/// `z = |value - center| / scale` is the distance from each of
///
/// 1. the last `window` values (median and scale, as [`MadScorer`] has them),
/// 2. a long memory: thousands of values, thinned to 81,
/// 3. the season: the long memory after the level of the hour of the day and week was taken off,
/// 4. the present: the same, with the median of the last 25 deviations as the center.
///
/// The *deviation* is the mean of `ln(1 + z)` over the views that know enough. A value that is far
/// out in one view only therefore counts a quarter. `Calibration` turns the deviation into
/// `-log10 p` by how often this series deviated so far, so that noisy series do not flood. The
/// expected band ends where the deviation reaches the threshold.
///
/// A row inherits 90 % of the `-log10 p` of the row before it, up to 97.5 % of the threshold,
/// because anomalous rows come in runs. Decay alone never flags a row.
///
/// A value that the series had for a fifth of its long memory (within 5 %) is usual: it is never
/// flagged, unless the season explains most of the series and says otherwise.
///
/// # Alarms
///
/// A value that only jumps is no alarm. [`alarm`](Self::alarm) judges a lasting level: the value
/// and the median of the last twelve deviations, against the long memory and the season.
///
/// A series that follows a trend is judged by its window instead, so that the trend itself is no alarm
/// and a fall within it is.
///
/// # Small samples
///
/// The first 20 values are judged by [`MadScorer`], whose tail probability knows how few values it
/// has. Until the 120th value its `-log10 p` is an upper bound. A view of fewer than ten values is
/// left out.
///
/// # Learning
///
/// A median of hundreds of values is not moved by an anomaly. A level that stays becomes the new
/// one as it fills half of a view: the present first, then the window, at last the long memory.
/// [`Learn::Clipped`] clips a value to the band for the window, the long memory and the present;
/// the alarm view and the season learn it as it is.
///
/// # Limits
///
/// NaN and infinite values score [`Score::unknown`] and teach nothing. A constant series has the
/// floors as its scale.
///
/// # Examples
///
/// ```
/// use mad_core::score::{GaugeScorer, MadConfig, Scorer};
/// use mad_core::{Sample, Timestamp};
///
/// let mut scorer = GaugeScorer::new(MadConfig::default(), 4.0)?;
/// for minute in 0..200 {
///     let at = Timestamp::from_seconds(60 * minute);
///     scorer.observe(at, Sample { value: 50.0 + (minute * 37 % 11) as f64, n: 1 }, 4.0);
/// }
/// let at = Timestamp::from_seconds(60 * 200);
/// assert!(scorer.score(at, Sample { value: 900.0, n: 1 }).neg_log10_p >= 4.0);
/// assert!(scorer.score(at, Sample { value: 54.0, n: 1 }).neg_log10_p < 4.0);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GaugeScorer {
    recent: MadScorer,
    /// Center and scale of `recent`, computed once a value.
    recent_now: Option<(Baseline, ScaleSource)>,
    long: LongMemory,
    season: Season,
    /// Deviations from the long-term center and the season.
    seasonal: LongMemory,
    /// The last of these deviations: where the series is just now.
    present: RollingMad,
    /// Deviations from the present.
    jumps: LongMemory,
    /// The last deviations, not clipped, for the alarm view.
    last: RollingMad,
    /// Medians of the last twelve deviations.
    levels: LongMemory,
    row_calibration: Calibration,
    alarm_calibration: Calibration,
    cusum: BlockCusum,
    /// `-log10 p` from which on a value is anomalous.
    threshold: f64,
    /// Decayed `-log10 p` of earlier rows.
    decayed: f64,
    learnt: u32,
    range: RangeSeen,
}

/// A value as the views see it: computed once for score, alarm and learning.
#[derive(Debug, Clone, Copy)]
pub(super) struct GaugeView {
    /// Center and scale of each view that knows enough, in the gauge's unit.
    parts: [Option<Baseline>; 4],
    /// Level of the season at the time, 0 without a long memory.
    season: f64,
    /// Difference of the zone of the season from UTC, nanoseconds.
    utc_offset: i64,
    /// Whether that level takes the place of the level of the hour.
    replaces_hours: bool,
    /// Median of the last twelve deviations from the long-term center and the season.
    lasting: f64,
    floor: f64,
    /// The level of the phase that was taken off the value.
    shift: f64,
    /// What the scale of the last `window` values rests on.
    source: ScaleSource,
    /// Mean of `ln(1 + z)` over the views.
    deviation: f64,
    /// The same for a lasting level.
    lasting_deviation: f64,
}

fn blocks() -> BlockCusum {
    BlockCusum::new(BLOCK_VALUES)
}

impl GaugeScorer {
    /// A scorer that has learnt nothing. The expected band ends at `neg_log10_p`.
    ///
    /// # Errors
    ///
    /// A config field outside its range.
    pub fn new(config: MadConfig, neg_log10_p: f64) -> Result<Self> {
        Ok(Self {
            recent: MadScorer::new(config)?,
            recent_now: None,
            long: LongMemory::default(),
            season: Season::default(),
            seasonal: LongMemory::default(),
            present: RollingMad::new(PRESENT_VALUES)?,
            jumps: LongMemory::default(),
            last: RollingMad::new(LASTING_VALUES)?,
            levels: LongMemory::default(),
            row_calibration: Calibration::new(DECADES, true),
            alarm_calibration: Calibration::new(ALARM_EPISODE, false),
            cusum: blocks(),
            threshold: neg_log10_p,
            decayed: 0.0,
            learnt: 0,
            range: RangeSeen::default(),
        })
    }

    /// Applies another config and threshold. The window and the learnt values stay.
    pub(super) fn reconfigure(&mut self, config: MadConfig, neg_log10_p: f64) {
        self.recent.reconfigure(config);
        self.threshold = neg_log10_p;
    }

    /// Takes the series as a share or a percentage, so that nothing above 1 or 100 is expected.
    pub(super) fn set_share(&mut self) {
        self.range.set_share();
    }

    /// The center of the long memory and the level of a local hour, once there is a long memory.
    pub(super) fn hours(&self, local: Timestamp) -> Option<(f64, f64)> {
        Some((self.long.baseline()?.center, self.season.at(local)))
    }

    /// The level of the hour at a time; 0 if the level of a phase takes its place.
    fn hour_level(&self, at: Timestamp, utc_offset: i64, is_replaced: bool) -> f64 {
        if is_replaced { 0.0 } else { self.season.at(at.plus(utc_offset)) }
    }

    /// The number of values remembered in the window.
    pub fn points(&self) -> usize {
        self.recent.points()
    }

    /// How much a value is worth an alarm: how far a level, of the value and of the last twelve
    /// values, lies from the long memory and the season.
    ///
    /// Expected is the center of the long memory and the season, with a band of three scales; z is
    /// the distance from it. [`Score::unknown`] before 20 values, and for a value that is not finite.
    pub fn alarm(&self, at: Timestamp, sample: Sample) -> Score {
        let view = self.view_of(at, sample, Phase::default());
        view.map_or_else(Score::unknown, |view| self.alarm_view(at, sample, &view))
    }

    /// See [`alarm`](Self::alarm).
    pub(super) fn alarm_view(&self, at: Timestamp, sample: Sample, view: &GaugeView) -> Score {
        let Some(long) = self.long.baseline().filter(|_| self.learnt >= MAD_ONLY) else {
            return Score::unknown();
        };
        let mut neg_log10_p = calibrated(view.lasting_deviation, &self.alarm_calibration);
        if self.learnt < IMMATURE {
            neg_log10_p = neg_log10_p.min(self.recent.score(at, sample).neg_log10_p);
        }
        let (mut center, mut scale) = (long.center, long.scale.max(view.floor));
        if let Some(recent) = self.trend(view) {
            (center, scale) = (recent.center - view.season, recent.scale.max(view.floor));
        }
        // The CUSUM of blocks, where it says more.
        let drifted = self.threshold * self.cusum.alarm_share();
        if drifted > neg_log10_p
            && !(drifted >= self.threshold && self.has_usual_level())
            && let Some(past) = self.cusum.baseline(sample.value - view.season)
        {
            (neg_log10_p, center, scale) = (drifted, past.center, past.scale);
        }
        let expected = self.range.center((center + view.season).clamp(f64::MIN, f64::MAX));
        // A value that has recovered is no alarm, although the median of the last ones has not.
        let away = |value: f64| (value / 2.0 - expected / 2.0).abs();
        let level = (long.center + view.season + view.lasting).clamp(f64::MIN, f64::MAX);
        let recovered = away(sample.value) < away(level) / 2.0;
        if recovered || neg_log10_p >= self.threshold && self.is_usual(sample.value) {
            neg_log10_p = 0.0;
        }
        let (low, high) = self.three_scales(expected, scale);
        let score = Score {
            z: ((sample.value / 2.0 - expected / 2.0) / (scale / 2.0)).clamp(f64::MIN, f64::MAX),
            neg_log10_p,
            expected,
            low,
            high,
            source: view.source,
            points: self.long.points() as u32,
            effective_n: sample.n as f64,
        };
        outside_if(neg_log10_p >= self.threshold, score, sample.value, self.threshold)
    }

    /// The alarm of a drifting level, for a value that lies at least 1.5 scales out on the side of
    /// the drift. A drift that began where the level of a phase replaced that of the hour has none.
    ///
    /// Expected is the level at the start of the drift, with a band of three of its scales. The
    /// `-log10 p` is the threshold times 1 to 1.5, by the sum of the CUSUM.
    pub(super) fn drift_alarm(
        &self,
        at: Timestamp,
        sample: Sample,
        phase: Phase,
    ) -> Option<DriftAlarm> {
        let change = self.cusum.drifting().filter(|_| is_usable(sample))?;
        if self.has_usual_level() {
            return None;
        }
        let Baseline { center, scale, .. } = change.past;
        // What the season learnt since the start is the drift itself. A start at which the level of a
        // phase held is a job that came at another size or minute, and says nothing of a drift.
        let now = self.hour_level(at, phase.utc_offset, phase.replaces_hours);
        let season = now - self.season.at(change.hour?);
        let expected = self.range.center((center + season).clamp(f64::MIN, f64::MAX));
        let z = (sample.value / 2.0 - expected / 2.0) / (scale / 2.0);
        if !(if change.up { z >= SLACK } else { z <= -SLACK }) {
            return None;
        }
        let (low, high) = self.three_scales(expected, scale);
        let score = Score {
            z: z.clamp(f64::MIN, f64::MAX),
            neg_log10_p: self.threshold * change.share,
            expected,
            low,
            high,
            source: ScaleSource::Mad,
            points: self.cusum.blocks(),
            effective_n: sample.n as f64,
        };
        let score = outside_if(true, score, sample.value, self.threshold);
        Some(DriftAlarm { score, since: change.since })
    }

    /// Whether the series has had this level often enough that it is no anomaly at any time.
    fn is_usual(&self, value: f64) -> bool {
        let Some(long) = self.long.baseline() else { return false };
        let reach = (USUAL_REACH * value.abs()).min(long.scale);
        self.season.unexplained() > SEASON_KNOWN
            && self.long.share_near(value, reach) >= USUAL_SHARE
    }

    /// Whether the level of the window is one that the series has often had, and thus no drift.
    fn has_usual_level(&self) -> bool {
        self.recent_now.is_some_and(|(recent, _)| self.is_usual(recent.center))
    }

    /// A score with the level of its phase, within the range of the series.
    pub(super) fn with(&self, score: Score, phase: Phase) -> Score {
        if phase.shift == 0.0 {
            return score;
        }
        let moved = |value: f64| (value + phase.shift).clamp(f64::MIN, f64::MAX);
        let (low, high) = self.range.band(moved(score.low), moved(score.high));
        Score { expected: self.range.center(moved(score.expected)), low, high, ..score }
    }

    /// The band of three scales about a center, within the range of the series.
    fn three_scales(&self, center: f64, scale: f64) -> (f64, f64) {
        let reach = 3.0 * scale;
        self.range.band((center - reach).max(f64::MIN), (center + reach).min(f64::MAX))
    }

    /// The product of `1 + z` over the four views at which a row is flagged.
    fn limit(&self) -> f64 {
        (GaugePart::views() * self.row_calibration.decade() * DECADES / 4.0 * self.threshold).exp()
    }

    /// A value as the views see it; `None` for a value that is not usable.
    #[inline]
    pub(super) fn view_of(&self, at: Timestamp, sample: Sample, phase: Phase) -> Option<GaugeView> {
        if !is_usable(sample) {
            return None;
        }
        let mut view = self.view(at, sample, phase);
        if self.learnt >= MAD_ONLY {
            view.deviation = deviation(sample.value, &view.parts);
            view.lasting_deviation = self.lasting_deviation(sample.value, &view);
        }
        Some(view)
    }

    #[inline]
    fn view(&self, at: Timestamp, sample: Sample, phase: Phase) -> GaugeView {
        let Some(long) = self.long.baseline() else {
            return GaugeView {
                parts: [None; 4],
                season: 0.0,
                utc_offset: phase.utc_offset,
                replaces_hours: phase.replaces_hours,
                lasting: 0.0,
                floor: ABSOLUTE_FLOOR,
                shift: 0.0,
                source: ScaleSource::None,
                deviation: 0.0,
                lasting_deviation: 0.0,
            };
        };
        let season = self.hour_level(at, phase.utc_offset, phase.replaces_hours);
        let usual = (long.center + season).clamp(f64::MIN, f64::MAX);
        let rest = (sample.value - usual).clamp(f64::MIN, f64::MAX);
        // Views of deviations, moved back into the gauge's unit.
        let moved = |by: f64, part: Option<Baseline>| {
            part.map(|part| Baseline {
                center: self.range.center((usual + by + part.center).clamp(f64::MIN, f64::MAX)),
                ..part
            })
        };
        let present = if self.present.is_empty() { 0.0 } else { self.present.median() };
        let widened = self.recent.sparse(sample.n);
        let used = |which: GaugePart, part: Option<Baseline>| part.filter(|_| which.is_used());
        let parts = [
            used(GaugePart::Window, self.recent_now.map(|(recent, _)| recent)),
            used(GaugePart::Long, Some(long)),
            used(GaugePart::Season, moved(0.0, self.seasonal.baseline())),
            used(GaugePart::Present, moved(present, self.jumps.baseline())),
        ];
        let floor = (RELATIVE_FLOOR * long.center.abs()).max(ABSOLUTE_FLOOR);
        let widen = |part: Baseline| Baseline {
            scale: (part.scale.max(floor) * widened).hypot(phase.widen).min(f64::MAX),
            ..part
        };
        GaugeView {
            parts: parts.map(|part| part.map(widen)),
            season,
            utc_offset: phase.utc_offset,
            replaces_hours: phase.replaces_hours,
            lasting: median_with(self.last.sorted(), rest),
            floor,
            shift: phase.shift,
            source: match self.recent_now {
                Some((recent, _)) if recent.scale <= floor => ScaleSource::Floor,
                Some((_, source)) => source,
                None => ScaleSource::None,
            },
            deviation: 0.0,
            lasting_deviation: 0.0,
        }
    }

    fn read_recent(&self) -> Option<(Baseline, ScaleSource)> {
        let values = self.recent.values();
        if values.len() < LEAST {
            return None;
        }
        let (center, mad) = values.median_mad();
        let range = values.quantile(0.95) - values.quantile(0.05);
        let (scale, source) = scale_of(center, mad, range, || values.mean_abs_deviation());
        let tail = (range * SIGMA_OF_RANGE).min(f64::MAX);
        Some((Baseline { center, scale: scale.min(f64::MAX), tail }, source))
    }

    /// The window, if the series follows a trend: most of the long memory moves to one side, it is far
    /// wider than the window, and the window has left its middle. The long memory then says nothing of
    /// where the series should be.
    fn trend(&self, view: &GaugeView) -> Option<Baseline> {
        let [Some(recent), Some(long), _, _] = view.parts else { return None };
        let away = (recent.center / 2.0 - long.center / 2.0).abs() / (long.scale / 2.0);
        let is_trend = TREND.contains(&away)
            && long.scale >= TREND_SCALES * recent.scale
            && self.long.has_trend();
        is_trend.then_some(recent)
    }

    /// Mean of `ln(1 + z)` of a lasting level: the value against the long memory and the season, and
    /// the median of the last twelve deviations against such medians.
    fn lasting_deviation(&self, value: f64, view: &GaugeView) -> f64 {
        if let Some(recent) = self.trend(view) {
            let long = view.parts[1].map_or(0.0, |long| long.center);
            let level = (long + view.season + view.lasting).clamp(f64::MIN, f64::MAX);
            let one_plus_z = |value: f64| 1.0 + recent.distance(value, view.floor);
            return (one_plus_z(value) * one_plus_z(level)).ln() / 2.0;
        }
        let [_, long, seasonal, _] = view.parts;
        let one_plus_z = |part: Option<Baseline>, value: f64| {
            1.0 + part.map_or(0.0, |part| part.distance(value, view.floor))
        };
        // A distance from the long memory that the hour of the day explains is no deviation.
        let weight = self.season.unexplained();
        let product =
            one_plus_z(seasonal, value) * one_plus_z(self.levels.baseline(), view.lasting);
        (weight * one_plus_z(long, value).ln() + product.ln()) / (2.0 + weight)
    }

    /// Scores a value by its view.
    pub(super) fn score_view(&self, at: Timestamp, sample: Sample, view: &GaugeView) -> Score {
        if self.learnt < MAD_ONLY {
            let mut score = self.recent.score(at, sample);
            if score.points == 0 {
                return score;
            }
            (score.low, score.high) = self.range.band(score.low, score.high);
            let flagged = score.neg_log10_p >= self.threshold;
            return outside_if(flagged, score, sample.value, self.threshold);
        }
        let mut own = calibrated(view.deviation, &self.row_calibration);
        if self.learnt < IMMATURE {
            own = own.min(self.recent.score(at, sample).neg_log10_p);
        }
        if own >= self.threshold && self.is_usual(sample.value) {
            own = own.min(self.threshold * DECAY_LIMIT);
        }
        let decay = if GaugePart::Decay.is_used() { DECAY } else { 0.0 };
        let decayed = (self.decayed * decay).min(self.threshold * DECAY_LIMIT);
        let (low, expected, high) = band(&view.parts, self.limit());
        let (low, high) = self.range.band(low, high);
        // The deviation as a distance in scales, with the side as its sign.
        let away = view.deviation.exp_m1().min(f64::MAX);
        let score = Score {
            z: if sample.value < expected { -away } else { away },
            neg_log10_p: own.max(decayed),
            expected,
            low,
            high,
            source: view.source,
            points: self.recent.points() as u32,
            effective_n: sample.n as f64,
        };
        outside_if(own >= self.threshold, score, sample.value, self.threshold)
    }

    /// Takes note of a value that is not learnt, because the gauge is anomalous: only where the
    /// series is just now, so that a level that ends is no alarm.
    pub(super) fn pass(&mut self, sample: Sample, view: &GaugeView) {
        if self.learnt >= MAD_ONLY {
            let own = calibrated(view.deviation, &self.row_calibration);
            self.decayed = own.max(self.decayed * DECAY);
        }
        if let Some(long) = self.long.baseline() {
            let rest = sample.value - long.center - view.season;
            self.last.push(rest.clamp(f64::MIN, f64::MAX));
        }
    }

    /// Makes a new level the baseline. The season and the past deviations stay.
    pub(super) fn accept(&mut self, level: &[f64]) {
        (self.long, self.cusum) = (LongMemory::default(), blocks());
        self.recent.accept(level);
        for value in level {
            self.long.push(*value);
        }
        self.present.clear();
        self.last.clear();
        self.recent_now = self.read_recent();
    }

    /// Learns a value with its view, made before anything else was learnt.
    pub(super) fn learn_view(
        &mut self,
        at: Timestamp,
        sample: Sample,
        how: Learn,
        view: &GaugeView,
    ) {
        if how == Learn::Skip {
            return;
        }
        let mut value = sample.value;
        if self.learnt >= MAD_ONLY {
            let own = calibrated(view.deviation, &self.row_calibration);
            self.decayed = own.max(self.decayed * DECAY);
            self.row_calibration.learn(view.deviation);
            let alarm = calibrated(view.lasting_deviation, &self.alarm_calibration);
            self.cusum.note_alarm(alarm >= self.threshold);
            self.alarm_calibration.learn(view.lasting_deviation);
        }
        if how == Learn::Clipped {
            // By the calibration that has just learnt the value.
            let (low, _, high) = band(&view.parts, self.limit());
            value = value.clamp(low, high);
        }
        if let Some(long) = self.long.baseline() {
            let season = view.season;
            let rest = |value: f64| (value - long.center - season).clamp(f64::MIN, f64::MAX);
            // The alarm view learns the value as it came: its level is what an alarm is about.
            let (raw, rest) = (rest(sample.value), rest(value));
            let present = if self.present.is_empty() { 0.0 } else { self.present.median() };
            self.levels.push(median_with(self.last.sorted(), raw));
            self.last.push(raw);
            self.seasonal.push(raw);
            self.jumps.push(rest - present);
            self.present.push(rest);
            self.season.learn(at.plus(view.utc_offset), rest + season, long);
        }
        // The season after this value was learnt.
        let season = self.hour_level(at, view.utc_offset, view.replaces_hours);
        let hour = (!view.replaces_hours).then(|| at.plus(view.utc_offset));
        self.cusum.push(at, (sample.value - season).clamp(f64::MIN, f64::MAX), season, hour);
        self.long.push(value);
        self.recent.learn(at, Sample { value, n: sample.n }, Learn::Full);
        self.recent_now = self.read_recent();
        // The range is that of values as they came.
        self.range.push((sample.value + view.shift).clamp(f64::MIN, f64::MAX));
        self.learnt = self.learnt.saturating_add(1);
    }
}

/// `-log10 p` of a deviation, at most 300.
fn calibrated(deviation: f64, past: &Calibration) -> f64 {
    (deviation / past.decade() * 4.0 / DECADES).min(300.0)
}

/// The mean of `ln(1 + z)` over the four views; a view without a baseline counts as `z = 0`.
#[inline]
fn deviation(value: f64, parts: &[Option<Baseline>; 4]) -> f64 {
    let one_plus_z =
        |part: &Option<Baseline>| part.map_or(1.0, |part| 1.0 + part.distance(value, 0.0));
    parts.iter().map(one_plus_z).product::<f64>().ln() / GaugePart::views()
}

impl Scorer for GaugeScorer {
    fn score(&self, at: Timestamp, sample: Sample) -> Score {
        let view = self.view_of(at, sample, Phase::default());
        view.map_or_else(Score::unknown, |view| self.score_view(at, sample, &view))
    }

    fn learn(&mut self, at: Timestamp, sample: Sample, how: Learn) {
        if let Some(view) = self.view_of(at, sample, Phase::default()) {
            self.learn_view(at, sample, how, &view);
        }
    }
}
