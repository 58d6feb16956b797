//! Arrow IPC streams from outside, checked in full and bounded before anything is allocated for them.

use std::collections::HashMap;
use std::io::Read;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_cast::cast;
use arrow_ipc::convert::fb_to_schema;
use arrow_ipc::reader::{RecordBatchDecoder, read_dictionary};
use arrow_ipc::{
    CompressionType, Endianness, FieldNode, MessageArgs, MessageHeader, MetadataVersion,
    RecordBatchArgs, root_as_message,
};
use arrow_schema::{DataType, SchemaRef};
use flatbuffers::FlatBufferBuilder;
use pyo3::prelude::*;
use ruzstd::decoding::StreamingDecoder;

use crate::border::{detached, guarded};
use crate::errors::value_error;

/// What a message begins with. No text does, because it is not UTF-8.
const MARKER: [u8; 4] = [0xff; 4];
/// Rows of a stream at most.
const MAX_ROWS: usize = 1_000_000;
/// Columns of a stream at most.
const MAX_COLUMNS: usize = 1_000;
/// Schemas, dictionaries and batches of a stream at most.
const MAX_MESSAGES: usize = 10_000;
/// Bytes of a stream at most once buffers are decompressed, and of its text once codes and views
/// are written out.
const MAX_BYTES: usize = 256 << 20;
/// Largest window of a buffer that is compressed with zstd.
const MAX_WINDOW: u64 = 8 << 20;
/// Bytes before a compressed buffer, which hold its length.
const PREFIX: usize = 8;

/// Whether bytes are an Arrow IPC stream and no text.
pub fn is_arrow(bytes: &[u8]) -> bool {
    bytes.starts_with(&MARKER)
}

/// Checks the bytes of an Arrow IPC stream. Returns the number of rows.
///
/// Raises ValueError for a stream that is damaged or above a limit: 1,000,000 rows, 1,000 columns,
/// 10,000 messages, or 256 MiB once decompressed.
#[pyfunction]
pub fn check_arrow_stream(py: Python<'_>, body: &[u8]) -> PyResult<usize> {
    let batches = detached(py, || read(body))??;
    Ok(batches.iter().map(RecordBatch::num_rows).sum())
}

/// The batches of a stream.
pub fn read(bytes: &[u8]) -> PyResult<Vec<RecordBatch>> {
    // the reader of messages panics for some damaged ones; nothing that it made is kept then
    let decoded = guarded(|| Stream::new(bytes).batches());
    let decoded = decoded.unwrap_or_else(|_| Err("its messages are damaged".to_owned()));
    decoded.map_err(|reason| value_error(format!("the body is not an Arrow IPC stream: {reason}")))
}

type Outcome<T> = Result<T, String>;

struct Stream<'a> {
    rest: &'a [u8],
    schema: Option<SchemaRef>,
    dictionaries: HashMap<i64, ArrayRef>,
    /// Bytes that may still be decoded.
    budget: usize,
    rows: usize,
}

/// The metadata and the body of a message.
struct Message<'a> {
    metadata: Vec<u8>,
    rest: &'a [u8],
}

