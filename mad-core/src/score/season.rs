//! Season: the level of each hour of the day and of the week.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::long_memory::{Baseline, LARGEST};
use crate::error::{Error, Result};
use crate::packed::{Packer, Unpacker};
use crate::time::{SECOND, Timestamp};

const HOUR: i64 = 3_600 * SECOND;
const HOURS: usize = 24;
const WEEK: usize = 7 * HOURS;
/// Days that an hour of the day remembers.
const DAYS: f64 = 7.0;
/// Weeks that an hour of the week remembers.
const WEEKS: f64 = 4.0;
/// Largest number of days (weeks) after which an hour's level counts by half.
const SHRINK: f64 = 2.0;
/// Deviations are clipped here, in scales of the long memory, so that one value moves an hour little.
const CLIP: f64 = 3.0;
/// Pseudo-values whose variance the hour does not explain, so that a few values prove no season.
const PSEUDO_COUNT: f64 = 100.0;
/// Values over which the explained variance is averaged.
const EXPLAINED: u16 = 10_000;

/// Usual deviation of a series from its long-term center at each hour of the day, and on top of that
/// at each hour of the week. Hours are those of the times given, which are local ones where a zone is
/// set.
///
/// # Method
///
/// 1. Each hour keeps a mean of deviations over about its last seven days (four weeks). A deviation is
///    clipped to three scales of the long memory, or of its range, whichever is larger, so that a
///    level of a few hours a day is learnt as it is.
/// 2. The mean of an hour that came `d` times counts by the share `d / (d + k)`, so that a short
///    history has no season.
/// 3. `k = u / (1 - u)`, at most 2 (empirical Bayes; Efron and Morris, 1973). `u` is the share of the
///    squared deviations that is left after the level of the hour, as it was known before, is taken
///    off. A clear rhythm counts after one day.
/// 4. For steps shorter than half an hour the level is interpolated between the middles of two hours.
///
/// # Small samples and limits
///
/// 0 for an hour that never came. Periods other than the day and the week are not found.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub(super) struct Season {
    days: Vec<Hour>,
    weeks: Vec<Hour>,
    last: Option<Timestamp>,
    step: i64,
    by_day: Unexplained,
    by_week: Unexplained,
}

/// Share of the squared deviations that the level of the hour does not explain.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Unexplained {
    values: u16,
    /// Mean squares of the deviations without the level of the hour, and with it.
    left: f64,
    all: f64,
    /// 1 without values, towards 0 for a series that the hour explains.
    share: f64,
    /// Visits after which the level of an hour counts by half.
    shrink: f64,
}

/// Level of an hour, the number of its visits and of its values.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Hour {
    level: f32,
    visits: u32,
    values: u32,
}

type Squares = (u16, f64, f64);

#[derive(Serialize, Deserialize)]
#[serde(rename = "Season", deny_unknown_fields)]
struct Saved {
    /// See [`packed_hours`].
    days: ByteBuf,
    weeks: ByteBuf,
    last: Option<Timestamp>,
    step: i64,
    by_day: Squares,
    by_week: Squares,
}

impl Default for Season {
    fn default() -> Self {
        Self {
            days: vec![Hour::default(); HOURS],
            weeks: vec![Hour::default(); WEEK],
            last: None,
            step: HOUR,
            by_day: Unexplained::default(),
            by_week: Unexplained::default(),
        }
    }
}

impl Default for Unexplained {
    fn default() -> Self {
        Self::of(0, 0.0, 0.0)
    }
}

impl Unexplained {
    fn of(values: u16, left: f64, all: f64) -> Self {
        let ratio = if all > 0.0 { (left / all).min(1.0) } else { 1.0 };
        let known = f64::from(values);
        let share = (known * ratio + PSEUDO_COUNT) / (known + PSEUDO_COUNT);
        Self { values, left, all, share, shrink: (share / (1.0 - share)).min(SHRINK) }
    }

    fn saved(self) -> Squares {
        (self.values, self.left, self.all)
    }

    fn restored((values, left, all): Squares) -> Result<Self> {
        let mut squares = [left, all].into_iter();
        if values <= EXPLAINED && squares.all(|square| square.is_finite() && square >= 0.0) {
            return Ok(Self::of(values, left, all));
        }
        let given = format!("{values}, {left}, {all}");
        Err(Error::argument("by_day, by_week", given, "at most 10,000 values, finite squares"))
    }

