//! The rules that find the format of a file.

use super::format::FileFormat;
use super::{elastic, jaeger, otlp, prometheus, zipkin};
use crate::wire::Format;

/// Whether the first bytes are of a format.
type Test = fn(&[u8]) -> bool;

/// The formats in JSON, and those that are neither JSON nor lines of text. The first that fits is
/// taken.
const JSON: [(Test, FileFormat); 5] = [
    (otlp::is_json, FileFormat::OtlpJson),
    (jaeger::is_jaeger, FileFormat::Jaeger),
    (elastic::is_elastic, FileFormat::Elastic),
    (zipkin::is_zipkin, FileFormat::Zipkin),
    (prometheus::is_api, FileFormat::PrometheusApi),
];
const OTHERS: [(Test, FileFormat); 3] = [
    (otlp::is_protobuf, FileFormat::OtlpPb),
    (prometheus::is_remote_write, FileFormat::RemoteWrite),
    (prometheus::is_text, FileFormat::PrometheusText),
];

/// The format of a file: see [`FileFormat::detect`].
pub(super) fn detect(_name: &str, first: &[u8]) -> Option<FileFormat> {
    if first.trim_ascii().is_empty() {
        return None;
    }
    let found = if matches!(first.trim_ascii_start().first(), Some(b'{' | b'[')) {
        JSON.iter().find(|(is, _)| is(first))
    } else {
        OTHERS.iter().find(|(is, _)| is(first))
    };
    if let Some((_, format)) = found {
        return Some(*format);
    }
    Some(match Format::sniff(first) {
        Format::JsonLines => FileFormat::JsonLines,
        Format::Csv => FileFormat::Csv,
    })
}

/// Whether the beginning of a JSON file has a key, whatever its depth.
pub(super) fn has_key(first: &[u8], key: &str) -> bool {
    let mut rest = first;
    while let Some(at) = memmem(rest, key.as_bytes()) {
        let before = at.checked_sub(1).and_then(|before| rest.get(before));
        rest = rest.get(at + key.len()..).unwrap_or_default();
        if before == Some(&b'"')
            && let [b'"', after @ ..] = rest
            && after.trim_ascii_start().first() == Some(&b':')
        {
            return true;
        }
    }
    false
}

fn memmem(text: &[u8], part: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, part)
}
