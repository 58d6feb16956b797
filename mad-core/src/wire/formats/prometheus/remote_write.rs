//! Bodies of the remote-write protocol of Prometheus, version 1: a `WriteRequest` in protobuf,
//! compressed as one block of Snappy.

use std::borrow::Cow;
use std::sync::Arc;

use super::super::memory::TelemetryMemory;
use super::super::naming::Naming;
use super::super::quantile::Exponential;
use super::super::{FormatDecoder, FormatOptions, Output, Unit};
use super::labels::{SampleType, Series};
use super::native::{MOST_BUCKETS, NativeHistogram};
use super::{snappy, stale};
use crate::error::{Error, Result};
use crate::limits::{MAX_BODY_SAMPLES, MAX_DOCUMENT_BYTES};
use crate::telemetry::{RecordKind, RejectReason};
use crate::time::Timestamp;
use crate::wire::protobuf::{Fields, Malformed, Value, packed_fixed64, packed_varints, zigzag};

/// The scale of native histograms with custom buckets.
const CUSTOM: i64 = -53;
/// Most labels of a series. Prometheus rarely has more than 30.
const MOST_LABELS: usize = 256;

/// Whether the first bytes of a file are a body of remote write: a block of Snappy that begins with
/// a series or with metadata.
pub(in super::super) fn is_remote_write(first: &[u8]) -> bool {
    let length = first.iter().take(5).position(|byte| *byte < 0x80);
    let Some(block) = length.and_then(|length| first.get(length + 1..)) else { return false };
    let Some((tag, rest)) = block.split_first() else { return false };
    if tag & 3 != 0 {
        return false;
    }
    let start = rest.get(usize::from((tag >> 2).saturating_sub(59))..).unwrap_or_default();
    let start = start.get(..start.len().min(200)).unwrap_or(start);
    match start.first() {
        Some(0x0a) => memchr::memmem::find(start, b"__name__").is_some(),
        // metadata: the type of a metric, then its name
        Some(0x1a) => start.get(2) == Some(&0x08) || start.get(2) == Some(&0x12),
        _ => false,
    }
}

/// Checks that a body is a block of Snappy with fields of protobuf, and has at most
/// [`MAX_BODY_SAMPLES`] series and samples.
pub(in super::super) fn check_remote_write(body: &[u8]) -> Result<()> {
    check_size(&decompressed(body)?)
}

/// Checks the number of series and samples together, before memory is taken for them.
fn check_size(body: &[u8]) -> Result<()> {
    let mut size = 0_usize;
    let mut fields = Fields::new(body);
    while let Some((number, value)) = fields.next().map_err(|Malformed| no_request())? {
        if number != 1 {
            continue;
        }
        size += 1;
        let mut fields = Fields::new(value.bytes());
        // a series that is not valid protobuf is rejected alone
        while let Ok(Some((number, _))) = fields.next() {
            size += usize::from(matches!(number, 2 | 4));
        }
        if size > MAX_BODY_SAMPLES {
            return Err(Error::input(format!(
                "the body has more than {MAX_BODY_SAMPLES} series and samples; send smaller bodies"
            )));
        }
    }
    Ok(())
}

fn decompressed(body: &[u8]) -> Result<Vec<u8>> {
    snappy::decompress(body, MAX_DOCUMENT_BYTES).ok_or_else(|| {
        let most = MAX_DOCUMENT_BYTES >> 20;
        Error::input(format!("the body is no block of Snappy, or holds more than {most} MiB"))
    })
}

fn no_request() -> Error {
    Error::input("the body is no WriteRequest of remote write, version 1".to_owned())
}

/// Reads a body of remote write.
#[derive(Debug)]
pub(in super::super) struct RemoteWriteDecoder {
    naming: Naming,
    memory: TelemetryMemory,
    held: Vec<u8>,
    position: u64,
}

/// A label and its value.
type Label<'a> = (Cow<'a, str>, Cow<'a, str>);

/// What a sample of a series holds.
enum Sample {
    Number(f64),
    /// Boxed, because nearly all samples are numbers.
    Histogram(Box<NativeHistogram>),
}

impl RemoteWriteDecoder {
    pub fn new(options: &FormatOptions) -> Self {
        Self {
            naming: Naming::new(options),
            memory: TelemetryMemory::default(),
            held: Vec::new(),
            position: 0,
        }
    }

