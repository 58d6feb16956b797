//! Splits a line into tokens and finds its variable parts by their form and place.

use super::context::{Before, before};
use super::mask::{
    colon_groups, escape_end, is_host_with_port, is_text_key, is_unit, is_value_word, is_variable,
    repeated_size, timestamp, written_date,
};
use super::pieces::{has_port, nested_end, signed, skeleton, word_end};
use super::text::{Kinds, byte, hash, is_hex, is_inner, is_mark, is_space, part};
use super::token::{Token, TokenKind, WILD, key};

/// Tokens of a line that are read. What follows counts as one variable part.
pub(super) const MOST_TOKENS: usize = 160;
/// Bytes of a line that are read.
const MOST_BYTES: usize = 65_536;
/// The class of a unit behind a number.
const UNIT: u64 = 0x71c5_03d9_2a6b_8f13;

/// The class of names of lower-case letters and digits: `eth0`, `node12`.
const NAMED: u64 = 0x3c6e_f372_fe94_f82b;

/// Reads lines into tokens; its buffer is used again for every line.
#[derive(Debug, Clone, Default)]
pub(super) struct Tokenizer {
    tokens: Vec<Token>,
    /// The brackets that close the open ones, innermost last.
    open: Vec<u8>,
    /// The place of the quote that closes the string before it.
    closing: usize,
}

/// Reads what a line has in common with others of its kind, without a memory of lines.
#[derive(Debug, Clone, Default)]
pub(crate) struct FormReader(Tokenizer);

impl FormReader {
    /// A hash of the form of a line: equal for lines that differ only in parts that are variable by
    /// their form or place.
    pub fn form(&mut self, line: &[u8]) -> u64 {
        key(self.0.read(line))
    }
}

impl Tokenizer {
    /// The tokens of a line.
    pub fn read(&mut self, line: &[u8]) -> &[Token] {
        self.tokens.clear();
        self.open.clear();
        self.closing = 0;
        let text = part(line, 0, line.len().min(MOST_BYTES));
        let (mut at, mut spaced) = (0, false);
        while at < text.len() {
            let first = byte(text, at);
            if is_space(first) {
                at = if first == 0x1b { escape_end(text, at) } else { at + 1 };
                spaced = !self.tokens.is_empty();
                continue;
            }
            if self.tokens.len() >= MOST_TOKENS {
                break;
            }
            at = if is_mark(first) {
                self.mark(text, at, spaced)
            } else {
                self.word(text, at, spaced)
            };
            spaced = false;
        }
        if at < line.len() {
            self.variable(at, line.len(), true);
        }
        self.join_runs();
        &self.tokens
    }

    fn push(&mut self, start: usize, end: usize, kind: TokenKind, spaced: bool, class: u64) {
        self.tokens.push(Token { start, end, kind, spaced, class, groups: 0 });
    }

    /// Adds a variable part; one that touches the variable part before it, or is divided from it
    /// by a dot or a hyphen, becomes one with it.
    fn variable(&mut self, start: usize, end: usize, spaced: bool) {
        if !spaced {
            if let [.., before, mark] = self.tokens.as_mut_slice()
                && mark.kind == TokenKind::Mark
                && !mark.spaced
                && before.kind == TokenKind::Variable
                && (mark.class == u64::from(b'.') || mark.class == u64::from(b'-'))
            {
                before.end = end;
                self.tokens.pop();
                return;
            }
            if let Some(before) = self.tokens.last_mut()
                && before.kind == TokenKind::Variable
            {
                before.end = end;
                return;
            }
        }
        self.push(start, end, TokenKind::Variable, spaced, WILD);
    }

    /// Joins variable parts and numbered names that follow each other behind spaces: how many there
    /// are is variable, too.
    fn join_runs(&mut self) {
        self.tokens.dedup_by(|next, before| {
            let variable = |token: &Token| token.kind == TokenKind::Variable;
            let same = variable(next) && variable(before)
                || next.kind == TokenKind::Soft
                    && next.class != WILD
                    && next.class != UNIT
                    && (before.kind == TokenKind::Soft && before.class == next.class
                        || variable(before) && before.groups > 0);
            if !next.spaced || !same {
                return false;
            }
            before.kind = TokenKind::Variable;
            before.class = WILD;
            before.groups = before.groups.max(1).saturating_add(1);
            before.end = next.end;
            true
        });
    }

    /// Adds a value that is shown as it is until another one is seen.
    fn soft(&mut self, start: usize, end: usize, spaced: bool) {
        self.push(start, end, TokenKind::Soft, spaced, WILD);
    }

