//! JSON files of other tools: one document, several after each other, or one a line.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use memchr::memchr;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::output::Output;
use crate::error::{Error, Result};
use crate::limits::MAX_DOCUMENT_BYTES;
use crate::telemetry::RejectReason;
use crate::time::{Timestamp, ZonePolicy};

/// Cuts an input into JSON values.
///
/// Where the first line is a complete value, each line is read alone, so that a broken one costs no
/// other. Else the whole input is held and read at its end.
#[derive(Debug, Default)]
pub(super) struct JsonDocuments {
    held: Vec<u8>,
    layout: Layout,
    line: u64,
    failed: Option<Error>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum Layout {
    #[default]
    Unknown,
    Lines,
    Whole,
}

/// Takes a JSON value and its line.
pub(super) type Each<'e> = dyn FnMut(&RawValue, u64, &mut Output<'_>) + 'e;

impl JsonDocuments {
    /// Takes the next bytes.
    pub fn feed(&mut self, bytes: &[u8], each: &mut Each<'_>, out: &mut Output<'_>) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.held.extend_from_slice(bytes);
        if self.layout == Layout::Unknown {
            self.layout = layout(&self.held);
        }
        if self.layout == Layout::Lines {
            let held = std::mem::take(&mut self.held);
            let mut rest = held.as_slice();
            while let Some(end) = memchr(b'\n', rest) {
                let (line, after) = rest.split_at(end);
                self.line(line, each, out);
                rest = after.get(1..).unwrap_or_default();
            }
            self.held = rest.to_vec();
        }
        if self.held.len() > MAX_DOCUMENT_BYTES {
            self.held = Vec::new();
            let most = MAX_DOCUMENT_BYTES >> 20;
            let error = Error::input(format!("the JSON document is longer than {most} MiB"));
            self.failed = Some(error.clone());
            return Err(error);
        }
        Ok(())
    }

    /// Takes the end of the input.
    pub fn finish(&mut self, each: &mut Each<'_>, out: &mut Output<'_>) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let held = std::mem::take(&mut self.held);
        if self.layout == Layout::Lines {
            self.line(&held, each, out);
            return Ok(());
        }
        let text = String::from_utf8_lossy(held.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&held));
        let mut values = serde_json::Deserializer::from_str(&text).into_iter::<&RawValue>();
        let mut read = 0;
        while let Some(Ok(value)) = values.next() {
            read += 1;
            each(value, read, out);
        }
        let end = values.byte_offset();
        if text.get(end..).is_some_and(|rest| !rest.trim().is_empty()) {
            let has_lines = read == 0 && held.split(|byte| *byte == b'\n').any(is_value);
            if has_lines {
                for line in held.split(|byte| *byte == b'\n') {
                    self.line(line, each, out);
                }
                return Ok(());
            }
            let line = text.get(..end).unwrap_or_default().matches('\n').count() as u64 + 1;
            out.rejections.add(RejectReason::BadJson, line, || {
                text.get(end..).unwrap_or_default().trim().to_owned()
            });
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8], each: &mut Each<'_>, out: &mut Output<'_>) {
        self.line += 1;
        let line =
            if self.line == 1 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
        if line.trim_ascii().is_empty() {
            return;
        }
        match serde_json::from_slice::<&RawValue>(line) {
            Ok(value) => each(value, self.line, out),
            Err(_) => out.rejections.add(RejectReason::BadJson, self.line, || {
                String::from_utf8_lossy(line).trim().to_owned()
            }),
        }
    }
}

fn is_value(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    matches!(line.first(), Some(b'{' | b'[')) && serde_json::from_slice::<&RawValue>(line).is_ok()
}

/// The layout of an input, once its first line with text has ended.
fn layout(bytes: &[u8]) -> Layout {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let start = bytes.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(bytes.len());
    let rest = bytes.get(start..).unwrap_or_default();
    match memchr(b'\n', rest) {
        None => Layout::Unknown,
        Some(end) if is_value(rest.get(..end).unwrap_or_default()) => Layout::Lines,
        Some(_) => Layout::Whole,
    }
}

/// The members of an object by key; empty for another value. The last of equal keys wins.
/// An object of more than [`MOST_MEMBERS`] counts as empty, because no format has so large ones.
pub(super) fn members(value: &RawValue) -> BTreeMap<Cow<'_, str>, &RawValue> {
    let found = serde_json::from_str::<BoundedMap<'_>>(value.get());
    found.map_or_else(|_| BTreeMap::new(), |found| found.0)
}

/// The values of an array, and of arrays in it; a value that is no array stands for itself.
pub(super) fn flattened(value: &RawValue) -> Vec<&RawValue> {
    let Some(list) = elements(value) else { return vec![value] };
    list.into_iter().flat_map(flattened).collect()
}

/// The elements of an array; `None` for another value, and for one of more than [`MOST_ELEMENTS`].
pub(super) fn elements(value: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str::<BoundedList<'_>>(value.get()).ok().map(|found| found.0)
}

/// Most members of an object, and most elements of an array that are read. Both are far beyond those
/// of documents of any tool, and keep a body of tiny values from costing many times its size.
const MOST_MEMBERS: usize = 10_000;
const MOST_ELEMENTS: usize = 2_000_000;

