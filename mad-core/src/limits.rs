//! Every bound in the crate, by name.
//!
//! Reaching a bound is never an error or a panic. The overflow goes to a named bucket or is dropped,
//! and a counter records it ([`Counters`](crate::pipeline::Counters)).

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Widest window of an exact rolling statistic, in values. Longer memories are decimated.
pub const MAX_WINDOW: usize = 100_000;
/// Longest service or endpoint name, in bytes. Longer names are rejected.
pub const MAX_NAME_BYTES: usize = 512;
/// Longest line of a text file, in bytes. Longer lines are rejected without being held in memory.
pub const MAX_LINE_BYTES: usize = 1 << 20;
/// Longest JSON document, or message of a binary format, that is read as one, in bytes: 128 MiB.
pub const MAX_DOCUMENT_BYTES: usize = 128 << 20;
/// Series and samples of one body of remote write together. Larger bodies are refused, because the
/// samples of a body are sorted by time and therefore held together, as are the points that they
/// become: about a kilobyte for each sample that closes a step. Prometheus sends 2,000 samples a
/// body by default.
pub const MAX_BODY_SAMPLES: usize = 200_000;
/// Rejected records whose position and detail are kept, per reason.
pub const REJECTED_SAMPLES: usize = 5;
/// Most templates of log lines that can be kept.
const MAX_LOG_TEMPLATES: usize = 65_536;
/// Most templates of one service whose lines are judged. A row marks at most 64 flagged signals.
const MAX_LOG_RATES: usize = 60;
/// The one limit that may be 0.
const LOG_RATES: &str = "limits.service_log_rates";
/// Services of which rejected records are counted.
pub const REJECTED_SERVICES: usize = 200;

/// Bounds on memory, per partition.
///
/// # Examples
///
/// ```
/// use mad_core::Limits;
///
/// let small = Limits { entities: 100, history_rows: 60, ..Limits::default() };
/// assert!(small.validate().is_ok());
/// assert!(Limits { entities: 0, ..small }.validate().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Entities with their own state. Further ones share the entity `(other)`. From 1,000 on, and
    /// once half of them are taken, a service has at most a quarter. When nine tenths are taken,
    /// entities with at most two rows are forgotten after half an hour. Default 10,000.
    pub entities: usize,
    /// Series of metrics with their own state. Points of further series are counted and not judged.
    /// Default 40,000.
    pub series: usize,
    /// Latencies held for one entity in one open step. Further requests count in `count` and `errors`
    /// and not in the latency signals. Default 1,000,000.
    pub window_samples: usize,
    /// Records held because they are dated too far ahead. Default 10,000.
    pub held_records: usize,
    /// Recent rows of each entity kept for reports and explanations. Default 120.
    pub history_rows: usize,
    /// Recent flagged rows of all entities, kept for ranking. Default 20,000.
    pub flagged_rows: usize,
    /// Closed incidents kept. The oldest are dropped first. Default 1,000.
    pub closed_incidents: usize,
    /// Values of `request_id` remembered to drop repeated deliveries. Default 100,000.
    pub request_ids: usize,
    /// Batch ids remembered to drop batches that are sent twice. Default 10,000.
    pub batch_ids: usize,
    /// Mute windows that were set by a command and have not ended. Default 1,000.
    pub mutes: usize,
    /// Recent changes of services kept. The oldest are dropped first. Default 1,000.
    pub changes: usize,
    /// Partitions of the input. Further names share the partition `(other)`. Default 256.
    pub partitions: usize,
    /// Events that the live second stage of a group holds until all partitions have passed them. Beyond
    /// that the oldest are grouped early. Default 500,000.
    pub held_events: usize,
    /// Event time without a record after which an entity or a series is forgotten and its place is
    /// free, seconds. Default 1,209,600 (14 days).
    pub idle_seconds: usize,
    /// Services of a service graph. Further ones share the node `(other)`. Default 10,000.
    pub services: usize,
    /// Edges of a service graph. Calls of further edges are counted and left out. Default 20,000.
    pub graph_edges: usize,
    /// Spans that a service graph holds because their parents or children may still arrive, and as
    /// many requests with a trace id. The oldest are dropped first. Default 100,000.
    pub open_spans: usize,
    /// Hosts with separate clocks, and sources with a wrong clock that are kept. Records of
    /// further hosts count as of their entity. Default 10,000.
    pub sources: usize,
    /// Records that may be sorted in memory when a file is not ordered by time. Default 5,000,000.
    pub sort_records: usize,
    /// Templates of log lines, at most 65,536. Lines of further kinds share the template `<*>`.
    /// Default 4,096.
    pub log_templates: usize,
    /// Templates of the error lines of one service, and as many of its other lines, that the
    /// pipeline keeps, at most 65,536. Lines of further kinds share the template `<*>`. Default 64.
    pub service_log_templates: usize,
    /// Templates of one service whose numbers of lines are judged, each as a series, at most 60: those
    /// with most lines. Default 0: none.
    pub service_log_rates: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entities: 10_000,
            series: 40_000,
            window_samples: 1_000_000,
            held_records: 10_000,
            history_rows: 120,
            flagged_rows: 20_000,
            closed_incidents: 1_000,
            request_ids: 100_000,
            batch_ids: 10_000,
            mutes: 1_000,
            changes: 1_000,
            partitions: 256,
            held_events: 500_000,
            idle_seconds: 14 * 86_400,
            services: 10_000,
            graph_edges: 20_000,
            open_spans: 100_000,
            sources: 10_000,
            sort_records: 5_000_000,
            log_templates: 4096,
            service_log_templates: 64,
            service_log_rates: 0,
        }
    }
}