    fn body(&mut self, body: &[u8], out: &mut Output<'_>) -> std::result::Result<(), Malformed> {
        let (mut all, mut samples) = (Vec::new(), Vec::new());
        let mut fields = Fields::new(body);
        while let Some((number, value)) = fields.next()? {
            if number == 1 {
                let place = all.len();
                let first = samples.len();
                if let Ok(series) = self.read_series(value.bytes(), place, &mut samples) {
                    all.push(series);
                } else {
                    samples.truncate(first);
                    self.position += 1;
                    out.rejections.add(RejectReason::Truncated, self.position, || {
                        format!(
                            "a series is not valid protobuf, or has more than {MOST_LABELS} labels"
                        )
                    });
                }
            }
        }
        // a sender that was away has several samples of each series
        if !samples.is_sorted_by_key(|(at, ..)| *at) {
            samples.sort_by_key(|(at, ..): &(Timestamp, usize, Sample)| *at);
        }
        for (at, place, sample) in samples {
            let Some(series) = all.get(place) else { continue };
            self.position += 1;
            out.sink.unit(&Unit {
                time: Some(at),
                service: &series.stated,
                has_service: true,
                series: Some(series.key),
                ..Unit::new(RecordKind::Metrics)
            });
            match sample {
                Sample::Number(value) if stale(value) => {}
                Sample::Number(value) => {
                    series.give(at, value, self.position, &mut self.memory, out.sink);
                }
                Sample::Histogram(histogram) => {
                    series.give_native(at, *histogram, self.position, &mut self.memory, out.sink);
                }
            }
        }
        Ok(())
    }

    /// Reads a series and its samples. Labels that are known from an earlier body are not read again.
    fn read_series(
        &mut self,
        message: &[u8],
        place: usize,
        samples: &mut Vec<(Timestamp, usize, Sample)>,
    ) -> std::result::Result<Arc<Series>, Malformed> {
        let mut fields = Fields::new(message);
        // senders write all labels first
        let (mut labels, mut others, mut end, mut are_first) = (0, 0, 0, true);
        while let Some((number, value)) = fields.next()? {
            if number != 1 {
                others += 1;
            }
            match number {
                1 if labels == MOST_LABELS => return Err(Malformed),
                1 => {
                    labels += 1;
                    are_first &= others == 0;
                    end = message.len() - fields.rest().len();
                }
                2 => {
                    let (mut number_of, mut at) = (0.0, 0_i64);
                    let mut fields = Fields::new(value.bytes());
                    while let Some((number, value)) = fields.next()? {
                        match number {
                            1 => number_of = value.double(),
                            2 => at = value.integer() as i64,
                            _ => {}
                        }
                    }
                    samples.push((milliseconds(at), place, Sample::Number(number_of)));
                }
                4 => {
                    let (at, histogram) = native(value.bytes())?;
                    samples.push((milliseconds(at), place, histogram));
                }
                _ => {}
            }
        }
        let key = message.get(..end).filter(|_| are_first);
        let cache = &mut self.memory.series_cache;
        if let Some(known) = key.and_then(|key| cache.get(key, &self.naming)) {
            return Ok(known);
        }
        let series = Series::new(&labels_of(message)?, SampleType::Unknown, &self.naming);
        let series = Arc::new(series);
        if let Some(key) = key {
            cache.add(key, &series);
        }
        Ok(series)
    }
}

/// The labels of a series with their values.
fn labels_of(message: &[u8]) -> std::result::Result<Vec<Label<'_>>, Malformed> {
    let mut labels = Vec::with_capacity(12);
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        if number != 1 {
            continue;
        }
        let (mut name, mut text) = ("", "");
        let mut fields = Fields::new(value.bytes());
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => name = value.text().unwrap_or_default(),
                2 => text = value.text().unwrap_or_default(),
                _ => {}
            }
        }
        labels.push((Cow::Borrowed(name), Cow::Borrowed(text)));
    }
    Ok(labels)
}

fn milliseconds(at: i64) -> Timestamp {
    Timestamp::from_nanos(at.saturating_mul(1_000_000))
}

