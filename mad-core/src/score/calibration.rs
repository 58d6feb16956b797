//! Calibration of deviations by the past of the same series.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_bytes::ByteBuf;

use super::ablation::GaugePart;
use crate::packed::{Packer, Unpacker};

/// Bins of the histogram of deviations; the last one holds all larger deviations.
const BINS: usize = 140;
/// Width of a bin, in natural logarithms of a distance in scales.
const BIN_WIDTH: f64 = 0.1;
/// Count of one row, so that halving the counts does not lose bins with few rows.
const ROW: u32 = 16;
/// Rows after which all counts are halved: half a year of steps of five minutes.
const MEMORY: f64 = 50_000.0;
/// Depths of the quantiles that are read: the deviation that one row in 20 (60, ...) exceeds.
const ONE_IN: [f64; 5] = [20.0, 60.0, 200.0, 600.0, 1_500.0];
/// Prior of the deviation that makes a row ten times rarer.
const PRIOR: f64 = 0.64;
/// Rows beyond a quantile that the prior is worth.
const PRIOR_ROWS: f64 = 10.0;
/// Rows, and standard deviations of their Poisson count, by which the rows beyond a level exceed the
/// expected number before the level is taken as one that recurs. Three standard deviations are the
/// usual limit of a control chart, and three rows are no coincidence where none is expected.
const RECURRENT_ROWS: f64 = 3.0;
const RECURRENT_DEVIATIONS: f64 = 3.0;
/// Rows that have to be expected beyond a level before more of them say that it recurs. With fewer, the
/// first mild rows of one fault would be the habit that hides the rest of it.
const EXPECTED_ROWS: f64 = 3.0;
/// Decades of rarity from which a row is anomalous.
pub(super) const DECADES: f64 = 4.0 / 1.78;
/// Rows without an extreme row after which an episode ends.
const EPISODE_GAP: u32 = 24;
/// Most rows of an episode that are not learnt.
const EPISODE_ROWS: u32 = 120;
/// Rows until which the quantiles are read at every row.
const EVERY_ROW: u32 = 200;
/// Later the quantiles are read at every eighth row, because they hardly change.
const REFRESH: u32 = 8;

/// Turns deviations, which are logarithms of distances in scales, into probabilities by the past of
/// the same series. A series that spikes every hour needs larger spikes to be anomalous.
///
/// # Method
///
/// The tail of a deviation is taken as exponential, which is a power law of the distance: the heavy
/// tail of telemetry. `-log10 P(deviation > s) = s / decade`.
///
/// 1. For `r` = 1/20, 1/60, 1/200, 1/600 and 1/1500 the quantile `q(r)` that a share `r` of the rows
///    exceeded is read from a histogram.
/// 2. `q(r) / -log10 r` estimates the decade. It is shrunk to the prior of 0.64 with the weight of ten
///    rows beyond the quantile.
/// 3. The largest estimate counts: the heaviest tail that the past shows at any depth. For 1/600 and
///    1/1500 the quantile is divided by [`DECADES`] only, so that a spike that comes back so often is
///    not flagged, even if all spikes are alike.
/// 4. Shrinkage alone would flag a spike that always has the same height for good, because it keeps
///    the quantile below that height. A level that recurs is therefore not shrunk: where `w` rows are
///    expected beyond a quantile, the deviation that `w + 3 + 3 sqrt(w)` rows exceeded is a lower
///    confidence bound of it (three standard deviations of a Poisson count). This needs rows that
///    are independent, beside those of an episode, and a history in which `w` is 3 or more: the mild
///    first rows of one fault are no habit.
///
/// An *episode* is a stretch of rows in which extreme ones (beyond `from` decades) are at most 24 rows
/// apart. Of its extreme rows only the first is learnt, for up to 120 rows, so that a long incident
/// does not teach that incidents are usual. After that its extreme rows are learnt one by one, because
/// a series with an extreme row in each 24 rows has this habit.
///
/// # Small samples and limits
///
/// Without rows the decade is the prior. Deviations beyond 14 count as 14.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Calibration {
    #[serde(serialize_with = "packed_bins", deserialize_with = "unpacked_bins")]
    counts: Vec<u32>,
    total: f64,
    decade: f64,
    learnt: u32,
    /// Decades from which a row is extreme.
    from: f64,
    /// Rows since the last extreme row, and rows of the episode.
    since: u32,
    episode: u32,
    /// Whether extreme rows are independent, so that their number says that a level recurs.
    is_independent: bool,
}

