//! Rows between the stages, and as tables.

use mad_core::guard::Verdict;
use mad_core::score::RowScores;
use mad_core::{EntityTable, FeatureRow, JudgedRow, Signal};
use pyo3::prelude::*;
use serde::{Deserialize, Serialize};

use crate::pickle::{self, Reduced, State};
use crate::tables::table::{Table, flags, floats, integers, strings, times};

/// Rows as the stages hand them on: features, then with scores, then with verdicts. Reads as a
/// table through `to_table()`.
#[pyclass(module = "mad._core", frozen)]
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Rows {
    pub entities: EntityTable,
    pub features: Vec<FeatureRow>,
    pub scores: Option<Vec<RowScores>>,
    pub verdicts: Option<Vec<Verdict>>,
}

#[pymethods]
impl Rows {
    /// Rows.
    fn __len__(&self) -> usize {
        self.features.len()
    }

    fn __repr__(&self) -> String {
        let stage = match (&self.scores, &self.verdicts) {
            (_, Some(_)) => "judged",
            (Some(_), None) => "scored",
            _ => "features",
        };
        format!("Rows({} rows, {stage})", self.features.len())
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Reduced<'py, State<'py>> {
        pickle::reduce(py, self)
    }

    #[staticmethod]
    fn _from_state(state: &[u8]) -> PyResult<Self> {
        pickle::read(state)
    }

    /// The rows as a table: features; scores and verdicts where they are known.
    pub fn to_table(&self) -> PyResult<Table> {
        match (&self.scores, &self.verdicts) {
            (Some(scores), Some(verdicts)) => {
                scored_table(&self.features, scores, verdicts, &self.entities)
            }
            (Some(scores), None) => score_table(&self.features, scores, &self.entities),
            _ => features_table(&self.features, &self.entities),
        }
    }
}

fn service<'a>(rows: &'a [FeatureRow], entities: &'a EntityTable) -> impl Iterator<Item = &'a str> {
    rows.iter().map(|row| entities.get(row.entity).map_or("", |entity| &*entity.service))
}

fn endpoint<'a>(
    rows: &'a [FeatureRow],
    entities: &'a EntityTable,
) -> impl Iterator<Item = &'a str> {
    rows.iter().map(|row| entities.get(row.entity).map_or("", |entity| &*entity.endpoint))
}

/// A table with the columns of `features.csv`.
pub fn features_table(rows: &[FeatureRow], entities: &EntityTable) -> PyResult<Table> {
    Table::new(vec![
        ("bucket_ts", times(rows.iter().map(|row| row.bucket))),
        ("service", strings(service(rows, entities))),
        ("endpoint", strings(endpoint(rows, entities))),
        ("req_count", integers(rows.iter().map(|row| row.count))),
        ("error_count", integers(rows.iter().map(|row| row.errors))),
        ("avg_latency_ms", floats(rows.iter().map(|row| row.mean))),
        ("p95_latency_ms", floats(rows.iter().map(|row| row.p95))),
        ("error_rate", floats(rows.iter().map(FeatureRow::error_rate))),
        ("p50_latency_ms", floats(rows.iter().map(|row| row.p50))),
        ("p99_latency_ms", floats(rows.iter().map(|row| row.p99))),
        ("max_latency_ms", floats(rows.iter().map(|row| row.max))),
        ("gap_steps", integers(rows.iter().map(|row| row.gap))),
    ])
}

/// A table with z and evidence of each signal.
fn score_table(
    rows: &[FeatureRow],
    scores: &[RowScores],
    entities: &EntityTable,
) -> PyResult<Table> {
    let names: Vec<(String, String)> = Signal::ALL
        .iter()
        .map(|signal| {
            (format!("{}_z", signal.as_str()), format!("{}_neg_log10_p", signal.as_str()))
        })
        .collect();
    let mut columns = vec![
        ("bucket_ts", times(rows.iter().map(|row| row.bucket))),
        ("service", strings(service(rows, entities))),
        ("endpoint", strings(endpoint(rows, entities))),
        ("score", floats(scores.iter().map(RowScores::value))),
    ];
    for (signal, (z, neg_log10_p)) in Signal::ALL.into_iter().zip(&names) {
        columns.push((z, floats(scores.iter().map(move |row| row.of(signal).z))));
        columns
            .push((neg_log10_p, floats(scores.iter().map(move |row| row.neg_log10_p_of(signal)))));
    }
    Table::new(columns)
}

/// A table with the columns of `scored.csv`.
pub fn scored_table(
    rows: &[FeatureRow],
    scores: &[RowScores],
    verdicts: &[Verdict],
    entities: &EntityTable,
) -> PyResult<Table> {
    let leading =
        || scores.iter().zip(verdicts).map(|(row, verdict)| row.of(verdict.request_signal()));
    let verdict = || verdicts.iter();
    Table::new(vec![
        ("bucket_ts", times(rows.iter().map(|row| row.bucket))),
        ("service", strings(service(rows, entities))),
        ("endpoint", strings(endpoint(rows, entities))),
        ("req_count", integers(rows.iter().map(|row| row.count))),
        ("error_count", integers(rows.iter().map(|row| row.errors))),
        ("error_rate", floats(rows.iter().map(FeatureRow::error_rate))),
        ("avg_latency_ms", floats(rows.iter().map(|row| row.mean))),
        ("p95_latency_ms", floats(rows.iter().map(|row| row.p95))),
        ("mad_z", floats(scores.iter().map(|row| row.of(Signal::P95Latency).z))),
        ("is_anomaly", flags(verdict().map(|verdict| verdict.is_anomaly))),
        ("severity", strings(verdict().map(|verdict| verdict.severity.as_str()))),
        ("score", floats(verdict().map(Verdict::score))),
        ("signal", strings(verdict().map(|verdict| verdict.request_signal().as_str()))),
        ("reason", strings(verdict().map(|verdict| verdict.reason.as_str()))),
        ("expected_low", floats(leading().map(|score| score.low))),
        ("expected_high", floats(leading().map(|score| score.high))),
        (
            "value",
            floats(
                rows.iter()
                    .zip(verdicts)
                    .map(|(row, verdict)| row.sample(verdict.request_signal()).value),
            ),
        ),
        ("expected", floats(leading().map(|score| score.expected))),
        ("z", floats(leading().map(|score| score.z))),
    ])
}

/// Judged rows taken apart, with a table of their own entities: a pipeline gives the id of one that
/// it forgot to another.
pub fn split(rows: Vec<JudgedRow>) -> Rows {
    let mut out = Rows { entities: EntityTable::new(usize::MAX), ..Rows::default() };
    let (mut scores, mut verdicts) = (Vec::new(), Vec::new());
    for judged in rows {
        let entity = out.entities.id(&judged.entity.service, &judged.entity.endpoint);
        out.features.push(FeatureRow { entity, ..judged.row });
        scores.push(judged.scores);
        verdicts.push(judged.verdict);
    }
    out.scores = Some(scores);
    out.verdicts = Some(verdicts);
    out
}
