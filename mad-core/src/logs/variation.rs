//! Decides when a place of a line counts as variable because its words differ.

use super::text::Kinds;
use super::token::{Token, TokenKind, WILD, key};

/// Words before a value.
const PREPOSITIONS: [&[u8]; 9] =
    [b"for", b"from", b"to", b"by", b"via", b"on", b"at", b"in", b"named"];
/// Marks that stand between words rather than around one.
const DIVIDERS: &[u8] = b":,;.=";

/// Whether a token can become variable because its words differ. All others are variable, become
/// so with the second value, or are punctuation.
pub(super) fn can_open(token: &Token) -> bool {
    token.kind == TokenKind::Word || token.kind == TokenKind::Soft && token.class != WILD
}

/// How many different words a place needs to count as variable; `None`: it never does.
///
/// Identifiers vary more often than plain words. Names in capitals are mostly states, which operators
/// want to see apart. The first word of a line is mostly its subject.
pub(super) fn needed(line: &[u8], tokens: &[Token], place: usize, constants: usize) -> Option<u8> {
    // A line of one or two words has nothing that shows that it is the same line.
    if constants < 2 {
        return None;
    }
    // The name of a value, such as `size` in `size=3`, is no value.
    let is_equals = |next: &Token| {
        next.kind == TokenKind::Mark && next.class == u64::from(b'=') && !next.spaced
    };
    if tokens.get(place + 1).is_some_and(is_equals) {
        return None;
    }
    let token = tokens.get(place)?;
    let word = token.text(line);
    let kinds = Kinds::of(word);
    let camel = kinds.has_lower() && word.iter().skip(1).any(u8::is_ascii_uppercase);
    let before = place.checked_sub(1).and_then(|at| tokens.get(at));
    // the only word between brackets or quotes
    let encloses =
        |token: &Token| token.kind == TokenKind::Mark && !DIVIDERS.contains(&(token.class as u8));
    let enclosed = before.is_some_and(encloses) && tokens.get(place + 1).is_some_and(encloses);
    let mut needed = if kinds.has_upper() && !kinds.has_lower() && !enclosed {
        6
    } else if kinds.has_inner()
        || kinds.underscores > 0 && kinds.has_lower()
        || token.kind == TokenKind::Soft
    {
        2
    } else if enclosed && !camel || word.len() == 1 {
        3
    } else if camel {
        4
    } else if before.is_some_and(|before| PREPOSITIONS.contains(&before.text(line))) {
        3
    } else {
        5
    };
    if !tokens.iter().take(place).any(|token| token.kind == TokenKind::Word) {
        needed *= 3;
    }
    if constants < 3 {
        needed += 2;
    }
    Some(needed)
}

/// How many constant words a line has.
pub(super) fn constants(tokens: &[Token]) -> usize {
    tokens.iter().filter(|token| token.kind == TokenKind::Word).count()
}

/// A hash of the first and the last two tokens of a line; `None` for short lines.
pub(super) fn outline(tokens: &[Token]) -> Option<u64> {
    let [first, second, .., before_last, last] = tokens else { return None };
    Some(key(&[*first, *second, *before_last, *last]))
}
