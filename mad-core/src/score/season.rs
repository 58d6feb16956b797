//! The time of day and the day of the week.

use serde::{Deserialize, Serialize};

use super::memory::Reference;
use crate::error::{Error, Result};
use crate::time::{SECOND, Timestamp};

const HOUR: i64 = 3_600 * SECOND;
const HOURS: usize = 24;
const WEEK: usize = 7 * HOURS;
/// Days and weeks that an hour remembers.
const DAYS: f64 = 7.0;
const WEEKS: f64 = 4.0;
/// Days (weeks) after which an hour's own level is believed by half.
const SHRINK: f64 = 2.0;
/// Scales of the long past that one value can move an hour by at most.
const CLIP: f64 = 3.0;

/// How far a series usually lies from its long-term center at an hour of the day, and on top of
/// that at an hour of the week. Hours are those of UTC; a season needs no zone, only that the same
/// hour comes back.
///
/// Each hour keeps a mean of deviations, each clipped to three scales, over about its last seven
/// days (four weeks), and is *shrunk* by `days / (days + 2)`: while history is short there is no
/// season and the global level speaks alone. Between the middles of two hours the level is
/// interpolated, for steps shorter than half an hour. Other periods than the day and the week are
/// not looked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub(super) struct Season {
    days: Vec<Hour>,
    weeks: Vec<Hour>,
    last: Option<Timestamp>,
    step: i64,
}

/// Level of an hour, how often it came back and how many values it saw.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Hour {
    level: f32,
    visits: u32,
    values: u32,
}

type Triple = (f32, u32, u32);

#[derive(Serialize, Deserialize)]
#[serde(rename = "Season", deny_unknown_fields)]
struct Saved {
    days: Vec<Triple>,
    weeks: Vec<Triple>,
    last: Option<Timestamp>,
    step: i64,
}

impl Default for Season {
    fn default() -> Self {
        Self {
            days: vec![Hour::default(); HOURS],
            weeks: vec![Hour::default(); WEEK],
            last: None,
            step: HOUR,
        }
    }
}

impl Hour {
    fn believed(self) -> f64 {
        let visits = f64::from(self.visits);
        f64::from(self.level) * visits / (visits + SHRINK)
    }

    fn learn(&mut self, error: f64, again: bool, memory: f64) {
        self.visits = self.visits.saturating_add(u32::from(again));
        self.values = self.values.saturating_add(1);
        let a_visit = f64::from(self.values) / f64::from(self.visits.max(1));
        let weight = 1.0 / f64::from(self.values).min((a_visit * memory).max(1.0));
        self.level += (error * weight) as f32;
    }
}

/// Whole hours since a Thursday, and how far into the hour: 0 to 1.
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
    /// The usual deviation from the long-term center at a time.
    #[inline]
    pub fn at(&self, at: Timestamp) -> f64 {
        let (hour, into) = hour_of(at);
        let day = |hour: i64| self.days.get(day_place(hour)).map_or(0.0, |hour| hour.believed());
        let daily = if self.step < HOUR / 2 {
            if into < 0.5 {
                day(hour - 1) * (0.5 - into) + day(hour) * (0.5 + into)
            } else {
                day(hour) * (1.5 - into) + day(hour + 1) * (into - 0.5)
            }
        } else {
            day(hour)
        };
        daily + self.weeks.get(week_place(hour)).map_or(0.0, |hour| hour.believed())
    }

    /// Learns a deviation from the long-term center, whose scale is `long.scale`.
    #[inline]
    pub fn learn(&mut self, at: Timestamp, deviation: f64, long: Reference) {
        let (hour, _) = hour_of(at);
        let before = self.last.replace(at);
        if let Some(before) = before {
            let step = at.since(before);
            if step > 0 {
                self.step = step;
            }
        }
        let again = before.is_none_or(|before| hour_of(before).0 != hour);
        let most = if long.scale > 0.0 { CLIP * long.scale } else { f64::MAX };
        let clip = |error: f64| error.clamp(-most, most).clamp(-1e38, 1e38);
        let Some(day) = self.days.get_mut(day_place(hour)) else { return };
        day.learn(clip(deviation - f64::from(day.level)), again, DAYS);
        let rest = deviation - f64::from(day.level);
        if let Some(week) = self.weeks.get_mut(week_place(hour)) {
            week.learn(clip(rest - f64::from(week.level)), again, WEEKS);
        }
    }
}

impl From<Season> for Saved {
    fn from(season: Season) -> Self {
        let triples = |hours: Vec<Hour>| {
            hours.into_iter().map(|hour| (hour.level, hour.visits, hour.values)).collect()
        };
        Self {
            days: triples(season.days),
            weeks: triples(season.weeks),
            last: season.last,
            step: season.step,
        }
    }
}

impl TryFrom<Saved> for Season {
    type Error = Error;

    fn try_from(saved: Saved) -> Result<Self> {
        let hours = |triples: Vec<Triple>, len: usize| {
            if triples.len() != len {
                return Err(Error::argument("season", triples.len(), "24 hours, 168 of a week"));
            }
            if let Some((bad, ..)) = triples.iter().find(|(level, ..)| !level.is_finite()) {
                return Err(Error::argument("season", bad, "finite levels"));
            }
            let hour = |(level, visits, values)| Hour { level, visits, values };
            Ok(triples.into_iter().map(hour).collect())
        };
        Ok(Self {
            days: hours(saved.days, HOURS)?,
            weeks: hours(saved.weeks, WEEK)?,
            last: saved.last,
            step: saved.step,
        })
    }
}
