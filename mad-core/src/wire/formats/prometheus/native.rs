//! Native histograms in answers of the HTTP API.
//!
//! A sample is `[time, {"count": "10", "sum": "1.5", "buckets": [[rule, "0.05", "0.1", "6"], ...]}]`,
//! where `rule` says which bounds belong to the bucket. Buckets without observations are left out.

use serde_json::Value;

use super::super::json_documents::{member, number};
use super::super::quantile::Exponential;
use crate::time::Timestamp;

/// Most buckets of a native histogram.
pub(super) const MOST_BUCKETS: usize = 4_096;

/// A native histogram.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum NativeHistogram {
    Exponential(Exponential),
    /// With custom buckets: their upper bounds, and one count more than bounds.
    Custom {
        bounds: Vec<f64>,
        counts: Vec<f64>,
    },
}

/// Lower and upper bound of a bucket, and its observations.
type Bucket = (f64, f64, f64);

/// The times and the histograms of the samples of one series; `None` for one that is no histogram.
///
/// The histograms of a series are all exponential, or all custom. Those with custom buckets have the
/// bounds of all samples, because each sample only states the buckets that have observations.
pub(super) fn natives(samples: &[&Value]) -> Vec<Option<(Timestamp, NativeHistogram)>> {
    let read: Vec<_> = samples.iter().map(|sample| buckets(sample)).collect();
    let exponential = |(at, buckets): &(Timestamp, Vec<Bucket>)| {
        Some((*at, NativeHistogram::Exponential(Exponential::of_buckets(buckets)?)))
    };
    let found: Vec<_> = read.iter().map(|one| one.as_ref().and_then(exponential)).collect();
    let are_all = found.iter().zip(&read).all(|(found, read)| found.is_some() == read.is_some());
    if are_all {
        return found;
    }
    let stated = read.iter().flatten().flat_map(|(_, buckets)| buckets);
    let bounds = stated.flat_map(|(low, high, _)| [*low, *high]).filter(|bound| bound.is_finite());
    let mut bounds: Vec<f64> = bounds.collect();
    bounds.sort_unstable_by(f64::total_cmp);
    bounds.dedup();
    let custom = |(at, buckets): (Timestamp, Vec<Bucket>)| {
        let mut counts = vec![0.0; bounds.len() + 1];
        for (_, high, count) in buckets {
            *counts.get_mut(bounds.partition_point(|bound| *bound < high))? += count;
        }
        Some((at, NativeHistogram::Custom { bounds: bounds.clone(), counts }))
    };
    let fits = bounds.len() <= MOST_BUCKETS;
    read.into_iter().map(|one| one.filter(|_| fits).and_then(custom)).collect()
}

/// The time and the buckets of a sample.
fn buckets(sample: &Value) -> Option<(Timestamp, Vec<Bucket>)> {
    let [at, histogram] = sample.as_array()?.as_slice() else { return None };
    let millis = (number(at) * 1e3).round();
    if millis.is_nan() || millis.abs() >= 9.2e12 {
        return None;
    }
    let mut buckets = Vec::new();
    for bucket in member(histogram, &["buckets"]).and_then(Value::as_array).into_iter().flatten() {
        let [_, low, high, count] = bucket.as_array()?.as_slice() else { return None };
        let (low, high, count) = (bound(low), bound(high), number(count));
        if low.is_nan() || high.is_nan() || !(0.0..=f64::MAX).contains(&count) || low > high {
            return None;
        }
        buckets.push((low, high, count));
    }
    let count = member(histogram, &["count"]).map(number)?;
    if buckets.is_empty() && count > 0.0 {
        return None;
    }
    Some((Timestamp::from_nanos(millis as i64 * 1_000_000), buckets))
}

/// A bound, which may be infinite.
fn bound(value: &Value) -> f64 {
    value.as_str().and_then(super::parse_value).unwrap_or_else(|| number(value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn native(sample: &Value) -> Option<(Timestamp, NativeHistogram)> {
        natives(&[sample]).remove(0)
    }

    fn exponential(sample: &Value) -> Exponential {
        match native(sample) {
            Some((_, NativeHistogram::Exponential(found))) => found,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn buckets_become_an_exponential_histogram() {
        let sample = json!([1.5, {"count": "12", "sum": "3", "buckets": [
            [1, "-0.5", "-0.25", "1"], [3, "-0.001", "0.001", "2"],
            [0, "0.25", "0.5", "6"], [0, "1", "2", "3"]
        ]}]);
        let histogram = exponential(&sample);
        assert_eq!(native(&sample).unwrap().0.nanos(), 1_500_000_000);
        assert_eq!((histogram.total(), histogram.scale, histogram.zeros), (12.0, 0, 2.0));
        assert_eq!(histogram.positive, [(-2, 6.0), (0, 3.0)]);
        assert_eq!(histogram.negative, [(-2, 1.0)]);
        // base 2^(1/8)
        let base = 8_f64.recip().exp2();
        let fine = json!([1, {"count": "1", "buckets": [[0, base.powi(3), base.powi(4), "1"]]}]);
        assert_eq!(exponential(&fine).positive, [(3, 1.0)]);
        for wrong in [
            json!([1, "2"]),
            json!([1, {"buckets": []}]),
            json!([1, {"count": "1", "buckets": [[0, "1", "NaN", "1"]]}]),
            json!([1, {"count": "1", "buckets": [[0, "3", "1", "1"]]}]),
            json!([1, {"count": "1", "buckets": [[0, "1", "2", "-1"]]}]),
            json!([1, {"count": "1", "buckets": [[0, "1", "2", "Inf"]]}]),
            json!([1, {"count": "1"}]),
        ] {
            assert!(native(&wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn custom_buckets_have_the_bounds_of_all_samples() {
        let first = json!([1, {"count": "3", "buckets": [[0, "-Inf", "0.1", "3"]]}]);
        let second = json!([2, {"count": "9", "buckets": [
            [0, "-Inf", "0.1", "4"], [0, "0.3", "0.5", "4"], [0, "2.5", "+Inf", "1"]
        ]}]);
        let found = natives(&[&first, &json!([3, "x"]), &second]);
        let counts = |place: usize| match &found[place] {
            Some((_, NativeHistogram::Custom { bounds, counts })) => {
                assert_eq!(*bounds, [0.1, 0.3, 0.5, 2.5]);
                counts.clone()
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(counts(0), [3.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(counts(2), [4.0, 0.0, 4.0, 0.0, 1.0]);
        assert_eq!(found[1], None);
    }
}
