//! Recognises parts of a line that are variable by their form alone.

use super::text::{Kinds, byte, ends_word, is_hex, is_space, part};

/// Endings of host names, beside those of two letters.
const DOMAINS: [&[u8]; 14] = [
    b"com",
    b"net",
    b"org",
    b"edu",
    b"gov",
    b"mil",
    b"int",
    b"info",
    b"biz",
    b"local",
    b"lan",
    b"internal",
    b"corp",
    b"localdomain",
];

const DAYS: [&[u8]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];

const MONTHS: [&[u8]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// Units of sizes and durations. Which one follows a number depends on the number alone.
const UNITS: [&[u8]; 26] = [
    b"B", b"KB", b"MB", b"GB", b"TB", b"kB", b"KiB", b"MiB", b"GiB", b"TiB", b"bytes", b"Bytes",
    b"byte", b"ns", b"us", b"ms", b"s", b"sec", b"secs", b"min", b"mins", b"h", b"Hz", b"kHz",
    b"MHz", b"GHz",
];

/// Words that are values wherever they stand: truth values, nothing, and the users of every system.
pub(super) fn is_value_word(word: &[u8]) -> bool {
    matches!(word.len(), 4 | 5)
        && [&b"true"[..], b"false", b"null", b"root", b"admin"]
            .iter()
            .any(|value| word.eq_ignore_ascii_case(value))
}

pub(super) fn is_unit(word: &[u8]) -> bool {
    word.len() <= 5 && UNITS.contains(&word)
}

/// Nouns behind which a name stands: `user alice`.
pub(super) fn names_next(word: &[u8]) -> bool {
    const NOUNS: [&[u8]; 8] =
        [b"device", b"interface", b"user", b"username", b"host", b"hostname", b"account", b"login"];
    word.len() >= 4 && NOUNS.iter().any(|noun| word.eq_ignore_ascii_case(noun))
}

/// Words before a colon that name a parameter.
pub(super) fn is_parameter(word: &[u8]) -> bool {
    const NAMES: [&[u8]; 6] = [b"name", b"id", b"type", b"key", b"user", b"host"];
    NAMES.iter().any(|name| word.eq_ignore_ascii_case(name))
}

/// Names of which the value is a secret: `password`, `api_key`, `accessToken`.
pub(super) fn is_secret_name(word: &[u8]) -> bool {
    const NAMES: [&[u8]; 8] =
        [b"password", b"passwd", b"pwd", b"secret", b"token", b"apikey", b"api_key", b"api-key"];
    NAMES.iter().any(|name| {
        let begin = word.len().saturating_sub(name.len());
        part(word, begin, word.len()).eq_ignore_ascii_case(name)
    })
}

/// Keys of JSON whose values are messages rather than parameters.
pub(super) fn is_text_key(word: &[u8]) -> bool {
    const KEYS: [&[u8]; 9] =
        [b"msg", b"message", b"event", b"error", b"err", b"log", b"reason", b"text", b"level"];
    KEYS.iter().any(|key| word.eq_ignore_ascii_case(key))
}

/// Whether a word is one identifier, address, path or secret as a whole.
pub(super) fn is_variable(word: &[u8], kinds: Kinds) -> bool {
    is_path(word, kinds)
        || kinds.dots > 0 && is_host(word, kinds)
        || kinds.digits > 0
            && (is_uuid(word)
                || is_hexadecimal(word, kinds)
                || is_numbered_host(word, kinds)
                || is_secret(word, kinds))
}

fn is_path(word: &[u8], kinds: Kinds) -> bool {
    kinds.slashes > 0
        && word.len() > 1
        && (kinds.slashes > 1 || byte(word, 0) == b'/')
        && (kinds.has_letter() || kinds.digits > 0)
}

/// A host name: lower-case labels, at least two dots, or one and a port behind it.
fn is_host(word: &[u8], kinds: Kinds) -> bool {
    if kinds.slashes > 0 || !kinds.has_lower() || byte(word, 0) == b'.' {
        return false;
    }
    let last = word.rsplit(|&byte| byte == b'.').next().unwrap_or_default();
    let known = DOMAINS.contains(&last)
        || kinds.dots > 1 && last.len() == 2 && last.iter().all(u8::is_ascii_lowercase);
    known
        && word.iter().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(byte))
        && (kinds.dots > 1 || kinds.digits > 0)
}

/// A host name of two labels, which a port follows.
pub(super) fn is_host_with_port(word: &[u8], kinds: Kinds) -> bool {
    kinds.has_lower()
        && !kinds.has_upper()
        && kinds.slashes == 0
        && word.rsplit(|&byte| byte == b'.').next().is_some_and(|last| {
            (kinds.dots > 1 || last.len() == 2 || DOMAINS.contains(&last))
                && last.iter().all(u8::is_ascii_lowercase)
        })
}

/// A name of several parts with a number, as hosts and pods have: `shop-cart-7`.
fn is_numbered_host(word: &[u8], kinds: Kinds) -> bool {
    !kinds.has_upper()
        && kinds.has_lower()
        && word.splitn(3, |&byte| byte == b'-').count() == 3
        && word.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}

fn is_uuid(word: &[u8]) -> bool {
    word.len() == 36
        && word.iter().enumerate().all(|(at, &byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => is_hex(byte),
        })
}

/// `0x1f`, or at least six hexadecimal digits, some of them letters.
fn is_hexadecimal(word: &[u8], kinds: Kinds) -> bool {
    let digits = word.strip_prefix(b"0x").or_else(|| word.strip_prefix(b"0X"));
    let body = digits.unwrap_or(word);
    (digits.is_some() || word.len() >= 6 && !(kinds.has_lower() && kinds.has_upper()))
        && !body.is_empty()
        && body.iter().all(|&byte| is_hex(byte))
}

