//! A clock that follows a quorum of sources, so that no source with a wrong clock moves it.
//!
//! The file is longer than others because a third of it describes the method.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::source_clocks::{SourceClocks, SourceId};
use crate::config::FeatureConfig;
use crate::time::{SECOND, Timestamp};

/// Records before the clock starts.
const STARTS: u32 = 8;
/// Most votes, and most readings of one turn.
const MOST: usize = 32;
/// Event time that the votes span, where no record was out of order lately: the clock lags behind
/// the newest records by half of it, or by 16 turns where those are shorter.
const CALM: i64 = 40 * SECOND;
/// The same while records are out of order.
const TROUBLED: i64 = 240 * SECOND;
/// Records for which the votes span [`TROUBLED`] after one that was out of order.
const TROUBLE_LASTS: u32 = 1_024;
/// From this many votes on more than half of them decide; of fewer votes all have to agree.
const MAJORITY_FROM: usize = 8;
/// Votes that decide about a jump further ahead than a record may be dated, and how many of them
/// have to agree. A larger share than otherwise, because a jump makes all other records late.
const JUMP_VOTES: usize = 16;
const JUMP_AGREE: usize = 12;
/// Event time after which the turns of other sources leave, where one source alone sends: no record
/// of theirs comes that could be late.
const ALONE: i64 = 60 * SECOND;
/// Turns from which on their least length is that of a sender's batches.
const USUAL_FROM: usize = 4;
/// A clock that moves by this much beyond its usual lag at once has jumped, nanoseconds.
const JUMP: i64 = 60 * SECOND;
/// Turns of a source without progress after which it is frozen.
const FROZEN_TURNS: u32 = 8;

/// A run of records of one source that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Turn {
    source: SourceId,
    vote: i64,
    /// How far its readings came, nanoseconds.
    span: i64,
}

/// The run of records of one source that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Run {
    source: SourceId,
    /// The newest readings, the newest last.
    readings: VecDeque<i64>,
    first: i64,
    records: u32,
}

/// Progress of a source over its turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    source: SourceId,
    /// The newest vote, or the one to which its clock was set back.
    vote: i64,
    /// The vote from which it has not moved.
    anchor: i64,
    /// `passed` when it moved there.
    since: i64,
    /// Turns since then.
    turns: u32,
}

/// Event time by the agreement of sources.
///
/// # Method
///
/// A *source* is the host of a record, else its entity. A *turn* is a run of consecutive records of
/// one source, and its vote is the quorum of its last 32 readings. A source has at most half of
/// the turns, because consecutive turns are of different sources: no single source moves the clock,
/// whatever it sends.
///
/// The clock is the quorum of the last `n` votes. `n` is how many turns come in 40 seconds of event
/// time, 2 to 32. Of fewer than 8 votes, the clock is the smallest; else it is the vote that more
/// than half of them have reached. It never moves back. While records are out of order, the votes
/// span four minutes.
///
/// Votes further ahead than `reach` do not count until 12 of the last 16 are. Late records form no
/// turns. A source that stands still for 8 turns, while three times the lateness passes on the clocks
/// of all on average, is *frozen*: its records form no turns until it moves. Where one source alone sends for
/// a minute, or for four times the shortest of the last turns, the turns of the others leave.
///
/// # Cost
///
/// The votes are sorted only when a record passes the end of an open step, or the clock by more
/// than its usual lag. Other records are appended to their run.
///
/// # Limits
///
/// Of two sources that disagree, the slower one decides up to `reach`. Nothing says which is right.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct QuorumClock {
    lateness: i64,
    /// How far ahead of the clock a record may be dated, at least.
    ahead: i64,
    clock: Option<Timestamp>,
    records: u32,
    turns: VecDeque<Turn>,
    run: Option<Run>,
    progress: VecDeque<Progress>,
    /// Event time that has passed on the clocks of all sources, on average.
    passed: i64,
    /// Event time between turns, nanoseconds.
    spacing: i64,
    /// A reading beyond it makes the clock be worked out.
    refresh_at: Timestamp,
    /// Records for which the votes still span more time.
    trouble: u32,
    /// By how much the clock moves at once: a fading maximum, nanoseconds. Sources that send at the
    /// same moments, such as scraped metrics, are ahead of the clock by their interval each time.
    stride: i64,
    pub sources: SourceClocks,
    /// The latest reading that was right, of this turn or the last reading that the turn before agreed
    /// with. The clock lags behind it by minutes where one source alone sends, or two that are rarely
    /// there together. A turn begins at its own first reading, so that a clock that runs ahead step by
    /// step takes no other source along.
    right: Option<i64>,
}

