//! The ranking of services by their metrics, which compares recent points with earlier ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::view::View;
use crate::culprit::{MetricKind, MetricRanker, MetricRankerConfig, MetricWindow};
use crate::history::FlaggedRow;
use crate::series::{EntityId, NETWORK_GAP, SignalName};
use crate::telemetry::MetricPoint;
use crate::time::Timestamp;

/// Maximum of ranked series. With more, services are ranked by their flagged rows alone.
const MOST_SERIES: usize = 2_000;
/// Maximum of services among which a symptom is looked for.
const MOST_SERVICES: usize = 200;
/// Score of a service that the ranking does not name, relative to the last one that it names.
const UNNAMED: f64 = 0.5;

impl View<'_> {
    /// Scores the services with a flagged metric among `rows`, from 0 to 1 for the first.
    ///
    /// The points before the first flagged row of the symptom are the normal time. The result is
    /// empty if there is only one service, or if no metric stands out.
    pub(super) fn by_metrics(
        &self,
        rows: &[&FlaggedRow],
        at: Timestamp,
    ) -> BTreeMap<Arc<str>, f64> {
        let is_way =
            |row: &&&FlaggedRow| row.signals.iter().all(|one| one.signal.as_str() == NETWORK_GAP);
        let of_metrics =
            || rows.iter().filter(|row| row.objectives.is_none()).filter(|row| !is_way(row));
        let entities: BTreeSet<EntityId> = of_metrics().map(|row| row.entity).collect();
        let names = entities.iter().filter_map(|id| self.shared.names.entities.get(*id));
        let services: BTreeSet<&Arc<str>> = names.map(|entity| &entity.service).collect();
        let target = self.target(of_metrics().copied(), &services);
        let first = || of_metrics().map(|row| row.bucket).min();
        let start = target.as_ref().map(|target| target.since).or_else(first);
        let Some(start) = start.filter(|_| services.len() >= 2) else { return BTreeMap::new() };
        let named = self.shared.names.series.iter().filter_map(|(id, name)| {
            let entity = self.shared.names.entities.get(name.entity)?;
            let is_meant = services.contains(&entity.service) && *name.metric != *NETWORK_GAP;
            is_meant.then_some((id, entity, &name.metric))
        });
        let series: Vec<_> = named.take(MOST_SERIES + 1).collect();
        let config = MetricRankerConfig { top_k: 1_000, ..MetricRankerConfig::default() };
        let (true, Ok(ranker)) = (series.len() <= MOST_SERIES, MetricRanker::new(config)) else {
            return BTreeMap::new();
        };
        let mut window = MetricWindow::new();
        for (id, entity, metric) in series {
            for point in self.history.points(id).filter(|point| point.at <= at) {
                let value = f64::from(point.value(0));
                let point = MetricPoint {
                    resource: &entity.endpoint,
                    ..MetricPoint::new(point.at, &entity.service, metric, value)
                };
                if point.timestamp < start {
                    window.normal(&point, 0);
                } else {
                    window.incident(&point, 0);
                }
            }
        }
        let target = target.as_ref().map(|target| (&*target.service, &*target.metric));
        let ranking = ranker.rank(&window, self.shared.graph.pairs(), target);
        // without support by the symptom, flagged rows and calls decide
        let first = ranking.culprits.first().filter(|_| !ranking.calm_target);
        let Some(first) = first.map(|first| first.score) else {
            return BTreeMap::new();
        };
        let last = ranking.culprits.last().map_or(first, |last| last.score);
        let score = |service: &str| {
            let found = ranking.culprits.iter().find(|culprit| *culprit.entity.service == *service);
            found.map_or(UNNAMED * last, |culprit| culprit.score) / first
        };
        services.into_iter().map(|name| (Arc::clone(name), score(name))).collect()
    }

    /// The symptom: the service with a flagged latency, error rate or availability that calls most
    /// of the flagged services, directly or through others, and its strongest such metric. None if
    /// none of them calls another.
    fn target<'a>(
        &self,
        rows: impl Iterator<Item = &'a FlaggedRow>,
        services: &BTreeSet<&Arc<str>>,
    ) -> Option<Target> {
        if services.len() > MOST_SERVICES {
            return None;
        }
        let mut symptoms: BTreeMap<Arc<str>, (f64, Target)> = BTreeMap::new();
        for row in rows {
            let Some(entity) = self.shared.names.entities.get(row.entity) else { continue };
            for flagged in &row.signals {
                let SignalName::Metric(metric) = &flagged.signal else { continue };
                if !MetricKind::guess(metric).is_symptom() {
                    continue;
                }
                let (service, metric) = (Arc::clone(&entity.service), Arc::clone(metric));
                let new = || (0.0, Target { service, metric: "".into(), since: row.bucket });
                let (most, target) =
                    symptoms.entry(Arc::clone(&entity.service)).or_insert_with(new);
                target.since = target.since.min(row.bucket);
                if flagged.neg_log10_p > *most {
                    (*most, target.metric) = (flagged.neg_log10_p, metric);
                }
            }
        }
        let reached = |service: &str| {
            let below = self.shared.graph.downstream(service, usize::MAX);
            below.iter().filter(|(name, _)| services.contains(name)).count()
        };
        let counted = symptoms.into_values().map(|(most, found)| {
            let count = reached(&found.service);
            (count, most, found)
        });
        let widest =
            counted.filter(|(count, ..)| *count > 0).max_by(|(a, a_most, _), (b, b_most, _)| {
                a.cmp(b).then_with(|| a_most.total_cmp(b_most))
            });
        widest.map(|(.., target)| target)
    }
}

/// The service and metric of the symptom, and its first flagged row.
struct Target {
    service: Arc<str>,
    metric: Arc<str>,
    since: Timestamp,
}
