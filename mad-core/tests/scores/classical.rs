//! The rules of other detectors: classical z, EWMA, failed requests, limits, and the forest of one
//! series. The contract of all scorers covers the first two as well.

use std::time::Duration;

use mad_core::forest::WindowedForestConfig;
use mad_core::score::{
    ErrorSpikeScorer, EwmaScorer, ForestScorer, Learn, LimitScorer, Score, Scorer, ZScorer,
    neg_log10_sf,
};
use mad_core::series::{Direction, Sample};
use mad_core::time::Timestamp;

fn at(minute: i64) -> Timestamp {
    Timestamp::from_seconds(60 * minute)
}

fn one(value: f64) -> Sample {
    Sample { value, n: 1 }
}

fn is_unknown(score: &Score) -> bool {
    format!("{score:?}") == format!("{:?}", Score::unknown())
}

#[test]
fn z_is_the_distance_in_sample_standard_deviations() {
    let mut scorer = ZScorer::new(100, Direction::Both, 3.0).unwrap();
    for i in 1..=10 {
        scorer.learn(at(i), one(i as f64), Learn::Full);
    }
    let score = scorer.score(at(11), one(20.0));
    // mean 5.5, sample variance 82.5 / 9
    assert!((score.z - 14.5 / (82.5_f64 / 9.0).sqrt()).abs() < 1e-12, "{score:?}");
    let p = neg_log10_sf(score.z) - std::f64::consts::LOG10_2;
    assert_eq!((score.neg_log10_p, score.points), (p, 10));
}

#[test]
fn z_forgets_values_beyond_the_window_and_learns_after_constants() {
    let mut scorer = ZScorer::new(10, Direction::Both, 3.0).unwrap();
    for i in 0..40 {
        scorer.learn(at(i), one(if i < 20 { 1e9 } else { 5.0 }), Learn::Full);
    }
    assert_eq!(scorer.score(at(40), one(5.0)).expected, 5.0);
    scorer.learn(at(40), one(9.0), Learn::Clipped);
    assert_eq!(scorer.score(at(41), one(5.0)).expected, 5.4);
    assert!(ZScorer::new(9, Direction::Both, 3.0).is_err());
    assert!(ZScorer::new(10, Direction::Both, 0.0).is_err());
}

#[test]
fn a_ratio_above_three_is_anomalous_and_one_of_three_is_not() {
    let mut scorer = EwmaScorer::new(3.0).unwrap();
    scorer.learn(at(0), Sample { value: 50.0, n: 4 }, Learn::Full);
    assert!(is_unknown(&scorer.score(at(1), one(900.0))), "six observations are missing");
    scorer.learn(at(1), Sample { value: 150.0, n: 6 }, Learn::Full);
    assert_eq!(scorer.baseline(), Some(110.0));
    scorer.learn(at(2), Sample { value: 10.0, n: 100 }, Learn::Full);
    assert_eq!(scorer.baseline(), Some(100.0));
    let score = scorer.score(at(3), one(300.0));
    assert!(score.neg_log10_p < 4.0 && score.value() < 0.5, "{score:?}");
    let score = scorer.score(at(3), one(300.1));
    assert!(score.neg_log10_p >= 4.0 && score.value() >= 0.5, "{score:?}");
    assert!((scorer.score(at(3), one(900.0)).neg_log10_p - 8.0).abs() < 1e-9);
    assert!(EwmaScorer::new(1.0).is_err() && EwmaScorer::new(f64::NAN).is_err());
}

#[test]
fn a_baseline_of_zero_or_less_has_no_ratio() {
    for value in [0.0, -5.0] {
        let mut scorer = EwmaScorer::new(3.0).unwrap();
        scorer.learn(at(0), Sample { value, n: 20 }, Learn::Full);
        assert!(is_unknown(&scorer.score(at(1), one(1e9))), "{value}");
    }
}