impl<'a> Stream<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let dictionaries = HashMap::new();
        Self { rest: bytes, schema: None, dictionaries, budget: MAX_BYTES, rows: 0 }
    }

    fn batches(mut self) -> Outcome<Vec<RecordBatch>> {
        let mut batches = Vec::new();
        let mut messages = 0;
        while let Some(message) = self.next()? {
            messages += 1;
            if messages > MAX_MESSAGES {
                return Err(format!(
                    "it has more than {MAX_MESSAGES} messages; send fewer batches"
                ));
            }
            batches.extend(self.take(&message)?);
        }
        let schema = self.schema.ok_or("it has no schema")?;
        if batches.is_empty() {
            batches.push(RecordBatch::new_empty(schema));
        }
        Ok(batches)
    }

    /// The next message; none at the end of the stream.
    fn next(&mut self) -> Outcome<Option<Message<'a>>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let [m0, m1, m2, m3, s0, s1, s2, s3, rest @ ..] = self.rest else {
            return Err("it ends within a message".to_owned());
        };
        if [*m0, *m1, *m2, *m3] != MARKER {
            return Err("a message does not begin with its marker".to_owned());
        }
        let size = u32::from_le_bytes([*s0, *s1, *s2, *s3]) as usize;
        if size == 0 {
            self.rest = &[];
            return Ok(None);
        }
        let (metadata, rest) = rest.split_at_checked(size).ok_or("it ends within a message")?;
        self.rest = rest;
        // copied, so that it is aligned
        Ok(Some(Message { metadata: metadata.to_vec(), rest }))
    }

    fn take(&mut self, message: &Message<'a>) -> Outcome<Option<RecordBatch>> {
        let fault = |error: flatbuffers::InvalidFlatbuffer| format!("damaged metadata: {error}");
        let header = root_as_message(&message.metadata).map_err(fault)?;
        let length = usize::try_from(header.bodyLength()).map_err(|_| "a negative length")?;
        let (body, rest) =
            message.rest.split_at_checked(length).ok_or("it ends within a message")?;
        self.rest = rest;
        let version = header.version();
        match header.header_type() {
            MessageHeader::Schema => {
                let schema = header.header_as_schema().ok_or("a schema is missing")?;
                if self.schema.is_some() {
                    return Err("it has two schemas".to_owned());
                }
                if schema.endianness() != Endianness::Little {
                    return Err("its numbers are big-endian".to_owned());
                }
                let columns = schema.fields().map_or(0, |fields| fields.len());
                if columns > MAX_COLUMNS {
                    return Err(format!(
                        "it has {columns} columns; expected at most {MAX_COLUMNS}"
                    ));
                }
                self.schema = Some(fb_to_schema(schema).into());
                Ok(None)
            }
            MessageHeader::DictionaryBatch => {
                let dictionary =
                    header.header_as_dictionary_batch().ok_or("a dictionary is missing")?;
                if dictionary.isDelta() {
                    return Err("a dictionary is a delta; write dictionaries whole".to_owned());
                }
                let batch = dictionary.data().ok_or("a dictionary has no values")?;
                let plain = self.plain(&batch, body)?;
                self.dictionary(dictionary.id(), &plain, version)?;
                Ok(None)
            }
            MessageHeader::RecordBatch => {
                let batch = header.header_as_record_batch().ok_or("a batch is missing")?;
                let rows = usize::try_from(batch.length()).unwrap_or(usize::MAX);
                self.rows = self.rows.saturating_add(rows);
                if self.rows > MAX_ROWS {
                    return Err(format!("it has more than {MAX_ROWS} rows; send smaller batches"));
                }
                let plain = self.plain(&batch, body)?;
                let schema = self.schema.clone().ok_or("it has no schema")?;
                let mut fbb = FlatBufferBuilder::new();
                let header = plain.write(&mut fbb).as_union_value();
                let metadata = finished(fbb, MessageHeader::RecordBatch, header);
                let header = root_as_message(&metadata).map_err(fault)?;
                let header = header.header_as_record_batch().ok_or("a batch is missing")?;
                let known = &self.dictionaries;
                let batch =
                    RecordBatchDecoder::try_new(&plain.body, header, schema, known, &version)
                        .and_then(RecordBatchDecoder::read_record_batch)
                        .map_err(|error| error.to_string())?;
                for column in batch.columns() {
                    self.spend(written_out(column)?)?;
                }
                Ok(Some(batch))
            }
            MessageHeader::NONE => Ok(None),
            other => Err(format!("it has a message of the type {other:?}")),
        }
    }

    fn dictionary(&mut self, id: i64, plain: &Plain, version: MetadataVersion) -> Outcome<()> {
        let schema = self.schema.clone().ok_or("it has no schema")?;
        let mut fbb = FlatBufferBuilder::new();
        let data = plain.write(&mut fbb);
        let args = arrow_ipc::DictionaryBatchArgs { id, data: Some(data), isDelta: false };
        let header = arrow_ipc::DictionaryBatch::create(&mut fbb, &args).as_union_value();
        let metadata = finished(fbb, MessageHeader::DictionaryBatch, header);
        let message = root_as_message(&metadata).map_err(|error| error.to_string())?;
        let header = message.header_as_dictionary_batch().ok_or("a dictionary is missing")?;
        read_dictionary(&plain.body, header, &schema, &mut self.dictionaries, &version)
            .map_err(|error| error.to_string())
    }

    fn spend(&mut self, bytes: usize) -> Outcome<()> {
        let left = self.budget.checked_sub(bytes);
        self.budget = left.ok_or_else(|| {
            format!("it decodes to more than {} MiB; send smaller batches", MAX_BYTES >> 20)
        })?;
        Ok(())
    }

    /// A batch without compression, all its lengths and offsets checked.
    fn plain(&mut self, batch: &arrow_ipc::RecordBatch<'_>, body: &[u8]) -> Outcome<Plain> {
        let rows = batch.length();
        let nodes: Vec<FieldNode> = batch.nodes().into_iter().flatten().copied().collect();
        let is_sound = |node: &FieldNode| {
            (0..=MAX_BYTES as i64).contains(&node.length())
                && (0..=node.length()).contains(&node.null_count())
        };
        if rows < 0 || !nodes.iter().all(is_sound) {
            return Err("a column has an impossible number of rows".to_owned());
        }
        let codec = batch.compression().map(|compression| compression.codec());
        let (mut buffers, mut out) = (Vec::new(), Vec::new());
        for buffer in batch.buffers().into_iter().flatten() {
            let start = usize::try_from(buffer.offset()).map_err(|_| "a negative offset")?;
            let length = usize::try_from(buffer.length()).map_err(|_| "a negative length")?;
            let end = start.checked_add(length).ok_or("a buffer lies outside of its message")?;
            let stored = body.get(start..end).ok_or("a buffer lies outside of its message")?;
            let begin = out.len();
            if let Some(codec) = codec {
                self.decompress(codec, stored, &mut out)?;
            } else {
                // one stretch of the body may be named by many buffers
                self.spend(length)?;
                out.extend_from_slice(stored);
            }
            buffers.push(arrow_ipc::Buffer::new(begin as i64, (out.len() - begin) as i64));
            out.resize(out.len().next_multiple_of(64), 0);
        }
        let variadic: Vec<i64> = batch.variadicBufferCounts().into_iter().flatten().collect();
        if variadic.iter().any(|count| !(0..=buffers.len() as i64).contains(count)) {
            return Err("a column has an impossible number of buffers".to_owned());
        }
        Ok(Plain { rows, nodes, buffers, variadic, body: Buffer::from_vec(out) })
    }

    /// Appends the content of a compressed buffer, which has to be as long as it says.
    fn decompress(
        &mut self,
        codec: CompressionType,
        stored: &[u8],
        out: &mut Vec<u8>,
    ) -> Outcome<()> {
        if stored.is_empty() {
            return Ok(());
        }
        let (prefix, packed) =
            stored.split_first_chunk::<PREFIX>().ok_or("a compressed buffer is cut")?;
        let length = i64::from_le_bytes(*prefix);
        if length == -1 {
            self.spend(packed.len())?;
            out.extend_from_slice(packed);
            return Ok(());
        }
        let length = usize::try_from(length).map_err(|_| "a negative length")?;
        self.spend(length)?;
        let begin = out.len();
        let most = length as u64 + 1;
        let read = match codec {
            CompressionType::LZ4_FRAME => {
                lz4_flex::frame::FrameDecoder::new(packed).take(most).read_to_end(out)
            }
            CompressionType::ZSTD => {
                let decoder = StreamingDecoder::new_with_max_window_size(packed, MAX_WINDOW)
                    .map_err(|error| format!("damaged zstd data: {error}"))?;
                decoder.take(most).read_to_end(out)
            }
            other => return Err(format!("its compression is {other:?}; send lz4, zstd or none")),
        };
        read.map_err(|error| format!("damaged compressed data: {error}"))?;
        if out.len() - begin != length {
            return Err("a compressed buffer has another length than it says".to_owned());
        }
        Ok(())
    }
}

