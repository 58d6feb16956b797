//! Running totals: which series are totals, and their increase.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::series::Sample;
use crate::time::{MINUTE, SECOND, Timestamp, nanos_of};

/// Endings of names that mark a running total (`OpenMetrics` and Prometheus).
const SUFFIXES: [&str; 4] = ["_total", "_count", "_sum", "_bucket"];
/// Increases of a series without such a name until it is taken as a running total.
const MIN_RISES: u32 = 40;
/// How long such a series has to have grown without a fall.
const MIN_GROWTH: i64 = 60 * MINUTE;
/// A fall to at most this share of the total is a restart at 0.
const RESTART: f64 = 0.1;
/// Usual increases up to which a total may have grown within the step of its restart.
const RESTART_STEPS: f64 = 5.0;
/// Usual increases from which on a fall of a total is a drop. A smaller one shows that the series
/// goes up and down.
const DROP: f64 = 20.0;
/// Drops after which a series is no running total.
const MOST_DROPS: u8 = 3;
/// How long a total may stay below its highest reading before that is its new level.
const ACCEPTED_AFTER: i64 = 240 * MINUTE;
/// Increases after which it is decided whether a total counts rare events.
const DECIDED_AFTER: usize = 20;
/// Most increases of those that may be above [`RARE`].
const FEW: usize = 2;
/// Largest increase of a step that is still a small number of events.
const RARE: f64 = 20.0;
/// Mean increase of a step above which events are not rare any more.
const MANY: f64 = 100.0;
/// Increases over which the usual one is averaged.
const MEMORY: f64 = 50.0;
/// One of this many readings may be a fall of a total with such a name.
const ONE_IN: u64 = 10;

/// Why a series is taken as a running total.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Basis {
    /// The configuration says so: every fall is a restart.
    Declared,
    /// Its name ends like one.
    Named,
    /// It only grew.
    Observed,
}

/// How the increases of a total are judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Judged {
    /// Not decided yet; the increases of a step so far.
    Undecided(Vec<f32>),
    /// As a rate: the increase per second.
    Rate,
    /// As a number of rare events: the increase of a step.
    Events,
}

/// What a series turned out to be, so that it needs another scorer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum BecomesSeries {
    /// A level: it goes up and down.
    Level,
    /// A running total, judged by its rate.
    Rate,
    /// A running total of rare events, with its increases so far.
    Events(Vec<f32>),
}

/// Recognises a running total, such as `http_requests_total`, and turns its readings into increases.
///
/// # Which series are running totals
///
/// - One whose name ends in `_total`, `_count`, `_sum` or `_bucket`, unless it goes up and down.
/// - Any other series that grew 40 times within an hour or more and never fell, but to near 0.
///
/// # Increase
///
/// The increase per second since the highest reading. A reading near 0 (at most a tenth of the total,
/// or five usual increases) is a restart: it has no increase, and neither has the first reading.
///
/// A total without such a name that falls, but not to near 0, has a negative increase until it is
/// back at its highest reading, or for four hours. A fall by less than 20 usual increases, or the
/// third fall, shows that it is a level.
///
/// Totals of whole numbers with at most 20 events in most of the first 20 steps count rare events:
/// their sample is the increase of one step instead of one second. Names of amounts (`_sum`, bytes)
/// never do.
///
/// # Gaps and bad values
///
/// A reading that is not finite, or has no observation behind it, is passed on and forgotten. After
/// missing steps the increase is that of the mean step.
///
/// # Examples
///
/// ```
/// use mad_core::score::RunningTotal;
/// use mad_core::{Sample, Timestamp};
/// use std::time::Duration;
///
/// let mut total = RunningTotal::named("http_requests_total");
/// let mut increase = |minute: i64, reading: f64| {
///     let at = Timestamp::from_seconds(60 * minute);
///     total.increase(at, Sample { value: reading, n: 1 }, Duration::from_secs(60)).value
/// };
/// assert!(increase(0, 600.0).is_nan());
/// assert_eq!(increase(1, 720.0), 2.0);
/// assert!(increase(2, 12.0).is_nan(), "a restart");
/// assert_eq!(increase(3, 132.0), 2.0);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunningTotal {
    /// Why it is a total; `None` for a level.
    basis: Option<Basis>,
    judged: Judged,
    /// Whether the name says that it sums up amounts and counts no events.
    is_amount: bool,
    /// The highest reading since the last restart; of a level the last one.
    top: Option<(Timestamp, f64)>,
    /// Since when it lies below the highest reading.
    below_since: Option<Timestamp>,
    drops: u8,
    readings: u64,
    falls: u64,
    /// Fading mean of the increases of a step.
    usual: f64,
    /// Of a level: since when it has not fallen, and how often it rose since then.
    since: Timestamp,
    rises: u32,
    #[serde(skip)]
    becomes: Option<BecomesSeries>,
}

