//! Compares rows and incidents with the truth.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::evaluation::{Evaluation, IncidentCounts, RowCounts, TruthOutcome};
use super::telemetry::{DEFAULT, Decision, JudgedKind, KindCounts, KindTally, MethodCounts};
use super::{Truth, TruthIncident};
use crate::time::{SECOND, Timestamp, nanos_of};

/// A judged row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluatedRow {
    /// Start of its step.
    pub bucket: Timestamp,
    /// Its service.
    pub service: String,
    /// Its endpoint.
    pub endpoint: String,
    /// Whether the detector flagged it.
    pub is_anomaly: bool,
}

/// A detected incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluatedIncident {
    /// Its service.
    pub service: String,
    /// Its endpoint.
    pub endpoint: String,
    /// Start of its first row's step.
    pub start: Timestamp,
    /// End of its last row's step, exclusive.
    pub end: Timestamp,
    /// When the detector first reported it.
    pub opened_at: Timestamp,
    /// Service and endpoint of its culprits, the most likely first.
    pub rank_of_culprits: Vec<(String, String)>,
    /// Other entities of the incident: service, endpoint, and when each was first reported.
    pub members: Vec<(String, String, Timestamp)>,
}

impl EvaluatedIncident {
    /// Whether it overlaps a true incident of one of its entities.
    fn finds(&self, truth: &TruthIncident) -> bool {
        self.known(truth).is_some()
    }

    /// When it first reported a true incident; `None` if it does not find it.
    fn known(&self, truth: &TruthIncident) -> Option<Timestamp> {
        if !truth.overlaps(self.start, self.end) {
            return None;
        }
        // the entity of the incident and its members can find it
        let own = std::iter::once((&self.service, &self.endpoint, self.opened_at));
        let members = self.members.iter().map(|(service, endpoint, at)| (service, endpoint, *at));
        let there =
            own.chain(members).filter(|(service, endpoint, _)| truth.includes(service, endpoint));
        // so can an incident at a caller that the fault affects, if it blames the entity at fault
        let blamed = || {
            let (service, endpoint) = self.rank_of_culprits.first()?;
            let is_right =
                truth.includes(service, endpoint) && truth.affects(&self.service, &self.endpoint);
            is_right.then_some(self.opened_at)
        };
        there.map(|(.., at)| at).min().or_else(blamed)
    }
}

/// Evaluates rows one at a time, in any order, without keeping them.
///
/// # Examples
///
/// ```
/// use mad_core::evaluate::{EvaluatedIncident, Evaluator, Truth, TruthIncident};
/// use mad_core::time::Timestamp;
/// use std::time::Duration;
///
/// let minute = |n: i64| Timestamp::from_seconds(60 * n);
/// let truth = Truth::new(vec![TruthIncident {
///     service: "payments".into(),
///     endpoint: "/pay".into(),
///     start: minute(10) + Duration::from_secs(30), // inside the minute
///     end: minute(13),
///     kind: "outage".into(),
///     affected: vec![],
///     spec: None,
/// }]);
/// let mut evaluator = Evaluator::new(Duration::from_secs(60), Duration::from_secs(10), &truth);
/// for n in 0..20 {
///     evaluator.push_row(minute(n), "payments", "/pay", (11..14).contains(&n));
/// }
/// let evaluation = evaluator.finish(&[EvaluatedIncident {
///     service: "payments".into(),
///     endpoint: "/pay".into(),
///     start: minute(11),
///     end: minute(14),
///     opened_at: minute(12) + Duration::from_secs(10),
///     rank_of_culprits: vec![("payments".into(), "/pay".into())],
///     members: vec![],
/// }]);
/// let rows = evaluation.rows;
/// assert_eq!((rows.tp, rows.fp, rows.fn_, rows.tn), (2, 1, 1, 16));
/// assert_eq!(evaluation.incidents.scores.f1, Some(1.0));
/// assert_eq!(evaluation.outcomes[0].delay_seconds, Some(100.0));
/// assert_eq!(evaluation.outcomes[0].culprit_rank, Some(1));
/// ```
#[derive(Debug, Clone)]
pub struct Evaluator<'a> {
    step: i64,
    lateness: i64,
    truth: &'a Truth,
    rows: RowCounts,
    /// Counts of points, which are those of all rows where there are no requests.
    points: RowCounts,
    has_requests: bool,
    kinds: KindTally,
    /// Counts of other methods.
    methods: BTreeMap<String, KindTally>,
    /// Services of which there are rows.
    known: BTreeSet<String>,
    /// Places of the incidents of each service, and of those that affect it.
    by_service: BTreeMap<String, Vec<usize>>,
    /// Start of the first flagged row of each true incident.
    first_flagged: Vec<Option<Timestamp>>,
}

