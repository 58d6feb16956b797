//! Short HTML of results for notebooks, escaped and without scripts.

use std::fmt::Write;

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampNanosecondType};
use arrow_schema::DataType;

/// Rows that a notebook shows at most.
pub const ROWS: usize = 10;

/// Text without markup, invisible characters and changes of the direction of text.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                out.extend(c.escape_default());
            }
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

/// A table of at most [`ROWS`] of `all` rows below a line of text.
pub fn table(
    line: &str,
    names: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
    all: usize,
) -> String {
    let mut out = format!("<div><p>{}</p>", escape(line));
    if all > 0 {
        out.push_str("<table><thead><tr>");
        for name in names {
            let _ = write!(out, "<th>{}</th>", escape(name));
        }
        out.push_str("</tr></thead><tbody>");
        for row in rows.into_iter().take(ROWS) {
            out.push_str("<tr>");
            for cell in row {
                let _ = write!(out, "<td>{}</td>", escape(&cell));
            }
            out.push_str("</tr>");
        }
        out.push_str("</tbody></table>");
    }
    if all > ROWS {
        let _ = write!(out, "<p>and {} more</p>", all - ROWS);
    }
    out.push_str("</div>");
    out
}

/// A line of text and lists below headings; empty ones are left out.
pub fn lists(line: &str, parts: &[(&str, &[String])]) -> String {
    let mut out = format!("<div><p><b>{}</b></p>", escape(line));
    for (heading, items) in parts.iter().filter(|(_, items)| !items.is_empty()) {
        let _ = write!(out, "<p>{}</p><ul>", escape(heading));
        for item in *items {
            let _ = write!(out, "<li>{}</li>", escape(item));
        }
        out.push_str("</ul>");
    }
    out.push_str("</div>");
    out
}

/// A number with at most four digits behind the point.
pub fn number(value: f64) -> String {
    let written = format!("{value:.4}");
    let short = if written.contains('.') { written.trim_end_matches('0') } else { &written };
    short.trim_end_matches('.').to_owned()
}

/// A value as a notebook shows it.
pub fn cell(column: &ArrayRef, row: usize) -> String {
    match column.data_type() {
        DataType::Float64 => number(column.as_primitive::<Float64Type>().value(row)),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Timestamp(_, _) => {
            let nanos = column.as_primitive::<TimestampNanosecondType>().value(row);
            mad_core::Timestamp::from_nanos(nanos).to_string()
        }
        DataType::Boolean => column.as_boolean().value(row).to_string(),
        _ => column.as_string::<i32>().value(row).to_owned(),
    }
}