/// The histogram as bytes. The empty bins of the largest deviations are left out.
fn packed_bins<S: Serializer>(counts: &[u32], to: S) -> Result<S::Ok, S::Error> {
    let mut packer = Packer::default();
    let used = counts.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
    for count in counts.iter().take(used) {
        packer.number(u64::from(*count));
    }
    packer.finish().serialize(to)
}

/// The inverse of [`packed_bins`].
fn unpacked_bins<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u32>, D::Error> {
    let bytes = ByteBuf::deserialize(from)?;
    let (mut unpacker, mut counts) = (Unpacker::new(&bytes), vec![0; BINS]);
    for count in &mut counts {
        if unpacker.is_empty() {
            return Ok(counts);
        }
        let read = unpacker.number().and_then(|number| u32::try_from(number).ok());
        *count =
            read.ok_or_else(|| serde::de::Error::custom("a count that is cut or too large"))?;
    }
    if unpacker.is_empty() {
        return Ok(counts);
    }
    Err(serde::de::Error::custom("more than 140 counts"))
}

/// Rows of a count.
fn rows(count: u64) -> f64 {
    count as f64 / f64::from(ROW)
}

impl Calibration {
    /// A calibration that has learnt nothing. Rows of `from` decades and more are extreme.
    /// `is_independent` is false for deviations of one level that lasts, of which each row says the
    /// same: their number is no Poisson count.
    pub fn new(from: f64, is_independent: bool) -> Self {
        Self {
            from,
            counts: vec![0; BINS],
            total: 0.0,
            decade: PRIOR,
            learnt: 0,
            since: u32::MAX,
            episode: 0,
            is_independent,
        }
    }

    /// The deviation that makes a row ten times rarer.
    #[inline]
    pub fn decade(&self) -> f64 {
        self.decade
    }

    /// Learns a deviation, 0 or more.
    #[inline]
    pub fn learn(&mut self, deviation: f64) {
        self.learnt = self.learnt.saturating_add(1);
        let far = deviation >= self.from * self.decade;
        let is_open = self.since < EPISODE_GAP;
        self.since = if far { 0 } else { self.since.saturating_add(1) };
        self.episode = if is_open { self.episode.saturating_add(1) } else { 0 };
        if far && is_open && self.episode < EPISODE_ROWS {
            return;
        }
        // An episode counts once.
        let place = ((deviation / BIN_WIDTH) as usize).min(BINS - 1);
        if let Some(count) = self.counts.get_mut(place) {
            *count = count.saturating_add(ROW);
        }
        self.total += 1.0;
        // Older rows count half.
        if self.total > MEMORY {
            self.total = 0.0;
            for count in &mut self.counts {
                *count /= 2;
                self.total += rows(u64::from(*count));
            }
        }
        if self.learnt < EVERY_ROW || self.learnt.is_multiple_of(REFRESH) {
            self.decade = self.heaviest();
        }
    }