#[test]
fn failed_requests_are_counted_over_the_window() {
    let mut scorer = ErrorSpikeScorer::new(0.2, 5, Duration::from_secs(300)).unwrap();
    let share = |value: f64, n: u64| Sample { value, n };
    assert!(scorer.score(at(0), share(0.2, 100)).neg_log10_p < 4.0, "20 % is not above 20 %");
    assert!(scorer.score(at(0), share(0.21, 100)).neg_log10_p >= 4.0);
    assert!(scorer.score(at(0), share(1.0, 4)).neg_log10_p < 4.0, "four requests");
    for minute in 0..4 {
        scorer.learn(at(minute), share(0.5, 2), Learn::Full);
    }
    assert_eq!(scorer.share(at(4), share(1.0, 2)), Some(0.6));
    assert!(scorer.score(at(4), share(1.0, 2)).neg_log10_p >= 4.0);
    // the counts of the first four minutes are older than five minutes
    assert_eq!(scorer.share(at(9), share(1.0, 2)), Some(1.0));
    assert!(scorer.score(at(9), share(1.0, 2)).neg_log10_p < 4.0);
    for sample in [share(f64::NAN, 3), share(1.5, 3), share(-0.1, 3), share(0.5, 0)] {
        assert!(is_unknown(&scorer.score(at(4), sample)), "{sample:?}");
        scorer.learn(at(4), sample, Learn::Full);
    }
    assert_eq!(scorer.share(at(4), share(1.0, 2)), Some(0.6));
    assert!(ErrorSpikeScorer::new(1.0, 5, Duration::from_secs(300)).is_err());
    assert!(ErrorSpikeScorer::new(f64::NAN, 5, Duration::from_secs(300)).is_err());
}

#[test]
fn a_limit_flags_counts_from_itself_on() {
    let scorer = LimitScorer::new(3.0).unwrap();
    for (value, is_flagged) in [(0.0, false), (2.0, false), (3.0, true), (1e300, true)] {
        let score = scorer.score(at(0), one(value));
        assert_eq!(score.neg_log10_p >= 4.0, is_flagged, "{score:?}");
        assert_eq!(value > score.high, is_flagged, "{score:?}");
    }
    for value in [f64::NAN, f64::INFINITY, -1.0] {
        assert!(is_unknown(&scorer.score(at(0), one(value))), "{value}");
    }
    assert!(LimitScorer::new(0.0).is_err() && LimitScorer::new(f64::INFINITY).is_err());
}

#[test]
fn a_forest_of_one_series_keeps_the_contract() {
    let mut scorer = ForestScorer::new(WindowedForestConfig::default()).unwrap();
    let mut rows = Vec::new();
    for i in 0..700_i64 {
        let value = if i % 90 == 89 { 1e300 } else { 100.0 + (i * 37 % 41) as f64 };
        let before = serde_json::to_string(&scorer).unwrap();
        let score = scorer.score(at(i), one(value));
        assert_eq!(serde_json::to_string(&scorer).unwrap(), before);
        assert_eq!(is_unknown(&score), i < 120, "{i}: {score:?}");
        if i >= 120 {
            assert!(score.low <= score.expected && score.expected <= score.high, "{score:?}");
            assert!((0.0..=300.0).contains(&score.neg_log10_p), "{score:?}");
        }
        if i % 90 == 89 && i > 120 {
            assert!(score.neg_log10_p >= 4.0, "{i}: {score:?}");
        }
        scorer.learn(at(i), one(value), Learn::Clipped);
        rows.push(score);
        if i % 250 == 0 {
            scorer = serde_json::from_str(&serde_json::to_string(&scorer).unwrap()).unwrap();
        }
    }
    let usual = rows.iter().enumerate().filter(|(i, _)| *i > 120 && i % 90 != 89);
    let false_alarms = usual.filter(|(_, score)| score.neg_log10_p >= 4.0).count();
    assert!(false_alarms <= 6, "{false_alarms} of 570");
    for sample in [one(f64::NAN), one(f64::INFINITY), Sample { value: 1.0, n: 0 }] {
        let before = serde_json::to_string(&scorer).unwrap();
        assert!(is_unknown(&scorer.observe(at(700), sample, 4.0)), "{sample:?}");
        assert_eq!(serde_json::to_string(&scorer).unwrap(), before);
    }
    assert!(scorer.drift().is_some());
}
