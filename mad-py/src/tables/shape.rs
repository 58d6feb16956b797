//! The columns that are read from a table.

use arrow_schema::Schema;
use mad_core::wire::{Column, ColumnMap, FindColumn, Kind, find_column, remedy};
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
    /// Finds the column of a field under another name; `None` where names have to be exact.
    pub find: Option<FindColumn>,
    /// The columns that the configuration names.
    pub map: &'a ColumnMap,
}

impl<'a> Shape<'a> {
    /// The columns of a kind of record.
    pub fn of<K: Kind>(what: &'a str, map: &'a ColumnMap) -> Self {
        Self {
            what,
            fields: K::FIELDS,
            needed: K::needed(),
            time: K::TIME,
            is_number: |name| is_number(name) || name == "status_code",
            find: Some(find_column::<K>),
            map,
        }
    }

    /// The place of a column; `None` where the table has no such optional column.
    pub fn place(&self, schema: &Schema, name: &str) -> PyResult<Option<usize>> {
        Ok(self.find(schema, name)?.map(|(place, _)| place))
    }

    /// The place of a column, and what its name says about its values.
    pub fn find(&self, schema: &Schema, name: &str) -> PyResult<Option<(usize, Column)>> {
        let what = self.what;
        if self.map.named(name).is_some()
            && let Some((at, column)) = self.renamed(schema, name)
            && column.is_mapped
        {
            return Ok(Some((at, column)));
        }
        let mut found = (0..).zip(schema.fields()).filter(|(_, field)| field.name() == name);
        let (first, second) = (found.next(), found.next());
        if first.is_none()
            && let Some(renamed) = self.renamed(schema, name)
        {
            return Ok(Some(renamed));
        }
        match (first, second) {
            (Some(_), Some(_)) => {
                Err(value_error(format!("the {what} table has the column `{name}` twice")))
            }
            (None, _) if name == "service" && self.map.service().is_some() => Ok(None),
            (None, _) if self.needed.contains(&name) => {
                let known: Vec<&str> =
                    schema.fields().iter().map(|field| field.name().as_str()).collect();
                let known =
                    if known.is_empty() { "no columns".to_owned() } else { known.join(", ") };
                Err(value_error(format!(
                    "the {what} table has no column `{name}`; it has {known}; needed are {}{}",
                    self.needed.join(", "),
                    if self.find.is_some() { remedy(&[name]) } else { String::new() },
                )))
            }
            (first, _) => Ok(first.map(|(place, _)| {
                let (rank, factor, is_grpc, is_mapped) = (0, 1.0, false, false);
                (place, Column { place, rank, factor, is_grpc, is_mapped })
            })),
        }
    }

    /// The column of a field under another name.
    fn renamed(&self, schema: &Schema, field: &str) -> Option<(usize, Column)> {
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        self.find.and_then(|find| find(field, &names, self.map))
    }
}
