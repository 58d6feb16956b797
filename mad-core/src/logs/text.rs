//! Classes of bytes and checked access to parts of a line.

/// Separates words without being part of one.
const SPACE: u8 = 1;
/// Punctuation that ends a word.
const MARK: u8 = 2;
/// Punctuation inside of a word, at which a word with digits is split.
const INNER: u8 = 4;
const DIGIT: u8 = 8;
const LOWER: u8 = 16;
const UPPER: u8 = 32;
/// The letters and digits of a hexadecimal number.
const HEX: u8 = 64;

const CLASSES: [u8; 256] = classes();

#[allow(clippy::indexing_slicing, reason = "evaluated at compile time, over all 256 bytes")]
const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        table[at] = match byte {
            0..=b' ' | 0x7f => SPACE,
            b',' | b'!' | b';' | b':' | b'=' | b'|' | b'"' | b'\'' | b'[' | b']' | b'(' | b')'
            | b'{' | b'}' | b'<' | b'>' => MARK,
            b'.' | b'-' | b'+' | b'@' | b'#' | b'$' | b'%' | b'&' | b'/' | b'*' => INNER,
            b'0'..=b'9' => DIGIT | HEX,
            b'a'..=b'f' => LOWER | HEX,
            b'g'..=b'z' => LOWER,
            b'A'..=b'F' => UPPER | HEX,
            b'G'..=b'Z' => UPPER,
            _ => 0,
        };
        at += 1;
    }
    table
}

fn class(byte: u8) -> u8 {
    CLASSES.get(usize::from(byte)).copied().unwrap_or(0)
}

pub(super) fn is_space(byte: u8) -> bool {
    class(byte) & SPACE != 0
}

pub(super) fn is_mark(byte: u8) -> bool {
    class(byte) & MARK != 0
}

/// Whether a word ends before this byte.
pub(super) fn ends_word(byte: u8) -> bool {
    class(byte) & (MARK | SPACE) != 0
}

pub(super) fn is_inner(byte: u8) -> bool {
    class(byte) & INNER != 0
}

pub(super) fn is_hex(byte: u8) -> bool {
    class(byte) & HEX != 0
}

/// The byte at a place; 0 beyond the end.
pub(super) fn byte(text: &[u8], at: usize) -> u8 {
    text.get(at).copied().unwrap_or(0)
}

/// The part of a text from `start` to `end`; empty where there is no such part.
pub(super) fn part(text: &[u8], start: usize, end: usize) -> &[u8] {
    text.get(start..end).unwrap_or_default()
}

/// The classes of the bytes of a word.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Classes(u8);

impl Classes {
    /// Whether a word ends before this byte; if not, its class is noted.
    pub fn ends(&mut self, byte: u8) -> bool {
        let class = class(byte);
        let ends = class & (MARK | SPACE) != 0;
        self.0 |= if ends { 0 } else { class };
        ends
    }

    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether there are letters alone, of any language.
    pub fn is_plain(self) -> bool {
        self.0 & (DIGIT | INNER) == 0
    }
}

/// Which classes of bytes a word has, and how many of some.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Kinds {
    seen: u8,
    pub digits: usize,
    pub dots: usize,
    pub slashes: usize,
    pub underscores: usize,
}

impl Kinds {
    pub fn of(text: &[u8]) -> Self {
        let mut kinds = Self::default();
        for &byte in text {
            kinds.add(byte);
        }
        kinds
    }

    pub fn add(&mut self, byte: u8) {
        let class = class(byte);
        self.seen |= class;
        self.digits += usize::from(class & DIGIT != 0);
        if class & INNER != 0 || class == 0 {
            self.dots += usize::from(byte == b'.');
            self.slashes += usize::from(byte == b'/');
            self.underscores += usize::from(byte == b'_');
        }
    }

    pub fn has_lower(self) -> bool {
        self.seen & LOWER != 0
    }

    pub fn has_upper(self) -> bool {
        self.seen & UPPER != 0
    }

    pub fn has_letter(self) -> bool {
        self.seen & (LOWER | UPPER) != 0
    }

    pub fn has_inner(self) -> bool {
        self.seen & INNER != 0
    }
}

/// A 64-bit hash of some bytes: stable across runs and machines.
pub(super) fn hash(text: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut state = text.len() as u64 ^ FACTOR;
    let (chunks, rest) = text.as_chunks::<8>();
    for chunk in chunks {
        state = fold(state ^ u64::from_le_bytes(*chunk), FACTOR);
    }
    let mut last = 0_u64;
    for &byte in rest {
        last = last << 8 | u64::from(byte);
    }
    fold(state ^ last, 0xd6e8_feb8_6659_fd93)
}

/// Both halves of a product: every bit of the value changes about half of the result.
fn fold(value: u64, factor: u64) -> u64 {
    let product = u128::from(value) * u128::from(factor);
    (product as u64) ^ ((product >> 64) as u64)
}

/// The share of one token in the sum that stands for a line: depends on its class and its place.
pub(super) fn placed(class: u64, place: usize) -> u64 {
    fold(class ^ (place as u64 + 1).wrapping_mul(0xa076_1d64_78bd_642f), 0xe703_7ed1_a0b4_28db)
}
