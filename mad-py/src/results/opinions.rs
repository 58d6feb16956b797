//! The opinions of the chosen methods of a run, as tables.

use mad_core::Change;
use mad_core::JudgedRow;
use mad_core::method::{Judgement, MethodSummary, Methods, Opinion};
use pyo3::prelude::*;
use serde::{Deserialize, Serialize};

use crate::errors::to_py;
use crate::tables::table::{Table, flags, floats, integers, optional_times, strings, times};

/// The opinions and summaries of a run.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Opinions {
    pub rows: Vec<Opinion>,
    pub summaries: Vec<MethodSummary>,
}

/// The chosen methods of a run under way, with the opinions that were not taken yet.
pub struct MethodRun {
    methods: Methods,
    pub held: Vec<Opinion>,
    workers: usize,
}

/// Checks the names of methods. Raises ValueError for a name or a weight that is not valid.
#[pyfunction]
pub fn check_scorers(names: Vec<String>) -> PyResult<()> {
    MethodRun::new(&names, 1, 1).map(|_| ())
}

impl MethodRun {
    /// The methods of some names, over a number of threads; none without a name.
    pub fn new(scorers: &[String], entities: usize, workers: usize) -> PyResult<Option<Self>> {
        if scorers.is_empty() {
            return Ok(None);
        }
        let methods = Methods::new(scorers, entities).map_err(|error| to_py(&error))?;
        Ok(Some(Self { methods, held: Vec::new(), workers }))
    }

    pub fn push(&mut self, rows: &[JudgedRow]) {
        self.methods.push_all(rows, self.workers, &mut self.held);
    }

    pub fn push_change(&mut self, change: &Change<'_>) {
        self.methods.push_change(change, &mut self.held);
    }

    pub fn summaries(&self) -> Vec<MethodSummary> {
        self.methods.summaries()
    }

    /// All opinions that are held, with the summaries.
    pub fn take(&mut self) -> Opinions {
        Opinions { rows: std::mem::take(&mut self.held), summaries: self.summaries() }
    }
}

impl Opinions {
    /// A table with the columns of `methods.csv`.
    pub fn to_table(&self) -> PyResult<Table> {
        let rows = || self.rows.iter();
        let judged = || self.rows.iter().map(|row| &row.judgement);
        let number = |of: fn(&Judgement) -> f64| floats(judged().map(of));
        let names = |of: fn(&Opinion) -> String| {
            let names: Vec<String> = rows().map(of).collect();
            strings(names.iter().map(String::as_str))
        };
        Table::new(vec![
            ("bucket_ts", times(rows().map(|row| row.at))),
            ("service", strings(rows().map(|row| &*row.entity.service))),
            ("endpoint", strings(rows().map(|row| &*row.entity.endpoint))),
            ("method", strings(rows().map(|row| row.method.as_str()))),
            ("is_anomaly", flags(judged().map(|one| one.is_anomaly))),
            ("severity", strings(judged().map(|one| one.severity.as_str()))),
            ("score", number(|one| one.score)),
            ("signal", strings(judged().map(|one| &*one.signal))),
            ("value", number(|one| one.value)),
            ("expected", number(|one| one.expected)),
            ("expected_low", number(|one| one.low)),
            ("expected_high", number(|one| one.high)),
            ("health", number(|one| one.health)),
            ("members", names(|row| row.members.names())),
            ("votes", names(|row| row.votes.names())),
            ("kind", strings(rows().map(Opinion::kind))),
        ])
    }

    /// A table with one line for each method and ensemble.
    pub fn summary_table(&self) -> PyResult<Table> {
        let all = || self.summaries.iter();
        let entity = |of: fn(&mad_core::Entity) -> &str| {
            strings(all().map(|one| one.first_entity.as_deref().map_or("", of)))
        };
        Table::new(vec![
            ("method", strings(all().map(|one| one.method.as_str()))),
            ("weight", floats(all().map(|one| one.weight))),
            ("rows", integers(all().map(|one| one.rows))),
            ("flagged", integers(all().map(|one| one.flagged))),
            ("entities", integers(all().map(|one| one.entities))),
            ("first", optional_times(all().map(|one| one.first))),
            ("first_service", entity(|one| &one.service)),
            ("first_endpoint", entity(|one| &one.endpoint)),
            ("drifts", integers(all().map(|one| one.drifts))),
        ])
    }
}