/// A batch without compression. Its buffers lie one after the other in its body.
struct Plain {
    rows: i64,
    nodes: Vec<FieldNode>,
    buffers: Vec<arrow_ipc::Buffer>,
    variadic: Vec<i64>,
    body: Buffer,
}

impl Plain {
    fn write<'a>(
        &self,
        fbb: &mut FlatBufferBuilder<'a>,
    ) -> flatbuffers::WIPOffset<arrow_ipc::RecordBatch<'a>> {
        let nodes = fbb.create_vector(&self.nodes);
        let buffers = fbb.create_vector(&self.buffers);
        let variadic = fbb.create_vector(&self.variadic);
        let args = RecordBatchArgs {
            length: self.rows,
            nodes: Some(nodes),
            buffers: Some(buffers),
            compression: None,
            variadicBufferCounts: Some(variadic),
        };
        arrow_ipc::RecordBatch::create(fbb, &args)
    }
}

/// The metadata of a message with a header.
fn finished(
    mut fbb: FlatBufferBuilder<'_>,
    header_type: MessageHeader,
    header: flatbuffers::WIPOffset<flatbuffers::UnionWIPOffset>,
) -> Vec<u8> {
    let args = MessageArgs { header_type, header: Some(header), ..MessageArgs::default() };
    let message = arrow_ipc::Message::create(&mut fbb, &args);
    fbb.finish(message, None);
    fbb.finished_data().to_vec()
}

