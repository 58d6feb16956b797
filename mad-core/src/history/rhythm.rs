//! The rhythm of an entity: how often it has rows, and for how long it was silent before.

use serde::{Deserialize, Serialize};

use crate::config::SeasonConfig;
use crate::score::Gaps;
use crate::time::{DAY, HOUR, MINUTE, Timestamp};

/// Gaps remembered: half an hour of rows once a minute.
const GAPS: usize = 32;
/// Times between rows remembered, for their median.
const INTERVALS: usize = 9;
/// Days of which the longest gap is remembered, so that a weekly pause is known.
const DAYS: usize = 8;
/// Silences remembered: more than a week of one each night.
const SILENCES: usize = 10;
/// `-log10 p` of a gap that is a silence, for an entity that never missed more than one row. Its
/// gaps are regular, so that a gap of one in 10,000 is far beyond all of them.
const REGULAR: f64 = 4.0;
/// `-log10 p` of a gap that is a silence, for all others. Gaps between requests that arrive at
/// random are judged once a row, so one in 10,000 would be a false alarm every few days.
const RANDOM: f64 = 5.0;
/// Tolerance of the time of day at which a known silence begins.
const JITTER: i64 = 30 * MINUTE;

/// How often an entity has rows.
///
/// # Method
///
/// The last 32 gaps between rows and the longest gap of each of the last 8 days are judged as
/// [`SilenceScorer`](crate::score::SilenceScorer) does. Gaps are counted in steps in which *any*
/// entity of the partition had rows, so that a hole in the collection of all of them is no gap.
/// A gap with a probability of 1 in 100,000 is a silence; of 1 in 10,000 for an entity that never
/// missed more than one row in a row. With a row in every step that is after five empty steps, and
/// for a job every half hour after five missed runs.
///
/// # Expected silences
///
/// A silence is expected if an earlier one covered the same time of day on two days before, or the
/// same time of the week one week before, or if the last three silences began at equal distances of
/// an hour or more, and this one begins at the same distance and is no longer than they were.
///
/// # Small samples
///
/// Without a gap nothing is known and nothing is silent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rhythm {
    /// The last gaps, in steps.
    gaps: Vec<u32>,
    /// Place of the oldest gap once there are [`GAPS`] of them.
    oldest: u8,
    /// The longest gap of each day: the day since 1970 and the gap.
    days: Vec<(i32, u32)>,
    /// The newest row.
    newest: Option<Timestamp>,
    /// The last times between rows, nanoseconds.
    intervals: Vec<i64>,
    /// Begin and end of the last silences.
    silences: Vec<(Timestamp, Timestamp)>,
    /// The median gap, in steps; 0 without a gap.
    usual: u32,
    /// The shortest gap that is a silence, in steps; 0 if it is not known.
    silent_from: u32,
}

impl Rhythm {
    /// The median gap between rows, in steps: 1 for a row in every step.
    pub fn usual(&self) -> u32 {
        self.usual.max(1)
    }

    /// The median time between the last rows, nanoseconds; 0 without one. It includes the time in
    /// which no entity had rows.
    pub fn interval(&self) -> i64 {
        let mut intervals = self.intervals.clone();
        intervals.sort_unstable();
        intervals.get(intervals.len() / 2).copied().unwrap_or(0)
    }

    /// Notes that there is a row at `at`.
    pub fn has_row(&mut self, at: Timestamp) {
        if let Some(newest) = self.newest.replace(at).filter(|newest| *newest < at) {
            if self.intervals.len() >= INTERVALS {
                self.intervals.remove(0);
            }
            self.intervals.push(at.since(newest));
        }
    }

    /// The shortest gap that is a silence, in steps. `None` if no gap is known.
    pub fn silent_from(&self) -> Option<u32> {
        (self.silent_from > 0).then_some(self.silent_from)
    }

    /// `-log10 p` of a gap at least this long.
    pub fn neg_log10_p(&self, gap: u32) -> f64 {
        let (sorted, longest) = self.sorted();
        Gaps::with_longest(&sorted, longest).map_or(0.0, |past| past.neg_log10_p(f64::from(gap)))
    }

    /// Learns the gap that a row at `at` ended.
    pub fn learn(&mut self, gap: u32, at: Timestamp) {
        let day = at.floor(DAY).nanos().div_euclid(DAY) as i32;
        let mut is_new = true;
        if let Some((_, longest)) = self.days.iter_mut().find(|(known, _)| *known == day) {
            is_new = gap > *longest;
            *longest = gap.max(*longest);
        } else {
            self.days.retain(|(known, _)| day - known < DAYS as i32);
            self.days.push((day, gap));
        }
        if self.gaps.len() < GAPS {
            self.gaps.push(gap);
        } else if let Some(oldest) = self.gaps.get_mut(usize::from(self.oldest)) {
            is_new |= *oldest != gap;
            *oldest = gap;
            self.oldest = (self.oldest + 1) % GAPS as u8;
            if !is_new {
                return;
            }
        }
        self.refresh();
    }

    /// Remembers a silence. Its gap is learnt only if it was hardly longer than a usual one, as it
    /// is when traffic decreases: an outage is no usual gap.
    pub fn learn_silence(&mut self, gap: u32, since: Timestamp, at: Timestamp) {
        if gap <= self.silent_from.saturating_add(self.silent_from / 2) {
            self.learn(gap, at);
        }
        if self.silences.len() >= SILENCES {
            self.silences.remove(0);
        }
        self.silences.push((since, at));
    }

