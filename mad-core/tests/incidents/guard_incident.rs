//! Guardrails, severities, and the life cycle of an incident.

use std::time::Duration;

use mad_core::config::{GuardConfig, IncidentConfig, PipelineConfig, ScoreConfig};
use mad_core::feature::{FeatureRow, RowKind};
use mad_core::guard::{Confidence, EntityMaturity, Guardrails, Reason, Severity, Verdict};
use mad_core::history::{FlaggedRow, FlaggedSignal};
use mad_core::incident::{
    CloseReason, Incident, IncidentChange, IncidentGrouper, IncidentStatus, RowOutcome,
};
use mad_core::limits::Limits;
use mad_core::pipeline::Pipeline;
use mad_core::score::RowScorer;
use mad_core::series::{Entity, EntityId, Signal};
use mad_core::telemetry::Request;
use mad_core::time::{MINUTE, SECOND, Timestamp};
use mad_core::{JudgedRow, Source};
use proptest::prelude::*;

use crate::common::{minute, observe, score, slow_p95, with_row};

/// A normal row: about 60 requests of about 100 ms, one failure in every other row.
fn usual(i: i64) -> FeatureRow {
    let p50 = 100.0 + (i * 37 % 11) as f64;
    let count = (55 + i * 53 % 13).unsigned_abs();
    FeatureRow {
        bucket: minute(i),
        entity: EntityId(0),
        gap: 0,
        whole: true,
        slow: 0,
        count,
        errors: i.unsigned_abs() % 2,
        no_response: 0,
        samples: count,
        mean: p50,
        p50,
        p95: p50 + 40.0 + (i * 17 % 23) as f64,
        min: f64::NAN,
        std: f64::NAN,
        p99: p50 + 80.0,
        max: p50 + 90.0,
        client_errors: 0,
        beyond_tail: 0,
        tail_ms: None,
        statuses: mad_core::feature::StatusCounts::default(),
    }
}

/// A scorer after 60 usual rows, with the number of requests multiplied by `scale`.
fn taught(scale: f64) -> RowScorer {
    let mut scorer = RowScorer::new(RowKind::Requests, &ScoreConfig::default()).unwrap();
    for i in 0..60 {
        let row = usual(i);
        let count = (row.count as f64 * scale).ceil() as u64;
        let errors = row.errors.min(count);
        observe(&mut scorer, &FeatureRow { count, samples: count, errors, ..row });
    }
    scorer
}

fn mature() -> EntityMaturity {
    EntityMaturity { first: minute(0), points: 60 }
}

fn guardrails(config: GuardConfig) -> Guardrails {
    Guardrails::new(config, ScoreConfig::default().threshold).unwrap()
}

fn judge(config: GuardConfig, row: &FeatureRow, maturity: EntityMaturity) -> Verdict {
    let scores = score(&taught(1.0), row);
    with_row(row, |row| guardrails(config).judge(row, &scores, maturity))
}

fn slow(factor: f64) -> FeatureRow {
    let row = usual(60);
    FeatureRow { p50: row.p50 * factor, p95: row.p95 * factor, ..row }
}

/// Checks that a verdict is suppressed for a reason, in all its fields.
fn assert_suppressed(verdict: &Verdict, reason: Reason) {
    assert_eq!(verdict.reason, reason, "{verdict:?}");
    assert!(!verdict.is_anomaly && verdict.flagged == 0, "{verdict:?}");
    assert_eq!(verdict.severity, Severity::Info);
    assert_eq!(verdict.flagged_signals().count(), 0);
    assert!(reason.is_suppression() && !reason.as_str().is_empty());
}

#[test]
fn a_slow_row_is_flagged_and_a_normal_one_is_not() {
    let verdict = judge(GuardConfig::default(), &slow(5.0), mature());
    assert!(verdict.is_anomaly);
    assert_eq!((verdict.reason, verdict.severity), (Reason::AboveExpected, Severity::Warning));
    assert_eq!(verdict.confidence, Confidence::High);
    let signals: Vec<Signal> = verdict.flagged_signals().collect();
    assert_eq!(signals, [Signal::P50Latency, Signal::P95Latency]);
    let verdict = judge(GuardConfig::default(), &usual(60), mature());
    assert_eq!((verdict.reason, verdict.is_anomaly), (Reason::Normal, false));
    assert!(!verdict.reason.is_suppression());
}

