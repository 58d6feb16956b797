//! Native histograms in answers of the HTTP API.
//!
//! A sample is `[time, {"count": "10", "sum": "1.5", "buckets": [[rule, "0.05", "0.1", "6"], ...]}]`,
//! where `rule` says which bounds belong to the bucket.

use serde_json::Value;

use super::super::json_documents::{member, number};
use super::super::quantile::Exponential;
use crate::time::Timestamp;

/// The time and the histogram of a sample; `None` where it is none, or where the buckets do not have
/// the bounds of an exponential histogram.
pub(super) fn native(sample: &Value) -> Option<(Timestamp, Exponential)> {
    let [at, histogram] = sample.as_array()?.as_slice() else { return None };
    let millis = (number(at) * 1e3).round();
    if millis.is_nan() || millis.abs() >= 9.2e12 {
        return None;
    }
    let mut buckets = Vec::new();
    for bucket in member(histogram, &["buckets"]).and_then(Value::as_array).into_iter().flatten() {
        let [_, low, high, count] = bucket.as_array()?.as_slice() else { return None };
        buckets.push((number(low), number(high), number(count)));
    }
    let at = Timestamp::from_nanos(millis as i64 * 1_000_000);
    let count = member(histogram, &["count"]).map(number)?;
    if buckets.is_empty() && count > 0.0 {
        return None;
    }
    Some((at, Exponential::of_buckets(&buckets)?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn buckets_become_an_exponential_histogram() {
        let sample = json!([1.5, {"count": "12", "sum": "3", "buckets": [
            [1, "-0.5", "-0.25", "1"], [3, "-0.001", "0.001", "2"],
            [0, "0.25", "0.5", "6"], [0, "1", "2", "3"]
        ]}]);
        let (at, histogram) = native(&sample).unwrap();
        assert_eq!((at.nanos(), histogram.total()), (1_500_000_000, 12.0));
        assert_eq!((histogram.scale, histogram.zeros), (0, 2.0));
        assert_eq!(histogram.positive, [(-2, 6.0), (0, 3.0)]);
        assert_eq!(histogram.negative, [(-2, 1.0)]);
        // base 2^(1/8)
        let base = 8_f64.recip().exp2();
        let fine = json!([1, {"count": "1", "buckets": [[0, base.powi(3), base.powi(4), "1"]]}]);
        assert_eq!(native(&fine).unwrap().1.positive, [(3, 1.0)]);
        for wrong in [
            json!([1, "2"]),
            json!([1, {"buckets": []}]),
            json!([1, {"count": "1", "buckets": [[0, "1", "3", "1"]]}]),
            json!([1, {"count": "1", "buckets": [[0, "1", "NaN", "1"]]}]),
            json!([1, {"count": "1", "buckets": [[0, "1", "2", "-1"]]}]),
            json!([1, {"count": "1"}]),
        ] {
            assert!(native(&wrong).is_none(), "{wrong}");
        }
    }
}
