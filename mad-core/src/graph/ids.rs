//! Ids as 64-bit hashes: the same on every machine and in every run.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// An odd constant with as many ones as zeros (the golden ratio's).
const FACTOR: u128 = 0x9e37_79b9_7f4a_7c15;

/// Folds the 128-bit product, so that every bit of the input reaches every bit of the output.
const fn mix(x: u64) -> u64 {
    let product = (x as u128).wrapping_mul(FACTOR);
    (product >> 64) as u64 ^ product as u64
}

/// The hash of an id, given the hash of what it is an id within.
pub(super) fn id(within: u64, text: &str) -> u64 {
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let mut hash = mix(within ^ FACTOR as u64 ^ text.len() as u64);
    for word in words {
        hash = mix(hash ^ u64::from_le_bytes(*word)).rotate_left(23);
    }
    let mut last = [0; 8];
    for (slot, byte) in last.iter_mut().zip(rest) {
        *slot = *byte;
    }
    mix(mix(hash ^ u64::from_le_bytes(last)).wrapping_add(FACTOR as u64))
}

/// A map by what is a hash, or nearly one, already.
pub(super) type ByHash<T> = HashMap<u64, T, BuildHasherDefault<Mixed>>;

/// Mixes one integer.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, x: u64) {
        self.0 = mix(self.0 ^ x.wrapping_add(FACTOR as u64));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_told_apart() {
        let mut seen = HashSet::new();
        for n in 0..200_000_u32 {
            for text in [
                format!("{n:016x}"),
                format!("{n}"),
                "a".repeat(n as usize % 40) + &format!("{n:x}_"),
            ] {
                seen.insert((text.clone(), id(0, &text)));
            }
        }
        let hashes: HashSet<u64> = seen.iter().map(|(_, hash)| *hash).collect();
        assert_eq!(hashes.len(), seen.len());
        assert_ne!(id(0, ""), id(0, "\0"));
        assert_ne!(id(1, "a"), id(2, "a"));
    }
}
