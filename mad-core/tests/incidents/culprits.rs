//! Ranking of culprits: shares, ties, the look-back window, and abstention.

use std::sync::Arc;
use std::time::Duration;

use mad_core::config::CulpritConfig;
use mad_core::culprit::{CulpritRanker, Ranking, RankingContext};
use mad_core::guard::Severity;
use mad_core::history::{FlaggedRow, FlaggedSignal, History};
use mad_core::limits::Limits;
use mad_core::series::{EntityId, EntityTable, Signal, SignalName};
use mad_core::telemetry::ChangeEvent;
use mad_core::time::{MINUTE, Timestamp};
use mad_core::{MetricPoint, Pipeline, PipelineConfig, Source, Update};
use proptest::prelude::*;

use crate::common::minute;

const NAMES: [&str; 6] = ["delta", "alpha", "echo", "bravo", "foxtrot", "charlie"];

fn table() -> EntityTable {
    let mut table = EntityTable::new(100);
    for name in NAMES {
        table.id(name, "/x");
    }
    table
}

fn signal(signal: Signal, neg_log10_p: f64) -> FlaggedSignal {
    FlaggedSignal {
        signal: signal.into(),
        value: 900.0 + neg_log10_p,
        expected: 100.0,
        low: 50.0,
        high: 200.0,
        z: 9.0,
        neg_log10_p,
        drifting_for: None,
        tail_ms: None,
        first_sight: false,
    }
}

fn row(entity: u32, at: i64, neg_log10_p: f64) -> FlaggedRow {
    FlaggedRow {
        statuses: mad_core::feature::StatusCounts::default(),
        subsets: Vec::new(),
        entity: EntityId(entity),
        bucket: minute(at),
        step: Duration::from_secs(60),
        rhythm: Duration::ZERO,
        delay: Duration::ZERO,
        count: 100,
        errors: 4,
        no_response: 0,
        expected_error_rate: 0.01,
        objectives: None,
        severity: Severity::Warning,
        neg_log10_p,
        effective_n: 0.0,
        others: Vec::new(),
        opens: true,
        explained_by: None,
        signals: vec![signal(Signal::P95Latency, neg_log10_p)],
    }
}

fn ranker(minutes: f64, top_k: usize) -> CulpritRanker {
    CulpritRanker::new(CulpritConfig { minutes, top_k }).unwrap()
}

fn names(ranking: &Ranking) -> Vec<&str> {
    ranking.culprits.iter().map(|culprit| &*culprit.entity.service).collect()
}

fn rank(rows: &[FlaggedRow]) -> Ranking {
    ranker(15.0, 10).rank(rows, &table(), minute(15))
}

#[test]
fn the_entity_with_most_evidence_is_first() {
    let rows = [row(0, 10, 5.0), row(1, 10, 9.0), row(1, 11, 9.0), row(2, 11, 20.0)];
    let ranking = rank(&rows);
    // two rows of 9 / 13 outweigh one of 20 / 24
    assert_eq!(names(&ranking), ["alpha", "echo", "delta"]);
    let first = &ranking.culprits[0];
    assert_eq!((first.rows, first.onset, first.last), (2, minute(10), minute(11)));
    assert_eq!(first.entity_id, EntityId(1));
    assert_eq!(ranking.rows, 4);
    assert!(!ranking.abstained);
    let total = 5.0 / 9.0 + 2.0 * 9.0 / 13.0 + 20.0 / 24.0;
    assert!((first.score - 2.0 * 9.0 / 13.0 / total).abs() < 1e-12);
}

#[test]
fn the_strongest_signal_gives_metric_and_evidence() {
    let mut rows = [row(0, 10, 5.0), row(0, 12, 8.0), row(0, 11, 6.0)];
    rows[2].signals.push(signal(Signal::ErrorRate, 12.0));
    (rows[2].severity, rows[2].errors) = (Severity::Critical, 30);
    let ranking = rank(&rows);
    let culprit = &ranking.culprits[0];
    assert_eq!(culprit.metric, Signal::ErrorRate);
    assert_eq!(culprit.severity, Severity::Critical);
    assert_eq!(culprit.peak_error_rate, 0.3);
    let evidence: Vec<_> =
        culprit.evidence.iter().map(|part| (part.signal.as_str(), part.rows, part.at)).collect();
    assert_eq!(evidence, [("error_rate", 1, minute(11)), ("p95_latency_ms", 3, minute(12))]);
    assert_eq!(culprit.evidence[1].value, 908.0);
    assert_eq!((culprit.onset, culprit.last), (minute(10), minute(12)));
}