    fn learn(&mut self, left: f64, all: f64) {
        let values = self.values.saturating_add(1).min(EXPLAINED);
        let mean = |so_far: f64, one: f64| so_far + (one * one - so_far) / f64::from(values);
        *self = Self::of(values, mean(self.left, left), mean(self.all, all));
    }
}

impl Hour {
    /// The level, shrunk towards 0.
    fn believed(self, shrink: f64) -> f64 {
        let visits = f64::from(self.visits);
        if visits > 0.0 { f64::from(self.level) * visits / (visits + shrink) } else { 0.0 }
    }

    /// Learns the error of the level; `again` is whether the hour came back with this value.
    fn learn(&mut self, error: f64, again: bool, memory: f64) {
        self.visits = self.visits.saturating_add(u32::from(again));
        self.values = self.values.saturating_add(1);
        // A plain mean at first, an exponential one over `memory` visits later.
        let a_visit = f64::from(self.values) / f64::from(self.visits.max(1));
        let weight = 1.0 / f64::from(self.values).min((a_visit * memory).max(1.0));
        self.level += (error * weight) as f32;
    }
}

/// Whole hours since the epoch, a Thursday, and the share of the hour that has passed, 0 to 1.
fn hour_of(at: Timestamp) -> (i64, f64) {
    let nanos = at.nanos();
    (nanos.div_euclid(HOUR), nanos.rem_euclid(HOUR) as f64 / HOUR as f64)
}

fn day_place(hour: i64) -> usize {
    hour.rem_euclid(HOURS as i64) as usize
}

fn week_place(hour: i64) -> usize {
    hour.rem_euclid(WEEK as i64) as usize
}

impl Season {
    /// The level of the season at a time: the usual deviation from the long-term center.
    #[inline]
    pub fn at(&self, at: Timestamp) -> f64 {
        let (hour, into) = hour_of(at);
        let believed = |hour: &Hour| hour.believed(self.by_day.shrink);
        let day = |hour: i64| self.days.get(day_place(hour)).map_or(0.0, believed);
        let daily = if self.step < HOUR / 2 {
            // Linear between the middles of two hours.
            if into < 0.5 {
                day(hour - 1) * (0.5 - into) + day(hour) * (0.5 + into)
            } else {
                day(hour) * (1.5 - into) + day(hour + 1) * (into - 0.5)
            }
        } else {
            day(hour)
        };
        daily
            + self
                .weeks
                .get(week_place(hour))
                .map_or(0.0, |hour| hour.believed(self.by_week.shrink))
    }

    /// The share of the squared deviations that the hour of the day does not explain, 0 to 1.
    #[inline]
    pub fn unexplained(&self) -> f64 {
        self.by_day.share
    }

    /// Learns a deviation from the long-term center, whose scale is `long.scale`.
    #[inline]
    pub fn learn(&mut self, at: Timestamp, deviation: f64, long: Baseline) {
        let (hour, _) = hour_of(at);
        let before = self.last.replace(at);
        if let Some(before) = before {
            let step = at.since(before);
            if step > 0 {
                self.step = step;
            }
        }
        // A new visit of the hour.
        let again = before.is_none_or(|before| hour_of(before).0 != hour);
        let scale = long.scale.max(long.tail);
        let most = if scale > 0.0 { (CLIP * scale).min(LARGEST) } else { LARGEST };
        let clip = |error: f64| error.clamp(-most, most);
        let Some(day) = self.days.get_mut(day_place(hour)) else { return };
        // An hour explains only values after its first visit.
        let known = |hour: &Hour| hour.visits > u32::from(!again);
        let error = clip(deviation - f64::from(day.level));
        if known(day) {
            self.by_day.learn(error, clip(deviation));
        }
        day.learn(error, again, DAYS);
        // The hour of the week learns the rest.
        let rest = deviation - f64::from(day.level);
        if let Some(week) = self.weeks.get_mut(week_place(hour)) {
            let error = clip(rest - f64::from(week.level));
            if known(week) {
                self.by_week.learn(error, clip(rest));
            }
            week.learn(error, again, WEEKS);
        }
    }
}

/// Hours as bytes: the visits of all and the numbers of their values as differences, and the levels of
/// those that came.
fn packed_hours(hours: &[Hour]) -> ByteBuf {
    let mut packer = Packer::default();
    packer.differences(hours.iter().map(|hour| i64::from(hour.visits)));
    packer.differences(hours.iter().map(|hour| i64::from(hour.values)));
    for hour in hours.iter().filter(|hour| hour.values > 0) {
        packer.float(hour.level);
    }
    packer.finish()
}