impl RunningTotal {
    /// A series whose name says whether it is a running total.
    pub fn named(metric: &str) -> Self {
        let is_total = SUFFIXES.iter().any(|suffix| metric.ends_with(suffix));
        Self::new(is_total.then_some(Basis::Named), metric)
    }

    /// A series that is a running total for certain.
    pub fn declared(metric: &str) -> Self {
        Self::new(Some(Basis::Declared), metric)
    }

    fn new(basis: Option<Basis>, metric: &str) -> Self {
        let counts = metric.ends_with("_count") || metric.ends_with("_bucket");
        let sums = metric.ends_with("_sum") || metric.contains("bytes");
        Self {
            basis,
            judged: Judged::Undecided(Vec::new()),
            is_amount: sums && !counts,
            top: None,
            below_since: None,
            drops: 0,
            readings: 0,
            falls: 0,
            usual: 0.0,
            since: Timestamp::default(),
            rises: 0,
            becomes: None,
        }
    }

    /// Whether the series is a running total.
    pub const fn is_total(&self) -> bool {
        self.basis.is_some()
    }

    /// What the last reading showed the series to be, if that is news.
    pub(crate) fn take_change(&mut self) -> Option<BecomesSeries> {
        self.becomes.take()
    }

    /// The sample that is judged: of a running total the increase since the highest reading, with the
    /// `n` of this reading; of a level the reading. `step` is the length of a step.
    pub fn increase(&mut self, at: Timestamp, reading: Sample, step: Duration) -> Sample {
        if !(reading.value.is_finite() && reading.n > 0) {
            return reading;
        }
        let Some(basis) = self.basis else {
            self.watch(at, reading.value);
            return reading;
        };
        self.readings += 1;
        let value = match self.top {
            None => self.restart(at, reading.value),
            Some((then, top)) if reading.value >= top => {
                self.grow(at, reading.value, (then, top), nanos_of(step))
            }
            Some((then, top)) => match self.fall(basis, at, reading.value, top) {
                Fall::Restart => self.restart(at, reading.value),
                Fall::Below => per_second(reading.value, top, at.since(then)),
                Fall::Level => {
                    self.become_level(at, reading.value);
                    return reading;
                }
            },
        };
        Sample { value, ..reading }
    }

    /// Begins at a reading, which has no increase.
    fn restart(&mut self, at: Timestamp, value: f64) -> f64 {
        (self.top, self.below_since) = (Some((at, value)), None);
        f64::NAN
    }

