//! Names on one line.

/// A name with control and bidirectional characters escaped, so that it cannot break or reorder a line.
pub(super) fn one_line(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        let breaks = c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if breaks { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}
