//! A batch into a pipeline.

use mad_core::time::ZonePolicy;
use mad_core::wire::AnyDecoder;
use mad_core::{Format, Pipeline, Record, RecordKind, Rejections, Source, Update};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::to_py;
use crate::records::kinds::read_table;
use crate::service::seen::Seen;

/// What is known of a batch beside its records.
pub struct Batch<'a> {
    pub kind: RecordKind,
    pub partition: &'a str,
    /// The id by which it is known when it is sent again.
    pub id: Option<&'a str>,
    /// How times without a zone are read; the config's way where it is none.
    pub zone: Option<ZonePolicy>,
}

/// What came of a batch.
pub struct Ingested {
    pub update: Update,
    /// Records that the pipeline took, those that it holds included.
    pub accepted: u64,
}

impl Batch<'_> {
    /// Takes the records of a table or of bytes, unless they were taken before.
    pub fn ingest(
        &self,
        py: Python<'_>,
        core: &mut Pipeline,
        table: &Bound<'_, PyAny>,
        mut seen: Option<&mut Seen>,
    ) -> PyResult<Ingested> {
        let partition = core.partition(self.partition).map_err(|error| to_py(&error))?;
        if let Some(id) = self.id
            && core.has_batch(id)
        {
            core.begin_batch(id);
            let update = Update { repeated: true, ..Update::default() };
            return Ok(Ingested { update, accepted: 0 });
        }
        let zone = self.zone.unwrap_or_else(|| core.config().zone());
        let (mut update, mut read) = (Update::default(), 0_u64);
        let mut rejections = Rejections::default();
        let mut push = |record: Record<'_>, position: u64| {
            read += 1;
            let source = Source::at(position).in_partition(partition);
            core.push(record, &source, &mut update);
            if let Some(seen) = seen.as_deref_mut() {
                match record {
                    Record::Request(request) => seen.request(core, &request),
                    Record::Span(span) => seen.span(&span),
                    _ => {}
                }
            }
        };
        if let Ok(bytes) = table.cast::<PyBytes>() {
            let bytes = bytes.as_bytes();
            py.detach(|| {
                let mut decoder = AnyDecoder::new(self.kind, Format::sniff(bytes), zone);
                decoder.feed(bytes, &mut push, &mut rejections)?;
                decoder.finish(&mut push, &mut rejections)
            })
            .map_err(|error| to_py(&error))?;
        } else {
            let table = read_table(self.kind, table, zone)?;
            py.detach(|| table.in_order(0, &mut push, &mut rejections));
        }
        // only now: a batch that cannot be read may be sent again
        if let Some(id) = self.id {
            core.begin_batch(id);
        }
        let accepted = read.saturating_sub(update.rejected.total());
        rejections.merge(std::mem::take(&mut update.rejected));
        core.note_rejections(rejections.clone());
        update.rejected = rejections;
        Ok(Ingested { update, accepted })
    }
}
