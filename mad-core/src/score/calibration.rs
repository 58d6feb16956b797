//! Calibration of deviations by the past of the same series.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_bytes::ByteBuf;

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
///
/// An *episode* is a run of extreme rows (beyond `from` decades) at most 24 rows apart. Only its
/// first row is learnt, for up to 120 rows, so that a long incident does not teach that incidents
/// are usual.
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
    pub fn new(from: f64) -> Self {
        Self {
            from,
            counts: vec![0; BINS],
            total: 0.0,
            decade: PRIOR,
            learnt: 0,
            since: u32::MAX,
            episode: 0,
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
        let goes_on = far && self.since < EPISODE_GAP;
        self.since = if far { 0 } else { self.since.saturating_add(1) };
        self.episode = if goes_on { self.episode.saturating_add(1) } else { 0 };
        if goes_on && self.episode < EPISODE_ROWS {
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
        let (mut beyond, mut decade) = (0_u64, 0.0_f64);
        // From the largest deviation down, one pass for all quantiles. Counts are added up as integers,
        // and the empty bins at the end are skipped, because most deviations are small.
        let bins = self.counts.iter().enumerate().rev();
        let mut bins = bins.skip_while(|(_, count)| **count == 0);
        let mut bin = bins.next();
        for one_in in ONE_IN.iter().rev() {
            let wanted = self.total / one_in;
            while let Some((_, count)) = bin
                && rows(beyond + u64::from(*count)) < wanted
            {
                beyond += u64::from(*count);
                bin = bins.next();
            }
            let quantile = bin.map_or(0.0, |(place, count)| {
                // Linear within the bin.
                let share = (wanted - rows(beyond)) / rows(u64::from(*count)).max(1e-9);
                BIN_WIDTH * (place as f64 + 1.0 - share.clamp(0.0, 1.0))
            });
            let own = quantile / one_in.log10().min(DECADES);
            decade = decade.max((own * wanted + PRIOR * PRIOR_ROWS) / (wanted + PRIOR_ROWS));
        }
        decade
    }
}
