//! Decoders from bytes to telemetry records: pure, no files, no sockets.
//!
//! A [`Decoder`] of a [`Kind`] of records is fed a file in chunks of any size, cut anywhere, and
//! hands each good record to a closure. The result never depends on how the bytes were cut. A record that
//! cannot be taken is counted in [`Rejections`] with its reason, line and value, and stops nothing.
//!
//! | format | cargo feature | one record is |
//! |---|---|---|
//! | [`Format::Csv`] | `csv` | a row under a header, RFC 4180 |
//! | [`Format::JsonLines`] | `jsonl` | a JSON object on a line, or in the array of a document |

use crate::error::{Error, Result};
use crate::telemetry::Rejections;
use crate::time::ZonePolicy;

mod any;
mod column_map;
mod column_names;
mod columns;
#[cfg(feature = "csv")]
mod csv;
#[cfg(feature = "csv")]
mod csv_fields;
#[cfg(feature = "csv")]
mod csv_header;
#[cfg(feature = "jsonl")]
mod elements;
#[cfg(feature = "formats")]
pub mod formats;
#[cfg(feature = "jsonl")]
mod json_members;
#[cfg(feature = "jsonl")]
mod json_object;
#[cfg(feature = "jsonl")]
mod jsonl;
mod kind;
#[cfg(any(feature = "csv", feature = "jsonl"))]
mod lines;
mod number;
#[cfg(feature = "jsonl")]
mod protobuf;
#[cfg(feature = "jsonl")]
mod range_query;
#[cfg(feature = "jsonl")]
mod scalar;
mod scored;
mod text;
mod value;

pub use any::{AnyDecoder, Sink, fields_of};
pub use column_map::{ColumnMap, FindColumn, find_column, find_columns, remedy};
pub use columns::{Column, column_of};
pub use kind::{Changes, Edges, Fault, Kind, Logs, MAX_FIELDS, Metrics, Requests, Spans};
pub use number::{latency_of, latency_of_text};
pub use scored::flagged_row;
use text::BOM;
pub use value::{Value, time_reason};

/// How a file of records is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Comma-separated values with a header, RFC 4180.
    Csv,
    /// One JSON object a line, or a JSON document with an array of objects.
    JsonLines,
}

impl Format {
    /// Guesses the format from the beginning of a file: [`JsonLines`](Self::JsonLines) when the
    /// first byte that is neither white space nor a byte order mark is `{` or `[`, else
    /// [`Csv`](Self::Csv), also for no bytes at all.
    ///
    /// # Examples
    ///
    /// ```
    /// use mad_core::wire::Format;
    ///
    /// assert_eq!(Format::sniff(b"\n {\"timestamp\": 1767696300"), Format::JsonLines);
    /// assert_eq!(Format::sniff(b"timestamp,service"), Format::Csv);
    /// assert_eq!(Format::sniff(b""), Format::Csv);
    /// ```
    pub fn sniff(first_bytes: &[u8]) -> Self {
        let text = first_bytes.strip_prefix(&BOM).unwrap_or(first_bytes);
        match text.trim_ascii_start() {
            [b'{' | b'[', ..] => Self::JsonLines,
            _ => Self::Csv,
        }
    }
}

/// Reads requests from the bytes of a CSV or JSON Lines file.
pub type RequestDecoder = Decoder<Requests>;
/// Reads points of metrics: see [`Decoder`].
pub type MetricDecoder = Decoder<Metrics>;
/// Reads spans: see [`Decoder`].
pub type SpanDecoder = Decoder<Spans>;
/// Reads log lines: see [`Decoder`].
pub type LogDecoder = Decoder<Logs>;
/// Reads changes: see [`Decoder`].
pub type ChangeDecoder = Decoder<Changes>;
/// Reads edges of the service graph: see [`Decoder`].
pub type EdgeDecoder = Decoder<Edges>;

