//! Settings of a scorer by median and MAD.

use serde::{Deserialize, Serialize};

use crate::config::positive;
use crate::error::{Error, Result};
use crate::limits::MAX_WINDOW;
use crate::series::Direction;

/// How one signal is judged by median and MAD.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MadConfig {
    /// Values remembered, 3 to 100,000. Default 240.
    pub window: usize,
    /// Which way out counts. Default both.
    pub direction: Direction,
    /// Judge the logarithm: for positive, multiplicative values such as latencies. Values are
    /// taken as at least 0.001. Default false.
    pub logarithm: bool,
    /// Smallest scale, in the unit of what is judged (for logarithms 0.02 is 2 %), above 0.
    /// Default 1e-9.
    pub absolute_floor: f64,
    /// Smallest scale as a share of the center, 0 or more; for logarithms it is not used.
    /// Default 0.01.
    pub relative_floor: f64,
    /// Smallest scale as a share of what the 95th percentile (5th, below the center) would make it
    /// under a normal distribution, 0 to 1. Default 1: a long tail in the past is taken at its
    /// word.
    pub tail_weight: f64,
    /// Normal deviate at the edge of the expected band, above 0. Default 3.5.
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
