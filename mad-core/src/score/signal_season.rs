//! The season of one signal: when it is learnt, and when it is believed.

use serde::{Deserialize, Serialize};

use super::long_memory::LongMemory;
use super::phase_component::Phase;
use super::phases::Phases;
use crate::series::SignalKind;
use crate::time::{DAY, Timestamp};

/// Resolution of levels: of logarithms of latencies, and of transformed counts, whose counting noise
/// is 1.
const LATENCY_UNIT: f64 = 1.0 / 512.0;
const COUNT_UNIT: f64 = 1.0 / 16.0;
/// The same of transformed rates, which reach from 0 to pi.
const RATE_UNIT: f64 = 1.0 / 2_048.0;
/// Resolution of levels of gauges, as a share of the width of the expected band.
const GAUGE_UNITS: f64 = 256.0;
/// Values without the season that are known before the baseline is made of them.
const LEAST_RESTS: usize = 27;

/// The season of one signal.
///
/// Nothing is kept of a signal that is younger than a day and was never anomalous, because most
/// signals of a short run need no season. At first only phases count that stand out by themselves.
/// When the day explains the level, the baseline is made again of values without the season.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct SignalSeason {
    phases: Option<Box<Phases>>,
    /// Values without the level of the day, until they are the baseline.
    rests: LongMemory,
    is_believed: bool,
}

/// A value that the season learns, in the unit that is judged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lived {
    pub at: Timestamp,
    pub value: f64,
    /// Center and width of the expected band without the season.
    pub center: f64,
    pub width: f64,
    /// The long-term center, and the level of the hour, of a signal with a season of hours.
    pub hours: Option<(f64, f64)>,
    /// How long the signal has been anomalous, nanoseconds.
    pub anomalous_for: i64,
}

impl SignalSeason {
    /// The season at a time, at which a season of hours has the level `hours`.
    pub fn at(&self, at: Timestamp, hours: f64) -> Phase {
        let phase = |phases: &Phases| phases.at(at, hours, self.is_believed);
        self.phases.as_deref().map_or_else(Phase::default, phase)
    }

    /// Whether the values of a signal that has been known for some nanoseconds are learnt.
    pub fn learns(&self, known_for: i64, is_anomalous: bool) -> bool {
        self.phases.is_some() || is_anomalous || known_for >= DAY
    }

    /// Learns a value. Returns values without the season if they become the baseline.
    pub fn learn(&mut self, kind: SignalKind, one: Lived) -> Option<Vec<f64>> {
        let usable = one.value.is_finite() && one.center.is_finite();
        if !usable || kind == SignalKind::Events {
            return None;
        }
        if self.phases.is_none() {
            let unit = match kind {
                SignalKind::Latency => LATENCY_UNIT,
                SignalKind::Count => COUNT_UNIT,
                SignalKind::Rate => RATE_UNIT,
                _ => (one.width / GAUGE_UNITS).max(1e-12 + 1e-9 * one.center.abs()),
            };
            let origin = (kind != SignalKind::Gauge).then_some(one.center);
            self.phases = Some(Box::new(Phases::new(origin, unit)));
        }
        let phases = self.phases.as_mut()?;
        let hours = one.hours.unwrap_or((one.center, 0.0));
        phases.learn(one.at, one.value, one.center, hours, one.anomalous_for, self.is_believed);
        // Gauges have a season of hours, and rates are pooled: of their phases only those count that
        // stand out.
        if self.is_believed || matches!(kind, SignalKind::Gauge | SignalKind::Rate) {
            return None;
        }
        if let Some(level) = phases.day_at(one.at) {
            self.rests.push(one.value - level);
        }
        if self.rests.points() < LEAST_RESTS || !phases.follows_the_day() {
            return None;
        }
        self.is_believed = true;
        Some(std::mem::take(&mut self.rests).in_order())
    }
}
