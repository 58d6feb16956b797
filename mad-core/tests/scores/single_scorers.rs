//! Single-purpose scorers: slope, silence and binomial rates.

use mad_core::score::{
    BinomialScorer, Learn, RateScorer, Score, Scorer, SilenceScorer, SlopeScorer,
};
use mad_core::series::{Direction, Sample};
use mad_core::time::Timestamp;
use proptest::prelude::*;
use statrs::distribution::{Binomial, Discrete, DiscreteCDF};

const POINT: Sample = Sample { value: 1.0, n: 1 };

fn second(i: i64) -> Timestamp {
    Timestamp::from_seconds(i)
}

fn unknown(score: &Score) -> bool {
    format!("{score:?}") == format!("{:?}", Score::unknown())
}

fn restored<T: serde::Serialize + serde::de::DeserializeOwned>(scorer: &T) -> T {
    serde_json::from_str(&serde_json::to_string(scorer).unwrap()).unwrap()
}

/// Non-finite values, and samples without observations.
fn nonsense() -> Vec<Sample> {
    let mut all = vec![Sample { value: 5.0, n: 0 }];
    all.extend([f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(|value| Sample { value, n: 3 }));
    all
}

fn noise(i: i64) -> f64 {
    (i.wrapping_mul(2_654_435_761) >> 7).rem_euclid(101) as f64 / 50.0 - 1.0
}

/// A silence scorer that has seen a point at each of these seconds.
fn heard(times: impl IntoIterator<Item = i64>) -> SilenceScorer {
    let mut scorer = SilenceScorer::new(None, 4.0).unwrap();
    for time in times {
        scorer.learn(second(time), POINT, Learn::Full);
    }
    scorer
}

/// Seconds after the last point until silence is reported.
fn missed_after(mut scorer: SilenceScorer, last: i64) -> i64 {
    let is_reported = |gap: &i64| {
        scorer.tick(second(last + gap));
        scorer.silence().neg_log10_p >= 4.0
    };
    (1..1_000_000).find(is_reported).unwrap()
}

#[test]
fn silence_of_regular_points_is_reported_later_when_few_gaps_are_known() {
    assert_eq!(missed_after(heard((0..60).map(|i| 60 * i)), 59 * 60), 334);
    assert_eq!(missed_after(heard((0..240).map(|i| 60 * i)), 239 * 60), 321);
    let young = missed_after(heard([0, 60]), 60);
    assert!((600..900).contains(&young), "{young}");
    let mut expecting = SilenceScorer::new(Some(60.0), 4.0).unwrap();
    expecting.learn(second(0), POINT, Learn::Full);
    assert_eq!(missed_after(expecting, 0), young);
    assert!(SilenceScorer::new(Some(0.0), 4.0).is_err());
    assert!(SilenceScorer::new(Some(f64::NAN), 4.0).is_err());
    assert!(SilenceScorer::new(None, f64::NAN).is_err());
}

#[test]
fn silence_is_unknown_with_less_than_two_points() {
    let mut scorer = SilenceScorer::new(None, 4.0).unwrap();
    scorer.tick(second(10));
    assert!(unknown(&scorer.silence()) && unknown(&scorer.score(second(99), POINT)));
    for sample in nonsense() {
        scorer.learn(second(20), sample, Learn::Full);
    }
    assert!(unknown(&scorer.silence()));
    scorer.learn(second(30), POINT, Learn::Full);
    scorer.tick(second(1_000_000));
    assert!(unknown(&scorer.silence()));
    // a repeated time, an older time and a missing value are no gap
    scorer.learn(second(30), POINT, Learn::Full);
    scorer.learn(second(20), POINT, Learn::Full);
    scorer.learn(second(900_000), nonsense()[1], Learn::Full);
    assert!(unknown(&scorer.silence()));
}

#[test]
fn silence_of_bursts_is_reported_after_the_longest_gap() {
    // ten points a second apart, every hour
    let burst = |hour: i64| (0..10).map(move |i| 3_600 * hour + i);
    let scorer = heard((0..24).flat_map(burst));
    let last = 3_600 * 23 + 9;
    let missed = missed_after(scorer.clone(), last);
    assert!((3_600..4 * 3_600).contains(&missed), "{missed}");
    let mut next = scorer;
    next.tick(second(last + 3_000));
    assert!(next.silence().neg_log10_p < 2.0, "{:?}", next.silence());
}

#[test]
fn silence_of_random_points_is_rarely_reported() {
    // gaps of an exponential distribution with a mean of 100 s
    let mut scorer = SilenceScorer::new(None, 4.0).unwrap();
    let (mut at, mut reported, mut state) = (0.0_f64, 0, 1_u64);
    for _ in 0..20_000 {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        at += -100.0 * (((state >> 11) as f64 + 1.0) / (1_u64 << 53) as f64).ln();
        let time = Timestamp::from_nanos((at * 1e9) as i64);
        let score = scorer.observe(time, POINT, 4.0);
        reported += u32::from(score.neg_log10_p >= 4.0);
    }
    assert!(reported <= 10, "{reported} of 20,000");
}

proptest! {
    #[test]
    fn evidence_of_silence_grows_and_an_anomalous_gap_is_outside_the_band(
        gaps in prop::collection::vec(prop_oneof![1..100_i64, 1..1_000_000_i64, Just(60)], 0..300),
        more in prop::collection::vec(1..10_000_000_i64, 1..20),
        neg_log10_p in 0.5..8.0_f64,
    ) {
        let mut scorer = SilenceScorer::new(None, neg_log10_p).unwrap();
        let mut at = 0;
        scorer.learn(second(at), POINT, Learn::Full);
        for gap in &gaps {
            at += gap;
            scorer.observe(second(at), POINT, neg_log10_p);
        }
        let mut more = more;
        more.sort_unstable();
        let mut last = 0.0;
        for gap in more {
            scorer.tick(second(at + gap));
            let score = scorer.silence();
            prop_assert_eq!(score.neg_log10_p, scorer.score(second(at + gap), POINT).neg_log10_p);
            prop_assert_eq!(score.neg_log10_p, restored(&scorer).silence().neg_log10_p);
            if gaps.is_empty() {
                prop_assert!(unknown(&score));
                continue;
            }
            prop_assert!((last..=300.0).contains(&score.neg_log10_p), "{:?} after {}", score, last);
            prop_assert!(score.low <= score.expected && score.expected <= score.high, "{:?}", score);
            prop_assert_eq!(score.neg_log10_p >= neg_log10_p, gap as f64 > score.high, "{} {:?}", gap, score);
            last = score.neg_log10_p;
        }
    }
}

#[test]
fn an_outage_does_not_become_the_usual_gap() {
    let mut scorer = heard((0..60).map(|i| 60 * i));
    let back = 59 * 60 + 86_400;
    assert!(scorer.observe(second(back), POINT, 4.0).neg_log10_p >= 4.0);
    let mut skipped = heard((0..60).map(|i| 60 * i));
    skipped.learn(second(back), POINT, Learn::Skip);
    assert_eq!(missed_after(skipped, back), 334);
    assert!(missed_after(scorer, back) < 1_000);
}

#[test]
fn a_slope_is_detected_and_a_single_outlier_is_not() {
    let mut slope = SlopeScorer::new(24, Direction::Both, 3.89).unwrap();
    let minute = |i: i64| second(60 * i);
    let value = |i: i64| Sample { value: 100.0 + 4.0 * noise(i), n: 1 };
    for sample in nonsense() {
        slope.learn(minute(0), sample, Learn::Full);
    }
    for i in 0..400 {
        let score = slope.observe(minute(i), value(i), 4.0);
        assert_eq!(i < 33, unknown(&score), "{i} {score:?}");
        assert!(score.neg_log10_p < 4.0, "{i} {score:?}");
    }
    let spike = slope.score(minute(400), Sample { value: 1e6, n: 1 });
    assert!(spike.neg_log10_p < 2.0, "{spike:?}");
    assert!(nonsense().iter().all(|sample| unknown(&slope.score(minute(400), *sample))));
    // a repeated last time: the other pairs still give a slope
    assert!(!unknown(&slope.score(minute(399), value(400))));
    // equal times of all values give none
    assert!(unknown(&slope.score(minute(0), value(400))));
    let (mut up, mut down) = (slope.clone(), restored(&slope));
    let detects = |slope: &mut SlopeScorer, sign: f64| {
        (400..440).find(|i| {
            let climb = sign * (i - 400) as f64;
            let sample = Sample { value: value(*i).value + climb, n: 1 };
            let score = slope.observe(minute(*i), sample, 4.0);
            let found = score.neg_log10_p >= 4.0;
            // a unit a minute
            assert!(!found || score.z.signum() == sign && score.high < 1.0 / 60.0, "{score:?}");
            found
        })
    };
    let (rose, fell) = (detects(&mut up, 1.0), detects(&mut down, -1.0));
    assert!(rose.is_some_and(|i| i < 424) && fell.is_some_and(|i| i < 424), "{rose:?} {fell:?}");
    for bad in [3, 1_001] {
        assert!(SlopeScorer::new(bad, Direction::Both, 3.5).is_err());
    }
    assert!(SlopeScorer::new(24, Direction::Both, f64::NAN).is_err());
}

#[test]
fn a_constant_and_extremes_have_slopes() {
    let mut slope = SlopeScorer::new(8, Direction::Both, 3.89).unwrap();
    for i in 0..100 {
        assert!(slope.observe(second(i), Sample { value: 1e9, n: 1 }, 4.0).neg_log10_p < 1.0);
    }
    // rounding noise of a large level is flat
    for i in 100..110 {
        assert!(
            slope.observe(second(i), Sample { value: 1e9 + 1e-3, n: 1 }, 4.0).neg_log10_p < 1.0
        );
    }
    for (i, value) in
        [f64::MAX, f64::MIN, 1e300, -1e300, 5e-324].into_iter().cycle().take(50).enumerate()
    {
        let score = slope.observe(second(110 + i as i64), Sample { value, n: 1 }, 4.0);
        assert!(score.z.is_finite() && score.low <= score.high, "{score:?}");
        assert!((0.0..=300.0).contains(&score.neg_log10_p), "{score:?}");
    }
}

#[test]
fn a_fixed_rate_is_binomial_and_learns_nothing() {
    let share = 0.03;
    let mut known = BinomialScorer::given(share, 4.0).unwrap();
    let before = serde_json::to_string(&known).unwrap();
    let judge = |known: &BinomialScorer, events: u64, n: u64| {
        known.score(second(0), Sample { value: events as f64 / n as f64, n })
    };
    for n in [1_u64, 6, 40, 400, 100_000] {
        let binomial = Binomial::new(share, n).unwrap();
        let reach = n * 3 / 100 + 1;
        for events in [reach, 2 * reach, 4 * reach] {
            let score = judge(&known, events, n);
            if events > n || score.neg_log10_p > 200.0 {
                continue;
            }
            let exact = binomial.sf(events) + binomial.pmf(events) / 2.0;
            assert!(
                (score.neg_log10_p + exact.log10()).abs() < 1e-3,
                "{events} of {n}: {score:?} {exact}"
            );
            let outside = events as f64 / n as f64 > score.high;
            assert_eq!(score.neg_log10_p >= 4.0, outside, "{events} of {n}: {score:?}");
        }
        assert_eq!(judge(&known, 0, n).neg_log10_p, 0.0);
    }
    known.observe(second(0), Sample { value: 1.0, n: 50 }, 4.0);
    assert_eq!(serde_json::to_string(&known).unwrap(), before);
    assert_eq!(judge(&restored(&known), 9, 40).neg_log10_p, judge(&known, 9, 40).neg_log10_p);
    assert!(nonsense().iter().all(|sample| unknown(&known.score(second(0), *sample))));
    for bad in [0.0, 1.0, -0.1, f64::NAN] {
        assert!(BinomialScorer::given(bad, 4.0).is_err());
    }
    assert!(BinomialScorer::learning(2, 1_000.0, 4.0).is_err());
    assert!(BinomialScorer::learning(240, f64::NAN, 4.0).is_err());
}

#[test]
fn a_rate_combines_the_binomial_tail_and_lasting_rises() {
    let mut binomial = BinomialScorer::learning(240, 1_000.0, 4.6).unwrap();
    let mut rate = RateScorer::new(240, 1_000.0, 4.6).unwrap();
    let row = |events: u32| Sample { value: f64::from(events) / 40.0, n: 40 };
    for i in 0..100 {
        for scorer in [&mut binomial as &mut dyn Scorer, &mut rate] {
            scorer.observe(second(60 * i), row(u32::from(i % 4 == 0)), 4.6);
        }
    }
    // both have learnt the same rows
    let learnt = |saved: serde_json::Value| saved.get("single").cloned().unwrap_or(saved);
    let (of_binomial, of_rate) = (serde_json::to_value(&binomial), serde_json::to_value(&rate));
    assert_eq!(learnt(of_binomial.unwrap()), learnt(of_rate.unwrap()));
    let once = |scorer: &dyn Scorer| scorer.score(second(6_000), row(9)).neg_log10_p;
    assert_eq!(once(&binomial), once(&rate));
    for i in 100..108 {
        rate.observe(second(60 * i), row(3), 4.6);
        binomial.observe(second(60 * i), row(3), 4.6);
    }
    let last = |scorer: &dyn Scorer| scorer.score(second(6_480), row(3)).neg_log10_p;
    assert!(last(&rate) >= 4.6 && last(&binomial) < 3.0);
}
