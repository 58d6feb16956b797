//! What an incident is.

use serde::{Deserialize, Serialize};

use crate::guard::{Confidence, Severity};
use crate::history::{FlaggedRow, FlaggedSignal};
use crate::robust::beta_binomial_log10_sf;
use crate::series::{Entity, EntityId, SignalName};
use crate::slo::SloImpact;
use crate::time::Timestamp;

/// Requests that the expected error rate is trusted with: that of the first hours at least.
const ERROR_MEMORY: f64 = 200.0;
/// Evidence from which an incident's errors rose; it is one already, so that less is needed.
const ERRORS_NEG_LOG10_P: f64 = 3.0;

/// Where an incident stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentStatus {
    /// Going on, and nobody has taken it.
    Open,
    /// Going on, and somebody has taken it.
    Acknowledged,
    /// Over.
    Resolved,
}

impl IncidentStatus {
    /// The status in files and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
        }
    }
}

/// Why an incident was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseReason {
    /// The entity's rows were normal again for the gap.
    Quiet,
    /// The entity sent nothing for the time to live.
    Expired,
    /// Somebody resolved it.
    Command,
    /// It turned out to belong to an older incident.
    Merged,
}

/// A signal at its worst within an incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Peak {
    /// The row in which it was.
    pub at: Timestamp,
    /// Value, expectation and evidence in that row.
    pub signal: FlaggedSignal,
}

/// Members that an incident lists; further ones are counted.
pub const MOST_MEMBERS: usize = 100;

/// Another entity that an incident reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Whose.
    pub entity: Entity,
    /// When it was known that it belongs here.
    pub joined_at: Timestamp,
    /// Start of its first flagged row.
    pub start: Timestamp,
    /// End of its last flagged row.
    pub end: Timestamp,
    /// Its flagged rows.
    pub rows: u64,
    /// The strongest evidence of one.
    pub neg_log10_p: f64,
    /// The signal with the strongest evidence.
    pub signal: SignalName,
    /// Its first flagged row: the strongest signal there.
    pub onset: Option<Peak>,
    /// What its rows took of the budgets of its objectives; none without requests.
    pub slo: Option<SloImpact>,
}

/// A stretch of anomalous rows of one entity, and of those that it reached: entities of the same
/// service or of services that call each other, one after the other within
/// [`IncidentConfig::merge_minutes`](crate::IncidentConfig::merge_minutes).
///
/// Rows, requests, errors and peaks are those of the first entity; severity, end and evidence are of
/// all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Stable: made of the entity's names and the start, the same in every run over the same data.
    pub id: String,
    /// Stable over recurrences: made of the entity's names.
    pub fingerprint: String,
    /// Whose it is.
    pub entity: Entity,
    /// The entity's id in its pipeline.
    pub entity_id: EntityId,
    /// Start of the first flagged row.
    pub start: Timestamp,
    /// End of the last flagged row.
    pub end: Timestamp,
    /// The longest step of its rows, nanoseconds.
    pub step: i64,
    /// When it was known: the end of the row that opened it plus the allowed lateness.
    pub opened_at: Timestamp,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// Why it was closed.
    pub close_reason: Option<CloseReason>,
    /// Until when it goes on if one of it comes back.
    pub reopens_until: Option<Timestamp>,
    /// How often it came back after it had ended.
    pub reopened: u64,
    /// The last time in which it was over: its end before, and when it came back.
    pub quiet: Option<(Timestamp, Timestamp)>,
    /// When somebody acknowledged it.
    pub acknowledged_at: Option<Timestamp>,
    /// Where it stands.
    pub status: IncidentStatus,
    /// The worst severity of its rows; Critical too when its errors rose, all rows together, to the
    /// critical error rate.
    pub severity: Severity,
    /// Flagged rows.
    pub rows: u64,
    /// Requests in its flagged rows.
    pub requests: u64,
    /// Failed requests in its flagged rows.
    pub errors: u64,
    /// Share of requests that was expected to fail when it began; NaN when unknown.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub expected_error_rate: f64,
    /// Whether at some moment its failed requests, all rows so far together, were more than chance
    /// makes of the expected share (less than one in a thousand by a beta-binomial tail).
    pub errors_rose: bool,
    /// Signals that were flagged, each at its strongest evidence, strongest first.
    pub peaks: Vec<Peak>,
    /// Its own first flagged row: the strongest signal there.
    pub onset: Option<Peak>,
    /// Strongest evidence of a row.
    pub neg_log10_p: f64,
    /// The last moment at which something spoke for it (hysteresis included).
    pub last_active: Timestamp,
    /// What its rows took of the budgets of its objectives; none without requests.
    pub slo: Option<SloImpact>,
    /// Others that it reached, in the order in which they joined: the first [`MOST_MEMBERS`].
    pub members: Vec<Member>,
    /// How many others it reached.
    pub reached: u64,
    /// Start of the first flagged row of the one that joined last.
    pub last_joined: Timestamp,
}

