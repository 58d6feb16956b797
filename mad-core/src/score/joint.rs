//! The series of one entity, judged together.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use statrs::function::gamma::gamma_ur;

/// Series that are judged together. Further ones of the entity are judged alone only.
const MOST: usize = 32;
/// Fewest series in a row that say more together than each alone.
const FEWEST: usize = 3;
/// Deviations are clipped here, in scales: an outlier of one series is that series' own.
const CLIP: f64 = 4.0;
/// Rows over which correlations fade, and rows before they are used.
const MEMORY: u32 = 960;
const WARM_UP: u32 = 60;
/// Rows without correlation that the estimate begins with (shrinkage towards independence).
const PRIOR: f64 = 20.0;
/// Smallest variance of a series' deviations: one that hardly ever moves does not count more than
/// others when it does.
const LEAST_VARIANCE: f64 = 0.5 * SMOOTHED;
/// A row this many times as far out as usual teaches less, in proportion.
const FAR: f64 = 3.0;
/// Weight of the newest row in the smoothed deviations.
const SMOOTHING: f64 = 0.3;
/// Variance of smoothed deviations of variance 1 without correlation in time.
const SMOOTHED: f64 = SMOOTHING / (2.0 - SMOOTHING);
/// Rows over which the two memories of the distance fade: hours, and two days of minutes.
const MEMORIES: [u32; 2] = [240, 2_880];

/// Judges whether several series of one entity deviate together, given how they usually move.
///
/// Five metrics that are each two and a half scales off are nothing alone. Together they are rare,
/// unless they always move together: the load of a host moves most of its metrics.
///
/// # Method
///
/// Robust deviations (scales) are clipped at 4 and smoothed over rows with exponential weights, 0.3 for
/// the newest (multivariate EWMA; Lowry et al., 1992): noise averages out and a shift stays. A row `z`
/// of smoothed deviations has the squared Mahalanobis distance `z' R^-1 z` (Hotelling, 1947), where `R`
/// is their correlation in the past: it fades over 960 rows, learns distant rows with less weight, and
/// is shrunk towards independence by the weight of 20 rows. The largest share `z_i (R^-1 z)_i` is left
/// out, because it can be one series alone. Under the null hypothesis the rest is taken as Gamma
/// distributed with the mean and the variance that it had: the larger of those over 240 and 2,880
/// rows, the variance widened by two standard errors.
///
/// # Small samples and limits
///
/// `-log10 p` is 0 for the first 120 rows and for rows with fewer than three known deviations. A
/// deviation that is NaN is left out. The first 32 names are judged.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use mad_core::score::JointScorer;
///
/// let names: Vec<Arc<str>> = (0..8).map(|i| format!("metric {i}").into()).collect();
/// let mut scorer = JointScorer::default();
/// let noise = |row: u64, i: u64| ((row * 37 + i * 101) * (row + 7 * i + 13) % 101) as f64 / 25.0 - 2.0;
/// let mut judge = |row: u64, extra: f64| {
///     let values = |i: usize| noise(row, i as u64) + if i < 5 { extra } else { 0.0 };
///     let deviations: Vec<_> = (0..8).map(|i| (&names[i], values(i))).collect();
///     scorer.observe(&deviations).neg_log10_p
/// };
/// assert!((0..600).all(|row| judge(row, 0.0) < 4.0));
/// assert!((600..610).any(|row| judge(row, 2.5) >= 4.0));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct JointScorer {
    names: Vec<Arc<str>>,
    /// Smoothed deviations.
    smoothed: Vec<f64>,
    /// Products of smoothed deviations, faded: the lower triangle, by row.
    products: Vec<Vec<f32>>,
    rows: u32,
    usual: [Usual; 2],
    judged: u32,
}

/// What a [`JointScorer`] says of a row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JointScore {
    /// Negative decimal logarithm of the probability of such a row and the rows before it, 0 to 300.
    pub neg_log10_p: f64,
    /// The share of each series in the squared distance, in the order of the deviations. One that only
    /// follows others can be negative. It is 0 where the newest deviation is on the other side than the
    /// rows before it.
    pub shares: Vec<f64>,
}

/// Mean and variance of the distance, faded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Usual {
    mean: f64,
    variance: f64,
}

impl Usual {
    fn learn(&mut self, value: f64, weight: f64) {
        let off = value - self.mean;
        self.mean += weight * off;
        self.variance = (1.0 - weight) * (self.variance + weight * off * off);
    }
}

