//! Hosts that stopped sending while others continue, and for which the watermark waits.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::source_clocks::SourceId;
use crate::config::FeatureConfig;
use crate::time::{SECOND, Timestamp};

/// Event time for which a host has to send regularly before its silence is unexpected.
const STEADY: i64 = 60 * SECOND;
/// Longest pause of a host that sends regularly, at least and at most. Within these limits it is the
/// lateness, because the watermark has not passed a shorter pause.
const LEAST_PAUSE: i64 = 2 * SECOND;
const MOST_PAUSE: i64 = 10 * SECOND;
/// Event time in which a host that returned sends what it kept, at most. It covers the longest pause
/// between two attempts of usual senders.
const CATCH_UP: i64 = 20 * SECOND;
/// Waits in a row for hosts that did not return, after which the watermark waits for none until one
/// returns with records of its silence.
const IN_VAIN: u32 = 3;
/// Event time between two looks at all hosts, at least.
const LOOK: i64 = SECOND / 2;

/// The regular records of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Regular {
    /// The first and the newest reading of the time in which it was regular, nanoseconds.
    since: i64,
    last: i64,
    /// The time to catch up; None outside of it.
    catches_up: Option<CatchUp>,
}

/// The time in which a host that returned sends what it kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct CatchUp {
    /// The time of the others at which it ends.
    ends: i64,
    /// The clock at which it ends at last.
    latest: i64,
    /// The newest reading in it.
    newest: i64,
    /// How far that was behind the others when the time to catch up was set.
    behind: i64,
    /// Whether the silence before was long enough for an outage.
    is_outage: bool,
}

/// Decides for which hosts the watermark waits, in event time.
///
/// # Method
///
/// A host is *regular* when its records came on time (not behind the clock by more than the
/// lateness) for 60 seconds, without a pause longer than the lateness (2 to 10 seconds). When the
/// clock is further than such a pause ahead of its newest reading, it is *missed*: the watermark
/// stays at that reading, for at most `wait_for_source_seconds` of the clock. When a missed host
/// sends again, the watermark stays for as long as the silence lasted, at most 20 seconds more, in
/// which the host catches up. After a silence of more than 20 seconds it stays for 20 seconds more
/// each time the host has come nearer to the others by the longest pause of a regular one, so that a
/// host that needs several batches loses none of them. This lasts for `wait_for_source_seconds` at
/// most. It is measured by the newest right reading of all hosts, because the clock lags behind it
/// by a varying time. If the host is not on time then, or was silent for less than 20 seconds, it
/// has to be regular for 60 seconds before it is missed again, so that a host that lags all the
/// time delays nothing.
///
/// A host that does not return within the time was waited for in vain. After three such waits in a
/// row the watermark waits for no host until one returns late with records of its silence: where
/// hosts are replaced, such as pods, waiting gains nothing.
///
/// # Limits
///
/// Entities without a host are not missed, because a service that stops is no sender that is cut
/// off. Hosts beyond the cap are not missed either.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct SourceWaits {
    longest: i64,
    lateness: i64,
    cap: usize,
    hosts: BTreeMap<u32, Regular>,
    in_vain: u32,
    /// The newest reading of the host that was waited for in vain last.
    lost: Option<i64>,
    /// The newest reading of the host that is missed for longest.
    missed: Option<i64>,
    /// The clock from which on the hosts are looked at again.
    look_at: i64,
    /// The time of the others at which the first time to catch up ends.
    ends_at: Option<i64>,
    /// The newest right reading of all hosts, nanoseconds. While a host sends old records, that of the
    /// window lags.
    now: i64,
    /// The host of the newest record and the second of its reading.
    newest: Option<(u32, i64)>,
}

impl SourceWaits {
    pub fn new(config: &FeatureConfig, cap: usize) -> Self {
        Self {
            longest: config.wait_for_source_nanos(),
            lateness: config.lateness_nanos(),
            cap,
            hosts: BTreeMap::new(),
            in_vain: 0,
            lost: None,
            missed: None,
            look_at: i64::MIN,
            ends_at: None,
            now: i64::MIN,
            newest: None,
        }
    }

