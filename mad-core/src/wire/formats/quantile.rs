//! Percentiles of histograms.

use serde::{Deserialize, Serialize};

/// The quantile of a histogram with `counts` of observations per bucket: bucket `i` has the upper
/// bound `bounds[i]`, and the last one has none.
///
/// The rule is that of `histogram_quantile` of Prometheus: linear within a bucket, the first bucket
/// begins at 0 where its bound is positive, and the last bucket gives the largest bound. NaN for a
/// histogram without observations or without a finite bound.
pub(super) fn quantile(q: f64, bounds: &[f64], counts: &[f64]) -> f64 {
    let total: f64 = counts.iter().sum();
    let largest = bounds.iter().rfind(|bound| bound.is_finite()).copied();
    let (Some(largest), true) = (largest, total > 0.0) else { return f64::NAN };
    let rank = q * total;
    let (mut below, mut low) = (0.0, None);
    for (count, bound) in counts.iter().zip(bounds) {
        if !bound.is_finite() {
            break;
        }
        if *count > 0.0 && below + count >= rank {
            let start = match low {
                Some(low) => low,
                None if *bound > 0.0 => 0.0,
                None => return *bound,
            };
            return start + (bound - start) * ((rank - below) / count).clamp(0.0, 1.0);
        }
        below += count;
        low = Some(*bound);
    }
    largest
}

/// An exponential histogram: bucket `i` of the positive range holds the observations from
/// `base^(offset+i)` to `base^(offset+i+1)`, with `base = 2^(2^-scale)`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Exponential {
    pub scale: i32,
    pub zeros: f64,
    /// Counts by index, ascending.
    pub positive: Vec<(i32, f64)>,
    pub negative: Vec<(i32, f64)>,
}

impl Exponential {
    /// The histogram of buckets with their lower and upper bounds and counts; a bucket around 0 holds
    /// the zeros. `None` where the bounds are not those of one base `2^(2^-scale)`.
    pub fn of_buckets(buckets: &[(f64, f64, f64)]) -> Option<Self> {
        let (mut found, mut scale) = (Self::default(), None);
        for (low, high, count) in buckets.iter().copied() {
            let is_finite = low.is_finite() && high.is_finite();
            if !is_finite || count.is_nan() || count < 0.0 || low > high {
                return None;
            }
            if low <= 0.0 && high >= 0.0 {
                found.zeros += count;
                continue;
            }
            let is_negative = high < 0.0;
            let (near, far) = if is_negative { (-high, -low) } else { (low, high) };
            let written = -(far / near).log2().log2();
            let own = written.round();
            if !(-10.0..=20.0).contains(&own) || (written - own).abs() > 0.01 {
                return None;
            }
            if *scale.get_or_insert(own) != own {
                return None;
            }
            let index = (near.log2() * own.exp2()).round() as i32;
            let side = if is_negative { &mut found.negative } else { &mut found.positive };
            side.push((index, count));
        }
        found.scale = scale.unwrap_or(0.0) as i32;
        found.positive.sort_unstable_by_key(|(index, _)| *index);
        found.negative.sort_unstable_by_key(|(index, _)| *index);
        Some(found)
    }

    /// The bound `base^index`.
    fn bound(&self, index: i32) -> f64 {
        (f64::from(index) * (-f64::from(self.scale)).exp2()).exp2()
    }

    /// The same histogram with fewer, wider buckets.
    pub fn at_scale(&self, scale: i32) -> Self {
        let down = u32::try_from(self.scale.saturating_sub(scale)).unwrap_or(0).min(31);
        let merge = |buckets: &[(i32, f64)]| {
            let mut merged: Vec<(i32, f64)> = Vec::with_capacity(buckets.len());
            for (index, count) in buckets {
                let index = index >> down;
                match merged.last_mut() {
                    Some((last, sum)) if *last == index => *sum += count,
                    _ => merged.push((index, *count)),
                }
            }
            merged
        };
        let scale = self.scale.min(scale);
        Self {
            scale,
            zeros: self.zeros,
            positive: merge(&self.positive),
            negative: merge(&self.negative),
        }
    }

