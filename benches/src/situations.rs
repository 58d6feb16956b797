//! Simulated situations around an incident: what a ranking over metrics meets in fleets.
//!
//! Ten to twenty services call each other along a tree and share a load that varies with the time of
//! day. Latency is made call by call: a service takes its own time and that of its calls, and each
//! call takes the callee's time and that of the network. Memory warms up or drifts in many services.

use mad_core::culprit::MetricWindow;
use mad_core::{MetricPoint, Timestamp};

use crate::fleet::Noise;

/// What happens at the onset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// A service uses more processor time and becomes slower.
    Cpu,
    /// The memory of a service grows within minutes, which costs processor time too.
    Memory,
    /// Packets from and to a service are delayed.
    Delay,
    /// One of the three above, in every second row only.
    Flapping,
    /// Nothing: load, drifts and strays only.
    Quiet,
    /// A pod of a new version takes the place of another, and it is slow or fails.
    Canary,
    /// A pod of a new version takes the place of another, and it is as the others.
    Rollout,
    /// Processor use or memory moves this number of rows before calls become slow.
    Lead(i64),
}

/// One series of a situation.
#[derive(Debug, Clone)]
pub struct SituationSeries {
    /// The service.
    pub service: String,
    /// The pod, or empty.
    pub pod: String,
    /// The metric.
    pub metric: String,
    /// Values by row; NaN where the pod does not exist.
    pub values: Vec<f64>,
}

/// A fleet around the onset.
#[derive(Debug, Clone)]
pub struct Situation {
    /// All series.
    pub series: Vec<SituationSeries>,
    /// Calls as (caller, callee).
    pub edges: Vec<(String, String)>,
    /// The faulty service; `None` if nothing is wrong.
    pub culprit: Option<String>,
    /// Beginning of the names of the metrics at fault.
    pub metric: &'static str,
    /// The row from which on the target is slow: the declared onset.
    pub onset: i64,
    /// The service that calls the faulty one, and its latency.
    pub target: (String, String),
}

/// Sizes of a situation.
const BEFORE: i64 = 180;
/// Seconds from row to row.
const STEP: i64 = 60;

/// Properties of one service.
struct Service {
    own_ms: f64,
    cpu: f64,
    memory: f64,
    drift: f64,
    warmth: f64,
    requests: f64,
    callees: Vec<usize>,
    pods: usize,
    noise: f64,
}

impl Situation {
    /// Simulates a situation.
    pub fn draw(seed: u64, happening: Happening) -> Self {
        let mut noise = Noise::new(seed ^ 0x51_7cc1_b727);
        let count = 8 + noise.below(12);
        let mut services: Vec<Service> = (0..count)
            .map(|_| Service {
                own_ms: 2.0 + 30.0 * noise.unit() * noise.unit(),
                cpu: 0.05 + 0.5 * noise.unit(),
                memory: 80.0 + 900.0 * noise.unit(),
                drift: if noise.below(3) == 0 { 0.25 * noise.unit() } else { 0.0 },
                warmth: if noise.below(3) == 0 { 0.4 * noise.unit() } else { 0.0 },
                requests: 20.0 + 400.0 * noise.unit(),
                callees: Vec::new(),
                pods: 2 + noise.below(3),
                noise: 0.02 + 0.06 * noise.unit(),
            })
            .collect();
        let (mut edges, mut callers) = (Vec::new(), vec![0]);
        for at in 1..count {
            let caller = noise.below(at.min(6)) + at.saturating_sub(6);
            callers.push(caller);
            edges.push((name(caller), name(at)));
            if let Some(caller) = services.get_mut(caller) {
                caller.callees.push(at);
            }
        }
        let culprit = 1 + noise.below(count - 1);
        let length = 6 + noise.below(25) as i64;
        let fault = Fault::draw(&mut noise, happening, culprit, length);
        let rows = BEFORE + length;
        let day = 200.0 + 1200.0 * noise.unit();
        let phase = noise.unit();
        let mut load = vec![0.0; rows as usize];
        let mut lasting = 0.0;
        for (row, load) in load.iter_mut().enumerate() {
            lasting = 0.8 * lasting + 0.03 * noise.normal();
            let angle = std::f64::consts::TAU * (row as f64 / day + phase);
            *load = (1.0 + 0.25 * angle.sin() + lasting).max(0.2);
        }
        let mut series = Vec::new();
        // callees come after callers, so their latency is made first
        let mut served: Vec<Vec<f64>> = vec![Vec::new(); count];
        for at in (0..count).rev() {
            let Some(service) = services.get(at) else { continue };
            let place = Place { at, service, served: &served, load: &load, fault: &fault };
            let (made, latency) = service_series(&place, &mut noise);
            series.extend(made);
            if let Some(place) = served.get_mut(at) {
                *place = latency;
            }
        }
        let quiet = matches!(happening, Happening::Quiet | Happening::Rollout);
        Self {
            series,
            edges,
            culprit: (!quiet).then(|| name(culprit)),
            metric: fault.metric,
            onset: BEFORE,
            target: (
                callers.get(culprit).map_or_else(|| name(0), |at| name(*at)),
                "latency_p90".to_owned(),
            ),
        }
    }

