//! Format strings of nginx and Apache, and regular expressions, as lists of fields.

use regex::{Regex, RegexBuilder};

use crate::error::{Error, Result};
use crate::wire::{Logs, Requests, column_of};

/// Bytes of the compiled form of a regular expression.
const REGEX_BYTES: usize = 1 << 20;
/// Longest layout in bytes.
const MOST_BYTES: usize = 8 * 1024;

/// The meaning of a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Role {
    Ignored,
    /// A time, perhaps in brackets.
    Time,
    /// `METHOD target protocol`.
    Request,
    Method,
    Path,
    Status,
    /// A latency and the milliseconds of its unit.
    Latency(f64),
    /// A latency that counts only where there is no better one.
    Upstream(f64),
    Service,
    Host,
    Trace,
    Level,
    Body,
}

/// One piece of a format string: a field, and the text behind it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Piece {
    pub role: Role,
    pub until: String,
}

/// The layout of lines.
#[derive(Debug, Clone)]
pub(super) enum Layout {
    /// The text before the first field, and the fields.
    Pieces(String, Vec<Piece>),
    /// A regular expression and the roles of its groups.
    Pattern(Regex, Vec<Role>),
}

impl Layout {
    /// Reads a `log_format` of nginx (fields begin with `$`), a `LogFormat` of Apache (with `%`), or
    /// a regular expression with named groups.
    ///
    /// # Errors
    ///
    /// Names what the layout lacks.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > MOST_BYTES {
            return Err(refused(text, "shorter than 8 kB"));
        }
        let layout = if text.contains("(?P<") || text.contains("(?<") {
            Self::of_regex(text)?
        } else {
            let bare = unwrapped(text);
            let pieces = if bare.contains('$') { nginx(&bare) } else { apache(&bare) };
            let (before, pieces) = pieces.ok_or_else(|| {
                refused(
                    text,
                    "a log_format with $fields, a LogFormat with %fields, or a regular \
                    expression with (?P<name>...) groups",
                )
            })?;
            Self::Pieces(before, pieces)
        };
        let roles = layout.roles();
        if !roles.contains(&Role::Time) {
            return Err(refused(
                text,
                "a field with the time, such as $time_local, %t or (?P<time>...)",
            ));
        }
        Ok(layout)
    }

    fn of_regex(text: &str) -> Result<Self> {
        let regex = RegexBuilder::new(text).size_limit(REGEX_BYTES).build();
        let regex = regex.map_err(|error| {
            let lines = error.to_string();
            let last = lines.lines().last().unwrap_or_default().to_owned();
            refused(text, &format!("a valid regular expression ({last})"))
        })?;
        let roles = regex.capture_names().map(|name| name.map_or(Role::Ignored, of_group));
        let roles = roles.collect();
        Ok(Self::Pattern(regex, roles))
    }

    /// The roles of all fields.
    pub fn roles(&self) -> Vec<Role> {
        match self {
            Self::Pieces(_, pieces) => pieces.iter().map(|piece| piece.role).collect(),
            Self::Pattern(_, roles) => roles.clone(),
        }
    }

    /// Hands out the fields of a line; `None` for a line of another layout.
    pub fn split<'a>(&self, line: &'a str, mut each: impl FnMut(Role, &'a str)) -> Option<()> {
        match self {
            Self::Pieces(before, pieces) => {
                let mut rest = line.strip_prefix(before.as_str())?;
                for (i, piece) in pieces.iter().enumerate() {
                    let is_last = i + 1 == pieces.len();
                    let (value, after) = if piece.until.is_empty() {
                        (rest, "")
                    } else if let Some(found) = split_at(piece, rest) {
                        found
                    } else if is_last {
                        // a line may lack what follows its last field
                        (rest, "")
                    } else {
                        return None;
                    };
                    each(piece.role, value);
                    rest = after;
                }
                Some(())
            }
            Self::Pattern(regex, roles) => {
                let found = regex.captures(line)?;
                for (role, group) in roles.iter().zip(found.iter()) {
                    if let Some(group) = group.filter(|_| *role != Role::Ignored) {
                        each(*role, group.as_str());
                    }
                }
                Some(())
            }
        }
    }
}

