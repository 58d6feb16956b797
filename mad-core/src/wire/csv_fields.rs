//! The fields of one row of CSV, with quotes as in RFC 4180.

use std::borrow::Cow;

use memchr::memchr;

/// A field of a row as it is written.
pub(super) struct Field<'a> {
    /// The text between the quotes, or the whole field where it has none.
    content: &'a str,
    /// Whether the content has doubled quotes.
    doubled: bool,
    /// Text between the closing quote and the comma. No standard allows it; it is kept.
    trailing: &'a str,
}

impl<'a> Field<'a> {
    pub fn text(&self) -> Cow<'a, str> {
        if !self.doubled && self.trailing.is_empty() {
            return Cow::Borrowed(self.content);
        }
        let mut text = self.content.replace("\"\"", "\"");
        text.push_str(self.trailing);
        Cow::Owned(text)
    }
}

/// Calls `each` with every column and field of a row and returns the number of fields.
pub(super) fn split_quoted<'a>(
    text: &'a str,
    delimiter: u8,
    mut each: impl FnMut(usize, Field<'a>),
) -> usize {
    let delimiter = char::from(delimiter);
    let mut rest = text;
    for column in 0.. {
        let (content, doubled, after) = match rest.strip_prefix('"') {
            Some(inner) => {
                let (end, doubled) = closing_quote(inner.as_bytes());
                let after = inner.get(end + 1..).unwrap_or_default();
                (inner.get(..end).unwrap_or(inner), doubled, after)
            }
            None => ("", false, rest),
        };
        let quoted = after.len() < rest.len();
        let (plain, next) = match after.split_once(delimiter) {
            Some((plain, next)) => (plain, Some(next)),
            None => (after, None),
        };
        let (content, trailing) = if quoted { (content, plain) } else { (plain, "") };
        each(column, Field { content, doubled, trailing });
        match next {
            Some(next) => rest = next,
            None => return column + 1,
        }
    }
    0
}

/// The place of the quote that closes the field, and whether doubled quotes come before it.
fn closing_quote(inner: &[u8]) -> (usize, bool) {
    let mut at = 0;
    while let Some(hit) = memchr(b'"', inner.get(at..).unwrap_or_default()) {
        if inner.get(at + hit + 1) != Some(&b'"') {
            return (at + hit, at > 0);
        }
        at += hit + 2;
    }
    (inner.len(), at > 0)
}
