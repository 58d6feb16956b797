//! Ends and classes of parts of a line.

use super::text::{Classes, byte, hash, is_mark};
use super::token::WILD;

/// Whether a colon and a number follow.
pub(super) fn has_port(text: &[u8], end: usize) -> bool {
    byte(text, end) == b':' && byte(text, end + 1).is_ascii_digit()
}

/// Whether a hyphen is the sign of a number in an identifier: `blk_-42`.
pub(super) fn signed(text: &[u8], at: usize) -> bool {
    at > 0
        && byte(text, at) == b'-'
        && byte(text, at - 1) == b'_'
        && byte(text, at + 1).is_ascii_digit()
}

/// The end of a word, and the classes of its bytes.
pub(super) fn word_end(text: &[u8], start: usize) -> (usize, Classes) {
    let mut seen = Classes::default();
    let rest = text.get(start..).unwrap_or_default();
    let length = rest.iter().position(|&byte| seen.ends(byte)).unwrap_or(rest.len());
    (start + length, seen)
}

/// The class of a word in which each run of digits counts as the same.
pub(super) fn skeleton(piece: &[u8]) -> u64 {
    let mut class = 0;
    for run in piece.chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()) {
        let digits = run.first().is_some_and(u8::is_ascii_digit);
        class = hash(&u64::to_le_bytes(class)) ^ if digits { WILD } else { hash(run) };
    }
    class
}

/// The place of the bracket that closes the one at `start`, if a list or record stands between.
pub(super) fn nested_end(text: &[u8], start: usize, is_value: bool) -> Option<usize> {
    let (mut depth, mut listed) = (0_usize, is_value);
    for (at, &byte) in text.iter().enumerate().skip(start).filter(|(_, byte)| is_mark(**byte)) {
        match byte {
            b'[' | b'(' | b'{' => depth += 1,
            b']' | b')' | b'}' => {
                depth -= 1;
                if depth == 0 {
                    return (listed && at > start + 1).then_some(at);
                }
            }
            b',' | b'=' => listed = true,
            _ => {}
        }
    }
    listed.then_some(text.len())
}
