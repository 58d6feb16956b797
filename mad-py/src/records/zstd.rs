//! Zstandard frames, piece by piece.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use ruzstd::decoding::FrameDecoder;

use crate::errors::value_error;

/// Bytes of a frame header at most, with the magic number.
const HEADER: usize = 18;
/// Decompressed bytes taken out at a time.
const PIECE: usize = 1 << 18;

/// Decompresses Zstandard frames that come in pieces of any size.
#[pyclass(module = "mad._core")]
pub struct ZstdDecoder {
    frame: FrameDecoder,
    started: bool,
    pending: Vec<u8>,
}

#[pymethods]
impl ZstdDecoder {
    #[new]
    fn new() -> Self {
        Self { frame: FrameDecoder::new(), started: false, pending: Vec::new() }
    }

    /// Takes compressed bytes and gives the bytes that they decompress to so far.
    fn feed<'py>(&mut self, py: Python<'py>, chunk: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        self.pending.extend_from_slice(chunk);
        let out = py.detach(|| self.decode(false)).map_err(value_error)?;
        Ok(PyBytes::new(py, &out))
    }

    /// Ends the input and gives the rest. ValueError for an unfinished frame.
    fn finish<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let out = py.detach(|| self.decode(true)).map_err(value_error)?;
        Ok(PyBytes::new(py, &out))
    }
}

impl ZstdDecoder {
    fn decode(&mut self, last: bool) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        loop {
            if !self.started {
                if self.pending.is_empty() || (self.pending.len() < HEADER && !last) {
                    return Ok(out);
                }
                let mut source = self.pending.as_slice();
                self.frame
                    .reset(&mut source)
                    .map_err(|error| format!("not a Zstandard frame: {error}"))?;
                let used = self.pending.len() - source.len();
                self.pending.drain(..used);
                self.started = true;
            }
            let mut piece = vec![0; PIECE];
            let (read, written) = self
                .frame
                .decode_from_to(&self.pending, &mut piece)
                .map_err(|error| format!("damaged Zstandard frame: {error}"))?;
            self.pending.drain(..read);
            out.extend_from_slice(piece.get(..written).unwrap_or_default());
            if self.frame.is_finished() && self.frame.can_collect() == 0 {
                self.started = false;
            } else if read == 0 && written == 0 {
                return if last { Err("the Zstandard frame ends early".into()) } else { Ok(out) };
            }
        }
    }
}
