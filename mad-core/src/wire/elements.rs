//! Records in a JSON document: the elements of an array, or objects over several lines.

use super::column_map::ColumnMap;
use super::kind::Kind;
use super::lines::Piece;
use super::text::BOM;
use crate::error::Result;
use crate::limits::MAX_LINE_BYTES;

/// Keys under which documents keep an array of records.
const ARRAYS: [&str; 22] = [
    "events",
    "records",
    "Records",
    "logs",
    "items",
    "data",
    "rows",
    "entries",
    "requests",
    "metrics",
    "spans",
    "hits",
    "result",
    "results",
    "values",
    "points",
    "lines",
    "changes",
    "edges",
    "documents",
    "value",
    "log",
];

/// How the objects of an input are separated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// One object a line.
    Lines,
    /// Objects within this number of open brackets.
    Elements(usize),
}

/// Decides from the beginning of an input how its objects are separated. `None` needs more bytes.
///
/// An array at the top has elements, and so has the first array of objects in an object that has
/// fewer than two fields of a record before it and keeps it under a usual name. An object over several lines is one
/// of several. Everything else is JSON Lines.
pub(super) fn shape_of<K: Kind>(start: &[u8], at_end: bool, map: &ColumnMap) -> Option<Shape> {
    if start.len() < BOM.len() && BOM.starts_with(start) && !at_end {
        return None;
    }
    let start = start.strip_prefix(&BOM).unwrap_or(start);
    let (mut depth, mut lines, mut fields) = (0_usize, false, 0);
    // the keys of the open objects, and the text that may be the next key
    let (mut keys, mut text): (Vec<String>, String) = (Vec::new(), String::new());
    let (mut in_string, mut escaped, mut after_array) = (false, false, false);
    for byte in start.iter().take(MAX_LINE_BYTES) {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                byte => text.push(char::from(*byte)),
            }
            continue;
        }
        match byte {
            b'\n' => lines |= depth > 0,
            b' ' | b'\r' | b'\t' => {}
            b':' => {
                keys.truncate(depth.saturating_sub(1));
                let column = map.column_of::<K>(&text);
                let is_field = column.is_some_and(|column| column.place < K::NEEDED);
                fields += usize::from(depth == 1 && is_field);
                keys.push(std::mem::take(&mut text));
            }
            b'{' | b']' if depth == 1 && after_array => return Some(Shape::Elements(1)),
            _ if depth == 1 && after_array => return Some(Shape::Lines),
            b'"' => {
                (in_string, after_array) = (true, false);
                text.clear();
            }
            b'[' => (depth, after_array) = (depth + 1, true),
            b'{' => {
                let known =
                    !keys.is_empty() && keys.iter().all(|key| ARRAYS.contains(&key.as_str()));
                if after_array && known && fields < 2 {
                    return Some(Shape::Elements(depth));
                }
                (depth, after_array) = (depth + 1, false);
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                keys.truncate(depth.saturating_sub(1));
                after_array = false;
                if depth == 0 {
                    return Some(if lines { Shape::Elements(0) } else { Shape::Lines });
                }
            }
            _ if depth == 0 => return Some(Shape::Lines),
            _ => after_array = false,
        }
    }
    (at_end || start.len() >= MAX_LINE_BYTES).then_some(Shape::Lines)
}

/// Splits a document into its objects.
#[derive(Debug, Clone)]
pub(super) struct Elements {
    /// Open brackets around each object.
    around: usize,
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// The element at hand, as far as it was read.
    tail: Vec<u8>,
    open: bool,
    too_long: bool,
    /// Whether the array has ended.
    done: bool,
    /// Elements so far.
    pub count: u64,
}

impl Elements {
    pub fn new(around: usize) -> Self {
        Self {
            around,
            depth: 0,
            in_string: false,
            escaped: false,
            tail: Vec::new(),
            open: false,
            too_long: false,
            done: false,
            count: 0,
        }
    }

    /// Whether no byte was taken.
    pub fn is_new(&self) -> bool {
        self.depth == 0 && self.count == 0 && !self.open && !self.done
    }

    pub fn held_bytes(&self) -> usize {
        self.tail.capacity()
    }

    /// Takes the next bytes and passes on every element that they complete.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        each: &mut impl FnMut(Piece<'_>) -> Result<Option<u8>>,
    ) -> Result<()> {
        for byte in bytes {
            if self.done {
                return Ok(());
            }
            self.take(*byte, each)?;
        }
        Ok(())
    }

    /// Takes the end of the input.
    pub fn finish(&mut self, each: &mut impl FnMut(Piece<'_>) -> Result<Option<u8>>) -> Result<()> {
        if self.open { self.emit(false, each) } else { Ok(()) }
    }

    fn take(
        &mut self,
        byte: u8,
        each: &mut impl FnMut(Piece<'_>) -> Result<Option<u8>>,
    ) -> Result<()> {
        if self.in_string {
            self.keep(byte);
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return Ok(());
        }
        let outside = self.depth == self.around;
        match byte {
            b'"' => {
                self.open |= outside;
                self.in_string = true;
                self.keep(byte);
            }
            b'{' | b'[' => {
                self.open |= outside;
                self.depth += 1;
                self.keep(byte);
            }
            b'}' | b']' if outside => {
                if self.open {
                    self.emit(true, each)?;
                }
                self.done = self.around > 0;
            }
            b'}' | b']' => {
                self.keep(byte);
                self.depth = self.depth.saturating_sub(1);
                if self.depth == self.around {
                    self.emit(true, each)?;
                }
            }
            b',' if outside => {
                if self.open {
                    self.emit(true, each)?;
                }
            }
            b' ' | b'\t' | b'\r' | b'\n' if outside && !self.open => {}
            _ => {
                self.open |= outside;
                self.keep(byte);
            }
        }
        Ok(())
    }

    fn keep(&mut self, byte: u8) {
        if self.open && self.tail.len() <= MAX_LINE_BYTES {
            self.tail.push(byte);
        } else {
            self.too_long |= self.open;
        }
    }

    fn emit(
        &mut self,
        ended: bool,
        each: &mut impl FnMut(Piece<'_>) -> Result<Option<u8>>,
    ) -> Result<()> {
        self.count += 1;
        let line = self.count;
        let bytes = std::mem::take(&mut self.tail);
        let piece = if self.too_long {
            Piece::TooLong { line }
        } else {
            Piece::Record { line, bytes: &bytes, quoted: false, ended }
        };
        (self.open, self.too_long) = (false, false);
        let result = each(piece);
        self.tail = bytes;
        self.tail.clear();
        result.map(|_| ())
    }
}
