//! Which part of the lines of a log is the latency: inferred from its first lines.

use super::tokens::{Form, Token};
use crate::wire::latency_of_text;

/// Keys of latencies in `key=value` parts, the best first.
const KEYS: &[&str] = &[
    "request_time",
    "rt",
    "req_time",
    "reqtime",
    "rtime",
    "request_duration",
    "duration_ms",
    "duration",
    "latency_ms",
    "latency",
    "response_time",
    "resp_time",
    "elapsed",
    "time_taken",
    "took",
    "total_time",
    "time",
    "d",
    "dur",
    "usec",
    "ms",
];
/// Most parts after the size that are looked at.
const MOST_PARTS: usize = 24;

/// Where a latency stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Place {
    /// The part with this number after the size.
    At(usize),
    Key(String),
    /// The last part with a unit, such as `12ms`.
    Unit,
}

/// Where the latency stands, and its unit.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Plan {
    pub place: Option<Place>,
    /// Milliseconds of one unit of a number without one.
    pub factor: f64,
    /// The part that names the service.
    pub service: Option<usize>,
    /// The inference in words, for people.
    pub note: Option<String>,
}

impl Plan {
    /// Of the access log of S3: the bytes, the size of the object and the milliseconds in all follow
    /// the code of the error.
    pub fn of_s3() -> Self {
        Self { place: Some(Place::At(2)), factor: 1.0, service: None, note: None }
    }
}

/// What a log's name and option say about its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Server {
    Nginx,
    Apache,
    Tomcat,
    Unknown,
}

/// The values of one part in the first lines.
#[derive(Debug, Clone, Default)]
struct Values {
    whole: Vec<u64>,
    /// Values with exactly three digits behind the point, and their sum.
    thousandths: usize,
    sum: f64,
    with_unit: usize,
    missing: usize,
    /// `0/64759`: seconds and microseconds.
    pairs: usize,
    others: usize,
    is_before_bracket: bool,
}

impl Values {
    fn add(&mut self, token: &Token<'_>) {
        let text = token.text;
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let first = text.split([',', ':']).next().unwrap_or_default().trim();
        if text == "-" || text.is_empty() {
            self.missing += 1;
        } else if is_number(text) {
            self.whole.push(text.parse().unwrap_or(u64::MAX));
        } else if first.split_once('.').is_some_and(|(whole, part)| {
            is_number(whole) && whole.len() < 7 && is_number(part) && matches!(part.len(), 3 | 6)
        }) {
            self.thousandths += 1;
            let sum = latency_of_text(text);
            self.sum += if sum.is_finite() { sum } else { 0.0 };
        } else if text.split_once('/').is_some_and(|(a, b)| is_number(a) && is_number(b)) {
            self.pairs += 1;
        } else if text.starts_with(|c: char| c.is_ascii_digit())
            && ["ms", "s", "us", "µs", "ns"].iter().any(|unit| text.ends_with(unit))
            && latency_of_text(text).is_finite()
        {
            self.with_unit += 1;
        } else {
            self.others += 1;
        }
    }

    /// Whether nine of ten values that are not missing have one form.
    fn mostly(&self, found: usize) -> bool {
        let all = self.whole.len() + self.thousandths + self.with_unit + self.pairs + self.others;
        found > 0 && found * 10 >= all * 9
    }
}

/// The parts after the size in the first lines, and how their sizes are written.
#[derive(Debug, Clone, Default)]
pub(super) struct Sample {
    columns: Vec<Values>,
    keys: Vec<(String, Values)>,
    /// Sizes written as `0`; Apache writes `-`.
    zero_sizes: usize,
}