    /// The rows from the onset on as the incident, and those before it as normal time.
    pub fn window(&self) -> MetricWindow {
        let mut gathered = MetricWindow::new();
        for series in &self.series {
            for (row, value) in (0_i64..).zip(&series.values) {
                if value.is_nan() {
                    continue;
                }
                let at = Timestamp::from_seconds(1_700_000_000 + STEP * row);
                let mut point = MetricPoint::new(at, &series.service, &series.metric, *value);
                point.resource = &series.pod;
                if row < self.onset {
                    gathered.normal(&point, 1);
                } else {
                    gathered.incident(&point, 1);
                }
            }
        }
        gathered
    }
}

/// The fault of one service.
struct Fault {
    happening: Happening,
    culprit: usize,
    metric: &'static str,
    /// Growth of the resource, and of the service's own time, as factors.
    grows: f64,
    slows: f64,
    delay_ms: f64,
    ramp: f64,
    is_failing: bool,
}

impl Fault {
    fn draw(noise: &mut Noise, happening: Happening, culprit: usize, length: i64) -> Self {
        let kind = match happening {
            Happening::Flapping => [Happening::Cpu, Happening::Memory, Happening::Delay]
                .into_iter()
                .nth(noise.below(3)),
            Happening::Lead(_) => {
                [Happening::Cpu, Happening::Memory].into_iter().nth(noise.below(2))
            }
            other => Some(other),
        };
        let metric = match kind {
            Some(Happening::Cpu) => "cpu",
            Some(Happening::Memory) => "memory",
            _ => "",
        };
        let (cpu, memory) = (metric == "cpu", metric == "memory");
        Self {
            happening,
            culprit,
            metric,
            grows: if cpu { 0.4 + 2.0 * noise.unit() } else { 0.3 + noise.unit() },
            slows: match kind {
                Some(Happening::Cpu) => 0.2 + 1.5 * noise.unit(),
                Some(Happening::Memory) => 0.5 * noise.unit(),
                _ => 0.5 + 1.5 * noise.unit(),
            },
            delay_ms: if kind == Some(Happening::Delay) { 3.0 + 60.0 * noise.unit() } else { 0.0 },
            ramp: if memory { 2.0 + 8.0 * noise.unit() } else { 1.0 },
            is_failing: length % 2 == 0,
        }
    }

    /// The share of the fault at a row, for the resource or for calls.
    fn share(&self, row: usize, is_resource: bool) -> f64 {
        let lead = match self.happening {
            Happening::Lead(rows) if is_resource => rows,
            _ => 0,
        };
        let since = row as i64 - (BEFORE - lead) + 1;
        if since <= 0 || self.happening == Happening::Flapping && since % 2 == 0 {
            return 0.0;
        }
        (since as f64 / self.ramp).min(1.0)
    }

    fn is(&self, at: usize, metric: &str) -> bool {
        self.culprit == at && self.metric == metric
    }
}

/// A service with its place among the others, the latencies of those that it may call, and the load
/// by row.
struct Place<'a> {
    at: usize,
    service: &'a Service,
    served: &'a [Vec<f64>],
    load: &'a [f64],
    fault: &'a Fault,
}

/// The latency of a service by row, and how long it waits for each of its callees.
fn latency_and_waits(place: &Place<'_>, noise: &mut Noise) -> (Vec<f64>, Vec<Vec<f64>>) {
    let Place { at, service, served, load, fault } = *place;
    let mut latency = vec![0.0; load.len()];
    let mut lasting = 0.0;
    let mut client: Vec<Vec<f64>> = vec![Vec::new(); service.callees.len()];
    for (row, (latency, load)) in latency.iter_mut().zip(load).enumerate() {
        lasting = 0.5 * lasting + service.noise * noise.normal();
        let is_slow = at == fault.culprit && !fault.metric.is_empty();
        let slow = if is_slow { fault.slows * fault.share(row, false) } else { 0.0 };
        let own = service.own_ms * (1.0 + 0.3 * (load - 1.0) + lasting).max(0.2) * (1.0 + slow);
        *latency = own;
        for (callee, waits) in service.callees.iter().zip(&mut client) {
            let delayed = at == fault.culprit || *callee == fault.culprit;
            let delay = if delayed { fault.delay_ms * fault.share(row, false) } else { 0.0 };
            let network = 0.6 + 0.1 * noise.normal().abs() + delay;
            let there = served.get(*callee).and_then(|rows| rows.get(row)).copied().unwrap_or(0.0);
            let waited = there + network;
            waits.push(waited * (1.0 + 0.02 * noise.normal()));
            *latency += waited;
        }
    }
    (latency, client)
}

