//! The decoder of CSV: a header, then one record a row.

use std::borrow::Cow;
use std::marker::PhantomData;

use memchr::{memchr, memchr_iter};

use super::column_map::{ColumnMap, remedy};
use super::columns::{Column, find_columns, normal};
use super::kind::{Kind, MAX_FIELDS};
use super::lines::{Piece, Splitter};
use super::number;
use super::text::{shown, too_long};
use super::value::{Value, time_reason};
use crate::error::{Error, Result};
use crate::telemetry::{RejectReason, Rejections, Status};
use crate::time::{Timestamp, ZonePolicy};

/// The slot of a column that is not read. Other slots are places in [`Kind::FIELDS`].
const IGNORED: usize = MAX_FIELDS;
/// The slot of a date beside a time of day. Kinds with that many fields have no such columns.
const OF_DATE: usize = MAX_FIELDS - 1;
/// Names of columns of times of day, beside one of dates.
const TIMES_OF_DAY: [&str; 2] = ["time", "time_of_day"];
/// The beginning of the line that names the columns of a W3C extended log.
const FIELDS_OF_W3C: &[u8] = b"#Fields:";
/// The beginnings of the other lines before the records of such a log.
const OF_W3C: [&str; 6] =
    ["#Software:", "#Version:", "#Date:", "#Remark:", "#Start-Date:", "#End-Date:"];
/// Most columns of a header that an error message lists.
const LISTED: usize = 20;

/// The decoder of [`Format::Csv`](super::Format::Csv).
#[derive(Debug, Clone)]
pub(super) struct CsvDecoder<K> {
    splitter: Splitter,
    table: Table<K>,
}

/// The header and the position of the columns.
#[derive(Debug, Clone)]
struct Table<K> {
    header: Option<Header>,
    zone: ZonePolicy,
    map: ColumnMap,
    kind: PhantomData<K>,
}

/// The columns that the first line names.
#[derive(Debug, Clone)]
struct Header {
    /// The slot of every column.
    slots: Vec<usize>,
    delimiter: u8,
    /// Milliseconds of one unit of the latency or duration.
    factor: f64,
    /// Whether the status is a gRPC code.
    is_grpc: bool,
    /// Whether a column of dates stands beside one of times of day.
    has_dates: bool,
    /// Whether it is that of a W3C extended log, whose times are UTC.
    is_w3c: bool,
    /// Whether the input has no service.
    lacks_service: bool,
    /// The columns with another name than their field.
    renamed: Vec<(&'static str, String)>,
}

/// One row, its fields unescaped and in the order of [`Kind::FIELDS`].
struct CsvRow<'a> {
    line: u64,
    columns: usize,
    /// Whether a line feed ended it. Otherwise the input ended.
    ended: bool,
    fields: [&'a str; MAX_FIELDS],
}

impl<K: Kind> CsvDecoder<K> {
    pub(super) fn new(zone: ZonePolicy) -> Self {
        let table = Table { header: None, zone, map: ColumnMap::default(), kind: PhantomData };
        Self { splitter: Splitter::new(true), table }
    }

    pub(super) fn set_columns(&mut self, map: ColumnMap) {
        self.table.map = map;
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.splitter.held_bytes()
    }

    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        sink: &mut impl FnMut(K::Record<'_>, u64),
        rejections: &mut Rejections,
    ) -> Result<()> {
        let table = &mut self.table;
        self.splitter.feed(bytes, &mut |piece| table.take(piece, sink, rejections))
    }

