//! Runs of the whole pipeline on slow changes.

use mad_core::incident::IncidentChange;
use mad_core::simulate::{
    IncidentKind, Radar, RadarScenario, Shop, ShopConfig, SimulatedRequest, random_incident,
};
use mad_core::time::{MINUTE, Timestamp};
use mad_core::{Entity, MetricPoint, Pipeline, PipelineConfig, Result, Source, Update};

/// Minutes that a ramp of requests lasts.
const CLIMBS: u16 = 35;

/// What became of one run.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Minutes from the begin of the change to the incident that it opened, if it did.
    pub after: Option<f64>,
    /// Minutes from the incident to the end of the data.
    pub before_end: Option<f64>,
    /// Whether the incident's ranking names the right entity first.
    pub blamed: bool,
    /// Incidents that opened before the change or of somebody else.
    pub others: usize,
    /// The incident in a line.
    pub line: String,
}

/// What gets worse, a minute.
#[derive(Debug, Clone, Copy)]
pub enum Ramp {
    /// Each latency by this share of what it was a minute before.
    Latency(f64),
    /// The chance to fail by so much.
    Errors(f64),
}

impl Ramp {
    /// Changes a request `minutes` after the start.
    fn change(self, request: &mut SimulatedRequest, minutes: f64) {
        match self {
            Self::Latency(share) => request.latency_ms *= (1.0 + share).powf(minutes),
            Self::Errors(chance) => {
                // its trace is as random as anything else of it
                if ((request.trace_id >> 11) as f64) < chance * minutes * (1_u64 << 53) as f64 {
                    request.status_code = 500;
                }
            }
        }
    }
}

/// A pipeline at its defaults in which one entity gets worse from `begins` on.
struct Watch {
    pipeline: Pipeline,
    update: Update,
    entity: Entity,
    begins: Timestamp,
    outcome: Outcome,
    found: Option<(Timestamp, String)>,
}

impl Watch {
    fn new(entity: Entity, begins: Timestamp) -> Result<Self> {
        Ok(Self {
            pipeline: Pipeline::new(PipelineConfig::default())?,
            update: Update::default(),
            entity,
            begins,
            outcome: Outcome::default(),
            found: None,
        })
    }

    /// Looks at what opened by the time at which the stream stands.
    fn look(&mut self, at: Timestamp) {
        for change in std::mem::take(&mut self.update).changes {
            let IncidentChange::Opened(incident) = change else { continue };
            if at < self.begins || incident.entity != self.entity {
                self.outcome.others += 1;
            } else if self.found.is_none() {
                self.found = Some((at, incident.id));
            }
        }
    }

    fn end(mut self, at: Timestamp) -> Outcome {
        self.pipeline.finish();
        let Some((found, id)) = self.found else { return self.outcome };
        let minutes = |from: Timestamp, to: Timestamp| to.since(from) as f64 / MINUTE as f64;
        let incidents = self.pipeline.incidents();
        let incident = incidents.into_iter().find(|incident| incident.id == id);
        let first = |incident| self.pipeline.ranking_of(incident).culprits.into_iter().next();
        Outcome {
            after: Some(minutes(self.begins, found)),
            before_end: Some(minutes(found, at)).filter(|minutes| *minutes > 0.0),
            blamed: incident.and_then(first).is_some_and(|first| first.entity == self.entity),
            line: incident.map(|incident| self.pipeline.explain(incident).line).unwrap_or_default(),
            ..self.outcome
        }
    }
}

/// A shop of twelve endpoints with `per_minute` requests a minute. After `calm` minutes one endpoint,
/// chosen by the seed, gets worse for 35 minutes.
///
/// # Errors
///
/// A shop that cannot be.
pub fn run_ramp(seed: u64, calm: u16, a_minute: u64, ramp: Ramp) -> Result<Outcome> {
    let place = random_incident(seed, IncidentKind::OUTAGE);
    let minutes = u64::from(calm + CLIMBS);
    let shop = Shop::new(ShopConfig {
        rows: a_minute * minutes,
        duration_seconds: 60.0 * minutes as f64,
        seed,
        incidents: Vec::new(),
        ..ShopConfig::default()
    })?;
    let begins = shop.config().start.plus(i64::from(calm) * MINUTE);
    let mut watch = Watch::new(Entity::new(&place.service, &place.endpoint), begins)?;
    let mut last = begins;
    for (position, mut request) in (1..).zip(shop.requests()) {
        let since = request.timestamp.since(begins);
        let Entity { service, endpoint, .. } = &watch.entity;
        if since > 0 && request.service == *service && request.endpoint == *endpoint {
            ramp.change(&mut request, since as f64 / MINUTE as f64);
        }
        last = request.timestamp;
        watch.pipeline.push(request.request(), &Source::at(position), &mut watch.update);
        if !watch.update.rows.is_empty() {
            watch.look(last);
        }
    }
    Ok(watch.end(last))
}

/// A service measured once a second in three metrics, until the static rule fires. `Calm` ends after
/// `days` days.
///
/// # Errors
///
/// A world that cannot be.
pub fn run_radar(scenario: RadarScenario, seed: u64, calm: u16, days: usize) -> Result<Outcome> {
    let radar = Radar::new(scenario, seed, ShopConfig::default().start)?.with_calm(calm);
    let begins = match scenario {
        RadarScenario::Calm => Timestamp::MAX,
        _ => radar.begins(),
    };
    let mut watch = Watch::new(Entity::new("radar", "drift"), begins)?;
    let mut last = begins;
    for (position, point) in (0..).zip(radar.take(86_400 * days)) {
        last = point.at;
        let values = [
            ("latency_ms", point.latency_ms),
            ("error_rate", point.error_rate),
            ("cpu_pct", point.cpu_pct),
        ];
        for (place, (metric, value)) in (1..).zip(values) {
            let point = MetricPoint {
                resource: "drift",
                ..MetricPoint::new(point.at, "radar", metric, value)
            };
            watch.pipeline.push(point, &Source::at(3 * position + place), &mut watch.update);
        }
        watch.look(last);
    }
    Ok(watch.end(last))
}
