//! Which endpoint explains the deviation of its service in one step.

use std::sync::Arc;

use crate::feature::Row;
use crate::guard::{Reason, Verdict};
use crate::history::ExplainedBy;
use crate::score::RowScores;
use crate::series::{Entity, EntityId, Signal, SignalKind};
use crate::time::Timestamp;

/// Share of the deviation of a service that one endpoint has to have, so that it explains it.
const EXPLAINS: f64 = 0.6;

/// The endpoints of one service in one step, as they were judged.
#[derive(Debug, Clone, Default)]
pub(super) struct EndpointsOfStep {
    at: Option<Timestamp>,
    endpoints: Vec<JudgedEndpoint>,
}

/// One endpoint with its signals.
#[derive(Debug, Clone)]
struct JudgedEndpoint {
    id: EntityId,
    entity: Arc<Entity>,
    /// Why a mute or an override keeps the row from being flagged, if one does.
    silenced: Option<Reason>,
    /// By signal.
    signals: [Measured; Signal::ALL.len()],
}

/// A signal of a row, from which follows how far it lies from the expected value: as requests for
/// counts and shares, and as requests times the logarithm of a factor for latencies, so that endpoints
/// can be added up.
#[derive(Debug, Clone, Copy)]
struct Measured {
    /// Number of requests behind the value.
    n: f64,
    value: f64,
    /// The expected value; NaN while none is known.
    expected: f64,
}

impl Measured {
    fn of(row: &Row<'_>, scores: &RowScores, signal: Signal) -> Self {
        let sample = row.sample(signal);
        let requests = row.requests.map_or(0, |facts| facts.requests) as f64;
        let n = if signal.kind() == SignalKind::Latency { sample.n as f64 } else { requests };
        Self { n, value: sample.value, expected: scores.of(signal).expected }
    }

    /// The deviation from the expected value, or from `of_new` where none is known.
    fn deviation(self, signal: Signal, of_new: f64) -> Option<f64> {
        self.against(signal, self.expected).or_else(|| self.against(signal, of_new))
    }

    /// The deviation from a value.
    fn against(self, signal: Signal, expected: f64) -> Option<f64> {
        let Self { n, value, .. } = self;
        let deviation = match signal.kind() {
            SignalKind::Latency => n * (value / expected).ln(),
            SignalKind::Rate => n * (value - expected),
            SignalKind::Count | SignalKind::Events | SignalKind::Gauge => value - expected,
        };
        deviation.is_finite().then_some(deviation)
    }
}

impl EndpointsOfStep {
    /// Adds the row of an endpoint.
    pub fn push(
        &mut self,
        row: &Row<'_>,
        entity: &Arc<Entity>,
        scores: &RowScores,
        silenced: Option<Reason>,
    ) {
        let at = row.head.at;
        let is_other = |last: &JudgedEndpoint| last.entity.service != entity.service;
        if self.at != Some(at) || self.endpoints.last().is_some_and(is_other) {
            self.endpoints.clear();
            self.at = Some(at);
        }
        self.endpoints.push(JudgedEndpoint {
            id: row.head.entity,
            entity: Arc::clone(entity),
            silenced,
            signals: Signal::ALL.map(|signal| Measured::of(row, scores, signal)),
        });
    }

    /// What the endpoints say about the leading signal of their service.
    pub fn explain(
        &self,
        row: &Row<'_>,
        service: &Entity,
        scores: &RowScores,
        verdict: &Verdict,
    ) -> Explained {
        let nothing = Explained::default();
        if self.at != Some(row.head.at) {
            return nothing;
        }
        let signal = verdict.request_signal();
        let score = scores.of(signal);
        let direction = if score.z < 0.0 { -1.0 } else { 1.0 };
        // what a new endpoint is compared with; all its requests are more than were expected
        let of_new = if signal.kind() == SignalKind::Count { 0.0 } else { score.expected };
        let own = self.endpoints.iter().filter(|one| one.entity.service == service.service);
        let deviations: Vec<(&JudgedEndpoint, f64)> = own
            .filter_map(|one| {
                let measured = one.signals.get(signal.index())?;
                let deviation = measured.deviation(signal, of_new)? * direction;
                Some((one, deviation.max(0.0)))
            })
            .collect();
        let mut whole: f64 = deviations.iter().map(|(_, deviation)| deviation).sum();
        if signal.kind() == SignalKind::Count {
            // an endpoint without a request has no row here, and part of the deviation
            let present = whole;
            whole = whole.max((row.sample(signal).value - score.expected) * direction);
            // endpoints that are absent by their own rhythm are no drop, and silence judges them
            if direction < 0.0 && present < (1.0 - EXPLAINS) * whole {
                return Explained { by: None, silenced: Some(Reason::BelowMinEffect) };
            }
        }
        let Some((first, deviation)) = strongest(deviations.iter()) else { return nothing };
        let deviation = *deviation;
        let explains = deviation > 0.0 && deviation >= EXPLAINS * whole;
        let by = explains.then(|| ExplainedBy { id: first.id, entity: Arc::clone(&first.entity) });
        let silenced = || deviations.iter().filter(|(one, _)| one.silenced.is_some());
        let share: f64 = silenced().map(|(_, deviation)| deviation).sum();
        let is_silenced = share > 0.0 && share >= (1.0 - EXPLAINS) * whole;
        let reason = strongest(silenced()).and_then(|(one, _)| one.silenced);
        Explained { by, silenced: reason.filter(|_| is_silenced) }
    }
}

/// The endpoint with the largest deviation.
fn strongest<'a, 'b>(
    from: impl Iterator<Item = &'a (&'b JudgedEndpoint, f64)>,
) -> Option<&'a (&'b JudgedEndpoint, f64)>
where
    'b: 'a,
{
    from.max_by(|(_, a), (_, b)| a.total_cmp(b))
}

/// What the endpoints of a service say about its row.
#[derive(Debug, Default)]
pub(super) struct Explained {
    /// The endpoint that has at least [`EXPLAINS`] of the deviation.
    pub by: Option<ExplainedBy>,
    /// Why the row is no news: endpoints that a mute or an override silences have so much of the
    /// deviation that the rest is not enough.
    pub silenced: Option<Reason>,
}