#[test]
fn warm_up() {
    let config = GuardConfig { warm_up_minutes: 90.0, ..GuardConfig::default() };
    assert_suppressed(&judge(config, &slow(5.0), mature()), Reason::WarmUp);
    // to the minute: the row at minute 60 of an entity first seen at minute 0
    for (minutes, immature) in [(60.0, false), (60.1, true)] {
        let config = GuardConfig { warm_up_minutes: minutes, ..GuardConfig::default() };
        assert_eq!(judge(config, &slow(5.0), mature()).is_anomaly, !immature);
    }
}

#[test]
fn too_few_points() {
    let immature = EntityMaturity { points: 19, ..mature() };
    assert_suppressed(&judge(GuardConfig::default(), &slow(5.0), immature), Reason::TooFewPoints);
    let old = EntityMaturity { points: 20, ..mature() };
    assert!(judge(GuardConfig::default(), &slow(5.0), old).is_anomaly);
    // the warm-up is the first reason
    let config = GuardConfig { warm_up_minutes: 90.0, ..GuardConfig::default() };
    assert_suppressed(&judge(config, &slow(5.0), immature), Reason::WarmUp);
}

#[test]
fn too_little_traffic() {
    let config = GuardConfig { min_requests: 100, ..GuardConfig::default() };
    assert_suppressed(&judge(config, &slow(5.0), mature()), Reason::TooLittleTraffic);
    // for a drop, the expected requests count
    let config = GuardConfig { min_requests: 40, ..GuardConfig::default() };
    let dropped = FeatureRow { count: 4, samples: 4, errors: 0, ..usual(60) };
    let verdict = judge(config, &dropped, mature());
    assert!(verdict.is_anomaly, "{verdict:?}");
    assert_eq!(
        (verdict.request_signal(), verdict.reason),
        (Signal::RequestCount, Reason::BelowExpected)
    );
}

#[test]
fn small_effect() {
    // 80 % slower is unlikely here, and less than the smallest effect
    let config = GuardConfig { latency_relative: 1.0, ..GuardConfig::default() };
    assert_suppressed(&judge(config, &slow(1.8), mature()), Reason::BelowMinEffect);
    let config = GuardConfig { latency_absolute_ms: 1_000.0, ..GuardConfig::default() };
    assert_suppressed(&judge(config, &slow(5.0), mature()), Reason::BelowMinEffect);

    let failing = FeatureRow { errors: 20, ..usual(60) };
    assert!(judge(GuardConfig::default(), &failing, mature()).is_anomaly);
    let config = GuardConfig { min_errors: 21, ..GuardConfig::default() };
    assert_suppressed(&judge(config, &failing, mature()), Reason::BelowMinEffect);
    let config = GuardConfig { error_rate_absolute: 0.5, ..GuardConfig::default() };
    assert_suppressed(&judge(config, &failing, mature()), Reason::BelowMinEffect);

    let surge = FeatureRow { count: 400, samples: 400, errors: 2, ..usual(60) };
    assert!(judge(GuardConfig::default(), &surge, mature()).is_anomaly);
    let config = GuardConfig { traffic_relative: 10.0, ..GuardConfig::default() };
    assert_suppressed(&judge(config, &surge, mature()), Reason::BelowMinEffect);
    let config = GuardConfig { traffic_absolute: 400.0, ..GuardConfig::default() };
    assert_suppressed(&judge(config, &surge, mature()), Reason::BelowMinEffect);
}

#[test]
fn direction() {
    assert_suppressed(
        &judge(GuardConfig::default(), &slow(0.01), mature()),
        Reason::WrongDirection,
    );
}

#[test]
fn a_suppressed_signal_does_not_suppress_another_one() {
    let row = FeatureRow { errors: 20, ..slow(5.0) };
    let config = GuardConfig { latency_absolute_ms: 1e6, ..GuardConfig::default() };
    let verdict = judge(config, &row, mature());
    let signals: Vec<Signal> = verdict.flagged_signals().collect();
    assert_eq!((signals, verdict.request_signal()), (vec![Signal::ErrorRate], Signal::ErrorRate));
    assert!(verdict.is_anomaly);
}

