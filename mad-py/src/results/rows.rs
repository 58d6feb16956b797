//! Rows between the stages, and as tables.

use arrow_array::ArrayRef;
use mad_core::export::{Overview, OverviewRow};
use mad_core::guard::Verdict;
use mad_core::score::{RowScores, Score, SignalScore};
use mad_core::time::SECOND;
use mad_core::{EntityId, EntityTable, FeatureRow, JudgedRow, RowKind, Signal};
use pyo3::prelude::*;
use serde::{Deserialize, Serialize};

use crate::errors::value_error;
use crate::pickle::pickled;
use crate::results::points::Points;
use crate::results::row_reader::{OF_SIGNAL, rows_of};
use crate::tables::table::{Table, flags, floats, integers, strings, times};

/// Rows that one stage hands to the next: features of each service, endpoint and step; then with
/// scores; then with verdicts.
///
/// `Rows(table)` reads them from a dataframe, an Arrow table or a mapping of columns: that of
/// `report.features` or `report.scored`, of `features.csv` or `scored.csv`, or of `to_table()`.
/// Needed columns are bucket_ts (aware), service, endpoint and req_count. A table with the columns
/// `signal` and `score` has scores, and one with `is_anomaly` has verdicts too. Of a table without
/// separate columns for every signal, only the leading signal of each row is known.
///
/// NaN and missing numbers are unknown; an empty table gives no rows. The rows are sorted by time.
/// Every stage takes such a table in place of `Rows`.
///
/// Raises ValueError for a missing column, for a value that cannot be read (named with its column
/// and row), for naive times, and for two rows of one service, endpoint and time.
///
/// >>> import mad
/// >>> rows = mad.Rows({
/// ...     "bucket_ts": ["2026-01-06T10:00:00Z", "2026-01-06T10:01:00Z"],
/// ...     "service": ["shop", "shop"],
/// ...     "endpoint": ["/pay", "/pay"],
/// ...     "req_count": [60, 58],
/// ...     "error_count": [0, 1],
/// ...     "p50_latency_ms": [40.0, 41.0],
/// ...     "p95_latency_ms": [80.0, 82.0],
/// ... })
/// >>> rows
/// Rows(2 rows, features)
/// >>> rows.to_table()["error_count"].tolist()
/// [0, 1]
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

    /// The rows as a table: their features; their scores and verdicts where they are known.
    ///
    /// Features have the columns of `features.csv`, judged rows those of `scored.csv`. With
    /// `signals`, the table has the scores of every signal too, so that `Rows(table)` gives the
    /// same rows again.
    #[pyo3(signature = (*, signals=false))]
    pub fn to_table(&self, signals: bool) -> PyResult<Table> {
        let (rows, entities) = (&self.features, &self.entities);
        let mut columns = match (&self.scores, &self.verdicts) {
            (Some(scores), Some(verdicts)) => scored_columns(rows, scores, verdicts, entities),
            (Some(scores), None) => {
                let mut columns = name_columns(rows, entities);
                let score = floats(scores.iter().map(RowScores::value));
                columns.push(("score".to_owned(), score));
                columns
            }
            _ => feature_columns(rows, entities),
        };
        if signals || (self.scores.is_some() && self.verdicts.is_none()) {
            let mut more = feature_columns(rows, entities);
            more.extend(count_columns(rows));
            more.extend(self.scores.iter().flat_map(|scores| signal_columns(rows, scores)));
            more.extend(self.verdicts.iter().map(|verdicts| flagged_column(verdicts)));
            more.retain(|(name, _)| columns.iter().all(|(known, _)| known != name));
            columns.extend(more);
        }
        table(&columns)
    }

    /// Reads rows from a table; see the class.
    #[new]
    fn new(table: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(rows_of(table)?.into_owned())
    }
}

/// A row with its scores and its verdict.
type Judged<'a> = (&'a FeatureRow, &'a RowScores, &'a Verdict);

