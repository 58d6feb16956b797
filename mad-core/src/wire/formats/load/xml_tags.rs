//! The tags of XML that arrives in pieces. Text between tags is skipped.

use std::borrow::Cow;

use crate::limits::MAX_LINE_BYTES;

/// One tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tag<'a> {
    Start {
        name: &'a str,
        /// The text of the attributes.
        attributes: &'a str,
        /// Whether the element ends with its start: `<a/>`.
        is_empty: bool,
    },
    End(&'a str),
    /// A tag that is longer than a record may be.
    TooLong,
}

/// Finds tags in bytes that are cut anywhere. Comments, CDATA sections and declarations are skipped.
#[derive(Debug, Default)]
pub(super) struct XmlTags {
    /// The tag at hand, without its `<`.
    tag: Vec<u8>,
    inside: bool,
    quote: Option<u8>,
    too_long: bool,
    /// Tags so far, and line ends so far.
    pub line: u64,
}

impl XmlTags {
    /// Takes the next bytes.
    pub fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(Tag<'_>, u64)) {
        let mut rest = bytes;
        while let Some(first) = rest.first() {
            if !self.inside {
                let open = memchr::memchr(b'<', rest);
                let skipped = rest.get(..open.unwrap_or(rest.len())).unwrap_or_default();
                self.line += memchr::memchr_iter(b'\n', skipped).count() as u64;
                let Some(open) = open else { return };
                rest = rest.get(open + 1..).unwrap_or_default();
                self.inside = true;
                continue;
            }
            rest = rest.get(1..).unwrap_or_default();
            self.take(*first, &mut each);
        }
    }

    /// Whether the input ends within a tag.
    pub fn is_cut(&self) -> bool {
        self.inside
    }

    /// The begin of the tag that is not complete.
    pub fn rest(&self) -> String {
        String::from_utf8_lossy(&self.tag).into_owned()
    }

    fn take(&mut self, byte: u8, each: &mut impl FnMut(Tag<'_>, u64)) {
        self.line += u64::from(byte == b'\n');
        let is_comment = self.tag.starts_with(b"!--");
        let is_cdata = self.tag.starts_with(b"![CDATA[");
        let ends = byte == b'>'
            && match (is_comment, is_cdata) {
                (true, _) => self.tag.ends_with(b"--") && self.tag.len() >= 5,
                (_, true) => self.tag.ends_with(b"]]"),
                _ => self.quote.is_none(),
            };
        if ends {
            let tag = std::mem::take(&mut self.tag);
            if self.too_long {
                each(Tag::TooLong, self.line + 1);
            } else if !is_comment && !is_cdata {
                give(&String::from_utf8_lossy(&tag), self.line + 1, each);
            }
            (self.tag, self.inside, self.quote, self.too_long) = (tag, false, None, false);
            self.tag.clear();
            return;
        }
        if !is_comment && !is_cdata && matches!(byte, b'"' | b'\'') {
            match self.quote {
                None => self.quote = Some(byte),
                Some(quote) if quote == byte => self.quote = None,
                Some(_) => {}
            }
        }
        if self.tag.len() < MAX_LINE_BYTES {
            self.tag.push(byte);
        } else if is_comment || is_cdata {
            // only the end matters, and it has three bytes
            let from = self.tag.len() - 2;
            self.tag.drain(10..from);
            self.tag.push(byte);
        } else {
            self.too_long = true;
            // the quotes cannot be trusted any more
            self.quote = None;
        }
    }
}

fn give(tag: &str, line: u64, each: &mut impl FnMut(Tag<'_>, u64)) {
    if tag.starts_with(['?', '!']) {
        return;
    }
    if let Some(name) = tag.strip_prefix('/') {
        each(Tag::End(name.trim()), line);
        return;
    }
    let is_empty = tag.ends_with('/');
    let tag = tag.strip_suffix('/').unwrap_or(tag);
    let end = tag.find(|c: char| c.is_ascii_whitespace()).unwrap_or(tag.len());
    let (name, attributes) = tag.split_at_checked(end).unwrap_or((tag, ""));
    each(Tag::Start { name, attributes, is_empty }, line);
}

/// The value of an attribute, unescaped.
pub(super) fn attribute<'a>(attributes: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let mut rest = attributes;
    loop {
        let (key, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (value, next) = after.get(1..)?.split_once(quote)?;
        if key.trim() == name {
            return Some(unescaped(value));
        }
        rest = next;
    }
}

/// Text with the five entities of XML and character references replaced.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let entity = after.split_once(';').filter(|(name, _)| name.len() <= 8);
        let found = entity.and_then(|(name, _)| match name {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => {
                let digits = name.strip_prefix('#')?;
                let code = match digits.strip_prefix(['x', 'X']) {
                    Some(hex) => u32::from_str_radix(hex, 16),
                    None => digits.parse(),
                };
                char::from_u32(code.ok()?)
            }
        });
        if let (Some(c), Some((_, next))) = (found, entity) {
            out.push(c);
            rest = next;
        } else {
            out.push('&');
            rest = after;
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_do_not_depend_on_the_cuts() {
        let xml = "<?xml version='1.0'?>\n<a x=\"1 > 0\"><!-- <b/> --><![CDATA[<c>]]>\n<d y='&lt;&#228;'/></a>";
        let read = |size: usize| {
            let (mut tags, mut found) = (XmlTags::default(), Vec::new());
            for piece in xml.as_bytes().chunks(size) {
                tags.feed(piece, |tag, line| found.push(format!("{line} {tag:?}")));
            }
            found
        };
        assert_eq!(read(1), read(1000));
        assert_eq!(read(1).len(), 3);
        assert_eq!(attribute(" x=\"1 > 0\" y='&lt;&#228;'", "y").unwrap(), "<ä");
        assert_eq!(attribute(" xy=\"1\"", "y"), None);
    }
}
