//! Scorers of slopes, of silence and of shares.

use mad_core::Sample;
use mad_core::score::{Learn, Scorer};
use pyo3::prelude::*;
use serde::{Deserialize, Serialize};

use crate::errors::{to_py, value_error};
use crate::moment::At;
use crate::pickle::pickled;
use crate::shared::Shared;
use crate::stages::mad_scorer::{Score, direction_of, learn_of, threshold_neg_log10_p};

/// A scorer and the evidence from which on a value is anomalous.
#[derive(Serialize, Deserialize)]
struct State<S> {
    core: S,
    neg_log10_p: f64,
}

/// The methods that all scorers of a value at a time have.
macro_rules! judging {
    ($(#[$doc:meta])* $name:ident, $($items:tt)*) => {
        $(#[$doc])*
        #[pyclass(module = "mad._core", frozen)]
        pub struct $name {
            state: Shared<State<mad_core::score::$name>>,
        }

        #[pymethods]
        impl $name {
            $($items)*

            /// Scores a value without learning it. `at` is an aware datetime or nanoseconds since
            /// 1970, `n` the number of observations behind the value.
            #[pyo3(signature = (x, at=None, n=1))]
            fn score(&self, py: Python<'_>, x: f64, at: Option<At>, n: u64) -> PyResult<Score> {
                let (at, sample) = (At::or_epoch(at), Sample { value: x, n });
                Ok(self.state.with(py, |state| state.core.score(at, sample))?.into())
            }

            /// Learns a value: "full", "clipped" to the expected band, or "skip".
            #[pyo3(signature = (x, at=None, n=1, how="full"))]
            fn learn(
                &self,
                py: Python<'_>,
                x: f64,
                at: Option<At>,
                n: u64,
                how: &str,
            ) -> PyResult<()> {
                let how: Learn = learn_of(how)?;
                let (at, sample) = (At::or_epoch(at), Sample { value: x, n });
                self.state.with(py, |state| state.core.learn(at, sample, how))
            }

            /// Scores a value, then learns it; an anomalous value is learnt clipped.
            #[pyo3(signature = (x, at=None, n=1))]
            fn observe(&self, py: Python<'_>, x: f64, at: Option<At>, n: u64) -> PyResult<Score> {
                let (at, sample) = (At::or_epoch(at), Sample { value: x, n });
                let observe = |state: &mut State<mad_core::score::$name>| {
                    state.core.observe(at, sample, state.neg_log10_p)
                };
                Ok(self.state.with(py, observe)?.into())
            }
        }

        pickled!(shared $name);
    };
}

judging! {
    /// Scores the slope of the last `span` values, per second, by the slopes before it. The slope
    /// is the median of the slopes between pairs of values half a span apart (Theil's incomplete
    /// method). NaN scores 0 and is not learnt.
    ///
    /// >>> import mad
    /// >>> scorer = mad.SlopeScorer(span=12)
    /// >>> SECOND = 1_000_000_000
    /// >>> for i in range(300):
    /// ...     _ = scorer.observe(100.0 + i % 5, i * 60 * SECOND)
    /// >>> for i in range(300, 312):
    /// ...     score = scorer.observe(5.0 * i - 1400.0, i * 60 * SECOND).score
    /// >>> score > 0.5
    /// True
    SlopeScorer,
    #[new]
    #[pyo3(signature = (span=24, *, direction="both", band=3.89, threshold=0.5))]
    fn new(span: usize, direction: &str, band: f64, threshold: f64) -> PyResult<Self> {
        let core = mad_core::score::SlopeScorer::new(span, direction_of(direction)?, band);
        let core = core.map_err(|error| to_py(&error))?;
        let neg_log10_p = threshold_neg_log10_p(threshold)?;
        Ok(Self { state: Shared::new(State { core, neg_log10_p }) })
    }
}

judging! {
    /// Scores the time since the last point by the gaps between the points before it. With
    /// `expected_seconds`, the usual gap is given instead of learnt.
    ///
    /// >>> import mad
    /// >>> scorer = mad.SilenceScorer(expected_seconds=60.0)
    /// >>> SECOND = 1_000_000_000
    /// >>> for i in range(30):
    /// ...     _ = scorer.observe(1.0, i * 60 * SECOND)
    /// >>> scorer.tick(29 * 60 * SECOND + 3600 * SECOND)
    /// >>> scorer.silence().score > 0.5
    /// True
    SilenceScorer,
    #[new]
    #[pyo3(signature = (expected_seconds=None, *, threshold=0.5))]
    fn new(expected_seconds: Option<f64>, threshold: f64) -> PyResult<Self> {
        let neg_log10_p = threshold_neg_log10_p(threshold)?;
        let core = mad_core::score::SilenceScorer::new(expected_seconds, neg_log10_p);
        let core = core.map_err(|error| to_py(&error))?;
        Ok(Self { state: Shared::new(State { core, neg_log10_p }) })
    }

    /// Moves the time to `at`, an aware datetime or nanoseconds since 1970.
    fn tick(&self, py: Python<'_>, at: At) -> PyResult<()> {
        self.state.with(py, |state| state.core.tick(at.0))
    }

    /// Scores the gap from the newest point to the newest time that `tick` was given.
    fn silence(&self, py: Python<'_>) -> PyResult<Score> {
        Ok(self.state.with(py, |state| state.core.silence())?.into())
    }
}

judging! {
    /// Scores the number of events in `n` trials, given as their share: by the mid-p of a binomial
    /// with the given share, or of a beta-binomial with the share of the last `window` rows (240),
    /// which are trusted with at most `memory` trials (1,000).
    ///
    /// >>> import mad
    /// >>> scorer = mad.BinomialScorer(share=0.01)
    /// >>> scorer.score(0.01, n=1000).score < 0.5 < scorer.score(0.05, n=1000).score
    /// True
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
        let core = core.map_err(|error| to_py(&error))?;
        Ok(Self { state: Shared::new(State { core, neg_log10_p }) })
    }
}
