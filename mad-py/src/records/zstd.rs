//! Zstandard frames, block by block.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use ruzstd::decoding::FrameDecoder;

use crate::border::detached;
use crate::errors::value_error;

/// Bytes of a frame header at most, with the magic number.
const HEADER: usize = 18;
/// Bytes of a block header.
const BLOCK_HEADER: usize = 3;
/// Largest content of a block, and the size of the pieces that come out.
const PIECE: usize = 128 * 1024;
/// Bytes of the checksum after the last block.
const CHECKSUM: usize = 4;
/// Used bytes after which the rest of the input is moved to the front.
const COMPACT: usize = 64 * 1024;

/// Decompresses Zstandard frames that come in pieces of any size. The memory is bounded by the
/// window, and the time by the length of the input and the output.
///
/// Call `read` after each `feed` until it gives no bytes.
#[pyclass(module = "mad._core")]
pub struct ZstdDecoder {
    frame: FrameDecoder,
    started: bool,
    /// Whether the last block of the frame was read, and its checksum was not.
    checksum_due: bool,
    input: Vec<u8>,
    /// Bytes of `input` that are used.
    used: usize,
    /// Bytes of a skippable frame that are still to come.
    skip: usize,
    piece: Vec<u8>,
    frames: u64,
    most_frames: u64,
}

#[pymethods]
impl ZstdDecoder {
    /// A frame with a window above `max_window` bytes, and more than `max_frames` frames, are
    /// refused.
    #[new]
    #[pyo3(signature = (*, max_window=67_108_864, max_frames=None))]
    fn new(max_window: u64, max_frames: Option<u64>) -> Self {
        let mut frame = FrameDecoder::new();
        frame.set_max_window_size(max_window);
        Self {
            frame,
            started: false,
            checksum_due: false,
            input: Vec::new(),
            used: 0,
            skip: 0,
            piece: vec![0; PIECE],
            frames: 0,
            most_frames: max_frames.unwrap_or(u64::MAX),
        }
    }

    /// Adds compressed bytes.
    fn feed(&mut self, chunk: &[u8]) {
        if self.used > COMPACT {
            self.input.drain(..self.used);
            self.used = 0;
        }
        self.input.extend_from_slice(chunk);
    }

    /// The next decompressed bytes, at most 128 KiB; none until more is fed. ValueError for damaged
    /// data.
    fn read<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let written = detached(py, || self.decode(false))?.map_err(value_error)?;
        Ok(PyBytes::new(py, self.piece.get(..written).unwrap_or_default()))
    }

    /// As `read`, after the last bytes were fed. ValueError for an unfinished frame.
    fn finish<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let written = detached(py, || self.decode(true))?.map_err(value_error)?;
        Ok(PyBytes::new(py, self.piece.get(..written).unwrap_or_default()))
    }
}

impl ZstdDecoder {
    fn rest(&self) -> &[u8] {
        self.input.get(self.used..).unwrap_or_default()
    }

    /// Decodes into `piece` until some bytes came out, or more input is needed. Returns how many.
    fn decode(&mut self, last: bool) -> Result<usize, String> {
        loop {
            if self.skip > 0 {
                let skipped = self.skip.min(self.rest().len());
                self.skip -= skipped;
                self.used += skipped;
                if self.skip > 0 {
                    return if last { Err("a skippable frame ends early".into()) } else { Ok(0) };
                }
            }
            if !self.started && !self.begin(last)? {
                return Ok(0);
            }
            if !self.started {
                continue;
            }
            let rest = self.input.get(self.used..).unwrap_or_default();
            let block =
                if self.checksum_due { rest.get(..CHECKSUM) } else { Some(next_block(rest)) };
            let Some(block) = block else { return needs_more(last) };
            let is_last = !self.checksum_due && block.first().is_some_and(|first| first & 1 == 1);
            let (read, written) = self
                .frame
                .decode_from_to(block, &mut self.piece)
                .map_err(|error| format!("damaged Zstandard frame: {error}"))?;
            self.used += read;
            // A decoder that waits for the checksum counts its bytes as read before they are there.
            self.checksum_due = is_last && read > 0 && !self.frame.is_finished();
            if self.frame.is_finished() && self.frame.can_collect() == 0 {
                self.started = false;
            }
            if written > 0 {
                return Ok(written);
            }
            if read == 0 && self.started {
                return needs_more(last);
            }
        }
    }

    /// Reads the header of the next frame. Returns whether one began.
    fn begin(&mut self, last: bool) -> Result<bool, String> {
        let rest = self.input.get(self.used..).unwrap_or_default();
        if rest.is_empty() || (rest.len() < HEADER && !last) {
            return Ok(false);
        }
        self.frames += 1;
        if self.frames > self.most_frames {
            return Err(format!("it has more than {} frames", self.most_frames));
        }
        if let [0x50..=0x5f, 0x2a, 0x4d, 0x18, a, b, c, d, ..] = *rest {
            self.skip = u32::from_le_bytes([a, b, c, d]) as usize;
            self.used += 8;
            return Ok(true);
        }
        let mut source = rest;
        self.frame
            .reset(&mut source)
            .map_err(|error| format!("not a Zstandard frame that mad reads: {error}"))?;
        self.used += rest.len() - source.len();
        self.started = true;
        Ok(true)
    }
}

/// Nothing comes out until more is fed, which is an error at the end.
fn needs_more(last: bool) -> Result<usize, String> {
    if last { Err("the Zstandard frame ends early".into()) } else { Ok(0) }
}

/// The block at the start of `rest`, or all of it while the block is not whole.
fn next_block(rest: &[u8]) -> &[u8] {
    rest.get(..block_length(rest)).unwrap_or(rest)
}

/// Bytes of the block at the start of `rest` with its header and the checksum that may follow it.
/// Decoding one block at a time bounds the output of a call.
fn block_length(rest: &[u8]) -> usize {
    let [a, b, c, ..] = *rest else { return rest.len() };
    let header = u32::from_le_bytes([a, b, c, 0]);
    let is_last = header & 1 == 1;
    let is_run = header >> 1 & 3 == 1;
    let content = if is_run { 1 } else { (header >> 3) as usize };
    BLOCK_HEADER + content + if is_last { CHECKSUM } else { 0 }
}
