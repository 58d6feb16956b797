//! How much the number of lines of one log template varies beyond chance.

use serde::{Deserialize, Serialize};

use crate::time::{HOUR, Timestamp};

/// Time after which a step counts half in the overdispersion, nanoseconds.
const HALF_LIFE: f64 = 168.0 * HOUR as f64;
/// Steps over which the usual number of lines is averaged.
const USUAL_STEPS: f64 = 60.0;
/// Most of a number of lines that moves the usual one, as a multiple of it.
const CLIPPED: f64 = 3.0;
/// The overdispersion that is assumed before any is seen, and how many steps the assumption counts for. A
/// tenth is that of a service whose traffic varies by 30 %.
const ASSUMED: f64 = 0.1;
const ASSUMED_STEPS: f64 = 60.0;
/// Time without a count from which on the template is counted again from the beginning, nanoseconds.
const PAUSE: i64 = HOUR;
/// Evidence of the steps before that is left for the next one.
const KEPT: f64 = 0.5;
/// `-log10 p` of a step from which on it continues a deviation.
const DEVIATES: f64 = 1.0;

/// The usual number of lines of a template, and how bursty it is.
///
/// # Method
///
/// The lines of a step are negative binomial with the mean `m` and the variance `m + a m^2`. The
/// overdispersion `a` is the moment estimate `sum((x - m)^2 - m) / sum(m^2)` over the steps so far (Bliss and
/// Fisher, 1953), each of which counts half after a week, shrunk to a tenth with the weight of sixty steps. A
/// template with bursts has a large `a`, so that a burst is no evidence.
///
/// The evidence of `x` lines is the bound of Chernoff (1952) on the tail of that distribution, with `k = 1 / a`:
/// `-log10 p >= (x ln(x / m) - (x + k) ln((x + k) / (m + k))) / ln 10`. Of the evidence of the steps before, half
/// is added while the deviation lasts, and all of it while no line is written.
///
/// # Limits
///
/// The first burst of a template without any is evidence, because nothing separates it from a fault.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(in crate::pipeline) struct LineNoise {
    usual: f64,
    /// The sums of the moment estimate.
    excess: f64,
    squares: f64,
    /// Steps since the last pause of the counts.
    steps: u32,
    newest: Option<Timestamp>,
    /// Evidence of the deviation that lasts: above 0 for a rise, below 0 for a fall.
    run: f64,
    /// Steps of that deviation.
    lasts: u32,
}

impl LineNoise {
    /// The usual number of lines of a step; `None` before any step.
    pub fn usual(&self) -> Option<f64> {
        (self.steps > 0).then_some(self.usual)
    }

    /// Steps since the last pause of the counts.
    pub fn steps(&self) -> u32 {
        self.steps
    }

    /// Steps of the deviation that lasts, before the current one.
    pub fn lasts(&self, falls: bool) -> u32 {
        if (self.run < 0.0) == falls { self.lasts } else { 0 }
    }

    /// The overdispersion, at least 0.
    fn overdispersion(&self) -> f64 {
        let assumed = ASSUMED_STEPS * self.usual * self.usual;
        let a = (self.excess + ASSUMED * assumed) / (self.squares + assumed);
        if a.is_finite() { a.max(0.0) } else { ASSUMED }
    }

    /// `-log10 p` of a number of lines in one step where `mean` are expected, in one direction.
    fn of_step(&self, lines: f64, mean: f64, falls: bool) -> f64 {
        let is_known = mean.is_finite() && mean > 0.0;
        if !is_known || (lines < mean) != falls {
            return 0.0;
        }
        // of a Poisson number nearly
        let k = 1.0 / self.overdispersion().max(1e-6);
        let own = if lines > 0.0 { lines * (lines / mean).ln() } else { 0.0 };
        let nats = own - (lines + k) * ((lines - mean) / (mean + k)).ln_1p();
        (nats / std::f64::consts::LN_10).max(0.0)
    }

