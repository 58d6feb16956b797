//! Compact bytes for learnt numbers in saved state.
//!
//! `MessagePack` writes a marker for every element of a list, and nine bytes for most `f64`. A list
//! of numbers becomes one block of bytes instead: floating-point numbers as they are, with the little
//! end first, and integers in blocks with as many bits as the largest needs (frame of reference, signs
//! by zigzag), often as differences, because neighbours are alike. Formats for people, such as JSON,
//! keep lists of numbers.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_bytes::ByteBuf;

/// Values of the same number of bytes each.
pub(crate) trait Fixed: Copy + Serialize {
    /// Bytes of a value.
    const BYTES: usize;
    fn put(self, out: &mut Vec<u8>);
    fn take(bytes: &[u8]) -> Option<Self>;
}

impl Fixed for f64 {
    const BYTES: usize = 8;

    fn put(self, out: &mut Vec<u8>) {
        out.extend(self.to_le_bytes());
    }

    fn take(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_le_bytes)
    }
}

impl Fixed for f32 {
    const BYTES: usize = 4;

    fn put(self, out: &mut Vec<u8>) {
        out.extend(self.to_le_bytes());
    }

    fn take(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_le_bytes)
    }
}

/// Serializes floating-point numbers; for `#[serde(with = "packed")]`.
pub(crate) fn serialize<T: Fixed, S: Serializer>(values: &[T], to: S) -> Result<S::Ok, S::Error> {
    if to.is_human_readable() {
        return values.serialize(to);
    }
    let mut bytes = Vec::with_capacity(values.len() * T::BYTES);
    for value in values {
        value.put(&mut bytes);
    }
    to.serialize_bytes(&bytes)
}

/// The inverse of [`serialize`].
///
/// # Errors
///
/// Bytes that are no whole number of values.
pub(crate) fn deserialize<'de, T, D>(from: D) -> Result<Vec<T>, D::Error>
where
    T: Fixed + Deserialize<'de>,
    D: Deserializer<'de>,
{
    if from.is_human_readable() {
        return Vec::deserialize(from);
    }
    let bytes = ByteBuf::deserialize(from)?;
    if !bytes.len().is_multiple_of(T::BYTES) {
        return Err(D::Error::custom("a block of numbers that is cut"));
    }
    Ok(bytes.chunks_exact(T::BYTES).filter_map(T::take).collect())
}

/// Pairs of counts of which the first is mostly small and the second mostly that of its neighbour, for
/// `#[serde(with = "packed::pairs")]`.
pub(crate) mod pairs {
    use std::collections::VecDeque;

    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_bytes::ByteBuf;

    use super::{Packer, Unpacker};
    use crate::limits::MAX_WINDOW;

    /// Serializes pairs.
    pub(crate) fn serialize<S>(pairs: &VecDeque<(u32, u32)>, to: S) -> Result<S::Ok, S::Error>
    where
        S: Serializer,
    {
        if to.is_human_readable() {
            return pairs.serialize(to);
        }
        let mut packer = Packer::default();
        packer.number(pairs.len() as u64);
        packer.numbers(pairs.iter().map(|(first, _)| u64::from(*first)));
        packer.differences(pairs.iter().map(|(_, second)| i64::from(*second)));
        packer.finish().serialize(to)
    }

    /// The inverse of [`serialize`].
    ///
    /// # Errors
    ///
    /// Bytes that are no pairs of counts.
    pub(crate) fn deserialize<'de, D>(from: D) -> Result<VecDeque<(u32, u32)>, D::Error>
    where
        D: Deserializer<'de>,
    {
        if from.is_human_readable() {
            return VecDeque::deserialize(from);
        }
        let bytes = ByteBuf::deserialize(from)?;
        read(&bytes).ok_or_else(|| D::Error::custom("bytes that are no pairs of counts"))
    }

    fn read(bytes: &[u8]) -> Option<VecDeque<(u32, u32)>> {
        let mut unpacker = Unpacker::new(bytes);
        let len = usize::try_from(unpacker.number()?).ok()?;
        // A few damaged bytes may announce any number of zeros.
        if len > MAX_WINDOW {
            return None;
        }
        let (firsts, seconds) = (unpacker.numbers(len)?, unpacker.differences(len)?);
        let pair = |(first, second): (u64, i64)| {
            Some((u32::try_from(first).ok()?, u32::try_from(second).ok()?))
        };
        let pairs: Option<_> = firsts.into_iter().zip(seconds).map(pair).collect();
        pairs.filter(|_| unpacker.is_empty())
    }
}

/// Numbers of a block, which are written with as many bits each as the largest of them needs. A block
/// is small, so that one large number costs little.
const BLOCK: usize = 32;

/// Writes numbers as bytes.
#[derive(Debug, Default)]
pub(crate) struct Packer {
    bytes: Vec<u8>,
}

impl Packer {
    /// Writes one number: seven bits a byte, the lowest first.
    pub fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    /// Writes many numbers: blocks of the number of bits and the bits of each number, the lowest first.
    pub fn numbers(&mut self, numbers: impl IntoIterator<Item = u64>) {
        let mut numbers = numbers.into_iter();
        loop {
            let mut block = [0_u64; BLOCK];
            let slots = block.iter_mut().zip(&mut numbers);
            let len = slots.map(|(slot, number)| *slot = number).count();
            let Some(block) = block.get(..len).filter(|block| !block.is_empty()) else { return };
            let bits = 64 - block.iter().fold(0, |all, number| all | number).leading_zeros();
            self.bytes.push(bits as u8);
            let (mut open, mut held) = (0_u128, 0);
            for number in block {
                open |= u128::from(*number) << held;
                held += bits;
                while held >= 8 {
                    self.bytes.push(open as u8);
                    (open, held) = (open >> 8, held - 8);
                }
            }
            if held > 0 {
                self.bytes.push(open as u8);
            }
        }
    }

