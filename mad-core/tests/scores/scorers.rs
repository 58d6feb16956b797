//! The contract of all scorers: the score before anything is learnt, values that are ignored,
//! ranges of the numbers, and no lookahead.

use mad_core::config::ScoreConfig;
use mad_core::feature::{FeatureRow, RowKind};
use mad_core::score::{
    BinomialScorer, CountScorer, CusumScorer, DifferenceScorer, DoubleMadScorer, EwmaScorer,
    ExtremeScorer, Learn, Likelihood, LongScorer, MadConfig, MadScorer, RateScorer, RowScorer,
    Score, Scorer, SeasonalScorer, SeriesScorer, ShiftScorer, SignalScore, SignalScorer, ZScorer,
    band_z, neg_log10_sf, normal_equivalent,
};
use mad_core::series::{Direction, EntityId, Sample, Signal, SignalKind};
use mad_core::time::Timestamp;
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use crate::common::{observe, score, with_row};

const WINDOW: usize = 40;
/// Normal deviate at the edge of the band of the single views.
const BAND: f64 = 4.5;
const LEARNS: [Learn; 3] = [Learn::Full, Learn::Clipped, Learn::Skip];

/// A scorer behind a trait object, so that all scorers run through the same tests.
trait Judge: Scorer {
    fn copy(&self) -> Box<dyn Judge>;
    /// Its whole state.
    fn state(&self) -> String;
    /// A scorer restored from its state.
    fn restored(&self) -> Box<dyn Judge>;
}

impl<T: Scorer + Clone + Serialize + DeserializeOwned + 'static> Judge for T {
    fn copy(&self) -> Box<dyn Judge> {
        Box::new(self.clone())
    }

    fn state(&self) -> String {
        serde_json::to_string(self).unwrap()
    }

    fn restored(&self) -> Box<dyn Judge> {
        Box::new(serde_json::from_str::<T>(&self.state()).unwrap())
    }
}

/// The values that a scorer expects.
#[derive(Clone, Copy, PartialEq)]
enum Domain {
    /// Around 100.
    Level,
    /// Shares of 200 trials, around 2 %.
    Share,
    /// Around 50 events.
    Count,
}

impl Domain {
    /// The `i`-th value of a normal series: noise that is the same in every run.
    fn usual(self, i: usize) -> Sample {
        let noise = (i.wrapping_mul(2_654_435_761) >> 7) % 101;
        let noise = noise as f64 / 100.0;
        match self {
            Self::Level => Sample { value: 90.0 + 20.0 * noise, n: 12 },
            Self::Share => Sample { value: (8.0 * noise).floor() / 200.0, n: 200 },
            Self::Count => Sample { value: (43.0 + 14.0 * noise).floor(), n: 1 },
        }
    }

    fn constant(self) -> Sample {
        match self {
            Self::Level => Sample { value: 100.0, n: 12 },
            Self::Share => Sample { value: 0.02, n: 200 },
            Self::Count => Sample { value: 50.0, n: 1 },
        }
    }

    /// Values at growing distances above or below the normal ones.
    fn away(self, up: bool) -> Vec<Sample> {
        let n = self.constant().n;
        let values: &[f64] = match (self, up) {
            (Self::Level, true) => &[111.0, 120.0, 135.0, 170.0, 250.0, 1e3, 1e5, 1e9, 1e300],
            (Self::Level, false) => &[89.0, 80.0, 65.0, 40.0, 20.0, 5.0, 0.5, 0.01, 0.001],
            (Self::Share, true) => &[0.05, 0.07, 0.1, 0.15, 0.25, 0.5, 0.8, 1.0],
            (Self::Share, false) => &[0.005, 0.0],
            (Self::Count, true) => &[60.0, 70.0, 90.0, 130.0, 400.0, 1e6, 1e12],
            (Self::Count, false) => &[40.0, 32.0, 25.0, 15.0, 5.0, 0.0],
        };
        values.iter().map(|value| Sample { value: *value, n }).collect()
    }
}

struct Case {
    name: &'static str,
    judge: Box<dyn Judge>,
    domain: Domain,
    direction: Direction,
    /// Evidence at the edge of the expected band.
    neg_log10_p: f64,
}

impl Case {
    /// The scorer after `points` normal values.
    fn taught(&self, points: usize) -> Box<dyn Judge> {
        let mut judge = self.judge.copy();
        for i in 0..points {
            judge.learn(at(i), self.domain.usual(i), Learn::Full);
        }
        judge
    }

    fn watches(&self, up: bool) -> bool {
        self.direction == Direction::Both || (self.direction == Direction::Up) == up
    }
}

fn at(i: usize) -> Timestamp {
    Timestamp::from_seconds(60 * i as i64)
}

fn level(name: &'static str, logarithm: bool, direction: Direction) -> Case {
    let config = MadConfig { window: WINDOW, direction, logarithm, ..MadConfig::default() };
    let config = if logarithm { MadConfig { absolute_floor: 0.02, ..config } } else { config };
    let two_sided = if direction == Direction::Both { std::f64::consts::LOG10_2 } else { 0.0 };
    Case {
        name,
        judge: Box::new(MadScorer::new(config).unwrap()),
        domain: Domain::Level,
        direction,
        neg_log10_p: neg_log10_sf(config.band) - two_sided,
    }
}

fn kind(
    name: &'static str,
    kind: SignalKind,
    domain: Domain,
    direction: Direction,
    neg_log10_p: f64,
) -> Case {
    let config = ScoreConfig { window: WINDOW, ..ScoreConfig::default() };
    let judge = Box::new(Likelihood::new(kind, &config, neg_log10_p).unwrap());
    Case { name, judge, domain, direction, neg_log10_p }
}

