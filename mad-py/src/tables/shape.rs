//! The columns that are read from a table.

use arrow_schema::Schema;
use mad_core::wire::Kind;
use pyo3::prelude::*;

use crate::errors::value_error;
use crate::tables::cell::is_number;

/// The columns that are read from a table, and what they hold.
pub struct Shape<'a> {
    /// The name of the table in errors.
    pub what: &'a str,
    /// All columns that are read.
    pub fields: &'a [&'a str],
    /// Those of them that a table must have.
    pub needed: &'a [&'a str],
    /// The column of times.
    pub time: Option<&'a str>,
    /// Whether a column holds numbers.
    pub is_number: fn(&str) -> bool,
}

impl<'a> Shape<'a> {
    /// The columns of a kind of record.
    pub fn of<K: Kind>(what: &'a str) -> Self {
        Self {
            what,
            fields: K::FIELDS,
            needed: K::needed(),
            time: K::TIME,
            is_number: |name| is_number(name) || name == "status_code",
        }
    }

    /// The place of a column; `None` where the table has no such optional column.
    pub fn place(&self, schema: &Schema, name: &str) -> PyResult<Option<usize>> {
        let what = self.what;
        let mut found = (0..).zip(schema.fields()).filter(|(_, field)| field.name() == name);
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => {
                Err(value_error(format!("the {what} table has the column `{name}` twice")))
            }
            (None, _) if self.needed.contains(&name) => {
                let known: Vec<&str> =
                    schema.fields().iter().map(|field| field.name().as_str()).collect();
                let known =
                    if known.is_empty() { "no columns".to_owned() } else { known.join(", ") };
                Err(value_error(format!(
                    "the {what} table has no column `{name}`; it has {known}; needed are {}",
                    self.needed.join(", "),
                )))
            }
            (first, _) => Ok(first.map(|(place, _)| place)),
        }
    }
}
