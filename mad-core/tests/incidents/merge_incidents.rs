//! Anomalies that graph and time connect are one incident; others are separate.

use std::sync::Arc;
use std::time::Duration;

use mad_core::config::IncidentConfig;
use mad_core::explain::TemplateExplainer;
use mad_core::guard::Severity;
use mad_core::history::{ExplainedBy, FlaggedRow, FlaggedSignal};
use mad_core::incident::{
    CloseReason, Incident, IncidentChange, IncidentGrouper, MOST_MEMBERS, RowOutcome, Topology,
};
use mad_core::series::{Signal, SignalName};
use mad_core::time::{MINUTE, SECOND, Timestamp};
use mad_core::{Entity, EntityId};

use crate::common::slow_p95;

fn minute(i: i64) -> Timestamp {
    Timestamp::from_seconds(1_767_693_600).plus(i * MINUTE)
}

/// Calls between services.
struct Calls(Vec<(&'static str, &'static str)>);

impl Topology for Calls {
    fn neighbours(&self, service: &str) -> Vec<Arc<str>> {
        let of = |(a, b): &(&str, &str)| {
            let other = if *a == service { b } else { a };
            (*a == service || *b == service).then(|| Arc::from(*other))
        };
        self.0.iter().filter_map(of).collect()
    }
}

struct Group<T> {
    grouper: IncidentGrouper,
    topology: T,
    changes: Vec<IncidentChange>,
    names: Vec<Entity>,
    severity: Severity,
}

impl<T: Topology> Group<T> {
    fn new(topology: T, merge_minutes: f64) -> Self {
        Self::with(topology, IncidentConfig { merge_minutes, ..IncidentConfig::default() })
    }

    fn with(topology: T, config: IncidentConfig) -> Self {
        let grouper = IncidentGrouper::new(config, Duration::from_secs(10), 1_000).unwrap();
        Self {
            grouper,
            topology,
            changes: Vec::new(),
            names: Vec::new(),
            severity: Severity::Warning,
        }
    }

    fn id(&mut self, service: &str, endpoint: &str) -> EntityId {
        let entity = Entity::new(service, endpoint);
        let known = self.names.iter().position(|name| *name == entity);
        let place = known.unwrap_or_else(|| {
            self.names.push(entity);
            self.names.len() - 1
        });
        EntityId(u32::try_from(place).unwrap())
    }

    /// A row with decisive evidence.
    fn bad(&mut self, i: i64, service: &str, endpoint: &str) {
        self.explained(i, service, endpoint, None);
    }

    /// A row with decisive evidence that an endpoint explains.
    fn explained(&mut self, i: i64, service: &str, endpoint: &str, by: Option<ExplainedBy>) {
        let id = self.id(service, endpoint);
        let row = FlaggedRow {
            statuses: mad_core::feature::StatusCounts::default(),
            subsets: Vec::new(),
            entity: id,
            bucket: minute(i),
            step: Duration::from_secs(60),
            rhythm: Duration::ZERO,
            delay: Duration::ZERO,
            count: 50,
            errors: 0,
            no_response: 0,
            expected_error_rate: 0.01,
            objectives: None,
            severity: self.severity,
            neg_log10_p: 12.0,
            effective_n: 9.0,
            others: Vec::new(),
            opens: true,
            explained_by: by,
            signals: vec![slow_p95(12.0)],
        };
        let name = self.names[id.index()].clone();
        self.grouper.take(&name, RowOutcome::Alarm(row), &self.topology, &mut self.changes);
    }

    fn quiet(&mut self, i: i64, service: &str, endpoint: &str) {
        let id = self.id(service, endpoint);
        let name = self.names[id.index()].clone();
        let quiet = RowOutcome::Quiet {
            entity: id,
            at: minute(i),
            step: Duration::from_secs(60),
            neg_log10_p: 0.0,
        };
        self.grouper.take(&name, quiet, &self.topology, &mut self.changes);
    }

    fn incidents(&self) -> Vec<String> {
        let of = |incident: &&Incident| {
            let members: Vec<String> =
                incident.members.iter().map(|member| member.entity.to_string()).collect();
            format!("{} + {}", incident.entity, members.join(", "))
        };
        self.grouper.incidents().iter().map(of).collect()
    }
}