fn cases() -> Vec<Case> {
    use Direction::{Both, Down, Up};
    let count = |direction| CountScorer::new(WINDOW, direction, 4.0).unwrap();
    let counts = |name, direction, neg_log10_p| Case {
        name,
        judge: Box::new(count(direction)),
        domain: Domain::Count,
        direction,
        neg_log10_p,
    };
    let rates = |name, neg_log10_p| Case {
        name,
        judge: Box::new(RateScorer::new(WINDOW, 1_000.0, neg_log10_p).unwrap()),
        domain: Domain::Share,
        direction: Up,
        neg_log10_p,
    };
    let binomial = BinomialScorer::learning(WINDOW, 1_000.0, 4.0).unwrap();
    let view = |name, judge: Box<dyn Judge>, direction| Case {
        name,
        judge,
        domain: Domain::Level,
        direction,
        neg_log10_p: neg_log10_sf(BAND)
            - if direction == Both { std::f64::consts::LOG10_2 } else { 0.0 },
    };
    vec![
        view("long", Box::new(LongScorer::new(Both, BAND).unwrap()), Both),
        view("seasonal", Box::new(SeasonalScorer::new(Up, BAND).unwrap()), Up),
        view("difference", Box::new(DifferenceScorer::new(1, Both, BAND).unwrap()), Both),
        view("jump", Box::new(DifferenceScorer::new(25, Down, BAND).unwrap()), Down),
        view("double", Box::new(DoubleMadScorer::new(WINDOW, Both, BAND).unwrap()), Both),
        view("z", Box::new(ZScorer::new(WINDOW, Both, BAND).unwrap()), Both),
        view("z, up", Box::new(ZScorer::new(WINDOW, Up, BAND).unwrap()), Up),
        Case { neg_log10_p: 4.0, ..view("ewma", Box::new(EwmaScorer::new(3.0).unwrap()), Up) },
        // an extreme of 40 values is one in 20 for two sides
        Case { neg_log10_p: 1.3, ..view("record", Box::new(ExtremeScorer::new(Both)), Both) },
        level("level, both ways", false, Both),
        level("level, up", false, Up),
        level("level, down", false, Down),
        level("logarithm, both ways", true, Both),
        level("logarithm, up", true, Up),
        level("logarithm, down", true, Down),
        Case { judge: Box::new(binomial), ..rates("binomial", 4.0) },
        rates("rate", 4.0),
        rates("rate, sure", 12.0),
        rates("rate, surer than rounding", 25.0),
        counts("count, both ways", Both, neg_log10_sf(4.0) - std::f64::consts::LOG10_2),
        counts("count, up", Up, neg_log10_sf(4.0)),
        counts("count, down", Down, neg_log10_sf(4.0)),
        kind("signal: latency", SignalKind::Latency, Domain::Level, Up, 4.6),
        kind("signal: gauge", SignalKind::Gauge, Domain::Level, Both, 4.6),
        kind("signal: rate", SignalKind::Rate, Domain::Share, Up, 4.6),
        kind("signal: count", SignalKind::Count, Domain::Count, Both, 4.6),
    ]
}

/// Equal to the bit, NaN included.
fn same(a: &Score, b: &Score) -> bool {
    format!("{a:?}") == format!("{b:?}")
}

fn outside(score: &Score, value: f64) -> bool {
    value > score.high || value < score.low
}

/// Checks the ranges that hold for the score of any number.
fn check_ranges(score: &Score, name: &str) -> Result<(), TestCaseError> {
    prop_assert!((0.0..=1.0).contains(&score.value()), "{name}: {score:?}");
    prop_assert!((0.0..=300.0).contains(&score.neg_log10_p), "{name}: {score:?}");
    prop_assert!(score.effective_n.is_finite() && score.effective_n >= 0.0, "{name}: {score:?}");
    if same(score, &Score::unknown()) {
        return Ok(());
    }
    prop_assert!(score.points > 0, "{name}: {score:?}");
    prop_assert!(score.z.is_finite(), "{name}: {score:?}");
    for edge in [score.low, score.expected, score.high] {
        prop_assert!(edge.is_finite(), "{name}: {score:?}");
    }
    prop_assert!(score.low <= score.expected, "{name}: {score:?}");
    prop_assert!(score.expected <= score.high, "{name}: {score:?}");
    Ok(())
}

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        3 => any::<f64>(),
        3 => -1e3..1e3_f64,
        2 => 0.0..1.0_f64,
        2 => prop::sample::select(vec![
            0.0, -0.0, 1.0, -1.0, 1e300, -1e300, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324,
            -5e-324, 1e-3, 1e15, f64::NAN, f64::INFINITY, f64::NEG_INFINITY,
        ]),
    ]
}

fn any_sample() -> impl Strategy<Value = Sample> {
    let n = prop_oneof![
        4 => 1..500_u64,
        1 => prop::sample::select(vec![0, 1, 2, 1_000_000, u64::from(u32::MAX), u64::MAX]),
    ];
    (any_value(), n).prop_map(|(value, n)| Sample { value, n })
}

/// Realistic samples at one level or at several.
fn sane_sample(domain: Domain) -> BoxedStrategy<Sample> {
    match domain {
        Domain::Level => (prop_oneof![1e-2..1e4_f64, Just(100.0), 90.0..110.0_f64], 1..300_u64)
            .prop_map(|(value, n)| Sample { value, n })
            .boxed(),
        Domain::Share => (1..2_000_u64, prop_oneof![0.0..1.0_f64, 0.0..0.05_f64, Just(1.0)])
            .prop_map(|(n, share)| Sample { value: (share * n as f64).round() / n as f64, n })
            .boxed(),
        Domain::Count => prop_oneof![0..200_u32, 0..3_u32, 1_000..2_000_u32]
            .prop_map(|count| Sample { value: f64::from(count), n: 1 })
            .boxed(),
    }
}

