//! The header of a CSV: which column holds which field.

use super::column_map::{ColumnMap, find_columns, remedy};
use super::columns::{Column, normal};
use super::csv_fields::split_quoted;
use super::kind::{Kind, MAX_FIELDS};
use super::lines::Piece;
use super::text::shown;
use crate::error::{Error, Result};

/// The slot of a column that is not read. Other slots are places in [`Kind::FIELDS`].
pub(super) const IGNORED: usize = MAX_FIELDS;
/// The slot of a date beside a time of day. Kinds with that many fields have no such columns.
pub(super) const OF_DATE: usize = MAX_FIELDS - 1;
/// Names of columns of times of day, beside one of dates.
const TIMES_OF_DAY: [&str; 2] = ["time", "time_of_day"];
/// The beginning of the line that names the columns of a W3C extended log.
pub(super) const FIELDS_OF_W3C: &[u8] = b"#Fields:";
/// The beginnings of the other lines before the records of such a log.
const OF_W3C: [&str; 6] =
    ["#Software:", "#Version:", "#Date:", "#Remark:", "#Start-Date:", "#End-Date:"];
/// Most columns of a header that an error message lists.
const LISTED: usize = 20;

/// The columns that the first line names.
#[derive(Debug, Clone)]
pub(super) struct Header {
    /// The slot of every column.
    pub slots: Vec<usize>,
    pub delimiter: u8,
    /// Milliseconds of one unit of the latency or duration.
    pub factor: f64,
    /// Whether the status is a gRPC code.
    pub is_grpc: bool,
    /// Whether a column of dates stands beside one of times of day.
    pub has_dates: bool,
    /// Whether it is that of a W3C extended log, whose times are UTC.
    pub is_w3c: bool,
    /// The columns with another name than their field.
    pub renamed: Vec<(&'static str, String)>,
}

/// The requirement on a header, for error messages.
pub(super) fn way_out<K: Kind>() -> String {
    let needed = K::needed();
    let (last, first) = needed.split_last().map_or(("", needed), |(last, first)| (*last, first));
    format!(
        "the first line must name the columns {} and {last}, in any order, separated by commas",
        first.join(", ")
    )
}

/// The columns that the first line names; `None` for a blank line.
pub(super) fn read_header<K: Kind>(piece: Piece<'_>, map: &ColumnMap) -> Result<Option<Header>> {
    let Piece::Record { bytes, .. } = piece else {
        let found = match piece {
            Piece::Unclosed { .. } => "a quote in the first line is never closed",
            _ => "the first line is longer than 1 MiB",
        };
        return Err(Error::input(format!("no CSV header: {found}; {}", way_out::<K>())));
    };
    let Ok(text) = std::str::from_utf8(bytes) else {
        let found = shown(bytes);
        return Err(Error::input(format!(
            "the CSV header is not UTF-8: {found}; save the file as UTF-8, not compressed"
        )));
    };
    let text = text.trim_ascii();
    if text.is_empty() || OF_W3C.iter().any(|name| text.starts_with(name)) {
        return Ok(None);
    }
    let of_w3c = text
        .as_bytes()
        .strip_prefix(FIELDS_OF_W3C)
        .map(|_| text.split_ascii_whitespace().skip(1).map(str::to_owned).collect::<Vec<String>>());
    let is_w3c = of_w3c.is_some();
    let (delimiter, names) = match of_w3c {
        Some(names) => (b' ', names),
        None => split_header::<K>(text, map),
    };
    for (at, field) in K::FIELDS.iter().enumerate() {
        let same = |name: &String| name.eq_ignore_ascii_case(field);
        let mut columns = (1_usize..).zip(&names).filter(|(_, name)| same(name));
        if let (Some((first, _)), Some((second, _))) = (columns.next(), columns.next()) {
            let field = K::FIELDS.get(at).copied().unwrap_or_default();
            return Err(Error::input(format!(
                "CSV header has `{field}` twice, as columns {first} and {second}; \
                 rename or drop one"
            )));
        }
    }
    let shown_names: Vec<&str> = names.iter().map(String::as_str).collect();
    let found = find_columns::<K>(&shown_names, map);
    let dates = dates_beside_times::<K>(&shown_names, &found);
    let (mut slots, mut lacking) = (vec![IGNORED; names.len()], Vec::new());
    let (mut factor, mut renamed) = (1.0, Vec::new());
    let mut is_grpc = false;
    if let Some(slot) = dates.and_then(|at| slots.get_mut(at)) {
        *slot = OF_DATE;
    }
    for (place, field) in K::FIELDS.iter().enumerate() {
        match found.get(place).copied().flatten() {
            Some((at, column)) => {
                if let Some(slot) = slots.get_mut(at) {
                    *slot = place;
                }
                if matches!(*field, "latency_ms" | "duration_ms") {
                    factor = column.factor;
                }
                is_grpc |= column.is_grpc;
                if column.is_renamed() {
                    renamed.extend(names.get(at).map(|name| (*field, name.clone())));
                }
            }
            // the configuration names the service of all records
            None if *field == "service" && map.service().is_some() => {}
            None if place < K::NEEDED => lacking.push(*field),
            None => {}
        }
    }
    if lacking.is_empty() {
        let has_dates = dates.is_some();
        let header = Header { slots, delimiter, factor, is_grpc, has_dates, is_w3c, renamed };
        return Ok(Some(header));
    }
    let hint = match text.as_bytes() {
        [b'{' | b'[', ..] => "; for JSON write one object a line",
        _ if names.len() == 1 && text.contains([';', '\t', '|']) => {
            "; it seems to be separated by something else"
        }
        _ => "",
    };
    let more = if names.len() > LISTED { ", ..." } else { "" };
    let shown: Vec<String> = names.iter().take(LISTED).map(|name| shown(name.as_bytes())).collect();
    let name = |field: &&str| match map.named(field) {
        Some(column) => format!("`{field}` (named as the column `{column}`)"),
        None => format!("`{field}`"),
    };
    let remedy = if hint.is_empty() && names.len() > 1 { remedy(&lacking) } else { String::new() };
    let lacking: Vec<String> = lacking.iter().map(name).collect();
    Err(Error::input(format!(
        "CSV header lacks {}; it has {}{more}; {}{hint}{remedy}",
        lacking.join(", "),
        shown.join(", "),
        way_out::<K>(),
    )))
}

/// The place of a column of dates that stands beside the column of times of day.
fn dates_beside_times<K: Kind>(
    names: &[&str],
    found: &[Option<(usize, Column)>; MAX_FIELDS],
) -> Option<usize> {
    let time = K::TIME.and_then(K::place)?;
    let (at, _) = found.get(time).copied().flatten().filter(|_| K::FIELDS.len() <= OF_DATE)?;
    let is_time_of_day = TIMES_OF_DAY.contains(&normal(names.get(at)?).as_str());
    is_time_of_day.then(|| names.iter().position(|name| normal(name) == "date")).flatten()
}

/// The character between the fields of a header, and their names: of the usual characters the one
/// with which most fields are found.
fn split_header<K: Kind>(text: &str, map: &ColumnMap) -> (u8, Vec<String>) {
    let split = |delimiter: u8| {
        let mut names = Vec::new();
        split_quoted(text, delimiter, |_, field| names.push(field.text().trim().to_owned()));
        let shown: Vec<&str> = names.iter().map(String::as_str).collect();
        let found = find_columns::<K>(&shown, map).iter().flatten().count();
        (found, delimiter, names)
    };
    let (mut most, mut delimiter, mut names) = split(b',');
    for other in [b';', b'\t', b'|'] {
        let (found, _, others) = split(other);
        if found > most {
            (most, delimiter, names) = (found, other, others);
        }
    }
    (delimiter, names)
}
