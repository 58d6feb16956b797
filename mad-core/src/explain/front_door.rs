//! The entities of an incident where its requests enter, and what happened to the requests there.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::messages::{count, impact};
use super::phrase::Phrase;
use super::phrases::{is_complete, some_named, statuses, usual_of};
use super::words::{self, milliseconds, moment, named, number, percent};
use crate::culprit::RankingContext;
use crate::feature::StatusCounts;
use crate::incident::{Incident, Peak};
use crate::series::{Entity, Signal};
use crate::slo::SloImpact;

/// Most entities of a front door that a sentence names; further ones are counted.
const MAX_NAMED: usize = 3;

/// The affected entities that no other affected service calls, and the requests in their flagged rows.
///
/// A failing request is counted again by every service on its way. Users notice it once, where it
/// enters. The impact of an incident is therefore counted at these entities only.
///
/// - An entity is affected when a flagged row of it has requests. Rows of a whole service count only
///   where none of its endpoints is affected.
/// - An entity is removed when another affected service calls its service.
/// - Where that leaves none (services that call each other in a circle) or none has requests, the
///   front door is the entity that opened the incident.
#[derive(Debug, Clone, PartialEq)]
pub struct FrontDoor {
    /// The entities: the one that opened the incident first, then members as they joined. Never empty.
    pub entities: Vec<Entity>,
    /// Requests in their flagged rows.
    pub requests: u64,
    /// Requests that failed there.
    pub errors: u64,
    /// Those of them without a response.
    pub no_response: u64,
    /// The most frequent statuses there that are no success.
    pub statuses: StatusCounts,
    /// The error budgets used up there: the sum where all entities have the same objectives, else
    /// those of the entity that used most of its budget.
    pub slo: Option<SloImpact>,
    /// The entity of `slo` where the objectives differ.
    pub slo_of: Option<Entity>,
}

/// The requests of one affected entity.
struct Affected<'a> {
    entity: &'a Entity,
    requests: u64,
    errors: u64,
    no_response: u64,
    statuses: &'a StatusCounts,
    slo: Option<&'a SloImpact>,
}

impl FrontDoor {
    /// The front door where only the entity that opened the incident counts.
    pub(super) fn of_lead(incident: &Incident) -> Self {
        Self {
            entities: vec![incident.entity.clone()],
            requests: incident.requests,
            errors: incident.errors,
            no_response: incident.no_response,
            statuses: incident.statuses,
            slo: incident.slo,
            slo_of: None,
        }
    }

    /// The front door of an incident, by the calls that `context` knows.
    pub(super) fn of(incident: &Incident, context: &impl RankingContext) -> Self {
        let members = incident.members.iter().map(|member| Affected {
            entity: &member.entity,
            requests: member.requests,
            errors: member.errors,
            no_response: member.no_response,
            statuses: &member.statuses,
            slo: member.slo.as_ref(),
        });
        let lead = Affected {
            entity: &incident.entity,
            requests: incident.requests,
            errors: incident.errors,
            no_response: incident.no_response,
            statuses: &incident.statuses,
            slo: incident.slo.as_ref(),
        };
        let mut all: Vec<Affected<'_>> = std::iter::once(lead).chain(members).collect();
        all.retain(|one| one.requests > 0);
        let endpoints = all.iter().map(|one| one.entity).filter(|entity| !entity.is_service());
        let of_endpoints: BTreeSet<&str> = endpoints.map(|entity| &*entity.service).collect();
        // rows of a whole service count the requests of its endpoints again
        all.retain(|one| !one.entity.is_service() || !of_endpoints.contains(&*one.entity.service));
        let services: BTreeSet<&str> = all.iter().map(|one| &*one.entity.service).collect();
        let mut called: BTreeSet<Arc<str>> = BTreeSet::new();
        for caller in services {
            called.extend(context.callees(caller).into_iter().filter(|callee| **callee != *caller));
        }
        all.retain(|one| !called.contains(&one.entity.service));
        match all.as_slice() {
            [] => Self::of_lead(incident),
            [only] if *only.entity == incident.entity => Self::of_lead(incident),
            entries => Self::sum(entries),
        }
    }

