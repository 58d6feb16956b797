//! Splits a stream of bytes into records, however the stream was cut into chunks.
//!
//! A complete record is passed on from the input without a copy. Only the unfinished rest of a call
//! is copied, at most [`MAX_LINE_BYTES`] of it. Every decision depends only on the bytes since the
//! start of the record, so that the cuts do not change the result.

use memchr::{memchr, memchr_iter, memchr2};

use super::text::BOM;
use crate::error::Result;
use crate::limits::MAX_LINE_BYTES;

/// One part of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A record without its line feed.
    Record {
        line: u64,
        bytes: &'a [u8],
        /// Whether any of its fields is quoted.
        quoted: bool,
        /// Whether a line feed ended it, not the end of the input.
        ended: bool,
    },
    /// A record that was skipped for its length.
    TooLong { line: u64 },
    /// A record with a quote that is never closed. The lines after the quote follow as own pieces.
    Unclosed { line: u64 },
}

/// Splits the stream. With `quotes`, a line feed inside a quoted CSV field does not end the record.
#[derive(Debug, Clone)]
pub(super) struct Splitter {
    quotes: bool,
    /// The character between fields.
    delimiter: u8,
    /// The record that is not complete yet.
    tail: Vec<u8>,
    scan: Scan,
    /// The line on which the next record starts, counted from 1.
    line: u64,
    /// Whether the stream is inside a line that is too long and skipped.
    skipping: bool,
    /// Bytes of a byte order mark seen at the start; `None` once that is settled.
    bom: Option<usize>,
}

impl Splitter {
    pub(super) fn new(quotes: bool) -> Self {
        Self {
            quotes,
            delimiter: b',',
            tail: Vec::new(),
            scan: Scan::default(),
            line: 1,
            skipping: false,
            bom: Some(0),
        }
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.tail.capacity()
    }