impl Sample {
    /// Takes one line: its size and the parts after it.
    pub fn add<'a>(&mut self, size: &str, parts: impl Iterator<Item = Token<'a>>) {
        self.zero_sizes += usize::from(size == "0");
        let parts: Vec<Token<'_>> = parts.take(MOST_PARTS).collect();
        for (at, token) in parts.iter().enumerate() {
            if token.key.is_empty() {
                if self.columns.len() <= at {
                    self.columns.resize(at + 1, Values::default());
                }
                if let Some(values) = self.columns.get_mut(at) {
                    values.add(token);
                    let next = parts.get(at + 1).map(|next| next.form);
                    values.is_before_bracket |=
                        token.form == Form::Word && next == Some(Form::Bracketed);
                }
            } else if let Some((_, values)) = self.keys.iter_mut().find(|(key, _)| key == token.key)
            {
                values.add(token);
            } else if self.keys.len() < MOST_PARTS {
                let mut values = Values::default();
                values.add(token);
                self.keys.push((token.key.to_owned(), values));
            }
        }
    }

    /// Where the latency stands.
    pub fn plan(&self, server: Server) -> Plan {
        self.keyed()
            .or_else(|| self.with_unit())
            .or_else(|| self.seconds())
            .or_else(|| self.pair().or_else(|| self.whole(server)))
            .unwrap_or_default()
    }

    fn keyed(&self) -> Option<Plan> {
        let known =
            |wanted: &str| self.keys.iter().find(|(key, _)| key.eq_ignore_ascii_case(wanted));
        let (key, values) = KEYS.iter().find_map(|key| known(key))?;
        let factor = if key.ends_with("_ms") || key == "ms" {
            1.0
        } else if key == "usec" || key.ends_with("_us") {
            1e-3
        } else if values.thousandths > 0 {
            1000.0
        } else {
            unit_of_whole(&values.whole).0
        };
        let note = format!("the latency is {key}, in units of {}", named(factor));
        Some(Plan { place: Some(Place::Key(key.clone())), factor, service: None, note: Some(note) })
    }

    fn with_unit(&self) -> Option<Plan> {
        let at = self
            .columns
            .iter()
            .rposition(|values| values.with_unit > 0 && values.mostly(values.with_unit))?;
        // Traefik: the number of the request, the router and the server stand before the duration
        let is_traefik = at == 5 && self.columns.get(2).is_some_and(|c| c.mostly(c.whole.len()));
        let service = is_traefik.then_some(3);
        Some(Plan { place: Some(Place::Unit), factor: 1.0, service, note: None })
    }

    /// `$request_time` and `$upstream_response_time`: seconds with three digits behind the point.
    /// The request takes longer than its upstream, and it is never missing.
    fn seconds(&self) -> Option<Plan> {
        let found = self
            .columns
            .iter()
            .enumerate()
            .filter(|(_, values)| values.thousandths > 0 && values.mostly(values.thousandths));
        let better = |(_, a): &(usize, &Values), (_, b): &(usize, &Values)| {
            let key = |values: &Values| (values.is_before_bracket, values.missing == 0);
            key(a).cmp(&key(b)).then(a.sum.total_cmp(&b.sum))
        };
        // the last of equal ones would be found, and the first is wanted
        let (at, values) = found.rev().max_by(better)?;
        let note = "the latency is the number of seconds with three digits after the size";
        // the ingress controller of Kubernetes: the upstream follows in brackets
        let service = values.is_before_bracket.then_some(at + 1);
        let place = Some(Place::At(at));
        Some(Plan { place, factor: 1000.0, service, note: Some(note.to_owned()) })
    }

    /// `%T/%D`.
    fn pair(&self) -> Option<Plan> {
        let at = self
            .columns
            .iter()
            .position(|values| values.pairs > 0 && values.mostly(values.pairs))?;
        let note = "the latency is read from %T/%D, in microseconds".to_owned();
        Some(Plan { place: Some(Place::At(at)), factor: 1e-3, service: None, note: Some(note) })
    }

    /// `%D`, `%{ms}T` or `%T`: a whole number at the end. nginx writes no latency as a whole number.
    fn whole(&self, server: Server) -> Option<Plan> {
        let mut found = self.columns.iter().enumerate().filter(|(_, values)| {
            values.whole.len() > values.others + values.missing && values.whole.len() >= 2
        });
        let (at, values) = found.next()?;
        let second = found.next();
        if server == Server::Nginx || (server == Server::Unknown && self.zero_sizes > 0) {
            return None;
        }
        if let Some((_, seconds)) = second {
            // %D %T: the second number is the first in whole seconds
            let both = values.whole.iter().zip(&seconds.whole);
            if !both.clone().all(|(micros, seconds)| micros / 1_000_000 == *seconds) {
                return None;
            }
        }
        let (factor, name) = match server {
            Server::Tomcat => (1.0, "milliseconds"),
            _ => unit_of_whole(&values.whole),
        };
        let note = format!(
            "the number after the size is taken as a latency in {name}; give --pattern if it is none"
        );
        Some(Plan { place: Some(Place::At(at)), factor, service: None, note: Some(note) })
    }
}

/// The unit of latencies that are whole numbers. No request takes 0 us, and few take below 100 us.
fn unit_of_whole(values: &[u64]) -> (f64, &'static str) {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let median = sorted.get(sorted.len() / 2).copied().unwrap_or(0);
    let zeros = sorted.iter().filter(|value| **value == 0).count();
    let most = sorted.last().copied().unwrap_or(0);
    if zeros * 2 > sorted.len() && most < 300 {
        (1000.0, "seconds")
    } else if zeros > 0 || median < 100 {
        (1.0, "milliseconds")
    } else {
        (1e-3, "microseconds")
    }
}

fn named(factor: f64) -> &'static str {
    match factor {
        1000.0 => "1 s",
        1.0 => "1 ms",
        _ => "1 us",
    }
}
