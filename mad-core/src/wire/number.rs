//! Parsing of statuses and decimal numbers.

/// Powers of ten that fifteen digits need. An f64 holds each of them exactly.
const POWERS: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// A status: three digits, as `200` or `200.0`. The range is checked elsewhere.
pub(super) fn status(text: &str) -> Option<i64> {
    let (digits, tail) = text.as_bytes().split_first_chunk::<3>()?;
    let whole = match tail {
        [] => true,
        [b'.', zeros @ ..] => !zeros.is_empty() && zeros.iter().all(|b| *b == b'0'),
        _ => false,
    };
    (whole && digits.iter().all(u8::is_ascii_digit))
        .then(|| digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0')))
}

/// A decimal or scientific number, correctly rounded; also `nan` and `inf`, as `f64` reads them.
pub(super) fn decimal(text: &str) -> Option<f64> {
    short_decimal(text.as_bytes()).or_else(|| text.parse().ok())
}

/// A number of at most fifteen digits and one point. Both parts of the quotient are exact, so that
/// the division rounds once and correctly (W. Clinger, "How to Read Floating Point Numbers
/// Accurately", 1990).
fn short_decimal(bytes: &[u8]) -> Option<f64> {
    let mut mantissa = 0_u64;
    let mut point = None;
    if bytes.len() > 16 {
        return None;
    }
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'0'..=b'9' => mantissa = mantissa * 10 + u64::from(byte - b'0'),
            b'.' if point.is_none() => point = Some(at),
            _ => return None,
        }
    }
    let digits = bytes.len() - usize::from(point.is_some());
    let places = point.map_or(0, |at| bytes.len() - at - 1);
    if !(1..=15).contains(&digits) {
        return None;
    }
    Some(mantissa as f64 / POWERS.get(places)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn statuses() {
        for (text, want) in
            [("200", Some(200)), ("404.0", Some(404)), ("599.000", Some(599)), ("000", Some(0))]
        {
            assert_eq!(status(text), want, "{text}");
        }
        for text in ["", "2", "20", "2000", "200.", "200.5", "+200", "2e2", "0x1", "OK", " 200"] {
            assert_eq!(status(text), None, "{text}");
        }
    }

    #[test]
    fn odd_decimals_are_as_f64_reads_them() {
        for text in ["", ".", "-", "1..2", "5.", ".5", "1e3", "-0", "000000000000001", "1,5", "inf"]
        {
            assert_eq!(decimal(text), text.parse().ok(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn decimals_are_correctly_rounded(text in "[0-9]{0,14}\\.?[0-9]{0,14}(e-?[0-9]{1,3})?") {
            prop_assert_eq!(decimal(&text), text.parse::<f64>().ok());
        }
    }
}
