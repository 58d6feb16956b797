//! Byte sources merged by time, or sorted in memory.

use std::collections::VecDeque;

use mad_core::series::{EntityId, EntityTable};
use mad_core::time::ZonePolicy;
use mad_core::{Error, Format, Rejections, Request, RequestDecoder, Result, Timestamp};

/// Bytes from which a format is guessed.
const SNIFF_BYTES: usize = 64;

/// A request with its names replaced by an id.
pub struct Owned {
    timestamp: Timestamp,
    entity: EntityId,
    status_code: i64,
    latency_ms: f64,
    position: u64,
    request_id: Option<Box<str>>,
}

struct Source {
    decoder: Option<RequestDecoder>,
    first_bytes: Vec<u8>,
    queue: VecDeque<Owned>,
    ended: bool,
}

/// Request logs as bytes, any number of them. One comes out as it is read; several are merged by
/// time, each being in order itself; or all are held and sorted.
pub struct Sources {
    sources: Vec<Source>,
    names: EntityTable,
    zone: ZonePolicy,
    sort: Option<usize>,
    held: usize,
}

impl Sources {
    /// `sort` is how many records may be held to sort them; `None` takes them as they come.
    pub fn new(count: usize, zone: ZonePolicy, sort: Option<usize>) -> Self {
        let source = || Source {
            decoder: None,
            first_bytes: Vec::new(),
            queue: VecDeque::new(),
            ended: false,
        };
        Self {
            sources: (0..count).map(|_| source()).collect(),
            // merging needs every name; the pipeline's own table has the bound
            names: EntityTable::new(u32::MAX as usize - 1),
            zone,
            sort,
            held: 0,
        }
    }

    /// Which source has to be read next; `None` when all have ended.
    pub fn wants(&self) -> Option<usize> {
        let open = || self.sources.iter().enumerate().filter(|(_, source)| !source.ended);
        open().find(|(_, source)| source.queue.is_empty()).or_else(|| open().next()).map(|(i, _)| i)
    }

    /// Reads bytes of a source; `None` is its end. What is then in order goes to `sink`.
    pub fn feed(
        &mut self,
        index: usize,
        bytes: Option<&[u8]>,
        sink: &mut impl FnMut(Request<'_>, u64),
        rejections: &mut Rejections,
    ) -> Result<()> {
        let single = self.sources.len() == 1 && self.sort.is_none();
        let (names, held) = (&mut self.names, &mut self.held);
        let count = self.sources.len();
        let Some(source) = self.sources.get_mut(index).filter(|source| !source.ended) else {
            let expected = format!("the index of an open source, below {count}");
            return Err(Error::argument("source", index, &expected));
        };
        if single {
            source.decode(bytes, self.zone, sink, rejections)?;
        } else {
            let mut queue = std::mem::take(&mut source.queue);
            let mut keep = |request: Request<'_>, position: u64| {
                queue.push_back(Owned {
                    timestamp: request.timestamp,
                    entity: names.id(request.service, request.endpoint),
                    status_code: request.status_code,
                    latency_ms: request.latency_ms,
                    position,
                    request_id: request.request_id.map(Into::into),
                });
                *held += 1;
            };
            source.decode(bytes, self.zone, &mut keep, rejections)?;
            source.queue = queue;
        }
        source.ended = bytes.is_none();
        match self.sort {
            Some(limit) if self.held > limit => Err(Error::input(format!(
                "the input is not ordered by time and has more than {limit} records; sort it, or \
                 raise limits.sort_records"
            ))),
            Some(_) => Ok(()),
            None => {
                self.merge(sink);
                Ok(())
            }
        }
    }

    /// What was held to be sorted, by time; equal times keep their order.
    pub fn sorted(&mut self) -> Vec<Owned> {
        let mut all: Vec<Owned> =
            self.sources.iter_mut().flat_map(|source| std::mem::take(&mut source.queue)).collect();
        all.sort_by_key(|record| record.timestamp);
        self.held = 0;
        all
    }

    /// A held record as a request.
    pub fn request<'a>(&'a self, record: &'a Owned) -> Option<Request<'a>> {
        record.request(&self.names)
    }

    /// Hands out the oldest records as long as every open source has one.
    fn merge(&mut self, sink: &mut impl FnMut(Request<'_>, u64)) {
        while self.sources.iter().all(|source| source.ended || !source.queue.is_empty()) {
            let oldest = self
                .sources
                .iter()
                .enumerate()
                .filter_map(|(i, source)| Some((source.queue.front()?.timestamp, i)))
                .min();
            let Some((_, index)) = oldest else { return };
            let record = self.sources.get_mut(index).and_then(|source| source.queue.pop_front());
            if let Some(record) = record {
                self.held -= 1;
                if let Some(request) = record.request(&self.names) {
                    sink(request, record.position);
                }
            }
        }
    }
}

impl Source {
    fn decode(
        &mut self,
        bytes: Option<&[u8]>,
        zone: ZonePolicy,
        sink: &mut impl FnMut(Request<'_>, u64),
        rejections: &mut Rejections,
    ) -> Result<()> {
        if self.decoder.is_none() {
            self.first_bytes.extend_from_slice(bytes.unwrap_or_default());
            let enough = self.first_bytes.len() >= SNIFF_BYTES || bytes.is_none();
            if !enough {
                return Ok(());
            }
            let first = std::mem::take(&mut self.first_bytes);
            let decoder = self.decoder.insert(RequestDecoder::new(Format::sniff(&first), zone));
            decoder.feed(&first, sink, rejections)?;
            if bytes.is_none() {
                decoder.finish(sink, rejections)?;
            }
            return Ok(());
        }
        match (&mut self.decoder, bytes) {
            (Some(decoder), Some(bytes)) => decoder.feed(bytes, sink, rejections),
            (Some(decoder), None) => decoder.finish(sink, rejections),
            (None, _) => Ok(()),
        }
    }
}

impl Owned {
    /// Where the record stood in its source.
    pub fn position(&self) -> u64 {
        self.position
    }

    fn request<'a>(&'a self, names: &'a EntityTable) -> Option<Request<'a>> {
        let entity = names.get(self.entity)?;
        Some(Request {
            timestamp: self.timestamp,
            service: &entity.service,
            endpoint: &entity.endpoint,
            status_code: self.status_code,
            latency_ms: self.latency_ms,
            request_id: self.request_id.as_deref(),
        })
    }
}