impl QuorumClock {
    pub fn new(config: &FeatureConfig, sources: usize) -> Self {
        let ahead = config.max_ahead_nanos().min(config.step_nanos().saturating_mul(64));
        Self {
            lateness: config.lateness_nanos(),
            ahead,
            clock: None,
            records: 0,
            turns: VecDeque::new(),
            run: None,
            progress: VecDeque::new(),
            passed: 0,
            spacing: 0,
            refresh_at: Timestamp::MIN,
            trouble: 0,
            stride: 0,
            sources: SourceClocks::new(sources),
            right: None,
        }
    }

    /// The clock, from the eighth record on.
    pub fn clock(&self) -> Option<Timestamp> {
        self.clock
    }

    /// How far ahead of the clock a record may be dated: `max_ahead` or 64 steps, whichever is less,
    /// and at least the time in which 16 turns come.
    pub fn reach(&self) -> i64 {
        self.ahead.max(self.spacing.saturating_mul(16))
    }

    /// Event time between turns, nanoseconds; between records where one source alone sends.
    pub fn spacing(&self) -> i64 {
        self.spacing
    }

    /// The newest reading that was right, or the clock where that is later.
    pub fn newest_right(&self) -> Option<Timestamp> {
        let right = self.right.map(Timestamp::from_nanos);
        self.clock.map(|clock| right.map_or(clock, |right| right.max(clock)))
    }

    /// The latest time of a right source.
    pub fn plausible(&self) -> Timestamp {
        let beyond = self.lateness.saturating_add(self.lag());
        self.clock.map_or(Timestamp::MAX, |clock| clock.plus(beyond))
    }

    /// Takes the reading of a record that is not late. `boundary` is the time from which on the
    /// clock closes a step. Returns false where the source stands still, so that the reading says
    /// nothing.
    pub fn observe(&mut self, source: SourceId, reading: Timestamp, boundary: Timestamp) -> bool {
        self.trouble = self.trouble.saturating_sub(1);
        self.sources.saw(source);
        let at = reading.nanos();
        match &mut self.run {
            Some(run) if run.source == source => {
                run.records = run.records.saturating_add(1);
                // The last 32 readings are enough: an earlier one says less about the present.
                if run.readings.len() >= MOST {
                    run.readings.pop_front();
                }
                run.readings.push_back(at);
            }
            _ => {
                // A clock that stands still would hold all others back.
                if self.is_frozen(source, at) {
                    return false;
                }
                self.begin_turn(source, at);
                self.right = self.right.map(|right| right.min(at));
            }
        }
        if self.clock.is_none() {
            self.records += 1;
            // The first records may come from one wrong clock, and nothing contradicts it yet.
            if self.records < STARTS {
                return true;
            }
        // The clock cannot pass the end of a step by this reading, so the votes need not be sorted.
        } else if reading < boundary && reading < self.refresh_at {
            self.right = self.right.max(Some(at));
            return true;
        }
        self.work_out();
        self.judge_reading(source, reading);
        true
    }

    /// Notes a late record: it forms no turn.
    pub fn late(&mut self, source: SourceId, reading: Timestamp) {
        self.trouble = TROUBLE_LASTS;
        if let Some(clock) = self.clock {
            self.sources.saw(source);
            self.sources.off(source, reading.since(clock));
        }
    }

    /// Starts the clock at the end of a stream that was too short for it.
    pub fn settle(&mut self) {
        if self.run.is_some() {
            self.work_out();
        }
    }

    /// Event time has come to `at` without records.
    pub fn advance(&mut self, at: Timestamp) {
        if self.clock.is_some_and(|clock| at > clock) {
            self.set(at);
        }
    }

    /// Forgets sources that are entities whose ids are given to others.
    pub fn forget(&mut self, gone: &dyn Fn(SourceId) -> bool) {
        self.turns.retain(|turn| !gone(turn.source));
        self.progress.retain(|progress| !gone(progress.source));
        if self.run.as_ref().is_some_and(|run| gone(run.source)) {
            self.run = None;
        }
        self.sources.forget(gone);
    }

