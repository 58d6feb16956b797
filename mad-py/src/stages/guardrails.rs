//! The stage that judges scored rows.

use std::collections::BTreeMap;

use mad_core::guard::EntityMaturity;
use mad_core::{EntityId, EntityTable, RowBuilder};
use pyo3::prelude::*;
use serde::{Deserialize, Serialize};

use crate::config::parse;
use crate::errors::{to_py, value_error};
use crate::pickle::pickled;
use crate::results::row_reader::rows_of;
use crate::results::rows::Rows;
use crate::shared::Shared;

/// Flags the rows whose score reaches the threshold, and suppresses those that are not worth an
/// alert.
///
/// A row is suppressed in the warm-up of its service and endpoint, after too few rows, with too
/// little traffic, when the effect is small in absolute or relative terms, and when it deviates
/// in the direction that is not watched. Its `reason` names the first rule that applies. Of
/// `config`, `guard` and `score.threshold` matter.
///
/// `judge` takes scored `Rows` or any table of rows with scores, such as `report.scored` or
/// `scored.csv`; see `mad.Rows` for the columns and errors. A row without a score is not flagged.
/// No rows give no rows. Guardrails count the rows of each endpoint, so give them all rows in order
/// of time. They can be pickled and copied, and threads can share them.
///
/// >>> import mad
/// >>> steps = range(90)
/// >>> scored = {
/// ...     "bucket_ts": [f"2026-01-06T{10 + i // 60}:{i % 60:02}:00Z" for i in steps],
/// ...     "service": ["shop" for _ in steps],
/// ...     "endpoint": ["/pay" for _ in steps],
/// ...     "req_count": [100 for _ in steps],
/// ...     "p95_latency_ms": [80.0 if i < 80 else 500.0 for i in steps],
/// ...     "signal": ["p95_latency_ms" for _ in steps],
/// ...     "score": [0.1 if i < 80 else 0.7 for i in steps],
/// ...     "expected_low": [60.0 for _ in steps],
/// ...     "expected_high": [100.0 for _ in steps],
/// ... }
/// >>> judged = mad.Guardrails().judge(scored).to_table()
/// >>> int(judged["is_anomaly"].sum()), judged["reason"][-1], judged["severity"][-1]
/// (10, 'above_expected', 'Warning')
#[pyclass(module = "mad._core", frozen)]
pub struct Guardrails {
    state: Shared<Judging>,
}

#[derive(Serialize, Deserialize)]
struct Judging {
    core: mad_core::Guardrails,
    entities: EntityTable,
    known: BTreeMap<EntityId, EntityMaturity>,
}

#[pymethods]
impl Guardrails {
    #[new]
    #[pyo3(signature = (config=None))]
    fn new(config: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let config = parse(config)?;
        let core = mad_core::Guardrails::new(config.guard, config.score.threshold)
            .map_err(|error| to_py(&error))?;
        let (entities, known) = (EntityTable::new(usize::MAX), BTreeMap::new());
        Ok(Self { state: Shared::new(Judging { core, entities, known }) })
    }

    /// Judges scored rows in order of time, and gives them with their verdicts.
    ///
    /// Raises ValueError for rows without scores.
    fn judge(&self, py: Python<'_>, rows: &Bound<'_, PyAny>) -> PyResult<Rows> {
        let mut rows = rows_of(rows)?.into_owned();
        let Some(scores) = rows.scores.take() else {
            return Err(value_error(
                "these rows have no scores: give the result of RowScorer.observe(rows), or a table \
                 with the columns `signal` and `score`",
            ));
        };
        self.state.with(py, move |state| {
            let mut verdicts = Vec::with_capacity(scores.len());
            for (row, scores) in rows.features.iter().zip(&scores) {
                let id = rows.known(row, &mut state.entities);
                let first = EntityMaturity { first: row.bucket, points: 0 };
                let maturity = state.known.entry(id).or_insert(first);
                verdicts.push(state.core.judge(&RowBuilder::from(row).row(), scores, *maturity));
                maturity.points += 1;
            }
            rows.scores = Some(scores);
            rows.verdicts = Some(verdicts);
            rows
        })
    }
}

pickled!(shared Guardrails);
