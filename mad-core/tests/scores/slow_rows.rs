//! Slow rises of a latency, detected by the CUSUM although no single row is anomalous.

use mad_core::config::ScoreConfig;
use mad_core::feature::{FeatureRow, RowBuilder, RowKind};
use mad_core::score::{RowScorer, RowScores, SignalScorer};
use mad_core::series::{EntityId, Sample, Signal, SignalKind};
use mad_core::time::{MINUTE, Timestamp};

fn at(minute: u32) -> Timestamp {
    Timestamp::from_nanos(i64::from(minute) * MINUTE)
}

/// Deterministic noise between -1 and 1 without a short period.
fn wobble(i: u32) -> f64 {
    f64::from(i * 7919 % 997) / 997.0 + f64::from(i * 10_473 % 641) / 641.0 - 1.0
}

/// A minute of 60 requests with this median.
fn row(minute: u32, p50: f64) -> FeatureRow {
    FeatureRow {
        bucket: at(minute),
        entity: EntityId(0),
        gap: 0,
        whole: true,
        count: 60,
        errors: 0,
        slow: 0,
        no_response: 0,
        samples: 60,
        mean: p50,
        p50,
        p95: 1.7 * p50,
        min: f64::NAN,
        std: f64::NAN,
        p99: 1.9 * p50,
        max: 2.0 * p50,
        client_errors: 0,
        beyond_tail: 0,
        tail_ms: None,
        statuses: mad_core::feature::StatusCounts::default(),
    }
}

fn observe(scorer: &mut RowScorer, row: &FeatureRow) -> RowScores {
    let mut scores = RowScores::default();
    scorer.observe(&RowBuilder::from(row).row(), &mut scores);
    scores
}

fn scored(rows: impl Iterator<Item = (u32, f64)>) -> Vec<RowScores> {
    let mut scorer = RowScorer::new(RowKind::Requests, &ScoreConfig::default()).unwrap();
    rows.map(|(minute, p50)| observe(&mut scorer, &row(minute, p50))).collect()
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
    // it rises for 35 minutes and then drops back
    let value = |m: u32| usual(m) * if m < 65 { climb(m) } else { 1.0 };
    let scores = scored((0..120).map(|m| (m, value(m))));
    let rows = flagged(&scores);
    assert!((36..48).contains(&rows[0]), "{rows:?}");
    assert!(rows.len() > 12 && *rows.last().unwrap() == 64, "{rows:?}");
    for i in &rows {
        let score = scores[*i].of(Signal::P50Latency);
        assert!(value(*i as u32) > score.high && score.z > 0.0, "{i} {score:?}");
    }
    // the expected value is the level before, and the onset is close to the true one
    let last = scores[64].of(Signal::P50Latency);
    assert!((76.0..86.0).contains(&last.expected), "{last:?}");
    let since = scores[64].drift_since(Signal::P50Latency).unwrap();
    assert!((at(30)..at(42)).contains(&since), "{since}");
}

#[test]
fn noise_a_fall_and_a_step_are_no_slow_change() {
    let calm = scored((0..3_000).map(|m| (m, usual(m))));
    assert_eq!(flagged(&calm), [] as [usize; 0]);
    let falls = |m: u32| usual(m) * 0.98_f64.powi(m.saturating_sub(30).min(35) as i32);
    assert_eq!(flagged(&scored((0..120).map(|m| (m, falls(m))))), [] as [usize; 0]);
    let step = scored((0..60).map(|m| (m, usual(m) * if m < 40 { 1.0 } else { 3.0 })));
    assert_eq!(flagged(&step), (40..60).collect::<Vec<_>>());
    assert!(step.iter().all(|scores| scores.drift_since(Signal::P50Latency).is_none()));
}

/// A level that stays, and is at most twice the one before, becomes normal after four hours.
#[test]
fn the_level_at_the_end_of_a_rise_is_accepted() {
    let climb = |m: u32| 1.02_f64.powi(m.saturating_sub(30).min(35) as i32);
    let rows = flagged(&scored((0..600).map(|m| (m, usual(m) * climb(m)))));
    assert!(*rows.last().unwrap() < 30 + 35 + 300, "{rows:?}");
}

#[test]
fn a_latency_metric_is_scored_like_a_row_and_survives_a_restore() {
    let mut scorer = SignalScorer::new(SignalKind::Latency, &ScoreConfig::default()).unwrap();
    let mut reported = 0;
    for minute in 0..70 {
        let value = usual(minute) * 1.02_f64.powi(minute.saturating_sub(30) as i32);
        let sample = Sample { value, n: 60 };
        let restored: SignalScorer =
            serde_json::from_str(&serde_json::to_string(&scorer).unwrap()).unwrap();
        let scores = scorer.judge(at(minute), sample);
        let score = scores.score;
        let again = restored.judge(at(minute), sample).score;
        assert_eq!(score.neg_log10_p.to_bits(), again.neg_log10_p.to_bits(), "{minute}");
        reported += u32::from(score.neg_log10_p >= 4.0);
        scorer.learn_judged(at(minute), sample, &scores);
    }
    assert!(reported > 15, "{reported}");
}