    /// Takes the reading of a record, late or not. `now` is the newest right reading of all hosts.
    pub fn observe(
        &mut self,
        source: SourceId,
        reading: Timestamp,
        clock: Timestamp,
        now: Timestamp,
    ) {
        let SourceId::Host(host) = source else { return };
        let (at, clock) = (reading.nanos(), clock.nanos());
        let newest = Some((host, at.div_euclid(SECOND)));
        if self.longest == 0 || newest == self.newest {
            return;
        }
        self.newest = newest;
        let now = self.pass(now);
        let is_on_time = at >= clock.saturating_sub(self.lateness);
        let pause = self.pause();
        let Some(known) = self.hosts.get_mut(&host) else {
            if is_on_time && self.hosts.len() < self.cap {
                self.hosts.insert(host, Regular { since: at, last: at, catches_up: None });
            }
            return;
        };
        if let Some(catches_up) = &mut known.catches_up {
            catches_up.advance(at, now, pause);
            return;
        }
        let silence = clock.saturating_sub(known.last);
        if known.is_missed(clock, pause, self.longest) {
            if !is_on_time {
                self.in_vain = 0;
            }
            let ends = now.saturating_add(silence.min(CATCH_UP));
            known.catches_up = Some(CatchUp {
                ends,
                latest: clock.saturating_add(self.longest),
                newest: at,
                behind: now.saturating_sub(at),
                is_outage: silence > CATCH_UP,
            });
            self.ends_at = Some(self.ends_at.map_or(ends, |first| first.min(ends)));
        } else if is_on_time {
            if at.saturating_sub(known.last) > pause {
                known.since = at;
            }
            known.last = known.last.max(at);
        }
    }

    /// The reading at which the watermark waits; None where no host is missed.
    pub fn until(&mut self, clock: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let (clock, now) = (clock.nanos(), self.pass(now));
        if clock >= self.look_at || self.ends_at.is_some_and(|ends| now >= ends) {
            self.look(clock, now);
        }
        self.missed.map(Timestamp::from_nanos)
    }

    /// The time of the others, which never moves back.
    fn pass(&mut self, now: Timestamp) -> i64 {
        self.now = self.now.max(now.nanos());
        self.now
    }

    fn look(&mut self, clock: i64, now: i64) {
        let pause = self.pause();
        let Self { longest, in_vain, lost, .. } = self;
        let longest = *longest;
        let mut missed: Option<i64> = None;
        let mut next = clock.saturating_add(pause);
        let mut first_end: Option<i64> = None;
        self.hosts.retain(|_, host| {
            let last = host.last;
            if let Some(CatchUp { ends, latest, newest, is_outage, .. }) = host.catches_up {
                if now >= ends || clock >= latest {
                    // one that is on time again after an outage is regular
                    let is_regular = is_outage && clock.saturating_sub(newest) <= pause;
                    let (since, last) =
                        if is_regular { (host.since, newest) } else { (clock, clock) };
                    *host = Regular { since, last, catches_up: None };
                } else {
                    missed = Some(missed.map_or(last, |missed| missed.min(last)));
                    next = next.min(latest);
                    first_end = Some(first_end.map_or(ends, |first| first.min(ends)));
                }
                return true;
            }
            if clock.saturating_sub(last) <= pause {
                next = next.min(last.saturating_add(pause).saturating_add(1));
                return true;
            }
            if host.is_missed(clock, pause, longest) {
                if *in_vain < IN_VAIN {
                    missed = Some(missed.map_or(last, |missed| missed.min(last)));
                }
                next = next.min(last.saturating_add(longest).saturating_add(1));
                return true;
            }
            if host.is_steady() {
                // hosts that stopped together are one wait
                if lost.is_none_or(|lost| lost.abs_diff(last) > pause.unsigned_abs()) {
                    *in_vain = in_vain.saturating_add(1);
                }
                *lost = Some(last);
            }
            false
        });
        self.missed = missed;
        self.ends_at = first_end;
        self.look_at = next.max(clock.saturating_add(LOOK));
    }

    fn pause(&self) -> i64 {
        self.lateness.clamp(LEAST_PAUSE, MOST_PAUSE)
    }
}

impl CatchUp {
    /// Takes a reading of the host, and gives it more time when it comes nearer to the others.
    fn advance(&mut self, at: i64, now: i64, pause: i64) {
        self.newest = self.newest.max(at);
        let behind = now.saturating_sub(self.newest);
        if self.is_outage && behind.saturating_add(pause) <= self.behind {
            self.behind = behind;
            self.ends = self.ends.max(now.saturating_add(CATCH_UP));
        }
    }
}

impl Regular {
    fn is_steady(&self) -> bool {
        self.last.saturating_sub(self.since) >= STEADY
    }

    /// Whether it was regular and is silent, for at most the longest wait.
    fn is_missed(&self, clock: i64, pause: i64, longest: i64) -> bool {
        let silence = clock.saturating_sub(self.last);
        self.is_steady() && silence > pause && silence <= longest
    }
}
