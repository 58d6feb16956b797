//! Traces of a small system with one faulty service.

use std::sync::Arc;

use super::random::Draws;
use super::span::SimulatedSpan;
use super::trace_config::{TraceScenario, TracesConfig};
use super::{SimulatedRequest, Truth, TruthIncident};
use crate::error::Result;
use crate::series::CALLS_TO;
use crate::telemetry::SpanKind;
use crate::time::Timestamp;

/// Share of calls that fail outside the fault.
const BACKGROUND: f64 = 0.002;
/// Share of calls of a failing service that fail.
const FAILING: f64 = 0.9;

/// One service of the system.
#[derive(Debug, Clone)]
struct Place {
    service: Arc<str>,
    method: &'static str,
    route: Arc<str>,
    operation: Arc<str>,
    work_us: f64,
    callees: Vec<usize>,
    /// Timeout for a callee, µs.
    patience_us: i64,
    /// Offset of its clock, ns.
    skew: i64,
}

/// Kind and place of the fault.
#[derive(Debug, Clone, Copy)]
struct Fault {
    place: usize,
    /// Share of its calls that fail.
    failing: f64,
    /// Whether its callers no longer call it.
    is_silent: bool,
    delay_us: i64,
    /// Additional time of calls to it and of answers from it, µs.
    way_us: i64,
}

/// Traces of a small system with a faulty service between 60 % and 90 % of the time.
///
/// Every call has a client span of the caller and a server span of the callee. A failing call makes its
/// caller fail. The same configuration gives the same bytes on every machine.
///
/// # Examples
///
/// ```
/// use mad_core::simulate::{TraceScenario, Traces, TracesConfig};
///
/// let config = TracesConfig { scenario: TraceScenario::Errors, depth: 3, ..TracesConfig::default() };
/// let traces = Traces::new(config)?;
/// let telemetry = traces.run();
/// // a failing call ends its caller early
/// assert!(telemetry.requests.len() > 900 * 4 && telemetry.requests.len() <= 900 * 5);
/// assert_eq!(traces.truth().incidents[0].service, "tier-3");
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Traces {
    config: TracesConfig,
    places: Vec<Place>,
    fault: Option<Fault>,
    draws: Draws,
}

/// The telemetry of a run, in order of time.
#[derive(Debug, Clone, Default)]
pub struct TracesTelemetry {
    /// Spans that were not lost.
    pub spans: Vec<SimulatedSpan>,
    /// One request per call of a service, none of them lost; their latency is the service's own.
    pub requests: Vec<SimulatedRequest>,
}

/// One trace under construction.
struct Trace<'a> {
    id: u64,
    name: Arc<str>,
    places: &'a [Place],
    fault: Option<Fault>,
    missing: f64,
    draws: &'a mut Draws,
    out: &'a mut TracesTelemetry,
}

impl Traces {
    /// A system that is ready to run.
    ///
    /// # Errors
    ///
    /// A config field outside its range.
    pub fn new(config: TracesConfig) -> Result<Self> {
        config.validate()?;
        let mut places = match config.scenario {
            TraceScenario::Errors | TraceScenario::Delays => chain(config.depth as usize),
            scenario => shop(if scenario == TraceScenario::Cascade { 3_000_000 } else { i64::MAX }),
        };
        let mut draws = Draws::new(config.seed);
        for place in &mut places {
            let micros = draws.within(-1.0, 1.0) * config.skew_ms * 1e3;
            place.skew = micros.round() as i64 * 1_000;
        }
        let fault = |service: &str, fails: bool, delay_us| {
            let place = places.iter().position(|place| &*place.service == service)?;
            let failing = config.error_rate.unwrap_or(if fails { FAILING } else { BACKGROUND });
            let delay_us = config.delay_ms.map_or(delay_us, |ms| (ms * 1e3).round() as i64);
            Some(Fault { place, failing, is_silent: false, delay_us, way_us: 0 })
        };
        let last = format!("tier-{}", config.depth);
        let fault = match config.scenario {
            TraceScenario::SlowPayment => fault("payment", false, 2_000_000),
            TraceScenario::FailingInventory => fault("inventory", true, 0),
            TraceScenario::SilentInventory => {
                fault("inventory", false, 0).map(|fault| Fault { is_silent: true, ..fault })
            }
            TraceScenario::Cascade => fault("payment", false, 4_000_000),
            TraceScenario::SlowNetwork => {
                fault("payment", false, 0).map(|fault| Fault { way_us: 400_000, ..fault })
            }
            TraceScenario::Errors => fault(&last, true, 0),
            TraceScenario::Delays => fault(&last, false, 2_000_000),
            TraceScenario::Quiet => None,
        };
        Ok(Self { config, places, fault, draws })
    }