    fn begin_turn(&mut self, source: SourceId, at: i64) {
        let readings = match self.run.take() {
            Some(mut run) => {
                let vote = self.vote(&run);
                // The vote, not the newest reading: a single stray one does not lengthen the turn.
                let span = vote.saturating_sub(run.first).max(0);
                self.note_progress(run.source, vote);
                if self.turns.len() >= MOST {
                    self.turns.pop_front();
                }
                self.turns.push_back(Turn { source: run.source, vote, span });
                run.readings.clear();
                run.readings
            }
            None => VecDeque::with_capacity(MOST),
        };
        let mut run = Run { source, readings, first: at, records: 1 };
        run.readings.push_back(at);
        self.run = Some(run);
    }

    /// Notes how far a source came in the turn that ends.
    fn note_progress(&mut self, source: SourceId, vote: i64) {
        let still = self.still();
        // a jump is no time that passed
        let most = (self.lateness / 4).max(self.spacing.saturating_mul(2));
        let sources = self.progress.len().max(1) as i64;
        let Some(known) = self.progress.iter_mut().find(|known| known.source == source) else {
            if self.progress.len() >= MOST {
                self.progress.pop_front();
            }
            let (anchor, since) = (vote, self.passed);
            self.progress.push_back(Progress { source, vote, anchor, since, turns: 0 });
            return;
        };
        // The mean over all sources, so that one fast clock alone does not make time pass. A step back
        // and forth is no time either, as in batches that begin with the newest record.
        self.passed += vote.saturating_sub(known.vote).clamp(0, most) / sources;
        if vote > known.vote || vote.abs_diff(known.vote) > still {
            known.vote = vote;
        }
        if vote.abs_diff(known.anchor) > still {
            (known.anchor, known.since, known.turns) = (vote, self.passed, 0);
        } else {
            known.turns = known.turns.saturating_add(1);
        }
    }

    /// How far a source moves that stands still: its requests end at different times.
    fn still(&self) -> u64 {
        self.lateness.max(5 * SECOND).unsigned_abs()
    }

    /// Whether a source stands still while time passes for the others.
    fn is_frozen(&mut self, source: SourceId, at: i64) -> bool {
        let still = self.still();
        let passed = self.passed;
        let is_frozen = self.progress.iter().find(|known| known.source == source).is_some_and(
            |Progress { anchor, since, turns, .. }| {
                // Many turns and much time: a source that pauses has few turns, a slow one moves.
                *turns >= FROZEN_TURNS
                    && at.abs_diff(*anchor) <= still
                    && passed.saturating_sub(*since) as u64 > still.saturating_mul(3)
            },
        );
        if is_frozen {
            self.trouble = TROUBLE_LASTS;
            if let Some(clock) = self.clock {
                self.sources.frozen(source, Timestamp::from_nanos(at).since(clock));
            }
        }
        is_frozen
    }

    /// The vote of a turn: the quorum of its readings.
    fn vote(&self, run: &Run) -> i64 {
        let newest_first = run.readings.iter().rev().copied();
        let vote = self.agree(newest_first, 1).0;
        vote.or_else(|| run.readings.iter().copied().min()).unwrap_or(i64::MIN)
    }

    /// Works out the clock from the votes.
    fn work_out(&mut self) {
        let Some(run) = &self.run else { return };
        let vote = self.vote(run);
        // Four of the shortest batches: the others had their chance to send in between.
        let alone = self.usual_span().saturating_mul(4).min(self.ahead).max(ALONE);
        if run.records >= STARTS && vote.saturating_sub(run.first) >= alone {
            // Otherwise the old votes of the others would hold the clock at their last turn.
            self.turns.clear();
        }
        let Some(run) = &self.run else { return };
        let (reached, spacing) = if self.turns.is_empty() {
            self.agree(run.readings.iter().rev().copied(), 1)
        } else {
            let turns = self.turns.iter().rev().map(|turn| turn.vote);
            self.agree(std::iter::once(vote).chain(turns), 2)
        };
        self.spacing = spacing;
        if let Some(reached) = reached {
            let reached = Timestamp::from_nanos(reached);
            // The sources that were ahead were right, so that they are not refused any longer.
            if self.clock.is_some() && reached > self.plausible().plus(JUMP) {
                self.sources.jumped();
            }
            // Never back, because steps that are closed stay closed.
            self.set(self.clock.map_or(reached, |clock| clock.max(reached)));
        }
    }

