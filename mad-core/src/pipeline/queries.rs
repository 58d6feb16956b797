//! The queries of a pipeline. Status, reports and documents are built from them alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::first_stage::Stage;
use super::view::{Shared, View, abstained};
use super::{Counters, IncidentWindow, Pipeline};
use crate::config::{CulpritConfig, MuteWindow, PipelineConfig};
use crate::culprit::Ranking;
use crate::error::Result;
use crate::explain::{Catalogue, Explanation, FrontDoor, Link, Phrase, TemplateExplainer};
use crate::feature::ClockFault;
use crate::graph::ServiceGraph;
use crate::guard::EntityMaturity;
use crate::history::{Decision, History};
use crate::incident::Incident;
use crate::series::{Entity, EntityId, EntityTable, SeriesId, SeriesTable};
use crate::telemetry::Rejections;
use crate::time::Timestamp;

impl Pipeline {
    /// All kept incidents, newest start first.
    pub fn incidents(&self) -> Vec<&Incident> {
        self.incidents.grouper().incidents()
    }

    /// The rows around an incident and its final ranking, by the incident's id.
    pub fn incident_window(&self, id: &str) -> Option<&IncidentWindow> {
        self.incidents.window(id)
    }

    /// Ranks by the flagged rows known by `at`. The default is the newest judged step.
    pub fn culprits(&self, at: Option<Timestamp>) -> Ranking {
        let at = at.or(self.ingest.newest_step()).unwrap_or_default();
        self.view().rank(self.config.culprit, at).unwrap_or_else(|_| abstained(at))
    }

    /// The same with another look-back window or another number of culprits.
    ///
    /// # Errors
    ///
    /// A config field outside its range.
    pub fn culprits_with(&self, config: CulpritConfig, at: Option<Timestamp>) -> Result<Ranking> {
        self.view().rank(config, at.or(self.ingest.newest_step()).unwrap_or_default())
    }

    /// The ranking at the end of an incident: the final one if it is closed, else as of now.
    /// Entities of another incident weigh a quarter, unless their services call or are called by
    /// those of this one.
    pub fn ranking_of(&self, incident: &Incident) -> Ranking {
        let window = self.incidents.window(&incident.id);
        let ranking = window.and_then(|window| window.ranking.clone());
        ranking.unwrap_or_else(|| self.view().rank_incident(incident))
    }

    /// Explains an incident in the language of [`catalogue`](Self::catalogue).
    pub fn explain(&self, incident: &Incident) -> Explanation {
        self.explain_phrases(incident).in_language(self.catalogue())
    }

    /// Explains an incident by texts that can be written in any language.
    pub fn explain_phrases(&self, incident: &Incident) -> Explanation<Phrase> {
        let (ranking, chain) = (self.ranking_of(incident), self.chain(incident));
        let (front_door, since) = (self.front_door(incident), self.known_since(incident));
        let rules = &self.config.causes;
        let explainer = TemplateExplainer;
        explainer.explain_with(incident, Some(&ranking), &chain, &front_door, since, rules)
    }

    /// The catalogue of explanations; English unless another one was set.
    pub fn catalogue(&self) -> &Catalogue {
        self.catalogue.as_deref().unwrap_or_else(|| Catalogue::english())
    }

    /// Sets the catalogue of explanations. It is not part of checkpoints.
    pub fn set_catalogue(&mut self, catalogue: Arc<Catalogue>) {
        self.catalogue = Some(catalogue);
    }

    /// Start of the first row or point of the entity of an incident, if it is still known.
    fn known_since(&self, incident: &Incident) -> Option<Timestamp> {
        let row = self.newest_row(incident.entity_id).map(|(maturity, _)| maturity.first);
        let points = incident.signals().filter_map(|signal| {
            let series = self.names.series.find(incident.entity_id, signal.as_str())?;
            Some(self.newest_point(series)?.0.first)
        });
        let mut handed = None;
        if let Stage::Fleet(fleet) = &self.stage {
            let series = incident
                .signals()
                .filter_map(|signal| self.names.series.find(incident.entity_id, signal.as_str()));
            let points = series.filter_map(|series| fleet.first_point(series)).min();
            handed = points.into_iter().chain(fleet.first_row(incident.entity_id)).min();
        }
        points.chain(row).chain(handed).min()
    }

