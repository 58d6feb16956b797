//! Requests of a small fleet with a rhythm, cron jobs and at most one fault.

use std::f64::consts::TAU;

use mad_core::time::{MINUTE, Timestamp};
use mad_core::{Incident, Pipeline, PipelineConfig, Request, Result};

/// Minutes of a day.
pub const DAY: i64 = 1_440;
/// Monday 2026-01-05 00:00.
const START: i64 = 1_767_571_200;

/// Uniform numbers from 0 to 1 (`SplitMix64`; Steele, Lea and Flood, 2014).
#[derive(Debug, Clone)]
pub struct Uniform(u64);

impl Uniform {
    /// The numbers of a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xD134_2543_DE82_EF95))
    }

    /// The next number.
    pub fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number between two others, uniform by its logarithm.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low * (high / low).powf(self.unit())
    }

    /// A normal deviate (Box and Muller, 1958).
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (TAU * self.unit()).cos()
    }

    /// A Poisson count: sums of exponential spacings, and the normal limit for large means.
    fn poisson(&mut self, mean: f64) -> i64 {
        if mean > 50.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0) as i64;
        }
        let (mut count, mut passed) = (0, -(1.0 - self.unit()).ln());
        while passed < mean {
            count += 1;
            passed -= (1.0 - self.unit()).ln();
        }
        count
    }
}

/// The fault of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// A share of the requests fails, in addition to the usual one.
    Errors(f64),
    /// Every latency times a factor.
    Slow(f64),
    /// This share of the requests remains.
    Traffic(f64),
}

/// Minutes of each period in which a job runs, and what it does.
#[derive(Debug, Clone, Copy)]
pub struct Job {
    /// Period in minutes.
    pub every: i64,
    /// First minute of the job within the period.
    pub first: i64,
    /// Length in minutes.
    pub length: i64,
    /// Requests a minute that it adds, as a factor of the mean rate.
    pub traffic: f64,
    /// Factor of the latencies.
    pub latency: f64,
}

impl Job {
    fn runs(&self, minute: i64) -> bool {
        let into = (minute - self.first).rem_euclid(self.every);
        into < self.length
    }
}

/// One endpoint.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The service.
    pub service: &'static str,
    /// The path.
    pub path: &'static str,
    /// Mean number of requests a minute over a day.
    pub rate: f64,
    /// Median latency in milliseconds.
    pub latency: f64,
    /// Usual share of failures.
    pub errors: f64,
    /// How far the number of requests swings about its mean in a day, 0 to below 1.
    pub swing: f64,
    /// Cron jobs that hit the endpoint.
    pub jobs: Vec<Job>,
    /// A fault, with its first and last minute.
    pub fault: Option<(Fault, i64, i64)>,
}

impl Endpoint {
    /// Requests a minute and the factor of the latency at a minute, without a fault.
    fn usual(&self, minute: i64) -> (f64, f64) {
        let day = (minute % DAY) as f64 / DAY as f64;
        // The peak is at 15:00.
        let wave = self.swing * (TAU * (day - 0.625)).cos();
        let (mut rate, mut latency) = (self.rate * (1.0 + wave), 1.0 + 0.15 * wave);
        for job in self.jobs.iter().filter(|job| job.runs(minute)) {
            rate += job.traffic * self.rate;
            latency *= job.latency;
        }
        (rate, latency)
    }
}

/// The incidents of some endpoints over `minutes`, at the defaults.
///
/// # Errors
///
/// The defaults are refused.
pub fn incidents(endpoints: &[Endpoint], minutes: i64, seed: u64) -> Result<Vec<Incident>> {
    let mut pipeline = Pipeline::new(PipelineConfig::default())?;
    let mut draws = Uniform::new(seed);
    let mut requests = Vec::new();
    for minute in 0..minutes {
        for one in endpoints {
            draw(one, minute, &mut draws, &mut requests);
        }
        requests.sort_by_key(|request| request.timestamp);
        pipeline.ingest(requests.drain(..));
    }
    pipeline.finish();
    Ok(pipeline.incidents().into_iter().cloned().collect())
}

/// Adds the requests of one endpoint in one minute.
fn draw(one: &Endpoint, minute: i64, draws: &mut Uniform, requests: &mut Vec<Request<'static>>) {
    let (mut rate, mut slower) = one.usual(minute);
    let mut errors = one.errors;
    match one.fault.filter(|(_, first, last)| (*first..*last).contains(&minute)) {
        Some((Fault::Errors(add), ..)) => errors += add,
        Some((Fault::Slow(factor), ..)) => slower *= factor,
        Some((Fault::Traffic(share), ..)) => rate *= share,
        None => {}
    }
    for _ in 0..draws.poisson(rate) {
        let into = (draws.unit() * MINUTE as f64) as i64;
        let at = Timestamp::from_seconds(START).plus(minute * MINUTE + into);
        let status = if draws.unit() < errors { 503 } else { 200 };
        let latency = one.latency * slower * (0.3 * draws.normal()).exp();
        requests.push(Request::new(at, one.service, one.path, status, latency));
    }
}

/// The minute of a time, counted as those of the endpoints are.
pub const fn minute_of(at: Timestamp) -> i64 {
    (at.nanos() - START * 1_000_000_000).div_euclid(MINUTE)
}

/// Runs all seeds on two threads, in the order of the seeds.
///
/// # Errors
///
/// The first error of a run.
pub fn of_seeds<T: Send>(seeds: u64, one: impl Fn(u64) -> Result<T> + Sync) -> Result<Vec<T>> {
    let half = |first: u64| (first..seeds).step_by(2).map(&one).collect::<Vec<Result<T>>>();
    let (even, odd) = std::thread::scope(|scope| {
        let odd = scope.spawn(|| half(1));
        (half(0), odd.join().unwrap_or_default())
    });
    let (mut even, mut odd) = (even.into_iter(), odd.into_iter());
    (0..seeds).filter_map(|seed| if seed % 2 == 0 { even.next() } else { odd.next() }).collect()
}
