//! The decoder of JSON Lines: one object with the fields of a record on each line.

use super::column_map::ColumnMap;
use super::elements::{Elements, Shape, shape_of};
use super::json_object::{Fields, Layout};
use super::kind::Kind;
use super::lines::{Piece, Splitter};
use super::range_query::Series;
use super::text::{BOM, shown, too_long};
use crate::error::{Error, Result};
use crate::telemetry::{RejectReason, Rejections};
use crate::time::ZonePolicy;

/// The decoder of [`Format::JsonLines`](super::Format::JsonLines).
#[derive(Debug, Clone)]
pub(super) struct JsonLinesDecoder<K> {
    shape: Undecided,
    zone: ZonePolicy,
    layout: Layout<K>,
}

/// How objects are separated, once that is known.
#[derive(Debug, Clone)]
enum Undecided {
    /// The input so far.
    Start(Vec<u8>),
    Lines(Splitter),
    Document(Elements),
}

impl<K: Kind> JsonLinesDecoder<K> {
    pub(super) fn new(zone: ZonePolicy) -> Self {
        Self { shape: Undecided::Start(Vec::new()), zone, layout: Layout::new() }
    }

    pub(super) fn set_columns(&mut self, map: ColumnMap) {
        self.layout.map = map;
    }

    pub(super) fn held_bytes(&self) -> usize {
        match &self.shape {
            Undecided::Start(start) => start.capacity(),
            Undecided::Lines(splitter) => splitter.held_bytes(),
            Undecided::Document(elements) => elements.held_bytes(),
        }
    }

    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        sink: &mut impl FnMut(K::Record<'_>, u64),
        rejections: &mut Rejections,
    ) -> Result<()> {
        let Undecided::Start(start) = &mut self.shape else {
            return self.pass_on(bytes, sink, rejections);
        };
        let whole = if start.is_empty() {
            bytes.to_vec()
        } else {
            start.extend_from_slice(bytes);
            std::mem::take(start)
        };
        if let Some(shape) = shape_of::<K>(&whole, false, &self.layout.map) {
            self.decide(shape);
            self.pass_on(&whole, sink, rejections)
        } else {
            self.shape = Undecided::Start(whole);
            Ok(())
        }
    }

    fn decide(&mut self, shape: Shape) {
        self.shape = match shape {
            Shape::Lines => Undecided::Lines(Splitter::new(false)),
            Shape::Elements(around) => Undecided::Document(Elements::new(around)),
        };
    }

    fn pass_on(
        &mut self,
        bytes: &[u8],
        sink: &mut impl FnMut(K::Record<'_>, u64),
        rejections: &mut Rejections,
    ) -> Result<()> {
        let Self { shape, zone, layout } = self;
        let mut each = taker(*zone, layout, sink, rejections);
        match shape {
            Undecided::Start(_) => Ok(()),
            Undecided::Lines(splitter) => splitter.feed(bytes, &mut each),
            Undecided::Document(elements) if elements.is_new() => {
                elements.feed(bytes.strip_prefix(&BOM).unwrap_or(bytes), &mut each)
            }
            Undecided::Document(elements) => elements.feed(bytes, &mut each),
        }
    }

    pub(super) fn finish(
        &mut self,
        sink: &mut impl FnMut(K::Record<'_>, u64),
        rejections: &mut Rejections,
    ) -> Result<()> {
        if let Undecided::Start(start) = &mut self.shape {
            let whole = std::mem::take(start);
            let shape = shape_of::<K>(&whole, true, &self.layout.map);
            self.decide(shape.unwrap_or(Shape::Lines));
            self.pass_on(&whole, sink, rejections)?;
        }
        let Self { shape, zone, layout } = self;
        let mut each = taker(*zone, layout, sink, rejections);
        match shape {
            Undecided::Start(_) => Ok(()),
            Undecided::Lines(splitter) => splitter.finish(&mut each),
            Undecided::Document(elements) => {
                elements.finish(&mut each)?;
                if elements.count > 0 {
                    return Ok(());
                }
                Err(Error::input(
                    "the content is JSON without records: its array is empty; give an array of \
                     objects, or one object a line",
                ))
            }
        }
    }
}

/// Takes the pieces of an input.
fn taker<K: Kind>(
    zone: ZonePolicy,
    layout: &mut Layout<K>,
    sink: &mut impl FnMut(K::Record<'_>, u64),
    rejections: &mut Rejections,
) -> impl FnMut(Piece<'_>) -> Result<Option<u8>> {
    move |piece| {
        take(piece, zone, layout, sink, rejections);
        Ok(None)
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
    if let Some(series) = Series::read::<K>(text) {
        return series.points::<K>(zone, |point| match point {
            Ok(point) => sink(point, line),
            Err(((reason, name), value)) => {
                rejections
                    .add(reason, line, || format!("{name} of the point with value {value:?}"));
            }
        });
    }
    let fields = Fields::read(text, layout);
    for (field, key) in layout.renamed.drain(..) {
        rejections.rename(field, &key);
    }
    match fields {
        Ok(mut fields) => match layout
            .complete(&mut fields)
            .map_or(Ok(()), |name| Err((RejectReason::MissingField, name)))
            .and_then(|()| K::record(&fields.values, zone))
        {
            Ok(mut record) => {
                if fields.factor != 1.0 {
                    K::rescale(&mut record, fields.factor);
                }
                if fields.is_grpc {
                    K::read_grpc(&mut record, &fields.written("status_code"));
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
