//! Parsing of latencies and decimal numbers.

/// Powers of ten that fifteen digits need. An f64 holds each of them exactly.
const POWERS: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// A latency in milliseconds from text; NaN where it is missing, negative or no number. Several numbers,
/// separated by `,` and a space or by ` : `, are the times of several attempts and are added up;
/// `-` among them adds nothing. A number may have a unit (`12ms`, `1.5 s`, `1m30s`, `00:00:01.5`) or a
/// decimal comma (`22,69`).
pub fn latency_of_text(text: &str) -> f64 {
    let text = text.trim_ascii();
    let number = decimal(text).or_else(|| several(text)).or_else(|| with_commas(text));
    number.or_else(|| duration(text)).map_or(f64::NAN, latency_of)
}

/// A number as a latency; NaN where it is negative or infinite.
pub fn latency_of(number: f64) -> f64 {
    if number.is_finite() && number >= 0.0 { number } else { f64::NAN }
}

/// A number with a decimal comma, with or without points between thousands (`1.234,5`), or with
/// commas between thousands (`1,234.5`, `1,234,567`).
pub(super) fn with_commas(text: &str) -> Option<f64> {
    if !text.bytes().all(|b| b.is_ascii_digit() || b",.-+".contains(&b)) {
        return None;
    }
    let commas = text.matches(',').count();
    let comma_last = text.rfind(',') > text.rfind('.');
    match commas {
        0 => None,
        1 if comma_last => text.replace('.', "").replace(',', ".").parse().ok(),
        _ if comma_last && text.contains('.') => None,
        _ => text.replace(',', "").parse().ok(),
    }
}

/// A duration with its unit, in milliseconds.
fn duration(text: &str) -> Option<f64> {
    const UNITS: [(&str, f64); 22] = [
        ("ns", 1e-6),
        ("nanos", 1e-6),
        ("us", 1e-3),
        ("µs", 1e-3),
        ("μs", 1e-3),
        ("usec", 1e-3),
        ("micros", 1e-3),
        ("ms", 1.0),
        ("msec", 1.0),
        ("millis", 1.0),
        ("milliseconds", 1.0),
        ("s", 1e3),
        ("sec", 1e3),
        ("secs", 1e3),
        ("second", 1e3),
        ("seconds", 1e3),
        ("m", 6e4),
        ("min", 6e4),
        ("mins", 6e4),
        ("minutes", 6e4),
        ("h", 3.6e6),
        ("d", 8.64e7),
    ];
    if text.contains(':') {
        return clock(text);
    }
    let lower = text.to_lowercase();
    // ISO 8601: PT1M30S
    let mut rest = lower.strip_prefix("pt").unwrap_or(&lower);
    let mut sum = 0.0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(|b| b.is_ascii_digit() || b",.".contains(b)).count();
        let number = rest.get(..digits)?;
        let number = decimal(number).or_else(|| with_commas(number))?;
        rest = rest.get(digits..)?.trim_start();
        let letters = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
        let unit = rest.get(..letters)?;
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        sum += number * factor;
        rest = rest.get(letters..)?.trim_start();
    }
    (!text.is_empty()).then_some(sum)
}

/// `00:00:01.5`: hours, minutes and seconds.
fn clock(text: &str) -> Option<f64> {
    let mut parts = text.split(':').map(decimal);
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then_some(1e3 * (3600.0 * hours + 60.0 * minutes + seconds))
}

/// The sum of several numbers, as proxies write the times of their attempts.
fn several(text: &str) -> Option<f64> {
    let parts = || text.split(", ").flat_map(|part| part.split(" : ")).map(str::trim_ascii);
    if parts().count() < 2 {
        return None;
    }
    let known = parts().filter(|part| *part != "-" && !part.is_empty());
    let sum = known.map(decimal).reduce(|sum, number| Some(sum? + number?));
    sum.flatten()
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
    fn latencies() {
        for (text, want) in [
            ("215.25", 215.25),
            (" 0 ", 0.0),
            ("210.0, 870.0", 1080.0),
            ("210.0, -", 210.0),
            ("0.5 : 1.5", 2.0),
            ("1, 2 : 3", 6.0),
            ("22,69", 22.69),
            ("1.234,5", 1234.5),
            ("1,234.5", 1234.5),
            ("12ms", 12.0),
            ("12 ms", 12.0),
            ("1.5s", 1500.0),
            ("0,5 s", 500.0),
            ("250µs", 0.25),
            ("1m30s", 90_000.0),
            ("PT1.5S", 1500.0),
            ("00:00:01.5", 1500.0),
        ] {
            assert_eq!(latency_of_text(text), want, "{text}");
        }
        for text in ["", "-", "-1", "-1.0", "NaN", "inf", "fast", "-, -", "1, x", "1e999"] {
            assert!(latency_of_text(text).is_nan(), "{text}");
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
