//! The decoder of CSV: a header, then one record a row.

use std::borrow::Cow;
use std::marker::PhantomData;

use memchr::memchr_iter;

use super::column_map::ColumnMap;
use super::csv_fields::split_quoted;
use super::csv_header::{FIELDS_OF_W3C, Header, IGNORED, OF_DATE, read_header, way_out};
use super::kind::{Kind, MAX_FIELDS};
use super::lines::{Piece, Splitter};
use super::number;
use super::text::{shown, too_long};
use super::value::{Value, time_reason};
use crate::error::{Error, Result};
use crate::telemetry::{RejectReason, Rejections, Status};
use crate::time::{Timestamp, ZonePolicy};

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
        let service = self.map.service();
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
        if let (Some(service), Some(at)) = (service, K::place("service"))
            && fields.get(at).is_some_and(|given| given.trim_ascii().is_empty())
        {
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