    /// The evidence of a step and of the deviation that it continues: the least of several expected numbers.
    pub fn evidence(&mut self, lines: f64, means: &[f64], falls: bool) -> f64 {
        let of_mean = |mean: &f64| self.of_step(lines, *mean, falls);
        let own = means.iter().map(of_mean).fold(f64::INFINITY, f64::min);
        let own = if own.is_finite() { own } else { 0.0 };
        let before = if (self.run < 0.0) == falls { self.run.abs() } else { 0.0 };
        let continues = own >= DEVIATES || falls && lines == 0.0;
        let sum = match (continues, lines > 0.0) {
            (false, _) => own,
            (true, true) => own + KEPT * before,
            (true, false) => own + before,
        };
        let lasts = if continues && before > 0.0 { self.lasts.saturating_add(1) } else { 0 };
        self.lasts = if continues { lasts.max(1) } else { 0 };
        self.run = if !continues {
            0.0
        } else if falls {
            -sum
        } else {
            sum
        };
        sum
    }

    /// Ends the deviation that lasts, with a usual step.
    pub fn end_run(&mut self) {
        (self.run, self.lasts) = (0.0, 0);
    }

    /// Takes a step. `factor` is how the other templates of the log changed.
    pub fn learn(&mut self, at: Timestamp, lines: f64, factor: f64) {
        let since = self.newest.map_or(0, |newest| at.since(newest).max(0));
        if since > PAUSE {
            (self.steps, self.run, self.lasts) = (0, 0.0, 0);
        }
        self.newest = Some(at);
        self.steps = self.steps.saturating_add(1);
        if self.steps == 1 {
            self.usual = lines;
            return;
        }
        let kept = (-(since as f64) / HALF_LIFE).exp2();
        let mean = self.usual * factor;
        let off = lines - mean;
        self.excess = kept * self.excess + off * off - mean;
        self.squares = kept * self.squares + mean * mean;
        let rate = 1.0 / f64::from(self.steps).min(USUAL_STEPS);
        let most = CLIPPED * self.usual.max(1.0);
        self.usual += rate * (lines.min(most) - self.usual);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learnt(counts: impl Iterator<Item = f64>) -> LineNoise {
        let mut noise = LineNoise::default();
        for (minute, lines) in counts.enumerate() {
            noise.learn(Timestamp::from_seconds(60 * minute as i64), lines, 1.0);
        }
        noise
    }

    #[test]
    fn the_bound_is_above_the_exact_tail_of_a_poisson_count() {
        let noise = learnt((0..20_000).map(|i| 10.0 + f64::from(i % 3 - 1)));
        assert!(noise.overdispersion() < 0.001, "{noise:?}");
        // Poisson with the mean 10: P(X >= 30) = 7.98e-8 and P(X = 0) = 4.54e-5
        let rise = noise.of_step(30.0, 10.0, false);
        assert!((5.0..7.1).contains(&rise), "{rise}");
        let fall = noise.of_step(0.0, 10.0, true);
        assert!((4.2..4.343).contains(&fall), "{fall}");
        assert_eq!(noise.of_step(30.0, 10.0, true), 0.0);
    }

    #[test]
    fn bursts_make_the_next_burst_no_evidence() {
        let steady = learnt((0..4_000).map(|_| 10.0));
        let bursty = learnt((0..4_000).map(|i| if i % 240 < 8 { 100.0 } else { 10.0 }));
        assert!(steady.of_step(100.0, 10.0, false) > 15.0);
        assert!(bursty.of_step(100.0, 10.0, false) < 4.0, "{bursty:?}");
        assert!((bursty.usual - 10.0).abs() < 3.0, "{bursty:?}");
    }

    #[test]
    fn a_deviation_that_lasts_adds_up_and_ends_with_a_usual_step() {
        let mut noise = learnt((0..600).map(|_| 10.0));
        let first = noise.evidence(30.0, &[10.0], false);
        let second = noise.evidence(30.0, &[10.0], false);
        assert!((second - 1.5 * first).abs() < 1e-9);
        assert_eq!((noise.lasts(false), noise.lasts(true)), (2, 0));
        assert_eq!(noise.evidence(10.0, &[10.0], false), 0.0);
        assert_eq!(noise.lasts(false), 0);
        let empty: Vec<f64> = (0..3).map(|_| noise.evidence(0.0, &[10.0], true)).collect();
        assert!((empty[2] - 3.0 * empty[0]).abs() < 1e-9);
    }

    #[test]
    fn counts_begin_again_after_a_pause() {
        let mut noise = learnt((0..600).map(|_| 10.0));
        noise.learn(Timestamp::from_seconds(60 * 900), 400.0, 1.0);
        assert_eq!((noise.steps(), noise.usual()), (1, Some(400.0)));
    }
}