impl Limits {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// A limit of zero, one beyond what fits in memory on any machine (2^32 records), or more than
    /// 65,536 templates of log lines or 60 judged ones of a service.
    pub fn validate(&self) -> Result<()> {
        for (field, value) in self.fields() {
            // no template is judged by default
            let least = usize::from(field != LOG_RATES);
            if !(least..=(u32::MAX as usize)).contains(&value) {
                return Err(Error::config(field, value, "an integer from 1 to 4294967295"));
            }
        }
        for (field, value) in [
            ("limits.log_templates", self.log_templates),
            ("limits.service_log_templates", self.service_log_templates),
        ] {
            if value > MAX_LOG_TEMPLATES {
                return Err(Error::config(field, value, "an integer from 1 to 65536"));
            }
        }
        if self.service_log_rates > MAX_LOG_RATES {
            let value = self.service_log_rates;
            return Err(Error::config(LOG_RATES, value, "an integer from 0 to 60"));
        }
        Ok(())
    }

    /// The paths of all fields with their values.
    pub(crate) fn fields(&self) -> [(&'static str, usize); 22] {
        [
            ("limits.entities", self.entities),
            ("limits.series", self.series),
            ("limits.window_samples", self.window_samples),
            ("limits.held_records", self.held_records),
            ("limits.history_rows", self.history_rows),
            ("limits.flagged_rows", self.flagged_rows),
            ("limits.closed_incidents", self.closed_incidents),
            ("limits.request_ids", self.request_ids),
            ("limits.batch_ids", self.batch_ids),
            ("limits.mutes", self.mutes),
            ("limits.changes", self.changes),
            ("limits.partitions", self.partitions),
            ("limits.held_events", self.held_events),
            ("limits.idle_seconds", self.idle_seconds),
            ("limits.services", self.services),
            ("limits.graph_edges", self.graph_edges),
            ("limits.open_spans", self.open_spans),
            ("limits.sources", self.sources),
            ("limits.sort_records", self.sort_records),
            ("limits.log_templates", self.log_templates),
            ("limits.service_log_templates", self.service_log_templates),
            (LOG_RATES, self.service_log_rates),
        ]
    }
}