/// Reads records of a [`Kind`] from the bytes of a CSV or JSON Lines file.
///
/// A CSV header has to name the kind's needed fields; the others may be missing, and whatever else
/// is there is ignored. Times are read by [`Timestamp::parse`](crate::time::Timestamp::parse); one
/// without a zone is rejected unless the zone policy has an offset. A record reaches the sink only
/// when it passes its own check.
///
/// A byte order mark at the start is skipped, lines end in LF or CRLF, blank lines are skipped,
/// the last line needs no line end. A line longer than
/// [`MAX_LINE_BYTES`](crate::limits::MAX_LINE_BYTES) is rejected without being held, so memory
/// stays below a few MiB whatever is fed. A line that is not UTF-8 is rejected alone.
///
/// Positions are line numbers counted from 1 (a CSV header is line 1); a record that spans lines
/// has the number of its first.
///
/// **CSV.** Quotes, doubled quotes and line ends inside quotes as in RFC 4180; a quote inside an
/// unquoted field is an ordinary character. Header names are trimmed, case does not matter, order
/// is free. A quote that is never closed (up to the end of the input or for more than
/// `MAX_LINE_BYTES`), or whose field spans lines and ends in a quote with text right behind it,
/// was a stray one: its record is rejected as `truncated`, and reading continues at the line after
/// the quote, so that no other row is lost. [`Status`](crate::Status) lists the forms of a status.
///
/// **JSON Lines.** Times are text or epoch numbers; numbers may be text that holds one; ids, levels
/// and versions ([`Kind::NUMBERED`]) are text or integers; `null` counts as missing. Where a key is
/// repeated, the last one wins. Objects may be nested, see [`column_of`].
///
/// # Examples
///
/// ```
/// use mad_core::telemetry::{RejectReason, Rejections};
/// use mad_core::time::ZonePolicy;
/// use mad_core::wire::{Format, RequestDecoder};
///
/// let mut decoder = RequestDecoder::new(Format::Csv, ZonePolicy::Refuse);
/// let mut rejections = Rejections::default();
/// let mut seen = Vec::new();
/// let mut sink = |request: mad_core::Request<'_>, line: u64| {
///     seen.push((line, request.service.to_owned(), request.latency_ms));
/// };
/// for chunk in [
///     "timestamp,service,endpoint,status_code,latency_ms\n2026-01-06T10:4",
///     "5:00Z,payments,/pay,200,215.25\n2026-01-06T10:45:01Z,,/pay,200,3\n",
/// ] {
///     decoder.feed(chunk.as_bytes(), &mut sink, &mut rejections)?;
/// }
/// decoder.finish(&mut sink, &mut rejections)?;
///
/// assert_eq!(seen, [(2, "payments".to_owned(), 215.25)]);
/// assert_eq!(rejections.count(RejectReason::MissingField), 1);
/// assert_eq!(rejections.first()[0].position, 3);
/// assert_eq!(rejections.first()[0].detail, "service is empty");
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Decoder<K> {
    inner: Inner<K>,
    /// What made the input unreadable; every later call says it again.
    failed: Option<Error>,
}

#[derive(Debug, Clone)]
enum Inner<K> {
    #[cfg(feature = "csv")]
    Csv(csv::CsvDecoder<K>),
    #[cfg(feature = "jsonl")]
    JsonLines(jsonl::JsonLinesDecoder<K>),
    /// The format's cargo feature is off.
    #[cfg(not(all(feature = "csv", feature = "jsonl")))]
    Absent(&'static str, std::marker::PhantomData<K>),
}

impl<K: Kind> Decoder<K> {
    /// A decoder at the start of an input. `zone` says what a time without a zone means.
    ///
    /// A format whose cargo feature is off gives a decoder whose every call is an error that names
    /// the feature.
    pub fn new(format: Format, zone: ZonePolicy) -> Self {
        #[cfg(not(any(feature = "csv", feature = "jsonl")))]
        let _ = zone;
        let inner = match format {
            #[cfg(feature = "csv")]
            Format::Csv => Inner::Csv(csv::CsvDecoder::new(zone)),
            #[cfg(not(feature = "csv"))]
            Format::Csv => Inner::Absent("csv", std::marker::PhantomData),
            #[cfg(feature = "jsonl")]
            Format::JsonLines => Inner::JsonLines(jsonl::JsonLinesDecoder::new(zone)),
            #[cfg(not(feature = "jsonl"))]
            Format::JsonLines => Inner::Absent("jsonl", std::marker::PhantomData),
        };
        Self { inner, failed: None }
    }