impl JointScorer {
    /// Judges a row of named deviations in scales, then learns from it. Names are unique in a row.
    pub fn observe(&mut self, deviations: &[(&Arc<str>, f64)]) -> JointScore {
        let places: Vec<Option<usize>> =
            deviations.iter().enumerate().map(|(i, (name, _))| self.place(i, name)).collect();
        let mut row = vec![f64::NAN; self.names.len()];
        for (place, (_, deviation)) in places.iter().zip(deviations) {
            let Some(place) = *place else { continue };
            let (Some(slot), Some(smoothed)) = (row.get_mut(place), self.smoothed.get_mut(place))
            else {
                continue;
            };
            if deviation.is_finite() {
                *smoothed += SMOOTHING * (deviation.clamp(-CLIP, CLIP) - *smoothed);
                *slot = *smoothed;
            }
        }
        let known = row.iter().filter(|deviation| deviation.is_finite()).count();
        if known < FEWEST {
            return JointScore { neg_log10_p: 0.0, shares: vec![0.0; deviations.len()] };
        }
        let shares = self.shares(&row);
        let distance: f64 = shares.iter().sum();
        let neg_log10_p = if self.rows < WARM_UP || shares.is_empty() {
            0.0
        } else {
            self.judge(distance - shares.iter().copied().fold(0.0, f64::max))
        };
        // a row far out teaches less, so that an incident does not become the usual correlation
        let far = FAR * known as f64;
        self.learn(&row, if distance > far { far / distance } else { 1.0 });
        let share_of = |(place, (_, deviation)): (&Option<usize>, &(&Arc<str>, f64))| {
            let place = (*place)?;
            let is_like = row.get(place).is_some_and(|smoothed| smoothed * deviation > 0.0);
            shares.get(place).copied().filter(|_| is_like)
        };
        let shares = places.iter().zip(deviations).map(|one| share_of(one).unwrap_or_default());
        JointScore { neg_log10_p, shares: shares.collect() }
    }

    /// The place of a name, which is mostly that of its deviation in the row; `None` beyond the limit.
    fn place(&mut self, guess: usize, name: &Arc<str>) -> Option<usize> {
        if self.names.get(guess).is_some_and(|known| known == name) {
            return Some(guess);
        }
        let known = self.names.iter().position(|known| known == name);
        if known.is_some() || self.names.len() >= MOST {
            return known;
        }
        self.names.push(Arc::clone(name));
        let mut products = vec![0.0; self.names.len()];
        if let Some(own) = products.last_mut() {
            *own = SMOOTHED as f32;
        }
        self.products.push(products);
        self.smoothed.push(0.0);
        Some(self.names.len() - 1)
    }

    /// The share of each series in the squared distance; empty if the correlations have no inverse.
    fn shares(&self, row: &[f64]) -> Vec<f64> {
        let scales: Vec<f64> = self
            .products
            .iter()
            .map(|products| products.last().map_or(SMOOTHED, |own| f64::from(*own)))
            .map(|variance| variance.max(LEAST_VARIANCE).sqrt())
            .collect();
        let certain = f64::from(self.rows.min(MEMORY));
        let kept = certain / (certain + PRIOR);
        // Cholesky factor of the correlations, row by row; a missing deviation counts as none
        let mut factor: Vec<Vec<f64>> = Vec::with_capacity(row.len());
        let mut forward: Vec<f64> = Vec::with_capacity(row.len());
        let standard = row.iter().zip(&scales);
        let standard: Vec<f64> =
            standard.map(|(z, scale)| if z.is_finite() { z / scale } else { 0.0 }).collect();
        for ((products, scale), value) in self.products.iter().zip(&scales).zip(&standard) {
            let mut line: Vec<f64> = Vec::with_capacity(factor.len() + 1);
            for ((product, above), other) in products.iter().zip(&factor).zip(&scales) {
                let correlation = kept * f64::from(*product) / (scale * other);
                let pivot = above.last().copied().unwrap_or(1.0);
                line.push((correlation - dot(&line, above)) / pivot);
            }
            let rest = 1.0 - dot(&line, &line);
            if rest.is_nan() || rest <= 1e-6 {
                return Vec::new();
            }
            let pivot = rest.sqrt();
            forward.push((value - dot(&line, &forward)) / pivot);
            line.push(pivot);
            factor.push(line);
        }
        // back substitution, from the last series to the first
        let mut solved = forward;
        for (place, line) in factor.iter().enumerate().rev() {
            let (before, from) = solved.split_at_mut(place);
            let (Some(own), Some(pivot)) = (from.first_mut(), line.last()) else { continue };
            *own /= pivot;
            for (value, weight) in before.iter_mut().zip(line) {
                *value -= weight * *own;
            }
        }
        standard.iter().zip(&solved).map(|(value, solved)| value * solved).collect()
    }