#[test]
fn critical_needs_many_significant_errors() {
    let config = GuardConfig::default();
    let with_errors = |count: u64, errors: u64| {
        let row = FeatureRow { count, samples: count, errors, ..usual(60) };
        let scores = score(&taught(count as f64 / 60.0), &row);
        (with_row(&row, |row| guardrails(config).judge(row, &scores, mature())), scores)
    };
    // many errors, significant
    let (verdict, _) = with_errors(60, 20);
    assert_eq!(verdict.severity, Severity::Critical);
    // significant, but below 5 %
    let (verdict, _) = with_errors(6_000, 240);
    assert!(verdict.flagged_signals().any(|signal| signal == Signal::ErrorRate), "{verdict:?}");
    assert_eq!(verdict.severity, Severity::Warning);
    let (verdict, _) = with_errors(6_000, 300);
    assert_eq!(verdict.severity, Severity::Critical);
    // one error of six is 17 % and not significant
    let (verdict, scores) = with_errors(6, 1);
    assert!(scores.of(Signal::ErrorRate).neg_log10_p < 4.0);
    assert_eq!(verdict.severity, Severity::Info);
    // slow, with one error of six: a warning
    let row = FeatureRow { count: 12, samples: 12, errors: 1, ..slow(20.0) };
    let scores = score(&taught(0.2), &row);
    let verdict = with_row(&row, |row| guardrails(config).judge(row, &scores, mature()));
    assert_eq!((verdict.is_anomaly, verdict.severity), (true, Severity::Warning));
}

fn entity(name: &str) -> Entity {
    Entity::new(name, "/x")
}

fn flagged(i: i64, neg_log10_p: f64) -> FlaggedRow {
    FlaggedRow {
        statuses: mad_core::feature::StatusCounts::default(),
        subsets: Vec::new(),
        entity: EntityId(0),
        bucket: minute(i),
        step: Duration::from_secs(60),
        rhythm: Duration::ZERO,
        delay: Duration::ZERO,
        count: 50,
        errors: 3,
        no_response: 0,
        expected_error_rate: 0.05,
        objectives: None,
        severity: Severity::Warning,
        neg_log10_p,
        effective_n: 9.0,
        others: Vec::new(),
        opens: true,
        explained_by: None,
        signals: vec![slow_p95(neg_log10_p)],
    }
}

/// A grouper and its changes.
struct Group {
    grouper: IncidentGrouper,
    changes: Vec<IncidentChange>,
}

impl Group {
    fn with(config: IncidentConfig) -> Self {
        let grouper = IncidentGrouper::new(config, Duration::from_secs(10), 3).unwrap();
        Self { grouper, changes: Vec::new() }
    }

    fn new() -> Self {
        Self::with(IncidentConfig { cooldown_minutes: 0.0, ..IncidentConfig::default() })
    }

    fn flagged(&mut self, i: i64, neg_log10_p: f64, effective_n: f64) -> &mut Self {
        let row = FlaggedRow { effective_n, ..flagged(i, neg_log10_p) };
        self.grouper.take(&entity("a"), RowOutcome::Alarm(row), &(), &mut self.changes);
        self
    }

    fn quiet(&mut self, i: i64, neg_log10_p: f64) -> &mut Self {
        let quiet = RowOutcome::Quiet {
            entity: EntityId(0),
            at: minute(i),
            step: Duration::from_secs(60),
            neg_log10_p,
        };
        self.grouper.take(&entity("a"), quiet, &(), &mut self.changes);
        self
    }

    fn open(&self) -> Option<&Incident> {
        self.grouper.open_of(EntityId(0))
    }

    fn last_closed(&self) -> &Incident {
        let Some(IncidentChange::Closed(closed)) = self.changes.last() else {
            panic!("{:?}", self.changes.last())
        };
        closed
    }
}

const WEAK: f64 = 4.5;
const DECISIVE: f64 = 12.0;

#[test]
fn two_weak_rows_of_three_open_an_incident_and_one_does_not() {
    let mut group = Group::new();
    group.flagged(0, WEAK, 9.0);
    assert!(group.open().is_none() && group.changes.is_empty());
    group.quiet(1, 0.0).flagged(2, WEAK, 9.0);
    let incident = group.open().unwrap();
    assert_eq!((incident.start, incident.end), (minute(0), minute(3)));
    assert_eq!(incident.opened_at, minute(3).plus(10 * SECOND));
    assert_eq!((incident.rows, incident.requests, incident.errors), (2, 100, 6));
    assert_eq!(incident.status, IncidentStatus::Open);
    assert!(matches!(group.changes[..], [IncidentChange::Opened(_)]));
}

