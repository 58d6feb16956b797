//! Sparse and flapping faults: one incident for one fault, and its fingerprint.

use mad_core::config::{IncidentConfig, PipelineConfig};
use mad_core::incident::IncidentChange;
use mad_core::time::{MINUTE, SECOND};
use mad_core::{Change, Incident, IncidentDocument, Pipeline, Request, Source, Timestamp, Update};

fn at(minute: i64) -> Timestamp {
    Timestamp::from_nanos((29_461_560 + minute) * MINUTE)
}

/// Whether a request of this number fails in a fault that hits `share` of them.
fn hits(number: i64, share: f64) -> bool {
    ((number * 7_919 + 13) % 997) as f64 / 997.0 < share
}

struct Run {
    pipeline: Pipeline,
    changes: Vec<IncidentChange>,
}

/// A service with a request every `every` seconds; what happens to it follows from the minute.
fn run(minutes: i64, every: i64, fault: impl Fn(i64) -> (f64, f64)) -> Run {
    let mut pipeline = Pipeline::new(PipelineConfig::default()).unwrap();
    let deploy = Change::new(at(118), "relay", "deploy");
    let mut update = Update::default();
    pipeline.push(Change { version: "7.4.1", ..deploy }, &Source::at(1), &mut update);
    let mut changes = Vec::new();
    for second in (0..minutes * 60).step_by(every as usize) {
        let (share, factor) = fault(second / 60);
        let status = if hits(second / every, share) { 500 } else { 200 };
        let latency = factor * (60.0 + (second * 37 % 41) as f64);
        let when = at(0).plus(second * SECOND);
        let request = Request::new(when, "relay", "/push", status, latency);
        changes.extend(pipeline.ingest([request]).changes);
    }
    changes.extend(pipeline.finish().changes);
    Run { pipeline, changes }
}

impl Run {
    fn incidents(&self) -> Vec<&Incident> {
        let mut all = self.pipeline.incidents();
        all.sort_by_key(|incident| incident.start);
        all
    }

    /// What a pager would be called for.
    fn notifications(&self) -> usize {
        let calls = |change: &&IncidentChange| {
            matches!(change, IncidentChange::Opened(_) | IncidentChange::Reopened(_))
        };
        self.changes.iter().filter(calls).count()
    }
}

#[test]
fn a_flapping_fault_has_at_most_three_notifications() {
    for (period, fails) in [(5, 2), (12, 5), (22, 7), (45, 15), (120, 40)] {
        for (share, factor) in [(0.5, 1.0), (0.0, 6.0)] {
            let is_bad = |minute: i64| minute >= 120 && minute % period < fails;
            let minutes = 120 + 8 * period.max(60);
            let run =
                run(minutes, 2, |minute| if is_bad(minute) { (share, factor) } else { (0.0, 1.0) });
            let found = run.incidents();
            let context = format!("{fails} of {period} minutes, {share}, {factor}: {found:#?}");
            assert!((1..=3).contains(&found.len()), "{}: {context}", found.len());
            assert!(run.notifications() <= 3, "{}: {context}", run.notifications());
            let last = found.last().unwrap();
            let is_long = period > 12;
            assert!(!is_long || last.is_flapping(), "{context}");
            let document = IncidentDocument::new(&run.pipeline, last);
            assert_eq!(document.flapping, last.is_flapping());
            let said = document.explanation.impact.join(" ");
            assert_eq!(said.contains("It is flapping"), last.is_flapping(), "{said}");
        }
    }
}

#[test]
fn a_fault_that_returns_hours_later_is_another_incident_with_the_same_fingerprint() {
    let bad = |minute: i64| (120..140).contains(&minute) || (440..460).contains(&minute);
    let run = run(600, 2, |minute| (if bad(minute) { 0.5 } else { 0.0 }, 1.0));
    let found = run.incidents();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].fingerprint, found[1].fingerprint);
    assert!(found[0].id != found[1].id && !found[1].is_flapping());
}

#[test]
fn another_kind_of_fault_has_another_fingerprint() {
    let run = run(600, 2, |minute| match minute {
        120..140 => (0.0, 8.0),
        440..460 => (0.6, 1.0),
        _ => (0.0, 1.0),
    });
    let found = run.incidents();
    assert_eq!(found.len(), 2);
    assert_ne!(found[0].fingerprint, found[1].fingerprint);
}

#[test]
fn a_sparse_fault_is_one_incident() {
    for every in [12, 30, 45] {
        for share in [0.85, 1.0] {
            let minutes = 200 * every;
            let run = run(minutes, 60 * every, |minute| {
                (if minute >= minutes / 2 { share } else { 0.0 }, 1.0)
            });
            let found = run.incidents();
            assert!(
                (1..=3).contains(&found.len()),
                "every {every} minutes, {share}: {}",
                found.len()
            );
            let times: Vec<_> = found
                .iter()
                .map(|i| (i.start.to_string(), i.end.to_string(), i.rows, i.reopened))
                .collect();
            assert!(
                run.notifications() <= 3,
                "every {every}, {share}: {} {times:?}",
                run.notifications()
            );
        }
    }
}

#[test]
fn single_failures_of_a_rare_endpoint_are_no_incident() {
    let run = run(7 * 1_440, 30 * 60, |_| (0.05, 1.0));
    assert!(run.incidents().len() <= 1, "{:?}", run.incidents());
}

#[test]
fn the_onset_and_the_deploy_of_a_long_fault_are_those_of_its_begin() {
    for length in [20, 40, 120, 300] {
        let end = 120 + length;
        let bad = |minute: i64| (120..end).contains(&minute);
        let run = run(end + 20, 2, |minute| if bad(minute) { (0.3, 6.0) } else { (0.0, 1.0) });
        let found = run.incidents();
        assert_eq!(found.len(), 1, "{length}");
        let ranking = run.pipeline.ranking_of(found[0]);
        assert_eq!(ranking.culprits[0].onset, at(120), "{length}");
        let causes = run.pipeline.explain(found[0]).likely_causes;
        let named = causes.iter().find(|cause| cause.contains("7.4.1")).unwrap();
        assert!(named.contains("2 minutes before its first anomalous minute"), "{named}");
    }
}

#[test]
fn a_cooldown_of_0_counts_no_recurrence() {
    let mut config = PipelineConfig::default();
    config.incident = IncidentConfig { cooldown_minutes: 0.0, ..config.incident };
    let mut pipeline = Pipeline::new(config).unwrap();
    for second in (0..400 * 60).step_by(2) {
        let bad = second / 60 >= 120 && second / 60 % 40 < 10;
        let latency = (60.0 + (second * 37 % 41) as f64) * if bad { 8.0 } else { 1.0 };
        pipeline.ingest([Request::new(at(0).plus(second * SECOND), "relay", "/", 200, latency)]);
    }
    pipeline.finish();
    assert!(pipeline.incidents().len() >= 6);
    assert!(pipeline.incidents().iter().all(|incident| incident.recurred == 0));
}
