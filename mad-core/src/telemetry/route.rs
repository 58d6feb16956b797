//! Raw paths to routes: `/item/123` is one more request of `/item/{id}`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What a part of a path becomes that names one thing among many.
const ID: &str = "{id}";
/// Most patterns of one configuration: each new path is compared with all of them.
const MAX_PATTERNS: usize = 1_000;

/// Turns raw paths into routes, so that a path per customer does not make an entity per customer.
///
/// Only paths are changed: texts that begin with `/`, or with a scheme and a host, after an optional
/// method (`GET /item/3`). Query, fragment, the protocol of a request line (` HTTP/1.1`) and parameters
/// of segments (`;jsessionid=1A2B`) are removed. The first pattern that matches the whole
/// path gives its text. Otherwise a segment becomes `{id}` when it is
///
/// - a number, a date, or several joined (`42`, `2026-01-06`, `10.0.0.7`, `3,4`); a short decimal
///   is a version and stays (`1.0`), as do `v1` and every other word;
/// - a UUID, or eight and more hexadecimal digits with a decimal one among them;
/// - an e-mail address;
/// - sixteen and more letters and digits, unlike words (ULIDs, tokens, keys).
///
/// Templating a route again changes nothing.
///
/// # Examples
///
/// ```
/// use mad_core::RouteTemplates;
///
/// let routes =
///     RouteTemplates { patterns: vec!["/files/{path*}".into()], ..RouteTemplates::default() };
/// assert_eq!(routes.template("GET /v1/item/123?full=1"), "GET /v1/item/{id}");
/// assert_eq!(routes.template("/files/2026/notes.txt"), "/files/{path*}");
/// assert_eq!(routes.template("/cart/add"), "/cart/add");
/// assert_eq!(routes.template("GET /cart;jsessionid=1A2B?x=1 HTTP/1.1"), "GET /cart");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RouteTemplates {
    /// Whether paths are touched at all. Default true.
    pub enabled: bool,
    /// Routes that win over the rules, at most 1,000: `/item/{sku}` takes one segment for a name in
    /// braces, `/files/{path*}` all that are left, one at least. Default none.
    pub patterns: Vec<String>,
}

impl Default for RouteTemplates {
    fn default() -> Self {
        Self { enabled: true, patterns: Vec::new() }
    }
}

impl RouteTemplates {
    /// Checks every pattern.
    ///
    /// # Errors
    ///
    /// Names the pattern that is not a path of plain segments and names in braces, or where
    /// `{name*}` is not last; more than 1,000 patterns.
    pub fn validate(&self) -> Result<()> {
        if self.patterns.len() > MAX_PATTERNS {
            let value = format!("a list of {}", self.patterns.len());
            return Err(Error::config("routes.patterns", value, "at most 1000 patterns"));
        }
        for (i, pattern) in self.patterns.iter().enumerate() {
            if !is_pattern(pattern) {
                let expected = "a path such as /item/{sku} or /files/{path*}, the latter name last";
                let field = format!("routes.patterns[{i}]");
                return Err(Error::config(&field, format!("{pattern:?}"), expected));
            }
        }
        Ok(())
    }

    /// The route of an endpoint. Borrowed unless segments had to be replaced or a pattern stands
    /// behind a method or a host.
    pub fn template<'a>(&'a self, endpoint: &'a str) -> Cow<'a, str> {
        let Some((before, path)) = split(endpoint).filter(|_| self.enabled) else {
            return Cow::Borrowed(endpoint);
        };
        let path = path.find(['?', '#']).and_then(|end| path.get(..end)).unwrap_or(path);
        let path = without_protocol(path);
        let bare = endpoint.get(..before.len() + path.len()).unwrap_or(endpoint);
        if path.split('/').any(has_parameters) {
            return Cow::Owned(
                self.template(&format!("{before}{}", without_parameters(path))).into_owned(),
            );
        }
        if let Some(pattern) = self.patterns.iter().find(|pattern| matches(pattern, path)) {
            return match before {
                _ if pattern == path => Cow::Borrowed(bare),
                "" => Cow::Borrowed(pattern),
                _ => Cow::Owned(format!("{before}{pattern}")),
            };
        }
        if !path.split('/').any(is_id) {
            return Cow::Borrowed(bare);
        }
        let mut route = String::with_capacity(bare.len() + ID.len());
        route.push_str(before);
        for (i, segment) in path.split('/').enumerate() {
            if i > 0 {
                route.push('/');
            }
            route.push_str(if is_id(segment) { ID } else { segment });
        }
        Cow::Owned(route)
    }
}

/// A path without the ` HTTP/1.1` of a request line.
fn without_protocol(path: &str) -> &str {
    let protocol = path.rsplit_once(' ').filter(|(_, protocol)| protocol.starts_with("HTTP/"));
    protocol.map_or(path, |(path, _)| path.trim_end())
}

/// A path whose segments have no parameters such as `;jsessionid=1A2B` (RFC 3986, section 3.3).
fn without_parameters(path: &str) -> String {
    let bare = |segment| match segment_name(segment) {
        Some(name) => name,
        None => segment,
    };
    path.split('/').map(bare).collect::<Vec<_>>().join("/")
}

fn has_parameters(segment: &str) -> bool {
    segment_name(segment).is_some()
}