    /// `-log10 p` of a distance after the rows before it; then it is learnt.
    fn judge(&mut self, distance: f64) -> f64 {
        if !distance.is_finite() {
            return 0.0;
        }
        let mean = self.usual.iter().fold(0.0, |most: f64, usual| most.max(usual.mean));
        let variance = self.usual.iter().fold(0.0, |most: f64, usual| most.max(usual.variance));
        let is_known = self.judged >= WARM_UP && mean > 0.0 && variance > 0.0;
        let rows = f64::from(self.judged.clamp(1, MEMORIES[0]));
        // standard error of the variance of a Gamma distribution: its excess kurtosis is 6 / shape
        let unsure = ((2.0 + 6.0 * variance / (mean * mean)) / rows).sqrt();
        let wide = variance * (1.0 + 2.0 * unsure);
        let value = if is_known { tail(distance, mean, wide) } else { 0.0 };
        let limit = if is_known { mean + CLIP * wide.sqrt() } else { distance };
        self.judged = self.judged.saturating_add(1);
        for (usual, memory) in self.usual.iter_mut().zip(MEMORIES) {
            usual.learn(distance.min(limit), 1.0 / f64::from(self.judged.min(memory)));
        }
        value
    }

    /// Learns the products of the deviations of a row, with a weight.
    fn learn(&mut self, row: &[f64], weight: f64) {
        self.rows = self.rows.saturating_add(1);
        let new = 1.0 / f64::from(self.rows.min(MEMORY));
        for ((products, own), to) in self.products.iter_mut().zip(row).zip(1..) {
            for (product, other) in products.iter_mut().zip(row).take(to) {
                if own.is_finite() && other.is_finite() {
                    let kept = (1.0 - new) * f64::from(*product);
                    *product = (kept + new * weight * own * other) as f32;
                }
            }
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `-log10` of the upper tail of a Gamma distribution with a mean and a variance; at most 300.
fn tail(value: f64, mean: f64, variance: f64) -> f64 {
    let (shape, scale) = (mean * mean / variance, variance / mean);
    let is_usable = shape.is_finite() && shape > 0.0 && scale > 0.0;
    let is_usable = is_usable && value > 0.0 && (value / scale).is_finite();
    if !is_usable {
        return 0.0;
    }
    -gamma_ur(shape, value / scale).clamp(1e-300, 1.0).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(scorer: &mut JointScorer, names: &[Arc<str>], rows: &[Vec<f64>]) -> Vec<JointScore> {
        let row = |row: &Vec<f64>| {
            let deviations: Vec<_> = names.iter().zip(row.iter().copied()).collect();
            scorer.observe(&deviations)
        };
        rows.iter().map(row).collect()
    }

    #[test]
    fn the_distance_is_that_of_an_explicit_inverse() {
        // correlation 0.6 of two series: R^-1 = [[1, -0.6], [-0.6, 1]] / 0.64
        let names: Vec<Arc<str>> = ["a", "b"].map(Into::into).to_vec();
        let certain = f64::from(MEMORY);
        let product = (0.6 * (certain + PRIOR) / certain) as f32;
        let scorer = JointScorer {
            names,
            products: vec![vec![1.0], vec![product, 1.0]],
            rows: MEMORY,
            ..JointScorer::default()
        };
        let shares = scorer.shares(&[2.0, -1.0]);
        let expected = [2.0 * (2.0 + 0.6) / 0.64, -(-0.6 * 2.0 - 1.0) / 0.64];
        for (share, expected) in shares.iter().zip(expected) {
            assert!((share - expected).abs() < 1e-6, "{shares:?}");
        }
    }

    #[test]
    fn a_state_of_wrong_shape_gives_no_evidence() {
        let names: Vec<Arc<str>> = ["a", "b", "c"].map(Into::into).to_vec();
        let mut scorer = JointScorer {
            names: names.clone(),
            smoothed: vec![f64::INFINITY, 1.0],
            products: vec![vec![], vec![f32::NAN, 1.0], vec![9.0, 9.0, 1.0]],
            rows: u32::MAX,
            judged: u32::MAX,
            ..JointScorer::default()
        };
        let judged = rows(&mut scorer, &names, &[vec![1.0, 1.0, 1.0], vec![f64::NAN; 3]]);
        assert!(judged.iter().all(|score| score.neg_log10_p == 0.0));
    }

    #[test]
    fn the_tail_is_that_of_the_exponential_distribution() {
        // a Gamma distribution with equal mean and standard deviation
        assert!((tail(10.0, 1.0, 1.0) - 10.0 / std::f64::consts::LN_10).abs() < 1e-9);
        assert_eq!(tail(1e6, 1.0, 1.0), 300.0);
        for (value, mean, variance) in [(f64::INFINITY, 1.0, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, 0.0)]
        {
            assert_eq!(tail(value, mean, variance), 0.0);
        }
    }
}
