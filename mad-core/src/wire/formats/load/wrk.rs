//! The summary that wrk prints: totals without times of day.

use crate::telemetry::{RecordKind, RejectReason};
use crate::wire::formats::Unit;
use crate::wire::formats::lines::LineReader;
use crate::wire::formats::output::Output;
use crate::wire::latency_of_text;

/// Whether a line begins a summary.
pub(in crate::wire::formats) fn is_wrk(line: &str) -> bool {
    line.starts_with("Running ") && line.contains(" test @ ")
}

/// Reads summaries.
#[derive(Debug, Default)]
pub(in crate::wire::formats) struct WrkReader {
    url: String,
    is_open: bool,
    latency_ms: f64,
    requests: u64,
    facts: Vec<String>,
    notes: Vec<String>,
}

/// Most summaries whose figures are noted.
const NOTED: usize = 20;

impl WrkReader {
    fn give(&mut self, out: &mut Output<'_>) {
        if !std::mem::take(&mut self.is_open) {
            return;
        }
        out.sink.unit(&Unit {
            latency_ms: if self.requests > 0 { self.latency_ms } else { f64::NAN },
            latencies: self.requests,
            ..Unit::new(RecordKind::Requests)
        });
        if self.notes.len() < NOTED {
            self.notes.push(format!("{}: {}", self.url, self.facts.join(", ")));
        }
        (self.latency_ms, self.requests) = (f64::NAN, 0);
        self.facts.clear();
    }
}

impl LineReader for WrkReader {
    fn line(&mut self, text: &str, position: u64, out: &mut Output<'_>) {
        let line = text.trim();
        if is_wrk(line) {
            self.give(out);
            self.url = line.split_once(" @ ").map(|(_, url)| url.to_owned()).unwrap_or_default();
            (self.is_open, self.latency_ms) = (true, f64::NAN);
            return;
        }
        if !self.is_open {
            let detail = || text.to_owned();
            out.rejections.add(RejectReason::BadLine, position, detail);
            return;
        }
        let mut words = line.split_ascii_whitespace();
        let first = words.next().unwrap_or_default();
        if first == "Latency" && self.latency_ms.is_nan() {
            let mean = words.next().unwrap_or_default();
            if mean != "Distribution" {
                self.latency_ms = latency_of_text(mean);
                self.facts.push(format!("mean latency {mean}"));
            }
        } else if line.contains(" requests in ") {
            self.requests = first.parse().unwrap_or(0);
            self.facts.push(line.to_owned());
        } else if ["Requests/sec:", "Socket", "Non-2xx", "99%"].contains(&first) {
            self.facts.push(line.split_ascii_whitespace().collect::<Vec<_>>().join(" "));
        }
    }

    fn end(&mut self, out: &mut Output<'_>) {
        self.give(out);
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }
}
