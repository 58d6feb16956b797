//! The stage that ranks culprits by their flagged rows.

use mad_core::{CulpritConfig, FlaggedRow, RowBuilder};
use pyo3::prelude::*;
use serde::{Deserialize, Serialize};

use crate::border::detached;
use crate::errors::to_py;
use crate::moment::Moment;
use crate::pickle::pickled;
use crate::results::ranking::Ranking;
use crate::results::row_reader::rows_of;

/// Ranks services and endpoints by the evidence in their flagged rows.
///
/// `rank` looks at the `minutes` up to a moment and names at most `top_k` culprits. The score of a
/// culprit is its share of the evidence of all, 0 to 1, and its onset is the start of its first
/// flagged row. Where no row is flagged, the ranking has no culprits and `abstained` is true.
///
/// It takes judged `Rows` or any table of rows with verdicts, such as `report.scored` or
/// `scored.csv`; see `mad.Rows` for the columns and errors. A ranker can be pickled and copied.
/// Raises ValueError for `minutes` or `top_k` outside their range.
///
/// >>> import mad
/// >>> judged = {
/// ...     "bucket_ts": ["2026-01-06T10:00:00Z", "2026-01-06T10:00:00Z", "2026-01-06T10:01:00Z"],
/// ...     "service": ["shop", "payments", "payments"],
/// ...     "endpoint": ["/cart", "/pay", "/pay"],
/// ...     "req_count": [100, 100, 100],
/// ...     "error_count": [10, 40, 50],
/// ...     "is_anomaly": [True, True, True],
/// ...     "signal": ["error_rate", "error_rate", "error_rate"],
/// ...     "score": [0.6, 0.8, 0.8],
/// ...     "severity": ["Critical", "Critical", "Critical"],
/// ... }
/// >>> ranking = mad.CulpritRanker(minutes=15, top_k=3).rank(judged)
/// >>> [culprit.service for culprit in ranking.culprits]
/// ['payments', 'shop']
#[pyclass(module = "mad._core", frozen)]
#[derive(Serialize, Deserialize)]
pub struct CulpritRanker {
    core: mad_core::CulpritRanker,
}

#[pymethods]
impl CulpritRanker {
    #[new]
    #[pyo3(signature = (minutes=15.0, top_k=3))]
    fn new(minutes: f64, top_k: usize) -> PyResult<Self> {
        let core = mad_core::CulpritRanker::new(CulpritConfig { minutes, top_k });
        Ok(Self { core: core.map_err(|error| to_py(&error))? })
    }

    /// Ranks by judged rows up to `at`, an aware datetime (default: the newest row).
    ///
    /// Raises ValueError for rows without verdicts and for a naive `at`.
    #[pyo3(signature = (rows, at=None))]
    fn rank(
        &self,
        py: Python<'_>,
        rows: &Bound<'_, PyAny>,
        at: Option<Moment>,
    ) -> PyResult<Ranking> {
        let rows = rows_of(rows)?;
        let rows = rows.as_ref();
        let judged = rows.judged()?;
        detached(py, || {
            let newest = rows.features.iter().map(|row| row.bucket).max();
            let at = at.map(|at| at.0).or(newest).unwrap_or_default();
            let flagged = judged.filter_map(|(row, scores, verdict)| {
                FlaggedRow::of_requests(&RowBuilder::from(row).row(), scores, verdict)
            });
            let flagged: Vec<FlaggedRow> = flagged.collect();
            Ok(self.core.rank(&flagged, &rows.entities, at).into())
        })?
    }
}

pickled!(CulpritRanker);
