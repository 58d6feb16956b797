//! Scorers of one question each, alone.

use mad_core::score::{Learn, Scorer};
use mad_core::{Sample, Timestamp};
use pyo3::prelude::*;

use crate::errors::{to_py, value_error};
use crate::stages::mad_scorer::{Score, direction_of, learn_of, threshold_neg_log10_p};

/// What the scorers that judge a value at a time have in common.
macro_rules! judging {
    ($(#[$doc:meta])* $name:ident, $($items:tt)*) => {
        $(#[$doc])*
        #[pyclass(module = "mad._core")]
        pub struct $name {
            core: mad_core::score::$name,
            neg_log10_p: f64,
        }

        #[pymethods]
        impl $name {
            $($items)*

            /// Judges a value without learning it; `at` in nanoseconds, `n` observations behind it.
            #[pyo3(signature = (x, at=0, n=1))]
            fn score(&self, x: f64, at: i64, n: u64) -> Score {
                self.core.score(Timestamp::from_nanos(at), Sample { value: x, n }).into()
            }

            /// Learns a value: "full", "clipped" to what is expected, or "skip".
            #[pyo3(signature = (x, at=0, n=1, how="full"))]
            fn learn(&mut self, x: f64, at: i64, n: u64, how: &str) -> PyResult<()> {
                let how: Learn = learn_of(how)?;
                self.core.learn(Timestamp::from_nanos(at), Sample { value: x, n }, how);
                Ok(())
            }

            /// Judges, then learns; anomalies are clipped.
            #[pyo3(signature = (x, at=0, n=1))]
            fn observe(&mut self, x: f64, at: i64, n: u64) -> Score {
                let sample = Sample { value: x, n };
                self.core.observe(Timestamp::from_nanos(at), sample, self.neg_log10_p).into()
            }
        }
    };
}

judging! {
    /// The slope of the last `span` values (Theil's incomplete method), per second, against the
    /// slopes before.
    SlopeScorer,
    #[new]
    #[pyo3(signature = (span=24, *, direction="both", band=3.89, threshold=0.5))]
    fn new(span: usize, direction: &str, band: f64, threshold: f64) -> PyResult<Self> {
        let core = mad_core::score::SlopeScorer::new(span, direction_of(direction)?, band);
        Ok(Self { core: core.map_err(|error| to_py(&error))?, neg_log10_p: threshold_neg_log10_p(threshold)? })
    }
}

judging! {
    /// How improbable it is that nothing came for so long, by the gaps between the points before.
    SilenceScorer,
    #[new]
    #[pyo3(signature = (expected_seconds=None, *, threshold=0.5))]
    fn new(expected_seconds: Option<f64>, threshold: f64) -> PyResult<Self> {
        let neg_log10_p = threshold_neg_log10_p(threshold)?;
        let core = mad_core::score::SilenceScorer::new(expected_seconds, neg_log10_p);
        Ok(Self { core: core.map_err(|error| to_py(&error))?, neg_log10_p })
    }

    /// Tells the time, in nanoseconds.
    fn tick(&mut self, at: i64) {
        self.core.tick(Timestamp::from_nanos(at));
    }

    /// Judges the gap from the newest point to the newest time that was told.
    fn silence(&self) -> Score {
        self.core.silence().into()
    }
}

judging! {
    /// How improbable so many events of `n` trials are: the mid-p of a binomial with a given share,
    /// or of a beta-binomial with the share of the rows before.
    BinomialScorer,
    #[new]
    #[pyo3(signature = (share=None, *, window=None, memory=None, threshold=0.5))]
    fn new(
        share: Option<f64>,
        window: Option<usize>,
        memory: Option<f64>,
        threshold: f64,
    ) -> PyResult<Self> {
        let neg_log10_p = threshold_neg_log10_p(threshold)?;
        let core = match (share, window, memory) {
            (Some(share), None, None) => mad_core::score::BinomialScorer::given(share, neg_log10_p),
            (Some(_), _, _) => {
                return Err(value_error("a share that is given has no window and no memory"));
            }
            (None, window, memory) => mad_core::score::BinomialScorer::learning(
                window.unwrap_or(240),
                memory.unwrap_or(1_000.0),
                neg_log10_p,
            ),
        };
        Ok(Self { core: core.map_err(|error| to_py(&error))?, neg_log10_p })
    }
}
