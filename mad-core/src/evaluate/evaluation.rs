//! The result of an evaluation: counts, scores and the outcome of each true incident.

use serde::{Deserialize, Serialize};

use super::TruthIncident;
use super::scores::Scores;
use super::telemetry::{KindCounts, MethodCounts};

/// Counts of rows by truth and decision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct RowCounts {
    /// Expected and flagged.
    pub tp: u64,
    /// Normal and flagged.
    pub fp: u64,
    /// Expected and not flagged.
    #[serde(rename = "fn")]
    pub fn_: u64,
    /// Normal and not flagged.
    pub tn: u64,
    /// Rows of affected entities during an incident, flagged or not.
    pub ignored: u64,
    /// Of `tp`, `fp` and `fn`.
    #[serde(flatten)]
    pub scores: Scores,
}

/// Counts of incidents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct IncidentCounts {
    /// True incidents that were found.
    pub found: u64,
    /// True incidents that were not found.
    pub missed: u64,
    /// Detected incidents that overlap a true incident of their entity. They exceed `found` if a true
    /// incident was split.
    pub matched: u64,
    /// Detected incidents that overlap no true incident.
    pub false_incidents: u64,
    /// Detected incidents of affected entities.
    pub ignored: u64,
    /// Of `found`, `false_incidents` and `missed`.
    #[serde(flatten)]
    pub scores: Scores,
}

/// Ranks of the faulty entities.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Culprits {
    /// All true incidents, found or not.
    pub of: u64,
    /// True incidents whose faulty entity ranks first.
    pub first: u64,
    /// True incidents whose faulty entity is among the first three.
    pub among_three: u64,
}

/// The outcome of one true incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TruthOutcome {
    /// The incident.
    pub incident: TruthIncident,
    /// Whether a detected incident of its entity overlaps it.
    pub found: bool,
    /// Seconds from its start until the first of these was known; negative if it was open before.
    pub delay_seconds: Option<f64>,
    /// Seconds from its start until the first correctly flagged row was known: the end of the row's
    /// step plus the allowed lateness.
    pub first_row_delay_seconds: Option<f64>,
    /// Rank of the faulty entity, from 1, in the ranking of the detected incident that was known first;
    /// `None` if it is not ranked.
    pub culprit_rank: Option<u64>,
}

/// The evaluation of a detector.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Counts of rows.
    pub rows: RowCounts,
    /// Counts of incidents.
    pub incidents: IncidentCounts,
    /// Ranks of the faulty entities.
    pub culprits: Culprits,
    /// Counts by the kind of telemetry, of the kinds that occurred.
    pub kinds: Vec<KindCounts>,
    /// Counts of other methods by kind, and the default's beside them; empty without other methods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<MethodCounts>,
    /// Services of the truth of which there is no row, in order. Their incidents cannot be found.
    pub unknown_services: Vec<String>,
    /// Median delay of the found incidents, in seconds.
    pub median_delay_seconds: Option<f64>,
    /// Each true incident, in the order of the truth.
    pub outcomes: Vec<TruthOutcome>,
}

impl Evaluation {
    /// Adds the counts of another run and derives the scores again, so that runs are pooled and not
    /// averaged. [`Evaluation::default`] is the empty run.
    ///
    /// # Examples
    ///
    /// ```
    /// use mad_core::evaluate::{Evaluation, RowCounts};
    ///
    /// let run = |tp, fp| Evaluation { rows: RowCounts { tp, fp, ..Default::default() }, ..Default::default() };
    /// let mut pooled = Evaluation::default();
    /// pooled.merge(run(1, 1));
    /// pooled.merge(run(6, 0));
    /// assert_eq!(pooled.rows.scores.precision, Some(7.0 / 8.0));
    /// ```
    pub fn merge(&mut self, other: Self) {
        self.rows.tp += other.rows.tp;
        self.rows.fp += other.rows.fp;
        self.rows.fn_ += other.rows.fn_;
        self.rows.tn += other.rows.tn;
        self.rows.ignored += other.rows.ignored;
        self.incidents.matched += other.incidents.matched;
        self.incidents.false_incidents += other.incidents.false_incidents;
        self.incidents.ignored += other.incidents.ignored;
        for counts in other.kinds {
            match self.kinds.iter_mut().find(|known| known.kind == counts.kind) {
                Some(known) => *known = known.plus(&counts),
                None => self.kinds.push(counts),
            }
        }
        self.kinds.sort_by_key(|counts| counts.kind);
        for other in other.methods {
            let same = |known: &&mut MethodCounts| {
                known.method == other.method && known.counts.kind == other.counts.kind
            };
            match self.methods.iter_mut().find(same) {
                Some(known) => known.counts = known.counts.plus(&other.counts),
                None => self.methods.push(other),
            }
        }
        MethodCounts::sort(&mut self.methods);
        self.unknown_services.extend(other.unknown_services);
        self.unknown_services.sort_unstable();
        self.unknown_services.dedup();
        self.outcomes.extend(other.outcomes);
        self.derive();
    }

    /// Derives the scores and medians from the counts and outcomes.
    pub(super) fn derive(&mut self) {
        let outcomes = &self.outcomes;
        let rows = &mut self.rows;
        rows.scores = Scores::new(rows.tp, rows.fp, rows.fn_);
        let incidents = &mut self.incidents;
        incidents.found = outcomes.iter().filter(|outcome| outcome.found).count() as u64;
        incidents.missed = outcomes.len() as u64 - incidents.found;
        incidents.scores =
            Scores::new(incidents.found, incidents.false_incidents, incidents.missed);
        let ranks = || outcomes.iter().filter_map(|outcome| outcome.culprit_rank);
        self.culprits = Culprits {
            of: outcomes.len() as u64,
            first: ranks().filter(|rank| *rank == 1).count() as u64,
            among_three: ranks().filter(|rank| *rank <= 3).count() as u64,
        };
        let delays = outcomes.iter().filter_map(|outcome| outcome.delay_seconds);
        self.median_delay_seconds = median(delays.collect());
    }
}

/// Median; the mean of the middle two for an even number, `None` without values.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *values.get(values.len() / 2 - 1)?;
    Some(f64::midpoint(lower, upper))
}