    /// Adds a punctuation mark and what it encloses; returns where the next token begins.
    fn mark(&mut self, text: &[u8], at: usize, spaced: bool) -> usize {
        let mark = byte(text, at);
        if mark == b'<' {
            if part(text, at, at + 3) == b"<*>" {
                self.variable(at, at + 3, spaced);
                return at + 3;
            }
            // `<1 sec`: less than a number
            let digits = text.iter().skip(at + 1).take_while(|byte| byte.is_ascii_digit()).count();
            let end = at + 1 + digits;
            if end > at + 1 && byte(text, end) == b' ' {
                let (unit, _) = word_end(text, end + 1);
                if is_unit(part(text, end + 1, unit)) {
                    self.variable(at, unit, spaced);
                    return unit;
                }
            }
        }
        let after_key = self.tokens.last().is_some_and(|last| {
            last.kind == TokenKind::Mark
                && (last.class == u64::from(b':') || last.class == u64::from(b'='))
        });
        self.push(at, at + 1, TokenKind::Mark, spaced, u64::from(mark));
        match mark {
            b'[' | b'(' | b'{' => {
                if spaced && matches!(byte(text, at + 1), b']' | b')' | b'}') {
                    // nothing where other lines have a value
                    self.soft(at + 1, at + 1, false);
                }
                self.open.push(match mark {
                    b'[' => b']',
                    b'(' => b')',
                    _ => b'}',
                });
                if self.open.len() > 1
                    && let Some(end) = nested_end(text, at, after_key)
                {
                    self.variable(at + 1, end, false);
                    if end == text.len() {
                        // the line was cut: it counts as the whole one
                        while let Some(mark) = self.open.pop() {
                            self.push(end, end, TokenKind::Mark, false, u64::from(mark));
                        }
                    }
                    return end;
                }
            }
            b']' | b')' | b'}' => {
                self.open.pop();
            }
            b'"' if at != self.closing => return self.quoted(text, at + 1, after_key && !spaced),
            _ => {}
        }
        at + 1
    }

    /// Reads a string behind its opening quote: a value behind a key of JSON, or one word.
    fn quoted(&mut self, text: &[u8], start: usize, after_key: bool) -> usize {
        let end =
            (start..text.len()).find(|&at| byte(text, at) == b'"' && byte(text, at - 1) != b'\\');
        let Some(end) = end.filter(|&end| end > start) else { return start };
        self.closing = end;
        let is_key = byte(text, end + 1) == b':';
        let content = part(text, start, end);
        let one_word = !content.iter().any(|&byte| is_space(byte));
        let message = after_key
            && matches!(self.tokens.as_slice(), [.., key, _, _, _] if is_text_key(key.text(text)));
        if is_key || message || !(after_key || one_word) {
            return start;
        }
        if Kinds::of(content).digits > 0 || before(&self.tokens, text) == Before::Secret {
            self.variable(start, end, false);
        } else {
            self.soft(start, end, false);
        }
        end
    }

    /// Adds the tokens of a word; returns where the next token begins.
    fn word(&mut self, text: &[u8], start: usize, spaced: bool) -> usize {
        let (mut end, mut seen) = word_end(text, start);
        // an apostrophe between letters belongs to the word
        while byte(text, end) == b'\''
            && byte(text, end - 1).is_ascii_alphabetic()
            && byte(text, end + 1).is_ascii_lowercase()
        {
            let (next, more) = word_end(text, end + 1);
            (end, seen) = (next, seen.and(more));
        }
        if let Some(end) = self.special(text, start, end, spaced) {
            return end;
        }
        if seen.is_plain() {
            return self.plain(text, start, end, spaced);
        }
        // the dots at the end of a sentence
        let mut last = end;
        while last > start + 1 && byte(text, last - 1) == b'.' {
            last -= 1;
        }
        let word = part(text, start, last);
        let kinds = Kinds::of(word);
        let before = before(&self.tokens, text);
        if is_value_word(word)
            || is_variable(word, kinds)
            || before == Before::Secret
            || kinds.dots > 0 && has_port(text, end) && is_host_with_port(word, kinds)
        {
            self.variable(start, last, spaced);
        } else if before == Before::Name {
            if kinds.digits > 2 || byte(word, 0).is_ascii_digit() {
                self.variable(start, last, spaced);
            } else {
                self.soft(start, last, spaced);
            }
        } else if kinds.digits == 0 {
            last = self.plain(text, start, last, spaced);
        } else {
            self.split(text, start, last, spaced);
        }
        for at in last..end {
            self.push(at, at + 1, TokenKind::Mark, false, u64::from(b'.'));
        }
        end.max(last)
    }

    /// Adds a word without digits; returns where the next token begins.
    fn plain(&mut self, text: &[u8], start: usize, end: usize, spaced: bool) -> usize {
        let word = part(text, start, end);
        if is_value_word(word) {
            self.variable(start, end, spaced);
            return end;
        }
        match before(&self.tokens, text) {
            Before::Secret => self.variable(start, end, spaced),
            Before::Name => self.soft(start, end, spaced),
            Before::Number if spaced && is_unit(word) => {
                let repeated = repeated_size(text, end).unwrap_or(end);
                self.push(start, repeated, TokenKind::Soft, spaced, UNIT);
                return repeated;
            }
            _ => self.push(start, end, TokenKind::Word, spaced, hash(word)),
        }
        end
    }

