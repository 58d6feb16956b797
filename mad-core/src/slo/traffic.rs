//! The usual traffic of an entity.

use serde::{Deserialize, Serialize};

/// Requests of an entity over time, at most over the window of its objectives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Traffic {
    requests: f64,
    seconds: f64,
}

impl Traffic {
    /// Adds the requests of `seconds`; requests older than `window` seconds decay.
    pub fn add(&mut self, requests: u64, seconds: f64, window: f64) {
        self.requests += requests as f64;
        self.seconds += seconds;
        if self.seconds > window {
            // Both shrink by the same factor, so that the rate stays and old traffic fades.
            self.requests *= window / self.seconds;
            self.seconds = window;
        }
    }

    /// Expected requests in `seconds`.
    pub fn expected(&self, seconds: f64) -> f64 {
        // 0 / 0 is NaN: nothing is expected of an entity without traffic.
        self.requests / self.seconds * seconds
    }
}
