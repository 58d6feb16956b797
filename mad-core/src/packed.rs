//! Compact bytes for learnt numbers in saved state.
//!
//! `MessagePack` writes a marker for every element of a list, and nine bytes for most `f64`. A list
//! of numbers becomes one block of bytes instead: floating-point numbers as they are, with the little
//! end first, and integers as differences in variable length (LEB128, signs by zigzag), because
//! neighbouring cells are alike. Formats for people, such as JSON, keep lists of numbers.

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
    values.iter().for_each(|value| value.put(&mut bytes));
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

    /// Serializes pairs.
    pub(crate) fn serialize<S>(pairs: &VecDeque<(u32, u32)>, to: S) -> Result<S::Ok, S::Error>
    where
        S: Serializer,
    {
        if to.is_human_readable() {
            return pairs.serialize(to);
        }
        let mut packer = Packer::default();
        for (first, second) in pairs {
            packer.number(u64::from(*first));
            packer.difference(i64::from(*second));
        }
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
        let (mut unpacker, mut pairs) = (Unpacker::new(&bytes), VecDeque::new());
        while !unpacker.is_empty() {
            let first = unpacker.number().and_then(|number| u32::try_from(number).ok());
            let second = unpacker.difference().and_then(|number| u32::try_from(number).ok());
            let pair = first.zip(second);
            pairs.push_back(pair.ok_or_else(|| D::Error::custom("a pair that is cut"))?);
        }
        Ok(pairs)
    }
}

/// Writes integers in variable length.
#[derive(Debug, Default)]
pub(crate) struct Packer {
    bytes: Vec<u8>,
    last: i64,
}

impl Packer {
    /// Writes a number of 0 or more: seven bits a byte, the lowest first.
    pub fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    /// Writes a number of any sign, small magnitudes first: 0, -1, 1, -2, ...
    pub fn signed(&mut self, number: i64) {
        self.number(((number << 1) ^ (number >> 63)) as u64);
    }

    /// Writes the difference from the number that was written by this function before.
    pub fn difference(&mut self, number: i64) {
        self.signed(number.wrapping_sub(self.last));
        self.last = number;
    }

    /// Begins a new column: the next difference is that from 0.
    pub const fn column(&mut self) {
        self.last = 0;
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

/// Reads what a [`Packer`] wrote. `None` where the bytes end or are no number.
#[derive(Debug)]
pub(crate) struct Unpacker<'a> {
    bytes: &'a [u8],
    last: i64,
}

impl<'a> Unpacker<'a> {
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, last: 0 }
    }

    /// Reads a number of 0 or more.
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

    /// Reads a number of any sign.
    pub fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// Reads a number that was written as a difference.
    pub fn difference(&mut self) -> Option<i64> {
        self.last = self.last.wrapping_add(self.signed()?);
        Some(self.last)
    }

    /// Begins a new column.
    pub const fn column(&mut self) {
        self.last = 0;
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
            numbers in prop::collection::vec(prop_oneof![any::<i64>(), -300_i64..300], 0..50),
            floats in prop::collection::vec(any::<f32>(), 0..5),
        ) {
            let mut packer = Packer::default();
            for number in &numbers {
                packer.number(*number as u64);
                packer.difference(*number);
            }
            packer.column();
            packer.difference(7);
            floats.iter().for_each(|value| packer.float(*value));
            let bytes = packer.finish();
            let mut unpacker = Unpacker::new(&bytes);
            for number in &numbers {
                prop_assert_eq!(unpacker.number(), Some(*number as u64));
                prop_assert_eq!(unpacker.difference(), Some(*number));
            }
            unpacker.column();
            prop_assert_eq!(unpacker.difference(), Some(7));
            for value in &floats {
                prop_assert_eq!(unpacker.float::<f32>().map(f32::to_bits), Some(value.to_bits()));
            }
            prop_assert!(unpacker.is_empty() && unpacker.byte().is_none());
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..30)) {
            let mut unpacker = Unpacker::new(&bytes);
            while unpacker.difference().is_some() {}
            let mut unpacker = Unpacker::new(&bytes);
            while unpacker.number().is_some() && unpacker.float::<f64>().is_some() {}
        }
    }

    #[test]
    fn small_numbers_take_one_byte() {
        let mut packer = Packer::default();
        for number in [0, -64, 63, 0] {
            packer.signed(number);
        }
        assert_eq!(packer.finish().len(), 4);
        let mut packer = Packer::default();
        packer.number(u64::MAX);
        assert_eq!(packer.finish().len(), 10);
        assert_eq!(Unpacker::new(&[0xff; 10]).number(), None);
    }
}