#[test]
fn two_rows_beyond_open_steps_open_nothing() {
    let mut group = Group::new();
    group.flagged(0, WEAK, 9.0).flagged(3, WEAK, 9.0);
    assert!(group.open().is_none());
    // the second and the third do
    group.flagged(5, WEAK, 9.0);
    let incident = group.open().unwrap();
    assert_eq!((incident.start, incident.rows), (minute(3), 2));
}

#[test]
fn three_of_five_rows_when_configured() {
    let mut group =
        Group::with(IncidentConfig { open_rows: 3, open_steps: 5, ..IncidentConfig::default() });
    group.flagged(0, WEAK, 9.0).flagged(2, WEAK, 9.0);
    assert!(group.open().is_none());
    group.flagged(4, WEAK, 9.0);
    assert_eq!(group.open().unwrap().rows, 3);
}

#[test]
fn a_decisive_row_opens_alone_unless_it_has_one_request() {
    let mut group = Group::new();
    group.flagged(0, DECISIVE, 1.0);
    assert!(group.open().is_none(), "one slow request is an anecdote");
    group.flagged(10, DECISIVE, 2.0);
    let incident = group.open().unwrap();
    assert_eq!((incident.start, incident.rows), (minute(10), 1));
    let mut group = Group::new();
    group.flagged(0, 7.99, 100.0);
    assert!(group.open().is_none());
}

#[test]
fn an_unlikely_row_keeps_an_incident_open_without_joining() {
    let mut group = Group::new();
    group.flagged(0, DECISIVE, 9.0);
    for i in 1..30 {
        group.quiet(i, 3.0);
    }
    let incident = group.open().unwrap();
    assert_eq!((incident.rows, incident.end), (1, minute(1)));
    assert_eq!(incident.last_active, minute(30));
    // a flagged row half an hour later joins
    group.flagged(30, WEAK, 9.0);
    assert_eq!(group.open().unwrap().rows, 2);
    assert_eq!(group.open().unwrap().end, minute(31));
    // with less evidence it ends
    for i in 31..37 {
        group.quiet(i, 2.49);
    }
    assert!(group.open().is_none());
}

#[test]
fn normal_rows_close_an_incident_as_quiet() {
    let mut group = Group::new();
    group.flagged(0, DECISIVE, 9.0).flagged(1, WEAK, 9.0);
    for i in 2..7 {
        group.quiet(i, 0.5);
        assert!(group.open().is_some(), "{i}");
    }
    group.quiet(7, 0.5);
    let closed = group.last_closed();
    assert_eq!(closed.close_reason, Some(CloseReason::Quiet));
    assert_eq!((closed.closed_at, closed.end), (Some(minute(8)), minute(2)));
    assert_eq!((closed.status, closed.rows), (IncidentStatus::Resolved, 2));
    assert!(!closed.is_open());
}

#[test]
fn a_row_at_the_end_of_the_gap_joins_and_a_later_one_opens_another() {
    let mut group = Group::new();
    group.flagged(0, DECISIVE, 9.0).flagged(6, DECISIVE, 9.0);
    assert_eq!(group.open().unwrap().rows, 2);
    let first = group.open().unwrap().id.clone();
    group.flagged(13, DECISIVE, 9.0);
    assert_eq!(group.open().unwrap().rows, 1);
    assert_ne!(group.open().unwrap().id, first);
    let closed: Vec<&Incident> = group
        .changes
        .iter()
        .filter(|change| matches!(change, IncidentChange::Closed(_)))
        .map(IncidentChange::incident)
        .collect();
    assert_eq!(closed.len(), 1);
    assert_eq!((&closed[0].id, closed[0].end), (&first, minute(7)));
}