#[test]
fn both_ends_of_the_window_are_inside() {
    let ranker = ranker(15.0, 10);
    assert_eq!(ranker.from(minute(15)), minute(0));
    let edges = [-1, 0, 7, 15, 16];
    let rows: Vec<FlaggedRow> =
        edges.into_iter().enumerate().map(|(i, at)| row(i as u32, at, 5.0)).collect();
    let ranking = ranker.rank(&rows, &table(), minute(15));
    assert_eq!((ranking.from, ranking.at, ranking.rows), (minute(0), minute(15), 3));
    assert_eq!(names(&ranking), ["alpha", "echo", "bravo"]);
    // to the nanosecond
    let mut early = row(0, 0, 5.0);
    early.bucket = early.bucket.plus(-1);
    assert!(ranker.rank([&early], &table(), minute(15)).abstained);
    let half = CulpritRanker::new(CulpritConfig { minutes: 0.5, top_k: 1 }).unwrap();
    assert_eq!(half.from(minute(1)).nanos(), MINUTE / 2);
}

#[test]
fn the_history_gives_the_rows_of_the_window() {
    let mut history = History::new(&Limits { flagged_rows: 10, ..Limits::default() });
    for at in 0..30 {
        history.push_flagged(row(at as u32 % 6, at, 5.0));
    }
    let within = |from: i64, to: i64| -> Vec<i64> {
        history.flagged(minute(from), minute(to)).map(|row| row.bucket.nanos() / MINUTE).collect()
    };
    assert_eq!(within(22, 24), [22, 23, 24]);
    assert_eq!(within(0, 21), [20, 21]);
    assert_eq!(within(30, 99), [0; 0]);
    assert_eq!(within(24, 22), [0; 0]);
    assert_eq!(history.flagged_dropped(), 20);
}

#[test]
fn ties_go_to_severity_then_strength_then_onset_then_name() {
    // equal weights
    let equal = |entity: u32, at: i64| row(entity, at, 6.0);
    assert_eq!(names(&rank(&[equal(0, 5), equal(1, 5), equal(3, 5)])), ["alpha", "bravo", "delta"]);
    assert_eq!(names(&rank(&[equal(1, 5), equal(0, 4)])), ["delta", "alpha"]);
    let critical = FlaggedRow { severity: Severity::Critical, ..equal(0, 9) };
    assert_eq!(names(&rank(&[equal(1, 5), critical])), ["delta", "alpha"]);
    // 2 x 12 / 16 equals 3 x 4 / 8 exactly
    let mut rows = vec![row(0, 5, 12.0), row(0, 6, 12.0)];
    rows.extend([row(1, 1, 4.0), row(1, 2, 4.0), row(1, 3, 4.0)]);
    let ranking = rank(&rows);
    assert_eq!(ranking.culprits[0].score, 0.5);
    assert_eq!(names(&ranking), ["delta", "alpha"]);
}

/// Alpha calls bravo and charlie, bravo calls delta.
struct Calls;

impl RankingContext for Calls {
    fn callees(&self, service: &str) -> Vec<Arc<str>> {
        match service {
            "alpha" => vec!["bravo".into(), "charlie".into()],
            "bravo" => vec!["delta".into()],
            _ => Vec::new(),
        }
    }

    fn changes(&self, _: &str, _: Timestamp, _: Timestamp) -> Vec<ChangeEvent> {
        Vec::new()
    }
}

