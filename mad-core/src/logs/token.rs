//! The tokens of one line and the sum that stands for it.

use super::text::{part, placed};

/// The class of a variable part: any value.
pub(super) const WILD: u64 = 0x5149_2f7a_b3d1_9e45;
/// Added to the class of a token behind a space.
const SPACED: u64 = 0x2545_f491_4f6c_dd1d;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// Punctuation.
    Mark,
    /// A word that belongs to the template until other words are seen in its place.
    Word,
    /// A word that groups with others of its class; it is shown until a second value is seen.
    Soft,
    /// A variable part, shown as `<*>`.
    Variable,
}

/// One token: a part of the line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub start: usize,
    pub end: usize,
    pub kind: TokenKind,
    /// Behind a space.
    pub spaced: bool,
    /// What it counts as: lines with the same classes have the same template.
    pub class: u64,
    /// Variable parts between colons that it is shown as; 0: as its text.
    pub groups: u8,
}

impl Token {
    pub fn text<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        part(line, self.start, self.end)
    }

    /// Its class, with the space before it.
    pub fn spaced_class(&self) -> u64 {
        if self.spaced { self.class ^ SPACED } else { self.class }
    }
}

/// The class of any value, behind a space or not.
pub(super) fn wild(spaced: bool) -> u64 {
    if spaced { WILD ^ SPACED } else { WILD }
}

/// The sum that stands for a line: equal for lines with the same classes in the same order.
pub(super) fn key(tokens: &[Token]) -> u64 {
    tokens
        .iter()
        .enumerate()
        .fold(0, |sum: u64, (place, token)| sum.wrapping_add(placed(token.spaced_class(), place)))
}

/// The sum after the token at a place has become variable.
pub(super) fn key_with_wild(key: u64, token: &Token, place: usize) -> u64 {
    key.wrapping_sub(placed(token.spaced_class(), place))
        .wrapping_add(placed(wild(token.spaced), place))
}
