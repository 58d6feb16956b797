//! The stage that groups flagged rows into incidents.

use std::time::Duration;

use mad_core::incident::RowOutcome;
use mad_core::{EntityTable, FlaggedRow, IncidentChange, RowBuilder};
use pyo3::prelude::*;
use serde::{Deserialize, Serialize};

use crate::config::parse;
use crate::errors::to_py;
use crate::pickle::pickled;
use crate::results::incident::Incident;
use crate::results::row_reader::rows_of;
use crate::shared::Shared;

/// Groups the flagged rows of a service and endpoint into incidents.
///
/// An incident opens with strong evidence in one row or with several flagged rows, grows with each
/// flagged row, and closes after `incident.resolve_after_minutes` without one. Rows that are not
/// flagged close incidents, so give all rows. Of `config`, `incident`, `features.step_seconds`,
/// `features.lateness_seconds`, `guard.critical_error_rate` and `limits.closed_incidents` matter.
///
/// `group` takes judged `Rows` or any table of rows with verdicts, such as `report.scored` or
/// `scored.csv`; see `mad.Rows` for the columns and errors. No rows give no incidents. The
/// incidents of a whole run also join services that call each other; here no calls are known. A
/// grouper can be pickled and copied, and threads can share it.
///
/// >>> import mad
/// >>> steps = range(30)
/// >>> judged = {
/// ...     "bucket_ts": [f"2026-01-06T10:{i:02}:00Z" for i in steps],
/// ...     "service": ["shop" for _ in steps],
/// ...     "endpoint": ["/pay" for _ in steps],
/// ...     "req_count": [100 for _ in steps],
/// ...     "error_count": [30 if 10 <= i < 15 else 0 for i in steps],
/// ...     "is_anomaly": [10 <= i < 15 for i in steps],
/// ...     "signal": ["error_rate" for _ in steps],
/// ...     "score": [0.8 if 10 <= i < 15 else 0.0 for i in steps],
/// ...     "severity": ["Critical" if 10 <= i < 15 else "Info" for i in steps],
/// ... }
/// >>> (incident,) = mad.IncidentGrouper().group(judged)
/// >>> incident.service, incident.endpoint, incident.severity, incident.errors
/// ('shop', '/pay', 'Critical', 150)
/// >>> str(incident.start), str(incident.end)
/// ('2026-01-06 10:10:00+00:00', '2026-01-06 10:15:00+00:00')
#[pyclass(module = "mad._core", frozen)]
pub struct IncidentGrouper {
    state: Shared<Grouping>,
}

#[derive(Serialize, Deserialize)]
struct Grouping {
    core: mad_core::IncidentGrouper,
    entities: EntityTable,
    step: Duration,
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
        let entities = EntityTable::new(usize::MAX);
        Ok(Self { state: Shared::new(Grouping { core, entities, step }) })
    }

    /// Takes judged rows in order of time; gives all incidents so far, newest first.
    ///
    /// Raises ValueError for rows without verdicts.
    fn group(&self, py: Python<'_>, rows: &Bound<'_, PyAny>) -> PyResult<Vec<Incident>> {
        let rows = rows_of(rows)?;
        let rows = rows.as_ref();
        let judged = rows.judged()?;
        self.state.with(py, move |state| {
            let mut changes: Vec<IncidentChange> = Vec::new();
            for (row, scores, verdict) in judged {
                let id = rows.known(row, &mut state.entities);
                state.core.advance(row.bucket, &mut changes);
                let Some(entity) = rows.entities.get(row.entity) else { continue };
                let judged = RowBuilder::from(row).step(state.step);
                let outcome = match FlaggedRow::of_requests(&judged.row(), scores, verdict) {
                    Some(flagged) => RowOutcome::Alarm(FlaggedRow { entity: id, ..flagged }),
                    None => RowOutcome::Quiet {
                        entity: id,
                        at: row.bucket,
                        step: judged.row().head.step,
                        neg_log10_p: verdict.neg_log10_p,
                    },
                };
                state.core.take(entity, outcome, &(), &mut changes);
                changes.clear();
            }
            let all = state.core.incidents().into_iter();
            all.map(|core| Incident { core: core.clone(), document: None, ranking: None }).collect()
        })
    }
}

pickled!(shared IncidentGrouper);