#[test]
fn a_new_scorer_answers_unknown() {
    for case in cases() {
        for value in [0.0, 1.0, -1.0, 100.0, 1e300] {
            let score = case.judge.score(at(0), Sample { value, n: 10 });
            assert!(same(&score, &Score::unknown()), "{}: {score:?}", case.name);
            assert_eq!(score.value(), 0.0);
        }
    }
}

#[test]
fn scoring_changes_nothing() {
    for case in cases() {
        for points in [0, 1, 5, WINDOW, 3 * WINDOW] {
            let judge = case.taught(points);
            let before = judge.state();
            for sample in case.domain.away(true).into_iter().chain(case.domain.away(false)) {
                let first = judge.score(at(points), sample);
                let again = judge.score(at(points), sample);
                assert!(same(&first, &again), "{}", case.name);
            }
            assert_eq!(judge.state(), before, "{}", case.name);
        }
    }
}

#[test]
fn invalid_samples_are_unknown_and_not_learnt() {
    let numbers = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    let nonsense = numbers.map(|value| Sample { value, n: 5 });
    let nonsense =
        nonsense.into_iter().chain([0.0, 0.5, 50.0, 1e9].map(|value| Sample { value, n: 0 }));
    for sample in nonsense {
        for case in cases() {
            for points in [0, 1, 30] {
                let mut judge = case.taught(points);
                let before = judge.state();
                let score = judge.score(at(points), sample);
                assert!(same(&score, &Score::unknown()), "{} {sample:?}: {score:?}", case.name);
                for how in LEARNS {
                    judge.learn(at(points), sample, how);
                    assert_eq!(judge.state(), before, "{} {sample:?} {how:?}", case.name);
                }
                judge.observe(at(points), sample, case.neg_log10_p);
                assert_eq!(judge.state(), before, "{} {sample:?}", case.name);
            }
        }
    }
}

#[test]
fn constant_and_two_valued_series_have_scores() {
    for case in cases() {
        let constant = case.domain.constant();
        let other = case.domain.usual(3);
        for series in [vec![constant], vec![constant, other], vec![constant, constant, other]] {
            let mut judge = case.judge.copy();
            for i in 0..2 * WINDOW {
                let score = judge.observe(at(i), series[i % series.len()], case.neg_log10_p);
                if i >= series.len() {
                    check_ranges(&score, case.name).unwrap();
                    assert!(score.neg_log10_p < case.neg_log10_p, "{} {i}: {score:?}", case.name);
                    let value = series[i % series.len()].value;
                    assert!(!outside(&score, value), "{} {i}: {score:?}", case.name);
                }
            }
            for up in [true, false] {
                let far = *case.domain.away(up).last().unwrap();
                let score = judge.score(at(0), far);
                check_ranges(&score, case.name).unwrap();
                let hidden = case.domain == Domain::Share && !up;
                assert!(hidden || (score.z > 0.0) == up, "{}: {score:?}", case.name);
            }
        }
    }
}

#[test]
fn a_distant_value_is_anomalous_and_outside_the_band() {
    for case in cases() {
        let judge = case.taught(WINDOW);
        for up in [true, false] {
            if !case.watches(up) {
                continue;
            }
            let far = *case.domain.away(up).last().unwrap();
            let score = judge.score(at(WINDOW), far);
            assert!(score.neg_log10_p >= case.neg_log10_p, "{}: {score:?}", case.name);
            assert!(outside(&score, far.value), "{}: {score:?}", case.name);
            assert_eq!(score.z > 0.0, up, "{}: {score:?}", case.name);
        }
    }
}

#[test]
fn evidence_grows_with_the_distance_on_the_watched_side_only() {
    // a value at the median has half of the probability above it
    let none = std::f64::consts::LOG10_2 + 1e-9;
    for case in cases() {
        for points in [3, 10, WINDOW, 2 * WINDOW] {
            let judge = case.taught(points);
            for up in [true, false] {
                let scores =
                    case.domain.away(up).into_iter().map(|away| judge.score(at(points), away));
                let mut last = 0.0;
                for score in scores {
                    if case.watches(up) {
                        assert!(score.neg_log10_p >= last, "{}: {score:?} after {last}", case.name);
                        last = score.neg_log10_p;
                    } else {
                        assert!(score.neg_log10_p <= none, "{}: {score:?}", case.name);
                    }
                }
            }
        }
    }
}

#[test]
fn fewer_observations_are_never_more_evidence() {
    for case in cases() {
        let judge = case.taught(WINDOW);
        for up in [true, false] {
            for away in case.domain.away(up) {
                // shares with a whole number of events for these trials
                let share = case.domain == Domain::Share;
                let value = if share && away.value < 1.0 { 0.25 } else { away.value };
                let mut last = 0.0;
                for n in [4, 8, 12, 40, 400, 40_000] {
                    let score = judge.score(at(0), Sample { value, n });
                    assert!(score.neg_log10_p >= last - 1e-9, "{} {n}: {score:?}", case.name);
                    // on the unwatched side a smaller spread removes the remaining evidence
                    last = if score.neg_log10_p > 0.302 { score.neg_log10_p } else { 0.0 };
                }
            }
        }
    }
}

#[test]
fn skipped_values_are_not_learnt() {
    for case in cases() {
        let mut judge = case.taught(10);
        let before = judge.state();
        for sample in case.domain.away(true) {
            judge.learn(at(10), sample, Learn::Skip);
        }
        assert_eq!(judge.state(), before, "{}", case.name);
    }
}