    /// The configuration.
    pub const fn config(&self) -> &TracesConfig {
        &self.config
    }

    /// Runs from the beginning.
    pub fn run(&self) -> TracesTelemetry {
        let (mut draws, mut out) = (self.draws.following(), TracesTelemetry::default());
        let (first, after) = self.config.incident();
        for trace in 0..self.config.traces {
            let begin = self.config.begin(trace);
            let id = draws.bits();
            let mut trace = Trace {
                id,
                name: format!("{id:016x}").into(),
                places: &self.places,
                fault: self.fault.filter(|_| first <= begin && begin < after),
                missing: self.config.missing,
                draws: &mut draws,
                out: &mut out,
            };
            trace.serve(0, begin, None);
        }
        out.spans.sort_by(|a, b| (a.start, &a.span_id).cmp(&(b.start, &b.span_id)));
        out.requests.sort_by_key(|request| (request.timestamp, request.trace_id));
        out
    }

    /// The injected incident.
    pub fn truth(&self) -> Truth {
        let (start, end) = self.config.incident();
        let incidents = self.fault.iter().filter_map(|fault| {
            let place = self.places.get(fault.place)?;
            let above = self.places.iter().filter(|one| self.calls(one, fault.place));
            let caller = self.places.iter().find(|one| one.callees.contains(&fault.place));
            let (service, endpoint, kind) = match caller.filter(|_| fault.way_us > 0) {
                Some(caller) => {
                    (&caller.service, format!("{CALLS_TO}{}", place.service), "network")
                }
                None if fault.is_silent => (&place.service, place.route.to_string(), "silence"),
                None if fault.failing > BACKGROUND => {
                    (&place.service, place.route.to_string(), "error")
                }
                None => (&place.service, place.route.to_string(), "delay"),
            };
            Some(TruthIncident {
                service: service.to_string(),
                endpoint,
                start,
                end,
                kind: kind.to_owned(),
                affected: above.map(|one| format!("{} {}", one.service, one.route)).collect(),
                spec: None,
            })
        });
        Truth {
            seed: Some(self.config.seed),
            rows: Some(u64::from(self.config.traces)),
            start: Some(self.config.start.floor(1_000)),
            end: Some(self.config.end()),
            ..Truth::new(incidents.collect())
        }
    }

    /// Whether a place calls another, directly or through others.
    fn calls(&self, place: &Place, other: usize) -> bool {
        let through = |callee: &usize| {
            *callee == other || self.places.get(*callee).is_some_and(|one| self.calls(one, other))
        };
        place.callees.iter().any(through)
    }
}

