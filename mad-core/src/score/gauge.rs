//! The default for gauges: four views of a value, one evidence.

use serde::{Deserialize, Serialize};

use super::band::{band, outside_if};
use super::block_cusum::{BlockCusum, DriftAlarm, SLACK};
use super::calibration::{Calibration, DECADES};
use super::long_memory::{Baseline, LEAST, LongMemory, SIGMA_OF_RANGE, scale_of};
use super::season::Season;
use super::shift::median_with;
use super::{Learn, MadConfig, MadScorer, ScaleSource, Score, Scorer};
use crate::error::Result;
use crate::robust::RollingMad;
use crate::series::Sample;
use crate::time::Timestamp;

/// Values learnt before the parts speak; until then [`MadScorer`] judges alone.
const FIRST: u32 = 20;
/// Values until which [`MadScorer`]'s evidence is the most there is.
const YOUNG: u32 = 120;
/// Deviations of about two hours (in steps of five minutes) that say where the series is just now.
const NOW: usize = 25;
/// Deviations before this one that with it make a lasting level.
const LASTING: usize = 11;
/// Values of a block that says whether the level leaves slowly.
const BLOCK: usize = 60;
/// Smallest scale of a part, as a share of the level, and in the gauge's unit.
const RELATIVE_FLOOR: f64 = 1e-3;
const ABSOLUTE_FLOOR: f64 = 1e-9;
/// Decades from which rows are one episode to what lasts.
const ALARM_EPISODE: f64 = 4.0;
/// Share of a row's evidence that is left a row later, and the most of the threshold that this
/// reaches.
const LINGERS: f64 = 0.9;
const LINGERS_TO: f64 = 0.975;

/// A value against four pasts, weighed by the series' own history of being far out.
///
/// With the distance `z = |value - center| / scale` from each of
///
/// 1. the last `window` values ([`MadScorer`]'s),
/// 2. thousands of values in few (a thinned long memory),
/// 3. the same after the hour of the day and of the week was taken off (the season),
/// 4. the same again, with the median of the last 25 deviations as the center: a jump,
///
/// the *deviation* is the mean of `ln(1 + z)`: what is far out in one view only counts a quarter.
/// It becomes evidence by how often this series deviated so far (`Calibration`), so that noisy
/// series do not flood. What is flagged is outside of the band, which is where the deviation
/// reaches the threshold.
///
/// *Suspicion lingers*: anomalous rows come together, so nine tenths of a row's evidence is left
/// for the next one, but never enough to flag it.
///
/// *Small samples*: the first 20 values are judged by [`MadScorer`], whose tail knows how few they
/// were, and until the 120th its evidence is the most there is. A part of fewer than 10 values says
/// nothing.
///
/// *Learning*: medians of hundreds are not moved by an anomaly; a level that stays becomes the new
/// one as it fills half of a memory: first the last rows, then the last `window`, at last the long
/// one. [`Learn::Clipped`] pulls a value to the edge of the band for the last `window`, the long
/// memory and the jumps; what lasts and the season learn it as it is. NaN and infinite values are
/// unknown and teach nothing. A constant series has the floors as scale.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GaugeScorer {
    recent: MadScorer,
    /// Its center and scale, read once a value.
    recent_now: Option<(Baseline, ScaleSource)>,
    long: LongMemory,
    season: Season,
    seasonal: LongMemory,
    now: RollingMad,
    jumps: LongMemory,
    last: RollingMad,
    levels: LongMemory,
    rows: Calibration,
    alarms: Calibration,
    #[serde(default = "blocks")]
    drift: BlockCusum,
    neg_log10_p: f64,
    lingering: f64,
    learnt: u32,
}

/// A value as the parts see it.
struct View {
    /// Center and scale of each part that speaks, in the gauge's unit.
    parts: [Option<Baseline>; 4],
    /// Median of the last twelve deviations from the long-term center and the season.
    lasting: f64,
    floor: f64,
    /// What the scale of the last `window` values rests on.
    source: ScaleSource,
}

fn blocks() -> BlockCusum {
    BlockCusum::new(BLOCK)
}