    /// The first anomalies of an incident in order of time: see [`TemplateExplainer::chain`].
    pub fn chain(&self, incident: &Incident) -> Vec<Link> {
        self.view().chain(incident)
    }

    /// Where the requests of an incident enter: see [`TemplateExplainer::front_door`].
    pub fn front_door(&self, incident: &Incident) -> FrontDoor {
        self.view().front_door(incident)
    }

    /// Counts of records, rows, flagged and suppressed rows, and of everything dropped at a limit.
    pub fn counters(&self) -> Counters {
        let mut counters = Counters {
            entities: (self.names.entities.len() - self.names.entities.services()) as u64,
            series: self.names.series.len() as u64,
            entities_overflowed: self.names.entities.overflowed(),
            flagged_dropped: self.incidents.history().flagged_dropped(),
            incidents_dropped: self.incidents.grouper().closed_dropped(),
            ..Counters::default()
        };
        self.ingest.count(&mut counters);
        counters.add(self.tally.counters());
        counters
    }

    /// Rejected records by reason, with the first positions of each.
    pub fn rejected(&self) -> &Rejections {
        self.tally.rejections()
    }

    /// The known entities by id.
    pub fn entities(&self) -> &EntityTable {
        &self.names.entities
    }

    /// The known series of metrics by id.
    pub fn series(&self) -> &SeriesTable {
        &self.names.series
    }

    /// Rows and flagged rows of an entity.
    pub fn rows_of(&self, entity: EntityId) -> (u64, u64) {
        self.judge.rows_of(entity)
    }

    /// Points and flagged points of each entity.
    pub fn points_of_entities(&self) -> BTreeMap<EntityId, (u64, u64)> {
        self.judge.points_of_entities(&self.names)
    }

    /// How long an entity has been known and the decision on its newest row, if it has rows.
    pub fn newest_row(&self, entity: EntityId) -> Option<(EntityMaturity, Decision)> {
        self.judge.newest_row(entity)
    }

    /// Since when an entity is silent: the begin of the first step in which its usual requests were
    /// missing, for an entity with regular traffic that has stopped.
    pub fn silent_since(&self, entity: EntityId) -> Option<Timestamp> {
        self.judge.silent_since(entity)
    }

    /// How long a series has been known and the decision on its newest point, if it has one.
    pub fn newest_point(&self, series: SeriesId) -> Option<(EntityMaturity, Decision)> {
        self.judge.newest_point(series)
    }

    /// Recent rows and points, flagged rows and changes.
    pub fn history(&self) -> &History {
        self.incidents.history()
    }

    /// The routes with unbounded positions that were learnt, by service. A position with more than
    /// a bounded number of values, such as a name or a hash, is `{*}` in them.
    ///
    /// ```
    /// use mad_core::{Pipeline, PipelineConfig, Request, Timestamp};
    ///
    /// let mut pipeline = Pipeline::new(PipelineConfig::default())?;
    /// let paths: Vec<String> = (0..400).map(|i| format!("/read/story-{i}-about")).collect();
    /// pipeline.ingest(paths.iter().zip(0..).map(|(path, second)| {
    ///     Request::new(Timestamp::from_seconds(second), "press", path, 200, 30.0)
    /// }));
    /// pipeline.finish();
    /// let learnt: Vec<_> = pipeline.learnt_routes().collect();
    /// assert_eq!(learnt, [("press", vec!["/read/{*}".to_owned()])]);
    /// # Ok::<(), mad_core::Error>(())
    /// ```
    pub fn learnt_routes(&self) -> impl Iterator<Item = (&str, Vec<String>)> {
        self.ingest.learnt_routes()
    }

    /// The service graph from spans, edges and requests with the same trace id.
    pub fn graph(&self) -> &ServiceGraph {
        self.ingest.graph()
    }

    /// The mute windows of commands. Those of the configuration are in [`config`](Self::config).
    pub fn mutes(&self) -> &[MuteWindow] {
        self.judge.mutes()
    }