#[test]
fn an_incident_without_rows_expires_after_its_ttl() {
    let mut group = Group::new();
    group.flagged(0, DECISIVE, 9.0);
    group.grouper.advance(minute(31).plus(-1), &mut group.changes);
    assert!(group.open().is_some());
    group.grouper.advance(minute(31), &mut group.changes);
    assert_eq!(group.last_closed().close_reason, Some(CloseReason::Expired));
    assert_eq!(group.last_closed().closed_at, Some(minute(31)));
    // rows of other entities advance the time too
    let mut config = PipelineConfig::default();
    config.incident.ttl_minutes = 10.0;
    config.incident.silence_minutes = 0.0;
    let mut pipeline = Pipeline::new(config).unwrap();
    let mut closed = Vec::new();
    for second in 0..90 * 60_i64 {
        let at = Timestamp::from_seconds(second);
        let latency = 100.0 + (second * 37 % 41) as f64;
        let slow = if second >= 3_600 { 20.0 } else { 1.0 };
        let mut update = mad_core::Update::default();
        if second < 3_900 {
            let request = Request::new(at, "a", "/x", 200, latency * slow);
            pipeline.push(request, &Source::at(0), &mut update);
        }
        pipeline.push(Request::new(at, "b", "/x", 200, latency), &Source::at(0), &mut update);
        closed.extend(update.changes.into_iter().filter_map(|change| match change {
            IncidentChange::Closed(closed) => Some(closed),
            _ => None,
        }));
    }
    assert_eq!(closed.len(), 1);
    assert_eq!(closed[0].close_reason, Some(CloseReason::Expired));
    assert_eq!((closed[0].end, closed[0].closed_at), (minute(65), Some(minute(75))));
}

#[test]
fn the_worst_row_gives_the_severity_of_an_incident() {
    let mut group = Group::new();
    group.flagged(0, WEAK, 9.0);
    let mut worse = flagged(1, 9.0);
    worse.severity = Severity::Critical;
    worse.signals[0].value = 2_000.0;
    worse
        .signals
        .push(FlaggedSignal { signal: Signal::ErrorRate.into(), ..worse.signals[0].clone() });
    group.grouper.take(&entity("a"), RowOutcome::Alarm(worse), &(), &mut group.changes);
    group.flagged(2, WEAK, 9.0);
    let incident = group.open().unwrap();
    assert_eq!((incident.severity, incident.neg_log10_p), (Severity::Critical, 9.0));
    assert_eq!(incident.confidence(), Confidence::High);
    let peaks: Vec<_> =
        incident.peaks.iter().map(|peak| (peak.signal.signal.as_str(), peak.at)).collect();
    assert_eq!(peaks, [("p95_latency_ms", minute(1)), ("error_rate", minute(1))]);
    assert_eq!(incident.peaks[0].signal.value, 2_000.0);
}

#[test]
fn errors_of_all_rows_together_make_an_incident_critical() {
    let mut group = Group::new();
    group.flagged(0, DECISIVE, 9.0);
    let mut rows = 1..;
    while !group.open().unwrap().errors_rose {
        let i = rows.next().unwrap();
        let row = FlaggedRow { errors: 10, ..flagged(i, WEAK) };
        group.grouper.take(&entity("a"), RowOutcome::Alarm(row), &(), &mut group.changes);
        assert!(i < 10);
    }
    let incident = group.open().unwrap();
    assert_eq!(incident.severity, Severity::Critical);
    assert!(incident.error_rate() >= 0.05 && incident.errors > 3);
    // the expected number of errors does not
    let mut group = Group::new();
    for i in 0..20 {
        group.flagged(i, DECISIVE, 9.0);
    }
    let incident = group.open().unwrap();
    assert!(!incident.errors_rose && incident.error_rate() >= 0.05);
    assert_eq!(incident.severity, Severity::Warning);
}

#[test]
fn closed_incidents_are_bounded() {
    let mut group = Group::new();
    let mut states = Vec::new();
    for i in 0..40 {
        group.flagged(100 * i, DECISIVE, 9.0).quiet(100 * i + 50, 0.0);
        states.push(serde_json::to_string(&group.grouper).unwrap().len());
    }
    assert_eq!(group.grouper.incidents().len(), 3);
    assert_eq!(group.grouper.closed_dropped(), 37);
    assert_eq!(group.grouper.incidents()[0].start, minute(3_900));
    assert!(states[39].abs_diff(states[10]) < 100, "{states:?}");
}