/// The value of a field and what follows it. A time in brackets may have a space.
fn split_at<'a>(piece: &Piece, rest: &'a str) -> Option<(&'a str, &'a str)> {
    let until = piece.until.as_str();
    let from = if piece.role == Role::Time && rest.starts_with('[') { rest.find(']')? } else { 0 };
    let at = from + rest.get(from..)?.find(until)?;
    Some((rest.get(..at)?, rest.get(at + until.len()..)?))
}

fn refused(text: &str, expected: &str) -> Error {
    let shown: String = text.chars().take(80).collect();
    Error::input(format!("pattern = {shown:?} cannot be used: give {expected}"))
}

/// A layout without the directive around it: `log_format main '...' '...';`, `LogFormat "..." name`.
fn unwrapped(text: &str) -> String {
    let text = text.trim().trim_end_matches(';').trim();
    let is_nginx = text.starts_with("log_format");
    let is_apache = text.starts_with("LogFormat");
    if !is_nginx && !is_apache {
        return text.replace("\\\"", "\"");
    }
    let quote = if is_nginx && text.contains('\'') { '\'' } else { '"' };
    let Some(from) = text.find(quote) else { return text.to_owned() };
    let quoted = text.get(from..).unwrap_or_default();
    if quote == '\'' {
        return quoted.split('\'').skip(1).step_by(2).collect();
    }
    let to = quoted.rfind('"').unwrap_or(quoted.len());
    quoted.get(1..to).unwrap_or_default().replace("\\\"", "\"")
}

/// The role of a variable of nginx.
fn of_variable(name: &str) -> Role {
    match name {
        "time_local" | "time_iso8601" | "msec" => Role::Time,
        "request" => Role::Request,
        "request_method" => Role::Method,
        "request_uri" | "uri" | "document_uri" => Role::Path,
        "status" => Role::Status,
        "request_time" => Role::Latency(1000.0),
        "upstream_response_time" => Role::Upstream(1000.0),
        "server_name" | "host" | "http_host" | "proxy_upstream_name" | "service_name" => {
            Role::Service
        }
        "hostname" => Role::Host,
        _ => Role::Ignored,
    }
}

fn nginx(text: &str) -> Option<(String, Vec<Piece>)> {
    let mut parts = text.split('$');
    let before = parts.next()?.to_owned();
    let pieces: Vec<Piece> = parts
        .map(|part| {
            let part =
                part.strip_prefix('{').map_or_else(|| part.to_owned(), |p| p.replacen('}', "", 1));
            let end =
                part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(part.len());
            let (name, until) = part.split_at_checked(end).unwrap_or((&part, ""));
            Piece { role: of_variable(name), until: until.to_owned() }
        })
        .collect();
    (!pieces.is_empty()).then_some((before, pieces))
}

/// The directives of Apache's mod_log_config: `%>s`, `%{ms}T`, `%t`.
fn apache(text: &str) -> Option<(String, Vec<Piece>)> {
    let (mut before, mut pieces) = (String::new(), Vec::<Piece>::new());
    let mut chars = text.chars().peekable();
    let mut add = |c: char, pieces: &mut Vec<Piece>| match pieces.last_mut() {
        Some(piece) => piece.until.push(c),
        None => before.push(c),
    };
    while let Some(c) = chars.next() {
        if c != '%' {
            add(c, &mut pieces);
            continue;
        }
        if chars.peek() == Some(&'%') {
            chars.next();
            add('%', &mut pieces);
            continue;
        }
        while chars.next_if(|c| c.is_ascii_digit() || "<>!,".contains(*c)).is_some() {}
        let mut argument = String::new();
        if chars.next_if_eq(&'{').is_some() {
            argument.extend(chars.by_ref().take_while(|c| *c != '}'));
        }
        let letter = chars.next()?;
        if letter == '^' {
            chars.nth(1);
        }
        let role = match (letter, argument.as_str()) {
            ('t', "" | "sec" | "msec" | "usec" | "begin:sec" | "begin:msec" | "begin:usec") => {
                Role::Time
            }
            ('r', _) => Role::Request,
            ('m', _) => Role::Method,
            ('U', _) => Role::Path,
            ('s', _) => Role::Status,
            ('D', _) | ('T', "us") => Role::Latency(1e-3),
            ('T', "ms") => Role::Latency(1.0),
            ('T', _) => Role::Upstream(1000.0),
            ('v' | 'V', _) => Role::Service,
            _ => Role::Ignored,
        };
        pieces.push(Piece { role, until: String::new() });
    }
    (!pieces.is_empty()).then_some((before, pieces))
}