impl Incident {
    pub(super) fn open(entity: Entity, first: &FlaggedRow, opened_at: Timestamp) -> Self {
        let fingerprint = fnv1a(&[&entity.service, &entity.endpoint], 0);
        let id = fnv1a(&[&entity.service, &entity.endpoint], first.bucket.nanos().cast_unsigned());
        Self {
            id: format!("INC-{id:016x}"),
            fingerprint: format!("{fingerprint:016x}"),
            entity,
            entity_id: first.entity,
            start: first.bucket,
            end: first.bucket.plus(first.step),
            step: first.step,
            opened_at,
            closed_at: None,
            close_reason: None,
            reopens_until: None,
            reopened: 0,
            quiet: None,
            acknowledged_at: None,
            status: IncidentStatus::Open,
            severity: Severity::Info,
            rows: 0,
            requests: 0,
            errors: 0,
            expected_error_rate: first.expected_error_rate,
            errors_rose: false,
            peaks: Vec::new(),
            onset: None,
            neg_log10_p: 0.0,
            last_active: first.bucket.plus(first.step),
            slo: None,
            members: Vec::new(),
            reached: 0,
            last_joined: first.bucket,
        }
    }

    pub(super) fn add(&mut self, row: &FlaggedRow, critical_error_rate: f64) {
        self.start = self.start.min(row.bucket);
        self.end = self.end.max(row.bucket.plus(row.step));
        self.step = self.step.max(row.step);
        self.last_active = self.last_active.max(self.end);
        self.severity = self.severity.max(row.severity);
        self.rows += 1;
        self.requests = self.requests.saturating_add(row.count);
        self.errors = self.errors.saturating_add(row.errors);
        self.neg_log10_p = self.neg_log10_p.max(row.neg_log10_p);
        burn(&mut self.slo, row);
        begin(&mut self.onset, row);
        self.judge_errors(critical_error_rate);
        for signal in &row.signals {
            let peak = Peak { at: row.bucket, signal: signal.clone() };
            match self.peaks.iter_mut().find(|peak| peak.signal.signal == signal.signal) {
                Some(known) if is_worse(signal, &known.signal) => *known = peak,
                Some(_) => {}
                None => self.peaks.push(peak),
            }
        }
        self.peaks.sort_by(|a, b| b.signal.neg_log10_p.total_cmp(&a.signal.neg_log10_p));
    }