impl<'a> Evaluator<'a> {
    /// An evaluator for rows that cover `step` and are known `lateness` after their end. A step of zero
    /// counts as one nanosecond.
    pub fn new(step: Duration, lateness: Duration, truth: &'a Truth) -> Self {
        let mut by_service: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (place, incident) in truth.incidents.iter().enumerate() {
            let mut names = BTreeSet::from([incident.service.as_str()]);
            for name in &incident.affected {
                // a service, or a service and its endpoint: both may have spaces
                names.insert(name);
                names.extend(name.match_indices(' ').filter_map(|(at, _)| name.get(..at)));
            }
            for name in names {
                by_service.entry(name.to_owned()).or_default().push(place);
            }
        }
        Self {
            step: nanos_of(step).max(1),
            lateness: nanos_of(lateness),
            truth,
            rows: RowCounts::default(),
            points: RowCounts::default(),
            has_requests: false,
            kinds: KindTally::default(),
            methods: BTreeMap::new(),
            known: BTreeSet::new(),
            by_service,
            first_flagged: vec![None; truth.incidents.len()],
        }
    }

    /// Counts a row of requests or spans.
    pub fn push_row(&mut self, bucket: Timestamp, service: &str, endpoint: &str, is_anomaly: bool) {
        self.has_requests = true;
        let decision =
            self.decide(JudgedKind::Request, bucket, (service, endpoint, ""), is_anomaly);
        count(&mut self.rows, decision);
    }

    /// Counts a point of a metric, which may be a count of log lines or of missing spans.
    pub fn push_point(
        &mut self,
        bucket: Timestamp,
        service: &str,
        resource: &str,
        metric: &str,
        is_anomaly: bool,
    ) {
        let kind = JudgedKind::of_metric(metric);
        let decision = self.decide(kind, bucket, (service, resource, metric), is_anomaly);
        count(&mut self.points, decision);
    }

    /// Counts a judgement of another method about all signals of a row: of requests, of the metrics of
    /// a service or resource, of a log, or of an event. `signal` is the one that leads, if there is one.
    pub fn push_opinion(
        &mut self,
        method: &str,
        kind: JudgedKind,
        bucket: Timestamp,
        (service, endpoint, signal): (&str, &str, &str),
        is_anomaly: bool,
    ) {
        let row = (service, endpoint, signal);
        let covers = |incident: &TruthIncident| incident.covers_row(kind, row);
        let (decision, _) = self.decision(bucket, (service, endpoint), is_anomaly, covers);
        if !self.methods.contains_key(method) {
            self.methods.insert(method.to_owned(), KindTally::default());
        }
        if let Some(tally) = self.methods.get_mut(method) {
            tally.push(kind, service, bucket, decision);
        }
    }

    /// What the truth says about a value of a service, a resource or endpoint, and a metric.
    fn decide(
        &mut self,
        kind: JudgedKind,
        bucket: Timestamp,
        (service, resource, metric): (&str, &str, &str),
        flagged: bool,
    ) -> Decision {
        if !self.known.contains(service) {
            self.known.insert(service.to_owned());
        }
        let covers = |incident: &TruthIncident| incident.covers(kind, service, resource, metric);
        let (decision, found) = self.decision(bucket, (service, resource), flagged, covers);
        for place in found.into_iter().filter(|_| flagged) {
            if let Some(first) = self.first_flagged.get_mut(place) {
                *first = Some(first.map_or(bucket, |first| first.min(bucket)));
            }
        }
        self.kinds.push(kind, service, bucket, decision);
        decision
    }

    /// What the truth says about a value, and the places of the incidents that cover it.
    fn decision(
        &self,
        bucket: Timestamp,
        (service, resource): (&str, &str),
        flagged: bool,
        covers: impl Fn(&TruthIncident) -> bool,
    ) -> (Decision, Vec<usize>) {
        let end = bucket.plus(self.step);
        let (mut decision, mut found) = (Decision { flagged, ..Decision::default() }, Vec::new());
        // a row is expected or affected by any incident that overlaps it
        for place in self.by_service.get(service).into_iter().flatten() {
            let Some(incident) = self.truth.incidents.get(*place) else { continue };
            if !incident.overlaps(bucket, end) {
                continue;
            }
            if covers(incident) {
                decision.expected = true;
                found.push(*place);
            } else {
                decision.affected |= incident.affects(service, resource);
            }
        }
        (decision, found)
    }