    /// Writes many numbers of any sign: 0, -1, 1, -2, ... become 0, 1, 2, 3, ...
    pub fn signed(&mut self, numbers: impl IntoIterator<Item = i64>) {
        let zigzag = |number: i64| ((number << 1) ^ (number >> 63)) as u64;
        self.numbers(numbers.into_iter().map(zigzag));
    }

    /// Writes many numbers as differences, each from the one before it.
    pub fn differences(&mut self, numbers: impl IntoIterator<Item = i64>) {
        let mut last = 0_i64;
        self.signed(numbers.into_iter().map(|number| {
            let before = std::mem::replace(&mut last, number);
            number.wrapping_sub(before)
        }));
    }

    /// Writes a floating-point number.
    pub fn float<T: Fixed>(&mut self, value: T) {
        value.put(&mut self.bytes);
    }

    /// Writes a byte.
    pub fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    /// The bytes.
    pub fn finish(self) -> ByteBuf {
        ByteBuf::from(self.bytes)
    }
}

/// Reads what a [`Packer`] wrote. `None` where the bytes end or are no numbers.
#[derive(Debug)]
pub(crate) struct Unpacker<'a> {
    bytes: &'a [u8],
}

impl<'a> Unpacker<'a> {
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Reads one number.
    pub fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for place in 0..10_u32 {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if place == 9 && bits > 1 {
                return None;
            }
            number |= bits << (7 * place);
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    /// Reads `len` numbers. Memory is taken for numbers that were read.
    pub fn numbers(&mut self, len: usize) -> Option<Vec<u64>> {
        let mut numbers = Vec::new();
        while numbers.len() < len {
            let bits = u32::from(self.byte()?);
            if bits > 64 {
                return None;
            }
            let mask = u64::MAX.checked_shr(64 - bits).unwrap_or(0);
            let (mut open, mut held) = (0_u128, 0);
            for _ in numbers.len()..len.min(numbers.len() + BLOCK) {
                while held < bits {
                    open |= u128::from(self.byte()?) << held;
                    held += 8;
                }
                numbers.push(open as u64 & mask);
                (open, held) = (open >> bits, held - bits);
            }
        }
        Some(numbers)
    }

    /// Reads `len` numbers of any sign.
    pub fn signed(&mut self, len: usize) -> Option<Vec<i64>> {
        let sign = |number: u64| (number >> 1) as i64 ^ -((number & 1) as i64);
        Some(self.numbers(len)?.into_iter().map(sign).collect())
    }

    /// Reads `len` numbers that were written as differences.
    pub fn differences(&mut self, len: usize) -> Option<Vec<i64>> {
        let mut numbers = self.signed(len)?;
        let mut last = 0_i64;
        for number in &mut numbers {
            last = last.wrapping_add(*number);
            *number = last;
        }
        Some(numbers)
    }

    /// Reads a floating-point number.
    pub fn float<T: Fixed>(&mut self) -> Option<T> {
        let (bytes, rest) = self.bytes.split_at_checked(T::BYTES)?;
        self.bytes = rest;
        T::take(bytes)
    }

    /// Reads a byte.
    pub fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*byte)
    }

    /// Whether everything was read.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_read_as_they_were_written(
            numbers in prop::collection::vec(prop_oneof![any::<i64>(), -300_i64..300], 0..100),
            floats in prop::collection::vec(any::<f32>(), 0..5),
        ) {
            let unsigned: Vec<u64> = numbers.iter().map(|number| *number as u64).collect();
            let mut packer = Packer::default();
            packer.number(numbers.len() as u64);
            packer.numbers(unsigned.iter().copied());
            packer.signed(numbers.iter().copied());
            packer.differences(numbers.iter().copied());
            for value in &floats {
                packer.float(*value);
            }
            let bytes = packer.finish();
            let mut unpacker = Unpacker::new(&bytes);
            let len = unpacker.number().unwrap_or(0) as usize;
            prop_assert_eq!(len, numbers.len());
            prop_assert_eq!(unpacker.numbers(len), Some(unsigned));
            prop_assert_eq!(unpacker.signed(len), Some(numbers.clone()));
            prop_assert_eq!(unpacker.differences(len), Some(numbers));
            for value in &floats {
                prop_assert_eq!(unpacker.float::<f32>().map(f32::to_bits), Some(value.to_bits()));
            }
            prop_assert!(unpacker.is_empty() && unpacker.byte().is_none());
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..30)) {
            let mut unpacker = Unpacker::new(&bytes);
            while unpacker.differences(40).is_some() {}
            prop_assert!(Unpacker::new(&bytes).numbers(usize::MAX).is_none());
            let mut unpacker = Unpacker::new(&bytes);
            while unpacker.number().is_some() && unpacker.float::<f64>().is_some() {}
        }
    }

    #[test]
    fn a_number_takes_the_bits_of_the_largest_of_its_block() {
        let bytes = |numbers: &[u64]| {
            let mut packer = Packer::default();
            packer.numbers(numbers.iter().copied());
            packer.finish().len()
        };
        assert_eq!((bytes(&[]), bytes(&[0; 32]), bytes(&[0; 33])), (0, 1, 2));
        assert_eq!((bytes(&[7; 32]), bytes(&[u64::MAX; 32])), (13, 257));
        let mut packer = Packer::default();
        packer.number(u64::MAX);
        assert_eq!(packer.finish().len(), 10);
        assert_eq!(Unpacker::new(&[0xff; 10]).number(), None);
    }
}