    /// The increase to a reading at or above the highest one.
    fn grow(&mut self, at: Timestamp, value: f64, top: (Timestamp, f64), step: i64) -> f64 {
        let (then, highest) = top;
        (self.top, self.below_since) = (Some((at, value)), None);
        let elapsed = at.since(then);
        let rate = per_second(value, highest, elapsed);
        if !rate.is_finite() {
            return f64::NAN;
        }
        let steps = (elapsed as f64 / step.max(1) as f64).round().max(1.0);
        let of_step = (value / 2.0 - highest / 2.0) / (steps / 2.0);
        let known = (self.readings as f64).clamp(1.0, MEMORY);
        self.usual += (of_step - self.usual) / known;
        let is_event = of_step.fract() == 0.0 || steps > 1.0;
        match &mut self.judged {
            Judged::Rate => rate,
            Judged::Events if self.usual <= MANY => of_step,
            Judged::Events => {
                (self.judged, self.becomes) = (Judged::Rate, Some(BecomesSeries::Rate));
                rate
            }
            Judged::Undecided(_) if self.is_amount || !is_event => {
                self.judged = Judged::Rate;
                rate
            }
            Judged::Undecided(so_far) => {
                so_far.push(of_step.min(f64::from(f32::MAX)) as f32);
                if so_far.len() < DECIDED_AFTER {
                    return rate;
                }
                let large = so_far.iter().filter(|one| f64::from(**one) > RARE).count();
                if large > FEW {
                    self.judged = Judged::Rate;
                    return rate;
                }
                self.becomes = Some(BecomesSeries::Events(std::mem::take(so_far)));
                self.judged = Judged::Events;
                of_step
            }
        }
    }

    /// What a reading below the highest one means.
    fn fall(&mut self, basis: Basis, at: Timestamp, value: f64, top: f64) -> Fall {
        let drop = top - value;
        let is_restart = value >= 0.0 && value <= (RESTART * top).max(RESTART_STEPS * self.usual);
        if self.below_since.is_none() {
            self.falls += 1;
        }
        // One that falls again and again goes up and down.
        let is_level = self.falls > 1 && self.falls * ONE_IN > self.readings;
        match basis {
            Basis::Declared => Fall::Restart,
            _ if is_level => Fall::Level,
            _ if is_restart => Fall::Restart,
            // A sum over several sources falls when one of them restarts.
            Basis::Named if self.readings > DECIDED_AFTER as u64 => Fall::Restart,
            Basis::Named => Fall::Level,
            Basis::Observed => {
                let Some(since) = self.below_since else {
                    self.drops += 1;
                    if drop < DROP * self.usual || self.drops >= MOST_DROPS {
                        return Fall::Level;
                    }
                    self.below_since = Some(at);
                    return Fall::Below;
                };
                if at.since(since) >= ACCEPTED_AFTER { Fall::Restart } else { Fall::Below }
            }
        }
    }

    /// Takes the series as a level from now on.
    fn become_level(&mut self, at: Timestamp, value: f64) {
        let level = Self { is_amount: self.is_amount, ..Self::new(None, "") };
        *self = Self { drops: MOST_DROPS, becomes: Some(BecomesSeries::Level), ..level };
        self.watch(at, value);
    }

    /// Watches whether a level only grows.
    #[inline]
    fn watch(&mut self, at: Timestamp, value: f64) {
        let Some((_, last)) = self.top.replace((at, value)) else {
            self.since = at;
            return;
        };
        if value > last {
            self.rises += 1;
            self.usual += (value - last - self.usual) / f64::from(self.rises).min(MEMORY);
            // A series that turned out to be a level stays one.
            let has_grown = self.rises >= MIN_RISES && at.since(self.since) >= MIN_GROWTH;
            if has_grown && self.drops < MOST_DROPS {
                self.basis = Some(Basis::Observed);
                (self.readings, self.falls) = (u64::from(self.rises), 0);
                self.becomes = Some(BecomesSeries::Rate);
                self.judged = Judged::Undecided(Vec::new());
            }
        } else if value < last {
            let is_restart = value >= 0.0 && value <= RESTART * last && self.rises > 1;
            if !is_restart {
                (self.since, self.rises, self.usual) = (at, 0, 0.0);
            }
        }
    }
}

/// What a fall of a total means.
enum Fall {
    /// It restarted, or its new level is accepted.
    Restart,
    /// It is below its highest reading.
    Below,
    /// It is no total.
    Level,
}

/// The increase per second from one reading to another; NaN if it is not finite.
fn per_second(value: f64, before: f64, elapsed: i64) -> f64 {
    let seconds = elapsed as f64 / SECOND as f64;
    // Halves, so that the difference of two extremes does not overflow.
    let rate = (value / 2.0 - before / 2.0) / (seconds / 2.0);
    if rate.is_finite() { rate } else { f64::NAN }
}
