//! Surges of client errors and slow tails, from requests to incidents.

use mad_core::guard::Severity;
use mad_core::{
    GuardConfig, Incident, Pipeline, PipelineConfig, Request, Signal, Status, Timestamp,
};
use proptest::prelude::*;

const SECOND: i64 = 1_000_000_000;

/// A number from 0 to 1 that looks random.
pub fn noise(seed: u64) -> f64 {
    let mixed = (seed ^ (seed >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    ((mixed ^ (mixed >> 32)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// What happens to the requests of one endpoint.
#[derive(Clone, Copy, Debug)]
struct Fault {
    /// Requests a minute.
    rate: i64,
    /// Share of the requests that it hits in minutes 120 to 145, and at any other time.
    share: f64,
    before: f64,
    status: i64,
    /// Factor of the latency.
    slower: f64,
    seed: u64,
}

fn run(fault: Fault, config: PipelineConfig) -> Pipeline {
    let mut pipeline = Pipeline::new(config).unwrap().bounded_input();
    let mut requests = Vec::new();
    for minute in 0..200_i64 {
        for k in 0..fault.rate {
            let seed = (fault.seed << 32) | ((minute * 10_000 + k) as u64 * 3);
            let at = Timestamp::from_nanos(minute * 60 * SECOND + k * 60 * SECOND / fault.rate);
            let during = (120..145).contains(&minute);
            let hit = noise(seed) < if during { fault.share } else { fault.before };
            let latency = 60.0 * (0.3 * (noise(seed + 1) + noise(seed + 2) - 1.0) * 2.0).exp();
            let latency = if hit { latency * fault.slower } else { latency };
            let status = if hit { fault.status } else { 200 };
            requests.push(Request::new(at, "door", "/enter", status, latency));
        }
    }
    pipeline.ingest(requests);
    pipeline.finish();
    pipeline
}

/// The only incident, begun within five minutes of the fault.
fn only(pipeline: &Pipeline) -> &Incident {
    let incidents = pipeline.incidents();
    assert_eq!(incidents.len(), 1, "{incidents:?}");
    let late = incidents[0].start.nanos() / (60 * SECOND) - 120;
    assert!((0..=5).contains(&late), "{late} minutes late");
    incidents[0]
}

fn has(incident: &Incident, signal: Signal) -> bool {
    incident.signals().any(|known| *known == signal)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// A surge of any refusal or redirect is a warning that names the status.
    #[test]
    fn a_surge_of_client_errors_is_a_warning(
        status in prop::sample::select(vec![301_i64, 302, 307, 400, 401, 403, 404, 408, 409, 429, 499]),
        share in 0.3..1.0_f64, before in 0.0..0.03_f64, rate in 15..60_i64, seed in 0..1_000_u64,
    ) {
        let fault = Fault { rate, share, before, status, slower: 1.0, seed };
        let pipeline = run(fault, PipelineConfig::default());
        let incident = only(&pipeline);
        prop_assert!(has(incident, Signal::ClientErrorRate));
        prop_assert_eq!(incident.severity, Severity::Warning);
        prop_assert_eq!(incident.statuses.iter().next().map(|(code, _)| code), Some(Status::Http(status as u16)));
        prop_assert_eq!(incident.errors, 0);
        let explanation = pipeline.explain(incident);
        let named = format!("{status} (");
        prop_assert!(explanation.impact.iter().any(|line| line.contains(&named)), "{:?}", explanation.impact);
    }

    /// Client errors at a usual rate are no incident, whatever the rate, and 304 never is one.
    #[test]
    fn usual_client_errors_are_normal(share in 0.0..1.0_f64, rate in 5..60_i64, seed in 0..1_000_u64) {
        let usual = Fault { rate, share, before: share, status: 404, slower: 1.0, seed };
        prop_assert!(run(usual, PipelineConfig::default()).incidents().is_empty());
        let cached = Fault { before: 0.0, status: 304, ..usual };
        prop_assert!(run(cached, PipelineConfig::default()).incidents().is_empty());
    }

    /// A few requests that take many times as long are found, although the p95 stays.
    #[test]
    fn a_slow_tail_is_an_incident(
        share in 0.025..0.04_f64, slower in 8.0..200.0_f64, rate in 100..400_i64, seed in 0..1_000_u64,
    ) {
        let fault = Fault { rate, share, before: 0.0, status: 200, slower, seed };
        let pipeline = run(fault, PipelineConfig::default());
        let incident = only(&pipeline);
        prop_assert!(has(incident, Signal::SlowShare), "{:?}", incident.peaks);
        let summary = pipeline.explain(incident).summary;
        prop_assert!(summary.contains("of the requests took longer than"), "{summary}");
    }

    /// A tail that is always there is normal.
    #[test]
    fn a_usual_tail_is_normal(share in 0.0..0.1_f64, slower in 2.0..200.0_f64, rate in 20..200_i64, seed in 0..1_000_u64) {
        let usual = Fault { rate, share, before: share, status: 200, slower, seed };
        let pipeline = run(usual, PipelineConfig::default());
        let slow = |incident: &&Incident| has(incident, Signal::SlowShare);
        prop_assert!(pipeline.incidents().into_iter().find(slow).is_none(), "{:?}", pipeline.incidents());
    }
}

#[test]
fn a_surge_can_be_made_critical() {
    let guard = GuardConfig { critical_client_error_rate: Some(0.5), ..GuardConfig::default() };
    let config = PipelineConfig { guard, ..PipelineConfig::default() };
    let fault = Fault { rate: 40, share: 0.8, before: 0.0, status: 401, slower: 1.0, seed: 1 };
    assert_eq!(only(&run(fault, config.clone())).severity, Severity::Critical);
    let mild = Fault { share: 0.3, ..fault };
    assert_eq!(only(&run(mild, config)).severity, Severity::Warning);
}

/// Nine days of four requests a minute. From 03:00 to 03:40 all take three times as long. In these
/// minutes of the last day a share of the requests takes 60 times as long as usual.
fn nights(seed: u64, share: f64) -> Pipeline {
    const DAYS: i64 = 9;
    let mut pipeline = Pipeline::new(PipelineConfig::default()).unwrap().bounded_input();
    let mut requests = Vec::new();
    for minute in 0..DAYS * 1_440 {
        let is_batch = (180..220).contains(&(minute % 1_440));
        let is_fault = is_batch && minute / 1_440 == DAYS - 1;
        for k in 0..4 {
            let draw = (seed << 32) | ((minute * 100 + k) as u64 * 7);
            let at = Timestamp::from_nanos(minute * 60 * SECOND + k * 15 * SECOND);
            // about normal: the sum of four uniform numbers
            let sum: f64 = (1..5).map(|add| noise(draw + add)).sum();
            let slower = if is_batch { 3.0 } else { 1.0 };
            let hit = is_fault && noise(draw) < share;
            let latency = 60.0 * (0.52 * (sum - 2.0)).exp() * if hit { 60.0 } else { slower };
            requests.push(Request::new(at, "door", "/enter", 200, latency));
        }
    }
    pipeline.ingest(requests);
    pipeline.finish();
    pipeline
}

#[test]
fn a_batch_of_each_night_is_no_slow_tail_and_slower_requests_in_it_are_found() {
    let day = |incident: &&Incident| incident.start.nanos() / (86_400 * SECOND);
    for seed in 0..2 {
        let pipeline = nights(seed, 0.3);
        let days: Vec<i64> = pipeline.incidents().iter().map(day).collect();
        assert!(!days.iter().any(|day| (4..8).contains(day)), "seed {seed}: {days:?}");
        assert!(days.contains(&8), "seed {seed}: {days:?}");
    }
}
