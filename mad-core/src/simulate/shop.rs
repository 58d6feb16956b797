//! The shop's requests, one at a time.

use std::sync::Arc;

use super::catalogue;
use super::config::ShopConfig;
use super::incident::IncidentKind;
use super::random::Draws;
use super::request::SimulatedRequest;
use crate::error::Result;
use crate::evaluate::{Truth, TruthIncident};
use crate::time::Timestamp;

/// A simulated web shop.
///
/// # Examples
///
/// ```
/// use mad_core::simulate::{Shop, ShopConfig, write_csv_header};
///
/// let shop = Shop::new(ShopConfig { rows: 100, seed: 7, ..ShopConfig::default() })?;
/// let mut file = Vec::new();
/// write_csv_header(&mut file, false);
/// for request in shop.requests() {
///     request.write_csv(&mut file, false);
/// }
/// assert_eq!(file.iter().filter(|byte| **byte == b'\n').count(), 101);
/// assert_eq!(shop.truth().incidents[0].service, "payments");
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Shop {
    config: ShopConfig,
    world: Arc<World>,
}

/// All endpoints and how often each is called.
#[derive(Debug)]
struct World {
    routes: Vec<Route>,
    /// Sum of the weights of the routes up to and with this one.
    cumulative: Vec<f64>,
    total: f64,
    start: Timestamp,
    duration_micros: i64,
}

#[derive(Debug)]
struct Route {
    service: Arc<str>,
    endpoint: Arc<str>,
    method: &'static str,
    latency: (f64, f64),
    error_rate: f64,
    incidents: Vec<Window>,
}

/// An incident on a route.
#[derive(Debug)]
struct Window {
    /// Its place among all incidents, which is its stream of random numbers.
    index: usize,
    start: Timestamp,
    end: Timestamp,
    kind: IncidentKind,
}

impl Shop {
    /// A shop after `config`.
    ///
    /// # Errors
    ///
    /// Those of [`ShopConfig::validate`].
    pub fn new(config: ShopConfig) -> Result<Self> {
        config.validate()?;
        let mut routes = Vec::new();
        let mut cumulative = Vec::new();
        let mut total = 0.0;
        for (name, service) in catalogue::services(config.services) {
            let name: Arc<str> = name.into();
            for endpoint in &service.endpoints {
                total += service.weight / service.endpoints.len() as f64;
                cumulative.push(total);
                let hit = |(index, incident): (usize, &super::IncidentSpec)| {
                    let here = *incident.service == *name && incident.endpoint == endpoint.name;
                    let (start, end) = config.span(incident);
                    here.then_some(Window { index, start, end, kind: incident.kind })
                };
                routes.push(Route {
                    service: Arc::clone(&name),
                    endpoint: endpoint.name.into(),
                    method: endpoint.method,
                    latency: endpoint.latency,
                    error_rate: endpoint.error_rate,
                    incidents: config.incidents.iter().enumerate().filter_map(hit).collect(),
                });
            }
        }
        let world = World {
            routes,
            cumulative,
            total,
            start: config.first_moment(),
            duration_micros: config.duration_micros(),
        };
        Ok(Self { config, world: Arc::new(world) })
    }

    /// The configuration.
    pub fn config(&self) -> &ShopConfig {
        &self.config
    }

    /// All requests in order of time, in constant memory, the same each time. There are
    /// [`rows`](ShopConfig::rows) of them less those lost to traffic incidents.
    pub fn requests(&self) -> ShopRequests {
        let draws = Draws::new(self.config.seed);
        let times = draws.following();
        let mut last = times.clone();
        let incidents = self
            .config
            .incidents
            .iter()
            .map(|_| {
                last = last.following();
                last.clone()
            })
            .collect();
        let mut spacings = times.clone();
        let span = (0..=self.config.rows).fold(0.0, |sum, _| sum + spacings.exponential());
        ShopRequests {
            world: Arc::clone(&self.world),
            left: self.config.rows,
            draws,
            times,
            incidents,
            elapsed: 0.0,
            micros_per_spacing: self.world.duration_micros as f64 / span,
        }
    }

