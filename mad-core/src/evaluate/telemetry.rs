//! Counts by the kind of telemetry that a judged value is about.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::scores::Scores;
use super::truth::TruthIncident;
use crate::series::{MISSING_SPANS, counts_lines};
use crate::time::Timestamp;

/// The kind of telemetry that a judged value is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JudgedKind {
    /// A row of requests or spans.
    Request,
    /// A point of a metric.
    Metric,
    /// Counts of the lines of a log.
    Log,
    /// Events, such as restarts.
    Event,
    /// Spans that are missing from their traces.
    Trace,
}

impl JudgedKind {
    /// The kind of a metric by its name.
    ///
    /// # Examples
    ///
    /// ```
    /// use mad_core::evaluate::JudgedKind;
    ///
    /// assert_eq!(JudgedKind::of_metric("log_errors"), JudgedKind::Log);
    /// assert_eq!(JudgedKind::of_metric("cpu"), JudgedKind::Metric);
    /// ```
    pub fn of_metric(metric: &str) -> Self {
        match metric {
            metric if counts_lines(metric) => Self::Log,
            MISSING_SPANS => Self::Trace,
            _ => Self::Metric,
        }
    }

    /// The kind of a name, such as `request`. The kind of an incident that any telemetry can show,
    /// such as `outage`, is none of them.
    pub fn parse(kind: &str) -> Option<Self> {
        Some(match kind {
            "request" => Self::Request,
            "metric" => Self::Metric,
            "log" => Self::Log,
            "event" => Self::Event,
            "trace" => Self::Trace,
            _ => return None,
        })
    }
}

/// Counts of judged values of one kind by truth and decision.
///
/// Values of one log or trace in one step are one: both the error and the warning lines of a service
/// speak for the same log.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct KindCounts {
    /// The kind.
    pub kind: JudgedKind,
    /// Expected and flagged.
    pub tp: u64,
    /// Normal and flagged.
    pub fp: u64,
    /// Expected and not flagged.
    #[serde(rename = "fn")]
    pub fn_: u64,
    /// Normal and not flagged.
    pub tn: u64,
    /// Values of affected entities during an incident, flagged or not.
    pub ignored: u64,
    /// Share of correct decisions, of all that are not ignored; `None` without any.
    pub accuracy: Option<f64>,
    /// Of `tp`, `fp` and `fn`.
    #[serde(flatten)]
    pub scores: Scores,
}

impl KindCounts {
    fn new(kind: JudgedKind, [tp, fp, fn_, tn, ignored]: [u64; 5]) -> Self {
        let all = tp + fp + fn_ + tn;
        let accuracy = (all > 0).then(|| (tp + tn) as f64 / all as f64);
        Self { kind, tp, fp, fn_, tn, ignored, accuracy, scores: Scores::new(tp, fp, fn_) }
    }

    /// Adds the counts of the same kind.
    pub(super) fn plus(&self, other: &Self) -> Self {
        let counts = [
            self.tp + other.tp,
            self.fp + other.fp,
            self.fn_ + other.fn_,
            self.tn + other.tn,
            self.ignored + other.ignored,
        ];
        Self::new(self.kind, counts)
    }
}

/// Counts of one method and kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MethodCounts {
    /// The method.
    pub method: String,
    /// Its counts of rows of one kind.
    #[serde(flatten)]
    pub counts: KindCounts,
}

impl MethodCounts {
    /// By kind; within a kind the default comes first, and then the others by name.
    pub(super) fn sort(all: &mut [Self]) {
        let key = |one: &Self| (one.counts.kind, one.method != DEFAULT);
        all.sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| a.method.cmp(&b.method)));
    }
}

/// Name of the default among methods.
pub(super) const DEFAULT: &str = "default";

/// What the truth and the detector say about one value.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Decision {
    pub(super) expected: bool,
    pub(super) affected: bool,
    pub(super) flagged: bool,
}

/// Counts of all kinds, value by value.
#[derive(Debug, Clone, Default)]
pub(super) struct KindTally {
    counts: BTreeMap<JudgedKind, [u64; 5]>,
    /// Logs and traces by service and step, which have several values.
    shared: BTreeMap<(JudgedKind, String, Timestamp), Decision>,
}

impl KindTally {
    /// Counts one value.
    pub(super) fn push(
        &mut self,
        kind: JudgedKind,
        service: &str,
        bucket: Timestamp,
        decision: Decision,
    ) {
        if matches!(kind, JudgedKind::Log | JudgedKind::Trace | JudgedKind::Event) {
            let shared = self.shared.entry((kind, service.to_owned(), bucket)).or_default();
            shared.expected |= decision.expected;
            shared.affected |= decision.affected;
            shared.flagged |= decision.flagged;
        } else {
            count(&mut self.counts, kind, decision);
        }
    }

    /// The counts of the kinds that occurred.
    pub(super) fn finish(mut self) -> Vec<KindCounts> {
        for ((kind, ..), decision) in &self.shared {
            count(&mut self.counts, *kind, *decision);
        }
        self.counts.into_iter().map(|(kind, counts)| KindCounts::new(kind, counts)).collect()
    }
}

fn count(counts: &mut BTreeMap<JudgedKind, [u64; 5]>, kind: JudgedKind, decision: Decision) {
    let [tp, fp, fn_, tn, ignored] = counts.entry(kind).or_default();
    let place = match (decision.expected, decision.affected, decision.flagged) {
        (true, _, true) => tp,
        (true, _, false) => fn_,
        (false, true, _) => ignored,
        (false, false, true) => fp,
        (false, false, false) => tn,
    };
    *place += 1;
}

impl TruthIncident {
    /// Whether a value of a kind is an anomalous one: the endpoint of a metric's incident is its
    /// resource or its name, and that of a log, an event or a trace is not compared.
    pub(super) fn covers(
        &self,
        kind: JudgedKind,
        service: &str,
        resource: &str,
        metric: &str,
    ) -> bool {
        match JudgedKind::parse(&self.kind) {
            Some(own) if own != kind => false,
            Some(JudgedKind::Metric) if self.endpoint == metric => self.service == service,
            Some(JudgedKind::Log | JudgedKind::Event | JudgedKind::Trace) => {
                self.service == service
            }
            _ => self.is_at(service, resource),
        }
    }

    /// The same for a judgement about all signals of a row. A row of metrics without a resource has
    /// every metric of its service that has none.
    pub(super) fn covers_row(
        &self,
        kind: JudgedKind,
        (service, resource, signal): (&str, &str, &str),
    ) -> bool {
        let is_metric = kind == JudgedKind::Metric && resource.is_empty();
        self.covers(kind, service, resource, signal)
            || is_metric
                && self.service == service
                && JudgedKind::parse(&self.kind) == Some(JudgedKind::Metric)
    }
}
