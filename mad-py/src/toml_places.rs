//! Where the fields of a TOML file stand.

use std::collections::HashMap;
use std::ops::Range;

use pyo3::prelude::*;
use toml::de::{DeTable, DeValue};

use crate::errors::value_error;

/// Line and column, counted from 1, of every field of a TOML text by its dotted path, such as
/// `guard.min_points`; entries of lists are counted from 0: `override[2]`, `override[2].threshold`.
#[pyfunction]
pub fn toml_places(text: &str) -> PyResult<HashMap<String, (usize, usize)>> {
    let all = DeTable::parse(text).map_err(|error| value_error(error.message()))?;
    let mut places = HashMap::new();
    let mut note = |path: &str, span: Range<usize>| {
        let before = text.get(..span.start).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        let column = before.get(start..).unwrap_or_default().chars().count() + 1;
        places.insert(path.to_owned(), (line, column));
    };
    fields("", all.get_ref(), &mut note);
    Ok(places)
}

fn fields(place: &str, table: &DeTable<'_>, note: &mut impl FnMut(&str, Range<usize>)) {
    for (key, value) in table {
        let dot = if place.is_empty() { "" } else { "." };
        let path = format!("{place}{dot}{}", key.get_ref());
        note(&path, key.span());
        below(&path, value.get_ref(), note);
    }
}

fn below(path: &str, value: &DeValue<'_>, note: &mut impl FnMut(&str, Range<usize>)) {
    match value {
        DeValue::Table(table) => fields(path, table, note),
        DeValue::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                let entry = format!("{path}[{i}]");
                note(&entry, item.span());
                below(&entry, item.get_ref(), note);
            }
        }
        _ => {}
    }
}