/// Bytes of the text of a column whose rows may share it, once it is written out for every row.
fn written_out(column: &dyn Array) -> Outcome<usize> {
    match column.data_type() {
        DataType::RunEndEncoded(..) => {
            Err("a column is run-end encoded; send it plain or as a dictionary".to_owned())
        }
        DataType::Utf8View => {
            let views = column.as_string_view().views();
            Ok(views.iter().map(|view| *view as u32 as usize).sum())
        }
        DataType::BinaryView => {
            let views = column.as_binary_view().views();
            Ok(views.iter().map(|view| *view as u32 as usize).sum())
        }
        DataType::Dictionary(_, kind) if kind.is_nested() => {
            Err("a dictionary holds lists; send them plain".to_owned())
        }
        DataType::Dictionary(..) => {
            let dictionary = column.as_any_dictionary();
            let lengths = lengths(dictionary.values())?;
            let codes =
                cast(dictionary.keys(), &DataType::Int64).map_err(|error| error.to_string())?;
            let codes = codes.as_primitive::<Int64Type>().iter().flatten();
            let length = |code: i64| lengths.get(usize::try_from(code).ok()?).copied();
            Ok(codes.filter_map(length).fold(0, usize::saturating_add))
        }
        _ => Ok(0),
    }
}

/// Bytes of each value of a dictionary.
fn lengths(values: &ArrayRef) -> Outcome<Vec<usize>> {
    let text = match values.data_type() {
        DataType::Utf8View | DataType::BinaryView | DataType::Binary | DataType::LargeBinary => {
            cast(values, &DataType::LargeBinary)
        }
        kind if kind.is_string() => {
            cast(values, &DataType::LargeUtf8).and_then(|text| cast(&text, &DataType::LargeBinary))
        }
        _ => return Ok(vec![8; values.len()]),
    };
    let text = text.map_err(|error| error.to_string())?;
    let offsets = text.as_binary::<i64>().offsets().windows(2);
    Ok(offsets
        .map(|ends| ends.last().zip(ends.first()).map_or(0, |(b, a)| (b - a) as usize))
        .collect())
}