    /// Finds fields in the columns that `map` names. Call it before the first bytes are fed.
    #[must_use]
    pub fn with_columns(mut self, map: ColumnMap) -> Self {
        match &mut self.inner {
            #[cfg(feature = "csv")]
            Inner::Csv(decoder) => decoder.set_columns(map),
            #[cfg(feature = "jsonl")]
            Inner::JsonLines(decoder) => decoder.set_columns(map),
            #[cfg(not(all(feature = "csv", feature = "jsonl")))]
            Inner::Absent(..) => drop(map),
        }
        self
    }

    /// Takes the next bytes, cut anywhere. Every record they complete goes to `sink` with its line
    /// number, or is counted in `rejections`; the unfinished rest is kept for the next call.
    ///
    /// # Errors
    ///
    /// The input as a whole cannot be read: a CSV header that lacks a needed column, has one
    /// twice, is not UTF-8 or is no header at all. The message names the missing
    /// columns, the found ones and the way out. Every later call gives the same error.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        sink: &mut impl FnMut(K::Record<'_>, u64),
        rejections: &mut Rejections,
    ) -> Result<()> {
        self.decode(Some(bytes), sink, rejections)
    }

    /// Takes the end of the input: a last line without a line end, and what an unclosed quote
    /// hid. A second call does nothing.
    ///
    /// # Errors
    ///
    /// As [`feed`](Self::feed), and CSV input without any line, not even a header. A CSV input
    /// with a header alone, and JSON Lines input without any line, hold no records and are fine.
    pub fn finish(
        &mut self,
        sink: &mut impl FnMut(K::Record<'_>, u64),
        rejections: &mut Rejections,
    ) -> Result<()> {
        self.decode(None, sink, rejections)
    }

    /// Takes the next bytes, or the end of the input.
    fn decode(
        &mut self,
        bytes: Option<&[u8]>,
        sink: &mut impl FnMut(K::Record<'_>, u64),
        rejections: &mut Rejections,
    ) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let outcome = match (&mut self.inner, bytes) {
            #[cfg(feature = "csv")]
            (Inner::Csv(decoder), Some(bytes)) => decoder.feed(bytes, sink, rejections),
            #[cfg(feature = "csv")]
            (Inner::Csv(decoder), None) => decoder.finish(sink, rejections),
            #[cfg(feature = "jsonl")]
            (Inner::JsonLines(decoder), Some(bytes)) => decoder.feed(bytes, sink, rejections),
            #[cfg(feature = "jsonl")]
            (Inner::JsonLines(decoder), None) => decoder.finish(sink, rejections),
            #[cfg(not(all(feature = "csv", feature = "jsonl")))]
            (Inner::Absent(feature, _), _) => {
                let _ = (sink, rejections);
                Err(absent(feature))
            }
        };
        self.failed = outcome.as_ref().err().cloned();
        outcome
    }

    /// Bytes of memory kept for the record that is not complete yet; at most twice
    /// [`MAX_LINE_BYTES`](crate::limits::MAX_LINE_BYTES) and a little.
    pub fn held_bytes(&self) -> usize {
        match &self.inner {
            #[cfg(feature = "csv")]
            Inner::Csv(decoder) => decoder.held_bytes(),
            #[cfg(feature = "jsonl")]
            Inner::JsonLines(decoder) => decoder.held_bytes(),
            #[cfg(not(all(feature = "csv", feature = "jsonl")))]
            Inner::Absent(..) => 0,
        }
    }
}

#[cfg(not(all(feature = "csv", feature = "jsonl")))]
fn absent(feature: &str) -> Error {
    Error::input(format!("this build cannot read {feature}: enable the cargo feature `{feature}`"))
}
