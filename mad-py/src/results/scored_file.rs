//! Scored files read back.

use std::collections::HashMap;
use std::io::{self, Read};

use mad_core::export::{RankingDocument, unescaped};
use mad_core::time::ZonePolicy;
use mad_core::wire::flagged_row;
use mad_core::{CulpritConfig, CulpritRanker, EntityTable, FlaggedRow, Timestamp};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyIterator};

use crate::config::to_json;
use crate::errors::{to_py, value_error};

/// A Python iterator over bytes as a reader.
pub struct Chunks<'py> {
    iterator: Bound<'py, PyIterator>,
    current: Option<Bound<'py, PyBytes>>,
    offset: usize,
}

impl Read for Chunks<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(bytes) = &self.current {
                let rest = bytes.as_bytes().get(self.offset..).unwrap_or_default();
                if !rest.is_empty() {
                    let n = rest.len().min(out.len());
                    let (to, from) = (out.get_mut(..n), rest.get(..n));
                    if let (Some(to), Some(from)) = (to, from) {
                        to.copy_from_slice(from);
                    }
                    self.offset += n;
                    return Ok(n);
                }
            }
            match self.iterator.next() {
                Some(Ok(chunk)) => {
                    let chunk = chunk.cast_into::<PyBytes>();
                    self.current =
                        Some(chunk.map_err(|error| io::Error::other(error.to_string()))?);
                    self.offset = 0;
                }
                Some(Err(error)) => return Err(io::Error::other(error.to_string())),
                None => return Ok(0),
            }
        }
    }
}

/// Rows of a scored file by the names of their columns.
pub struct ScoredFile<'py> {
    reader: csv::Reader<Chunks<'py>>,
    columns: HashMap<String, usize>,
    record: csv::StringRecord,
}

impl<'py> ScoredFile<'py> {
    /// Reads the header; every column of `needed` has to be there.
    pub fn open(scored: &Bound<'py, PyAny>, needed: &[&str]) -> PyResult<Self> {
        let chunks = Chunks { iterator: scored.try_iter()?, current: None, offset: 0 };
        let mut reader = csv::Reader::from_reader(chunks);
        let headers = reader.headers().map_err(|error| value_error(error.to_string()))?;
        let columns: HashMap<String, usize> =
            headers.iter().enumerate().map(|(i, name)| (name.to_owned(), i)).collect();
        if let Some(missing) = needed.iter().find(|name| !columns.contains_key(**name)) {
            let found: Vec<&str> = headers.iter().collect();
            return Err(value_error(format!(
                "the scored file has no column `{missing}`; it has {}",
                found.join(", ")
            )));
        }
        Ok(Self { reader, columns, record: csv::StringRecord::new() })
    }

    /// Moves to the next row.
    pub fn next(&mut self) -> PyResult<bool> {
        self.reader.read_record(&mut self.record).map_err(|error| value_error(error.to_string()))
    }

    /// Whether the file has a column.
    pub fn has(&self, column: &str) -> bool {
        self.columns.contains_key(column)
    }

    /// A field of the row; empty where the column is missing.
    pub fn text(&self, column: &str) -> &str {
        unescaped(self.columns.get(column).and_then(|i| self.record.get(*i)).unwrap_or(""))
    }

    /// A number of the row; NaN where there is none.
    pub fn number(&self, column: &str) -> f64 {
        self.text(column).parse().unwrap_or(f64::NAN)
    }

    /// Whether the row is flagged; files of pandas say True, ours true.
    pub fn flagged(&self) -> bool {
        self.text("is_anomaly").eq_ignore_ascii_case("true") || self.text("is_anomaly") == "1"
    }

    /// The start of the row's step; a time without a zone is UTC, as the original's files are.
    pub fn bucket(&self) -> PyResult<Timestamp> {
        let text = self.text("bucket_ts");
        Timestamp::parse(text, ZonePolicy::Offset(0))
            .map_err(|error| value_error(format!("bucket_ts = {text:?}: {error}")))
    }
}

/// Ranks by the flagged rows of a scored file, of the `minutes` up to `at` (default: its newest
/// row).
#[pyfunction]
#[pyo3(signature = (scored, at=None, minutes=15.0, top_k=3))]
pub fn culprits_from_scored(
    scored: &Bound<'_, PyAny>,
    at: Option<&str>,
    minutes: f64,
    top_k: usize,
) -> PyResult<String> {
    let ranker =
        CulpritRanker::new(CulpritConfig { minutes, top_k }).map_err(|error| to_py(&error))?;
    let at = match at {
        Some(text) => Some(
            Timestamp::parse(text, ZonePolicy::Refuse)
                .map_err(|error| value_error(format!("at = {text:?}: {error}")))?,
        ),
        None => None,
    };
    let needed = ["bucket_ts", "service", "endpoint", "is_anomaly", "severity"];
    let mut file = ScoredFile::open(scored, &needed)?;
    let mut entities = EntityTable::new(u32::MAX as usize - 1);
    let (mut rows, mut newest) = (Vec::new(), None);
    while file.next()? {
        let bucket = file.bucket()?;
        if at.is_some_and(|at| bucket > at) {
            continue;
        }
        newest = newest.max(Some(bucket));
        // rows out of reach of the newest row so far can never be within the window
        if file.flagged() {
            rows.push(flagged_row(|column| file.text(column), bucket, &mut entities));
            if rows.len() > 100_000 {
                let from = ranker.from(newest.unwrap_or(bucket));
                rows.retain(|row: &FlaggedRow| row.bucket >= from);
            }
        }
    }
    let ranking = ranker.rank(&rows, &entities, at.or(newest).unwrap_or_default());
    to_json(&RankingDocument::new(&ranking))
}
