//! Simulated fleets of services with one metric value a second and one faulty service.

use mad_core::culprit::MetricWindow;
use mad_core::{MetricPoint, Timestamp};

/// Kinds of faults, each with the metric that shows it first.
pub const FAULTS: [(&str, &str); 5] = [
    ("cpu", "cpu"),
    ("mem", "memory"),
    ("disk", "disk_io"),
    ("delay", "latency_p90"),
    ("loss", "errors"),
];
/// Metrics of every service.
const METRICS: [&str; 10] = [
    "latency_p50",
    "latency_p90",
    "errors",
    "cpu",
    "memory",
    "disk_io",
    "net_rx_bytes",
    "net_tx_bytes",
    "workload",
    "threads",
];

/// Parameters of a simulated fleet.
#[derive(Debug, Clone, Copy)]
pub struct FleetConfig {
    /// Seed of the random numbers.
    pub seed: u64,
    /// Number of services.
    pub services: usize,
    /// Seconds before the fault, and from its start to the end.
    pub rows: (i64, i64),
    /// Index of the fault in [`FAULTS`].
    pub fault: usize,
}

/// One metric of one service, with one value a second.
#[derive(Debug, Clone)]
pub struct FleetSeries {
    /// The service.
    pub service: String,
    /// The metric.
    pub metric: &'static str,
    /// Values from the first second on. The fault starts at `rows.0`.
    pub values: Vec<f64>,
}

/// A fleet over time.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// All metrics of all services.
    pub series: Vec<FleetSeries>,
    /// Calls as (caller, callee).
    pub edges: Vec<(String, String)>,
    /// The faulty service.
    pub culprit: String,
}

impl Fleet {
    /// Simulates a fleet.
    ///
    /// The calls form a tree. The noise is autocorrelated over some seconds, with one outlier in a
    /// hundred values; memory drifts. The fault raises a metric of one service by 15 to 100 % within
    /// some seconds and reaches each caller 2 to 6 seconds later, weaker.
    pub fn draw(config: FleetConfig) -> Self {
        let mut noise = Noise::new(config.seed);
        let callers: Vec<usize> = (0..config.services)
            .map(|at| noise.below(at.clamp(1, 8)) + at.saturating_sub(8))
            .collect();
        let name = |at: usize| format!("service-{at}");
        let edges = (1..config.services)
            .filter_map(|at| Some((name(*callers.get(at)?), name(at))))
            .collect();
        let culprit = 1 + noise.below(config.services.saturating_sub(1).max(1));
        // share and delay in seconds with which the fault reaches each service
        let mut reached = vec![(0.0, 0_i64); config.services];
        let (mut at, mut share, mut after) = (culprit, 1.0, 0);
        loop {
            if let Some(one) = reached.get_mut(at) {
                *one = (share, after);
            }
            if at == 0 {
                break;
            }
            (share, after) =
                (share * (0.5 + 0.4 * noise.unit()), after + 2 + noise.below(5) as i64);
            at = callers.get(at).copied().unwrap_or(0);
        }
        let size = 0.15 + 0.85 * noise.unit();
        let fault = FAULTS.get(config.fault).map_or("", |fault| fault.1);
        let mut series = Vec::with_capacity(config.services * METRICS.len());
        for (at, (share, after)) in reached.into_iter().enumerate() {
            for metric in METRICS {
                let latency = metric.starts_with("latency");
                let own = if at == culprit && metric == fault { size } else { 0.0 };
                // every fault makes calls slow; a loss also makes them fail
                let spread = if latency { 0.8 * size * share } else { 0.0 };
                let failing =
                    if metric == "errors" && fault == "errors" { size * share } else { 0.0 };
                let grows = own.max(spread).max(failing);
                let values = one_series(&mut noise, config, metric, grows, after);
                series.push(FleetSeries { service: name(at), metric, values });
            }
        }
        Self { series, edges, culprit: name(culprit) }
    }

    /// The `window` seconds from the declared `onset` on as the incident, and as many before it as normal
    /// time.
    pub fn window(&self, onset: i64, window: i64) -> MetricWindow {
        let mut gathered = MetricWindow::new();
        for series in &self.series {
            for (row, value) in (0_i64..).zip(&series.values) {
                let at = Timestamp::from_seconds(1_700_000_000 + row);
                let point = MetricPoint::new(at, &series.service, series.metric, *value);
                if row >= onset && row < onset + window {
                    gathered.incident(&point, 1);
                } else if row < onset && row >= onset - window {
                    gathered.normal(&point, 1);
                }
            }
        }
        gathered
    }
}

/// Values of one metric; the fault raises them by the share `grows` from `after` seconds on.
fn one_series(
    noise: &mut Noise,
    config: FleetConfig,
    metric: &str,
    grows: f64,
    after: i64,
) -> Vec<f64> {
    let level = 1.0 + 99.0 * noise.unit();
    let spread = 0.03 + 0.07 * noise.unit();
    let ramp = 1.0 + noise.below(6) as f64;
    let (mut lasting, mut drift) = (0.0, 0.0);
    (0..config.rows.0 + config.rows.1)
        .map(|row| {
            lasting = 0.6 * lasting + 0.8 * noise.normal();
            drift += if metric == "memory" { 0.002 * noise.normal() } else { 0.0 };
            let stray = if noise.below(100) == 0 { 6.0 * noise.unit() } else { 0.0 };
            let since = (row - config.rows.0 - after + 1).max(0) as f64;
            let fault = grows * (since / ramp).min(1.0);
            level * (1.0 + drift + spread * (lasting + stray) + fault).max(0.0)
        })
        .collect()
}

/// Random numbers (xorshift64).
pub struct Noise(u64);

impl Noise {
    /// The sequence of a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Uniform from 0 to 1.
    pub fn unit(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A uniform integer from 0 to `most - 1`.
    pub fn below(&mut self, most: usize) -> usize {
        (self.unit() * most as f64) as usize
    }

    /// Approximately standard normal: the sum of twelve uniform numbers minus six.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}