/// The role of a named group.
fn of_group(name: &str) -> Role {
    let lower = name.to_ascii_lowercase();
    match lower.as_str() {
        "method" | "verb" | "http_method" | "request_method" => return Role::Method,
        "request" | "request_line" => return Role::Request,
        _ => {}
    }
    if let Some(column) = column_of::<Requests>(&lower) {
        return match column.place {
            0 => Role::Time,
            1 => Role::Service,
            2 => Role::Path,
            3 => Role::Status,
            4 => Role::Latency(column.factor),
            6 => Role::Trace,
            7 => Role::Host,
            _ => Role::Ignored,
        };
    }
    match column_of::<Logs>(&lower).map(|column| column.place) {
        Some(2) => Role::Body,
        Some(3) => Role::Level,
        _ => Role::Ignored,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(layout: &str, line: &str) -> Option<Vec<(Role, String)>> {
        let layout = Layout::parse(layout).unwrap();
        let mut found = Vec::new();
        layout.split(line, |role, text| {
            if role != Role::Ignored {
                found.push((role, text.to_owned()));
            }
        })?;
        Some(found)
    }

    #[test]
    fn format_strings_of_servers() {
        let line = r#"10.0.0.7 - - [29/Nov/2026:05:01:45 +0000] "GET /a HTTP/1.1" 200 5 0.014"#;
        let want = [
            (Role::Time, "29/Nov/2026:05:01:45 +0000".to_owned()),
            (Role::Request, "GET /a HTTP/1.1".to_owned()),
            (Role::Status, "200".to_owned()),
            (Role::Latency(1000.0), "0.014".to_owned()),
        ];
        let nginx = "log_format main '$remote_addr - $remote_user [$time_local] \"$request\" '\n\
            '$status $body_bytes_sent $request_time';";
        assert_eq!(fields(nginx, line).unwrap(), want);
        let line = line.replace("0.014", "14000");
        let found = fields(r#"LogFormat "%h %l %u %t \"%r\" %>s %b %D" timed"#, &line).unwrap();
        assert_eq!(found[0], (Role::Time, "[29/Nov/2026:05:01:45 +0000]".to_owned()));
        assert_eq!(found[3], (Role::Latency(1e-3), "14000".to_owned()));
        assert_eq!(fields("$msec $status", "no-space"), None);
    }

    #[test]
    fn regular_expressions_with_named_groups() {
        let pattern = r"^(?P<time>\S+) (?P<level>\w+) (?P<path>/\S*) took (?P<duration_s>[\d.]+)";
        let found = fields(pattern, "2026-01-06T10:00:00Z INFO /pay took 0.25 s").unwrap();
        let roles: Vec<Role> = found.iter().map(|(role, _)| *role).collect();
        assert_eq!(roles, [Role::Time, Role::Level, Role::Path, Role::Latency(1000.0)]);
    }

    #[test]
    fn layouts_without_a_time_are_refused() {
        for text in ["plain", "$status", "%h %u", "(?P<status>\\d+)", "(?P<time>[)"] {
            assert!(Layout::parse(text).is_err(), "{text}");
        }
    }
}