#[test]
fn endpoints_of_one_service_share_an_incident_when_they_start_together() {
    let mut group = Group::new((), 5.0);
    group.bad(0, "pay", "/a");
    group.bad(4, "pay", "/b");
    group.bad(4, "mail", "/a");
    assert_eq!(group.incidents(), ["mail /a + ", "pay /a + pay /b"]);
    // the next one starts within the time after the one that joined last
    group.bad(9, "pay", "/c");
    assert_eq!(group.incidents()[1], "pay /a + pay /b, pay /c");
    // one that starts long after the others is separate
    for i in 10..30 {
        group.bad(i, "pay", "/a");
    }
    group.bad(30, "pay", "/d");
    assert_eq!(group.incidents().len(), 3);
    let mut apart = Group::new((), 0.0);
    apart.bad(0, "pay", "/a");
    apart.bad(0, "pay", "/b");
    assert_eq!(apart.incidents().len(), 2);
}

#[test]
fn services_that_call_each_other_share_an_incident() {
    let calls = Calls(vec![("front", "cart"), ("cart", "store")]);
    let mut group = Group::new(calls, 5.0);
    group.bad(0, "store", "");
    group.bad(1, "mail", "");
    group.bad(1, "cart", "/x");
    group.bad(2, "front", "/");
    assert_eq!(group.incidents(), ["mail + ", "store + cart /x, front /"]);
    let incident = group.grouper.incidents()[1];
    assert_eq!((incident.reached, incident.rows, incident.end), (2, 1, minute(3)));
    assert_eq!(incident.members[0].joined_at, minute(2).plus(10 * SECOND));
    let impact = TemplateExplainer.explain(incident, None).impact;
    let sentence =
        "2 other entities became anomalous: cart /x at 10:01 UTC and front / at 10:02 UTC.";
    assert_eq!(impact.last().unwrap(), sentence);
    // it ends when all members are quiet
    for i in 3..8 {
        group.quiet(i, "store", "");
        group.bad(i, "front", "/");
    }
    assert!(group.grouper.incidents()[1].is_open());
    for i in 8..15 {
        group.quiet(i, "cart", "/x");
    }
    assert!(!group.grouper.incidents()[1].is_open());
    // a much later anomaly opens a new incident
    group.bad(25, "front", "/");
    assert_eq!(group.incidents()[0], "front / + ");
}

#[test]
fn a_service_between_two_incidents_merges_them() {
    let mut group = Group::new(Calls(vec![("front", "cart"), ("cart", "store")]), 5.0);
    group.bad(0, "store", "");
    group.bad(1, "front", "/");
    assert_eq!(group.incidents().len(), 2);
    group.bad(2, "cart", "/x");
    assert_eq!(group.incidents(), ["store + front /, cart /x"]);
    let merged: Vec<&Incident> = group
        .changes
        .iter()
        .map(IncidentChange::incident)
        .filter(|incident| incident.close_reason == Some(CloseReason::Merged))
        .collect();
    assert_eq!((merged.len(), merged[0].entity.to_string().as_str()), (1, "front /"));
    assert_eq!(merged[0].merged_into.as_ref(), Some(&group.grouper.incidents()[0].id));
    group.bad(3, "front", "/");
    assert_eq!(group.incidents().len(), 1);
    assert_eq!(group.grouper.incidents()[0].members[0].rows, 2);
}

#[test]
fn a_storm_is_one_incident_for_each_connected_cause() {
    let mut group = Group::new(Calls(vec![("hub", "left"), ("hub", "right")]), 5.0);
    for i in 0..2 {
        for service in ["hub", "left", "right", "island"] {
            for endpoint in 0..300 {
                group.bad(i, service, &endpoint.to_string());
            }
        }
    }
    let incidents = group.grouper.incidents();
    assert_eq!(incidents.len(), 2);
    let reached: Vec<(u64, usize)> =
        incidents.iter().map(|incident| (incident.reached, incident.members.len())).collect();
    assert_eq!(reached, [(899, MOST_MEMBERS), (299, MOST_MEMBERS)]);
    let restored: IncidentGrouper =
        serde_json::from_str(&serde_json::to_string(&group.grouper).unwrap()).unwrap();
    assert_eq!(restored.incidents(), incidents);
}

/// `pay /a` is anomalous in minute 0 and its incident ends in minute 6.
fn over() -> Group<()> {
    let mut group = Group::new((), 5.0);
    group.bad(0, "pay", "/a");
    for i in 1..8 {
        group.quiet(i, "pay", "/a");
    }
    assert!(!group.grouper.incidents()[0].is_open());
    group
}

