//! The stages one by one, for those who compose their own pipeline.

use std::collections::HashMap;

use mad_core::guard::EntityMaturity;
use mad_core::{CulpritConfig, EntityId, FlaggedRow, IncidentChange, PipelineConfig, Rejections};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::config::parse;
use crate::errors::{to_py, value_error};
use crate::incident::{Explanation, Incident};
use crate::moment::Moment;
use crate::ranking::Ranking;
use crate::read::RequestTable;
use crate::report;
use crate::rows::Rows;

/// Requests to one row per service, endpoint and step.
#[pyclass(module = "mad._core")]
pub struct FeatureBuilder {
    core: mad_core::FeatureBuilder,
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
        Ok(Self { core, config, rejections: Rejections::default() })
    }

    /// Takes a request table in the order in which it stands; gives the rows that closed.
    fn push(&mut self, py: Python<'_>, requests: &Bound<'_, PyAny>) -> PyResult<Rows> {
        let table = RequestTable::read(requests, self.config.zone())?;
        let rows = py.detach(|| {
            let (mut rows, mut late) = (Vec::new(), Rejections::default());
            let Self { core, rejections, .. } = self;
            let mut push = |request: mad_core::Request<'_>, position: u64| {
                core.push(&request, position, &mut rows, &mut late);
            };
            table.in_order(&mut push, rejections);
            rejections.merge(late);
            rows
        });
        Ok(self.rows(rows))
    }

    /// Closes every open step.
    fn finish(&mut self) -> Rows {
        let mut rows = Vec::new();
        self.core.finish(&mut rows, &mut self.rejections);
        self.rows(rows)
    }

    /// Records that were not taken.
    #[getter]
    fn rejected<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        report::rejected(py, &self.rejections)
    }
}

impl FeatureBuilder {
    fn rows(&self, features: Vec<mad_core::FeatureRow>) -> Rows {
        Rows { entities: self.core.entities().clone(), features, ..Rows::default() }
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
            for row in &rows.features {
                let scorer = match self.entities.entry(row.entity) {
                    std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
                    std::collections::hash_map::Entry::Vacant(new) => new.insert(
                        mad_core::RowScorer::new(&self.config.score)
                            .map_err(|error| to_py(&error))?,
                    ),
                };
                scores.push(scorer.observe(row));
            }
            Ok(scores)
        })?;
        out.scores = Some(scores);
        out.verdicts = None;
        Ok(out)
    }
}

/// Holds back what is not worth waking anyone.
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

/// The flagged ones of judged rows, with what carries them.
fn flagged(rows: &Rows) -> PyResult<Vec<(Option<FlaggedRow>, f64)>> {
    let (Some(scores), Some(verdicts)) = (&rows.scores, &rows.verdicts) else {
        return Err(value_error("these rows have no verdicts: Guardrails.judge(rows) first"));
    };
    let judged = rows.features.iter().zip(scores).zip(verdicts);
    Ok(judged
        .map(|((row, scores), verdict)| (FlaggedRow::new(row, scores, verdict), verdict.support))
        .collect())
}

/// Groups flagged rows into incidents.
#[pyclass(module = "mad._core")]
pub struct IncidentGrouper {
    core: mad_core::IncidentGrouper,
}

#[pymethods]
impl IncidentGrouper {
    #[new]
    #[pyo3(signature = (config=None))]
    fn new(config: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let config = parse(config)?;
        let (step, lateness) = (config.features.step(), config.features.lateness());
        let kept = config.limits.closed_incidents;
        let core = mad_core::IncidentGrouper::new(config.incident, step, lateness, kept);
        let critical = config.guard.critical_error_rate;
        Ok(Self { core: core.map_err(|error| to_py(&error))?.with_critical_error_rate(critical) })
    }

    /// Takes judged rows, in order; gives all incidents so far, newest first.
    fn group(&mut self, rows: &Rows) -> PyResult<Vec<Incident>> {
        let mut changes: Vec<IncidentChange> = Vec::new();
        let judged = flagged(rows)?;
        let verdicts = rows.verdicts.iter().flatten();
        for ((row, (flagged, support)), verdict) in rows.features.iter().zip(judged).zip(verdicts) {
            self.core.advance(row.bucket, &mut changes);
            match (flagged, rows.entities.get(row.entity)) {
                (Some(flagged), Some(entity)) => {
                    self.core.flagged(entity, flagged, support, &mut changes);
                }
                _ => self.core.quiet(row.entity, row.bucket, verdict.evidence, &mut changes),
            }
            changes.clear();
        }
        let all = self.core.incidents();
        let one = |core: &mad_core::Incident| Incident {
            core: core.clone(),
            document: None,
            ranking: None,
        };
        Ok(all.into_iter().map(one).collect())
    }
}

/// Ranks services and endpoints by the evidence in their flagged rows.
#[pyclass(module = "mad._core", frozen)]
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

    /// Ranks by judged rows up to `at` (default: the newest one).
    #[pyo3(signature = (rows, at=None))]
    fn rank(&self, rows: &Rows, at: Option<Moment>) -> PyResult<Ranking> {
        let newest = rows.features.iter().map(|row| row.bucket).max();
        let at = at.map(|at| at.0).or(newest).unwrap_or_default();
        let flagged: Vec<FlaggedRow> =
            flagged(rows)?.into_iter().filter_map(|(row, _)| row).collect();
        Ok(self.core.rank(&flagged, &rows.entities, at).into())
    }
}

/// Explains incidents by templates that can only say what the evidence holds.
#[pyclass(module = "mad._core", frozen)]
pub struct TemplateExplainer {
    core: mad_core::TemplateExplainer,
}

#[pymethods]
impl TemplateExplainer {
    #[new]
    #[pyo3(signature = (step_seconds=60.0))]
    fn new(step_seconds: f64) -> PyResult<Self> {
        let config = mad_core::FeatureConfig { step_seconds, ..Default::default() };
        config.validate().map_err(|error| to_py(&error))?;
        Ok(Self { core: mad_core::TemplateExplainer::new(config.step()) })
    }

    /// Explains an incident; `ranking` is the one at its end, if there is one.
    #[pyo3(signature = (incident, ranking=None))]
    fn explain(&self, incident: &Incident, ranking: Option<&Ranking>) -> Explanation {
        self.core.explain(&incident.core, ranking.map(|ranking| &ranking.core)).into()
    }
}