/// The inverse of [`packed_hours`]; `None` if the bytes are not those of `wanted` hours.
fn unpacked_hours(bytes: &[u8], wanted: usize) -> Option<Vec<Hour>> {
    let mut unpacker = Unpacker::new(bytes);
    let mut hours = vec![Hour::default(); wanted];
    let (visits, values) = (unpacker.differences(wanted)?, unpacker.differences(wanted)?);
    for ((hour, visits), values) in hours.iter_mut().zip(visits).zip(values) {
        (hour.visits, hour.values) = (u32::try_from(visits).ok()?, u32::try_from(values).ok()?);
    }
    for hour in hours.iter_mut().filter(|hour| hour.values > 0) {
        hour.level = unpacker.float::<f32>().filter(|level| level.is_finite())?;
    }
    unpacker.is_empty().then_some(hours)
}

impl From<Season> for Saved {
    fn from(season: Season) -> Self {
        Self {
            days: packed_hours(&season.days),
            weeks: packed_hours(&season.weeks),
            last: season.last,
            step: season.step,
            by_day: season.by_day.saved(),
            by_week: season.by_week.saved(),
        }
    }
}

impl TryFrom<Saved> for Season {
    type Error = Error;

    fn try_from(saved: Saved) -> Result<Self> {
        let hours = |bytes: &[u8], wanted: usize| {
            unpacked_hours(bytes, wanted).ok_or_else(|| {
                let expected = format!("the bytes of {wanted} hours with finite levels");
                Error::argument("season", bytes.len(), &expected)
            })
        };
        Ok(Self {
            days: hours(&saved.days, HOURS)?,
            weeks: hours(&saved.weeks, WEEK)?,
            last: saved.last,
            step: saved.step,
            by_day: Unexplained::restored(saved.by_day)?,
            by_week: Unexplained::restored(saved.by_week)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Baseline = Baseline { center: 0.0, scale: 1.0, tail: 1.0 };

    /// A season after `days` days with `level` from 12 to 13 and 0 otherwise, with
    /// `chance` added to each value.
    fn noon(days: i64, level: f64, long: Baseline, chance: impl Fn(i64) -> f64) -> Season {
        let mut season = Season::default();
        for step in 0..days * 24 * 12 {
            let hour = step / 12 % 24;
            let value = if hour == 12 { level } else { 0.0 } + chance(step);
            season.learn(Timestamp::from_seconds(step * 300), value, long);
        }
        season
    }

    fn at_noon(season: &Season, day: i64) -> f64 {
        season.at(Timestamp::from_seconds((day * 24 + 12) * 3_600 + 1_800))
    }

    #[test]
    fn a_rhythm_is_believed_soon_and_chance_late() {
        let chance = |step: i64| [2.0, -1.0, 0.5, -2.0, 1.0, -0.5][(step * 7 % 13 % 6) as usize];
        let clear = noon(3, 2.0, LONG, |_| 0.0);
        let noisy = noon(3, 2.0, LONG, chance);
        assert!(clear.unexplained() < 0.2 && noisy.unexplained() > 0.8);
        assert!(at_noon(&clear, 3) > 1.85, "{}", at_noon(&clear, 3));
        // by half after two days: 2 * 3 / 5
        assert!((at_noon(&noisy, 3) - 1.2).abs() < 0.6, "{}", at_noon(&noisy, 3));
    }

    #[test]
    fn a_level_of_an_hour_is_learnt_as_far_as_the_range_reaches() {
        let narrow = noon(2, 40.0, LONG, |_| 0.0);
        let wide = noon(2, 40.0, Baseline { tail: 20.0, ..LONG }, |_| 0.0);
        assert!(at_noon(&wide, 2) > 30.0, "{}", at_noon(&wide, 2));
        assert!(at_noon(&narrow, 2) < 20.0, "{}", at_noon(&narrow, 2));
    }

    #[test]
    fn what_is_saved_wrong_is_refused() {
        let mut saved = Saved::from(noon(1, 2.0, LONG, |_| 0.0));
        saved.by_day.2 = f64::NAN;
        assert!(Season::try_from(saved).is_err());
        let saved = || Saved::from(noon(1, 2.0, LONG, |_| 0.0));
        let restored = Season::try_from(saved()).unwrap();
        assert_eq!(Saved::from(restored).weeks, saved().weeks);
        let bytes = saved().days.into_vec();
        for days in [bytes.get(1..).unwrap_or_default().to_vec(), [bytes, vec![0]].concat()] {
            assert!(Season::try_from(Saved { days: days.into(), ..saved() }).is_err());
        }
    }
}
