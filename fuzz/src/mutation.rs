//! Changes of an input, drawn from a seed.

/// Numbers from a seed (`SplitMix64`; Steele, Lea and Flood, 2014).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Numbers that follow from `seed`.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 where `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { (self.bits() % end as u64) as usize }
    }
}

/// Text that decoders treat in a special way.
const WORDS: [&str; 24] = [
    "9223372036854775807",
    "-9223372036854775808",
    "1e308",
    "-1e308",
    "1e-320",
    "NaN",
    "null",
    "\"",
    ",",
    "\n",
    "\r\n",
    "{",
    "[",
    "}",
    "]",
    "*",
    "{id}",
    "\\u0000",
    "\u{feff}",
    "7258118400",
    "0",
    "-1",
    "true",
    "(other)",
];

/// The input with one to eight changes: bytes flipped, set, cut out or repeated, integers at their
/// ends, digits changed, words put in, and parts of `other` put in.
pub fn mutated(input: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut out = input.to_vec();
    for _ in 0..1 << random.below(4) {
        let at = random.below(out.len());
        let length = 1 << random.below(9);
        let end = (at + length).min(out.len());
        match random.below(8) {
            0 => {
                if let Some(byte) = out.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            1 => {
                if let Some(byte) = out.get_mut(at) {
                    *byte = random.bits() as u8;
                }
            }
            2 => drop(out.drain(at..end)),
            3 => {
                let part = out.get(at..end).unwrap_or_default().to_vec();
                out.splice(at..at, part);
            }
            4 => {
                let size = 1 << random.below(4);
                let ends = [0, 1, u64::MAX, u64::MAX >> 1, 1 << 63, 1 << 31, 1 << 40];
                let value = ends.get(random.below(ends.len())).copied().unwrap_or_default();
                for (place, byte) in out.iter_mut().skip(at).take(size).zip(value.to_be_bytes()) {
                    *place = byte;
                }
            }
            5 => {
                let digits = out.iter_mut().skip(at).filter(|byte| byte.is_ascii_digit());
                for digit in digits.take(length.min(4)) {
                    *digit = b'0' + (random.bits() % 10) as u8;
                }
            }
            6 => {
                let word = WORDS.get(random.below(WORDS.len())).copied().unwrap_or_default();
                out.splice(at..at, word.bytes());
            }
            _ => {
                let from = random.below(other.len());
                let part = other.get(from..(from + length).min(other.len())).unwrap_or_default();
                out.splice(at..at, part.iter().copied());
            }
        }
        out.truncate(64 * 1024);
    }
    out
}