    /// The observations since `earlier`; `None` where a count has fallen.
    pub fn since(&self, earlier: &Self) -> Option<Self> {
        let scale = self.scale.min(earlier.scale);
        let (now, before) = (self.at_scale(scale), earlier.at_scale(scale));
        let subtract = |now: &[(i32, f64)], before: &[(i32, f64)]| {
            let mut rest = before.iter().peekable();
            let mut left = Vec::with_capacity(now.len());
            for (index, count) in now {
                let mut count = *count;
                while let Some((at, earlier)) = rest.peek() {
                    if at > index {
                        break;
                    }
                    // an earlier bucket that is gone
                    if at < index && *earlier > 0.0 {
                        return None;
                    }
                    if at == index {
                        count -= earlier;
                    }
                    rest.next();
                }
                if count < 0.0 {
                    return None;
                }
                left.push((*index, count));
            }
            rest.all(|(_, count)| *count == 0.0).then_some(left)
        };
        let zeros = now.zeros - before.zeros;
        (zeros >= 0.0).then_some(())?;
        Some(Self {
            scale,
            zeros,
            positive: subtract(&now.positive, &before.positive)?,
            negative: subtract(&now.negative, &before.negative)?,
        })
    }

    /// The number of observations.
    pub fn total(&self) -> f64 {
        let sum = |buckets: &[(i32, f64)]| buckets.iter().map(|(_, count)| count).sum::<f64>();
        self.zeros + sum(&self.positive) + sum(&self.negative)
    }

    /// A quantile, with geometric interpolation within a bucket; NaN without observations.
    pub fn quantile(&self, q: f64) -> f64 {
        let total = self.total();
        if total <= 0.0 {
            return f64::NAN;
        }
        let rank = q * total;
        let mut below = 0.0;
        for (index, count) in self.negative.iter().rev() {
            if *count > 0.0 && below + count >= rank {
                let share = 1.0 - (rank - below) / count;
                return -self.within(*index, share);
            }
            below += count;
        }
        if self.zeros > 0.0 && below + self.zeros >= rank {
            return 0.0;
        }
        below += self.zeros;
        let mut last = 0.0;
        for (index, count) in &self.positive {
            if *count > 0.0 {
                if below + count >= rank {
                    return self.within(*index, (rank - below) / count);
                }
                last = self.bound(index.saturating_add(1));
            }
            below += count;
        }
        last
    }

    fn within(&self, index: i32, share: f64) -> f64 {
        let (low, high) = (self.bound(index), self.bound(index.saturating_add(1)));
        low * (high / low).powf(share.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_follow_the_rule_of_prometheus() {
        let bounds = [0.1, 0.5, 1.0];
        assert_eq!(quantile(0.5, &bounds, &[0.0, 10.0, 0.0, 0.0]), 0.1 + 0.4 * 0.5);
        assert_eq!(quantile(0.5, &bounds, &[10.0, 0.0, 0.0, 0.0]), 0.05);
        assert_eq!(quantile(0.99, &bounds, &[1.0, 0.0, 0.0, 9.0]), 1.0);
        assert_eq!(quantile(0.1, &[-1.0, 1.0], &[5.0, 5.0, 0.0]), -1.0);
        assert!(quantile(0.5, &bounds, &[0.0; 4]).is_nan());
        assert!(quantile(0.5, &[f64::INFINITY], &[3.0]).is_nan());
    }

    #[test]
    fn exponential_histograms_of_two_scales_are_subtracted_and_interpolated() {
        let before =
            Exponential { scale: 1, positive: vec![(0, 1.0), (1, 1.0)], ..Exponential::default() };
        let now = Exponential { scale: 0, positive: vec![(0, 6.0)], ..Exponential::default() };
        let rest = now.since(&before).unwrap();
        assert_eq!((rest.scale, rest.total()), (0, 4.0));
        // from 1 to 2, the geometric middle
        assert!((rest.quantile(0.5) - 2.0_f64.sqrt()).abs() < 1e-12);
        assert_eq!(before.since(&now), None);
    }
}
