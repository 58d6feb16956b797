//! A reader of the protobuf wire format that borrows from its input.
//!
//! The reader knows no schema. A caller matches field numbers and ignores those that it does not
//! know. Every error means that the bytes are not protobuf; no input makes the reader panic.

/// The bytes are not in the protobuf wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The value of one field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    /// A variable-length integer: int32, int64, uint64, bool and enums.
    Varint(u64),
    /// Eight bytes: fixed64 and double.
    Fixed64(u64),
    /// A length and as many bytes: text, bytes, messages and packed numbers.
    Bytes(&'a [u8]),
    /// Four bytes: fixed32 and float.
    Fixed32(u32),
}

impl<'a> Value<'a> {
    /// The bytes of a message, text or packed field; empty for another type.
    #[inline]
    pub fn bytes(self) -> &'a [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            _ => &[],
        }
    }

    /// Text; `None` where it is not UTF-8 or of another type.
    #[inline]
    pub fn text(self) -> Option<&'a str> {
        match self {
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// An integer of any of the three widths; 0 for another type.
    #[inline]
    pub fn integer(self) -> u64 {
        match self {
            Self::Varint(number) | Self::Fixed64(number) => number,
            Self::Fixed32(number) => u64::from(number),
            Self::Bytes(_) => 0,
        }
    }

    /// A double or a float; NaN for another type.
    #[inline]
    pub fn double(self) -> f64 {
        match self {
            Self::Fixed64(bits) => f64::from_bits(bits),
            Self::Fixed32(bits) => f64::from(f32::from_bits(bits)),
            Self::Varint(_) | Self::Bytes(_) => f64::NAN,
        }
    }
}

/// Deepest nesting of groups, a form that protobuf no longer uses, that is skipped.
const MAX_GROUPS: usize = 16;

/// The fields of one message in the order of its bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// The fields of a message.
    pub const fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// The bytes of the fields that were not read yet.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next field: its number and value. `None` at the end of the message.
    ///
    /// # Errors
    ///
    /// The bytes end within a field, or are no field. The reader is at its end afterwards.
    #[inline]
    pub fn next(&mut self) -> Result<Option<(u32, Value<'a>)>, Malformed> {
        loop {
            if self.rest.is_empty() {
                return Ok(None);
            }
            let (key, wire_type) = self.key()?;
            match wire_type {
                0 => return Ok(Some((key, Value::Varint(self.varint()?)))),
                1 => return Ok(Some((key, Value::Fixed64(u64::from_le_bytes(self.array()?))))),
                2 => return Ok(Some((key, Value::Bytes(self.delimited()?)))),
                5 => return Ok(Some((key, Value::Fixed32(u32::from_le_bytes(self.array()?))))),
                3 => self.skip_group()?,
                _ => return Err(self.end()),
            }
        }
    }

    fn end(&mut self) -> Malformed {
        self.rest = &[];
        Malformed
    }

    #[inline]
    fn key(&mut self) -> Result<(u32, u8), Malformed> {
        let key = self.varint()?;
        let number = key >> 3;
        if number == 0 || number >= 1 << 29 {
            return Err(self.end());
        }
        Ok((number as u32, (key & 7) as u8))
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, Malformed> {
        if let [first, rest @ ..] = self.rest
            && *first < 0x80
        {
            self.rest = rest;
            return Ok(u64::from(*first));
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for (place, byte) in self.rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * place);
            if *byte < 0x80 {
                self.rest = self.rest.get(place + 1..).unwrap_or_default();
                return Ok(value);
            }
        }
        Err(self.end())
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let Some((bytes, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.end());
        };
        self.rest = rest;
        Ok(*bytes)
    }

    #[inline]
    fn delimited(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.varint()?;
        let split = usize::try_from(length).ok().and_then(|at| self.rest.split_at_checked(at));
        let Some((bytes, rest)) = split else {
            return Err(self.end());
        };
        self.rest = rest;
        Ok(bytes)
    }

    fn skip_group(&mut self) -> Result<(), Malformed> {
        let mut depth = 1_usize;
        while depth > 0 {
            match self.key()?.1 {
                0 => drop(self.varint()?),
                1 => drop(self.array::<8>()?),
                2 => drop(self.delimited()?),
                3 => depth += 1,
                4 => depth -= 1,
                5 => drop(self.array::<4>()?),
                _ => return Err(self.end()),
            }
            if depth > MAX_GROUPS {
                return Err(self.end());
            }
        }
        Ok(())
    }
}

