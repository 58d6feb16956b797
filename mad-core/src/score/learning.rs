//! Whether a signal learns: an outage is not learnt, a stable and harmless new level is accepted.

use serde::{Deserialize, Serialize};

use super::Learn;
use super::long_memory::LongMemory;
use crate::config::ScoreConfig;
use crate::robust::quantile_sorted;
use crate::series::SignalKind;
use crate::time::{SECOND, Timestamp};

/// Values of a signal that are learnt in full, whatever they look like. Values clipped to the range
/// of one or two earlier ones would keep that range narrow for good.
pub(super) const LEARNT_IN_FULL: usize = 20;
/// Most anomalous values of an episode that are learnt clipped. More of them would move a window of
/// 240 values, and at one value a second they come within seconds.
const MOST_CLIPPED: u32 = 15;
/// Factor of both for gauges, whose levels move by themselves. It is the smallest that costs nothing
/// on public gauges.
const GAUGE_PATIENCE: u32 = 4;
/// Anomalous values of a gauge that a level needs, however long a step is.
const LEAST_OF_GAUGE: u32 = 5;
/// Values over which the share of anomalous values of an episode is averaged.
const SHARE_VALUES: u32 = 16;
/// Values of a stretch that are needed to accept it.
const LEAST_VALUES: usize = 20;
/// Share of anomalous values below which an episode is spikes and no level any more.
const SPIKES_ONLY: f64 = 0.15;
/// Largest factor of a latency that is accepted as a new level.
const SLOWEST: f64 = 2.0;
/// Smallest factor of a count that is accepted as a new level.
const FEWEST: f64 = 0.5;

/// The times of learning, nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LearningTimes {
    suspend: i64,
    recover: i64,
    accept: i64,
    accept_gauge: i64,
}

impl LearningTimes {
    /// The times of a config.
    pub fn of(config: &ScoreConfig) -> Self {
        let nanos = |seconds: f64| (seconds * SECOND as f64) as i64;
        Self {
            suspend: nanos(60.0 * config.suspend_after_minutes),
            recover: nanos(60.0 * config.recover_after_minutes),
            accept: nanos(3_600.0 * config.accept_after_hours),
            accept_gauge: nanos(3_600.0 * config.accept_gauge_after_hours),
        }
    }

    /// Time after which a new level of a kind is accepted, if its baseline rests on `known`
    /// nanoseconds; `None` for a kind of which no level is accepted by waiting.
    fn accept_after(self, kind: SignalKind, known: i64) -> Option<i64> {
        match kind {
            SignalKind::Rate => None,
            SignalKind::Latency | SignalKind::Count => Some(self.accept),
            // A short past has less weight than a long one.
            SignalKind::Gauge | SignalKind::Events => {
                Some(known.clamp(self.accept.min(self.accept_gauge), self.accept_gauge))
            }
        }
    }
}

/// Decides how each value of one signal is learnt, by the signal's own evidence.
///
/// # Method
///
/// An *episode* begins with an anomalous value and ends when no value was anomalous for
/// `recover_after`.
///
/// 1. *Active.* An anomalous value of an episode is learnt clipped, any other in full.
/// 2. *Suspended.* After `suspend_after`, or after 15 anomalous values, nothing is learnt, so that
///    an outage is judged by the baseline from before it for as long as it lasts. Gauges are given
///    four times as much. An episode of which few values are anomalous is not suspended: those are
///    spikes and no level.
/// 3. *Accepted.* After `accept_after` the level of the episode becomes the baseline if it is stable
///    (the medians of its halves agree within one scale) and harmless: a latency at most doubled, a
///    count not below half. A rate of errors is never accepted by waiting.
///
/// All durations are times, so that a step of a second and one of an hour behave alike.
///
/// # Small samples
///
/// The first 20 values are learnt in full. A level of fewer than 20 values is not accepted. A level
/// that is not stable is looked at again after the same time.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Learning {
    first: Option<Timestamp>,
    episode: Option<Box<Episode>>,
}

/// A run of anomalous values.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Episode {
    since: Timestamp,
    newest_anomalous: Timestamp,
    /// Values, and anomalous ones of them.
    values: u32,
    anomalous: u32,
    /// Share of anomalous values among about the last 16.
    share: f64,
    /// Whether nothing is learnt.
    suspended: bool,
    /// Begin and values of the level that may be accepted.
    level_since: Timestamp,
    level: LongMemory,
}

/// A value that is about to be learnt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Observed {
    pub at: Timestamp,
    pub value: f64,
    /// The value that the baseline expects.
    pub expected: f64,
    /// Whether the signal's own evidence says that the value is anomalous.
    pub is_anomalous: bool,
}

/// How a value is learnt.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Lesson {
    /// Learn it like this.
    Learn(Learn),
    /// Nothing is learnt from now on.
    Suspend,
    /// The values of a new level replace the baseline.
    Accept(Vec<f64>),
}