impl Rows {
    /// The rows with their verdicts.
    ///
    /// # Errors
    ///
    /// `ValueError` for rows without verdicts.
    pub fn judged(&self) -> PyResult<impl Iterator<Item = Judged<'_>>> {
        let (Some(scores), Some(verdicts)) = (&self.scores, &self.verdicts) else {
            return Err(value_error(
                "these rows have no verdicts: give the result of Guardrails.judge(rows), or a \
                 table with the columns `is_anomaly`, `signal` and `score`",
            ));
        };
        let judged = self.features.iter().zip(scores).zip(verdicts);
        Ok(judged.map(|((row, scores), verdict)| (row, scores, verdict)))
    }

    /// The course of the endpoints of judged rows, which have steps of `step` nanoseconds.
    pub fn overview(&self, step: i64) -> Overview {
        let mut overview = Overview::default();
        for (row, verdict) in self.features.iter().zip(self.verdicts.iter().flatten()) {
            let Some(entity) = self.entities.get(row.entity) else { continue };
            let figures = OverviewRow {
                at: row.bucket,
                step,
                p95: row.p95,
                requests: row.count,
                errors: row.errors,
                is_anomaly: verdict.is_anomaly,
            };
            overview.add_row(row.entity, entity, figures);
        }
        overview
    }

    /// The id of a row's entity in another table of entities, which outlives these rows.
    pub fn known(&self, row: &FeatureRow, entities: &mut EntityTable) -> EntityId {
        match self.entities.get(row.entity) {
            Some(entity) => entities.id(&entity.service, &entity.endpoint),
            None => entities.id("", ""),
        }
    }
}

/// A column with its name.
type Column = (String, ArrayRef);

fn table(columns: &[Column]) -> PyResult<Table> {
    Table::new(columns.iter().map(|(name, column)| (name.as_str(), column.clone())).collect())
}

