//! How long before a static rule (5 % errors or 500 ms) single series raise an alarm and the whole
//! pipeline opens an incident, and how soon it does so where requests get worse slowly, at the
//! shipped defaults: `cargo run --release --bin early-warning`.
//!
//! Prints one line a scenario; exits 1 when a goal is missed.

use std::io::Write;

use mad_benches::slow::{Outcome, Ramp, run_radar, run_ramp};
use mad_core::config::ScoreConfig;
use mad_core::error::Result;
use mad_core::score::SeriesScorer;
use mad_core::simulate::{Radar, RadarPoint, RadarScenario};
use mad_core::time::{MINUTE, Timestamp};
use mad_core::{Sample, SignalKind};

const SEEDS: u64 = 50;
const QUIET_DAYS: u64 = 10;
const RAMP_SEEDS: u64 = 20;
/// Minutes of calm before anything changes.
const CALM: [u16; 2] = [25, 60];
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

/// Runs of all seeds, by two threads.
fn runs(seeds: u64, one: impl Fn(u64) -> Result<Outcome> + Sync) -> Result<Vec<Outcome>> {
    let half = |first: u64| (first..seeds).step_by(2).map(&one).collect::<Result<Vec<_>>>();
    let (mut even, odd) = std::thread::scope(|scope| {
        let odd = scope.spawn(|| half(1));
        (half(0), odd.join())
    });
    if let (Ok(even), Ok(odd)) = (&mut even, odd) {
        even.append(&mut odd?);
    }
    even
}

/// `median (from least to most)`.
fn spread(minutes: impl Iterator<Item = f64>) -> (String, f64) {
    let mut minutes: Vec<f64> = minutes.collect();
    minutes.sort_by(f64::total_cmp);
    let at = |place: usize| minutes.get(place).copied().unwrap_or(f64::NAN);
    let (median, last) = (at(minutes.len() / 2), minutes.len().saturating_sub(1));
    (format!("median {median:.1} ({:.1} to {:.1})", at(0), at(last)), median)
}

/// The pipeline over the three metrics of the service: incidents before the rule.
fn metrics(out: &mut impl Write) -> Result<bool> {
    let mut met = true;
    for (name, scenario, least) in
        [("drift", RadarScenario::Drift, 5.0), ("saturation", RadarScenario::Saturation, 0.0)]
    {
        for calm in CALM {
            let runs = runs(SEEDS, |seed| run_radar(scenario, seed, calm, 1))?;
            let warned = runs.iter().filter(|run| run.before_end.is_some()).count();
            let (minutes, median) = spread(runs.iter().filter_map(|run| run.before_end));
            met &= warned as f64 >= 0.95 * SEEDS as f64 && median >= least;
            let blamed = runs.iter().filter(|run| run.blamed).count();
            let others: usize = runs.iter().map(|run| run.others).sum();
            let _ = writeln!(
                out,
                "metrics: {name}, {calm} minutes of calm: incident before the static rule in \
                 {warned} of {SEEDS}, blamed {blamed}; minutes before it: {minutes}; others {others}"
            );
            if let Some(run) = runs.first() {
                let _ = writeln!(out, "    {}", run.line);
            }
        }
    }
    let quiet = runs(QUIET_DAYS, |seed| run_radar(RadarScenario::Calm, 1_000 + seed, 0, 1))?;
    let quiet: usize = quiet.iter().map(|run| run.others).sum();
    let _ = writeln!(out, "metrics: calm: {quiet} incidents in {QUIET_DAYS} days");
    Ok(met && quiet as u64 <= QUIET_DAYS)
}

/// The pipeline over requests of which one endpoint gets worse.
fn requests(out: &mut impl Write) -> Result<bool> {
    let mut met = true;
    for (name, ramp) in [
        ("latency +5 % a minute", Ramp::Latency(0.05)),
        ("latency +2 % a minute", Ramp::Latency(0.02)),
        ("errors +1 point a minute", Ramp::Errors(0.01)),
    ] {
        for (calm, a_minute) in CALM.map(|calm| (calm, 830)).into_iter().chain([(60, 83)]) {
            let runs = runs(RAMP_SEEDS, |seed| run_ramp(seed, calm, a_minute, ramp))?;
            let found = runs.iter().filter(|run| run.after.is_some()).count();
            let blamed = runs.iter().filter(|run| run.blamed).count();
            let (minutes, _) = spread(runs.iter().filter_map(|run| run.after));
            let others: usize = runs.iter().map(|run| run.others).sum();
            met &= a_minute < 800 || found.min(blamed) as f64 >= 0.95 * RAMP_SEEDS as f64;
            let _ = writeln!(
                out,
                "requests, {a_minute} a minute: {name}, {calm} minutes of calm: found {found} of \
                 {RAMP_SEEDS}, blamed {blamed}; minutes after its begin: {minutes}; others {others}"
            );
            if let Some(run) = runs.first() {
                let _ = writeln!(out, "    {}", run.line);
            }
        }
    }
    Ok(met)
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
    met &= metrics(&mut out)? & requests(&mut out)?;
    let _ = writeln!(out, "{}", if met { "all goals met" } else { "a goal was missed" });
    std::process::exit(i32::from(!met));
}
