//! One field of a CSV line: quoted if it has to be (RFC 4180), and never a formula.

/// Appends a name, in quotes if it contains a comma, a quote or a line end.
///
/// Spreadsheets run a cell that begins with `=`, `+`, `-` or `@` as a formula, also after a tab or
/// a carriage return. Such a name gets a leading apostrophe, as OWASP recommends, which
/// [`unescaped`] takes off. Names of calls (`-> payments`) are no formulas and stay. Numbers are
/// not written by this function.
pub(crate) fn push_field(out: &mut Vec<u8>, field: &str) {
    let is_quoted = field.bytes().any(|b| matches!(b, b',' | b'"' | b'\n' | b'\r'));
    if is_quoted {
        out.push(b'"');
    }
    if is_formula(field) {
        out.push(b'\'');
    }
    if !is_quoted {
        out.extend_from_slice(field.as_bytes());
        return;
    }
    for byte in field.bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

/// A name as it was before it was written to a CSV file: without the apostrophe before a formula.
///
/// ```
/// use mad_core::export::unescaped;
///
/// assert_eq!(unescaped("'=1+1"), "=1+1");
/// assert_eq!(unescaped("'quoted'"), "'quoted'");
/// ```
pub fn unescaped(field: &str) -> &str {
    field.strip_prefix('\'').filter(|name| is_formula(name)).unwrap_or(field)
}

/// Whether a spreadsheet runs a cell as a formula. A name that begins with an apostrophe before a
/// formula counts, so that it is read back as it is.
fn is_formula(field: &str) -> bool {
    let first = field.trim_start_matches('\'');
    first.starts_with(['=', '+', '-', '@', '\t', '\r'])
        && !(first.starts_with("-> ") && first.len() == field.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &str) -> String {
        let mut out = Vec::new();
        push_field(&mut out, name);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn formulas_get_an_apostrophe_and_are_read_back() {
        for (name, cell) in [
            ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
            ("=a,\"b\"", "\"'=a,\"\"b\"\"\""),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(1)", "'@SUM(1)"),
            ("'=1", "''=1"),
            ("\t=1", "'\t=1"),
            ("/pay", "/pay"),
            ("a=b", "a=b"),
            ("'quoted'", "'quoted'"),
            ("-> payments", "-> payments"),
        ] {
            assert_eq!(written(name), cell, "{name}");
            let bare = if is_formula(name) { format!("'{name}") } else { name.to_owned() };
            assert_eq!(unescaped(&bare), name);
        }
    }
}
