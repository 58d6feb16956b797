//! CSV and JSON with the fields of mad, whose kind is found from the fields.

use super::output::Output;
use super::{FileFormat, FormatDecoder, FormatOptions, FormatSink, Unit};
use crate::error::Result;
use crate::telemetry::{Record, RecordKind, Rejections};
use crate::wire::{AnyDecoder, Format};

/// Reads CSV or JSON Lines by the rules of [`Decoder`](crate::wire::Decoder).
#[derive(Debug)]
pub(super) struct OwnDecoder {
    decoder: AnyDecoder,
}

impl OwnDecoder {
    /// The kind is that of the options, or the first kind whose needed fields the input has.
    pub(super) fn new(format: FileFormat, options: &FormatOptions, first: &[u8]) -> Self {
        let format = if format == FileFormat::Csv { Format::Csv } else { Format::JsonLines };
        let kind = options.kind.unwrap_or_else(|| kind_of(format, options, first));
        let decoder = AnyDecoder::with_columns(kind, format, options.zone, &options.map);
        Self { decoder }
    }
}

/// The kinds in the order in which an input is compared with them: those with more needed fields
/// first, because a file of spans also has the fields of log lines.
const ORDER: [RecordKind; 6] = [
    RecordKind::Spans,
    RecordKind::Requests,
    RecordKind::Metrics,
    RecordKind::Logs,
    RecordKind::Changes,
    RecordKind::Edges,
];

/// The kind of which most of the first records can be read.
fn kind_of(format: Format, options: &FormatOptions, first: &[u8]) -> RecordKind {
    let read = |kind: RecordKind| read_as(kind, format, options, first).0;
    let best = ORDER
        .into_iter()
        .map(|kind| (read(kind), kind))
        .reduce(|best, next| if next.0 > best.0 { next } else { best });
    best.filter(|(records, _)| *records > 0).map_or(RecordKind::Requests, |(_, kind)| kind)
}

/// How many of the first records can be read as a kind, and how many cannot.
fn read_as(kind: RecordKind, format: Format, options: &FormatOptions, first: &[u8]) -> (u64, u64) {
    let mut decoder = AnyDecoder::with_columns(kind, format, options.zone, &options.map);
    let (mut records, mut rejections) = (0, Rejections::default());
    let mut sink = |_: Record<'_>, _: u64| records += 1;
    let whole = first.iter().rposition(|byte| *byte == b'\n').map_or(first.len(), |at| at + 1);
    let readable = decoder
        .feed(first.get(..whole).unwrap_or(first), &mut sink, &mut rejections)
        .and_then(|()| decoder.finish(&mut sink, &mut rejections));
    if readable.is_ok() { (records, rejections.total()) } else { (0, 1) }
}

/// The share of the first records of a CSV or JSON file that can be read as a kind; 0 where there is
/// none.
///
/// ```
/// use mad_core::RecordKind;
/// use mad_core::wire::formats::{FormatOptions, own_share};
///
/// let file = b"caller,callee\ncart,payments\n";
/// let options = FormatOptions::default();
/// assert_eq!(own_share(RecordKind::Edges, file, &options), 1.0);
/// assert_eq!(own_share(RecordKind::Requests, file, &options), 0.0);
/// ```
pub fn own_share(kind: RecordKind, first: &[u8], options: &FormatOptions) -> f64 {
    let (records, rejected) = read_as(kind, Format::sniff(first), options, first);
    records as f64 / (records + rejected).max(1) as f64
}

impl FormatDecoder for OwnDecoder {
    fn feed(&mut self, bytes: &[u8], out: &mut Output<'_>) -> Result<()> {
        let Output { sink, rejections } = out;
        self.decoder.feed(bytes, &mut |record, position| give(*sink, record, position), rejections)
    }

    fn finish(&mut self, out: &mut Output<'_>) -> Result<()> {
        let Output { sink, rejections } = out;
        self.decoder.finish(&mut |record, position| give(*sink, record, position), rejections)
    }
}

fn give(sink: &mut dyn FormatSink, record: Record<'_>, position: u64) {
    sink.unit(&Unit::of(&record));
    sink.record(record, position);
}