    /// Takes the next bytes and passes on every piece that they complete. `each` may give another
    /// character between fields, from the next piece on.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        each: &mut impl FnMut(Piece<'_>) -> Result<Option<u8>>,
    ) -> Result<()> {
        let mut bytes = self.skip_bom(bytes);
        while !bytes.is_empty() {
            if self.tail.is_empty() {
                let used = self.cut(bytes, false, each)?;
                self.tail.extend_from_slice(bytes.get(used..).unwrap_or_default());
                return Ok(());
            }
            let room = (MAX_LINE_BYTES + 1).saturating_sub(self.tail.len()).min(bytes.len());
            let (near, _) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
            let taken = memchr(b'\n', near).map_or(near.len(), |at| at + 1);
            let (near, rest) = bytes.split_at_checked(taken).unwrap_or((bytes, &[]));
            self.tail.extend_from_slice(near);
            bytes = rest;
            self.cut_tail(false, each)?;
        }
        Ok(())
    }

    /// Takes the end of the input.
    pub(super) fn finish(
        &mut self,
        each: &mut impl FnMut(Piece<'_>) -> Result<Option<u8>>,
    ) -> Result<()> {
        if let Some(seen) = self.bom.take() {
            self.tail.extend(BOM.iter().take(seen).filter(|_| seen < BOM.len()));
        }
        self.cut_tail(true, each)
    }

    fn skip_bom<'a>(&mut self, mut bytes: &'a [u8]) -> &'a [u8] {
        while let Some(seen) = self.bom
            && let Some((first, rest)) = bytes.split_first()
        {
            if BOM.get(seen) == Some(first) {
                self.bom = Some(seen + 1);
                bytes = rest;
            } else {
                self.bom = None;
                self.tail.extend(BOM.iter().take(seen).filter(|_| seen < BOM.len()));
            }
        }
        bytes
    }

    fn cut_tail(
        &mut self,
        at_end: bool,
        each: &mut impl FnMut(Piece<'_>) -> Result<Option<u8>>,
    ) -> Result<()> {
        let mut tail = std::mem::take(&mut self.tail);
        let used = self.cut(&tail, at_end, each)?;
        tail.drain(..used);
        self.tail = tail;
        Ok(())
    }

    /// Hands on the pieces of `bytes`, which begin where the scan began; says how many bytes are
    /// done with.
    fn cut(
        &mut self,
        bytes: &[u8],
        at_end: bool,
        each: &mut impl FnMut(Piece<'_>) -> Result<Option<u8>>,
    ) -> Result<usize> {
        let mut rest = bytes;
        loop {
            if self.skipping {
                let Some(at) = memchr(b'\n', rest) else { return Ok(bytes.len()) };
                rest = rest.get(at + 1..).unwrap_or_default();
                self.line += 1;
                self.skipping = false;
            }
            if rest.is_empty() {
                return Ok(bytes.len());
            }
            let line = self.line;
            let step = self.scan.step(rest, (self.quotes, self.delimiter), at_end);
            let (piece, used) = match step {
                Step::More => return Ok(bytes.len() - rest.len()),
                Step::Record { len, ended } => {
                    let (record, _) = rest.split_at_checked(len).unwrap_or((rest, &[]));
                    let quoted = self.scan.quoted;
                    (Piece::Record { line, bytes: record, quoted, ended }, len + usize::from(ended))
                }
                Step::Unclosed { resume } => (Piece::Unclosed { line }, resume),
                Step::TooLong { seen } => {
                    self.skipping = true;
                    (Piece::TooLong { line }, seen)
                }
            };
            let (done, after) = rest.split_at_checked(used).unwrap_or((rest, &[]));
            self.line += match piece {
                Piece::Record { quoted: false, .. } => 1,
                _ => memchr_iter(b'\n', done).count() as u64,
            };
            rest = after;
            self.scan = Scan::default();
            if let Some(delimiter) = each(piece)? {
                self.delimiter = delimiter;
            }
        }
    }
}

/// How far the record at hand has been looked at.
#[derive(Debug, Clone, Default)]
struct Scan {
    /// Bytes of the record looked at.
    at: usize,
    /// Inside a quoted field.
    open: bool,
    /// Any field of the record is quoted.
    quoted: bool,
    /// Where the line after the open quote's line begins.
    resume: Option<usize>,
}

enum Step {
    /// The record is the first `len` bytes.
    Record { len: usize, ended: bool },
    /// A quote of the record is stray; go on at `resume`.
    Unclosed { resume: usize },
    /// No end within the `seen` bytes.
    TooLong { seen: usize },
    /// More bytes are needed.
    More,
}

impl Scan {
    /// Looks at the bytes of a record from its start, going on where the last call stopped.
    #[inline]
    fn step(&mut self, rest: &[u8], (quotes, delimiter): (bool, u8), at_end: bool) -> Step {
        let window = rest.get(..=MAX_LINE_BYTES).unwrap_or(rest);
        loop {
            let ahead = window.get(self.at..).unwrap_or_default();
            let hit = match (self.open, self.resume) {
                (false, _) if quotes => memchr2(b'\n', b'"', ahead),
                (false, _) => memchr(b'\n', ahead),
                (true, None) => memchr2(b'\n', b'"', ahead),
                (true, Some(_)) => memchr(b'"', ahead),
            };
            let Some(hit) = hit.map(|hit| self.at + hit) else {
                self.at = window.len();
                break;
            };
            let line_feed = window.get(hit) == Some(&b'\n');
            match (self.open, line_feed) {
                (false, true) => return Step::Record { len: hit, ended: true },
                (false, false) => {
                    // a quote opens a field only as its first character
                    let first =
                        hit.checked_sub(1).is_none_or(|b| window.get(b) == Some(&delimiter));
                    if first {
                        (self.open, self.quoted, self.resume) = (true, true, None);
                    }
                    self.at = hit + 1;
                }
                (true, true) => {
                    self.resume = Some(hit + 1);
                    self.at = hit + 1;
                }
                (true, false) => match (window.get(hit + 1), self.resume) {
                    (None, _) if !at_end => {
                        self.at = hit;
                        break;
                    }
                    (Some(b'"'), _) => self.at = hit + 2,
                    (None | Some(b'\r' | b'\n'), _) | (_, None) => {
                        self.open = false;
                        self.at = hit + 1;
                    }
                    (Some(next), _) if *next == delimiter => {
                        self.open = false;
                        self.at = hit + 1;
                    }
                    (Some(_), Some(resume)) => return Step::Unclosed { resume },
                },
            }
        }
        let seen = window.len();
        match (self.open, self.resume) {
            (true, Some(resume)) if seen > MAX_LINE_BYTES || at_end => Step::Unclosed { resume },
            _ if seen > MAX_LINE_BYTES => Step::TooLong { seen },
            (true, None) if at_end => Step::Unclosed { resume: seen },
            _ if at_end => Step::Record { len: seen, ended: false },
            _ => Step::More,
        }
    }
}
