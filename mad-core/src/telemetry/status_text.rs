//! Statuses from the words of gateways, libraries and load tools.
//!
//! The file is longer than others because its tests stand below the code.

use super::status::{GRPC_NAMES, Status};

/// Texts for a status that is not there.
const MISSING: [&str; 14] = [
    "",
    "-",
    "--",
    "null",
    "none",
    "nil",
    "nan",
    "n/a",
    "na",
    "<na>",
    "undefined",
    "(null)",
    "\\n",
    "?",
];
/// Words for a success, lower case.
const SUCCESS: [&str; 16] = [
    "ok",
    "okay",
    "success",
    "succeeded",
    "successful",
    "pass",
    "passed",
    "true",
    "complete",
    "completed",
    "done",
    "unset",
    "yes",
    "healthy",
    "up",
    "ok.",
];
/// Words for a failure, lower case.
const FAILURE: [&str; 13] = [
    "error",
    "err",
    "ko",
    "fail",
    "failed",
    "failure",
    "fault",
    "false",
    "no",
    "down",
    "unhealthy",
    "crashed",
    "dead",
];
/// Reason phrases of HTTP (RFC 9110) and classes of status that metrics libraries write, without
/// separators.
const PHRASES: [(&str, u16); 33] = [
    ("created", 201),
    ("accepted", 202),
    ("nocontent", 204),
    ("partialcontent", 206),
    ("informational", 100),
    ("redirection", 300),
    ("redirect", 302),
    ("movedpermanently", 301),
    ("found", 302),
    ("seeother", 303),
    ("notmodified", 304),
    ("temporaryredirect", 307),
    ("permanentredirect", 308),
    ("clienterror", 400),
    ("badrequest", 400),
    ("unauthorized", 401),
    ("forbidden", 403),
    ("denied", 403),
    ("methodnotallowed", 405),
    ("conflict", 409),
    ("gone", 410),
    ("payloadtoolarge", 413),
    ("unprocessableentity", 422),
    ("unprocessablecontent", 422),
    ("toomanyrequests", 429),
    ("throttled", 429),
    ("ratelimited", 429),
    ("clientclosedrequest", 499),
    ("servererror", 500),
    ("internalservererror", 500),
    ("notimplemented", 501),
    ("badgateway", 502),
    ("serviceunavailable", 503),
];
/// Parts of texts about a connection that failed or an answer that did not come, lower case.
const NO_RESPONSE: [&str; 37] = [
    "non http",
    "timeout",
    "time-out",
    "time out",
    "timed out",
    "timedout",
    "refused",
    "reset",
    "unreachable",
    "no route",
    "closed",
    "hang up",
    "hung up",
    "broken pipe",
    "eof",
    "econn",
    "enotfound",
    "eai_again",
    "epipe",
    "unknown host",
    "unknownhost",
    "getaddrinfo",
    "name resolution",
    "no such host",
    "could not resolve",
    "handshake",
    "certificate",
    "ssl",
    "connect",
    "socket",
    "no response",
    "noresponse",
    "no_response",
    "no healthy upstream",
    "net::err",
    "network",
    "dns",
];
/// Parts of texts about another failure, lower case.
const FAILED: [&str; 8] =
    ["exception", "error", "fail", "fatal", "crash", "panic", "abort", "unavailable"];
/// Words beside which a number of three digits is a status, lower case.
const BESIDE: [&str; 6] = ["status", "code", "http", "respon", "returned", "error"];
/// Bytes of a text that are read; the rest of a stack trace adds nothing.
const READ_BYTES: usize = 400;

impl Status {
    /// Reads what a source wrote, by the table of [`Status`].
    #[inline]
    pub fn parse(text: &str) -> Self {
        // nearly every status is an HTTP status of three digits
        if let [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] = text.as_bytes() {
            let digit = |byte: &u8| u16::from(byte - b'0');
            return Self::Http(100 * digit(a) + 10 * digit(b) + digit(c));
        }
        status(text)
    }

    /// Reads a status of a column that holds gRPC codes: as [`parse`](Self::parse), but `0` is `OK`.
    pub fn parse_grpc(text: &str) -> Self {
        if text.trim_ascii() == "0" { Self::Grpc(0) } else { Self::parse(text) }
    }
}