    /// The evaluation of the rows so far and of the detected incidents.
    pub fn finish(self, incidents: &[EvaluatedIncident]) -> Evaluation {
        let truth = &self.truth.incidents;
        let mut counts = IncidentCounts::default();
        for incident in incidents {
            let affected = |truth: &TruthIncident| {
                truth.overlaps(incident.start, incident.end)
                    && truth.affects(&incident.service, &incident.endpoint)
            };
            let count = if truth.iter().any(|truth| incident.finds(truth)) {
                &mut counts.matched
            } else if truth.iter().any(affected) {
                &mut counts.ignored
            } else {
                &mut counts.false_incidents
            };
            *count += 1;
        }
        let outcome = |(truth, first_row): (&TruthIncident, &Option<Timestamp>)| {
            // the detected incident that was known first
            let finder = incidents
                .iter()
                .filter_map(|incident| Some((incident.known(truth)?, incident)))
                .min_by_key(|(known, _)| *known);
            let seconds = |at: Timestamp| at.since(truth.start) as f64 / SECOND as f64;
            let rank = |(_, incident): (Timestamp, &EvaluatedIncident)| {
                let mut culprits = incident.rank_of_culprits.iter();
                culprits.position(|(service, endpoint)| truth.includes(service, endpoint))
            };
            TruthOutcome {
                incident: truth.clone(),
                found: finder.is_some(),
                delay_seconds: finder.map(|(known, _)| seconds(known)),
                first_row_delay_seconds: first_row
                    .map(|bucket| seconds(bucket.plus(self.step).plus(self.lateness))),
                culprit_rank: finder.and_then(rank).map(|place| place as u64 + 1),
            }
        };
        let mut unknown: Vec<String> = truth
            .iter()
            .map(|incident| incident.service.clone())
            .filter(|service| !self.known.contains(service))
            .collect();
        unknown.sort_unstable();
        unknown.dedup();
        let kinds = self.kinds.finish();
        let named = |method: &str, counts: Vec<KindCounts>| {
            let of = |counts| MethodCounts { method: method.to_owned(), counts };
            counts.into_iter().map(of).collect::<Vec<_>>()
        };
        let mut methods = Vec::new();
        // the default's points stand beside the rows of the others where it was not one of them
        if !self.methods.is_empty() && !self.methods.contains_key(DEFAULT) {
            methods.append(&mut named(DEFAULT, kinds.clone()));
        }
        for (method, tally) in self.methods {
            methods.append(&mut named(&method, tally.finish()));
        }
        MethodCounts::sort(&mut methods);
        let mut evaluation = Evaluation {
            rows: if self.has_requests { self.rows } else { self.points },
            kinds,
            methods,
            unknown_services: unknown,
            incidents: counts,
            outcomes: truth.iter().zip(&self.first_flagged).map(outcome).collect(),
            ..Evaluation::default()
        };
        evaluation.derive();
        evaluation
    }
}

/// Adds a decision to counts.
fn count(rows: &mut RowCounts, decision: Decision) {
    // an expected row counts even if another incident affects its entity
    let count = match (decision.expected, decision.affected, decision.flagged) {
        (true, _, true) => &mut rows.tp,
        (true, _, false) => &mut rows.fn_,
        (false, true, _) => &mut rows.ignored,
        (false, false, true) => &mut rows.fp,
        (false, false, false) => &mut rows.tn,
    };
    *count += 1;
}

/// Evaluates rows and incidents at once. [`Evaluator`] documents the arguments, the
/// [module](crate::evaluate) the rules.
pub fn evaluate(
    rows: &[EvaluatedRow],
    step: Duration,
    lateness: Duration,
    incidents: &[EvaluatedIncident],
    truth: &Truth,
) -> Evaluation {
    let mut evaluator = Evaluator::new(step, lateness, truth);
    for row in rows {
        evaluator.push_row(row.bucket, &row.service, &row.endpoint, row.is_anomaly);
    }
    evaluator.finish(incidents)
}