    /// Whether the silence that began at `since` and lasts at `at` is like earlier ones. Times of
    /// day are those of the zone of the season.
    pub fn is_expected(&self, since: Timestamp, at: Timestamp, zone: &SeasonConfig) -> bool {
        let covers = |back: i64| {
            let (since, at) = (zone.local(since).plus(-back), zone.local(at).plus(-back));
            self.silences.iter().any(|(begin, end)| {
                let (begin, end) = (zone.local(*begin), zone.local(*end));
                begin.plus(-JITTER) <= since && at <= end.plus(JITTER)
            })
        };
        let days = (1..=7).filter(|days| covers(days * DAY)).count();
        days >= 2 || covers(7 * DAY) || self.is_in_phase(since, at)
    }

    /// Whether the last three silences and this one follow one period of an hour or more.
    fn is_in_phase(&self, since: Timestamp, at: Timestamp) -> bool {
        let [.., first, second, third] = self.silences.as_slice() else { return false };
        let period = third.0.since(second.0);
        let near = |length: i64| (length - period).abs() <= period / 10;
        let longest = [first, second, third].iter().map(|one| one.1.since(one.0)).max();
        period >= HOUR
            && near(second.0.since(first.0))
            && near(since.since(third.0))
            && longest.is_some_and(|longest| at.since(since) <= longest + longest / 10)
    }

    fn sorted(&self) -> (Vec<f64>, f64) {
        let mut sorted: Vec<f64> = self.gaps.iter().map(|gap| f64::from(*gap)).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let longest = self.days.iter().map(|(_, gap)| *gap).max();
        (sorted, longest.map_or(0.0, f64::from))
    }

    fn refresh(&mut self) {
        let (sorted, longest) = self.sorted();
        let Some(past) = Gaps::with_longest(&sorted, longest) else { return };
        self.usual = past.usual.round() as u32;
        let is_regular = longest <= 2.0 * past.usual.max(1.0);
        let most = past.longest_expected(if is_regular { REGULAR } else { RANDOM });
        self.silent_from = most.min(f64::from(u32::MAX - 1)) as u32 + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_nanos(minute * MINUTE)
    }

    fn utc() -> SeasonConfig {
        SeasonConfig::default()
    }

    fn every(gap: u32, rows: i64) -> Rhythm {
        let mut rhythm = Rhythm::default();
        for row in 1..=rows {
            rhythm.learn(gap, at(row * i64::from(gap)));
        }
        rhythm
    }

    #[test]
    fn a_row_in_every_step_is_missed_after_five_empty_steps() {
        assert_eq!(every(1, 60).silent_from(), Some(6));
        assert_eq!(Rhythm::default().silent_from(), None);
    }

    #[test]
    fn a_job_is_missed_after_some_periods_and_never_on_time() {
        let rhythm = every(30, 40);
        assert_eq!(rhythm.usual(), 30);
        assert!((150..210).contains(&rhythm.silent_from().unwrap()), "{rhythm:?}");
    }

    #[test]
    fn a_burst_is_missed_when_it_is_silent_for_longer_than_ever() {
        let mut rhythm = Rhythm::default();
        for hour in 0..20 {
            for minute in 0..10 {
                rhythm.learn(if minute == 0 { 51 } else { 1 }, at(60 * hour + minute));
            }
        }
        assert!(rhythm.silent_from().unwrap() > 60);
    }

    #[test]
    fn the_third_night_of_silence_is_expected() {
        let mut rhythm = every(1, 60);
        let night = |day: i64| (at(1440 * day + 1320), at(1440 * day + 1800));
        for day in 0..2 {
            let (since, back) = night(day);
            assert!(!rhythm.is_expected(since, since.plus(10 * MINUTE), &utc()));
            rhythm.learn_silence(100, since, back);
        }
        let (since, back) = night(2);
        assert!(rhythm.is_expected(since, back, &utc()));
        assert!(!rhythm.is_expected(since, back.plus(3 * HOUR), &utc()));
        assert!(!rhythm.is_expected(since.plus(-8 * HOUR), since.plus(-7 * HOUR), &utc()));
        assert_eq!(rhythm.silent_from(), Some(6), "a silence is no usual gap");
    }

    #[test]
    fn a_silence_of_the_night_moves_with_the_clocks_of_a_zone() {
        // The clocks go forward after the fourth night, so that it is silent an hour earlier by UTC.
        let change = 1440 * 4;
        let zone = SeasonConfig {
            zone: "north".to_owned(),
            offsets: vec![(0, 3_600), (60 * change, 7_200)],
        };
        let night = |day: i64| {
            let earlier = if day >= 4 { 60 } else { 0 };
            (at(1440 * day + 1320 - earlier), at(1440 * day + 1800 - earlier))
        };
        let mut rhythm = every(1, 60);
        // Distances of one and two days, so that no period explains the next silence.
        for day in [0, 1, 3] {
            let (since, back) = night(day);
            rhythm.learn_silence(100, since, back);
        }
        let (since, back) = night(4);
        assert!(rhythm.is_expected(since, back, &zone));
        let early = since.plus(50 * MINUTE);
        assert!(!rhythm.is_expected(since, early, &utc()), "by UTC it begins an hour early");
    }

    #[test]
    fn silences_at_equal_distances_are_expected_unless_they_flap() {
        for (period, expected) in [(360, true), (25, false)] {
            let mut rhythm = every(1, 60);
            let of = |n: i64| (at(period * n), at(period * n + period / 2));
            for n in 0..3 {
                let (since, back) = of(n);
                assert!(!rhythm.is_expected(since, back, &utc()));
                rhythm.learn_silence(100, since, back);
            }
            let (since, back) = of(3);
            assert_eq!(rhythm.is_expected(since, back, &utc()), expected);
        }
    }
}