    fn set(&mut self, clock: Timestamp) {
        let moved = self.clock.map_or(0, |before| clock.since(before));
        if moved > 0 {
            // The maximum fades by an eighth a move, so that one outage does not widen it for good.
            self.stride = moved.max(self.stride - self.stride / 8);
        }
        self.clock = Some(clock);
        self.refresh_at = clock.plus(self.lag());
    }

    /// How far the newest record of a right source may be ahead of the clock.
    fn lag(&self) -> i64 {
        (self.lateness / 4).max(self.spacing.saturating_mul(MOST as i64)).max(SECOND / 1_000)
    }

    /// The least time that a turn spans, where there are turns enough to say it.
    fn usual_span(&self) -> i64 {
        if self.turns.len() < USUAL_FROM {
            return 0;
        }
        self.turns.iter().map(|turn| turn.span).min().unwrap_or(0)
    }

    /// Notes a reading that is further ahead of the clock than those of right sources.
    fn judge_reading(&mut self, source: SourceId, reading: Timestamp) {
        let Some(clock) = self.clock else { return };
        let ahead = reading.since(clock);
        // the clock itself may lag by half the time that the votes span
        let usual = self.lateness.saturating_add(CALM / 2).saturating_add(self.stride);
        // what follows a right reading step by step is right too, however far the clock is behind
        let right = self.right.map_or(clock, |right| clock.max(Timestamp::from_nanos(right)));
        if reading > self.plausible() && ahead > usual && reading.since(right) > usual {
            self.sources.off(source, ahead);
        } else {
            self.right = self.right.max(Some(reading.nanos()));
        }
        let calm = (2 * CALM).saturating_add(self.lateness);
        if ahead > calm.saturating_add(self.spacing.saturating_mul(8)) {
            self.trouble = TROUBLE_LASTS;
        }
    }

    /// The quorum of votes, given newest first, and the event time between them; no quorum where
    /// all are too far ahead.
    fn agree(&self, votes: impl Iterator<Item = i64>, least: usize) -> (Option<i64>, i64) {
        let limit = self.clock.map_or(i64::MAX, |clock| clock.plus(self.reach()).nanos());
        let (mut near, mut far) = ([0; MOST + 1], [0; JUMP_VOTES]);
        let (mut count, mut jumps, mut seen) = (0, 0, 0);
        for vote in votes {
            // Votes beyond the reach are counted apart: they are wrong clocks, or a jump of all.
            if vote <= limit {
                if let Some(place) = near.get_mut(count) {
                    (*place, count) = (vote, count + 1);
                }
            } else if seen < JUMP_VOTES
                && let Some(place) = far.get_mut(jumps)
            {
                (*place, jumps) = (vote, jumps + 1);
            }
            seen += 1;
        }
        // A jump: the clock moves to what the twelve furthest of the last 16 have all reached.
        if jumps >= JUMP_AGREE {
            let jumps = far.get_mut(..jumps).unwrap_or_default();
            jumps.sort_unstable();
            return (jumps.get(jumps.len() - JUMP_AGREE).copied(), self.spacing);
        }
        let mut sorted = near;
        let sorted = sorted.get_mut(..count).unwrap_or_default();
        sorted.sort_unstable();
        let at = |place: usize| sorted.get(place).copied().unwrap_or(0);
        // From the first quartile to the median, because outliers lie at the ends of the votes.
        let (middle, quarter) = (count / 2, count / 4);
        let spacing = if count >= 2 {
            at(middle).saturating_sub(at(quarter)) / (middle - quarter).max(1) as i64
        } else {
            0
        };
        if self.clock.is_none() {
            // the smallest value that more than half of them have reached
            return (count.checked_sub(1).map(|last| at(last / 2)), spacing);
        }
        let (span, least) = if self.trouble > 0 { (TROUBLED, least.max(3)) } else { (CALM, least) };
        // The number of votes that spans the wanted time. Without spacing all of them count.
        let fit = span.checked_div(spacing).map_or(MOST, |fit| fit.clamp(0, MOST as i64) as usize);
        let n = fit.max(least).min(count);
        let newest = near.get_mut(..n).unwrap_or_default();
        newest.sort_unstable();
        // one source has half of the votes, of an odd number the larger half
        let needed = if n < MAJORITY_FROM { n } else { n.div_ceil(2) + 1 };
        (n.checked_sub(needed).and_then(|place| newest.get(place).copied()), spacing)
    }
}
