//! The version or host whose requests fail or are slow while those of the others are not.

use super::messages::{self, action, check};
use super::phrase::Phrase;
use super::phrases::usual_of;
use super::words::{milliseconds, named, number, one_line, percent};
use crate::feature::{Subset, SubsetCounts, SubsetKind, Subsets, most_failed, slowest};
use crate::incident::{Incident, Peak};
use crate::robust::beta_binomial_log10_sf;
use crate::series::{Entity, Signal};

/// Failed requests of a subset that stands out, at least.
const MIN_ERRORS: u64 = 5;
/// Requests of a subset and of the others, at least, so that they can be compared.
const MIN_REQUESTS: u64 = 10;
/// Error rate of a subset against that of the others, at least.
const MIN_RATIO: f64 = 2.0;
/// Share of all failed requests that a subset has, at least: it explains most of the fault.
const MIN_SHARE: f64 = 0.6;
/// `-log10 p` of its failed requests by the error rate of the others, at least. It leaves room for
/// having looked at up to a hundred subsets.
const MIN_NEG_LOG10_P: f64 = 6.0;
/// Typical latency of a subset against that of the others, at least.
const MIN_SLOWER: f64 = 1.5;
/// Typical latency of the others against the usual median, at most: they are as fast as usual.
const MOST_OTHERS: f64 = 1.25;
/// Distance of the two means of logarithms, in standard errors (Welch, 1947).
const MIN_STANDARD_ERRORS: f64 = 6.0;

/// A version or host that differs from the others of its entity.
pub(super) struct Standout<'a> {
    kind: SubsetKind,
    name: &'a str,
    how: How,
}

enum How {
    Fails { own: SubsetCounts, others: SubsetCounts },
    IsSlow { own_ms: f64, others_ms: f64 },
}

/// The version of an entity of the incident that stands out, else the host.
///
/// Where a version stands out, so do its hosts, and nothing else is wrong with them.
pub(super) fn standout<'a>(incident: &'a Incident, entity: &Entity) -> Option<Standout<'a>> {
    let (subsets, peaks) = facts_of(incident, entity)?;
    let rose = |wanted: Signal| {
        peaks.iter().find(|peak| peak.signal.signal == wanted && peak.signal.z > 0.0)
    };
    let is_own = incident.entity == *entity;
    let fails = rose(Signal::ErrorRate).is_some() || is_own && incident.errors_rose;
    let median = rose(Signal::P50Latency).map(usual_of);
    let tail = rose(Signal::P95Latency).map(usual_of);
    SubsetKind::ALL.into_iter().find_map(|kind| {
        let failing = failing(subsets, kind).filter(|_| fails);
        failing.or_else(|| slow(subsets, kind, median, tail))
    })
}

/// `Hosts: none of the 4 that served store /get explains the fault alone.` for each kind with several
/// subsets, if none of any kind stands out.
pub(super) fn alike(incident: &Incident, entity: &Entity) -> Vec<Phrase> {
    let Some((subsets, peaks)) = facts_of(incident, entity) else { return Vec::new() };
    let is_of_requests = peaks.iter().any(|peak| peak.signal.signal.request().is_some());
    if !is_of_requests || standout(incident, entity).is_some() {
        return Vec::new();
    }
    let sentence = |kind: SubsetKind| {
        let count = subsets.of(kind).count();
        let text: fn(_, _) -> _ = match kind {
            SubsetKind::Version => check::versions,
            SubsetKind::Host => check::hosts,
        };
        (count > 1).then(|| text(number(count as f64, 0), named(entity)))
    };
    SubsetKind::ALL.into_iter().filter_map(sentence).collect()
}

/// The subsets and the peaks of an entity of the incident.
fn facts_of<'a>(incident: &'a Incident, entity: &Entity) -> Option<(&'a Subsets, &'a [Peak])> {
    if incident.entity == *entity {
        return Some((&incident.subsets, &incident.peaks));
    }
    let member = incident.members.iter().find(|member| member.entity == *entity)?;
    Some((&member.subsets, &member.peaks))
}

/// A subset that has most of the failed requests and far more than its share.
fn failing(subsets: &Subsets, kind: SubsetKind) -> Option<Standout<'_>> {
    let (Subset { name, counts: own, .. }, all) = most_failed(subsets, kind)?;
    let others = all.without(own);
    if own.errors < MIN_ERRORS || others.requests < MIN_REQUESTS {
        return None;
    }
    // Half an error more, so that others without one do not prove that none can fail.
    let (failed, well) =
        (others.errors as f64 + 0.5, (others.requests - others.errors) as f64 + 0.5);
    let is_higher = own.error_rate() >= MIN_RATIO * failed / (failed + well)
        && own.errors as f64 >= MIN_SHARE * all.errors as f64;
    let unlikely = -beta_binomial_log10_sf(own.errors, own.requests, failed, well);
    let how = How::Fails { own: *own, others };
    (is_higher && unlikely >= MIN_NEG_LOG10_P).then_some(Standout { kind, name, how })
}

/// A subset that is slow while the others are as fast as usual. `median` and `tail` are the usual
/// median and 95th percentile, ms, of those that rose.
///
/// A host that is always slower than the others raises the usual latency as well, and is not meant.
fn slow(
    subsets: &Subsets,
    kind: SubsetKind,
    median: Option<f64>,
    tail: Option<f64>,
) -> Option<Standout<'_>> {
    let (Subset { name, counts: own, .. }, all) = slowest(subsets, kind)?;
    let others = all.without(own);
    if own.measured < MIN_REQUESTS || others.measured < MIN_REQUESTS {
        return None;
    }
    let (own_ms, others_ms) = (own.typical_ms(), others.typical_ms());
    let explains = match (median, tail) {
        (Some(median), _) => others_ms <= MOST_OTHERS * median,
        (None, Some(tail)) => own_ms >= tail,
        (None, None) => false,
    };
    let distance = own.mean_log() - others.mean_log();
    let squared_error =
        own.log_variance() / own.measured as f64 + others.log_variance() / others.measured as f64;
    let is_slow =
        distance >= MIN_SLOWER.ln() && distance >= MIN_STANDARD_ERRORS * squared_error.sqrt();
    let how = How::IsSlow { own_ms, others_ms };
    (explains && is_slow).then_some(Standout { kind, name, how })
}

impl Standout<'_> {
    /// `Version 1.5.0 failed in 98 % of its requests (530 of 542), the other versions in 0.5 %.`
    pub fn sentence(&self) -> Phrase {
        let name = one_line(self.name);
        let is_version = self.kind == SubsetKind::Version;
        match &self.how {
            How::Fails { own, others } => {
                let fails: fn(_, _, _, _, _) -> _ = if is_version {
                    messages::standout::version_fails
                } else {
                    messages::standout::host_fails
                };
                fails(
                    name,
                    percent(own.error_rate()),
                    number(own.errors as f64, 0),
                    number(own.requests as f64, 0),
                    percent(others.error_rate()),
                )
            }
            How::IsSlow { own_ms, others_ms } => {
                let slow: fn(_, _, _) -> _ = if is_version {
                    messages::standout::version_slow
                } else {
                    messages::standout::host_slow
                };
                slow(name, milliseconds(*own_ms), milliseconds(*others_ms))
            }
        }
    }

    /// What to do about it.
    pub fn action(&self, service: &str) -> Phrase {
        let name = one_line(self.name);
        match self.kind {
            SubsetKind::Version => action::roll_back(name, service),
            SubsetKind::Host => action::take_out(name, service),
        }
    }
}