#[test]
fn an_incident_that_returns_soon_is_reopened() {
    let mut group = over();
    let before = group.grouper.incidents()[0].clone();
    let saved = serde_json::to_string(&group.grouper).unwrap();
    group.grouper = serde_json::from_str(&saved).unwrap();
    group.bad(10, "pay", "/a");
    assert!(matches!(group.changes.last(), Some(IncidentChange::Reopened(_))));
    let incidents = group.grouper.incidents();
    assert_eq!(incidents.len(), 1);
    let back = incidents[0];
    assert_eq!((&back.id, &back.fingerprint), (&before.id, &before.fingerprint));
    assert!(back.is_open() && back.closed_at.is_none() && back.close_reason.is_none());
    assert_eq!((back.start, back.end, back.rows), (minute(0), minute(11), 2));
    assert_eq!((back.reopened, back.quiet), (1, Some((minute(1), minute(10)))));
    let impact = TemplateExplainer.explain(back, None).impact;
    let words = "It ended at 10:01 UTC and reopened at 10:10 UTC, 9 minutes later.";
    assert!(impact.iter().any(|said| said == words), "{impact:?}");
    for i in 11..19 {
        group.quiet(i, "pay", "/a");
    }
    group.bad(20, "pay", "/a");
    assert_eq!(group.grouper.incidents()[0].reopened, 2);
    let impact = TemplateExplainer.explain(group.grouper.incidents()[0], None).impact;
    assert!(
        impact.iter().any(|said| said.ends_with("later. It has reopened 2 times.")),
        "{impact:?}"
    );
}

#[test]
fn an_incident_that_returns_late_is_new() {
    let mut group = over();
    // its last row ended at minute 1
    group.bad(11, "pay", "/a");
    assert_eq!(group.grouper.incidents().len(), 1);
    let mut group = over();
    group.bad(12, "pay", "/a");
    let incidents = group.grouper.incidents();
    assert_eq!((incidents.len(), incidents[0].reopened), (2, 0));
    assert_ne!(incidents[0].id, incidents[1].id);
    assert_eq!(incidents[0].fingerprint, incidents[1].fingerprint);
}

#[test]
fn a_resolved_incident_is_not_reopened() {
    let mut group = Group::new((), 5.0);
    group.bad(0, "pay", "/a");
    let id = group.grouper.incidents()[0].id.clone();
    group.grouper.resolve(&id, minute(1)).unwrap();
    group.bad(2, "pay", "/a");
    assert_eq!(group.grouper.incidents().len(), 2);
    let never = IncidentConfig { cooldown_minutes: 0.0, ..IncidentConfig::default() };
    let mut group = Group::with((), never);
    group.bad(0, "pay", "/a");
    for i in 1..8 {
        group.quiet(i, "pay", "/a");
    }
    group.bad(8, "pay", "/a");
    assert_eq!(group.grouper.incidents().len(), 2);
}

#[test]
fn a_member_that_returns_first_reopens_the_same_incident() {
    let mut group = Group::new(Calls(vec![("cart", "store")]), 5.0);
    group.bad(0, "store", "");
    group.bad(1, "cart", "/x");
    for i in 2..9 {
        group.quiet(i, "store", "");
        group.quiet(i, "cart", "/x");
    }
    assert!(!group.grouper.incidents()[0].is_open());
    group.bad(12, "cart", "/x");
    group.bad(13, "store", "");
    assert_eq!(group.incidents(), ["store + cart /x"]);
    let incident = group.grouper.incidents()[0];
    assert_eq!((incident.reached, incident.members[0].rows, incident.rows), (1, 2, 2));
    // an entity whose id was reused does not reopen it
    let mut group = over();
    let id = group.id("pay", "/a");
    group.grouper.forget(&[id].into());
    group.bad(10, "pay", "/a");
    assert_eq!(group.grouper.incidents().len(), 2);
}

#[test]
fn a_worse_row_updates_the_same_incident() {
    let mut group = Group::new((), 5.0);
    group.bad(0, "pay", "/a");
    group.severity = Severity::Critical;
    group.bad(1, "pay", "/a");
    let [IncidentChange::Opened(opened), IncidentChange::Updated(updated)] = &group.changes[..]
    else {
        panic!("{:?}", group.changes)
    };
    assert_eq!((&opened.id, opened.severity), (&updated.id, Severity::Warning));
    assert_eq!(updated.severity, Severity::Critical);
}