#[test]
fn clipped_values_are_learnt_at_the_edge_of_the_range() {
    for case in cases() {
        for up in [true, false] {
            if !case.watches(up) {
                continue;
            }
            let away = case.domain.away(up);
            let mut last_two = away.iter().rev();
            let (farthest, far) = (*last_two.next().unwrap(), *last_two.next().unwrap());
            let judge = case.taught(WINDOW);
            let (mut a, mut b) = (judge.copy(), judge.copy());
            a.learn(at(0), farthest, Learn::Clipped);
            b.learn(at(0), far, Learn::Clipped);
            if case.name == "signal: gauge" {
                // everything except the decaying evidence
                let (a, b) =
                    (a.score(at(0), case.domain.usual(0)), b.score(at(0), case.domain.usual(0)));
                let known = |score: &Score| (score.low, score.expected, score.high, score.z);
                assert_eq!(known(&a), known(&b), "{}: how far out makes no difference", case.name);
            } else {
                assert_eq!(a.state(), b.state(), "{}: how far out makes no difference", case.name);
            }
            for i in 0..WINDOW / 3 {
                let before = a.score(at(i), case.domain.usual(i));
                a.learn(at(i), farthest, Learn::Clipped);
                let now = a.score(at(i), case.domain.usual(i));
                let inside = now.expected >= before.low && now.expected <= before.high;
                assert!(inside, "{} {i}: {now:?}, was {before:?}", case.name);
            }
        }
    }
}

#[test]
fn a_restored_scorer_continues_unchanged() {
    for case in cases() {
        let mut straight = case.judge.copy();
        let mut stopped = case.judge.copy();
        for i in 0..3 * WINDOW {
            let sample = match i % 17 {
                16 => *case.domain.away(i % 2 == 0).last().unwrap(),
                _ => case.domain.usual(i),
            };
            let a = straight.observe(at(i), sample, case.neg_log10_p);
            let b = stopped.observe(at(i), sample, case.neg_log10_p);
            assert!(same(&a, &b), "{} {i}: {a:?} {b:?}", case.name);
            if i % 5 == 0 {
                stopped = stopped.restored();
            }
            assert_eq!(straight.state(), stopped.state(), "{} {i}", case.name);
        }
    }
}

#[test]
fn memory_is_bounded() {
    for case in cases() {
        let mut judge = case.judge.copy();
        let mut sizes = Vec::new();
        for round in 0..12 {
            for i in 0..WINDOW {
                judge.learn(at(i), case.domain.usual(i), Learn::Full);
            }
            if round >= 1 {
                sizes.push(judge.state().len());
            }
        }
        let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
        if ["signal: gauge", "long", "seasonal", "difference", "jump"].contains(&case.name) {
            // a full long memory is thinned to a third
            assert!(*most <= 8_000, "{}: {sizes:?}", case.name);
            continue;
        }
        // a counter and a mean may have a few more digits
        assert!(most - least <= 24, "{}: {sizes:?}", case.name);
    }
}

#[test]
fn nothing_learnt_later_changes_an_earlier_score() {
    for case in cases() {
        let run = |points: usize| {
            let mut judge = case.judge.copy();
            let usual = (0..points).map(|i| judge.observe(at(i), case.domain.usual(i), 4.0));
            usual.map(|score| format!("{score:?}")).collect::<Vec<_>>()
        };
        let all = run(2 * WINDOW);
        for points in [1, 7, WINDOW] {
            assert_eq!(run(points), all[..points], "{}", case.name);
        }
    }
}

fn level_scores(config: MadConfig, values: &[f64]) -> Vec<Score> {
    let mut scorer = MadScorer::new(config).unwrap();
    let samples = values.iter().map(|value| Sample { value: *value, n: 1 });
    samples.enumerate().map(|(i, sample)| scorer.observe(at(i), sample, 4.0)).collect()
}

