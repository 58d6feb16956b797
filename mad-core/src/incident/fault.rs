//! The kind of a fault: what its incident and its recurrences have in common.

use std::sync::Arc;

use crate::history::FlaggedSignal;
use crate::series::{SILENCE, Signal, SignalName};

/// The kind of a fault, by its flagged signals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// Requests failed, whatever else was anomalous.
    Errors,
    /// Requests were slow.
    Latency,
    /// No requests arrived.
    Silence,
    /// Fewer requests arrived.
    FewRequests,
    /// More requests arrived.
    ManyRequests,
    /// A metric was anomalous: the strongest one.
    Metric(Arc<str>),
    /// Nothing is known of it.
    Unknown,
}

impl Fault {
    /// The kind of these signals, the strongest first.
    pub fn of(signals: &[FlaggedSignal]) -> Self {
        let has = |wanted: &dyn Fn(Signal) -> bool| {
            signals.iter().find(|one| one.signal.request().is_some_and(wanted))
        };
        // Errors before all else: a failing service is often slower, or refuses requests, too.
        if has(&|signal| signal == Signal::ErrorRate).is_some() {
            return Self::Errors;
        }
        if signals.iter().any(|one| one.signal.as_str() == SILENCE) {
            return Self::Silence;
        }
        if has(&|signal| signal.quantile().is_some()).is_some() {
            return Self::Latency;
        }
        if let Some(count) = has(&|signal| signal == Signal::RequestCount) {
            return if count.z < 0.0 { Self::FewRequests } else { Self::ManyRequests };
        }
        // None of these: the strongest signal names the kind.
        match signals.first().map(|one| &one.signal) {
            Some(SignalName::Metric(name)) => Self::Metric(Arc::clone(name)),
            Some(SignalName::Request(signal)) => Self::Metric(signal.as_str().into()),
            None => Self::Unknown,
        }
    }

    /// The name of the kind, as a part of fingerprints.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Errors => "errors",
            Self::Latency => "latency",
            Self::Silence => "silence",
            Self::FewRequests => "few_requests",
            Self::ManyRequests => "many_requests",
            Self::Metric(name) => name,
            Self::Unknown => "",
        }
    }

    /// Whether faults of this kind in several services at once have a plausible common cause, such
    /// as a network, a host or a database that all of them use. A rise of demand in several services
    /// has one as well, but it is no fault of theirs.
    pub const fn can_be_shared(&self) -> bool {
        !matches!(self, Self::ManyRequests | Self::Unknown)
    }
}
