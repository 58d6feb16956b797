//! How long before a static rule (5 % errors or 500 ms) an alarm is raised, at the shipped defaults:
//! `cargo run --release --bin early-warning`.
//!
//! Prints one line a scenario; exits 1 when a goal is missed.

use std::io::Write;

use mad_core::error::Result;
use mad_core::score::{ScoreConfig, SeriesScorer};
use mad_core::simulate::{Radar, RadarPoint, RadarScenario};
use mad_core::time::{MINUTE, Timestamp};
use mad_core::{Sample, SignalKind};

const SEEDS: u64 = 50;
const QUIET_DAYS: u64 = 10;
const START: Timestamp = Timestamp::from_seconds(1_767_693_600);

/// The alarm policy of single series over the three signals.
struct Watch([SeriesScorer; 3]);

impl Watch {
    fn new() -> Result<Self> {
        let scorer = SeriesScorer::new(SignalKind::Gauge, &ScoreConfig::default())?;
        Ok(Self([scorer.clone(), scorer.clone(), scorer]))
    }

    /// Whether a signal raises an alarm.
    fn alarms(&mut self, point: &RadarPoint) -> bool {
        let values = [point.latency_ms, point.error_rate, point.cpu_pct];
        let mut alarm = false;
        for (scorer, value) in self.0.iter_mut().zip(values) {
            alarm |= scorer.observe(point.at, Sample { value, n: 1 }).is_alarm;
        }
        alarm
    }
}

/// Minutes from the first alarm of the scenario to the static rule, none where the rule came first;
/// and the alarms before the scenario began.
fn lead(scenario: RadarScenario, seed: u64) -> Result<(Option<f64>, usize)> {
    let radar = Radar::new(scenario, seed, START)?;
    let begins = radar.begins();
    let mut watch = Watch::new()?;
    let (mut early, mut first, mut last) = (0, None, begins);
    for point in radar {
        last = point.at;
        if watch.alarms(&point) {
            early += usize::from(point.at < begins);
            first = first.or((point.at >= begins).then_some(point.at));
        }
    }
    let minutes = first.map(|at| last.since(at) as f64 / MINUTE as f64);
    Ok((minutes.filter(|minutes| *minutes > 0.0), early))
}

/// Alarms in calm days.
fn quiet(days: u64) -> Result<usize> {
    let mut all = 0;
    for seed in 0..days {
        let mut watch = Watch::new()?;
        let day = Radar::new(RadarScenario::Calm, 1_000 + seed, START)?.take(86_400);
        all += day.filter(|point| watch.alarms(point)).count();
    }
    Ok(all)
}

fn main() -> Result<()> {
    let mut out = std::io::stdout().lock();
    let mut met = true;
    for (name, scenario, least) in [
        ("deployment drift", RadarScenario::Drift, 5.0),
        ("database saturation", RadarScenario::Saturation, 0.0),
    ] {
        let runs: Vec<(Option<f64>, usize)> =
            (0..SEEDS).map(|seed| lead(scenario, seed)).collect::<Result<_>>()?;
        let mut leads: Vec<f64> = runs.iter().filter_map(|(lead, _)| *lead).collect();
        leads.sort_by(f64::total_cmp);
        let median = leads.get(leads.len() / 2).copied().unwrap_or(f64::NAN);
        let early: usize = runs.iter().map(|(_, early)| early).sum();
        met &= leads.len() as f64 >= 0.95 * SEEDS as f64 && median >= least;
        let shortest = leads.first().copied().unwrap_or(f64::NAN);
        let _ = writeln!(
            out,
            "{name:20} before the static rule in {} of {SEEDS}; minutes before it: median \
             {median:.1}, least {shortest:.1}; alarms in {SEEDS} calm hours before: {early}",
            leads.len(),
        );
    }
    let false_alarms = quiet(QUIET_DAYS)?;
    met &= false_alarms as u64 <= QUIET_DAYS;
    let _ = writeln!(out, "calm                 {false_alarms} alarms in {QUIET_DAYS} days");
    let _ = writeln!(out, "{}", if met { "all goals met" } else { "a goal was missed" });
    std::process::exit(i32::from(!met));
}
