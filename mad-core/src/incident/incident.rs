//! The incident: its rows, entities, severity and status.
//!
//! The file is longer than others because all rows of an incident change the same fields.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fault::Fault;
use super::life_cycle::{CloseReason, IncidentStatus};
use super::member::{MOST_MEMBERS, Member};
use super::peak::Peak;
use super::seen_rows::SeenRows;
use crate::feature::{StatusCounts, Subsets};
use crate::guard::{Confidence, Severity};
use crate::history::{FlaggedRow, FlaggedSignal};
use crate::robust::beta_binomial_log10_sf;
use crate::series::{Entity, EntityId, SignalName};
use crate::slo::SloImpact;
use crate::time::Timestamp;

/// Number of requests that the expected error rate counts as, which is that of the first hours.
const ERROR_MEMORY: f64 = 200.0;
/// `-log10 p` from which the errors of an incident rose. It is lower than that of a row, because the
/// incident has been found already.
const ERRORS_NEG_LOG10_P: f64 = 3.0;

/// Returns from which on an incident is flapping: the third occurrence of its fault.
const FLAPPING: u64 = 2;

/// A run of anomalous rows of one entity and of its members.
///
/// Members are entities of the same service, or of services that call each other, whose anomalies
/// start within [`IncidentConfig::merge_minutes`](crate::IncidentConfig::merge_minutes). Rows,
/// requests, errors and peaks are those of the first entity. Severity, end and `neg_log10_p` are
/// those of all entities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Id, made of the names of the entity and the start. Every run over the same data gives the same.
    pub id: String,
    /// Fingerprint of the fault: the service of the culprit, the kind of its anomalies and their
    /// direction. It stays the same when the same fault returns, whichever entity opens the incident,
    /// and differs between two faults behind the same entity. It is settled with the fifth flagged
    /// row, or at the end of a shorter incident.
    pub fingerprint: String,
    /// Whether the fingerprint is settled.
    pub is_settled: bool,
    /// The entity that opened it.
    pub entity: Entity,
    /// The id of the entity in its pipeline.
    pub entity_id: EntityId,
    /// Start of the first flagged row.
    pub start: Timestamp,
    /// End of the last flagged row.
    pub end: Timestamp,
    /// The longest step of its rows.
    #[serde(with = "crate::time::nanoseconds")]
    pub step: Duration,
    /// Whether its rows have steps of different lengths, as those of requests and of metrics can.
    pub steps_differ: bool,
    /// When it opened: the end of the row that opened it plus the allowed lateness.
    pub opened_at: Timestamp,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// Why it was closed.
    pub close_reason: Option<CloseReason>,
    /// The id of the incident that it was merged into.
    #[serde(skip)]
    pub merged_into: Option<String>,
    /// The end of the cooldown, within which it can open again.
    pub reopens_until: Option<Timestamp>,
    /// How often it opened again after it had closed.
    pub reopened: u64,
    /// The last quiet time within it: its end before it reopened, and the start of the row that reopened
    /// it.
    pub quiet: Option<(Timestamp, Timestamp)>,
    /// How often the same fault of the same entities had an incident before, each at most three hours
    /// before the next.
    pub recurred: u64,
    /// The cooldown after it closes. Each reopening doubles it.
    #[serde(with = "crate::time::nanoseconds")]
    pub cooldown: Duration,
    /// The longest quiet time between two of its occurrences.
    #[serde(with = "crate::time::nanoseconds")]
    pub longest_quiet: Duration,
    /// The usual time between rows of the entity that opened it; zero if it is unknown.
    #[serde(with = "crate::time::nanoseconds")]
    pub rhythm: Duration,
    /// Whether entities of three services or more joined it because they became anomalous in the same
    /// way at the same time, although no calls between them are known.
    pub by_time: bool,
    /// When it was acknowledged.
    pub acknowledged_at: Option<Timestamp>,
    /// Its status.
    pub status: IncidentStatus,
    /// The worst severity of its rows. It is also Critical if the errors of all rows together rose to
    /// the critical error rate.
    pub severity: Severity,
    /// Number of flagged rows.
    pub rows: u64,
    /// Requests in its flagged rows.
    pub requests: u64,
    /// Failed requests in its flagged rows.
    pub errors: u64,
    /// Those of them that had no response.
    pub no_response: u64,
    /// The most frequent statuses in its flagged rows that are no success.
    pub statuses: StatusCounts,
    /// The requests in its flagged rows by version and by host, where these are known.
    pub subsets: Subsets,
    /// Share of requests that was expected to fail at its start; NaN if unknown.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub expected_error_rate: f64,
    /// Whether its failed requests, those of all rows up to some row, were more than the expected share
    /// explains: less than one in a thousand by a beta-binomial tail.
    pub errors_rose: bool,
    /// The flagged signals, each in its most extreme row, the signal with most evidence first.
    pub peaks: Vec<Peak>,
    /// The strongest signal of its first flagged row.
    pub onset: Option<Peak>,
    /// The largest `-log10 p` of a row, alone or with the rows before it.
    pub neg_log10_p: f64,
    /// End of the last row that was flagged or kept it open (hysteresis).
    pub last_active: Timestamp,
    /// The error budgets that its rows used up; none without requests.
    pub slo: Option<SloImpact>,
    /// The first [`MOST_MEMBERS`] other entities, in the order in which they joined.
    pub members: Vec<Member>,
    /// Number of other entities.
    pub reached: u64,
    /// Start of the first flagged row of the entity that joined last.
    pub last_joined: Timestamp,
    /// Its rows so far, and weak rows of all its entities that may still count.
    pub seen: SeenRows,
}