    /// Reads dates, clock times, addresses with colons, URLs and paths with a drive.
    fn special(&mut self, text: &[u8], start: usize, end: usize, spaced: bool) -> Option<usize> {
        let next = byte(text, end);
        if byte(text, start).is_ascii_digit()
            && let Some(end) = timestamp(text, start)
        {
            self.variable(start, end, spaced);
            return Some(end);
        }
        if end - start == 3 && byte(text, start).is_ascii_uppercase() && next == b' ' {
            let end = written_date(text, start)?;
            self.clock(start, end, 3, spaced);
            return Some(end);
        }
        if next != b':' {
            return None;
        }
        if is_hex(byte(text, start))
            && end - start <= 4
            && let Some(groups) = colon_groups(text, start)
        {
            if groups.is_clock && groups.count == 3 {
                self.clock(start, groups.end, 3, spaced);
            } else {
                self.variable(start, groups.end, spaced);
            }
            return Some(groups.end);
        }
        if part(text, end, end + 3) == b"://" {
            self.push(start, end, TokenKind::Word, spaced, hash(part(text, start, end)));
            for at in end..end + 3 {
                self.push(at, at + 1, TokenKind::Mark, false, u64::from(byte(text, at)));
            }
            return Some(self.url(text, end + 3));
        }
        if end - start == 1 && matches!(byte(text, end + 1), b'\\' | b'/') {
            let end = (end..text.len())
                .find(|&at| is_space(byte(text, at)) || b"\"';,)]".contains(&byte(text, at)));
            let end = end.unwrap_or(text.len());
            self.variable(start, end, spaced);
            return Some(end);
        }
        None
    }

    /// Adds a clock time, which groups with any other value.
    fn clock(&mut self, start: usize, end: usize, groups: u8, spaced: bool) {
        self.soft(start, end, spaced);
        if let Some(token) = self.tokens.last_mut() {
            token.groups = groups;
        }
    }

    /// Adds what follows the scheme of a URL: host and port, or one part with its path.
    fn url(&mut self, text: &[u8], start: usize) -> usize {
        let end = (start..text.len())
            .find(|&at| is_space(byte(text, at)) || b"\"'<>,;|)]}".contains(&byte(text, at)));
        let end = end.unwrap_or(text.len());
        let address = part(text, start, end);
        match address.iter().position(|&byte| byte == b':') {
            Some(colon) if !address.contains(&b'/') && colon > 0 && start + colon + 1 < end => {
                self.variable(start, start + colon, false);
                self.push(
                    start + colon,
                    start + colon + 1,
                    TokenKind::Mark,
                    false,
                    u64::from(b':'),
                );
                self.variable(start + colon + 1, end, false);
            }
            _ if end > start => self.variable(start, end, false),
            _ => {}
        }
        end
    }

    /// Splits a word with digits at its inner punctuation.
    fn split(&mut self, text: &[u8], start: usize, end: usize, spaced: bool) {
        let (mut at, mut spaced) = (start, spaced);
        // the sign of a number
        if byte(text, at) == b'-' && byte(text, at + 1).is_ascii_digit() {
            at += 1;
        }
        let mut from = if at > start { start } else { at };
        while at < end {
            while at < end && (!is_inner(byte(text, at)) || signed(text, at)) {
                at += 1;
            }
            if at > from {
                self.piece(text, (from, at), from == start, spaced);
                spaced = false;
            }
            if at < end {
                self.push(at, at + 1, TokenKind::Mark, spaced, u64::from(byte(text, at)));
                spaced = false;
            }
            at += 1;
            from = at;
        }
    }

    /// Adds one piece of a word with digits.
    fn piece(&mut self, text: &[u8], (start, end): (usize, usize), leads: bool, spaced: bool) {
        let piece = part(text, start, end);
        let kinds = Kinds::of(piece);
        let first = byte(text, start);
        let second = byte(text, start + 1);
        let version = leads
            && (first == b'v' || first == b'V')
            && second.is_ascii_digit()
            && byte(text, end) == b'.';
        if kinds.digits == 0 {
            self.push(start, end, TokenKind::Word, spaced, hash(piece));
        } else if !kinds.has_letter()
            || first.is_ascii_digit()
            || kinds.digits > 2
            || kinds.underscores > 0 && byte(text, end - 1).is_ascii_digit()
            || version
        {
            self.variable(start, end, spaced);
        } else {
            let class =
                if kinds.has_upper() || kinds.underscores > 0 { skeleton(piece) } else { NAMED };
            self.push(start, end, TokenKind::Soft, spaced, class);
        }
    }
}