/// A status in any of the forms of [`Status`].
#[inline(never)]
fn status(text: &str) -> Status {
    let text = plain(text);
    if let Some(status) = number(text).or_else(|| last_of_several(text)) {
        return status;
    }
    let lower = text.to_ascii_lowercase();
    if MISSING.contains(&lower.as_str()) {
        return Status::NoResponse;
    }
    if SUCCESS.contains(&lower.as_str()) {
        return Status::Success;
    }
    if FAILURE.contains(&lower.as_str()) {
        return Status::Failure;
    }
    let about = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if lower.starts_with("non http") {
        return Status::NoResponse;
    }
    if let Some(status) = class(&lower).or_else(|| leading(text)).or_else(|| grpc(text)) {
        return status;
    }
    let word: String = lower.chars().filter(char::is_ascii_alphanumeric).collect();
    if let Some((_, code)) = PHRASES.iter().find(|(phrase, _)| *phrase == word) {
        return Status::Http(*code);
    }
    if word == "gatewaytimeout" {
        return Status::Http(504);
    }
    if word == "requesttimeout" {
        return Status::Http(408);
    }
    if about(&BESIDE)
        && let Some(status) = within(text)
    {
        return status;
    }
    if about(&NO_RESPONSE) {
        return Status::NoResponse;
    }
    if about(&FAILED) { Status::Failure } else { Status::Unknown }
}