fn close(a: f64, b: f64, scale: f64) -> bool {
    a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= 1e-6 * scale.max(a.abs())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn scores_of_any_numbers_stay_in_their_ranges(
        past in prop::collection::vec((any_sample(), 0..3_usize), 0..60),
        probes in prop::collection::vec(any_sample(), 1..6),
    ) {
        for case in cases() {
            let mut judge = case.judge.copy();
            for (i, (sample, how)) in past.iter().enumerate() {
                let score = judge.score(at(i), *sample);
                check_ranges(&score, case.name)?;
                judge.learn(at(i), *sample, LEARNS[*how]);
            }
            for probe in &probes {
                let score = judge.score(at(past.len()), *probe);
                check_ranges(&score, case.name)?;
                prop_assert!(
                    score.neg_log10_p < case.neg_log10_p || outside(&score, probe.value),
                    "{}: {probe:?} {score:?}", case.name
                );
            }
            prop_assert_eq!(judge.restored().state(), judge.state());
        }
    }

    #[test]
    fn flagged_values_are_outside_the_band(
        level in prop::collection::vec(sane_sample(Domain::Level), 1..60),
        share in prop::collection::vec(sane_sample(Domain::Share), 1..60),
        count in prop::collection::vec(sane_sample(Domain::Count), 1..60),
    ) {
        for case in cases() {
            let past = match case.domain {
                Domain::Level => &level,
                Domain::Share => &share,
                Domain::Count => &count,
            };
            let mut judge = case.judge.copy();
            for (i, sample) in past.iter().enumerate() {
                let score = judge.observe(at(i), *sample, case.neg_log10_p);
                check_ranges(&score, case.name)?;
                prop_assert!(
                    score.neg_log10_p < case.neg_log10_p || outside(&score, sample.value),
                    "{} {i}: {sample:?} {score:?}", case.name
                );
            }
        }
    }

    #[test]
    fn a_gauge_is_invariant_under_shifts(
        values in prop::collection::vec(-50.0..50.0_f64, 2..80),
        shift in -1e4..1e4_f64,
    ) {
        let config = MadConfig { window: WINDOW, relative_floor: 0.0, ..MadConfig::default() };
        let shifted: Vec<f64> = values.iter().map(|x| x + shift).collect();
        for (i, (a, b)) in level_scores(config, &values).iter().zip(level_scores(config, &shifted)).enumerate() {
            // for equal values the scale is the floor, and rounding is not small relative to it
            if i < 3 || a.source == mad_core::score::ScaleSource::Floor {
                continue;
            }
            prop_assert!(close(a.z, b.z, 1.0), "{i}: {a:?} {b:?}");
            prop_assert!(close(a.neg_log10_p, b.neg_log10_p, 1.0), "{i}: {a:?} {b:?}");
            prop_assert!(close(a.high + shift, b.high, 1e3 + shift.abs()), "{i}: {a:?} {b:?}");
        }
    }

    #[test]
    fn gauges_and_latencies_are_invariant_under_units(
        values in prop::collection::vec(1.0..500.0_f64, 2..80),
        power in -6..10_i32,
        factor in 0.2..100.0_f64,
    ) {
        let gauge = MadConfig { window: WINDOW, absolute_floor: 1e-300, ..MadConfig::default() };
        let scale = 2.0_f64.powi(power);
        let scaled: Vec<f64> = values.iter().map(|x| x * scale).collect();
        for (a, b) in level_scores(gauge, &values).iter().zip(level_scores(gauge, &scaled)) {
            prop_assert!(close(a.z, b.z, 0.0) && close(a.neg_log10_p, b.neg_log10_p, 0.0), "{a:?} {b:?}");
            prop_assert!(close(a.high * scale, b.high, 0.0), "{a:?} {b:?}");
        }
        let config = ScoreConfig { window: WINDOW, ..ScoreConfig::default() };
        let latency = Likelihood::new(SignalKind::Latency, &config, 4.6).unwrap();
        let (mut one, mut other) = (latency.clone(), latency);
        for (i, value) in values.iter().enumerate() {
            let a = one.observe(at(i), Sample { value: *value, n: 9 }, 4.6);
            let b = other.observe(at(i), Sample { value: value * factor, n: 9 }, 4.6);
            prop_assert!(close(a.z, b.z, 1.0) && close(a.neg_log10_p, b.neg_log10_p, 1.0), "{i}: {a:?} {b:?}");
            // with one value the band covers all numbers
            let endless = a.high == f64::MAX || b.high == f64::MAX;
            prop_assert!(endless || close(a.high * factor, b.high, 1e-3), "{i}: {a:?} {b:?}");
        }
    }

    #[test]
    fn rows_of_any_numbers_are_judged_and_learnt(
        rows in prop::collection::vec(
            (any_value(), any_value(), 0..400_u64, 0..500_u64, 0..400_u64), 1..40),
    ) {
        let mut scorer = RowScorer::new(RowKind::Requests, &ScoreConfig { window: 12, ..ScoreConfig::default() }).unwrap();
        let neg_log10_p = scorer.signal_neg_log10_p();
        for (i, (p50, p95, count, errors, samples)) in rows.iter().enumerate() {
            let row = FeatureRow {
                bucket: at(i), entity: EntityId(0), gap: 0, whole: true, slow: 0, no_response: 0, count: *count,
                errors: *errors.min(count), samples: *samples, mean: *p50, p50: *p50, p95: *p95,
                min: f64::NAN, std: f64::NAN, p99: *p95, max: *p95, client_errors: *count - errors.min(count), beyond_tail: *errors.min(samples),
                tail_ms: Some(1.0), statuses: mad_core::feature::StatusCounts::default(),
            };
            let before = serde_json::to_string(&scorer).unwrap();
            let scores = score(&scorer, &row);
            prop_assert_eq!(format!("{scores:?}"), format!("{:?}", score(&scorer, &row)));
            prop_assert_eq!(&before, &serde_json::to_string(&scorer).unwrap());
            prop_assert!((0.0..=1.0).contains(&scores.value()));
            for SignalScore { signal, score, .. } in scores.iter() {
                prop_assert!((0.0..=300.0).contains(&score.neg_log10_p), "{signal:?} {score:?}");
                prop_assert!((0.0..=1.0).contains(&score.value()), "{signal:?} {score:?}");
                prop_assert!(score.effective_n >= 0.0, "{signal:?} {score:?}");
                prop_assert!(
                    score.neg_log10_p < neg_log10_p || outside(score, row.sample(signal.builtin().unwrap()).value),
                    "{signal:?} {score:?} {row:?}"
                );
            }
            with_row(&row, |row| scorer.learn(row, &scores));
            scorer = serde_json::from_str(&serde_json::to_string(&scorer).unwrap()).unwrap();
        }
    }
}

