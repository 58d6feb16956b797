//! The rules that find the format of a file.

use super::format::FileFormat;
use crate::wire::Format;

/// The format of a file: see [`FileFormat::detect`].
pub(super) fn detect(_name: &str, first: &[u8]) -> Option<FileFormat> {
    if first.trim_ascii().is_empty() {
        return None;
    }
    Some(match Format::sniff(first) {
        Format::JsonLines => FileFormat::JsonLines,
        Format::Csv => FileFormat::Csv,
    })
}