impl Learning {
    /// Decides about a value of a signal that knows `points` values.
    pub fn step(
        &mut self,
        one: Observed,
        kind: SignalKind,
        points: usize,
        times: LearningTimes,
    ) -> Lesson {
        let Observed { at, is_anomalous, .. } = one;
        let first = *self.first.get_or_insert(at);
        if points < LEARNT_IN_FULL {
            self.episode = None;
            return Lesson::Learn(Learn::Full);
        }
        let Some(episode) = &mut self.episode else {
            if is_anomalous {
                self.episode = Some(Box::new(Episode::new(at)));
            }
            return Lesson::Learn(clipped_if(is_anomalous));
        };
        if !is_anomalous && at.since(episode.newest_anomalous) >= times.recover {
            self.episode = None;
            return Lesson::Learn(Learn::Full);
        }
        episode.count(at, is_anomalous);
        if !episode.suspended {
            if episode.is_long(at, kind, times) && episode.share >= least_share(kind) {
                episode.suspend(at, one.value);
                return Lesson::Suspend;
            }
            return Lesson::Learn(clipped_if(is_anomalous));
        }
        episode.level.push(one.value);
        let accept_after = times.accept_after(kind, episode.since.since(first));
        if accept_after.is_some_and(|after| at.since(episode.level_since) >= after)
            && let Some(level) = episode.stable_level()
            && is_harmless(kind, &level, one.expected)
        {
            self.episode = None;
            return Lesson::Accept(level);
        }
        // Mostly normal values: the others are spikes.
        episode.suspended = episode.share >= SPIKES_ONLY;
        Lesson::Learn(Learn::Skip)
    }

    /// How long the signal has been known at a time, nanoseconds.
    pub fn known_for(&self, at: Timestamp) -> i64 {
        self.first.map_or(0, |first| at.since(first))
    }

    /// Ends the episode: another baseline takes the place of the one that it was judged by.
    pub fn end(&mut self) {
        self.episode = None;
    }

    /// Since when values have been anomalous, if they are.
    pub fn anomalous_since(&self) -> Option<Timestamp> {
        self.episode.as_ref().map(|episode| episode.since)
    }

    /// Ends the episode and returns the values of its level, for a person who accepts it; `None` if
    /// the signal learns.
    pub fn accept(&mut self) -> Option<Vec<f64>> {
        let episode = self.episode.take_if(|episode| episode.suspended)?;
        Some(episode.level.in_order())
    }
}

impl Episode {
    fn new(at: Timestamp) -> Self {
        Self {
            since: at,
            newest_anomalous: at,
            values: 1,
            anomalous: 1,
            share: 1.0,
            suspended: false,
            level_since: at,
            level: LongMemory::default(),
        }
    }

    fn count(&mut self, at: Timestamp, is_anomalous: bool) {
        self.values = self.values.saturating_add(1);
        if is_anomalous {
            self.anomalous = self.anomalous.saturating_add(1);
            self.newest_anomalous = at;
        }
        let weight = 1.0 / f64::from(self.values.min(SHARE_VALUES));
        self.share += (f64::from(u8::from(is_anomalous)) - self.share) * weight;
    }

    /// Whether it lasts long enough to be an outage.
    fn is_long(&self, at: Timestamp, kind: SignalKind, times: LearningTimes) -> bool {
        let (patience, least) =
            if kind == SignalKind::Gauge { (GAUGE_PATIENCE, LEAST_OF_GAUGE) } else { (1, 2) };
        let after = times.suspend.saturating_mul(i64::from(patience));
        let is_lasting = at.since(self.since) >= after && self.anomalous >= least;
        is_lasting || self.anomalous > patience * MOST_CLIPPED
    }

    fn suspend(&mut self, at: Timestamp, value: f64) {
        (self.suspended, self.level_since) = (true, at);
        self.level = LongMemory::default();
        self.level.push(value);
    }

    /// The values of the level if both halves have the same one. Otherwise the level begins again.
    fn stable_level(&mut self) -> Option<Vec<f64>> {
        let values = self.level.in_order();
        if values.len() < LEAST_VALUES {
            return None;
        }
        let (earlier, later) = values.split_at(values.len() / 2);
        let scale = self.level.baseline().map_or(0.0, |level| level.scale.max(level.tail));
        if (median_of(earlier) - median_of(later)).abs() <= scale {
            return Some(values);
        }
        self.level_since = self.newest_anomalous;
        self.level = LongMemory::default();
        None
    }
}

fn clipped_if(is_anomalous: bool) -> Learn {
    if is_anomalous { Learn::Clipped } else { Learn::Full }
}

/// Share of anomalous values from which on an episode is a level. The values of a rate are rows with
/// few errors among rows with none, so that a raised rate is not anomalous in every row.
const fn least_share(kind: SignalKind) -> f64 {
    if matches!(kind, SignalKind::Gauge) { 0.5 } else { 0.33 }
}

pub(super) fn median_of(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    quantile_sorted(&sorted, 0.5)
}

/// Whether a level may become normal without anyone saying so.
fn is_harmless(kind: SignalKind, level: &[f64], expected: f64) -> bool {
    let level = median_of(level);
    match kind {
        SignalKind::Latency => level <= SLOWEST * expected,
        SignalKind::Count => level >= FEWEST * expected,
        SignalKind::Gauge | SignalKind::Events => true,
        SignalKind::Rate => false,
    }
}