#[test]
fn records_of_closed_incidents_are_bounded_too() {
    let config = PipelineConfig {
        limits: Limits {
            closed_incidents: 2,
            history_rows: 5,
            flagged_rows: 10,
            ..Limits::default()
        },
        // every hour is a separate incident
        incident: IncidentConfig { cooldown_minutes: 0.0, ..IncidentConfig::default() },
        ..PipelineConfig::default()
    };
    let mut pipeline = Pipeline::new(config).unwrap();
    let (mut ids, mut sizes) = (Vec::new(), Vec::new());
    for second in (0..40 * 3_600_i64).step_by(6) {
        let hour = second / 3_600;
        // at another minute of each hour, so that it is no season
        let begin = hour * 7 % 23 * 60;
        let is_slow = hour > 0 && (begin..begin + 300).contains(&(second % 3_600));
        let factor = if is_slow { 20.0 } else { 1.0 };
        let at = Timestamp::from_seconds(second);
        let latency = factor * (100.0 + (second * 37 % 41) as f64);
        let update = pipeline.ingest([Request::new(at, "a", "/x", 200, latency)]);
        for change in update.changes {
            if let IncidentChange::Opened(opened) = change {
                ids.push(opened.id);
            }
        }
        if second % 3_600 == 3_594 {
            sizes.push(serde_json::to_string(&pipeline).unwrap().len());
        }
    }
    assert_eq!(ids.len(), 39);
    assert_eq!(pipeline.incidents().len(), 2);
    assert_eq!(pipeline.counters().incidents_dropped, 37);
    assert!(pipeline.counters().flagged_dropped > 100);
    let kept = ids.iter().filter(|id| pipeline.incident_window(id).is_some()).count();
    assert!((2..=4).contains(&kept), "{kept}");
    for incident in pipeline.incidents() {
        assert!(pipeline.incident_window(&incident.id).is_some());
    }
    // the season is allocated after a day
    let most = sizes[24..32].iter().max().unwrap();
    assert!(sizes.iter().all(|size| size * 10 < most * 11), "{sizes:?}");
}

#[test]
fn bad_config_names_field_value_and_range() {
    let bad = IncidentConfig { open_steps: 1, ..IncidentConfig::default() };
    assert_eq!(
        bad.validate().unwrap_err().to_string(),
        "config field `incident.open_steps` is 1; expected an integer from open_rows to 1000"
    );
    for bad in [
        IncidentConfig { open_rows: 0, ..IncidentConfig::default() },
        IncidentConfig { open_threshold: f64::NAN, ..IncidentConfig::default() },
        IncidentConfig { resolve_after_minutes: 0.0, ..IncidentConfig::default() },
        IncidentConfig { ttl_minutes: f64::INFINITY, ..IncidentConfig::default() },
        IncidentConfig { sustain_threshold: -1.0, ..IncidentConfig::default() },
    ] {
        assert!(bad.validate().is_err(), "{bad:?}");
        assert!(IncidentGrouper::new(bad, Duration::ZERO, 1).is_err());
    }
    for bad in [
        GuardConfig { warm_up_minutes: -1.0, ..GuardConfig::default() },
        GuardConfig { min_points: 0, ..GuardConfig::default() },
        GuardConfig { latency_relative: f64::NAN, ..GuardConfig::default() },
        GuardConfig { traffic_absolute: f64::INFINITY, ..GuardConfig::default() },
        GuardConfig { critical_error_rate: 1.1, ..GuardConfig::default() },
    ] {
        assert!(Guardrails::new(bad, 0.5).is_err(), "{bad:?}");
    }
    for threshold in [0.0, 1.0, -1.0, f64::NAN] {
        assert!(Guardrails::new(GuardConfig::default(), threshold).is_err());
    }
}