    fn sum(entries: &[Affected<'_>]) -> Self {
        let mut out = Self {
            entities: entries.iter().map(|one| one.entity.clone()).collect(),
            requests: 0,
            errors: 0,
            no_response: 0,
            statuses: StatusCounts::default(),
            slo: None,
            slo_of: None,
        };
        let mut is_one_objective = true;
        for one in entries {
            out.requests = out.requests.saturating_add(one.requests);
            out.errors = out.errors.saturating_add(one.errors);
            out.no_response = out.no_response.saturating_add(one.no_response);
            out.statuses.add(one.statuses);
            match (&mut out.slo, one.slo) {
                (Some(sum), Some(more)) => is_one_objective &= sum.merge(more),
                (sum @ None, more) => *sum = more.copied(),
                (Some(_), None) => {}
            }
        }
        if !is_one_objective {
            let known = entries.iter().filter_map(|one| Some((one.entity, one.slo?)));
            let worst = known.max_by(|(_, a), (_, b)| a.worst_share().total_cmp(&b.worst_share()));
            out.slo = worst.map(|(_, slo)| *slo);
            out.slo_of = worst.map(|(entity, _)| entity.clone());
        }
        out
    }

    /// Whether it is the entity that opened the incident alone.
    pub(super) fn is_lead(&self, incident: &Incident) -> bool {
        self.entities == std::slice::from_ref(&incident.entity)
    }

    /// What happened to the requests, where other entities than the one that opened the incident are
    /// the front door.
    ///
    /// `Counted at web /buy, which no other affected service calls: 42 of 900 requests failed in the
    /// flagged time. The error rate was 4.7 %.`
    pub(super) fn sentences(&self, incident: &Incident) -> Vec<Phrase> {
        let requests = count::request(words::count(self.requests as f64));
        let (place, failed) = (self.place(), number(self.errors as f64, 0));
        let silent = self.no_response;
        let what = match (self.errors, silent) {
            (0, _) => impact::at_no_failure(place, requests),
            (_, 0) => impact::at_failed(place, failed, requests),
            (errors, _) if errors == silent => {
                impact::at_failed_all_silent(place, failed, requests)
            }
            _ => {
                let silent = number(silent as f64, 0);
                impact::at_failed_silent(place, failed, requests, silent)
            }
        };
        let rate = || impact::rate(percent(self.errors as f64 / self.requests as f64));
        let mut out = vec![match self.errors {
            0 => what,
            _ => Phrase::Sentences(vec![what, rate()]),
        }];
        out.extend(statuses(&self.statuses));
        out.extend(self.slow(incident));
        out.extend(self.fewer(incident));
        out
    }

    /// `web /buy, web /cart and 2 more`.
    fn place(&self) -> Phrase {
        let names = self.entities.iter().take(MAX_NAMED).map(|entity| named(entity).into());
        some_named(names.collect(), self.entities.len() as u64)
    }

    /// The peaks of a signal in a direction, with their entities.
    fn peaks<'a>(
        &'a self,
        incident: &'a Incident,
        signal: Signal,
        rises: bool,
    ) -> impl Iterator<Item = (&'a Entity, &'a Peak)> {
        let peaks = |entity| {
            let all = incident.peaks_of(entity).unwrap_or_default().iter();
            all.filter(|peak| is_complete(&peak.signal)).map(move |peak| (entity, peak))
        };
        self.entities
            .iter()
            .flat_map(peaks)
            .filter(move |(_, peak)| peak.signal.signal == signal && (peak.signal.z > 0.0) == rises)
    }

    /// The slowest requests, at the entity with the largest deviation.
    fn slow(&self, incident: &Incident) -> Option<Phrase> {
        let worst = |signal| {
            let peaks = self.peaks(incident, signal, true);
            peaks.max_by(|(_, a), (_, b)| a.signal.z.total_cmp(&b.signal.z))
        };
        let (half, slowest) = (worst(Signal::P50Latency), || worst(Signal::P95Latency));
        let is_half = half.is_some();
        let (entity, peak) = half.or_else(slowest)?;
        let text: fn(_, _, _, _) -> _ = if is_half { impact::half_of } else { impact::slowest_of };
        Some(text(
            moment(peak.at, incident.start, incident.end, incident.step),
            named(entity),
            milliseconds(peak.signal.value),
            milliseconds(usual_of(peak)),
        ))
    }

    /// The requests that did not arrive, at the entity that misses most.
    fn fewer(&self, incident: &Incident) -> Option<Phrase> {
        let missing = |peak: &Peak| (usual_of(peak) - peak.signal.value).max(0.0).round();
        let peaks = self.peaks(incident, Signal::RequestCount, false);
        let (entity, peak) = peaks.max_by(|(_, a), (_, b)| missing(a).total_cmp(&missing(b)))?;
        Some(impact::fewer_at(
            moment(peak.at, incident.start, incident.end, incident.step),
            count::request(words::count(missing(peak))),
            named(entity),
        ))
    }
}