/// Members of an object; the last of equal keys wins.
struct BoundedMap<'v>(BTreeMap<Cow<'v, str>, &'v RawValue>);

/// Elements of an array.
struct BoundedList<'v>(Vec<&'v RawValue>);

impl<'de: 'v, 'v> Deserialize<'de> for BoundedMap<'v> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = BTreeMap<Cow<'de, str>, &'de RawValue>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an object of at most {MOST_MEMBERS} members")
            }

            fn visit_map<A: MapAccess<'de>>(
                self,
                mut map: A,
            ) -> std::result::Result<Self::Value, A::Error> {
                let mut out = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<Cow<'de, str>, &'de RawValue>()? {
                    if out.len() >= MOST_MEMBERS {
                        return Err(de::Error::custom("too many members"));
                    }
                    out.insert(name, value);
                }
                Ok(out)
            }
        }
        deserializer.deserialize_map(Members).map(Self)
    }
}

impl<'de: 'v, 'v> Deserialize<'de> for BoundedList<'v> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Elements;
        impl<'de> Visitor<'de> for Elements {
            type Value = Vec<&'de RawValue>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an array of at most {MOST_ELEMENTS} elements")
            }

            fn visit_seq<A: SeqAccess<'de>>(
                self,
                mut list: A,
            ) -> std::result::Result<Self::Value, A::Error> {
                let mut out = Vec::new();
                while let Some(value) = list.next_element()? {
                    if out.len() >= MOST_ELEMENTS {
                        return Err(de::Error::custom("too many elements"));
                    }
                    out.push(value);
                }
                Ok(out)
            }
        }
        deserializer.deserialize_seq(Elements).map(Self)
    }
}

/// The first member of an object that has one of the names.
pub(super) fn member<'v>(value: &'v Value, names: &[&str]) -> Option<&'v Value> {
    names.iter().find_map(|name| value.get(*name)).filter(|found| !found.is_null())
}

/// The text of a member; empty where it is missing or no text.
pub(super) fn text<'v>(value: &'v Value, names: &[&str]) -> &'v str {
    member(value, names).and_then(Value::as_str).unwrap_or_default()
}

/// An integer, written as a number or as text. Fractions are cut.
pub(super) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => {
            number.as_i64().or_else(|| number.as_f64().map(|number| number as i64))
        }
        Value::String(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| text.parse().ok().map(|number: f64| number as i64))
        }
        _ => None,
    }
}

/// A number, written as a number or as text; NaN for anything else.
pub(super) fn number(value: &Value) -> f64 {
    match value {
        Value::Number(number) => number.as_f64().unwrap_or(f64::NAN),
        Value::String(text) => text.trim().parse().unwrap_or(f64::NAN),
        _ => f64::NAN,
    }
}

/// A time in microseconds since 1970; `None` where it is missing, zero or out of range.
pub(super) fn micros(value: Option<&Value>) -> Option<Timestamp> {
    let nanos = integer(value?).filter(|micros| *micros > 0)?.checked_mul(1_000)?;
    Some(Timestamp::from_nanos(nanos)).filter(|time| time.is_accepted())
}

/// A time as text with a zone, or in microseconds.
pub(super) fn moment(value: Option<&Value>) -> Option<Timestamp> {
    match value? {
        Value::String(text) => Timestamp::parse(text, ZonePolicy::Refuse).ok(),
        other => micros(Some(other)),
    }
}

/// A value as the text of a label: text as it is, everything else as JSON.
pub(super) fn label(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

/// Whether the beginning of a JSON file has a key, whatever its depth.
pub(super) fn has_key(first: &[u8], key: &str) -> bool {
    let mut rest = first;
    while let Some(at) = memchr::memmem::find(rest, key.as_bytes()) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{Record, Rejections};

    fn read(pieces: &[&str]) -> (Vec<(String, u64)>, u64) {
        let mut documents = JsonDocuments::default();
        let (mut found, mut rejections) = (Vec::new(), Rejections::default());
        let mut each = |value: &RawValue, line: u64, _: &mut Output<'_>| {
            found.push((value.get().to_owned(), line));
        };
        let mut no_sink = |_: Record<'_>, _: u64| {};
        let mut out = Output::new(&mut no_sink, &mut rejections);
        for piece in pieces {
            documents.feed(piece.as_bytes(), &mut each, &mut out).unwrap();
        }
        documents.finish(&mut each, &mut out).unwrap();
        (found, rejections.total())
    }

    #[test]
    fn lines_are_read_alone_and_documents_as_a_whole() {
        let lines = read(&["{\"a\":", "1}\n{broken\n", "\n{\"b\":2}"]);
        assert_eq!(lines, (vec![("{\"a\":1}".to_owned(), 1), ("{\"b\":2}".to_owned(), 4)], 1));
        let whole = read(&["{\n\"a\": 1", "\n}\n[2]"]);
        assert_eq!(whole.0.len(), 2);
        let first_line_is_broken = read(&["{oops\n{\"b\":2}\n"]);
        assert_eq!(first_line_is_broken, (vec![("{\"b\":2}".to_owned(), 2)], 1));
        assert_eq!(read(&["nothing"]), (vec![], 1));
        assert_eq!(read(&["[1]"]).0.len(), 1);
    }
}