    pub(super) fn finish(
        &mut self,
        sink: &mut impl FnMut(K::Record<'_>, u64),
        rejections: &mut Rejections,
    ) -> Result<()> {
        let table = &mut self.table;
        self.splitter.finish(&mut |piece| table.take(piece, sink, rejections))?;
        if self.table.header.is_none() {
            return Err(Error::input(format!("the file is empty: {}", way_out::<K>())));
        }
        Ok(())
    }
}

impl<K: Kind> Table<K> {
    fn take(
        &mut self,
        piece: Piece<'_>,
        sink: &mut impl FnMut(K::Record<'_>, u64),
        rejections: &mut Rejections,
    ) -> Result<Option<u8>> {
        let is_header = matches!(piece, Piece::Record { bytes, .. } if bytes.starts_with(FIELDS_OF_W3C))
            && self.header.as_ref().is_some_and(|header| header.is_w3c);
        let Some(header) = self.header.as_ref().filter(|_| !is_header) else {
            self.header = read_header::<K>(piece, &self.map)?;
            for (field, column) in self.header.iter().flat_map(|header| &header.renamed) {
                rejections.rename(field, column);
            }
            return Ok(self.header.as_ref().map(|header| header.delimiter));
        };
        let (line, bytes, quoted, ended) = match piece {
            Piece::Record { line, bytes, quoted, ended } => (line, bytes, quoted, ended),
            Piece::TooLong { line } => {
                rejections.add(RejectReason::LineTooLong, line, too_long);
                return Ok(None);
            }
            Piece::Unclosed { line } => {
                rejections.add(RejectReason::Truncated, line, || "a quote is not closed".into());
                return Ok(None);
            }
        };
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        if header.is_w3c && bytes.starts_with(b"#") {
            return Ok(None);
        }
        let zone = if header.is_w3c { ZonePolicy::Offset(0) } else { self.zone };
        let service = self.map.service().filter(|_| header.lacks_service);
        let Ok(text) = std::str::from_utf8(bytes) else {
            rejections.add(RejectReason::NotUtf8, line, || shown(bytes));
            let (readable, mut fields) = (String::from_utf8_lossy(bytes), [""; MAX_FIELDS]);
            split_plain(&readable, header, &mut fields);
            lose::<K>(&fields, RejectReason::NotUtf8, line, rejections);
            return Ok(None);
        };
        let slots = &header.slots;
        if quoted {
            let mut fields = [const { Cow::Borrowed("") }; MAX_FIELDS];
            let columns = split_quoted(text, header.delimiter, |column, field| {
                let slot = slots.get(column).copied().unwrap_or(IGNORED);
                if let Some(place) = fields.get_mut(slot) {
                    *place = field.text();
                }
            });
            let fields = fields.each_ref().map(AsRef::as_ref);
            let row = CsvRow { line, columns, ended, fields };
            row.judge::<K>((header, zone, service), sink, rejections);
        } else {
            let mut fields = [""; MAX_FIELDS];
            let columns = split_plain(text, header, &mut fields);
            let row = CsvRow { line, columns, ended, fields };
            if columns > 1 || !text.trim_ascii().is_empty() {
                row.judge::<K>((header, zone, service), sink, rejections);
            }
        }
        Ok(None)
    }
}

impl CsvRow<'_> {
    /// Passes the record on, or counts the row as rejected.
    #[inline]
    fn judge<K: Kind>(
        &self,
        (header, zone, service): (&Header, ZonePolicy, Option<&str>),
        sink: &mut impl FnMut(K::Record<'_>, u64),
        rejections: &mut Rejections,
    ) {
        let wanted = header.slots.len();
        if self.columns != wanted {
            let cut = !self.ended && self.columns < wanted;
            let reason = if cut { RejectReason::Truncated } else { RejectReason::FieldCount };
            rejections.add(reason, self.line, || {
                format!("{} fields, the header has {wanted}", self.columns)
            });
            lose::<K>(&self.fields, reason, self.line, rejections);
            return;
        }
        let mut fields = self.fields;
        if let (Some(service), Some(at)) = (service, K::place("service")) {
            set(&mut fields, at, service);
        }
        let moment;
        if header.has_dates
            && let Some(at) = K::TIME.and_then(K::place)
            && let (Some(date), Some(time)) = (fields.get(OF_DATE), fields.get(at))
            && matches!(time.trim_ascii().find(':'), Some(1 | 2))
        {
            moment = format!("{} {}", date.trim_ascii(), time.trim_ascii());
            set(&mut fields, at, moment.trim_ascii());
        }
        match K::record(&fields, zone) {
            Ok(mut record) => {
                if header.factor != 1.0 {
                    K::rescale(&mut record, header.factor);
                }
                if header.is_grpc {
                    let at = K::place("status_code").and_then(|at| fields.get(at));
                    K::read_grpc(&mut record, at.copied().unwrap_or_default());
                }
                if let Some((doubt, name)) = K::doubt(&record) {
                    let at = K::place(name).and_then(|at| fields.get(at));
                    rejections.remark(doubt, self.line, || at.copied().unwrap_or("").to_owned());
                }
                sink(record, self.line);
            }
            Err((reason, name)) => {
                rejections.add(reason, self.line, || {
                    let at = K::place(name).and_then(|at| fields.get(at));
                    let value = at.copied().unwrap_or_default();
                    if value.is_empty() {
                        format!("{name} is empty")
                    } else {
                        format!("{name} = {value:?}")
                    }
                });
                lose::<K>(&fields, reason, self.line, rejections);
            }
        }
    }
}

fn set<'a>(fields: &mut [&'a str; MAX_FIELDS], at: usize, value: &'a str) {
    if let Some(field) = fields.get_mut(at) {
        *field = value;
    }
}

/// Counts the service of a rejected row.
#[cold]
fn lose<K: Kind>(
    fields: &[&str; MAX_FIELDS],
    reason: RejectReason,
    line: u64,
    rejections: &mut Rejections,
) {
    let service = K::place("service").and_then(|at| fields.get(at));
    rejections.add_service(service.copied().unwrap_or_default(), reason, line);
}

impl Value for &str {
    #[inline]
    fn time(&self, zone: ZonePolicy) -> Result<Timestamp, RejectReason> {
        Timestamp::parse(self, zone).map_err(|error| blank_or(self, time_reason(error)))
    }