/// The series of a service, and its latency by row.
fn service_series(place: &Place<'_>, noise: &mut Noise) -> (Vec<SituationSeries>, Vec<f64>) {
    let Place { at, service, served, load, fault } = *place;
    let is_pods = matches!(fault.happening, Happening::Canary | Happening::Rollout);
    let mut made = Vec::new();
    let (mut latency, client) = latency_and_waits(place, noise);
    // a canary takes a share of the service's calls, so callers see a part of its fault
    let pods = if is_pods { service.pods } else { 1 };
    let canary = is_pods && at == fault.culprit;
    if canary && fault.happening == Happening::Canary && !fault.is_failing {
        for (row, latency) in latency.iter_mut().enumerate() {
            *latency *= 1.0 + fault.slows * fault.share(row, false) / pods as f64;
        }
    }
    for pod in 0..pods + usize::from(canary) {
        let label = if is_pods { format!("{}-{pod}", name(at)) } else { String::new() };
        let (is_new, is_gone) = (canary && pod == pods, canary && pod == 0);
        let bad = is_new && fault.happening == Happening::Canary;
        let level = 1.0 + 0.05 * noise.normal();
        let mut push = |metric: &str, value: &mut dyn FnMut(usize, &mut Noise) -> f64| {
            let values = (0..load.len()).map(|row| {
                let lives = row as i64 >= BEFORE && is_new
                    || !is_new && (!is_gone || (row as i64) < BEFORE);
                let value = value(row, noise);
                if lives { value } else { f64::NAN }
            });
            made.push(SituationSeries {
                service: name(at),
                pod: label.clone(),
                metric: metric.to_owned(),
                values: values.collect(),
            });
        };
        let at_row = |rows: &[f64], row: usize| rows.get(row).copied().unwrap_or(0.0);
        let stray =
            |noise: &mut Noise| if noise.below(150) == 0 { 1.0 + noise.unit() } else { 1.0 };
        let slowed = |row: usize| {
            let own = at_row(&latency, row);
            if bad && !fault.is_failing { own * (1.0 + fault.slows) } else { own }
        };
        push("latency_p50", &mut |row, n| slowed(row) * (1.0 + 0.03 * n.normal()) * stray(n));
        push("latency_p90", &mut |row, n| 1.8 * slowed(row) * (1.0 + 0.07 * n.normal()) * stray(n));
        push("cpu", &mut |row, n| {
            let grows =
                if fault.is(at, "cpu") { fault.grows * fault.share(row, true) } else { 0.0 };
            // a service that runs out of memory collects garbage
            let collects = if fault.is(at, "memory") {
                1.5 * fault.grows * fault.share(row, true)
            } else {
                0.0
            };
            service.cpu
                * level
                * at_row(load, row)
                * (1.0 + grows + collects)
                * (1.0 + 0.05 * n.normal())
                * stray(n)
        });
        push("memory", &mut |row, n| {
            let grows =
                if fault.is(at, "memory") { fault.grows * fault.share(row, true) } else { 0.0 };
            let age = row as f64 / load.len() as f64;
            let warm = service.drift * age + service.warmth * (1.0 - (-3.0 * age).exp());
            service.memory * level * (1.0 + warm + grows) * (1.0 + 0.004 * n.normal())
        });
        push("requests", &mut |row, n| {
            let usual = service.requests * at_row(load, row) / pods as f64;
            usual + usual.sqrt() * n.normal()
        });
        push("errors", &mut |row, n| {
            let usual = service.requests * at_row(load, row) / pods as f64;
            let share = if bad && fault.is_failing { 0.1 + 0.2 * fault.slows } else { 0.001 };
            (usual * share + (usual * share).sqrt() * n.normal()).max(0.0).round()
        });
        push("net_tx_bytes", &mut |row, n| {
            900.0 * service.requests * at_row(load, row) * (1.0 + 0.05 * n.normal())
        });
    }
    for (callee, values) in service.callees.iter().zip(client) {
        let series = |service: usize, metric: String, values: Vec<f64>| SituationSeries {
            service: name(service),
            pod: String::new(),
            metric,
            values,
        };
        let there = served.get(*callee).cloned().unwrap_or_default();
        let there = there.into_iter().map(|value| value * (1.0 + 0.02 * noise.normal())).collect();
        made.push(series(at, format!("client_latency_p50->{}", name(*callee)), values));
        made.push(series(*callee, format!("server_latency_p50->{}", name(at)), there));
    }
    (made, latency)
}

fn name(at: usize) -> String {
    format!("service-{at}")
}