/// The name of a segment with parameters.
fn segment_name(segment: &str) -> Option<&str> {
    let (name, parameters) = segment.split_once(';')?;
    parameters.contains('=').then_some(name)
}

/// What stands before the path, and the path; nothing where there is no path.
fn split(endpoint: &str) -> Option<(&str, &str)> {
    let method = match endpoint.split_once(' ') {
        Some((word, _)) if !word.is_empty() && word.bytes().all(|b| b.is_ascii_uppercase()) => {
            word.len() + 1
        }
        _ => 0,
    };
    let rest = endpoint.get(method..)?;
    if rest.starts_with('/') {
        return endpoint.split_at_checked(method);
    }
    let (scheme, behind) = rest.split_once("://")?;
    let named = !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric());
    let host = behind.find(['/', '?', '#']).filter(|_| named)?;
    endpoint.split_at_checked(method + scheme.len() + "://".len() + host)
}

/// The name in braces of a pattern's segment, and whether it takes all that are left.
fn name_of(segment: &str) -> Option<(&str, bool)> {
    let name = segment.strip_prefix('{')?.strip_suffix('}')?;
    Some(name.strip_suffix('*').map_or((name, false), |name| (name, true)))
}

fn is_pattern(pattern: &str) -> bool {
    let Some(path) = pattern.strip_prefix('/') else { return false };
    let plain = |text: &str| {
        !text.contains(|c: char| "{}*?#".contains(c) || c.is_whitespace() || c.is_control())
    };
    let last = path.split('/').count();
    path.split('/').enumerate().all(|(i, segment)| match name_of(segment) {
        Some((name, all)) => !name.is_empty() && plain(name) && (!all || i + 1 == last),
        None => plain(segment),
    })
}

fn matches(pattern: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    for wanted in pattern.split('/') {
        let Some(segment) = segments.next() else { return false };
        match name_of(wanted) {
            Some((_, true)) => return !segment.is_empty() || segments.next().is_some(),
            // the rest of a route, as another pattern wrote it, is no single segment
            Some((_, false)) if segment.is_empty() || segment.ends_with("*}") => return false,
            None if wanted != segment => return false,
            _ => {}
        }
    }
    segments.next().is_none()
}

fn is_id(segment: &str) -> bool {
    let has_digit = segment.bytes().any(|b| b.is_ascii_digit());
    if !has_digit {
        return is_address(segment);
    }
    is_numeric(segment) || is_hexadecimal(segment) || is_address(segment) || is_token(segment)
}

/// Numbers and combinations of them, such as dates with their time.
fn is_numeric(segment: &str) -> bool {
    let version = segment.len() <= 4 && segment.contains('.') && !segment.starts_with('-');
    let numbers = segment.bytes().all(|b| b.is_ascii_digit() || b",;:.-_+".contains(&b));
    (numbers && !version) || is_date(segment.as_bytes())
}

/// Whether a day stands in front, as in `2026-01-06T10:45:00Z`.
fn is_date(bytes: &[u8]) -> bool {
    let Some((date, rest)) = bytes.split_at_checked(10) else { return false };
    let [year @ .., b'-', m0, m1, b'-', d0, d1] = date else { return false };
    year.iter().chain([m0, m1, d0, d1]).all(u8::is_ascii_digit)
        && !rest.first().is_some_and(u8::is_ascii_digit)
}

/// UUIDs, hashes, addresses in memory.
fn is_hexadecimal(segment: &str) -> bool {
    let hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
    let mut lengths = [8, 4, 4, 4, 12].into_iter();
    let uuid = segment.len() == 36
        && segment.split('-').all(|part| lengths.next() == Some(part.len()) && hex(part));
    let long = segment.strip_prefix("0x").unwrap_or(segment);
    uuid || (long.len() >= 8 && hex(long))
}

fn is_address(segment: &str) -> bool {
    let parts = segment.split_once('@').or_else(|| segment.split_once("%40"));
    parts.is_some_and(|(user, host)| {
        !user.is_empty() && host.contains('.') && !host.starts_with('.') && !host.ends_with('.')
    })
}

/// Letters and digits mixed as no words are: the runs that hold both are twelve characters in all
/// or more, and have four digits or change, to a digit, a letter or a capital, every third time.
fn is_token(segment: &str) -> bool {
    let alphabet = |b: u8| b.is_ascii_alphanumeric() || b"-_.~=+%".contains(&b);
    if segment.len() < 16 || !segment.bytes().all(alphabet) {
        return false;
    }
    let (mut length, mut digits, mut pieces) = (0, 0, 0);
    for run in segment.split(|c: char| !c.is_ascii_alphanumeric()).map(str::as_bytes) {
        let here = run.iter().filter(|b| b.is_ascii_digit()).count();
        if here > 0 && here < run.len() {
            length += run.len();
            digits += here;
            pieces += 1 + run.windows(2).filter(|pair| is_joint(pair)).count();
        }
    }
    length >= 12 && (digits >= 4 || length <= 3 * pieces)
}

/// Whether another word or number begins between two letters or digits.
fn is_joint(pair: &[u8]) -> bool {
    let [a, b] = pair else { return false };
    a.is_ascii_digit() != b.is_ascii_digit() || (a.is_ascii_lowercase() && b.is_ascii_uppercase())
}
