//! How far out is rare for this very series.

use serde::{Deserialize, Serialize};

/// Bins of the histogram; one is `BIN` wide.
const BINS: usize = 140;
const BIN: f64 = 0.1;
/// A row counts as so many, so that halves of few rows are not lost.
const ROW: u32 = 16;
/// Rows after which the older ones count half.
const MEMORY: f64 = 50_000.0;
/// One row in so many lies beyond a quantile that is looked at.
const ONE_IN: [f64; 5] = [20.0, 60.0, 200.0, 600.0, 1_500.0];
/// Deviation that makes a row ten times rarer, before the series says otherwise, and the rows
/// beyond a quantile that this is worth.
const PRIOR: f64 = 0.64;
const PRIOR_ROWS: f64 = 10.0;
/// Decades of rarity from which a row is anomalous.
pub(super) const DECADES: f64 = 4.0 / 1.78;
/// Rows since the last such row within which an episode goes on.
const EPISODE_GAP: u32 = 24;
/// Rows of an episode that are not learnt, at most.
const EPISODE_ROWS: u32 = 120;
/// Rows after which the quantiles are read only every `REFRESH`-th row.
const YOUNG: u32 = 200;
const REFRESH: u32 = 8;

/// Turns deviations, which are logarithms of distances in scales, into evidence by the series' own
/// past.
///
/// The tail of a deviation is taken as exponential (that of the distance as a power law: the heavy
/// tail that telemetry has): `-log10 P(deviation > s) = s / decade`. `decade` is the largest of
/// `q(r) / -log10 r` over the quantiles `q(r)` that one row in 20, 60, 200, 600 and 1,500 exceeded,
/// each shrunk to a prior of .64 with the weight of 10 rows beyond it: the heaviest tail the past
/// shows at any depth. What one row in 600 or 1,500 exceeded divides by [`DECADES`] only, so that
/// whatever comes back so often is not flagged, even if all spikes are alike. A series that spikes
/// every hour needs larger spikes to be told of.
///
/// An *episode* (rows beyond so many decades, at most 24 rows apart) is learnt by its first row,
/// for 120 rows, so that a long incident does not teach that incidents are usual.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Calibration {
    #[serde(deserialize_with = "bins")]
    counts: Vec<u32>,
    total: f64,
    decade: f64,
    learnt: u32,
    /// Decades from which a row belongs to an episode.
    from: f64,
    /// Rows since the last one of an episode, and rows of the episode.
    since: u32,
    episode: u32,
}

fn bins<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<u32>, D::Error> {
    let counts = Vec::<u32>::deserialize(from)?;
    if counts.len() == BINS { Ok(counts) } else { Err(serde::de::Error::custom("not 140 counts")) }
}

fn rows(count: u32) -> f64 {
    f64::from(count) / f64::from(ROW)
}

impl Calibration {
    /// Nothing learnt; rows of so many decades belong to an episode.
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

    /// Deviation that makes a row ten times rarer.
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
        let place = ((deviation / BIN) as usize).min(BINS - 1);
        if let Some(count) = self.counts.get_mut(place) {
            *count = count.saturating_add(ROW);
        }
        self.total += 1.0;
        if self.total > MEMORY {
            self.total = 0.0;
            for count in &mut self.counts {
                *count /= 2;
                self.total += rows(*count);
            }
        }
        if self.learnt < YOUNG || self.learnt.is_multiple_of(REFRESH) {
            self.decade = self.heaviest();
        }
    }

    fn heaviest(&self) -> f64 {
        let (mut beyond, mut decade) = (0.0, 0.0_f64);
        let mut bins = self.counts.iter().enumerate().rev();
        let mut bin = bins.next();
        for one_in in ONE_IN.iter().rev() {
            let wanted = self.total / one_in;
            while let Some((_, count)) = bin
                && beyond + rows(*count) < wanted
            {
                beyond += rows(*count);
                bin = bins.next();
            }
            let quantile = bin.map_or(0.0, |(place, count)| {
                let share = (wanted - beyond) / rows(*count).max(1e-9);
                BIN * (place as f64 + 1.0 - share.clamp(0.0, 1.0))
            });
            let own = quantile / one_in.log10().min(DECADES);
            decade = decade.max((own * wanted + PRIOR * PRIOR_ROWS) / (wanted + PRIOR_ROWS));
        }
        decade
    }
}
