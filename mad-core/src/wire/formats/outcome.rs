//! What the requests ended with, that one series of a counter counts.

use super::series_name::resource_of;

/// Labels that state the status of requests.
const LABELS: [&str; 9] = [
    "code",
    "status",
    "status_code",
    "http_status",
    "http_status_code",
    "http.status_code",
    "response_code",
    "http_response_status_code",
    "http.response.status_code",
];
/// Words in the names of counters that count something else by status.
const OTHER_UNITS: [&str; 3] = ["byte", "_size", "_sum"];

/// Where the series of one status belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The labels without the status.
    pub resource: String,
    pub failed: bool,
}

impl Outcome {
    /// The outcome that the labels of a counter state: a status such as `503` or `5xx`.
    pub fn of<'l>(metric: &str, labels: &[(&'l str, &'l str)]) -> Option<Self> {
        let (name, status) = labels.iter().find(|(label, _)| LABELS.contains(label))?;
        let is_status = matches!(
            status.as_bytes(),
            [b'1'..=b'5', rest @ ..] if rest.len() == 2
                && rest.iter().all(|digit| digit.is_ascii_digit() || matches!(digit, b'x' | b'X'))
        );
        if !is_status || OTHER_UNITS.iter().any(|word| metric.contains(word)) {
            return None;
        }
        let others = labels.iter().filter(|(label, _)| label != name).copied();
        Some(Self { resource: resource_of(others), failed: status.starts_with('5') })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_a_number_or_a_class() {
        let of = |status: &str| Outcome::of("http_requests_total", &[("code", status), ("r", "/")]);
        assert_eq!(of("200"), Some(Outcome { resource: "r=/".to_owned(), failed: false }));
        assert!(of("5xx").is_some_and(|outcome| outcome.failed));
        assert_eq!(of("7"), None);
        assert_eq!(of("OK"), None);
        assert_eq!(Outcome::of("http_response_size_bytes_total", &[("code", "200")]), None);
    }
}
