//! Finds sources with a wrong clock in the order in which records arrived.

use super::quorum_clock::QuorumClock;
use super::source_clocks::{ClockFault, HostTable};
use crate::config::FeatureConfig;
use crate::limits::Limits;
use crate::series::EntityTable;
use crate::telemetry::{Record, RequestTime};
use crate::time::Timestamp;

/// Finds sources with a wrong clock in records that will be sorted by time: the order in which they
/// arrived shows which source disagrees with the others, and sorting loses it.
///
/// # Examples
///
/// ```
/// use mad_core::feature::ClockWatch;
/// use mad_core::{FeatureConfig, Limits, Request, Timestamp};
///
/// let mut watch = ClockWatch::new(FeatureConfig::default(), &Limits::default());
/// for second in 0..600 {
///     let host = ["web-1", "web-2", "web-3"][second as usize % 3];
///     let behind = if host == "web-2" { 7_200 } else { 0 };
///     let at = Timestamp::from_seconds(20_000 + second - behind);
///     let request = Request { host, ..Request::new(at, "cart", "/add", 200, 9.0) };
///     watch.see(&request.into());
/// }
/// let faults: Vec<_> = watch.faults().collect();
/// assert_eq!((faults.len(), faults[0].host.as_deref()), (1, Some("web-2")));
/// ```
#[derive(Debug, Clone)]
pub struct ClockWatch {
    config: FeatureConfig,
    hosts: HostTable,
    entities: EntityTable,
    /// Of requests, metrics and logs.
    clocks: [QuorumClock; 3],
}

impl ClockWatch {
    /// A watch that saw nothing.
    pub fn new(config: FeatureConfig, limits: &Limits) -> Self {
        Self {
            config,
            hosts: HostTable::new(limits.sources),
            entities: EntityTable::new(limits.entities),
            clocks: [(); 3].map(|()| QuorumClock::new(&config, limits.sources)),
        }
    }

    /// Takes the next record. Changes and edges, which machines do not send, say nothing.
    pub fn see(&mut self, record: &Record<'_>) {
        let request = |request: &crate::telemetry::Request<'_>, time| request.completed(time);
        let (kind, host, names, reading) = match record {
            Record::Request(one) => {
                let reading = request(one, self.config.request_time.unwrap_or_default());
                (0, one.host, (one.service, one.endpoint), reading)
            }
            Record::Span(span) => {
                let reading = request(&span.as_request(), RequestTime::Start);
                (0, span.host, (span.service, span.operation), reading)
            }
            Record::Metric(point) => {
                (1, point.host, (point.service, point.resource), point.timestamp)
            }
            Record::Log(line) => (2, line.host, (line.service, ""), line.timestamp),
            Record::Change(_) | Record::Edge(_) => return,
        };
        let entity = self.entities.id(names.0, names.1);
        let source = self.hosts.source(host, entity);
        let Some(clock) = self.clocks.get_mut(kind) else { return };
        let step = self.config.step_nanos();
        // A record is late when the clock has passed the end of its step by the lateness.
        let end = reading.floor(step).plus(step).plus(self.config.lateness_nanos());
        if clock.clock().is_some_and(|now| end <= now) {
            clock.late(source, reading);
        } else {
            clock.observe(source, reading, Timestamp::MAX);
        }
    }

    /// The sources with a wrong clock.
    pub fn faults(&self) -> impl Iterator<Item = ClockFault> + '_ {
        self.clocks.iter().flat_map(|clock| clock.sources.faults(&self.hosts))
    }

    /// The names of entities in the faults.
    pub fn entities(&self) -> &EntityTable {
        &self.entities
    }
}
