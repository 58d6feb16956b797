//! The decoder of JSON Lines: one object with the fields of a record on each line.

use super::json_object::{Fields, Layout};
use super::kind::Kind;
use super::lines::{Piece, Splitter};
use super::text::{shown, too_long};
use crate::error::Result;
use crate::telemetry::{RejectReason, Rejections};
use crate::time::ZonePolicy;

/// The decoder of [`Format::JsonLines`](super::Format::JsonLines).
#[derive(Debug, Clone)]
pub(super) struct JsonLinesDecoder<K> {
    splitter: Splitter,
    zone: ZonePolicy,
    layout: Layout<K>,
}

impl<K: Kind> JsonLinesDecoder<K> {
    pub(super) fn new(zone: ZonePolicy) -> Self {
        Self { splitter: Splitter::new(false), zone, layout: Layout::new() }
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
        let Self { splitter, zone, layout } = self;
        splitter.feed(bytes, &mut |piece| {
            take(piece, *zone, layout, sink, rejections);
            Ok(None)
        })
    }

    pub(super) fn finish(
        &mut self,
        sink: &mut impl FnMut(K::Record<'_>, u64),
        rejections: &mut Rejections,
    ) -> Result<()> {
        let Self { splitter, zone, layout } = self;
        splitter.finish(&mut |piece| {
            take(piece, *zone, layout, sink, rejections);
            Ok(None)
        })
    }
}

fn take<K: Kind>(
    piece: Piece<'_>,
    zone: ZonePolicy,
    layout: &mut Layout<K>,
    sink: &mut impl FnMut(K::Record<'_>, u64),
    rejections: &mut Rejections,
) {
    let (line, bytes, ended) = match piece {
        Piece::Record { line, bytes, ended, .. } => (line, bytes.trim_ascii(), ended),
        Piece::TooLong { line } | Piece::Unclosed { line } => {
            rejections.add(RejectReason::LineTooLong, line, too_long);
            return;
        }
    };
    if bytes.is_empty() {
        return;
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        rejections.add(RejectReason::NotUtf8, line, || shown(bytes));
        let readable = String::from_utf8_lossy(bytes);
        if let Ok(fields) = Fields::read(&readable, layout) {
            rejections.add_service(fields.service(), RejectReason::NotUtf8, line);
        }
        return;
    };
    let fields = Fields::read(text, layout);
    for (field, key) in layout.renamed.drain(..) {
        rejections.rename(field, &key);
    }
    match fields {
        Ok(fields) => match layout
            .absent()
            .map_or(Ok(()), |name| Err((RejectReason::MissingField, name)))
            .and_then(|()| K::record(&fields.values, zone))
        {
            Ok(mut record) => {
                if fields.factor != 1.0 {
                    K::rescale(&mut record, fields.factor);
                }
                if let Some((doubt, name)) = K::doubt(&record) {
                    rejections.remark(doubt, line, || fields.written(name));
                }
                sink(record, line);
            }
            Err((reason, name)) => {
                rejections.add(reason, line, || fields.detail(name));
                rejections.add_service(fields.service(), reason, line);
            }
        },
        Err(error) => {
            let cut = !ended && error.is_eof();
            let reason = if cut { RejectReason::Truncated } else { RejectReason::BadJson };
            rejections.add(reason, line, || {
                // the text is one line, so only the column of "at line 1 column 7" is useful
                error.to_string().replace("line 1 column", "column")
            });
        }
    }
}