    /// Another entity joins, with its flagged rows so far; answers whether that is worth telling:
    /// one more that is listed, or [`add_other`](Self::add_other) says so.
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
                neg_log10_p: 0.0,
                signal: signal.signal.clone(),
                onset: None,
                slo: None,
            });
        }
        let mut tells = self.members.len() > listed;
        for row in rows {
            tells |= self.add_other(entity, row);
        }
        tells
    }

    /// A flagged row of another entity that has joined; answers whether it makes the incident longer
    /// or worse: in a storm, what thousands do in one step is told once.
    pub(super) fn add_other(&mut self, entity: &Entity, row: &FlaggedRow) -> bool {
        let end = row.bucket.plus(row.step);
        let tells = end > self.end || row.severity > self.severity;
        self.end = self.end.max(end);
        self.last_active = self.last_active.max(end);
        self.severity = self.severity.max(row.severity);
        self.neg_log10_p = self.neg_log10_p.max(row.neg_log10_p);
        if let Some(member) = self.members.iter_mut().find(|member| member.entity == *entity) {
            member.end = member.end.max(end);
            member.rows += 1;
            burn(&mut member.slo, row);
            begin(&mut member.onset, row);
            if let Some(signal) =
                row.signals.first().filter(|_| row.neg_log10_p > member.neg_log10_p)
            {
                member.neg_log10_p = row.neg_log10_p;
                member.signal = signal.signal.clone();
            }
        }
        tells
    }

    /// Takes over what another incident, which began later, reached.
    pub(super) fn absorb(&mut self, other: Self) {
        self.end = self.end.max(other.end);
        self.last_active = self.last_active.max(other.last_active);
        self.last_joined = self.last_joined.max(other.start);
        self.severity = self.severity.max(other.severity);
        self.neg_log10_p = self.neg_log10_p.max(other.neg_log10_p);
        self.reached += 1 + other.reached;
        if let Some(peak) = other.peaks.first() {
            self.members.push(Member {
                entity: other.entity,
                joined_at: other.opened_at,
                start: other.start,
                end: other.end,
                rows: other.rows,
                neg_log10_p: other.neg_log10_p,
                signal: peak.signal.signal.clone(),
                onset: other.onset,
                slo: other.slo,
            });
        }
        self.members.extend(other.members);
        self.members.truncate(MOST_MEMBERS);
    }

    /// One row rarely has enough requests to prove that errors rose; all of them together may.
    fn judge_errors(&mut self, critical_error_rate: f64) {
        let share = self.expected_error_rate;
        if !(share > 0.0 && share < 1.0 && self.errors > 1) {
            return;
        }
        let (a, b) = (ERROR_MEMORY * share, ERROR_MEMORY * (1.0 - share));
        let tail = beta_binomial_log10_sf(self.errors, self.requests, a, b);
        // once proved it stays so: an incident that goes on more mildly was still that bad
        self.errors_rose |= tail <= -ERRORS_NEG_LOG10_P && self.error_rate() > share;
        if self.errors_rose && self.error_rate() >= critical_error_rate {
            self.severity = Severity::Critical;
        }
    }

    /// The entity that opened it and its members that are listed.
    pub fn entities(&self) -> impl Iterator<Item = &Entity> + '_ {
        std::iter::once(&self.entity).chain(self.members.iter().map(|member| &member.entity))
    }

    /// Whether an entity opened it or is one of its members that are listed.
    pub fn is_about(&self, entity: &Entity) -> bool {
        self.entities().any(|one| one == entity)
    }

    /// Whether it is still going on.
    pub fn is_open(&self) -> bool {
        self.status != IncidentStatus::Resolved
    }

    /// The flagged signals, strongest first.
    pub fn signals(&self) -> impl Iterator<Item = &SignalName> + '_ {
        self.peaks.iter().map(|peak| &peak.signal.signal)
    }

    /// Share of the requests in its flagged rows that failed.
    pub fn error_rate(&self) -> f64 {
        self.errors as f64 / self.requests as f64
    }

    /// How sure: High with 3 flagged rows and evidence of 8 (one in 10^8) in one of them, Medium
    /// with 2 rows or evidence of 6, Low otherwise.
    pub fn confidence(&self) -> Confidence {
        if self.rows >= 3 && self.neg_log10_p >= 8.0 {
            Confidence::High
        } else if self.rows >= 2 || self.neg_log10_p >= 6.0 {
            Confidence::Medium
        } else {
            Confidence::Low
        }
    }
}

/// The first row, if it is that one.
fn begin(onset: &mut Option<Peak>, row: &FlaggedRow) {
    if let Some(signal) = row.signals.first()
        && onset.as_ref().is_none_or(|known| row.bucket < known.at)
    {
        *onset = Some(Peak { at: row.bucket, signal: signal.clone() });
    }
}

/// Whether a signal is stronger than it was at its peak, or has left further with the same evidence.
fn is_worse(now: &FlaggedSignal, then: &FlaggedSignal) -> bool {
    (now.neg_log10_p, now.drifting_for) > (then.neg_log10_p, then.drifting_for)
}

/// What a row takes of the budgets.
fn burn(slo: &mut Option<SloImpact>, row: &FlaggedRow) {
    if let Some(objectives) = &row.objectives {
        let impact = slo.get_or_insert_with(|| SloImpact::new(&objectives.slo));
        impact.add(objectives, row.count, row.errors);
    }
}

/// FNV-1a over the parts, each ended by a byte that no name can hold.
fn fnv1a(parts: &[&str], seed: u64) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let bytes = parts.iter().flat_map(|part| part.bytes().chain(std::iter::once(0)));
    for byte in bytes.chain(seed.to_le_bytes()) {
        hash ^= u64::from(byte);
        hash = hash.wrapping_mul(0x0100_0000_01b3);
    }
    hash
}
