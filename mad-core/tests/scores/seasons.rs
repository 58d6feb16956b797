//! Repeating patterns are normal after three repeats. A missing one, or one at another time, is found.

use mad_core::config::ScoreConfig;
use mad_core::score::SignalScorer;
use mad_core::series::{Sample, SignalKind};
use mad_core::time::Timestamp;

const DAY: i64 = 1_440;

/// Deterministic noise between -1 and 1 without a short period.
fn wobble(i: i64) -> f64 {
    (i * 7_919 % 997) as f64 / 997.0 + (i * 10_473 % 641) as f64 / 641.0 - 1.0
}

/// The flagged minutes of a signal of one value a minute.
fn flagged(kind: SignalKind, days: i64, value: impl Fn(i64) -> f64) -> Vec<i64> {
    let mut scorer = SignalScorer::new(kind, &ScoreConfig::default()).unwrap();
    let is_flagged = |minute: &i64| {
        let sample = Sample { value: value(*minute), n: 60 };
        let scores = scorer.observe(Timestamp::from_seconds(60 * minute), sample);
        scores.score.neg_log10_p >= 4.0
    };
    (0..days * DAY).filter(is_flagged).collect()
}

/// A value of a kind at `level` times its usual one.
fn value(kind: SignalKind, minute: i64, level: f64) -> f64 {
    let noise = wobble(minute);
    match kind {
        SignalKind::Latency => level * 80.0 * (1.0 + 0.1 * noise),
        SignalKind::Count => (level * 60.0 + (level * 60.0).sqrt() * noise).round(),
        SignalKind::Rate => {
            if noise > 0.9 {
                level / 60.0
            } else {
                (level - 1.0) / 60.0
            }
        }
        _ => level * 30.0 + noise,
    }
}

fn since(flagged: &[i64], minute: i64) -> usize {
    flagged.iter().filter(|at| **at >= minute).count()
}

const KINDS: [SignalKind; 4] =
    [SignalKind::Latency, SignalKind::Count, SignalKind::Rate, SignalKind::Gauge];

#[test]
fn jobs_are_learnt_by_their_phase_for_every_kind_of_signal() {
    // Each: period and length of the job in minutes.
    for (period, length) in [(60, 4), (240, 7), (DAY, 20), (DAY, 90)] {
        for kind in KINDS {
            let is_on = |minute: i64| {
                minute % period >= period / 3 && minute % period < period / 3 + length
            };
            let rows = flagged(kind, 7, |at| value(kind, at, if is_on(at) { 5.0 } else { 1.0 }));
            assert!(since(&rows, 0) > 0, "{kind:?} each {period}: the first is news");
            let late = since(&rows, 4 * DAY);
            assert!(late <= 8, "{kind:?} each {period} for {length}: {late} rows from day 5 on");
        }
    }
}

#[test]
fn a_job_at_another_time_and_a_missing_peak_are_found() {
    let hour = |minute: i64| minute % DAY / 60;
    for kind in [SignalKind::Latency, SignalKind::Count, SignalKind::Gauge] {
        let other = 7 * DAY + 15 * 60;
        let is_on = |at: i64| hour(at) == 2 || (other..other + 30).contains(&at);
        let rows = flagged(kind, 8, |at| value(kind, at, if is_on(at) { 5.0 } else { 1.0 }));
        assert!(since(&rows, other) >= 25, "{kind:?} at another time");
        assert!(since(&rows, 4 * DAY) - since(&rows, other) <= 8, "{kind:?}");
    }
    // Half of the morning's peak is as much as at other times of the day.
    let peak = |at: i64| if (8..12).contains(&hour(at)) { 4.0 } else { 1.2 };
    let missing = 7 * DAY + 9 * 60;
    let level =
        |at: i64| if (missing..missing + 40).contains(&at) { 0.3 * peak(at) } else { peak(at) };
    let rows = flagged(SignalKind::Count, 8, |at| value(SignalKind::Count, at, level(at)));
    assert!(since(&rows, missing) >= 38, "{}", since(&rows, missing));
    assert!(since(&rows, 4 * DAY) - since(&rows, missing) <= 8);
}

#[test]
fn weekends_are_learnt_after_three_weeks() {
    let level = |at: i64| if (at / DAY) % 7 >= 5 { 0.3 } else { 1.0 };
    let rows = flagged(SignalKind::Count, 35, |at| value(SignalKind::Count, at, level(at)));
    assert!(since(&rows, 21 * DAY) <= 20, "{}", since(&rows, 21 * DAY));
}

#[test]
fn an_outage_of_one_day_teaches_no_season() {
    let outage = |at: i64| (4 * DAY + 600..4 * DAY + 1_200).contains(&at);
    let again = |at: i64| (5 * DAY + 700..5 * DAY + 800).contains(&at);
    for kind in [SignalKind::Latency, SignalKind::Rate] {
        let level = |at: i64| if outage(at) || again(at) { 9.0 } else { 1.0 };
        let rows = flagged(kind, 6, |at| value(kind, at, level(at)));
        let found = rows.iter().filter(|at| again(**at)).count();
        assert!(found >= 90, "{kind:?}: {found} of 100");
    }
}