fn named<const N: usize>(columns: [(&str, ArrayRef); N]) -> Vec<Column> {
    columns.into_iter().map(|(name, column)| (name.to_owned(), column)).collect()
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

/// Time and names of rows.
fn name_columns(rows: &[FeatureRow], entities: &EntityTable) -> Vec<Column> {
    named([
        ("bucket_ts", times(rows.iter().map(|row| row.bucket))),
        ("service", strings(service(rows, entities))),
        ("endpoint", strings(endpoint(rows, entities))),
    ])
}

/// The columns of `features.csv`.
fn feature_columns(rows: &[FeatureRow], entities: &EntityTable) -> Vec<Column> {
    let mut columns = name_columns(rows, entities);
    let statuses: Vec<String> = rows.iter().map(|row| row.statuses.to_string()).collect();
    columns.extend(named([
        ("req_count", integers(rows.iter().map(|row| row.count))),
        ("error_count", integers(rows.iter().map(|row| row.errors))),
        ("avg_latency_ms", floats(rows.iter().map(|row| row.mean))),
        ("p95_latency_ms", floats(rows.iter().map(|row| row.p95))),
        ("error_rate", floats(rows.iter().map(FeatureRow::error_rate))),
        ("p50_latency_ms", floats(rows.iter().map(|row| row.p50))),
        ("p99_latency_ms", floats(rows.iter().map(|row| row.p99))),
        ("max_latency_ms", floats(rows.iter().map(|row| row.max))),
        ("gap_steps", integers(rows.iter().map(|row| row.gap))),
        ("client_error_rate", of_signal(rows, Signal::ClientErrorRate)),
        ("slow_share", of_signal(rows, Signal::SlowShare)),
        ("tail_ms", floats(rows.iter().map(|row| row.tail_ms.unwrap_or(f64::NAN)))),
        ("statuses", strings(statuses.iter().map(String::as_str))),
        ("min_latency_ms", floats(rows.iter().map(|row| row.min))),
        ("std_latency_ms", floats(rows.iter().map(|row| row.std))),
    ]));
    columns
}

/// The values of one signal.
fn of_signal(rows: &[FeatureRow], signal: Signal) -> ArrayRef {
    floats(rows.iter().map(|row| row.sample(signal).value))
}

/// Counts of a row that no file has.
fn count_columns(rows: &[FeatureRow]) -> Vec<Column> {
    named([
        ("latency_count", integers(rows.iter().map(|row| row.samples))),
        ("slow_count", integers(rows.iter().map(|row| row.slow))),
        ("no_response_count", integers(rows.iter().map(|row| row.no_response))),
        ("is_whole", flags(rows.iter().map(|row| row.whole))),
    ])
}

/// A table with the columns of `features.csv`.
pub fn features_table(rows: &[FeatureRow], entities: &EntityTable) -> PyResult<Table> {
    table(&feature_columns(rows, entities))
}

/// The scores of every signal.
fn signal_columns(rows: &[FeatureRow], scores: &[RowScores]) -> Vec<Column> {
    let mut columns = Vec::new();
    for signal in Signal::ALL {
        let number = |of: fn(&Score) -> f64| floats(scores.iter().map(|row| of(row.of(signal))));
        let drift = rows.iter().zip(scores).map(|(row, scores)| {
            scores
                .drift_since(signal)
                .map_or(f64::NAN, |since| row.bucket.since(since) as f64 / SECOND as f64)
        });
        let values = [
            number(|score| score.z),
            floats(scores.iter().map(|row| row.neg_log10_p_of(signal))),
            number(|score| score.expected),
            number(|score| score.low),
            number(|score| score.high),
            number(|score| score.effective_n),
            floats(drift),
        ];
        let names = OF_SIGNAL.iter().map(|name| format!("{}_{name}", signal.as_str()));
        columns.extend(names.zip(values));
    }
    columns
}

/// The flagged signals of each row.
fn flagged_column(verdicts: &[Verdict]) -> Column {
    let names = verdicts.iter().map(|verdict| {
        let names: Vec<&str> = verdict.flagged_signals().map(Signal::as_str).collect();
        names.join(" ")
    });
    let names: Vec<String> = names.collect();
    ("flagged_signals".to_owned(), strings(names.iter().map(String::as_str)))
}

/// The columns of `scored.csv`.
fn scored_columns(
    rows: &[FeatureRow],
    scores: &[RowScores],
    verdicts: &[Verdict],
    entities: &EntityTable,
) -> Vec<Column> {
    let leading =
        || scores.iter().zip(verdicts).map(|(row, verdict)| row.of(verdict.request_signal()));
    let verdict = || verdicts.iter();
    let value = rows.iter().zip(verdicts);
    let value = value.map(|(row, verdict)| row.sample(verdict.request_signal()).value);
    let mut columns = name_columns(rows, entities);
    columns.extend(named([
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
        ("value", floats(value)),
        ("expected", floats(leading().map(|score| score.expected))),
        ("z", floats(leading().map(|score| score.z))),
    ]));
    columns
}

/// Judged rows taken apart: those of endpoints, those of services, and the values of series.
pub fn split(judged: Vec<JudgedRow>) -> (Rows, Rows, Points) {
    let mut points = Points::default();
    let (mut rows, mut services) = (Vec::new(), Vec::new());
    for row in judged {
        match row.head.kind {
            RowKind::Requests => rows.push(row),
            RowKind::Services => services.push(row),
            _ => points.push(row),
        }
    }
    (columns_of(rows), columns_of(services), points)
}

/// Judged rows of requests as columns, with a table of their own entities, because a pipeline gives
/// the id of one that it forgot to another.
fn columns_of(judged: Vec<JudgedRow>) -> Rows {
    let mut out = Rows { entities: EntityTable::new(usize::MAX), ..Rows::default() };
    let (mut scores, mut verdicts) = (Vec::new(), Vec::new());
    for row in judged {
        let entity = out.entities.id(&row.entity.service, &row.entity.endpoint);
        out.features.push(FeatureRow { entity, ..FeatureRow::from(&row) });
        let kept = row.signals.iter().map(|one| SignalScore {
            signal: one.id,
            score: Score { neg_log10_p: one.neg_log10_p, ..one.score },
            drift_since: one.drift_since,
        });
        scores.push(RowScores::from_kept(kept.collect()));
        verdicts.push(row.verdict);
    }
    out.scores = Some(scores);
    out.verdicts = Some(verdicts);
    out
}

pickled!(Rows);