#[test]
fn the_worst_callee_explains_its_caller_and_fewer_calls_do_not() {
    let (alpha, bravo, charlie) = (1, 3, 5);
    let fewer = |entity| FlaggedRow {
        signals: vec![signal(Signal::RequestCount, 5.0)],
        ..row(entity, 10, 5.0)
    };
    let rank = |rows: &[FlaggedRow]| ranker(15.0, 3).rank_with(rows, &table(), minute(12), &Calls);
    // a slow caller calls less often, so the callee's traffic is no cause
    let alone = rank(&[row(alpha, 10, 6.0), fewer(bravo)]);
    assert_eq!(names(&alone), ["alpha", "bravo"]);
    assert_eq!(alone.culprits[0].explained_by, None);
    let explained = rank(&[row(alpha, 10, 9.0), fewer(bravo), row(charlie, 10, 8.0)]);
    assert_eq!(names(&explained)[0], "charlie");
    let of_alpha = explained.culprits.iter().find(|one| &*one.entity.service == "alpha").unwrap();
    assert_eq!(of_alpha.explained_by.as_deref(), Some("charlie"));
    let both = rank(&[row(alpha, 10, 9.0), row(bravo, 10, 4.0), row(charlie, 10, 8.0)]);
    let of_alpha = both.culprits.iter().find(|one| &*one.entity.service == "alpha").unwrap();
    assert_eq!(of_alpha.explained_by.as_deref(), Some("charlie"));
}

#[test]
fn a_surge_comes_from_the_callers_and_so_does_what_it_causes() {
    let (alpha, bravo, delta) = (1, 3, 0);
    let surge = |entity, at, is_slow: bool| {
        let mut row = row(entity, at, 9.0);
        let slow = is_slow.then(|| signal(Signal::P95Latency, 8.0));
        row.signals = [signal(Signal::RequestCount, 9.0)].into_iter().chain(slow).collect();
        row
    };
    let first = |rows: &[FlaggedRow]| {
        let ranking = ranker(15.0, 10).rank_with(rows, &table(), minute(15), &Calls);
        let first = &ranking.culprits[0];
        (first.entity.service.to_string(), first.score)
    };
    // all get more requests, and those behind the front become slow
    let (name, share) =
        first(&[surge(alpha, 10, false), surge(bravo, 10, true), surge(delta, 10, true)]);
    assert_eq!(name, "alpha");
    assert!(share > 0.6, "{share}");
    // the callers repeat their calls of a slow callee, and get no more requests themselves
    let rows = [row(alpha, 10, 9.0), row(bravo, 10, 9.0), surge(delta, 10, true)];
    assert_eq!(first(&rows).0, "delta");
    // the callee had more requests before its caller had
    let rows = [surge(bravo, 12, false), surge(bravo, 13, false)];
    let early = [surge(delta, 9, true), surge(delta, 10, true)];
    assert_eq!(first(&[rows, early].concat()).0, "delta");
}

#[test]
fn a_service_that_was_never_called_is_not_the_cause() {
    let (alpha, bravo, charlie, delta) = (1, 3, 5, 0);
    let without = |entity, at, name: SignalName, z| {
        let signals = vec![FlaggedSignal { signal: name, z, ..signal(Signal::P95Latency, 12.0) }];
        FlaggedRow { signals, ..row(entity, at, 12.0) }
    };
    let lost = |entity, at| without(entity, at, SignalName::Metric("missing_spans".into()), 9.0);
    let fewer = |entity, at| without(entity, at, Signal::RequestCount.into(), -9.0);
    let rank = |rows: &[FlaggedRow]| ranker(15.0, 4).rank_with(rows, &table(), minute(12), &Calls);
    let of = |ranking: &Ranking, name: &str| {
        ranking.culprits.iter().find(|one| &*one.entity.service == name).unwrap().clone()
    };
    for absent in [lost(bravo, 10), fewer(bravo, 10)] {
        let ranking = rank(&[absent.clone(), row(alpha, 10, 9.0), row(charlie, 10, 5.0)]);
        assert_eq!(names(&ranking), ["charlie", "bravo", "alpha"]);
        let why = of(&ranking, "bravo").not_called.unwrap();
        assert_eq!((&*why.caller, &*why.because_of), ("alpha", "charlie"));
        assert_eq!(of(&ranking, "alpha").explained_by.as_deref(), Some("charlie"));
        // its caller is normal, or nothing else explains it
        assert_eq!(of(&rank(&[absent.clone(), row(charlie, 10, 5.0)]), "bravo").not_called, None);
        assert_eq!(of(&rank(&[absent, row(alpha, 10, 9.0)]), "bravo").not_called, None);
    }
    // a service that died: its caller fails because of it
    let died = rank(&[lost(bravo, 10), row(alpha, 10, 9.0)]);
    assert_eq!(names(&died), ["bravo", "alpha"]);
    // it stopped before the caller became anomalous, or it is slow as well
    let before = rank(&[lost(bravo, 7), row(alpha, 10, 9.0), row(charlie, 10, 5.0)]);
    assert_eq!(of(&before, "bravo").not_called, None);
    let mut slow = lost(bravo, 10);
    slow.signals.push(signal(Signal::P95Latency, 6.0));
    let ranking = rank(&[slow, row(alpha, 10, 9.0), row(charlie, 10, 5.0)]);
    assert_eq!(of(&ranking, "bravo").not_called, None);
    // its callees were not called either
    let behind =
        rank(&[lost(bravo, 10), fewer(delta, 10), row(alpha, 10, 9.0), row(charlie, 10, 5.0)]);
    assert_eq!(&*of(&behind, "delta").not_called.unwrap().caller, "alpha");
}