impl Incident {
    pub(super) fn open(entity: Entity, first: &FlaggedRow, opened_at: Timestamp) -> Self {
        let fingerprint = fingerprint(&entity.service, &first.signals);
        let id = fnv1a(&[&entity.service, &entity.endpoint], first.bucket.nanos().cast_unsigned());
        Self {
            id: format!("INC-{id:016x}"),
            fingerprint,
            is_settled: false,
            entity,
            entity_id: first.entity,
            start: first.bucket,
            end: first.bucket + first.step,
            step: first.step,
            steps_differ: false,
            opened_at,
            closed_at: None,
            close_reason: None,
            merged_into: None,
            reopens_until: None,
            reopened: 0,
            quiet: None,
            recurred: 0,
            cooldown: Duration::ZERO,
            longest_quiet: Duration::ZERO,
            rhythm: first.rhythm,
            by_time: false,
            acknowledged_at: None,
            status: IncidentStatus::Open,
            severity: Severity::Info,
            rows: 0,
            requests: 0,
            errors: 0,
            no_response: 0,
            statuses: StatusCounts::default(),
            subsets: Subsets::default(),
            expected_error_rate: first.expected_error_rate,
            errors_rose: false,
            peaks: Vec::new(),
            onset: None,
            neg_log10_p: 0.0,
            last_active: first.bucket + first.step,
            slo: None,
            members: Vec::new(),
            reached: 0,
            last_joined: first.bucket,
            seen: SeenRows::default(),
        }
    }

    pub(super) fn add(&mut self, row: &FlaggedRow, critical_error_rate: f64) {
        // A flagged row proves that the weak rows before it were part of the incident.
        for weak in self.seen.take_weak(row.entity) {
            self.count(&weak);
        }
        self.start = self.start.min(row.bucket);
        self.end = self.end.max(row.bucket + row.step);
        self.count(row);
        self.step = self.step.max(row.step);
        self.rhythm = self.rhythm.max(row.rhythm);
        self.last_active = self.last_active.max(self.end);
        self.severity = self.severity.max(row.severity);
        self.requests = self.requests.saturating_add(row.count);
        self.errors = self.errors.saturating_add(row.errors);
        self.no_response = self.no_response.saturating_add(row.no_response);
        self.statuses.add(&row.statuses);
        self.subsets.add(&row.subsets);
        self.neg_log10_p = self.neg_log10_p.max(row.neg_log10_p);
        burn(&mut self.slo, row);
        begin(&mut self.onset, row);
        self.judge_errors(critical_error_rate);
    }

    /// Counts a row of the entity that opened it, and moves its peaks.
    fn count(&mut self, row: &FlaggedRow) {
        self.steps_differ |= row.step != self.step;
        self.rows += u64::from(self.seen.count(row.bucket));
        self.seen.add_to(&mut self.peaks, row);
    }

    /// Keeps a weak row: it counts as soon as a later row of its entity extends the incident. A row of
    /// the entity that opened it counts too if a row of another entity has extended the incident beyond
    /// it.
    pub(super) fn wait(&mut self, row: FlaggedRow) {
        if row.bucket >= self.start {
            self.seen.wait(row);
            self.count_weak_within();
        }
    }

    /// Counts the weak rows of the entity that opened it that lie within the incident.
    fn count_weak_within(&mut self) {
        for weak in self.seen.take_weak_before(self.entity_id, self.end) {
            self.count(&weak);
        }
    }

