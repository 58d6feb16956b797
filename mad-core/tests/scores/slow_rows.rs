//! A latency that rises slowly is seen although each row is hardly beyond the one before.

use mad_core::config::ScoreConfig;
use mad_core::feature::FeatureRow;
use mad_core::score::{MetricScorer, RowScorer, RowScores};
use mad_core::series::{EntityId, Sample, Signal, SignalKind};
use mad_core::time::{MINUTE, Timestamp};

fn at(minute: u32) -> Timestamp {
    Timestamp::from_nanos(i64::from(minute) * MINUTE)
}

/// Something between -1 and 1 that never repeats.
fn wobble(i: u32) -> f64 {
    f64::from(i * 7919 % 997) / 997.0 + f64::from(i * 10_473 % 641) / 641.0 - 1.0
}

/// A minute of 60 requests with such a median.
fn row(minute: u32, p50: f64) -> FeatureRow {
    FeatureRow {
        bucket: at(minute),
        entity: EntityId(0),
        gap: 0,
        whole: true,
        count: 60,
        errors: 0,
        slow: 0,
        samples: 60,
        mean: p50,
        p50,
        p95: 1.7 * p50,
        p99: 1.9 * p50,
        max: 2.0 * p50,
    }
}

fn scored(rows: impl Iterator<Item = (u32, f64)>) -> Vec<RowScores> {
    let mut scorer = RowScorer::new(&ScoreConfig::default()).unwrap();
    rows.map(|(minute, p50)| scorer.observe(&row(minute, p50))).collect()
}

fn usual(minute: u32) -> f64 {
    80.0 * (1.0 + 0.06 * wobble(minute))
}

/// Rows whose median is anomalous.
fn flagged(scores: &[RowScores]) -> Vec<usize> {
    let neg_log10_p = |i: &usize| scores[*i].neg_log10_p_of(Signal::P50Latency);
    (0..scores.len()).filter(|i| neg_log10_p(i) >= 4.0).collect()
}

#[test]
fn two_percent_a_minute_after_half_an_hour() {
    let climb = |minute: u32| 1.02_f64.powi(minute.saturating_sub(30).min(35) as i32);
    // it climbs for 35 minutes, and is back at once
    let value = |m: u32| usual(m) * if m < 65 { climb(m) } else { 1.0 };
    let scores = scored((0..120).map(|m| (m, value(m))));
    let rows = flagged(&scores);
    assert!((36..48).contains(&rows[0]), "{rows:?}");
    assert!(rows.len() > 12 && *rows.last().unwrap() == 64, "{rows:?}");
    for i in &rows {
        let score = scores[*i].of(Signal::P50Latency);
        assert!(value(*i as u32) > score.high && score.z > 0.0, "{i} {score:?}");
    }
    // what it left is what was before, and the begin lies close to the true one
    let last = scores[64].of(Signal::P50Latency);
    assert!((76.0..86.0).contains(&last.expected), "{last:?}");
    let since = scores[64].drift_since(Signal::P50Latency).unwrap();
    assert!((at(30)..at(42)).contains(&since), "{since}");
}

#[test]
fn calm_a_fall_and_one_step_are_no_slow_change() {
    let calm = scored((0..3_000).map(|m| (m, usual(m))));
    assert_eq!(flagged(&calm), [] as [usize; 0]);
    let falls = |m: u32| usual(m) * 0.98_f64.powi(m.saturating_sub(30).min(35) as i32);
    assert_eq!(flagged(&scored((0..120).map(|m| (m, falls(m))))), [] as [usize; 0]);
    let step = scored((0..60).map(|m| (m, usual(m) * if m < 40 { 1.0 } else { 3.0 })));
    assert_eq!(flagged(&step), (40..60).collect::<Vec<_>>());
    assert!(step.iter().all(|scores| scores.drift_since(Signal::P50Latency).is_none()));
}

/// What stays is the new normal after two hours, as without this view.
#[test]
fn the_end_of_a_climb_is_accepted() {
    let climb = |m: u32| 1.02_f64.powi(m.saturating_sub(30).min(35) as i32);
    let rows = flagged(&scored((0..600).map(|m| (m, usual(m) * climb(m)))));
    assert!(*rows.last().unwrap() < 30 + 35 + 240, "{rows:?}");
}

#[test]
fn a_metric_of_latency_is_watched_as_a_row_is_and_goes_on_when_it_is_read_back() {
    let mut scorer = MetricScorer::new(SignalKind::Latency, &ScoreConfig::default()).unwrap();
    let mut told = 0;
    for minute in 0..70 {
        let value = usual(minute) * 1.02_f64.powi(minute.saturating_sub(30) as i32);
        let sample = Sample { value, n: 60 };
        let restored: MetricScorer =
            serde_json::from_str(&serde_json::to_string(&scorer).unwrap()).unwrap();
        let score = scorer.score(at(minute), sample);
        let again = restored.score(at(minute), sample);
        assert_eq!(score.neg_log10_p.to_bits(), again.neg_log10_p.to_bits(), "{minute}");
        told += u32::from(score.neg_log10_p >= 4.0);
        scorer.learn(at(minute), sample, &score);
    }
    assert!(told > 15, "{told}");
}