/// A key or token: long, with digits and both cases.
fn is_secret(word: &[u8], kinds: Kinds) -> bool {
    word.len() >= 20
        && kinds.has_lower()
        && kinds.has_upper()
        && kinds.digits >= 2
        && word.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.+/".contains(byte))
}

/// The end of groups of digits between colons: a clock time, a hardware or network address.
pub(super) struct Groups {
    pub end: usize,
    /// Two or three groups of at most two decimal digits.
    pub is_clock: bool,
    pub count: usize,
}

/// Reads groups of hexadecimal digits between colons; `None` where there are none.
pub(super) fn colon_groups(text: &[u8], start: usize) -> Option<Groups> {
    let (mut at, mut groups, mut letters, mut widest) = (start, 0_usize, false, 0);
    loop {
        let from = at;
        while is_hex(byte(text, at)) {
            letters |= byte(text, at).is_ascii_alphabetic();
            at += 1;
        }
        widest = widest.max(at - from);
        groups += 1;
        // an empty group is the gap of an IPv6 address
        if at == from && byte(text, at) != b':' || at - from > 4 || groups > 16 {
            return None;
        }
        if byte(text, at) != b':' || !(is_hex(byte(text, at + 1)) || byte(text, at + 1) == b':') {
            break;
        }
        at += 1;
    }
    let next = byte(text, at);
    // the fraction of a clock time, the function of a PCI address
    if groups >= 3 && (next == b'.' || next == b',') && byte(text, at + 1).is_ascii_digit() {
        at += 1;
        while byte(text, at).is_ascii_digit() {
            at += 1;
        }
    }
    let is_clock = !letters && widest <= 2 && groups <= 3;
    let ended = ends_word(next_of(text, at)) || b".Z+-".contains(&next_of(text, at));
    let address = groups >= 4 || groups == 3 && (letters || widest == 4);
    (ended && groups >= 2 && (is_clock || address)).then_some(Groups {
        end: at,
        is_clock,
        count: groups,
    })
}

/// The byte at a place; a space beyond the end.
fn next_of(text: &[u8], at: usize) -> u8 {
    text.get(at).copied().unwrap_or(b' ')
}

/// The end of a date with a month's name and a clock time: `Fri Jun 17 07:07:00 2005`.
pub(super) fn written_date(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    if DAYS.contains(&part(text, at, at + 3)) {
        at = spaces(text, at + 3)?;
    }
    if !MONTHS.contains(&part(text, at, at + 3)) {
        return None;
    }
    at = spaces(text, at + 3)?;
    at = spaces(text, digits(text, at, 2)?)?;
    let clock = colon_groups(text, at).filter(|groups| groups.is_clock && groups.count == 3)?;
    let mut end = clock.end;
    if let Some(mut at) = spaces(text, end) {
        // a zone of capital letters before the year
        let zone =
            part(text, at, at + 5).iter().take_while(|byte| byte.is_ascii_uppercase()).count();
        if (3..=4).contains(&zone) {
            at = spaces(text, at + zone).unwrap_or(at);
        }
        if let Some(year) = digits(text, at, 4).filter(|&end| end == at + 4) {
            end = year;
        }
    }
    Some(end)
}

/// The end of a date of numbers, with a clock time or without: `2024-05-01T10:00:00.123+02:00`.
pub(super) fn timestamp(text: &[u8], start: usize) -> Option<usize> {
    let divider = byte(text, start + 4);
    if !b"-/".contains(&divider) || byte(text, start + 7) != divider {
        return None;
    }
    let month = digits(text, start + 5, 2)?;
    if digits(text, start, 4)? != start + 4 || month != start + 7 {
        return None;
    }
    let day = digits(text, start + 8, 2)?;
    let clock = match byte(text, day) {
        b'T' | b' ' | b'_' => colon_groups(text, day + 1).filter(|groups| groups.is_clock),
        _ => None,
    };
    let Some(clock) = clock else { return ends_word(next_of(text, day)).then_some(day) };
    let mut end = clock.end;
    let zone = byte(text, end);
    if zone == b'Z' {
        end += 1;
    } else if (zone == b'+' || zone == b'-') && byte(text, end + 1).is_ascii_digit() {
        end += 1;
        while byte(text, end).is_ascii_digit() || byte(text, end) == b':' {
            end += 1;
        }
    }
    Some(end)
}

/// The end of at least one space.
fn spaces(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    while byte(text, at) == b' ' {
        at += 1;
    }
    (at > start).then_some(at)
}

/// The end of one to `most` digits.
fn digits(text: &[u8], start: usize, most: usize) -> Option<usize> {
    let mut at = start;
    while at < start + most && byte(text, at).is_ascii_digit() {
        at += 1;
    }
    (at > start && !byte(text, at).is_ascii_digit()).then_some(at)
}

/// The end of a size that repeats the one before it in another unit: ` (1.27 KB)`.
pub(super) fn repeated_size(text: &[u8], start: usize) -> Option<usize> {
    let inside = part(text, start, start + 24).strip_prefix(b" (")?;
    let number = inside.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    let unit = inside.get(number..)?.strip_prefix(b" ")?;
    let length = unit.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    (number > 0 && is_unit(unit.get(..length)?) && byte(unit, length) == b')')
        .then_some(start + 2 + number + 1 + length + 1)
}

/// The end of an escape sequence of a terminal that begins at `start`.
pub(super) fn escape_end(text: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    if byte(text, at) == b'[' {
        at += 1;
        while at < text.len() && !byte(text, at).is_ascii_alphabetic() && !is_space(byte(text, at))
        {
            at += 1;
        }
        at += usize::from(at < text.len() && byte(text, at).is_ascii_alphabetic());
    }
    at
}
