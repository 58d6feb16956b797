//! The parts of a log line: words, quoted text, text in brackets and `key=value`.

/// How a part is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Word,
    Quoted,
    Bracketed,
}

/// One part of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// The key of `key=value`; empty otherwise.
    pub key: &'a str,
    /// The text without quotes or brackets.
    pub text: &'a str,
    pub form: Form,
}

/// The parts of a line from left to right.
#[derive(Debug, Clone)]
pub(super) struct Tokens<'a> {
    pub rest: &'a str,
}

impl<'a> Tokens<'a> {
    pub fn new(rest: &'a str) -> Self {
        Self { rest }
    }

    /// The text up to a quote that ends a part: one that is not escaped and stands before a space or
    /// the end of the line.
    #[inline]
    fn quoted(text: &'a str) -> (&'a str, &'a str) {
        let bytes = text.as_bytes();
        for at in memchr::memchr_iter(b'"', bytes) {
            let escapes = bytes.get(..at).unwrap_or_default().iter().rev();
            let is_escaped = escapes.take_while(|b| **b == b'\\').count() % 2 == 1;
            let next = bytes.get(at + 1);
            if !is_escaped && next.is_none_or(|next| matches!(next, b' ' | b'\t' | b',' | b']')) {
                let rest = text.get(at + 1..).unwrap_or_default();
                return (text.get(..at).unwrap_or_default(), rest);
            }
        }
        (text, "")
    }

    /// The end of a word. The values of several attempts are one word: `0.1, 0.2` or `0.1 : 0.2`.
    #[inline]
    fn word_end(text: &str) -> usize {
        let bytes = text.as_bytes();
        let mut end = memchr::memchr(b' ', bytes).unwrap_or(bytes.len());
        loop {
            let goes_on = if bytes.get(end.wrapping_sub(1)) == Some(&b',') {
                Some(end + 1)
            } else {
                bytes.get(end..end + 3).filter(|next| *next == b" : ").map(|_| end + 3)
            };
            let Some(from) = goes_on.filter(|from| *from < bytes.len()) else { return end };
            let more = bytes.get(from..).unwrap_or_default();
            end = from + memchr::memchr(b' ', more).unwrap_or(more.len());
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    #[inline]
    fn next(&mut self) -> Option<Token<'a>> {
        let text = self.rest.trim_start_matches([' ', '\t']);
        let (token, rest) = match text.as_bytes().first()? {
            b'"' => {
                let (inner, rest) = Self::quoted(text.get(1..).unwrap_or_default());
                (Token { key: "", text: inner, form: Form::Quoted }, rest)
            }
            b'[' if !is_address(text) => {
                let inner = text.get(1..).unwrap_or_default();
                let end = memchr::memchr(b']', inner.as_bytes()).unwrap_or(inner.len());
                let (inner, rest) = inner.split_at_checked(end).unwrap_or((inner, ""));
                let rest = rest.strip_prefix(']').unwrap_or(rest);
                (Token { key: "", text: inner, form: Form::Bracketed }, rest)
            }
            _ => {
                let end = Self::word_end(text);
                let (word, rest) = text.split_at_checked(end).unwrap_or((text, ""));
                match word.split_once('=').filter(|(key, _)| is_key(key)) {
                    Some((key, value)) if value.starts_with('"') => {
                        let from = key.len() + 2;
                        let (inner, rest) = Self::quoted(text.get(from..).unwrap_or_default());
                        (Token { key, text: inner, form: Form::Quoted }, rest)
                    }
                    Some((key, value)) => (Token { key, text: value, form: Form::Word }, rest),
                    None => (Token { key: "", text: word, form: Form::Word }, rest),
                }
            }
        };
        self.rest = rest;
        Some(token)
    }
}

fn is_key(key: &str) -> bool {
    !key.is_empty()
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

/// Whether an address in brackets with its port stands here: `[::1]:80`.
fn is_address(text: &str) -> bool {
    text.find(']').is_some_and(|end| text.as_bytes().get(end + 1) == Some(&b':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_line() {
        let line =
            r#""a \"b\" c" [x y] 0.1, 0.2 k="1, 2" z=3 - [::1]:80, [::2]:81 1 : 2 "b "c" 3ms"#;
        let found: Vec<(&str, &str)> = Tokens::new(line).map(|t| (t.key, t.text)).collect();
        let want = [
            ("", "a \\\"b\\\" c"),
            ("", "x y"),
            ("", "0.1, 0.2"),
            ("k", "1, 2"),
            ("z", "3"),
            ("", "-"),
            ("", "[::1]:80, [::2]:81"),
            ("", "1 : 2"),
            ("", "b \"c"),
            ("", "3ms"),
        ];
        assert_eq!(found, want);
    }
}