/// The text without white space, quotes and brackets around it, and not longer than is useful.
fn plain(text: &str) -> &str {
    let mut end = text.len().min(READ_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = text.get(..end).unwrap_or(text).trim();
    let bare = text.trim_matches(|c: char| c.is_whitespace() || "\"'[]{}|".contains(c));
    // "(null)" and "<NA>" are words for nothing
    bare.strip_prefix('<').and_then(|inner| inner.strip_suffix('>')).map_or(bare, str::trim)
}

/// A whole text that is a number.
fn number(text: &str) -> Option<Status> {
    let numeric = text.bytes().all(|b| b.is_ascii_digit() || b".+-eE".contains(&b));
    let number = text.parse().ok().filter(|_| numeric && text.bytes().any(|b| b.is_ascii_digit()));
    number.map(Status::from_number)
}

/// The last of several statuses, as proxies write the statuses of all their attempts.
fn last_of_several(text: &str) -> Option<Status> {
    let parts = || text.split([',', ';']).flat_map(|part| part.split(" : ")).map(str::trim);
    let missing = |part: &str| part.is_empty() || part == "-";
    if parts().count() < 2 || !parts().all(|part| missing(part) || number(part).is_some()) {
        return None;
    }
    let last = parts().filter(|part| !part.is_empty()).last()?;
    Some(number(last).unwrap_or(Status::NoResponse))
}

/// `5xx` and `5**`.
fn class(lower: &str) -> Option<Status> {
    match lower.as_bytes() {
        [digit @ b'1'..=b'5', b'x' | b'*', b'x' | b'*'] => {
            Some(Status::Http(100 * u16::from(digit - b'0')))
        }
        _ => None,
    }
}

/// The name of a gRPC code, alone, behind its number, or in the text of an error of gRPC.
fn grpc(text: &str) -> Option<Status> {
    let text = match text.split_once("code = ") {
        Some((_, rest)) => rest.split_once(" desc").map_or(rest, |(name, _)| name),
        None => text,
    };
    // StatusCode.UNAVAILABLE, codes.Unavailable, STATUS_CODE_UNAVAILABLE
    let text = text.rsplit_once('.').map_or(text, |(_, name)| name);
    let head = text.get(..12).filter(|head| head.eq_ignore_ascii_case("status_code_"));
    let text = head.map_or(text, |_| text.get(12..).unwrap_or_default());
    let name = text.trim_start_matches(|c: char| c.is_ascii_digit() || " :-".contains(c));
    let name = name.split([':', '(', ',']).next().unwrap_or(name);
    let same = |known: &str| {
        let mut known = known.bytes().filter(|b| *b != b'_');
        let given = name.bytes().filter(|b| !b"_ -".contains(b));
        given.into_iter().all(|b| known.next() == Some(b.to_ascii_uppercase()))
            && known.next().is_none()
    };
    if same("CANCELED") {
        return Some(Status::Grpc(1));
    }
    let place = GRPC_NAMES.iter().position(|known| same(known))?;
    u8::try_from(place).ok().map(Status::Grpc)
}

/// `200 OK`, `502: Bad Gateway`, `HTTP/1.1 502`, `HTTP_502`, `TCP_MISS/502`.
fn leading(text: &str) -> Option<Status> {
    let http = text.get(..4).filter(|head| head.eq_ignore_ascii_case("http"));
    let rest = http.map_or(text, |_| text.get(4..).unwrap_or_default());
    let rest = rest.strip_prefix('/').filter(|_| http.is_some()).map_or(rest, |version| {
        version.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.')
    });
    let rest = rest.trim_start_matches([' ', '_', '-', ':']);
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let ends = !rest.get(digits..).is_some_and(|tail| tail.starts_with(char::is_alphanumeric));
    if digits == 3 && ends {
        return number(rest.get(..digits)?);
    }
    let (_, last) = text.rsplit_once('/')?;
    number(last).filter(|_| last.len() == 3)
}

/// A number of three digits from 100 to 599 that stands alone in a sentence.
fn within(text: &str) -> Option<Status> {
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != ':');
    let code = words.find_map(|word| {
        let word = word.trim_matches(['.', ':']);
        word.parse::<u16>().ok().filter(|code| word.len() == 3 && (100..=599).contains(code))
    });
    code.map(Status::Http)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_gateways_and_load_tools_write() {
        use Status::{Failure, Grpc, Http, NoResponse, Success, Unknown};
        for (text, want) in [
            ("502", Http(502)),
            (" 502 ", Http(502)),
            ("502.0", Http(502)),
            ("5.02e2", Http(502)),
            ("\"404\"", Http(404)),
            ("[503]", Http(503)),
            ("200 OK", Http(200)),
            ("502 Bad Gateway", Http(502)),
            ("429: Too Many Requests", Http(429)),
            ("HTTP/1.1 502 Bad Gateway", Http(502)),
            ("HTTP/2 200", Http(200)),
            ("HTTP_500", Http(500)),
            ("http 404", Http(404)),
            ("TCP_MISS/502", Http(502)),
            ("TCP_MISS_ABORTED/000", NoResponse),
            ("5xx", Http(500)),
            ("2XX", Http(200)),
            ("5**", Http(500)),
            ("999", Http(999)),
            ("Bad Gateway", Http(502)),
            ("INTERNAL_SERVER_ERROR", Http(500)),
            ("Gateway Timeout", Http(504)),
            ("Request failed with status code 503", Http(503)),
            ("HTTP Status 500 – Internal Server Error", Http(500)),
            ("Unexpected server response: 502", Http(502)),
            ("CLIENT_ERROR", Http(400)),
            ("SERVER_ERROR", Http(500)),
            ("14", Grpc(14)),
            ("14 UNAVAILABLE: no connection", Grpc(14)),
            ("UNAVAILABLE", Grpc(14)),
            ("Unavailable", Grpc(14)),
            ("StatusCode.UNAVAILABLE", Grpc(14)),
            ("codes.DeadlineExceeded", Grpc(4)),
            ("STATUS_CODE_NOT_FOUND", Grpc(5)),
            ("rpc error: code = Unavailable desc = connection refused", Grpc(14)),
            ("canceled", Grpc(1)),
            ("OK", Success),
            ("ok", Success),
            ("true", Success),
            ("STATUS_CODE_OK", Grpc(0)),
            ("KO", Failure),
            ("ERROR", Failure),
            ("STATUS_CODE_ERROR", Failure),
            ("false", Failure),
            ("RuntimeError: out of memory", Failure),
            ("0", NoResponse),
            ("0.0", NoResponse),
            ("000", NoResponse),
            ("-1", NoResponse),
            ("-", NoResponse),
            ("", NoResponse),
            ("  ", NoResponse),
            ("null", NoResponse),
            ("NaN", NoResponse),
            ("<NA>", NoResponse),
            ("None", NoResponse),
            ("TIMEOUT", NoResponse),
            ("Time-out", NoResponse),
            ("request timed out after 30000 ms", NoResponse),
            ("ECONNREFUSED", NoResponse),
            ("connect ECONNREFUSED 10.0.0.7:443", NoResponse),
            ("ETIMEDOUT", NoResponse),
            ("Connection reset by peer", NoResponse),
            ("java.net.SocketException: Socket closed", NoResponse),
            ("Non HTTP response code: java.net.ConnectException", NoResponse),
            ("Non HTTP response code: org.apache.http.conn.HttpHostConnectException", NoResponse),
            ("net::ERR_NAME_NOT_RESOLVED", NoResponse),
            ("unexpected EOF", NoResponse),
            ("502, 200", Http(200)),
            ("502, 504", Http(504)),
            ("502,504", Http(504)),
            ("502 : 200", Http(200)),
            ("504, 502 : 200", Http(200)),
            ("502, -", NoResponse),
            ("-, 200", Http(200)),
            ("-, -", NoResponse),
            ("rot", Unknown),
            ("50", Unknown),
            ("1234", Unknown),
            ("200.5", Unknown),
        ] {
            assert_eq!(Status::parse(text), want, "{text:?}");
        }
        assert_eq!(Status::parse_grpc("0"), Grpc(0));
        assert_eq!(Status::parse_grpc("14"), Grpc(14));
    }

    #[test]
    fn every_status_is_at_most_one_kind_of_bad() {
        for code in 100..=999 {
            let status = Status::from(code);
            assert_eq!(status.is_error(), code >= 500, "{code}");
            let client = (300..500).contains(&code) && code != 304;
            assert_eq!(status.is_client_error(), client, "{code}");
        }
        for code in 0..=16 {
            let status = Status::Grpc(code);
            assert!(!(status.is_error() && status.is_client_error()), "{code}");
            assert_eq!(code == 0, !status.is_error() && !status.is_client_error(), "{code}");
            assert_eq!(Status::parse(&status.to_string()).is_error(), status.is_error(), "{code}");
        }
        assert!(Status::NoResponse.is_error() && Status::Failure.is_error());
        assert!(!Status::Unknown.is_error() && !Status::Unknown.is_client_error());
    }
}
