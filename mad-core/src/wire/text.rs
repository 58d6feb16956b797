//! Text that the decoders share: the byte order mark and the details of rejections.

#[cfg(any(feature = "csv", feature = "jsonl"))]
use crate::limits::MAX_LINE_BYTES;

/// The UTF-8 byte order mark.
pub(super) const BOM: [u8; 3] = [0xef, 0xbb, 0xbf];

/// The detail of a line that is too long.
#[cfg(any(feature = "csv", feature = "jsonl"))]
pub(super) fn too_long() -> String {
    format!("more than {MAX_LINE_BYTES} bytes without a line end")
}

/// The beginning of some bytes as text in backticks, without control characters.
#[cfg(any(feature = "csv", feature = "jsonl"))]
pub(super) fn shown(bytes: &[u8]) -> String {
    let start = bytes.get(..60).unwrap_or(bytes);
    let cut = if start.len() < bytes.len() { "…" } else { "" };
    format!("`{}{cut}`", String::from_utf8_lossy(start).escape_debug())
}