/// A native histogram and its time, or the number that says that the series has ended. Bucket `i` of
/// an exponential histogram ends at `base^i`, that of OpenTelemetry begins there.
fn native(message: &[u8]) -> std::result::Result<(i64, Sample), Malformed> {
    let mut found = Exponential::default();
    let (mut scale, mut sum, mut bounds) = (0, 0.0, Vec::new());
    let (mut at, mut sides) = (0, [(Vec::new(), Vec::new()), (Vec::new(), Vec::new())]);
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        let [negative, positive] = &mut sides;
        match (number, value) {
            (3, value) => sum = value.double(),
            (4, value) => scale = zigzag(value.integer()),
            (6, value) => found.zeros = value.integer() as f64,
            (7, value) => found.zeros = value.double(),
            (8, value) if negative.0.len() < MOST_BUCKETS => negative.0.push(span(value.bytes())?),
            (9, Value::Bytes(packed)) => negative.1.extend(deltas(packed)),
            (10, Value::Bytes(packed)) => negative.1.extend(floats(packed)),
            (11, value) if positive.0.len() < MOST_BUCKETS => positive.0.push(span(value.bytes())?),
            (12, Value::Bytes(packed)) => positive.1.extend(deltas(packed)),
            (13, Value::Bytes(packed)) => positive.1.extend(floats(packed)),
            (15, value) => at = value.integer() as i64,
            (16, Value::Bytes(packed)) => bounds.extend(floats(packed)),
            _ => {}
        }
    }
    if stale(sum) {
        return Ok((at, Sample::Number(sum)));
    }
    let [negative, positive] = sides;
    (found.negative, found.positive) = (placed(&negative), placed(&positive));
    let histogram = if scale == CUSTOM {
        custom(bounds, &found.positive)?
    } else {
        found.scale = scale.clamp(-64, 64) as i32;
        NativeHistogram::Exponential(found)
    };
    Ok((at, Sample::Histogram(Box::new(histogram))))
}

/// A histogram with custom buckets, which are numbered from 0. The last one has no bound.
fn custom(
    bounds: Vec<f64>,
    buckets: &[(i32, f64)],
) -> std::result::Result<NativeHistogram, Malformed> {
    let rises = bounds.is_sorted_by(|low, high| low < high);
    if !rises || bounds.len() > MOST_BUCKETS || bounds.iter().any(|bound| bound.is_nan()) {
        return Err(Malformed);
    }
    let mut counts = vec![0.0; bounds.len() + 1];
    for (before, count) in buckets {
        // see `placed`, which numbers buckets by their lower bounds
        let place = usize::try_from(before.saturating_add(1)).map_err(|_| Malformed)?;
        *counts.get_mut(place).ok_or(Malformed)? += count;
    }
    Ok(NativeHistogram::Custom { bounds, counts })
}

fn floats(packed: &[u8]) -> impl Iterator<Item = f64> + '_ {
    packed_fixed64(packed).map(f64::from_bits).take(MOST_BUCKETS)
}

/// Counts that are written as differences.
fn deltas(packed: &[u8]) -> impl Iterator<Item = f64> + '_ {
    let numbers = packed_varints(packed).take(MOST_BUCKETS).scan(0_i64, |sum, number| {
        *sum = sum.saturating_add(zigzag(number));
        Some(*sum)
    });
    numbers.map(|count| count as f64)
}

/// The offset from the bucket before, and the number of buckets.
fn span(message: &[u8]) -> std::result::Result<(i64, u64), Malformed> {
    let (mut offset, mut length) = (0, 0);
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => offset = zigzag(value.integer()),
            2 => length = value.integer(),
            _ => {}
        }
    }
    Ok((offset, length))
}

fn placed((spans, counts): &(Vec<(i64, u64)>, Vec<f64>)) -> Vec<(i32, f64)> {
    let (mut index, mut counts, mut found) = (0_i64, counts.iter(), Vec::new());
    for (offset, length) in spans {
        index = index.saturating_add(*offset).clamp(-(1 << 30), 1 << 30);
        for _ in 0..*length {
            let Some(count) = counts.next() else { return found };
            found.push(((index - 1) as i32, *count));
            index = index.saturating_add(1).min(1 << 30);
        }
    }
    found
}

impl FormatDecoder for RemoteWriteDecoder {
    fn feed(&mut self, bytes: &[u8], _: &mut Output<'_>) -> Result<()> {
        if self.held.len().saturating_add(bytes.len()) > MAX_DOCUMENT_BYTES {
            let most = MAX_DOCUMENT_BYTES >> 20;
            return Err(Error::input(format!("the body is larger than {most} MiB")));
        }
        self.held.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(&mut self, out: &mut Output<'_>) -> Result<()> {
        let held = std::mem::take(&mut self.held);
        if held.is_empty() {
            return Ok(());
        }
        let body = decompressed(&held)?;
        check_size(&body)?;
        self.body(&body, out).map_err(|Malformed| no_request())
    }

    fn swap_memory(&mut self, memory: &mut TelemetryMemory) {
        std::mem::swap(&mut self.memory, memory);
    }
}
