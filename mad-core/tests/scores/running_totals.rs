//! Running totals, rare events, and the range that a series can take.

use std::time::Duration;

use mad_core::config::ScoreConfig;
use mad_core::score::{
    EventScorer, GaugeScorer, Learn, MadConfig, RunningTotal, Scorer, SignalScorer,
};
use mad_core::time::Timestamp;
use mad_core::{Sample, SignalKind};
use proptest::prelude::*;

use crate::common::{minute, wobble};

const STEP: Duration = Duration::from_secs(60);

fn sample(value: f64) -> Sample {
    Sample { value, n: 1 }
}

/// The increases of readings that are a minute apart.
fn increases(total: &mut RunningTotal, readings: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let read =
        |(i, value): (usize, f64)| total.increase(minute(i as i64), sample(value), STEP).value;
    readings.into_iter().enumerate().map(read).collect()
}

#[test]
fn names_of_totals_are_read_as_increases() {
    for name in ["jobs_total", "jobs_count", "latency_seconds_sum", "latency_seconds_bucket"] {
        let mut total = RunningTotal::named(name);
        let found = increases(&mut total, (0..30).map(|i| 120.5 * f64::from(i)));
        assert!(found[0].is_nan() && (found[29] - 120.5 / 60.0).abs() < 1e-9, "{name}");
    }
    let mut level = RunningTotal::named("jobs_in_queue");
    assert_eq!(increases(&mut level, [3.0, 4.0, 5.0]), [3.0, 4.0, 5.0]);
    assert!(!level.is_total());
}

#[test]
fn a_name_alone_makes_no_total_of_a_level() {
    let mut threads = RunningTotal::named("thread_count");
    let found = increases(&mut threads, (0..200).map(|i| 40.0 + (10.0 * wobble(i)).round()));
    assert!(!threads.is_total());
    assert!(found.iter().skip(10).all(|value| *value >= 40.0), "{found:?}");
}

#[test]
fn a_series_that_only_grows_becomes_a_total_and_a_trend_that_falls_shows_it() {
    // seven a minute, and for 25 minutes only 60 % of it
    let reading = |i: i32| f64::from(7 * i) * if (3000..3025).contains(&i) { 0.6 } else { 1.0 };
    let mut offset = RunningTotal::named("log_offset");
    let found = increases(&mut offset, (0..3100).map(reading));
    assert!(offset.is_total());
    assert_eq!(found[50], 350.0, "a level for the first hour");
    assert!((found[200] - 7.0).abs() < 1e-9 || (found[200] - 7.0 / 60.0).abs() < 1e-9);
    assert!(found[3000..3025].iter().all(|increase| *increase < 0.0));
    assert_eq!(found[3026], found[2999], "back on its way");
}

#[test]
fn a_series_that_turns_is_no_total() {
    let mut load = RunningTotal::named("load");
    let day = std::f64::consts::TAU / 1440.0;
    let values = (0..2880).map(|i| 60.0 + 40.0 * (day * f64::from(i)).sin());
    let found = increases(&mut load, values);
    assert!(!load.is_total());
    assert!(found[1500..].iter().all(|value| (19.9..100.1).contains(value)));
}