    /// Adds another entity with its flagged rows. Returns whether the incident changed visibly: by a
    /// listed member, or as [`add_other`](Self::add_other) returns.
    pub(super) fn join(
        &mut self,
        entity: &Entity,
        rows: &[FlaggedRow],
        joined_at: Timestamp,
    ) -> bool {
        let Some(first) = rows.first() else { return false };
        let listed = self.members.len();
        self.last_joined = self.last_joined.max(first.bucket);
        let known = self.members.iter().any(|member| member.entity == *entity);
        self.reached += u64::from(!known);
        if !known
            && self.members.len() < MOST_MEMBERS
            && let Some(signal) = first.signals.first()
        {
            self.members.push(Member {
                entity: entity.clone(),
                joined_at,
                start: first.bucket,
                end: first.bucket,
                rows: 0,
                requests: 0,
                errors: 0,
                no_response: 0,
                statuses: StatusCounts::default(),
                neg_log10_p: 0.0,
                signal: signal.signal.clone(),
                onset: None,
                slo: None,
                subsets: Subsets::default(),
                peaks: Vec::new(),
                seen: SeenRows::default(),
            });
        }
        let mut changed = self.members.len() > listed;
        for row in rows {
            changed |= self.add_other(entity, row);
        }
        changed
    }

    /// Adds a flagged row of a member. Returns whether the incident became longer or worse, so that a
    /// storm of thousands of entities gives one change a step.
    pub(super) fn add_other(&mut self, entity: &Entity, row: &FlaggedRow) -> bool {
        let end = row.bucket + row.step;
        // Compared before the incident takes the row.
        let changed = end > self.end || row.severity > self.severity;
        self.end = self.end.max(end);
        self.last_active = self.last_active.max(end);
        self.severity = self.severity.max(row.severity);
        self.neg_log10_p = self.neg_log10_p.max(row.neg_log10_p);
        let weak = self.seen.take_weak(row.entity);
        if let Some(member) = self.members.iter_mut().find(|member| member.entity == *entity) {
            member.start = member.start.min(row.bucket);
            member.end = member.end.max(end);
            for row in weak.iter().chain(std::iter::once(row)) {
                member.rows += u64::from(member.seen.count(row.bucket));
                member.seen.add_to(&mut member.peaks, row);
            }
            member.requests = member.requests.saturating_add(row.count);
            member.errors = member.errors.saturating_add(row.errors);
            member.no_response = member.no_response.saturating_add(row.no_response);
            member.statuses.add(&row.statuses);
            member.subsets.add(&row.subsets);
            burn(&mut member.slo, row);
            begin(&mut member.onset, row);
            if let Some(signal) =
                row.signals.first().filter(|_| row.neg_log10_p > member.neg_log10_p)
            {
                member.neg_log10_p = row.neg_log10_p;
                member.signal = signal.signal.clone();
            }
        }
        self.count_weak_within();
        changed
    }

    /// Takes over the entity and the members of another incident, which started later.
    pub(super) fn absorb(&mut self, mut other: Self) {
        self.end = self.end.max(other.end);
        self.seen.take_over_weak(&mut other.seen);
        self.count_weak_within();
        self.last_active = self.last_active.max(other.last_active);
        self.last_joined = self.last_joined.max(other.start);
        self.by_time |= other.by_time;
        self.severity = self.severity.max(other.severity);
        self.neg_log10_p = self.neg_log10_p.max(other.neg_log10_p);
        self.reached += 1 + other.reached;
        if let Some(peak) = other.peaks.first().cloned() {
            self.members.push(Member {
                entity: other.entity,
                joined_at: other.opened_at,
                start: other.start,
                end: other.end,
                rows: other.rows,
                requests: other.requests,
                errors: other.errors,
                no_response: other.no_response,
                statuses: other.statuses,
                neg_log10_p: other.neg_log10_p,
                signal: peak.signal.signal.clone(),
                onset: other.onset,
                slo: other.slo,
                subsets: other.subsets,
                peaks: other.peaks,
                seen: other.seen,
            });
        }
        self.members.extend(other.members);
        // Members beyond the list stay counted in `reached`.
        self.members.truncate(MOST_MEMBERS);
    }

    /// Tests the errors of all rows together, because one row rarely has enough requests to prove a
    /// rise.
    fn judge_errors(&mut self, critical_error_rate: f64) {
        // Past requests without an error do not prove that none can fail.
        let share = self.expected_error_rate.max(0.5 / ERROR_MEMORY);
        if self.expected_error_rate.is_nan() {
            return;
        }
        if !(share > 0.0 && share < 1.0 && self.errors > 1) {
            return;
        }
        // A beta prior with the weight of `ERROR_MEMORY` earlier requests at the expected share.
        let (a, b) = (ERROR_MEMORY * share, ERROR_MEMORY * (1.0 - share));
        let tail = beta_binomial_log10_sf(self.errors, self.requests, a, b);
        // a proved rise stays proved when the incident becomes milder
        self.errors_rose |= tail <= -ERRORS_NEG_LOG10_P && self.error_rate() > share;
        if self.errors_rose && self.error_rate() >= critical_error_rate {
            self.severity = Severity::Critical;
        }
    }

