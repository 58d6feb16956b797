//! What metrics say of services, from history: who left their normal levels, and whose fault it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Pipeline;
use crate::culprit::{MetricRanker, MetricRankerConfig, MetricWindow};
use crate::history::FlaggedRow;
use crate::series::EntityId;
use crate::telemetry::MetricPoint;
use crate::time::Timestamp;

/// Series ranked at most; a storm of more is ranked by its flagged rows alone.
const MOST_SERIES: usize = 2_000;
/// Weight of a service that the ranking does not name, beside the last that it names.
const UNNAMED: f64 = 0.5;

impl Pipeline {
    /// The standing of each service with a flagged metric among `rows`, the first flagged one of
    /// which is where the incident begins; nothing where there is one service only, or where nobody
    /// stands out.
    pub(super) fn by_metrics(
        &self,
        rows: &[&FlaggedRow],
        at: Timestamp,
    ) -> BTreeMap<Arc<str>, f64> {
        let of_metrics = || rows.iter().filter(|row| row.objectives.is_none());
        let entities: BTreeSet<EntityId> = of_metrics().map(|row| row.entity).collect();
        let names = entities.iter().filter_map(|id| self.entities.get(*id));
        let services: BTreeSet<&Arc<str>> = names.map(|entity| &entity.service).collect();
        let Some(start) = of_metrics().map(|row| row.bucket).min() else { return BTreeMap::new() };
        if services.len() < 2 {
            return BTreeMap::new();
        }
        let named = self.series_names.iter().filter_map(|(id, name)| {
            let entity = self.entities.get(name.entity)?;
            services.contains(&entity.service).then_some((id, entity, &name.metric))
        });
        let series: Vec<_> = named.take(MOST_SERIES + 1).collect();
        let config = MetricRankerConfig { top_k: 1_000, ..MetricRankerConfig::default() };
        let (true, Ok(ranker)) = (series.len() <= MOST_SERIES, MetricRanker::new(config)) else {
            return BTreeMap::new();
        };
        let mut window = MetricWindow::new();
        for (id, entity, metric) in series {
            for point in self.history.points(id).filter(|point| point.bucket <= at) {
                let value = f64::from(point.value);
                let point = MetricPoint {
                    resource: &entity.endpoint,
                    ..MetricPoint::new(point.bucket, &entity.service, metric, value)
                };
                if point.timestamp < start {
                    window.normal(&point, 0);
                } else {
                    window.incident(&point, 0);
                }
            }
        }
        let ranking = ranker.rank(&window, self.graph.pairs(), None);
        let Some(first) = ranking.culprits.first().map(|first| first.score) else {
            return BTreeMap::new();
        };
        let last = ranking.culprits.last().map_or(first, |last| last.score);
        let score = |service: &str| {
            let found = ranking.culprits.iter().find(|culprit| *culprit.entity.service == *service);
            found.map_or(UNNAMED * last, |culprit| culprit.score) / first
        };
        services.into_iter().map(|name| (Arc::clone(name), score(name))).collect()
    }
}