#[test]
fn the_evidence_of_few_requests_is_bounded_by_that_of_single_ones() {
    let mut scorer = RowScorer::new(RowKind::Requests, &ScoreConfig::default()).unwrap();
    let row = |i: usize, latency: f64, n: u64| FeatureRow {
        bucket: at(i),
        entity: EntityId(0),
        gap: 0,
        whole: true,
        slow: 0,
        no_response: 0,
        count: n,
        errors: 0,
        samples: n,
        mean: latency,
        p50: latency,
        p95: latency,
        min: f64::NAN,
        std: f64::NAN,
        p99: latency,
        max: latency,
        client_errors: 0,
        beyond_tail: 0,
        tail_ms: None,
        statuses: mad_core::feature::StatusCounts::default(),
    };
    for i in 0..100 {
        observe(&mut scorer, &row(i, 100.0 + (i % 9) as f64, 20));
    }
    let one = score(&scorer, &row(100, 300.0, 1));
    let many = score(&scorer, &row(100, 300.0, 20));
    for signal in [Signal::P50Latency, Signal::P95Latency] {
        assert!(one.of(signal).neg_log10_p < 5.0, "{one:?}");
        assert_eq!(one.of(signal).effective_n, 1.0);
    }
    // half of twenty requests were slow, and the p95 shows one of twenty
    assert!(many.of(Signal::P50Latency).neg_log10_p > 8.0, "{many:?}");
    assert_eq!(many.of(Signal::P50Latency).effective_n, 10.0);
    assert_eq!(many.of(Signal::P95Latency).effective_n, 1.0);
}

#[test]
fn the_normal_deviate_and_its_inverse_are_close_to_students_t() {
    let normal = Normal::new(0.0, 1.0).unwrap();
    for dof in [1.0, 2.0, 3.0, 4.0, 5.5, 8.0, 15.0, 30.0, 88.2, 1_000.0] {
        let student = StudentsT::new(0.0, 1.0, dof).unwrap();
        for step in 0..=60 {
            let u = f64::from(step) / 10.0;
            let z = band_z(u, dof);
            let back = normal_equivalent(z, dof);
            assert!((back - u).abs() < 1e-9 * (1.0 + u), "{dof} {u}: {back}");
            assert_eq!(normal_equivalent(-z, dof), -back);
            if dof >= 4.0 {
                // the deviate whose upper tail is that of z under Student's t
                let exact = -normal.inverse_cdf(student.sf(z));
                let error = match u {
                    _ if dof >= 10.0 => 0.05,
                    ..=4.0 => 0.08,
                    _ => 0.2,
                };
                assert!((back - exact).abs() < error, "dof {dof}, u {u}, z {z}: {exact}");
                assert!(back < exact + 0.01, "never much too sure: {dof} {u} {exact}");
            }
        }
    }
    assert_eq!(normal_equivalent(3.0, f64::INFINITY), 3.0);
    assert_eq!(band_z(3.0, f64::INFINITY), 3.0);
    assert!(normal_equivalent(f64::NAN, 5.0).is_nan());
    assert!(normal_equivalent(f64::INFINITY, 5.0).is_finite());
    assert!(normal_equivalent(f64::MAX, 0.5) >= normal_equivalent(1e100, 0.5));
}

#[test]
fn a_shift_needs_several_values() {
    let mut shift = ShiftScorer::new(12, Direction::Both, 3.5).unwrap();
    let mut unknown = shift.clone();
    assert!(same(&unknown.score(at(0), Sample { value: 1.0, n: 1 }), &Score::unknown()));
    unknown.learn(at(0), Sample { value: f64::NAN, n: 1 }, Learn::Full);
    assert!(same(&unknown.score(at(0), Sample { value: 1.0, n: 1 }), &Score::unknown()));
    for i in 0..400 {
        shift.learn(at(i), Domain::Level.usual(i), Learn::Full);
    }
    let spike = Sample { value: 1e6, n: 1 };
    assert!(shift.score(at(400), spike).neg_log10_p < 2.0, "{:?}", shift.score(at(400), spike));
    let restored: ShiftScorer =
        serde_json::from_str(&serde_json::to_string(&shift).unwrap()).unwrap();
    let mut found = None;
    for i in 400..420 {
        let moved = Sample { value: Domain::Level.usual(i).value + 15.0, n: 1 };
        if shift.observe(at(i), moved, 4.0).neg_log10_p >= 4.0 {
            found = found.or(Some(i));
        }
    }
    // the median of twelve moves with the seventh
    assert!(found.is_some_and(|i| i <= 412), "{found:?}");
    assert!(same(&restored.score(at(400), spike), &restored.clone().score(at(400), spike)));
    assert!(ShiftScorer::new(1, Direction::Both, 3.5).is_err());
    assert!(ShiftScorer::new(12, Direction::Both, f64::NAN).is_err());
}

#[test]
fn a_gauge_accepts_a_new_level_and_learns_the_hours() {
    let gauge = || Likelihood::new(SignalKind::Gauge, &ScoreConfig::default(), 4.0).unwrap();
    // a lasting level becomes normal within 240 values
    let mut judge = gauge();
    let value = |i: usize, level: f64| Sample { value: level + Domain::Level.usual(i).value, n: 1 };
    for i in 0..600 {
        judge.observe(at(i), value(i, 0.0), 4.0);
    }
    assert!(judge.score(at(600), value(600, 60.0)).neg_log10_p >= 4.0);
    for i in 600..840 {
        judge.observe(at(i), value(i, 60.0), 4.0);
    }
    assert!(judge.score(at(840), value(840, 60.0)).neg_log10_p < 4.0);
    // in a constant series only other values are anomalous
    let mut constant = gauge();
    for i in 0..300 {
        let same = constant.observe(at(i), Sample { value: 7.0, n: 1 }, 4.0);
        assert!(same.neg_log10_p < 0.5, "{i}: {same:?}");
    }
    assert!(constant.score(at(300), Sample { value: 8.0, n: 1 }).neg_log10_p >= 4.0);
    // one value and then gaps are still one value
    let mut once = gauge();
    once.learn(at(0), Sample { value: 7.0, n: 1 }, Learn::Full);
    for i in 1..500 {
        once.tick(at(i));
    }
    assert!(once.score(at(500), Sample { value: 9.0, n: 1 }).neg_log10_p < 4.0);
    // an hour of the day that is always high
    let hourly = |i: usize| {
        let high = if i % 24 == 9 { 50.0 } else { 0.0 };
        (Timestamp::from_seconds(3_600 * i as i64), value(i, high))
    };
    let mut seasonal = gauge();
    for i in 0..24 * 28 {
        let (at, sample) = hourly(i);
        seasonal.observe(at, sample, 4.0);
    }
    let (at, high) = hourly(24 * 28 + 9);
    let (elsewhere, _) = hourly(24 * 28 + 15);
    let (usual, odd) = (seasonal.score(at, high), seasonal.score(elsewhere, high));
    assert!(usual.z < odd.z / 1.5, "{usual:?} {odd:?}");
}