/// Weak rows of the entity that opened an incident count as soon as any entity extends the incident
/// beyond them, whichever arrives first.
#[test]
fn weak_rows_within_an_incident_count() {
    for is_weak_first in [true, false] {
        let mut group = Group::new(Calls(vec![("front", "cart")]), 10.0);
        group.bad(0, "cart", "");
        group.bad(1, "front", "");
        let weak = |group: &mut Group<_>, i: i64| {
            let row = FlaggedRow::new(group.id("cart", ""), minute(i)).signal(slow_p95(1.0));
            let (entity, Group { grouper, topology, changes, .. }) =
                (Entity::new("cart", ""), group);
            grouper.take(&entity, RowOutcome::Weak(row), topology, changes);
        };
        if is_weak_first {
            weak(&mut group, 2);
            assert_eq!(group.grouper.incidents()[0].rows, 1);
            group.bad(3, "front", "");
        } else {
            group.bad(3, "front", "");
            weak(&mut group, 2);
        }
        // after the end of the incident
        weak(&mut group, 5);
        let incident = group.grouper.incidents()[0].clone();
        assert_eq!((incident.rows, incident.end), (2, minute(4)), "{is_weak_first}");
    }
}

/// A row of a metric that is too weak to open an incident arrives before the log lines of its step,
/// which open one: it is a part of it. One of an earlier step is not.
#[test]
fn weak_rows_of_the_first_step_count() {
    let mut group = Group::new((), 10.0);
    for (i, signal) in [(0, Signal::ErrorRate), (1, Signal::P50Latency)] {
        let signal = FlaggedSignal::new(signal, 0.5, 2.0);
        let row = FlaggedRow::new(group.id("till", ""), minute(i)).signal(signal);
        let Group { grouper, topology, changes, .. } = &mut group;
        grouper.take(&Entity::new("till", ""), RowOutcome::Weak(row), topology, changes);
    }
    group.bad(1, "till", "");
    let incident = group.grouper.incidents()[0];
    let signals: Vec<_> = incident.peaks.iter().map(|peak| peak.signal.signal.clone()).collect();
    assert_eq!(signals, [Signal::P95Latency, Signal::P50Latency].map(SignalName::from));
    assert_eq!((incident.rows, incident.start), (1, minute(1)));
}

/// An entity with weak rows for weeks keeps a few of them, whether or not one waits that could open an
/// incident.
#[test]
fn waiting_rows_are_bounded() {
    for waits in [true, false] {
        let mut group = Group::new((), 10.0);
        let till = Entity::new("till", "");
        let id = group.id("till", "");
        let row = |i| FlaggedRow::new(id, minute(i)).signal(slow_p95(2.0));
        let mut most = 0;
        for i in 0..2_000 {
            let outcome = if waits && i == 0 {
                RowOutcome::Alarm(FlaggedRow { opens: true, ..row(i) })
            } else {
                RowOutcome::Weak(row(i))
            };
            let Group { grouper, topology, changes, .. } = &mut group;
            grouper.take(&till, outcome, topology, changes);
            most = most.max(serde_json::to_string(&group.grouper).unwrap().len());
        }
        assert!(group.changes.is_empty());
        assert!(most < 8_000, "{most} bytes");
    }
}

#[test]
fn rows_of_a_service_that_opened_an_incident_count_in_it() {
    let mut group = Group::new((), 5.0);
    group.bad(0, "pay", "");
    group.bad(1, "pay", "/a");
    let by = ExplainedBy { id: group.id("pay", "/a"), entity: Entity::new("pay", "/a").into() };
    group.explained(2, "pay", "", Some(by.clone()));
    assert_eq!(
        (group.incidents(), group.grouper.incidents()[0].rows),
        (vec!["pay + pay /a".to_owned()], 2)
    );
    // a service that is no part of it adds nothing to what its endpoint says
    let mut group = Group::new((), 5.0);
    group.bad(0, "pay", "/a");
    let by = ExplainedBy { id: group.id("pay", "/a"), ..by };
    group.explained(1, "pay", "", Some(by));
    let incident = group.grouper.incidents()[0];
    assert_eq!((incident.rows, incident.reached), (1, 0));
}
