//! The document behind a report: everything that a pipeline knows, in one serializable value.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    ClockFaultDocument, IncidentDocument, Overview, OverviewDocument, RankingDocument,
    RejectedDocument,
};
use crate::graph::GraphDocument;
use crate::incident::Incident;
use crate::pipeline::{Counters, Pipeline};
use crate::series::Entity;
use crate::status::{StateDocument, state_documents};

/// Version of the document's shape. It grows when a field changes its meaning or is removed.
pub const SCHEMA_VERSION: u32 = 1;
/// Maximum of entities in the timeline, those with most flagged rows first.
const SUMMARIES: usize = 200;

/// Everything that a report shows. Times are RFC 3339 in UTC.
///
/// # Examples
///
/// ```
/// use mad_core::{Document, Pipeline, PipelineConfig, Request, Timestamp};
///
/// let mut pipeline = Pipeline::new(PipelineConfig::default())?;
/// pipeline.ingest([Request::new(Timestamp::from_seconds(0), "payments", "/pay", 200, 80.0)]);
/// pipeline.finish();
/// let document = Document::new(&pipeline);
/// assert_eq!((document.requests, document.rows, document.incidents.len()), (1, 1, 0));
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct Document {
    pub schema_version: u32,
    pub generator: String,
    pub mode: &'static str,
    pub first: Option<String>,
    pub last: Option<String>,
    pub step_seconds: f64,
    pub requests: u64,
    pub errors: u64,
    pub rows: u64,
    pub flagged: u64,
    pub points: u64,
    pub flagged_points: u64,
    pub entities: u64,
    pub series: u64,
    pub suppressed: BTreeMap<&'static str, u64>,
    pub rejected: RejectedDocument,
    pub clock_faults: Vec<ClockFaultDocument>,
    pub incidents: Vec<IncidentDocument>,
    pub ranking: RankingDocument,
    pub timeline: Vec<EntitySummary>,
    pub services: Vec<EntitySummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overview: Option<OverviewDocument>,
    pub learnt_routes: BTreeMap<String, Vec<String>>,
    pub state_counts: BTreeMap<&'static str, u64>,
    pub states: Vec<StateDocument>,
    pub counters: Counters,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub graph: Option<GraphDocument>,
}

/// Counts of rows and incidents of one entity.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct EntitySummary {
    pub service: String,
    pub endpoint: String,
    pub rows: u64,
    pub flagged: u64,
    pub incidents: u64,
}

/// The number of incidents that each entity opened.
fn opened<'a>(incidents: &[&'a Incident]) -> BTreeMap<&'a Entity, u64> {
    let mut out: BTreeMap<&Entity, u64> = BTreeMap::new();
    for incident in incidents {
        *out.entry(&incident.entity).or_default() += 1;
    }
    out
}

impl Document {
    /// Everything that `pipeline` knows, with the course of its endpoints over the run that
    /// `overview` saw. Without rows of requests, the document has none.
    pub fn with_overview(pipeline: &Pipeline, overview: &Overview) -> Self {
        let document = overview.document(&opened(&pipeline.incidents()));
        let overview = Some(document).filter(|document| !document.endpoints.is_empty());
        Self { overview, ..Self::new(pipeline) }
    }

    /// Everything that `pipeline` knows, as of now.
    pub fn new(pipeline: &Pipeline) -> Self {
        let counters = pipeline.counters();
        let incidents = pipeline.incidents();
        let with_incidents = opened(&incidents);
        let points = pipeline.points_of_entities();
        let summary = |entity: &Entity, rows: u64, flagged: u64| EntitySummary {
            service: entity.service.to_string(),
            endpoint: entity.endpoint.to_string(),
            rows,
            flagged,
            incidents: with_incidents.get(entity).copied().unwrap_or(0),
        };
        // rows across the endpoints of a service are listed apart, because they count the same
        // requests again
        let (mut timeline, mut services) = (Vec::new(), Vec::new());
        for (id, entity) in pipeline.entities().iter() {
            let (rows, flagged) = pipeline.rows_of(id);
            let of_points = points.get(&id).copied();
            let (points, flagged_points) = of_points.unwrap_or_default();
            if !entity.is_service() {
                timeline.push(summary(entity, rows + points, flagged + flagged_points));
                continue;
            }
            if rows > 0 {
                services.push(summary(entity, rows, flagged));
            }
            if of_points.is_some() {
                timeline.push(summary(entity, points, flagged_points));
            }
        }
        for lanes in [&mut timeline, &mut services] {
            lanes.sort_by(|a, b| {
                let key = |lane: &EntitySummary| (lane.incidents, lane.flagged);
                key(b)
                    .cmp(&key(a))
                    .then_with(|| (&a.service, &a.endpoint).cmp(&(&b.service, &b.endpoint)))
            });
            lanes.truncate(SUMMARIES);
        }
        let (state_counts, states) = state_documents(pipeline);
        Self {
            schema_version: SCHEMA_VERSION,
            generator: concat!("mad ", env!("CARGO_PKG_VERSION")).to_owned(),
            mode: "default",
            first: counters.first.map(|time| time.to_string()),
            last: counters.last.map(|time| time.to_string()),
            step_seconds: pipeline.config().features.step_seconds,
            requests: counters.requests,
            errors: counters.errors,
            rows: counters.rows,
            flagged: counters.flagged,
            points: counters.points,
            flagged_points: counters.flagged_points,
            series: counters.series,
            entities: counters.entities,
            suppressed: counters.suppressed.iter().map(|(why, n)| (why.as_str(), *n)).collect(),
            rejected: RejectedDocument::new(pipeline.rejected()),
            clock_faults: pipeline
                .clock_faults()
                .iter()
                .map(|fault| ClockFaultDocument::new(fault, pipeline.entities()))
                .collect(),
            incidents: incidents
                .iter()
                .map(|incident| IncidentDocument::new(pipeline, incident))
                .collect(),
            ranking: RankingDocument::new(&pipeline.culprits(None)),
            timeline,
            services,
            overview: None,
            learnt_routes: pipeline
                .learnt_routes()
                .map(|(service, routes)| (service.to_owned(), routes))
                .collect(),
            state_counts,
            states,
            counters,
            graph: Some(pipeline.graph().settled().document())
                .filter(|graph| !graph.edges.is_empty()),
        }
    }
}
