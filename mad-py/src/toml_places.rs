//! Where the fields of a TOML file stand.

use std::collections::HashMap;

use pyo3::prelude::*;
use toml::de::{DeTable, DeValue};

use crate::errors::value_error;

/// Line and column, counted from 1, of every field of a TOML text by its dotted path, such as
/// `guard.min_points`; entries of lists are counted from 0: `override[2]`, `override[2].threshold`.
#[pyfunction]
pub fn toml_places(text: &str) -> PyResult<HashMap<String, (usize, usize)>> {
    let all = DeTable::parse(text).map_err(|error| value_error(error.message()))?;
    let mut spans = Vec::new();
    fields("", all.get_ref(), &mut spans);
    // in the order of the text, so that each character is counted once
    spans.sort_by_key(|(start, _)| *start);
    let (mut at, mut line, mut column) = (0, 1, 1);
    let mut places = HashMap::with_capacity(spans.len());
    for (start, path) in spans {
        for character in text.get(at..start).unwrap_or_default().chars() {
            (line, column) = if character == '\n' { (line + 1, 1) } else { (line, column + 1) };
        }
        at = start;
        places.insert(path, (line, column));
    }
    Ok(places)
}

/// Adds the offset and the path of each field.
fn fields(place: &str, table: &DeTable<'_>, spans: &mut Vec<(usize, String)>) {
    for (key, value) in table {
        let dot = if place.is_empty() { "" } else { "." };
        let path = format!("{place}{dot}{}", key.get_ref());
        below(&path, value.get_ref(), spans);
        spans.push((key.span().start, path));
    }
}

fn below(path: &str, value: &DeValue<'_>, spans: &mut Vec<(usize, String)>) {
    match value {
        DeValue::Table(table) => fields(path, table, spans),
        DeValue::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                let entry = format!("{path}[{i}]");
                below(&entry, item.get_ref(), spans);
                spans.push((item.span().start, entry));
            }
        }
        _ => {}
    }
}
