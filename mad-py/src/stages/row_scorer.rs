//! The stage that scores rows of features.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use mad_core::score::RowScores;
use mad_core::{EntityId, EntityTable, RowBuilder, RowKind, ScoreConfig, Timestamp};
use pyo3::prelude::*;
use serde::{Deserialize, Serialize};

use crate::config::parse;
use crate::errors::to_py;
use crate::pickle::pickled;
use crate::results::row_reader::rows_of;
use crate::results::rows::Rows;
use crate::shared::Shared;

/// Most endpoints of a service whose errors give the rate that is assumed of a new one, as in a
/// pipeline.
const MOST_ENDPOINTS: usize = 100;

/// Scores every signal of every row by the rows of its service and endpoint before it, then
/// learns the row.
///
/// A score is `-log10` of the probability of a value this far out, on a scale from 0 to 1 on which
/// one in ten thousand is 0.5. The first rows of an endpoint score 0, because nothing is known
/// yet, except by their errors: an error rate like that of the other endpoints of the service is
/// assumed. Of `config`, `score` and `features.step_seconds` matter.
///
/// `observe` takes `Rows` or any table of rows, such as `report.features`; see `mad.Rows` for the
/// columns and errors. NaN is an unknown value, which scores 0 and teaches nothing. No rows give no
/// rows. A scorer can be pickled and copied with all that it has learnt, and threads can share it.
///
/// >>> import mad
/// >>> steps = range(90)
/// >>> features = {
/// ...     "bucket_ts": [f"2026-01-06T{10 + i // 60}:{i % 60:02}:00Z" for i in steps],
/// ...     "service": ["shop" for _ in steps],
/// ...     "endpoint": ["/pay" for _ in steps],
/// ...     "req_count": [100 for _ in steps],
/// ...     "p50_latency_ms": [40.0 + i % 7 if i < 80 else 200.0 for i in steps],
/// ...     "p95_latency_ms": [80.0 + i % 5 if i < 80 else 500.0 for i in steps],
/// ... }
/// >>> scored = mad.RowScorer().observe(features)
/// >>> scores = scored.to_table()["score"]
/// >>> bool((scores[:80] < 0.5).all()), bool(scores[80] > 0.5)
/// (True, True)
#[pyclass(module = "mad._core", frozen)]
pub struct RowScorer {
    state: Shared<Scoring>,
}

#[derive(Serialize, Deserialize)]
struct Scoring {
    config: ScoreConfig,
    /// Length of a step.
    step: Duration,
    entities: EntityTable,
    scorers: BTreeMap<EntityId, Known>,
}

/// Everything learnt of one entity.
#[derive(Serialize, Deserialize)]
struct Known {
    scorer: mad_core::RowScorer,
    /// Start of its newest row.
    newest: Timestamp,
}

#[pymethods]
impl RowScorer {
    #[new]
    #[pyo3(signature = (config=None))]
    fn new(config: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let config = parse(config)?;
        let (step, config) = (config.features.step(), config.score);
        let (entities, scorers) = (EntityTable::new(usize::MAX), BTreeMap::new());
        Ok(Self { state: Shared::new(Scoring { config, step, entities, scorers }) })
    }

    /// Scores rows in order of time, and gives them with their scores.
    fn observe(&self, py: Python<'_>, rows: &Bound<'_, PyAny>) -> PyResult<Rows> {
        let mut rows = rows_of(rows)?.into_owned();
        self.state
            .with(py, move |state| {
                let mut scores = Vec::with_capacity(rows.features.len());
                // reused for every row
                let mut judged = RowScores::default();
                for row in &rows.features {
                    let id = rows.known(row, &mut state.entities);
                    let may_begin =
                        state.scorers.get(&id).is_none_or(|known| known.scorer.may_begin());
                    let (errors, requests) =
                        if may_begin { state.errors_elsewhere(id) } else { (0, 0) };
                    let Known { scorer, newest } = match state.scorers.entry(id) {
                        Entry::Occupied(known) => known.into_mut(),
                        Entry::Vacant(new) => {
                            let kind = RowKind::Requests;
                            let mut scorer = mad_core::RowScorer::new(kind, &state.config)?;
                            scorer.assume_errors(errors, requests);
                            new.insert(Known { scorer, newest: row.bucket })
                        }
                    };
                    // Empty steps before the row.
                    let gap = row.bucket.since(*newest) / state.step.as_nanos().max(1) as i64 - 1;
                    let gap = u32::try_from(gap.max(0)).unwrap_or(u32::MAX);
                    scorer.begin_after_stray(gap, errors, requests);
                    *newest = row.bucket;
                    scorer.observe(&RowBuilder::from(row).step(state.step).row(), &mut judged);
                    scores.push(judged.kept());
                }
                rows.scores = Some(scores);
                rows.verdicts = None;
                Ok(rows)
            })?
            .map_err(|error: mad_core::Error| to_py(&error))
    }
}

impl Scoring {
    /// Errors and requests that are learnt as normal of the other endpoints of an entity's service.
    fn errors_elsewhere(&self, id: EntityId) -> (u64, u64) {
        let Some(entity) = self.entities.get(id) else { return (0, 0) };
        self.entities
            .of_service(&entity.service)
            .filter(|other| *other != id)
            .take(MOST_ENDPOINTS)
            .filter_map(|other| self.scorers.get(&other))
            .map(|known| known.scorer.learnt_errors())
            .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }
}

pickled!(shared RowScorer);
