//! An outage stays an outage; a stable and harmless new level is accepted.

use mad_core::config::ScoreConfig;
use mad_core::score::{NewLevel, SignalScorer};
use mad_core::series::{Sample, SignalKind};
use mad_core::time::{SECOND, Timestamp};

/// Deterministic noise between -1 and 1 without a short period.
fn wobble(i: i64) -> f64 {
    (i * 7_919 % 997) as f64 / 997.0 + (i * 10_473 % 641) as f64 / 641.0 - 1.0
}

/// Flagged values and accepted levels, by the time in seconds.
struct Run {
    flagged: Vec<i64>,
    accepted: Vec<(i64, NewLevel)>,
}

impl Run {
    fn of(kind: SignalKind, step: i64, until: i64, sample: impl Fn(i64) -> Sample) -> Self {
        let mut scorer = SignalScorer::new(kind, &ScoreConfig::default()).unwrap();
        let (mut flagged, mut accepted) = (Vec::new(), Vec::new());
        for second in (0..until).step_by(step as usize) {
            let (at, sample) = (Timestamp::from_nanos(second * SECOND), sample(second));
            let scores = scorer.judge(at, sample);
            if scores.score.neg_log10_p >= scorer.threshold_neg_log10_p() {
                flagged.push(second);
            }
            accepted.extend(scorer.learn_judged(at, sample, &scores).map(|level| (second, level)));
        }
        Self { flagged, accepted }
    }

    /// The share of the values from `from` to `to` that are flagged.
    fn share(&self, from: i64, to: i64, step: i64) -> f64 {
        let flagged = self.flagged.iter().filter(|at| (from..to).contains(*at)).count();
        flagged as f64 / ((to - from) / step) as f64
    }
}

const HOUR: i64 = 3_600;

/// A sample by its place in the series.
type SampleAt<'a> = Box<dyn Fn(i64) -> Sample + 'a>;

#[test]
fn a_harmful_level_is_flagged_for_as_long_as_it_lasts_at_any_step() {
    for step in [1, 10, 60, 600, 3_600] {
        // Forty values of normal operation at least, then a fault of thirty steps at least.
        let (start, length) = ((100 * step).max(HOUR), (30 * step).max(HOUR));
        let faulty = |at: i64| (start..start + length).contains(&at);
        let until = start + length + (60 * step).max(HOUR);
        let n = |value: f64| Sample { value, n: 50 };
        let samples: [(SignalKind, SampleAt<'_>); 3] = [
            (
                SignalKind::Latency,
                Box::new(|at| {
                    n(80.0 * (1.0 + 0.1 * wobble(at)) * if faulty(at) { 5.0 } else { 1.0 })
                }),
            ),
            (
                SignalKind::Count,
                Box::new(|at| n((200.0 + 10.0 * wobble(at)) * if faulty(at) { 0.2 } else { 1.0 })),
            ),
            (SignalKind::Rate, Box::new(|at| n(if faulty(at) { 0.3 } else { 0.0 }))),
        ];
        for (kind, sample) in samples {
            let run = Run::of(kind, step, until, sample);
            let share = run.share(start, start + length, step);
            assert!(share > 0.95, "{kind:?} each {step} s: {share}");
            let after = run.share(start + length + 5 * step, until, step);
            assert!(after < 0.02, "{kind:?} each {step} s: {after} after the fault");
            assert!(run.accepted.is_empty(), "{kind:?} each {step} s");
        }
    }
}

#[test]
fn a_harmless_level_is_accepted_after_four_hours_at_any_step() {
    for step in [10, 60, 300] {
        let start = 8 * HOUR;
        let deploy = |at: i64| if at < start { 1.0 } else { 1.4 };
        let latency =
            |at: i64| Sample { value: 80.0 * (1.0 + 0.05 * wobble(at)) * deploy(at), n: 50 };
        let run = Run::of(SignalKind::Latency, step, start + 10 * HOUR, latency);
        let [(at, level)] = run.accepted[..] else { panic!("{step}: {:?}", run.accepted.len()) };
        assert!((start + 4 * HOUR..start + 5 * HOUR).contains(&at), "{step}: {at}");
        assert!((level.before - 80.0).abs() < 4.0 && (level.level - 112.0).abs() < 6.0);
        assert!(run.share(at + step, start + 10 * HOUR, step) < 0.01, "{step}");
    }
}

#[test]
fn errors_are_accepted_only_by_command() {
    let mut scorer = SignalScorer::new(SignalKind::Rate, &ScoreConfig::default()).unwrap();
    let at = |minute: i64| Timestamp::from_seconds(60 * minute);
    let flagged = |from: i64, to: i64, rate: f64, scorer: &mut SignalScorer| {
        (from..to)
            .filter(|minute| {
                let scores = scorer.observe(at(*minute), Sample { value: rate, n: 100 });
                scores.score.neg_log10_p >= 4.0
            })
            .count()
    };
    assert_eq!(flagged(0, 240, 0.0, &mut scorer), 0);
    assert_eq!(flagged(240, 5_000, 0.2, &mut scorer), 4_760);
    let level = scorer.accept_level(at(5_000)).unwrap();
    assert!((level.level - 0.2).abs() < 0.01 && level.since == Some(at(240)));
    assert_eq!(flagged(5_000, 5_200, 0.2, &mut scorer), 0);
    assert!(scorer.accept_level(at(5_200)).is_none());
}

#[test]
fn a_rise_that_does_not_end_is_not_accepted() {
    let rise = |at: i64| {
        80.0 * (1.0 + 0.02 * wobble(at / 60)) * (1.0 + (at - 4 * HOUR).max(0) as f64 / HOUR as f64)
    };
    let run = Run::of(SignalKind::Latency, 60, 16 * HOUR, |at| Sample { value: rise(at), n: 50 });
    assert!(run.accepted.is_empty());
    assert!(run.share(5 * HOUR, 16 * HOUR, 60) > 0.99);
}

/// Normal noise with a standard deviation of 1: the sum of twelve uniform values (Irwin and Hall).
fn normal(seed: u64, i: i64) -> f64 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ i as u64;
    let mut uniform = || {
        // SplitMix64 (Steele and others, 2014)
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) as f64 / u64::MAX as f64
    };
    (0..12).map(|_| uniform()).sum::<f64>() - 6.0
}

/// Memory that rises for an hour after a normal one, by one and a half times its noise each minute.
fn leak(seed: u64) -> Run {
    let used = |at: i64| {
        let minute = at / 60;
        410.0 + 6.0 * normal(seed, minute) + 9.0 * (minute - 60).max(0) as f64
    };
    Run::of(SignalKind::Gauge, 60, 2 * HOUR, |at| Sample { value: used(at), n: 1 })
}

#[test]
fn a_leak_that_is_flagged_stays_flagged_with_an_hour_of_history() {
    // Where the first rows are mild enough, they are learnt, and the leak is a trend: a known limit.
    let shares = (0..50).map(|seed| leak(seed).share(HOUR + 600, 2 * HOUR, 60));
    let (found, missed): (Vec<f64>, Vec<f64>) = shares.partition(|share| *share > 0.5);
    assert!(found.len() > 25 && found.iter().all(|share| *share > 0.95), "{found:?}");
    assert!(missed.iter().all(|share| *share < 0.1), "{missed:?}");
}