/// The entity fails since this minute.
struct FailingSince(i64);

impl RankingContext for FailingSince {
    fn callees(&self, _: &str) -> Vec<Arc<str>> {
        Vec::new()
    }

    fn changes(&self, _: &str, _: Timestamp, _: Timestamp) -> Vec<ChangeEvent> {
        Vec::new()
    }

    fn failing_since(&self, _: EntityId, first: Timestamp) -> Timestamp {
        first.min(minute(self.0))
    }
}

#[test]
fn what_fails_since_it_was_first_seen_does_not_explain_a_later_fault() {
    let mut always = row(0, 14, 12.0);
    for signal in &mut always.signals {
        signal.first_sight = true;
    }
    let rows = [always.clone(), FlaggedRow { bucket: minute(15), ..always }, row(1, 14, 5.0)];
    let first = |since| {
        let ranking = ranker(15.0, 2).rank_with(&rows, &table(), minute(16), &FailingSince(since));
        names(&ranking)[0].to_owned()
    };
    assert_eq!(first(1), "alpha");
    // it began with the other one, or its failures are the only ones
    assert_eq!(first(10), "delta");
    let alone = ranker(15.0, 2).rank_with(&rows[..2], &table(), minute(16), &FailingSince(1));
    assert_eq!(names(&alone), ["delta"]);
}

#[test]
fn the_ranking_abstains_without_flagged_rows() {
    for rows in [vec![], vec![row(0, 99, 9.0)]] {
        let ranking = rank(&rows);
        assert!(ranking.abstained && ranking.culprits.is_empty());
        assert_eq!((ranking.rows, ranking.at), (0, minute(15)));
    }
    // and for an entity that the table does not know
    let ranking = rank(&[row(77, 10, 9.0)]);
    assert!(ranking.abstained);
}

#[test]
fn config_is_checked() {
    let bad = CulpritConfig { minutes: 0.0, top_k: 3 };
    assert_eq!(
        bad.validate().unwrap_err().to_string(),
        "config field `culprit.minutes` is 0; expected above 0, at most 1e6 minutes"
    );
    for (minutes, top_k) in [(f64::NAN, 3), (-1.0, 3), (1e7, 3), (15.0, 0), (15.0, 1_001)] {
        assert!(CulpritRanker::new(CulpritConfig { minutes, top_k }).is_err());
    }
}

#[test]
fn extreme_times_do_not_overflow() {
    for at in [Timestamp::MIN, Timestamp::MAX] {
        let mut only = row(0, 0, 9.0);
        only.bucket = at;
        assert_eq!(ranker(1e6, 3).rank([&only], &table(), at).rows, 1);
    }
}