impl Trace<'_> {
    /// Simulates a service on a call: its end by the true clock, and whether it failed.
    fn serve(&mut self, at: usize, begin: Timestamp, parent: Option<String>) -> (Timestamp, bool) {
        let places = self.places;
        let Some(place) = places.get(at) else { return (begin, false) };
        let span_id = self.new_id();
        let chance = self.draws.unit();
        let fault = self.fault.filter(|fault| fault.place == at);
        let mut failed = chance < fault.map_or(BACKGROUND, |fault| fault.failing);
        let shape = 0.4 + 0.2 * self.draws.unit() + 0.05 * self.draws.exponential();
        let work = (place.work_us * shape).round() as i64;
        let delay = fault.map_or(0, |fault| fault.delay_us);
        let mut now = later(begin, work + delay);
        for callee in &place.callees {
            if failed {
                break;
            }
            if self.fault.is_some_and(|fault| fault.is_silent && fault.place == *callee) {
                continue;
            }
            let client = self.new_id();
            let way = self.fault.filter(|fault| fault.place == *callee).map_or(0, |one| one.way_us);
            let out = self.network() + way;
            let (done, broken) = self.serve(*callee, later(now, out), Some(client.clone()));
            let done = later(done, self.network() + way);
            let given_up = later(now, place.patience_us);
            failed = broken || given_up < done;
            let done = done.min(given_up);
            let operation = places.get(*callee).map(|callee| Arc::clone(&callee.operation));
            let operation = operation.unwrap_or_default();
            self.push(
                place,
                operation,
                (client, Some(span_id.clone())),
                (now, done),
                failed,
                SpanKind::Client,
            );
            now = done;
        }
        if !failed {
            now = later(now, work);
        }
        let operation = Arc::clone(&place.operation);
        self.push(place, operation, (span_id, parent), (begin, now), failed, SpanKind::Server);
        self.out.requests.push(SimulatedRequest {
            timestamp: begin.plus(place.skew),
            service: Arc::clone(&place.service),
            endpoint: Arc::clone(&place.route),
            method: place.method,
            status_code: if failed { 500 } else { 200 },
            latency_ms: millis(begin, now),
            trace_id: self.id,
            is_anomaly: fault.is_some_and(|fault| fault.way_us == 0),
        });
        (now, failed)
    }

    fn push(
        &mut self,
        place: &Place,
        operation: Arc<str>,
        (span_id, parent_id): (String, Option<String>),
        (begin, end): (Timestamp, Timestamp),
        failed: bool,
        kind: SpanKind,
    ) {
        if self.draws.unit() < self.missing {
            return;
        }
        self.out.spans.push(SimulatedSpan {
            trace_id: Arc::clone(&self.name),
            span_id,
            parent_id,
            service: Arc::clone(&place.service),
            operation,
            start: begin.plus(place.skew),
            duration_ms: millis(begin, end),
            failed,
            kind,
        });
    }

    /// One-way network time, µs.
    fn network(&mut self) -> i64 {
        self.draws.within(200.0, 1_200.0).round() as i64
    }

    fn new_id(&mut self) -> String {
        format!("{:016x}", self.draws.bits())
    }
}

fn later(at: Timestamp, micros: i64) -> Timestamp {
    at.plus(micros.saturating_mul(1_000))
}

fn millis(begin: Timestamp, end: Timestamp) -> f64 {
    ((end.nanos() - begin.nanos()) / 1_000) as f64 / 1e3
}

fn place(
    service: &str,
    method: &'static str,
    route: &str,
    work_ms: f64,
    callees: &[usize],
) -> Place {
    Place {
        service: service.into(),
        method,
        route: route.into(),
        operation: format!("{method} {route}").into(),
        work_us: work_ms * 1e3,
        callees: callees.to_vec(),
        patience_us: i64::MAX,
        skew: 0,
    }
}

/// The checkout of the aiops system.
fn shop(patience_us: i64) -> Vec<Place> {
    let checkout = Place { patience_us, ..place("checkout", "POST", "/checkout", 10.0, &[1, 2]) };
    let payment = place("payment", "POST", "/payment", 100.0, &[]);
    vec![checkout, payment, place("inventory", "GET", "/inventory", 50.0, &[])]
}

/// A chain of services, each but the last with a neighbour that it calls first.
fn chain(depth: usize) -> Vec<Place> {
    let tier = |n: usize| {
        let callees = if n < depth { vec![depth + n - 1, n] } else { Vec::new() };
        place(&format!("tier-{n}"), "GET", &format!("/tier/{n}"), 20.0, &callees)
    };
    let side = |n: usize| place(&format!("side-{n}"), "GET", &format!("/side/{n}"), 8.0, &[]);
    (1..=depth).map(tier).chain((1..depth).map(side)).collect()
}