    /// The end of the mute that holds for an entity at `at`, if there is one.
    pub fn muted_until(&self, entity: &Entity, at: Timestamp) -> Option<Timestamp> {
        self.judge.muted_until(entity, at, &self.config)
    }

    /// Everything before this time is closed, in every partition that has records.
    pub fn watermark(&self) -> Timestamp {
        self.ingest.watermark()
    }

    /// The time up to which steps are judged, in the partition and for the kind of records that are
    /// furthest on. None before the first record.
    ///
    /// Views show it as the present. [`watermark`](Self::watermark) stays where a kind of records has
    /// ended, for example the log of a service that only logs its errors.
    ///
    /// ```
    /// use mad_core::{LogLine, Pipeline, PipelineConfig, Request, Source, Timestamp, Update};
    ///
    /// let mut pipeline = Pipeline::new(PipelineConfig::default())?;
    /// let mut update = Update::default();
    /// for second in 0..3_600 {
    ///     let at = Timestamp::from_seconds(second);
    ///     if second < 60 {
    ///         let line = LogLine::new(at, "payments", "ERROR", "refused");
    ///         pipeline.push(line, &Source::at(1), &mut update);
    ///     }
    ///     let request = Request::new(at, "payments", "/pay", 200, 80.0);
    ///     pipeline.push(request, &Source::at(1), &mut update);
    /// }
    /// assert!(pipeline.watermark() < Timestamp::from_seconds(60));
    /// assert!(pipeline.furthest_watermark() > Some(Timestamp::from_seconds(3_500)));
    /// # Ok::<(), mad_core::Error>(())
    /// ```
    pub fn furthest_watermark(&self) -> Option<Timestamp> {
        if let Stage::Fleet(fleet) = &self.stage {
            let lateness = self.config.features.lateness_nanos();
            return fleet.grouped().map(|grouped| grouped.plus(-lateness));
        }
        self.ingest.furthest_watermark()
    }

    /// The first series that several senders report under the same names: its values of one time
    /// differ. The mean of them is judged; [`Counters::points_merged`] counts them.
    pub fn merged_series(&self) -> Option<String> {
        let series = self.names.series.get(self.ingest.merged_series()?)?;
        let entity = self.names.entities.get(series.entity)?;
        Some(format!("{entity} {}", series.metric))
    }

    /// The event time that a quorum of sources agrees on, of the partition that is furthest on. One
    /// source with a wrong clock does not move it. A timer that closes steps while no record arrives
    /// starts from it.
    pub fn clock(&self) -> Option<Timestamp> {
        self.ingest.clock()
    }

    /// The sources whose records have wrong times: hosts, and entities whose records name no host.
    ///
    /// ```
    /// use mad_core::{Pipeline, PipelineConfig, Request, Timestamp};
    ///
    /// let mut pipeline = Pipeline::new(PipelineConfig::default())?;
    /// for second in 0..1_200 {
    ///     let host = ["web-1", "web-2", "web-3"][second as usize % 3];
    ///     let ahead = if host == "web-3" { 600 } else { 0 };
    ///     let at = Timestamp::from_seconds(second + ahead);
    ///     pipeline.ingest([Request { host, ..Request::new(at, "cart", "/add", 200, 9.0) }]);
    /// }
    /// let faults = pipeline.clock_faults();
    /// assert_eq!(faults[0].host.as_deref(), Some("web-3"));
    /// assert_eq!(faults.len(), 1);
    /// # Ok::<(), mad_core::Error>(())
    /// ```
    pub fn clock_faults(&self) -> Vec<ClockFault> {
        self.ingest.clock_faults()
    }

    /// The newest event time of all partitions, without records that are ahead because of a wrong
    /// clock.
    pub fn newest(&self) -> Option<Timestamp> {
        self.ingest.newest()
    }

    /// The configuration.
    pub fn config(&self) -> &PipelineConfig {
        &self.config
    }

    fn view(&self) -> View<'_> {
        let Self { config, names, ingest, incidents, .. } = self;
        incidents.view(Shared { config, names, graph: ingest.graph(), ingest })
    }
}
