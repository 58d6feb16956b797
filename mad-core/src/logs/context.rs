//! The meaning of a word by what stands before it.

use super::mask::{is_parameter, is_secret_name, names_next};
use super::text::Kinds;
use super::token::{Token, TokenKind};

/// What stands before a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    Other,
    /// A variable part.
    Number,
    /// An equals sign, the name of a parameter and a colon, or a noun behind which a name stands.
    Name,
    /// The name of a secret: `password=`, `"token":"`, `Bearer`.
    Secret,
}

/// What stands before the next word.
pub(super) fn before(tokens: &[Token], text: &[u8]) -> Before {
    let [rest @ .., last] = tokens else { return Before::Other };
    match last.kind {
        TokenKind::Variable => Before::Number,
        TokenKind::Word => {
            let word = last.text(text);
            if word.eq_ignore_ascii_case(b"bearer") {
                Before::Secret
            } else if names_next(word) {
                Before::Name
            } else {
                Before::Other
            }
        }
        TokenKind::Mark => behind_mark(rest, last.class as u8, last.spaced, text),
        TokenKind::Soft => Before::Other,
    }
}

fn behind_mark(tokens: &[Token], mark: u8, spaced: bool, text: &[u8]) -> Before {
    let divides = |mark: u8| mark == b':' || mark == b'=';
    let quoted = mark == b'"';
    let (tokens, divider) = match tokens {
        [rest @ .., last] if quoted && last.kind == TokenKind::Mark => (rest, last.class as u8),
        _ => (tokens, mark),
    };
    if !divides(divider) {
        return Before::Other;
    }
    let is_quote = |token: &&Token| token.kind == TokenKind::Mark && token.class == u64::from(b'"');
    let name = tokens.iter().rev().find(|token| !is_quote(token));
    let name = name.filter(|name| name.kind == TokenKind::Word).map(|name| name.text(text));
    if name.is_some_and(is_secret_name) {
        return Before::Secret;
    }
    let touches = !spaced && tokens.last().is_some_and(|token| token.kind == TokenKind::Word);
    if !quoted && (mark == b'=' || touches && name.is_some_and(is_name)) {
        Before::Name
    } else {
        Before::Other
    }
}

/// Whether a word before a colon is the name of a parameter, such as `orderId`.
fn is_name(word: &[u8]) -> bool {
    let kinds = Kinds::of(word);
    !kinds.has_inner()
        && kinds.has_lower()
        && (is_parameter(word)
            || kinds.underscores > 0
            || word.iter().skip(1).any(u8::is_ascii_uppercase))
}
