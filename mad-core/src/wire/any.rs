//! Decoders of a kind of record that is named at run time.

use std::fmt;

use super::{Changes, ColumnMap, Decoder, Edges, Format, Kind, Logs, Metrics, Requests, Spans};
use crate::error::Result;
use crate::telemetry::{Record, RecordKind, Rejections};
use crate::time::ZonePolicy;

/// Takes good records and their positions.
pub type Sink<'a> = dyn FnMut(Record<'_>, u64) + 'a;

/// Reads records of a kind that is named at run time from the bytes of a CSV or JSON Lines file, by
/// the rules of [`Decoder`].
///
/// # Examples
///
/// ```
/// use mad_core::telemetry::{RecordKind, Rejections};
/// use mad_core::time::ZonePolicy;
/// use mad_core::wire::AnyDecoder;
/// use mad_core::{Format, Record};
///
/// let kind = RecordKind::parse("edges")?;
/// let mut decoder = AnyDecoder::new(kind, Format::Csv, ZonePolicy::Refuse);
/// let mut callees = Vec::new();
/// let mut sink = |record: Record<'_>, _line: u64| {
///     if let Record::Edge(edge) = record {
///         callees.push(edge.callee.to_owned());
///     }
/// };
/// let mut rejections = Rejections::default();
/// decoder.feed(b"caller,callee\ncart,payments\n", &mut sink, &mut rejections)?;
/// decoder.finish(&mut sink, &mut rejections)?;
/// assert_eq!(callees, ["payments"]);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug)]
pub struct AnyDecoder {
    kind: RecordKind,
    decoder: Box<dyn Decode>,
}

impl AnyDecoder {
    /// A decoder at the start of an input: see [`Decoder::new`].
    pub fn new(kind: RecordKind, format: Format, zone: ZonePolicy) -> Self {
        Self::with_columns(kind, format, zone, &ColumnMap::default())
    }

    /// The same, with the columns that `map` names: see [`Decoder::with_columns`].
    pub fn with_columns(
        kind: RecordKind,
        format: Format,
        zone: ZonePolicy,
        map: &ColumnMap,
    ) -> Self {
        let decoder: Box<dyn Decode> = match kind {
            RecordKind::Requests => decoder::<Requests>(format, zone, map),
            RecordKind::Metrics => decoder::<Metrics>(format, zone, map),
            RecordKind::Spans => decoder::<Spans>(format, zone, map),
            RecordKind::Logs => decoder::<Logs>(format, zone, map),
            RecordKind::Changes => decoder::<Changes>(format, zone, map),
            RecordKind::Edges => decoder::<Edges>(format, zone, map),
        };
        Self { kind, decoder }
    }

    /// The kind of the records.
    pub const fn kind(&self) -> RecordKind {
        self.kind
    }

    /// Takes the next bytes, cut anywhere: see [`Decoder::feed`].
    ///
    /// # Errors
    ///
    /// The input as a whole cannot be read.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        sink: &mut Sink<'_>,
        rejections: &mut Rejections,
    ) -> Result<()> {
        self.decoder.decode(Some(bytes), sink, rejections)
    }

    /// Takes the end of the input: see [`Decoder::finish`].
    ///
    /// # Errors
    ///
    /// As [`feed`](Self::feed), and CSV input without any line.
    pub fn finish(&mut self, sink: &mut Sink<'_>, rejections: &mut Rejections) -> Result<()> {
        self.decoder.decode(None, sink, rejections)
    }
}

fn decoder<K: Kind + fmt::Debug + Send + Sync>(
    format: Format,
    zone: ZonePolicy,
    map: &ColumnMap,
) -> Box<dyn Decode> {
    Box::new(Decoder::<K>::new(format, zone).with_columns(map.clone()))
}

/// Bytes in, records of some kind out; `None` is the end of the input.
trait Decode: fmt::Debug + Send + Sync {
    fn decode(
        &mut self,
        bytes: Option<&[u8]>,
        sink: &mut Sink<'_>,
        rejections: &mut Rejections,
    ) -> Result<()>;
}

impl<K: Kind + fmt::Debug + Send + Sync> Decode for Decoder<K> {
    fn decode(
        &mut self,
        bytes: Option<&[u8]>,
        sink: &mut Sink<'_>,
        rejections: &mut Rejections,
    ) -> Result<()> {
        let mut sink = |record: K::Record<'_>, line: u64| sink(record.into(), line);
        match bytes {
            Some(bytes) => self.feed(bytes, &mut sink, rejections),
            None => self.finish(&mut sink, rejections),
        }
    }
}

/// The fields of a kind, those that a header must have first; and how many those are.
///
/// ```
/// use mad_core::RecordKind;
/// use mad_core::wire::fields_of;
///
/// let (fields, needed) = fields_of(RecordKind::Edges);
/// assert_eq!((&fields[..needed], &fields[needed..]), (&["caller", "callee"][..], &["calls"][..]));
/// ```
pub const fn fields_of(kind: RecordKind) -> (&'static [&'static str], usize) {
    match kind {
        RecordKind::Requests => (Requests::FIELDS, Requests::NEEDED),
        RecordKind::Metrics => (Metrics::FIELDS, Metrics::NEEDED),
        RecordKind::Spans => (Spans::FIELDS, Spans::NEEDED),
        RecordKind::Logs => (Logs::FIELDS, Logs::NEEDED),
        RecordKind::Changes => (Changes::FIELDS, Changes::NEEDED),
        RecordKind::Edges => (Edges::FIELDS, Edges::NEEDED),
    }
}
