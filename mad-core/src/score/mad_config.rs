//! Settings of a `MadScorer`.

use serde::{Deserialize, Serialize};

use crate::config::positive;
use crate::error::{Error, Result};
use crate::limits::MAX_WINDOW;
use crate::series::Direction;

/// Settings of a [`MadScorer`](super::MadScorer).
///
/// # Examples
///
/// ```
/// use mad_core::score::{MadConfig, MadScorer};
/// use mad_core::series::Direction;
///
/// let config = MadConfig { window: 60, direction: Direction::Up, ..MadConfig::default() };
/// assert!(MadScorer::new(config).is_ok());
/// assert!(MadConfig { window: 2, ..config }.validate().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MadConfig {
    /// Values remembered, 3 to 100,000. Default 240: four hours of one-minute values.
    pub window: usize,
    /// The direction that is watched. Default both.
    pub direction: Direction,
    /// Whether the logarithm of the values is judged, for positive values that vary by a factor, such
    /// as latencies. Values below 0.001 count as 0.001. Default false.
    pub logarithm: bool,
    /// Smallest scale, above 0, in the unit of the values; for logarithms 0.02 is 2 %. Default 1e-9,
    /// so that a constant series has a scale.
    pub absolute_floor: f64,
    /// Smallest scale as a share of the center, 0 or more; not used for logarithms. Default 0.01:
    /// changes of less than some per cent are no anomalies.
    pub relative_floor: f64,
    /// Weight of the tail, 0 to 1. The scale is at least this share of the scale that the 95th
    /// percentile (the 5th below the center) has under a normal distribution. Default 1, so that a
    /// long tail in the past is expected again.
    pub tail_weight: f64,
    /// Normal deviate at the edge of the expected band, above 0. Default 3.5 (Iglewicz and Hoaglin,
    /// 1993).
    pub band: f64,
}

impl Default for MadConfig {
    fn default() -> Self {
        Self {
            window: 240,
            direction: Direction::Both,
            logarithm: false,
            absolute_floor: 1e-9,
            relative_floor: 0.01,
            tail_weight: 1.0,
            band: 3.5,
        }
    }
}

impl MadConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// Names the field, its value and its range.
    pub fn validate(&self) -> Result<()> {
        if !(3..=MAX_WINDOW).contains(&self.window) {
            return Err(Error::config("score.window", self.window, "an integer from 3 to 100000"));
        }
        positive("score.absolute_floor", self.absolute_floor)?;
        positive("score.band", self.band)?;
        if !(self.relative_floor.is_finite() && self.relative_floor >= 0.0) {
            let expected = "a finite number of 0 or more";
            return Err(Error::config("score.relative_floor", self.relative_floor, expected));
        }
        if !(self.tail_weight >= 0.0 && self.tail_weight <= 1.0) {
            return Err(Error::config(
                "score.tail_weight",
                self.tail_weight,
                "a share from 0 to 1",
            ));
        }
        Ok(())
    }
}
