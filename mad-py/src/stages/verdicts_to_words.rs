//! The later stages one by one: judged rows to incidents, culprits and words.

use mad_core::incident::RowOutcome;
use mad_core::{CulpritConfig, FlaggedRow, IncidentChange};
use pyo3::prelude::*;

use crate::config::parse;
use crate::errors::{to_py, value_error};
use crate::moment::Moment;
use crate::results::explanation::Explanation;
use crate::results::incident::Incident;
use crate::results::ranking::Ranking;
use crate::results::rows::Rows;

/// The flagged rows among judged rows, in their places.
fn flagged(rows: &Rows, step: i64) -> PyResult<Vec<Option<FlaggedRow>>> {
    let (Some(scores), Some(verdicts)) = (&rows.scores, &rows.verdicts) else {
        return Err(value_error("these rows have no verdicts: Guardrails.judge(rows) first"));
    };
    let judged = rows.features.iter().zip(scores).zip(verdicts);
    Ok(judged
        .map(|((row, scores), verdict)| FlaggedRow::of_requests(row, step, scores, verdict))
        .collect())
}

/// Groups flagged rows into incidents.
#[pyclass(module = "mad._core")]
pub struct IncidentGrouper {
    core: mad_core::IncidentGrouper,
    step: i64,
}

#[pymethods]
impl IncidentGrouper {
    #[new]
    #[pyo3(signature = (config=None))]
    fn new(config: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let config = parse(config)?;
        let (step, lateness) = (config.features.step(), config.features.lateness());
        let kept = config.limits.closed_incidents;
        let core = mad_core::IncidentGrouper::new(config.incident, lateness, kept);
        let critical = config.guard.critical_error_rate;
        let core = core.map_err(|error| to_py(&error))?.with_critical_error_rate(critical);
        Ok(Self { core, step })
    }

    /// Takes judged rows, in order; gives all incidents so far, newest first.
    fn group(&mut self, rows: &Rows) -> PyResult<Vec<Incident>> {
        let mut changes: Vec<IncidentChange> = Vec::new();
        let judged = flagged(rows, self.step)?;
        let verdicts = rows.verdicts.iter().flatten();
        for ((row, flagged), verdict) in rows.features.iter().zip(judged).zip(verdicts) {
            self.core.advance(row.bucket, &mut changes);
            let Some(entity) = rows.entities.get(row.entity) else { continue };
            let outcome = flagged.map_or_else(
                || RowOutcome::Quiet {
                    entity: row.entity,
                    at: row.bucket,
                    step: self.step,
                    neg_log10_p: verdict.neg_log10_p,
                },
                RowOutcome::Alarm,
            );
            self.core.take(entity, outcome, &(), &mut changes);
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
            flagged(rows, mad_core::time::MINUTE)?.into_iter().flatten().collect();
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
    fn new() -> Self {
        Self { core: mad_core::TemplateExplainer }
    }

    /// Explains an incident; `ranking` is the one at its end, if there is one.
    #[pyo3(signature = (incident, ranking=None))]
    fn explain(&self, incident: &Incident, ranking: Option<&Ranking>) -> Explanation {
        self.core.explain(&incident.core, ranking.map(|ranking| &ranking.core)).into()
    }
}