/// The length of the first field of `bytes`, its key included; `None` where the field is not
/// complete.
///
/// # Errors
///
/// The bytes are no field, or not one with a length.
pub(crate) fn first_field(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    let mut at = 0_usize;
    let mut numbers = [0_u64; 2];
    for number in &mut numbers {
        let mut shift = 0_u32;
        loop {
            let Some(byte) = bytes.get(at) else { return Ok(None) };
            at += 1;
            *number |= u64::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                break;
            }
            shift += 7;
            if shift > 63 {
                return Err(Malformed);
            }
        }
    }
    let [key, length] = numbers;
    if key & 7 != 2 || key >> 3 == 0 {
        return Err(Malformed);
    }
    let length = usize::try_from(length).map_err(|_| Malformed)?;
    let end = at.checked_add(length).ok_or(Malformed)?;
    Ok((end <= bytes.len()).then_some(end))
}

/// Numbers of a repeated field of eight bytes each, packed.
pub(crate) fn packed_fixed64(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    bytes.as_chunks::<8>().0.iter().map(|chunk| u64::from_le_bytes(*chunk))
}

/// Numbers of a repeated varint field, packed; they end where the bytes are malformed.
pub(crate) fn packed_varints(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let mut fields = Fields::new(bytes);
    std::iter::from_fn(move || (!fields.rest.is_empty()).then(|| fields.varint().ok()).flatten())
}

/// The signed integer of a zigzag number: sint32 and sint64.
pub(crate) const fn zigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wire_type_is_read_and_groups_are_skipped() {
        let bytes = [
            0x08, 0x96, 0x01, // 1: varint 150
            0x13, 0x08, 0x01, 0x14, // 2: group with a field
            0x1a, 0x02, b'h', b'i', // 3: text
            0x21, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, // 4: double 1.0
            0x2d, 0, 0, 0x80, 0x3f, // 5: float 1.0
        ];
        let mut fields = Fields::new(&bytes);
        assert_eq!(fields.next(), Ok(Some((1, Value::Varint(150)))));
        assert_eq!(fields.next(), Ok(Some((3, Value::Bytes(b"hi")))));
        assert_eq!(fields.next().unwrap().unwrap().1.double(), 1.0);
        assert_eq!(fields.next().unwrap().unwrap().1.double(), 1.0);
        assert_eq!(fields.next(), Ok(None));
    }

    #[test]
    fn bytes_that_end_early_are_malformed() {
        for bytes in [&[0x08][..], &[0x0a, 0x05, 1], &[0x09, 1], &[0x0d, 1], &[0x13], &[0x07, 1]] {
            assert_eq!(Fields::new(bytes).next(), Err(Malformed), "{bytes:?}");
        }
        assert_eq!(Fields::new(&[0xff; 11]).next(), Err(Malformed));
    }

    #[test]
    fn a_length_beyond_memory_is_not_complete() {
        assert_eq!(first_field(&[0x0a, 0x02, 1]), Ok(None));
        assert_eq!(first_field(&[0x0a, 0x02, 1, 2, 3]), Ok(Some(4)));
        assert_eq!(first_field(&[0x08, 0x02]), Err(Malformed));
        let huge = [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(first_field(&huge), Err(Malformed));
    }

    #[test]
    fn zigzag_numbers_alternate_in_sign() {
        assert_eq!([0, 1, 2, 3].map(zigzag), [0, -1, 1, -2]);
    }
}