    /// The entity that opened it and the listed members.
    pub fn entities(&self) -> impl Iterator<Item = &Entity> + '_ {
        std::iter::once(&self.entity).chain(self.members.iter().map(|member| &member.entity))
    }

    /// Whether an entity opened it or is a listed member.
    pub fn is_about(&self, entity: &Entity) -> bool {
        self.entities().any(|one| one == entity)
    }

    /// Whether the entity that opened it or a listed member belongs to a service.
    pub fn is_about_service(&self, service: &str) -> bool {
        self.entities().any(|one| *one.service == *service)
    }

    /// The peaks of the entity that opened it or of a listed member.
    pub fn peaks_of(&self, entity: &Entity) -> Option<&[Peak]> {
        if self.entity == *entity {
            return Some(&self.peaks);
        }
        let member = self.members.iter().find(|member| member.entity == *entity)?;
        Some(&member.peaks)
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.status != IncidentStatus::Resolved
    }

    /// Sets the fingerprint by the culprit and its flagged signals; without a culprit, or where it is
    /// the entity of the incident, by the peaks so far.
    pub(crate) fn settle_fingerprint(&mut self, culprit: Option<(&Entity, Vec<FlaggedSignal>)>) {
        let own = || self.peaks.iter().map(|peak| peak.signal.clone()).collect();
        let (service, signals) = match culprit {
            Some((culprit, signals)) if *culprit != self.entity && !signals.is_empty() => {
                (&culprit.service, signals)
            }
            _ => (&self.entity.service, own()),
        };
        self.fingerprint = fingerprint(service, &signals);
        self.is_settled = true;
    }

    /// The kind of fault.
    pub(super) fn fault(&self) -> Fault {
        let signals: Vec<FlaggedSignal> =
            self.peaks.iter().map(|peak| peak.signal.clone()).collect();
        Fault::of(&signals)
    }

    /// Whether the same fault came and went at least three times.
    pub fn is_flapping(&self) -> bool {
        self.recurred + self.reopened >= FLAPPING
    }

    /// The flagged signals, the strongest first.
    pub fn signals(&self) -> impl Iterator<Item = &SignalName> + '_ {
        self.peaks.iter().map(|peak| &peak.signal.signal)
    }

    /// Share of the requests in its flagged rows that failed.
    pub fn error_rate(&self) -> f64 {
        self.errors as f64 / self.requests as f64
    }

    /// How certain it is: High with 3 flagged rows and a `-log10 p` of 8 (one in 10^8) in one of them,
    /// Medium with 2 rows or a `-log10 p` of 6, Low otherwise.
    pub fn confidence(&self) -> Confidence {
        // Evidence and duration both: one row of 10^-8 can be a single burst.
        if self.rows >= 3 && self.neg_log10_p >= 8.0 {
            Confidence::High
        } else if self.rows >= 2 || self.neg_log10_p >= 6.0 {
            Confidence::Medium
        } else {
            Confidence::Low
        }
    }
}

/// The fingerprint of a fault of a service with these signals, the strongest first.
fn fingerprint(service: &str, signals: &[FlaggedSignal]) -> String {
    let fault = Fault::of(signals);
    let named = |signal: &&FlaggedSignal| signal.signal.as_str() == fault.as_str();
    // the other kinds of faults have one direction each
    let falls = signals.iter().find(named).is_some_and(|signal| signal.z < 0.0);
    let direction = if falls { "down" } else { "up" };
    format!("{:016x}", fnv1a(&[service, fault.as_str(), direction], 0))
}

/// Replaces the onset if the row is earlier.
fn begin(onset: &mut Option<Peak>, row: &FlaggedRow) {
    if let Some(signal) = row.signals.first()
        && onset.as_ref().is_none_or(|known| row.bucket < known.at)
    {
        *onset = Some(Peak::new(row.bucket, signal));
    }
}

/// Adds the error budgets that a row used up.
fn burn(slo: &mut Option<SloImpact>, row: &FlaggedRow) {
    if let Some(objectives) = &row.objectives {
        let impact = slo.get_or_insert_with(|| SloImpact::new(&objectives.slo));
        impact.add(objectives, row.count, row.errors);
    }
}

/// FNV-1a hash of the parts, each ended by a byte that no name can contain.
fn fnv1a(parts: &[&str], seed: u64) -> u64 {
    // Offset basis and prime of the 64-bit FNV-1a.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let bytes = parts.iter().flat_map(|part| part.bytes().chain(std::iter::once(0)));
    for byte in bytes.chain(seed.to_le_bytes()) {
        hash ^= u64::from(byte);
        hash = hash.wrapping_mul(0x0100_0000_01b3);
    }
    hash
}
