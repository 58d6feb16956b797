//! Ids as 64-bit hashes: the same on every machine and in every run.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// An odd constant with about as many ones as zeros: 2^64 divided by the golden ratio.
const FACTOR: u128 = 0x9e37_79b9_7f4a_7c15;

/// Folds the 128-bit product with [`FACTOR`], so that every input bit affects every output bit.
const fn mix(x: u64) -> u64 {
    let product = (x as u128).wrapping_mul(FACTOR);
    (product >> 64) as u64 ^ product as u64
}

/// The hash of an id, given the hash of its scope (the trace id of a span id, else 0).
pub(super) fn id(scope: u64, text: &str) -> u64 {
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let mut hash = mix(scope ^ FACTOR as u64 ^ text.len() as u64);
    for word in words {
        hash = mix(hash ^ u64::from_le_bytes(*word)).rotate_left(23);
    }
    let mut last = [0; 8];
    for (slot, byte) in last.iter_mut().zip(rest) {
        *slot = *byte;
    }
    mix(mix(hash ^ u64::from_le_bytes(last)).wrapping_add(FACTOR as u64))
}

/// A map with hashes, or small integers, as keys.
pub(super) type ByHash<T> = HashMap<u64, T, BuildHasherDefault<Mixed>>;

/// A hasher that mixes one integer.
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
    fn different_ids_have_different_hashes() {
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