#[test]
fn a_small_lasting_rise_of_a_rate_is_found_and_ends_in_time() {
    let mut rate = RateScorer::new(240, 1_000.0, 4.6).unwrap();
    let row = |events: u32| Sample { value: f64::from(events) / 40.0, n: 40 };
    for i in 0..100 {
        rate.observe(at(i), row(u32::from(i % 4 == 0)), 4.6);
    }
    // three of forty in one row are not significant, in eight rows they are
    assert!(rate.score(at(100), row(3)).neg_log10_p < 3.0);
    let raised: Vec<Score> = (100..108).map(|i| rate.observe(at(i), row(3), 4.6)).collect();
    let last = raised.last().unwrap();
    assert!(last.neg_log10_p >= 4.6 && last.effective_n > 3.0, "{last:?}");
    assert!(outside(last, row(3).value), "{last:?}");
    assert!(raised[0].neg_log10_p < 3.0 && raised[3].neg_log10_p < last.neg_log10_p, "{raised:?}");
    // a row without errors ends it, and a single error after it changes nothing
    assert!(rate.observe(at(108), row(0), 4.6).neg_log10_p < 1.0);
    assert!(rate.observe(at(109), row(0), 4.6).neg_log10_p < 1.0);
    assert!(rate.observe(at(110), row(1), 4.6).neg_log10_p < 2.0);
}

#[test]
fn a_row_with_few_errors_after_an_outage_is_not_flagged() {
    let row = |events: u32| Sample { value: f64::from(events) / 70.0, n: 70 };
    let after = |past: &[u32], now: u32| {
        let mut rate = RateScorer::new(240, 1_000.0, 4.6).unwrap();
        for (i, events) in
            (0..100).map(|i| u32::from(i % 4 != 0)).chain(past.iter().copied()).enumerate()
        {
            rate.observe(at(i), row(events), 4.6);
        }
        rate.score(at(200), row(now)).neg_log10_p
    };
    let (outage, little) = ([14, 16, 13, 15, 14, 17], [5, 4, 6, 3, 5, 4]);
    let (still, over) = (after(&outage, 14), after(&outage, 2));
    assert!(still >= 4.6 && over < 1.5, "{still} {over}");
    // two such rows, or one slightly high row, do not flag it again
    assert!(after(&[14, 16, 13, 15, 14, 17, 2], 2) < 1.5);
    assert!(after(&[14, 16, 13, 15, 14, 17, 1, 0, 2], 3) < 2.0);
    // a small rise does not end with a slightly lower row
    assert!(after(&little, 3) >= 4.6 && after(&little, 1) < 1.5);
}

