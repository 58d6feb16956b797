//! The first stages one by one: requests to rows, scores and verdicts.

use std::collections::HashMap;

use mad_core::guard::EntityMaturity;
use mad_core::score::RowScores;
use mad_core::{
    EntityId, EntityTable, FeatureRow, FeatureSink, PipelineConfig, Rejections, RowBuffer, RowKind,
    SeriesTable, Source,
};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::config::parse;
use crate::errors::{to_py, value_error};
use crate::records::rejected;
use crate::results::rows::Rows;
use crate::tables::record_table::RequestTable;

/// Requests to one row per service, endpoint and step.
#[pyclass(module = "mad._core")]
pub struct FeatureBuilder {
    core: mad_core::FeatureBuilder,
    entities: EntityTable,
    series: SeriesTable,
    config: PipelineConfig,
    rejections: Rejections,
}

#[pymethods]
impl FeatureBuilder {
    #[new]
    #[pyo3(signature = (config=None))]
    fn new(config: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let config = parse(config)?;
        let core = mad_core::FeatureBuilder::new(config.features, &config.limits)
            .map_err(|error| to_py(&error))?;
        let entities = EntityTable::new(config.limits.entities);
        let series = SeriesTable::new(config.limits.series);
        Ok(Self { core, entities, series, config, rejections: Rejections::default() })
    }

    /// Takes a request table in the order in which it stands; gives the rows that closed.
    fn push(&mut self, py: Python<'_>, requests: &Bound<'_, PyAny>) -> PyResult<Rows> {
        let table = RequestTable::read(requests, self.config.zone())?;
        let rows = py.detach(|| {
            let (mut rows, mut late) = (RowBuffer::default(), Rejections::default());
            let Self { core, entities, series, rejections, .. } = self;
            let mut sink = FeatureSink { entities, series, rows: &mut rows, rejections: &mut late };
            let mut push = |request: mad_core::Request<'_>, position: u64| {
                core.push(request, &Source::at(position), &mut sink);
            };
            table.in_order(&mut push, rejections);
            rejections.merge(late);
            rows
        });
        Ok(self.rows(&rows))
    }

    /// Closes every open step.
    fn finish(&mut self) -> Rows {
        let mut rows = RowBuffer::default();
        let Self { core, entities, series, rejections, .. } = self;
        core.finish(&mut FeatureSink { entities, series, rows: &mut rows, rejections });
        self.rows(&rows)
    }

    /// Records that were not taken.
    #[getter]
    fn rejected<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        rejected::rejected(py, &self.rejections)
    }
}

impl FeatureBuilder {
    fn rows(&self, rows: &RowBuffer) -> Rows {
        let features = rows.iter().map(FeatureRow::from).collect();
        Rows { entities: self.entities.clone(), features, ..Rows::default() }
    }
}

/// Judges each signal of each row by what came before it, then learns it.
#[pyclass(module = "mad._core")]
pub struct RowScorer {
    config: PipelineConfig,
    entities: HashMap<EntityId, mad_core::RowScorer>,
}

#[pymethods]
impl RowScorer {
    #[new]
    #[pyo3(signature = (config=None))]
    fn new(config: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        Ok(Self { config: parse(config)?, entities: HashMap::new() })
    }

    /// Scores rows of one feature builder, in order.
    fn observe(&mut self, py: Python<'_>, rows: &Rows) -> PyResult<Rows> {
        let mut out = rows.clone();
        let scores = py.detach(|| -> PyResult<Vec<_>> {
            let mut scores = Vec::with_capacity(rows.features.len());
            let (mut buffer, mut judged) = (RowBuffer::default(), RowScores::default());
            let step = self.config.features.step();
            for row in &rows.features {
                let scorer = match self.entities.entry(row.entity) {
                    std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
                    std::collections::hash_map::Entry::Vacant(new) => new.insert(
                        mad_core::RowScorer::new(RowKind::Requests, &self.config.score)
                            .map_err(|error| to_py(&error))?,
                    ),
                };
                buffer.clear();
                buffer.push_requests(row, step);
                if let Some(row) = buffer.get(0) {
                    scorer.observe(&row, &mut judged);
                }
                scores.push(judged.kept());
            }
            Ok(scores)
        })?;
        out.scores = Some(scores);
        out.verdicts = None;
        Ok(out)
    }
}

/// Suppresses what is not worth waking anyone.
#[pyclass(module = "mad._core")]
pub struct Guardrails {
    core: mad_core::Guardrails,
    known: HashMap<EntityId, EntityMaturity>,
}

#[pymethods]
impl Guardrails {
    #[new]
    #[pyo3(signature = (config=None))]
    fn new(config: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let config = parse(config)?;
        let core = mad_core::Guardrails::new(config.guard, config.score.threshold)
            .map_err(|error| to_py(&error))?;
        Ok(Self { core, known: HashMap::new() })
    }

    /// Judges scored rows, in order.
    fn judge(&mut self, rows: &Rows) -> PyResult<Rows> {
        let scores = rows.scores.as_ref().ok_or_else(|| {
            value_error("these rows have no scores: RowScorer.observe(rows) first")
        })?;
        let mut out = rows.clone();
        let mut verdicts = Vec::with_capacity(scores.len());
        for (row, scores) in rows.features.iter().zip(scores) {
            let maturity = self
                .known
                .entry(row.entity)
                .or_insert(EntityMaturity { first: row.bucket, points: 0 });
            verdicts.push(self.core.judge(row, scores, *maturity));
            maturity.points += 1;
        }
        out.verdicts = Some(verdicts);
        Ok(out)
    }
}