    /// The injected incidents, with ends cut to the data.
    pub fn truth(&self) -> Truth {
        let config = &self.config;
        let incident = |spec: &super::IncidentSpec| {
            let (start, end) = config.span(spec);
            TruthIncident {
                service: spec.service.clone(),
                endpoint: spec.endpoint.clone(),
                start,
                end,
                kind: spec.kind.as_str().to_owned(),
                affected: Vec::new(),
                spec: Some(spec.to_string()),
            }
        };
        Truth {
            seed: Some(config.seed),
            rows: Some(config.rows),
            start: Some(config.first_moment()),
            end: Some(config.last_moment()),
            ..Truth::new(config.incidents.iter().map(incident).collect())
        }
    }
}

/// The requests of a [`Shop`]; see [`Shop::requests`].
#[derive(Debug, Clone)]
pub struct ShopRequests {
    world: Arc<World>,
    left: u64,
    draws: Draws,
    times: Draws,
    incidents: Vec<Draws>,
    elapsed: f64,
    micros_per_spacing: f64,
}

/// What all incidents of an endpoint do to one request.
struct Effect {
    kept: bool,
    inside: bool,
    factor: f64,
    outage_rate: Option<f64>,
    added_rate: f64,
}

impl ShopRequests {
    fn effect(incidents: &mut [Draws], route: &Route, at: Timestamp) -> Effect {
        let mut effect =
            Effect { kept: true, inside: false, factor: 1.0, outage_rate: None, added_rate: 0.0 };
        for window in &route.incidents {
            if at < window.start || window.end <= at {
                continue;
            }
            let Some(draws) = incidents.get_mut(window.index) else { continue };
            effect.inside = true;
            match window.kind {
                IncidentKind::Outage { latency, errors } => {
                    let rate = draws.within(errors.0, errors.1);
                    effect.outage_rate = Some(effect.outage_rate.map_or(rate, |r| r.max(rate)));
                    effect.factor *= draws.within(latency.0, latency.1);
                }
                IncidentKind::Latency { factor } => effect.factor *= factor,
                IncidentKind::Errors { add } => effect.added_rate += add,
                IncidentKind::Traffic { factor } => effect.kept &= draws.unit() < factor,
            }
        }
        effect
    }
}

impl Iterator for ShopRequests {
    type Item = SimulatedRequest;

    fn next(&mut self) -> Option<SimulatedRequest> {
        let world = &self.world;
        while self.left > 0 {
            self.left -= 1;
            self.elapsed += self.times.exponential();
            let micros = (self.elapsed * self.micros_per_spacing) as i64;
            let at = world.start.plus(micros.min(world.duration_micros - 1).saturating_mul(1_000));

            let chosen = self.draws.unit() * world.total;
            let (latency, error) = (self.draws.unit(), self.draws.unit());
            let stretch = self.draws.within(1.2, 2.0);
            let trace_id = self.draws.bits();

            let index = world.cumulative.partition_point(|sum| *sum <= chosen);
            let route = world.routes.get(index).or(world.routes.last())?;
            let effect = Self::effect(&mut self.incidents, route, at);
            if !effect.kept {
                continue;
            }
            let failed = error < effect.outage_rate.unwrap_or(route.error_rate) + effect.added_rate;
            let (low, high) = route.latency;
            let slower = if failed && !effect.inside { stretch } else { effect.factor };
            let latency_ms = (low + latency * (high - low)) * slower;
            return Some(SimulatedRequest {
                timestamp: at,
                service: Arc::clone(&route.service),
                endpoint: Arc::clone(&route.endpoint),
                method: route.method,
                status_code: if failed { 500 } else { 200 },
                latency_ms: (latency_ms * 1e3).round() / 1e3,
                trace_id,
                is_anomaly: effect.inside,
            });
        }
        None
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, usize::try_from(self.left).ok())
    }
}