#[test]
fn restarts_have_no_increase() {
    let mut uptime = RunningTotal::named("uptime_seconds");
    let found = increases(&mut uptime, (0..400).map(|i| 60.0 * f64::from(i % 250)));
    assert!(uptime.is_total() && found[250].is_nan());
    assert!(found[260..].iter().all(|increase| *increase == found[249]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// No reading panics, and an increase is finite or unknown.
    #[test]
    fn any_readings_have_an_answer(
        raw in prop::collection::vec((any::<f64>(), 0..3_u64, any::<i64>()), 0..200),
        name in prop_oneof![Just("a_total"), Just("a"), Just("a_sum")],
    ) {
        let mut total = RunningTotal::named(name);
        for (value, n, at) in raw {
            let reading = Sample { value, n };
            let found = total.increase(Timestamp::from_nanos(at), reading, Duration::from_secs(1));
            prop_assert_eq!(found.n, n);
            prop_assert!(!found.value.is_infinite() || value.is_infinite());
        }
    }

    /// A rare event at a constant mean rate is no news, whatever the rate.
    #[test]
    fn events_at_a_constant_rate_are_calm(one_in in 3_u64..400, seed in any::<u64>()) {
        let mut scorer = EventScorer::new(4.0);
        let (mut state, mut flagged) = (seed | 1, 0);
        for i in 0..1_500 {
            // splitmix64
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut x = state;
            x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let event = f64::from(u8::from((x ^ (x >> 31)) % one_in == 0));
            let score = scorer.observe(minute(i), sample(event), 4.0);
            prop_assert!(score.low >= 0.0 || score.points == 0);
            flagged += u32::from(score.neg_log10_p >= 4.0);
        }
        prop_assert!(flagged <= 2, "{} rows flagged", flagged);
    }

    /// Expected values and lower ends of a series that is never negative are not negative either.
    #[test]
    fn expected_ranges_stay_in_the_range_of_the_series(
        values in prop::collection::vec(0.0..1.0_f64, 30..300),
        power in 1..6_i32,
    ) {
        let mut gauge =
            SignalScorer::new(SignalKind::Gauge, &ScoreConfig::default()).unwrap().share();
        let (mut lowest, mut highest) = (f64::MAX, f64::MIN);
        for (i, value) in (0..).zip(&values) {
            let value = value.powi(power);
            let score = gauge.observe(minute(i), sample(value)).score;
            if i > 0 {
                prop_assert!(score.low >= 0.0 && score.high <= 1.0, "{:?}", score);
                prop_assert!(score.expected >= lowest && score.expected <= highest);
            }
            (lowest, highest) = (lowest.min(value), highest.max(value));
        }
    }
}

#[test]
fn a_burst_and_a_standstill_of_rare_events_are_found() {
    let calm = |scorer: &mut EventScorer| {
        for i in 0..900 {
            scorer.observe(minute(i), sample(f64::from(u8::from(i % 4 == 0))), 4.0);
        }
    };
    let first = |value: f64| {
        let mut scorer = EventScorer::new(4.0);
        calm(&mut scorer);
        (900..1000).find(|i| scorer.observe(minute(*i), sample(value), 4.0).neg_log10_p >= 4.0)
    };
    assert!(first(3.0).is_some_and(|i| i < 905), "a burst: {:?}", first(3.0));
    assert!(first(0.0).is_some_and(|i| i < 970), "a standstill: {:?}", first(0.0));
    assert_eq!(first(0.25), None);
}

#[test]
fn a_level_that_the_series_often_has_is_no_anomaly() {
    // three minutes of each half hour at 78, all others at 24
    let value = |i: i64| if i % 30 < 3 { 78.0 } else { 24.0 } + 2.0 * wobble(i);
    let mut gauge = GaugeScorer::new(MadConfig::default(), 4.0).unwrap();
    for i in 0..4 * 1440 {
        let at = minute(i);
        let score = gauge.score(at, sample(value(i)));
        let alarm = gauge.alarm(at, sample(value(i)));
        if i > 1440 && i % 30 >= 3 {
            assert!(score.neg_log10_p < 4.0 && alarm.neg_log10_p < 4.0, "{i}: {score:?} {alarm:?}");
        }
        let how = if score.neg_log10_p >= 4.0 { Learn::Clipped } else { Learn::Full };
        gauge.learn(at, sample(value(i)), how);
    }
}

#[test]
fn a_trend_is_no_alarm_and_hides_no_fall() {
    let mut gauge = GaugeScorer::new(MadConfig::default(), 4.0).unwrap();
    let trend = |i: i64| 7.0 * i as f64 + 40.0 * wobble(i);
    for i in 0..3 * 1440 {
        let alarm = gauge.alarm(minute(i), sample(trend(i)));
        assert!(alarm.neg_log10_p < 4.0, "{i}: {alarm:?}");
        gauge.observe(minute(i), sample(trend(i)), 4.0);
    }
    let fallen = (0..25).filter(|k| {
        let (at, value) = (minute(3 * 1440 + k), sample(0.7 * trend(3 * 1440)));
        let alarm = gauge.alarm(at, value);
        gauge.observe(at, value, 4.0);
        alarm.neg_log10_p >= 4.0
    });
    assert!(fallen.count() >= 15);
}