/// Deterministic noise between -1 and 1 with a long period.
fn jitter(i: u64) -> f64 {
    let mut x = i.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((x ^ (x >> 31)) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// An approximately normal deviate.
fn deviate(i: u64) -> f64 {
    (0..12).map(|k| jitter(12 * i + k)).sum::<f64>() / 2.0
}

#[test]
fn a_small_lasting_rise_of_a_latency_is_found_and_ends_in_time() {
    let mut scorer = SignalScorer::new(SignalKind::Latency, &ScoreConfig::default()).unwrap();
    let mut flagged = Vec::new();
    for i in 0..400_u64 {
        let slow = if (300..312).contains(&i) { 1.25 } else { 1.0 };
        let sample = Sample { value: 100.0 * slow * (0.08 * deviate(i)).exp(), n: 1 };
        let score = scorer.observe(at(i as usize), sample).score;
        if score.neg_log10_p >= 4.0 {
            assert!(outside(&score, sample.value), "{i} {score:?}");
            flagged.push(i);
        }
    }
    assert!(flagged.len() >= 5 && flagged.iter().all(|i| (300..313).contains(i)), "{flagged:?}");
}

#[test]
fn autocorrelated_rows_do_not_add_up() {
    for alike in [0.0, 0.5, 0.9, 0.98] {
        let mut scorer = SignalScorer::new(SignalKind::Latency, &ScoreConfig::default()).unwrap();
        let (mut level, mut flagged) = (0.0, 0);
        for i in 0..20_000_u64 {
            level = alike * level + (1.0_f64 - alike * alike).sqrt() * deviate(i);
            let sample = Sample { value: 100.0 * (0.08 * level).exp(), n: 1 };
            flagged += u32::from(scorer.observe(at(i as usize), sample).score.neg_log10_p >= 4.0);
        }
        assert!(flagged <= 20, "{flagged} of 20,000 at {alike}");
    }
}

/// Alarms of a gauge measured once a second, by the second.
fn alarms(seconds: u64, value: impl Fn(u64) -> f64) -> Vec<u64> {
    let mut scorer = SeriesScorer::new(SignalKind::Gauge, &ScoreConfig::default()).unwrap();
    let alarm = |i: &u64| {
        let sample = Sample { value: value(*i), n: 1 };
        scorer.observe(Timestamp::from_seconds(*i as i64), sample).is_alarm
    };
    (0..seconds).filter(alarm).collect()
}

#[test]
fn a_slow_drift_raises_one_alarm_and_its_level_is_accepted() {
    let noise = |i: u64| 120.0 + 9.0 * deviate(i);
    assert_eq!(alarms(40_000, noise), [] as [u64; 0]);
    // from 120 to 156 in half an hour, 5 % of the scatter a minute, then constant
    let climb = |i: u64| 36.0 * (i.saturating_sub(20_000) as f64 / 1_800.0).min(1.0);
    let found = alarms(40_000, |i| noise(i) + climb(i));
    assert!((20_300..21_200).contains(&found[0]), "{found:?}");
    assert!(found.iter().filter(|i| **i > 24_000).count() <= 1, "{found:?}");
    // a rise below the scatter raises no alarm
    let found = alarms(40_000, |i| noise(i) + climb(i) / 12.0);
    assert_eq!(found, [] as [u64; 0]);
}

#[test]
fn the_cusum_detects_a_rise_that_no_block_shows() {
    let mut cusum = CusumScorer::new(10, Direction::Up, 4.0).unwrap();
    let mut found = Vec::new();
    for i in 0..2_000_u64 {
        let climb = i.saturating_sub(1_000) as f64 / 40.0;
        let sample = Sample { value: 100.0 + 4.0 * deviate(i) + climb, n: 1 };
        let score = cusum.observe(at(i as usize), sample, 4.0);
        if score.neg_log10_p >= 4.0 {
            assert!(outside(&score, sample.value) && score.z > 0.0, "{i} {score:?}");
            found.push(i);
        }
    }
    assert!((1_050..1_400).contains(&found[0]), "{found:?}");
    assert!(CusumScorer::new(0, Direction::Both, 4.0).is_err());
    assert!(CusumScorer::new(60, Direction::Both, f64::NAN).is_err());
    let restored: CusumScorer =
        serde_json::from_str(&serde_json::to_string(&cusum).unwrap()).unwrap();
    let sample = Sample { value: 170.0, n: 1 };
    assert!(same(&restored.score(at(2_000), sample), &cusum.score(at(2_000), sample)));
}

#[test]
fn weak_deviations_of_several_signals_are_combined() {
    let mut scorer = RowScorer::new(RowKind::Requests, &ScoreConfig::default()).unwrap();
    let row = |i: usize, slower: f64, errors: u64, count: u64| {
        let latency = |k: u64| 100.0 * slower * (0.1 * deviate(7 * i as u64 + k)).exp();
        FeatureRow {
            entity: EntityId(0),
            bucket: at(i),
            gap: 0,
            whole: true,
            slow: 0,
            no_response: 0,
            count,
            errors,
            samples: count,
            mean: latency(0),
            p50: latency(0),
            p95: 2.0 * latency(1),
            min: f64::NAN,
            std: f64::NAN,
            p99: 3.0 * latency(1),
            max: 4.0 * latency(1),
            client_errors: 0,
            beyond_tail: 0,
            tail_ms: None,
            statuses: mad_core::feature::StatusCounts::default(),
        }
    };
    let usual = |i: usize| row(i, 1.0, u64::from(i.is_multiple_of(2)), 60 + (i as u64 * 7) % 11);
    for i in 0..300 {
        let score = observe(&mut scorer, &usual(i)).neg_log10_p();
        assert!(score < 4.0, "{i} {score}");
    }
    let calm = |row: FeatureRow| FeatureRow { p50: 100.0, p95: 200.0, ..row };
    let slow = |row: FeatureRow| FeatureRow { p50: 128.0, p95: 257.0, ..row };
    let alone = [
        score(&scorer, &slow(row(300, 1.0, 0, 65))),
        score(&scorer, &calm(row(300, 1.0, 4, 65))),
        score(&scorer, &calm(row(300, 1.0, 0, 41))),
    ];
    assert!(alone.iter().all(|scores| scores.neg_log10_p() < 3.5), "{alone:?}");
    let together = score(&scorer, &slow(row(300, 1.0, 4, 41)));
    assert!(together.neg_log10_p() >= 4.0, "{together:?}");
    for SignalScore { signal, score, .. } in together.iter().take(Signal::MAIN) {
        // all contributing signals are flagged outside their bands
        let value = slow(row(300, 1.0, 4, 41)).sample(signal.builtin().unwrap()).value;
        assert!(score.neg_log10_p >= 4.0 && outside(score, value), "{signal:?} {score:?}");
    }
    // two perfectly correlated signals count as one
    let weak = |scorer: &RowScorer| score(scorer, &slow(row(300, 1.0, 4, 65))).neg_log10_p();
    let mut alike = RowScorer::new(RowKind::Requests, &ScoreConfig::default()).unwrap();
    let mut apart = alike.clone();
    for i in 0..300 {
        let plain = usual(i);
        observe(&mut apart, &plain);
        observe(&mut alike, &FeatureRow { p95: 2.0 * plain.p50, ..plain });
    }
    assert!(weak(&alike) < weak(&apart), "{} {}", weak(&alike), weak(&apart));
    // a row that one signal flags is attributed to that signal
    let plain = score(&scorer, &FeatureRow { p95: 2_000.0, ..calm(row(300, 1.0, 2, 65)) });
    assert!(plain.of(Signal::P95Latency).neg_log10_p >= 4.6);
    assert!(plain.of(Signal::ErrorRate).neg_log10_p < 3.0, "{plain:?}");
}