#[test]
fn a_season_moves_with_the_clocks_of_its_zone() {
    // A nightly job from 02:10 to 02:40 local time. The clocks go back by an hour after day 8, so
    // that it comes an hour later by UTC. The zone lies west of UTC, so that the job is not
    // among the first values, which are learnt as they are.
    let change = 8 * DAY;
    let offset = |at: i64| if at < change { -480 } else { -540 };
    let is_on = |at: i64| (130..160).contains(&((at + offset(at)).rem_euclid(DAY)));
    let outage = |at: i64| (10 * DAY + 900..10 * DAY + 940).contains(&at);
    for kind in [SignalKind::Latency, SignalKind::Count, SignalKind::Gauge] {
        let late = |with_zone: bool| {
            let mut scorer = SignalScorer::new(kind, &ScoreConfig::default()).unwrap();
            let mut rows = Vec::new();
            for minute in 0..11 * DAY {
                if with_zone {
                    scorer.set_utc_offset(60 * offset(minute) as i32);
                }
                let level = if is_on(minute) || outage(minute) { 5.0 } else { 1.0 };
                let sample = Sample { value: value(kind, minute, level), n: 60 };
                let scores = scorer.observe(Timestamp::from_seconds(60 * minute), sample);
                if scores.score.neg_log10_p >= 4.0 {
                    rows.push(minute);
                }
            }
            let changed = (change..10 * DAY).filter(|at| rows.contains(at)).count();
            (changed, rows.iter().filter(|at| outage(**at)).count())
        };
        let (with_zone, found) = late(true);
        let (without, _) = late(false);
        assert!(with_zone <= 4, "{kind:?}: {with_zone} rows after the change");
        assert!(without >= 10, "{kind:?}: {without} rows without a zone");
        assert!(found >= 30, "{kind:?}: {found} of 40 at another time");
    }
}

/// A component of two or four phases would learn an outage of some hours as what each hour does.
#[test]
fn an_outage_of_rows_each_half_hour_is_no_phase_of_the_hour() {
    for step in [10, 15, 20, 30, 60] {
        let rate = SignalKind::Rate;
        let mut scorer = SignalScorer::new(rate, &ScoreConfig::default()).unwrap();
        let mut flagged = Vec::new();
        for i in 0..220 {
            let fails = i >= 96 && i * 7_919 % 997 < 800;
            let sample = Sample { value: f64::from(u8::from(fails)), n: 1 };
            let scores = scorer.observe(Timestamp::from_seconds(60 * step * i), sample);
            if scores.score.neg_log10_p >= 4.0 {
                flagged.push(i);
            }
        }
        assert!(flagged.first().is_some_and(|i| (96..108).contains(i)), "{step}: {flagged:?}");
        assert!(flagged.len() >= 60, "each {step} minutes: {} of 124 rows", flagged.len());
    }
}

/// A job has the same size by day and by night, or follows the traffic around it.
#[test]
fn an_hourly_job_beside_a_daily_rhythm_is_known_whatever_the_traffic() {
    for rate in [12.0, 60.0, 400.0] {
        for (size, follows) in [(0.9, false), (3.0, false), (0.8, true)] {
            let mean = |at: i64| {
                let wave = (at % DAY) as f64 / DAY as f64 * std::f64::consts::TAU;
                let usual = rate * (1.0 - 0.8 * wave.cos());
                let job = size * if follows { usual } else { rate };
                if (15..18).contains(&(at % 60)) { usual + job } else { usual }
            };
            let extra = 7 * DAY + 700;
            let is_extra = |at: i64| (extra..extra + 10).contains(&at);
            let rows = flagged(SignalKind::Count, 8, |at| {
                let mean = if is_extra(at) { 2.5 * mean(at) } else { mean(at) };
                (mean + 1.2 * mean.sqrt() * wobble(at)).round()
            });
            let found = rows.iter().filter(|at| is_extra(**at)).count();
            let other = since(&rows, 4 * DAY) - found;
            let context = format!("{rate} a minute, a job of {size}, {follows}");
            assert!(other <= 8, "{context}: {other} rows from day 5 on");
            assert!(found >= 7, "{context}: {found} of 10");
        }
    }
}

#[test]
fn a_job_among_the_first_values_is_known_by_the_fourth_day() {
    for length in [10, 20, 30, 60] {
        for (job, other) in [(5.0, 1.0), (1.0, 5.0)] {
            let level = |at: i64| if at % DAY < length { job } else { other };
            let gauge = SignalKind::Gauge;
            let rows = flagged(gauge, 6, |at| value(gauge, at, level(at)));
            let late = since(&rows, 3 * DAY);
            assert!(late <= 4, "{length} minutes, {job} and {other}: {late} rows from day 4 on");
        }
    }
}

#[test]
fn the_band_of_a_latency_or_count_follows_its_season() {
    for kind in [SignalKind::Latency, SignalKind::Count] {
        let mut scorer = SignalScorer::new(kind, &ScoreConfig::default()).unwrap();
        let is_job = |minute: i64| (600..640).contains(&(minute % DAY));
        let sample = |minute: i64| {
            let level = if is_job(minute) { 4.0 } else { 1.0 };
            Sample { value: value(kind, minute, level), n: 60 }
        };
        for minute in 0..7 * DAY {
            let scores = scorer.observe(Timestamp::from_seconds(60 * minute), sample(minute));
            let band = scores.score.low..=scores.score.high;
            let is_known = minute >= 5 * DAY && is_job(minute);
            assert!(
                !is_known || band.contains(&scores.score.expected),
                "{kind:?} {minute}: {band:?}"
            );
        }
    }
}
