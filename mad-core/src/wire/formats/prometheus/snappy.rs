//! Decompression of the block format of Snappy.

/// Decompresses a block; `None` where it is damaged or would be larger than `most` bytes.
///
/// The format is described in `format_description.txt` of github.com/google/snappy: the length as a
/// varint, then literals and copies of earlier output.
pub(super) fn decompress(block: &[u8], most: usize) -> Option<Vec<u8>> {
    let (length, mut rest) = length(block)?;
    if length > most {
        return None;
    }
    // a block cannot grow by more than this factor, so that a false length takes no memory
    let mut out = Vec::with_capacity(length.min(rest.len().saturating_mul(64)));
    while let Some((tag, after)) = rest.split_first() {
        rest = after;
        let high = usize::from(tag >> 2);
        let kind = tag % 4;
        if kind == 0 {
            let mut size = high;
            if size >= 60 {
                let (bytes, after) = rest.split_at_checked(size - 59)?;
                size = bytes.iter().rev().fold(0, |size, byte| size << 8 | usize::from(*byte));
                rest = after;
            }
            let (literal, after) = rest.split_at_checked(size.checked_add(1)?)?;
            out.extend_from_slice(literal);
            rest = after;
        } else {
            let width = [0, 1, 2, 4].get(usize::from(kind)).copied().unwrap_or(4);
            let (bytes, after) = rest.split_at_checked(width)?;
            let low = bytes.iter().rev().fold(0_usize, |size, byte| size << 8 | usize::from(*byte));
            rest = after;
            let (size, offset) = match kind {
                1 => ((high & 7) + 4, low | (high >> 3) << 8),
                _ => (high + 1, low),
            };
            copy(&mut out, offset, size)?;
        }
        if out.len() > length {
            return None;
        }
    }
    (out.len() == length).then_some(out)
}

/// Appends `size` bytes that begin `offset` bytes before the end. The two may overlap.
fn copy(out: &mut Vec<u8>, offset: usize, size: usize) -> Option<()> {
    let start = out.len().checked_sub(offset).filter(|_| offset > 0)?;
    if offset >= size {
        out.extend_from_within(start..start + size);
        return Some(());
    }
    for at in start..start + size {
        let byte = *out.get(at)?;
        out.push(byte);
    }
    Some(())
}

fn length(block: &[u8]) -> Option<(usize, &[u8])> {
    let mut length = 0_usize;
    for (place, byte) in block.iter().take(5).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * place);
        if *byte < 0x80 {
            return Some((length, block.get(place + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_overlapping_copies() {
        // "abcd", then eight bytes from four back
        let block = [12, 3 << 2, b'a', b'b', b'c', b'd', 0b0001_0001, 4];
        assert_eq!(decompress(&block, 100).as_deref(), Some(&b"abcdabcdabcd"[..]));
        assert_eq!(decompress(&block, 11), None);
        assert_eq!(decompress(&block[..7], 100), None);
        // a copy from before the start
        assert_eq!(decompress(&[4, 0b0000_0001, 9], 100), None);
        assert_eq!(decompress(&[], 100), None);
        assert_eq!(decompress(&[0xff, 0xff, 0xff, 0xff, 0x0f], 100), None);
    }
}