fn any_row() -> impl Strategy<Value = FlaggedRow> {
    let severity = prop::sample::select(vec![Severity::Warning, Severity::Critical]);
    (0..6_u32, -3..20_i64, 4.0..300.0_f64, severity, 1..50_u64, any::<bool>()).prop_map(
        |(entity, at, neg_log10_p, severity, errors, failing)| {
            let mut row = FlaggedRow { severity, errors, ..row(entity, at, neg_log10_p) };
            if failing {
                row.signals.insert(0, signal(Signal::ErrorRate, neg_log10_p));
            }
            row
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn shares_are_shares_of_all(rows in prop::collection::vec(any_row(), 0..60), top_k in 1..8_usize) {
        let all = rank(&rows);
        let inside = rows.iter().filter(|row| (minute(0)..=minute(15)).contains(&row.bucket));
        prop_assert_eq!(all.rows as usize, inside.count());
        prop_assert_eq!(all.abstained, all.rows == 0);
        let sum: f64 = all.culprits.iter().map(|culprit| culprit.score).sum();
        prop_assert!(all.abstained || (sum - 1.0).abs() < 1e-9, "{sum}");
        prop_assert_eq!(all.rows, all.culprits.iter().map(|culprit| culprit.rows).sum::<u64>());
        for pair in all.culprits.windows(2) {
            prop_assert!(pair[0].score >= pair[1].score);
        }
        for culprit in &all.culprits {
            prop_assert!(culprit.score > 0.0 && culprit.score <= 1.0);
            prop_assert!(culprit.onset <= culprit.last);
            prop_assert_eq!(&culprit.metric, &culprit.evidence[0].signal);
            for part in &culprit.evidence {
                prop_assert!(part.rows >= 1 && part.rows <= culprit.rows);
            }
        }
        // a smaller top_k is a prefix with the same shares
        let few = ranker(15.0, top_k).rank(&rows, &table(), minute(15));
        prop_assert_eq!(&few.culprits[..], &all.culprits[..top_k.min(all.culprits.len())]);
        prop_assert_eq!(few.rows, all.rows);
        // the order of rows matters only for rounding
        let mut backwards = rows.clone();
        backwards.reverse();
        for (a, b) in rank(&backwards).culprits.iter().zip(&all.culprits) {
            prop_assert!((a.score - b.score).abs() < 1e-12);
        }
        let written = serde_json::to_string(&all).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Ranking>(&written).unwrap(), &all);
    }
}

/// Two hours of latencies of two services. From minute 100 on the front's latency doubles, and for
/// eight minutes the store's is four times as long.
fn slow_store() -> Pipeline {
    let mut pipeline = Pipeline::new(PipelineConfig::default()).unwrap();
    let mut update = Update::default();
    for minute in 0..112_i64 {
        let at = Timestamp::from_nanos(minute * MINUTE);
        for (service, level, wander, rise, until) in
            [("front", 0.3, 0.01, 0.31, 112), ("store", 0.1, 0.02, 0.3, 108)]
        {
            let bad = if (100..until).contains(&minute) { rise } else { 0.0 };
            let value = level + wander * (minute * 7_919 % 97) as f64 / 97.0 + bad;
            pipeline.push(
                MetricPoint::new(at, service, "latency", value),
                &Source::at(1),
                &mut update,
            );
        }
    }
    pipeline.finish();
    pipeline
}

#[test]
fn metrics_of_the_stream_are_compared_with_normal_time_and_each_other() {
    let pipeline = slow_store();
    let names = |ranking: &Ranking| -> Vec<String> {
        ranking.culprits.iter().map(|culprit| culprit.entity.service.to_string()).collect()
    };
    let ranking = pipeline.culprits(None);
    assert_eq!(names(&ranking), ["store", "front"], "{ranking:#?}");
    let total: f64 = ranking.culprits.iter().map(|culprit| culprit.score).sum();
    assert!((total - 1.0).abs() < 1e-9);
    // with flagged rows only, the front would rank first, because it was anomalous for longer
    let rows = pipeline.history().flagged(Timestamp::MIN, Timestamp::MAX);
    let ranker = CulpritRanker::new(CulpritConfig::default()).unwrap();
    assert_eq!(names(&ranker.rank(rows, pipeline.entities(), ranking.at)), ["front", "store"]);
}

#[test]
fn the_usual_value_is_that_of_the_first_flagged_row() {
    let mut later = row(0, 11, 9.0);
    later.signals[0].expected = 400.0;
    let ranking = rank(&[row(0, 10, 5.0), later]);
    let evidence = &ranking.culprits[0].evidence[0];
    assert_eq!((evidence.value, evidence.expected, evidence.usual), (909.0, 400.0, 100.0));
}

#[test]
fn a_usual_value_on_the_other_side_is_not_quoted() {
    // a fall against 2,000 of before, which had become a rise against 400 by then
    let mut later = row(0, 11, 9.0);
    later.signals[0].expected = 400.0;
    let mut first = row(0, 10, 5.0);
    (first.signals[0].expected, first.signals[0].z) = (2_000.0, -5.0);
    let ranking = rank(&[first, later]);
    let evidence = &ranking.culprits[0].evidence[0];
    assert_eq!((evidence.value, evidence.usual), (909.0, 400.0));
}