    /// The largest decade of all quantiles.
    fn heaviest(&self) -> f64 {
        if !GaugePart::Calibration.is_used() {
            return PRIOR;
        }
        let (mut expected, mut recurrent) = (self.descent(), self.descent());
        let mut decade = 0.0_f64;
        for one_in in ONE_IN.iter().rev() {
            let wanted = self.total / one_in;
            let decades = one_in.log10().min(DECADES);
            let own = expected.exceeded_by(wanted) / decades;
            let shrunk = (own * wanted + PRIOR * PRIOR_ROWS) / (wanted + PRIOR_ROWS);
            decade = decade.max(shrunk);
            if self.is_independent && wanted >= EXPECTED_ROWS {
                let more = wanted + RECURRENT_ROWS + RECURRENT_DEVIATIONS * wanted.sqrt();
                decade = decade.max(recurrent.exceeded_by(more) / decades);
            }
        }
        decade
    }

    /// The bins from the largest deviation down. The empty ones at the end are skipped, because most
    /// deviations are small.
    fn descent(&self) -> Descent<impl Iterator<Item = (usize, u32)>> {
        let bins = self.counts.iter().copied().enumerate().rev();
        let mut bins = bins.skip_while(|(_, count)| *count == 0);
        Descent { bin: bins.next(), bins, beyond: 0 }
    }
}

/// Reads quantiles from the largest deviation down, in one pass for all of them.
struct Descent<I> {
    bins: I,
    bin: Option<(usize, u32)>,
    /// Counts beyond `bin`, added up as integers.
    beyond: u64,
}

impl<I: Iterator<Item = (usize, u32)>> Descent<I> {
    /// The deviation that `wanted` rows exceed; 0 if fewer are known. `wanted` rises from call to call.
    fn exceeded_by(&mut self, wanted: f64) -> f64 {
        while let Some((_, count)) = self.bin
            && rows(self.beyond + u64::from(count)) < wanted
        {
            self.beyond += u64::from(count);
            self.bin = self.bins.next();
        }
        self.bin.map_or(0.0, |(place, count)| {
            // Linear within the bin.
            let share = (wanted - rows(self.beyond)) / rows(u64::from(count)).max(1e-9);
            BIN_WIDTH * (place as f64 + 1.0 - share.clamp(0.0, 1.0))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The calibration after `rows` deviations of 0.3, of which each `every`-th one is `spike`.
    fn after(rows: u32, every: u32, spike: f64) -> Calibration {
        let mut calibration = Calibration::new(DECADES, true);
        for row in 0..rows {
            calibration.learn(if row % every == every - 1 { spike } else { 0.3 });
        }
        calibration
    }

    fn is_flagged(calibration: &Calibration, deviation: f64) -> bool {
        deviation >= DECADES * calibration.decade()
    }

    #[test]
    fn a_spike_that_recurs_with_one_height_is_not_flagged() {
        for every in [20, 100, 333] {
            let calibration = after(20_000, every, 3.0);
            assert!(!is_flagged(&calibration, 3.0), "every {every}: {}", calibration.decade());
            assert!(is_flagged(&calibration, 6.0), "every {every}");
        }
        // A spike that came twice is still one.
        assert!(is_flagged(&after(20_000, 8_000, 3.0), 3.0));
    }

    #[test]
    fn extreme_rows_at_short_distances_are_a_habit() {
        // An episode would never end, and hide all of them.
        assert!(!is_flagged(&after(2_000, 5, 1.6), 1.6));
    }

    #[test]
    fn mild_rows_in_a_short_history_are_no_habit() {
        let after = |is_independent| {
            let mut calibration = Calibration::new(DECADES, is_independent);
            for row in 0..68 {
                calibration.learn(if row < 60 { 0.3 } else { 1.4 });
            }
            calibration.decade()
        };
        assert_eq!(after(true), after(false));
    }

    #[test]
    fn an_incident_of_a_hundred_rows_counts_once() {
        let mut calibration = after(5_000, 5_000, 0.3);
        let before = calibration.decade();
        for _ in 0..100 {
            calibration.learn(4.0);
        }
        assert!((calibration.decade() - before).abs() < 0.05);
        assert!(is_flagged(&calibration, 4.0));
    }
}