impl GaugeScorer {
    /// A scorer that has learnt nothing; `neg_log10_p` is where its expected band ends.
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
            now: RollingMad::new(NOW)?,
            jumps: LongMemory::default(),
            last: RollingMad::new(LASTING)?,
            levels: LongMemory::default(),
            rows: Calibration::new(DECADES),
            alarms: Calibration::new(ALARM_EPISODE),
            drift: blocks(),
            neg_log10_p,
            lingering: 0.0,
            learnt: 0,
        })
    }

    /// Applies another config and threshold. The window and the learnt values stay.
    pub(super) fn reconfigure(&mut self, config: MadConfig, neg_log10_p: f64) {
        self.recent.reconfigure(config);
        self.neg_log10_p = neg_log10_p;
    }

    /// Values remembered now, of the last `window`.
    pub fn points(&self) -> usize {
        self.recent.points()
    }

    /// How much a value is worth an alarm: that a level, of the value alone or of the last twelve,
    /// lies far from the long past and the season. What only jumps is none. The expected value is
    /// that of the long past and the season, the band three of its scales around it; z is about it.
    /// [`Score::unknown`] before 20 values and for what is not finite.
    pub fn alarm(&self, at: Timestamp, sample: Sample) -> Score {
        let known = sample.value.is_finite() && sample.n > 0 && self.learnt >= FIRST;
        let Some(long) = self.long.baseline().filter(|_| known) else {
            return Score::unknown();
        };
        let view = self.view(at, sample);
        let mut neg_log10_p =
            calibrated_neg_log10_p(self.lasting_deviation(sample.value, &view), &self.alarms);
        if self.learnt < YOUNG {
            neg_log10_p = neg_log10_p.min(self.recent.score(at, sample).neg_log10_p);
        }
        let season = self.season.at(at);
        let (mut center, mut scale) = (long.center, long.scale.max(view.floor));
        let drifted = self.neg_log10_p * self.drift.left();
        if drifted > neg_log10_p
            && let Some(past) = self.drift.baseline(sample.value - season)
        {
            (neg_log10_p, center, scale) = (drifted, past.center, past.scale);
        }
        let expected = (center + season).clamp(f64::MIN, f64::MAX);
        // what is back is no alarm, although the level of the last ones is not back yet
        let away = |value: f64| (value / 2.0 - expected / 2.0).abs();
        if away(sample.value)
            < away((long.center + season + view.lasting).clamp(f64::MIN, f64::MAX)) / 2.0
        {
            neg_log10_p = 0.0;
        }
        let score = Score {
            z: ((sample.value / 2.0 - expected / 2.0) / (scale / 2.0)).clamp(f64::MIN, f64::MAX),
            neg_log10_p,
            expected,
            low: (expected - 3.0 * scale).max(f64::MIN),
            high: (expected + 3.0 * scale).min(f64::MAX),
            source: view.source,
            points: self.long.points() as u32,
            effective_n: sample.n as f64,
        };
        outside_if(neg_log10_p >= self.neg_log10_p, score, sample.value, self.neg_log10_p)
    }

    /// That the level is leaving, said of a value that lies 1.5 scales out on the side to which it
    /// goes: expected is what it left when that began, the band three of its scales around it. The
    /// evidence is the threshold times 1 to 1.5, by what the blocks add up to.
    pub(super) fn leaving(&self, at: Timestamp, sample: Sample) -> Option<DriftAlarm> {
        let sound = sample.value.is_finite() && sample.n > 0;
        let left = self.drift.leaving().filter(|_| sound)?;
        let Baseline { center, scale, .. } = left.past;
        // what the season learnt since then is the change itself
        let season = self.season.at(at) - self.season.at(left.began);
        let expected = (center + season).clamp(f64::MIN, f64::MAX);
        let z = (sample.value / 2.0 - expected / 2.0) / (scale / 2.0);
        if !(if left.up { z >= SLACK } else { z <= -SLACK }) {
            return None;
        }
        let score = Score {
            z: z.clamp(f64::MIN, f64::MAX),
            neg_log10_p: self.neg_log10_p * left.share,
            expected,
            low: (expected - 3.0 * scale).max(f64::MIN),
            high: (expected + 3.0 * scale).min(f64::MAX),
            source: ScaleSource::Mad,
            points: self.drift.blocks(),
            effective_n: sample.n as f64,
        };
        let score = outside_if(true, score, sample.value, self.neg_log10_p);
        Some(DriftAlarm { score, since: left.since })
    }

    /// The product of `1 + z` over the parts at which a row is flagged.
    fn limit(&self) -> f64 {
        (4.0 * self.rows.decade() * DECADES / 4.0 * self.neg_log10_p).exp()
    }

    #[inline]
    fn view(&self, at: Timestamp, sample: Sample) -> View {
        let Some(long) = self.long.baseline() else {
            return View {
                parts: [None; 4],
                lasting: 0.0,
                floor: ABSOLUTE_FLOOR,
                source: ScaleSource::None,
            };
        };
        let usual = (long.center + self.season.at(at)).clamp(f64::MIN, f64::MAX);
        let rest = (sample.value - usual).clamp(f64::MIN, f64::MAX);
        let moved = |by: f64, part: Option<Baseline>| {
            part.map(|part| Baseline {
                center: (usual + by + part.center).clamp(f64::MIN, f64::MAX),
                ..part
            })
        };
        let now = if self.now.is_empty() { 0.0 } else { self.now.median() };
        let sparse = self.recent.sparse(sample.n);
        let parts = [
            self.recent_now.map(|(recent, _)| recent),
            Some(long),
            moved(0.0, self.seasonal.baseline()),
            moved(now, self.jumps.baseline()),
        ];
        let floor = (RELATIVE_FLOOR * long.center.abs()).max(ABSOLUTE_FLOOR);
        let widen = |part: Baseline| Baseline {
            scale: (part.scale.max(floor) * sparse).min(f64::MAX),
            ..part
        };
        View {
            parts: parts.map(|part| part.map(widen)),
            lasting: median_with(self.last.sorted(), rest),
            floor,
            source: match self.recent_now {
                Some((recent, _)) if recent.scale <= floor => ScaleSource::Floor,
                Some((_, source)) => source,
                None => ScaleSource::None,
            },
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

    /// What the last rows, the long past and the season say of a level.
    fn lasting_deviation(&self, value: f64, view: &View) -> f64 {
        let [_, long, seasonal, _] = view.parts;
        let far = |part: Option<Baseline>, value: f64| {
            1.0 + part.map_or(0.0, |part| part.distance(value, view.floor))
        };
        // far from the long past is no news where the time of day explains it
        let weight = self.season.unexplained();
        let product = far(seasonal, value) * far(self.levels.baseline(), view.lasting);
        (weight * far(long, value).ln() + product.ln()) / (2.0 + weight)
    }
}

/// Evidence of a deviation.
fn calibrated_neg_log10_p(deviation: f64, past: &Calibration) -> f64 {
    (deviation / past.decade() * 4.0 / DECADES).min(300.0)
}

/// The mean of `ln(1 + z)` over the parts.
#[inline]
fn deviation(value: f64, parts: &[Option<Baseline>; 4]) -> f64 {
    let far = |part: &Option<Baseline>| part.map_or(1.0, |part| 1.0 + part.distance(value, 0.0));
    parts.iter().map(far).product::<f64>().ln() / 4.0
}

impl Scorer for GaugeScorer {
    fn score(&self, at: Timestamp, sample: Sample) -> Score {
        if !(sample.value.is_finite() && sample.n > 0) {
            return Score::unknown();
        }
        if self.learnt < FIRST {
            return self.recent.score(at, sample);
        }
        let view = self.view(at, sample);
        let deviation = deviation(sample.value, &view.parts);
        let mut own = calibrated_neg_log10_p(deviation, &self.rows);
        if self.learnt < YOUNG {
            own = own.min(self.recent.score(at, sample).neg_log10_p);
        }
        let lingering = (self.lingering * LINGERS).min(self.neg_log10_p * LINGERS_TO);
        let (low, expected, high) = band(&view.parts, self.limit());
        let away = deviation.exp_m1().min(f64::MAX);
        let score = Score {
            z: if sample.value < expected { -away } else { away },
            neg_log10_p: own.max(lingering),
            expected,
            low,
            high,
            source: view.source,
            points: self.recent.points() as u32,
            effective_n: sample.n as f64,
        };
        outside_if(own >= self.neg_log10_p, score, sample.value, self.neg_log10_p)
    }

    fn learn(&mut self, at: Timestamp, sample: Sample, how: Learn) {
        if !(sample.value.is_finite() && sample.n > 0) || how == Learn::Skip {
            return;
        }
        let view = self.view(at, sample);
        let mut value = sample.value;
        if self.learnt >= FIRST {
            let far = deviation(value, &view.parts);
            let lasting = self.lasting_deviation(value, &view);
            self.lingering = calibrated_neg_log10_p(far, &self.rows).max(self.lingering * LINGERS);
            self.rows.learn(far);
            self.drift.told(calibrated_neg_log10_p(lasting, &self.alarms) >= self.neg_log10_p);
            self.alarms.learn(lasting);
        }
        if how == Learn::Clipped {
            let (low, _, high) = band(&view.parts, self.limit());
            value = value.clamp(low, high);
        }
        if let Some(long) = self.long.baseline() {
            let season = self.season.at(at);
            let rest = |value: f64| (value - long.center - season).clamp(f64::MIN, f64::MAX);
            // what lasts is learnt as it came: an alarm is about the level that it leads to
            let (raw, rest) = (rest(sample.value), rest(value));
            let now = if self.now.is_empty() { 0.0 } else { self.now.median() };
            self.levels.push(median_with(self.last.sorted(), raw));
            self.last.push(raw);
            self.seasonal.push(raw);
            self.jumps.push(rest - now);
            self.now.push(rest);
            self.season.learn(at, rest + season, long);
        }
        let season = self.season.at(at);
        self.drift.push(at, (sample.value - season).clamp(f64::MIN, f64::MAX), season);
        self.long.push(value);
        self.recent.learn(at, Sample { value, n: sample.n }, Learn::Full);
        self.recent_now = self.read_recent();
        self.learnt = self.learnt.saturating_add(1);
    }
}