/// A period of requests: minutes, requests a minute, factor of latency, share of errors.
fn stretches() -> impl Strategy<Value = Vec<(i64, i64, f64, f64)>> {
    let factor = prop_oneof![3 => Just(1.0), 1 => 1.0..10.0_f64, 1 => 0.1..1.0_f64];
    let errors = prop_oneof![3 => Just(0.0), 1 => 0.0..0.5_f64];
    prop::collection::vec((1..20_i64, 1..20_i64, factor, errors), 2..10)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn persistence_never_changes_the_flag_of_a_row(
        stretches in stretches(),
        open_rows in 1..5_u32,
        open_steps in 5..9_u32,
        keep in 0.0..4.0_f64,
        gap in 1.0..30.0_f64,
    ) {
        let run = |incident: IncidentConfig| {
            let mut config = PipelineConfig { incident, ..PipelineConfig::default() };
            config.guard.warm_up_minutes = 0.0;
            config.guard.min_points = 5;
            let mut pipeline = Pipeline::new(config).unwrap();
            let mut rows: Vec<JudgedRow> = Vec::new();
            let mut at = 0;
            for (minutes, per_minute, factor, errors) in &stretches {
                for i in 0..minutes * per_minute {
                    let status = if (i * 61 % 100) as f64 / 100.0 < *errors { 500 } else { 200 };
                    let latency = factor * (50.0 + (i * 37 % 41) as f64);
                    let time = Timestamp::from_nanos(at + i * (MINUTE / per_minute));
                    let update = pipeline.ingest([Request::new(time, "a", "/x", status, latency)]);
                    rows.extend(update.rows);
                }
                at += minutes * MINUTE;
            }
            let update = pipeline.finish();
            rows.extend(update.rows);
            (format!("{rows:?}"), rows, pipeline)
        };
        let apart = IncidentConfig { cooldown_minutes: 0.0, ..IncidentConfig::default() };
        let (plain, rows, pipeline) = run(apart);
        let other = IncidentConfig {
            open_rows, open_steps, sustain_threshold: keep, resolve_after_minutes: gap, open_threshold: 300.0,
            ..IncidentConfig::default()
        };
        prop_assert_eq!(&plain, &run(other).0);
        // incidents hold flagged rows and nothing else, and do not overlap
        let mut incidents = pipeline.incidents();
        incidents.reverse();
        let mut requests_in_rows = 0;
        for incident in &incidents {
            let within = |row: &&JudgedRow| {
                row.head.at >= incident.start && row.head.at < incident.end
            };
            let flagged = rows.iter().filter(within).filter(|row| row.verdict.is_anomaly).count();
            prop_assert_eq!(flagged as u64, incident.rows);
            prop_assert!(incident.errors <= incident.requests);
            prop_assert!(incident.start < incident.end);
            requests_in_rows += incident.requests;
        }
        prop_assert!(requests_in_rows <= pipeline.counters().requests);
        for pair in incidents.windows(2) {
            prop_assert!(pair[0].end <= pair[1].start);
        }
        for JudgedRow { signals, verdict, .. } in &rows {
            prop_assert_eq!(verdict.is_anomaly, verdict.flagged != 0);
            prop_assert_eq!(verdict.is_anomaly, verdict.severity > Severity::Info);
            let above = verdict.reason == Reason::AboveExpected;
            let below = verdict.reason == Reason::BelowExpected;
            prop_assert_eq!(verdict.is_anomaly, above || below);
            if verdict.is_anomaly {
                prop_assert!(verdict.neg_log10_p >= 4.0);
                prop_assert_eq!(above, signals[usize::from(verdict.leading)].score.z > 0.0);
            }
        }
    }
}

#[test]
fn an_incident_knows_whether_its_steps_differ() {
    let mut group = Group::new();
    group.flagged(0, 12.0, 9.0).flagged(1, 12.0, 9.0);
    assert!(!group.grouper.incidents()[0].steps_differ);
    let half = FlaggedRow { step: Duration::from_secs(30), ..flagged(2, 12.0) };
    group.grouper.take(&entity("a"), RowOutcome::Alarm(half), &(), &mut group.changes);
    let incident = group.grouper.incidents()[0];
    assert!(incident.steps_differ);
    assert_eq!(incident.step, Duration::from_secs(60));
}

#[test]
fn a_peak_does_not_quote_a_usual_value_on_the_other_side() {
    let mut group = Group::new();
    let row = |i: i64, value: f64, expected: f64, z: f64, neg_log10_p: f64| {
        let mut row = FlaggedRow { effective_n: 9.0, ..flagged(i, neg_log10_p) };
        let signal = &mut row.signals[0];
        (signal.value, signal.expected, signal.z) = (value, expected, z);
        row
    };
    for row in [row(0, 900.0, 2_000.0, -5.0, 10.0), row(1, 1_500.0, 400.0, 9.0, 12.0)] {
        group.grouper.take(&entity("a"), RowOutcome::Alarm(row), &(), &mut group.changes);
    }
    let peak = &group.grouper.incidents()[0].peaks[0];
    assert_eq!((peak.signal.value, peak.usual), (1_500.0, 400.0));
}