    #[inline]
    fn text(&self) -> Result<&str, RejectReason> {
        Ok(self)
    }

    #[inline]
    fn status(&self) -> Status {
        Status::parse(self)
    }

    #[inline]
    fn latency(&self) -> f64 {
        number::latency_of_text(self)
    }

    #[inline]
    fn number(&self, wrong: RejectReason) -> Result<Option<f64>, RejectReason> {
        let text = self.trim_ascii();
        match number::decimal(text).or_else(|| number::with_commas(text)) {
            None if !text.is_empty() => Err(wrong),
            number => Ok(number),
        }
    }
}

/// A value of white space alone is missing. Other values have `reason`.
fn blank_or(value: &str, reason: RejectReason) -> RejectReason {
    if value.trim_ascii().is_empty() { RejectReason::MissingField } else { reason }
}

/// Puts the fields of a row without quotes into their slots and returns the number of fields.
#[inline]
fn split_plain<'a>(text: &'a str, header: &Header, fields: &mut [&'a str; MAX_FIELDS]) -> usize {
    let slots = &header.slots;
    let mut columns = 0;
    let mut start = 0;
    let mut put = |end: usize| {
        if let Some(slot) = slots.get(columns)
            && let Some(place) = fields.get_mut(*slot)
        {
            *place = text.get(start..end).unwrap_or_default();
        }
        columns += 1;
        start = end + 1;
    };
    memchr_iter(header.delimiter, text.as_bytes()).for_each(&mut put);
    put(text.len());
    columns
}

/// A field of a row as it is written.
struct Field<'a> {
    /// The text between the quotes, or the whole field where it has none.
    content: &'a str,
    /// Whether the content has doubled quotes.
    doubled: bool,
    /// Text between the closing quote and the comma. No standard allows it; it is kept.
    trailing: &'a str,
}

impl<'a> Field<'a> {
    fn text(&self) -> Cow<'a, str> {
        if !self.doubled && self.trailing.is_empty() {
            return Cow::Borrowed(self.content);
        }
        let mut text = self.content.replace("\"\"", "\"");
        text.push_str(self.trailing);
        Cow::Owned(text)
    }
}

/// Calls `each` with every column and field of a row and returns the number of fields.
fn split_quoted<'a>(text: &'a str, delimiter: u8, mut each: impl FnMut(usize, Field<'a>)) -> usize {
    let delimiter = char::from(delimiter);
    let mut rest = text;
    for column in 0.. {
        let (content, doubled, after) = match rest.strip_prefix('"') {
            Some(inner) => {
                let (end, doubled) = closing_quote(inner.as_bytes());
                let after = inner.get(end + 1..).unwrap_or_default();
                (inner.get(..end).unwrap_or(inner), doubled, after)
            }
            None => ("", false, rest),
        };
        let quoted = after.len() < rest.len();
        let (plain, next) = match after.split_once(delimiter) {
            Some((plain, next)) => (plain, Some(next)),
            None => (after, None),
        };
        let (content, trailing) = if quoted { (content, plain) } else { (plain, "") };
        each(column, Field { content, doubled, trailing });
        match next {
            Some(next) => rest = next,
            None => return column + 1,
        }
    }
    0
}

/// The place of the quote that closes the field, and whether doubled quotes come before it.
fn closing_quote(inner: &[u8]) -> (usize, bool) {
    let mut at = 0;
    while let Some(hit) = memchr(b'"', inner.get(at..).unwrap_or_default()) {
        if inner.get(at + hit + 1) != Some(&b'"') {
            return (at + hit, at > 0);
        }
        at += hit + 2;
    }
    (inner.len(), at > 0)
}

/// The requirement on a header, for error messages.
fn way_out<K: Kind>() -> String {
    let needed = K::needed();
    let (last, first) = needed.split_last().map_or(("", needed), |(last, first)| (*last, first));
    format!(
        "the first line must name the columns {} and {last}, in any order, separated by commas",
        first.join(", ")
    )
}

/// The columns that the first line names; `None` for a blank line.
fn read_header<K: Kind>(piece: Piece<'_>, map: &ColumnMap) -> Result<Option<Header>> {
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
    let (mut is_grpc, mut lacks_service) = (false, false);
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
            None if *field == "service" && map.service().is_some() => lacks_service = true,
            None if place < K::NEEDED => lacking.push(*field),
            None => {}
        }
    }
    if lacking.is_empty() {
        let has_dates = dates.is_some();
        let header =
            Header { slots, delimiter, factor, is_grpc, has_dates, is_w3c, lacks_service, renamed };
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
