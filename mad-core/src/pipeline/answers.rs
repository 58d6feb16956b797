//! What a pipeline tells when it is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::view::View;
use super::{Counters, IncidentWindow, Pipeline};
use crate::config::{CulpritConfig, PipelineConfig};
use crate::culprit::{CulpritRanker, Ranking};
use crate::error::Result;
use crate::explain::{Explanation, Link, TemplateExplainer};
use crate::guard::EntityMaturity;
use crate::history::{Decision, FlaggedRow, History};
use crate::incident::{Incident, Topology};
use crate::series::{Entity, EntityId, EntityTable, SeriesTable};
use crate::telemetry::Rejections;
use crate::time::Timestamp;

impl Pipeline {
    /// All incidents that are kept, newest start first.
    pub fn incidents(&self) -> Vec<&Incident> {
        self.grouper.incidents()
    }

    /// What is kept of an incident for its report.
    pub fn incident_window(&self, id: &str) -> Option<&IncidentWindow> {
        self.windows.get(id)
    }

    /// Ranks by the flagged rows known by `at` (the newest row where it is `None`).
    pub fn culprits(&self, at: Option<Timestamp>) -> Ranking {
        self.culprits_with(self.config.culprit, at).unwrap_or_else(|_| self.rank_none(at))
    }

    /// The same with another look-back or another number of culprits.
    ///
    /// # Errors
    ///
    /// A config field outside its range.
    pub fn culprits_with(&self, config: CulpritConfig, at: Option<Timestamp>) -> Result<Ranking> {
        let ranker = CulpritRanker::new(config)?;
        let at = at.or(self.bucket).unwrap_or_default();
        let rows: Vec<&FlaggedRow> = self.history.flagged(ranker.from(at), at).collect();
        let view = View { by_metrics: self.by_metrics(&rows, at), ..self.view() };
        Ok(ranker.rank_with(rows, &self.entities, at, &view))
    }

    /// The ranking at an incident's end: kept since it closed, or as of now. Entities of another
    /// incident weigh a quarter, unless their services call or are called by those of this one.
    pub fn ranking_of(&self, incident: &Incident) -> Ranking {
        let kept = self.windows.get(&incident.id).and_then(|window| window.ranking.clone());
        kept.unwrap_or_else(|| self.rank_incident(incident))
    }

    pub(super) fn rank_incident(&self, incident: &Incident) -> Ranking {
        let at = incident.end.plus(-incident.step);
        let Ok(ranker) = CulpritRanker::new(self.config.culprit) else {
            return self.rank_none(Some(at));
        };
        let rows: Vec<&FlaggedRow> = self.history.flagged(ranker.from(at), at).collect();
        let by_metrics = self.by_metrics(&rows, at);
        let in_other_incident = self.in_other_incidents(incident, &by_metrics);
        let view = View { by_metrics, in_other_incident, ..self.view() };
        ranker.rank_with(rows, &self.entities, at, &view)
    }

    /// The entities of other incidents whose services are not next to this one's. What metrics
    /// were held against each other is told apart only where the graph knows who calls it.
    fn in_other_incidents(
        &self,
        incident: &Incident,
        by_metrics: &BTreeMap<Arc<str>, f64>,
    ) -> BTreeSet<EntityId> {
        let own: BTreeSet<&Entity> = incident.entities().collect();
        let services: BTreeSet<&Arc<str>> = own.iter().map(|entity| &entity.service).collect();
        let near = services.iter().flat_map(|service| self.graph.neighbours(service));
        let near: BTreeSet<Arc<str>> = near.collect();
        let in_other_incident = |entity: &&Entity| {
            let service = &entity.service;
            let is_tied = services.contains(service) || near.contains(service);
            let is_known = !by_metrics.contains_key(service)
                || !near.is_empty() && !self.graph.neighbours(service).is_empty();
            !own.contains(*entity) && !is_tied && is_known
        };
        let others = self.grouper.incidents().into_iter().filter(|other| {
            other.id != incident.id && other.start < incident.end && incident.start < other.end
        });
        let entities = others.flat_map(Incident::entities).filter(in_other_incident);
        entities
            .filter_map(|entity| self.entities.find(&entity.service, &entity.endpoint))
            .collect()
    }

    /// Explains an incident.
    pub fn explain(&self, incident: &Incident) -> Explanation {
        let (ranking, chain) = (self.ranking_of(incident), self.chain(incident));
        TemplateExplainer.explain_with(incident, Some(&ranking), &chain)
    }

    /// How an incident spread: see [`TemplateExplainer::chain`].
    pub fn chain(&self, incident: &Incident) -> Vec<Link> {
        TemplateExplainer.chain(incident, &self.view())
    }

    /// What was taken, flagged, suppressed and dropped.
    pub fn counters(&self) -> Counters {
        let mut counters = Counters {
            requests: self.sum(|partition| partition.features.accepted()),
            errors: self.sum(|partition| partition.features.errors()),
            lines: self.sum(|partition| partition.logs.accepted()),
            points_overflowed: self
                .sum(|partition| partition.metrics.overflowed() + partition.logs.overflowed()),
            entities: self.entities.len() as u64,
            series: self.series_names.len() as u64,
            entities_overflowed: self.entities.overflowed(),
            samples_dropped: self.sum(|partition| partition.features.samples_dropped()),
            flagged_dropped: self.history.flagged_dropped(),
            incidents_dropped: self.grouper.closed_dropped(),
            ..Counters::default()
        };
        counters.add(&self.counters);
        counters
    }

    /// Records that were not taken since the beginning.
    pub fn rejected(&self) -> &Rejections {
        &self.rejections
    }

    /// The entities seen so far.
    pub fn entities(&self) -> &EntityTable {
        &self.entities
    }

    /// The series of metrics seen so far.
    pub fn series(&self) -> &SeriesTable {
        &self.series_names
    }

    /// Rows and flagged rows of an entity.
    pub fn rows_of(&self, entity: EntityId) -> (u64, u64) {
        let state = self.rows.get(entity.index()).and_then(Option::as_ref);
        state.map_or((0, 0), |state| (state.rows, state.flagged))
    }

    /// How long an entity has been known and what was decided of its newest row, if it has rows.
    pub fn newest_row(&self, entity: EntityId) -> Option<(EntityMaturity, Decision)> {
        let state = self.rows.get(entity.index())?.as_ref()?;
        let maturity = EntityMaturity { first: state.first, points: state.scorer.points() };
        state.newest.map(|newest| (maturity, newest))
    }

    /// Recent rows.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The configuration.
    pub fn config(&self) -> &PipelineConfig {
        &self.config
    }

    fn view(&self) -> View<'_> {
        View {
            graph: &self.graph,
            history: &self.history,
            grouper: &self.grouper,
            by_metrics: BTreeMap::new(),
            in_other_incident: BTreeSet::new(),
        }
    }

    fn rank_none(&self, at: Option<Timestamp>) -> Ranking {
        let at = at.or(self.bucket).unwrap_or_default();
        Ranking { from: at, at, rows: 0, culprits: Vec::new(), abstained: true }
    }
}
