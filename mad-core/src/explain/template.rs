//! Templates that can only say what the evidence holds.

use serde::{Deserialize, Serialize};

use super::Explanation;
use super::causes::Pattern;
use super::words::{
    clock, date_clock, duration, likelihood, milliseconds, name, number, percent, plural, quantity,
};
use crate::culprit::{Evidence, Ranking};
use crate::feature::Signal;
use crate::history::FlaggedSignal;
use crate::incident::Incident;
use crate::time::Timestamp;

/// Explains incidents by templates: each sentence takes its numbers from the incident's evidence
/// and is left out where there are none.
///
/// # Examples
///
/// See [`Pipeline::explain`](crate::Pipeline::explain).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateExplainer {
    step: i64,
}

impl TemplateExplainer {
    /// For rows of `step` nanoseconds, which decides how times are written.
    pub const fn new(step: i64) -> Self {
        Self { step }
    }

    /// Explains an incident; `ranking` is the one at its end, if there is one.
    pub fn explain(&self, incident: &Incident, ranking: Option<&Ranking>) -> Explanation {
        let pattern = Pattern::new(incident);
        Explanation {
            summary: self.summary(incident, ranking),
            why_flagged: self.why_flagged(incident),
            impact: impact(incident),
            likely_causes: pattern.causes(),
            recommended_actions: pattern.actions(),
            confidence: incident.confidence(),
            confidence_rule: confidence_rule(incident),
            line: self.line(incident),
        }
    }

    fn summary(&self, incident: &Incident, ranking: Option<&Ranking>) -> String {
        let changes: Vec<String> = incident.peaks.iter().map(|peak| change(&peak.signal)).collect();
        let what = format!(
            "{}: {} between {} and {} ({}).",
            incident.entity,
            if changes.is_empty() { "flagged".to_owned() } else { list(&changes) },
            date_clock(incident.start, self.step),
            clock(incident.end, self.step),
            self.rows(incident),
        );
        match ranking.and_then(|ranking| ranking.culprits.first()) {
            Some(first) if first.entity == incident.entity => {
                format!("{what} It holds {} of all evidence in that time.", percent(first.score))
            }
            Some(first) => format!(
                "{what} Stronger evidence stood against {} at that time ({}).",
                first.entity,
                percent(first.score),
            ),
            None => what,
        }
    }

    fn rows(&self, incident: &Incident) -> String {
        let unit = if self.step == crate::time::MINUTE { "minute" } else { "step" };
        let all = incident.end.since(incident.start) / self.step.max(1);
        if all as u64 == incident.rows {
            format!("{}, all flagged", duration(incident.end.since(incident.start)))
        } else {
            format!("{} flagged of {}", incident.rows, plural(all as f64, unit))
        }
    }

    fn why_flagged(&self, incident: &Incident) -> Vec<String> {
        let peaks = incident.peaks.iter();
        peaks.map(|peak| self.why(&peak.signal, peak.at)).collect()
    }

    fn why(&self, flagged: &FlaggedSignal, at: Timestamp) -> String {
        let (signal, value) = (flagged.signal, quantity(flagged.signal, flagged.value));
        let bound = if flagged.z < 0.0 {
            format!("at least {}", quantity(signal, flagged.low))
        } else {
            format!("at most {}", quantity(signal, flagged.high))
        };
        format!(
            "At {} the {} was {value}; {bound} was expected (z {}, {}).",
            clock(at, self.step),
            name(signal),
            number(flagged.z, 1),
            likelihood(flagged.evidence),
        )
    }

    fn line(&self, incident: &Incident) -> String {
        let what = incident.peaks.first().map_or_else(String::new, |peak| {
            format!(" {} {}", name(peak.signal.signal), {
                let flagged = &peak.signal;
                let (side, bound) =
                    if flagged.z < 0.0 { ("below", flagged.low) } else { ("above", flagged.high) };
                format!(
                    "{}, {side} the expected {}",
                    quantity(flagged.signal, flagged.value),
                    quantity(flagged.signal, bound)
                )
            })
        });
        format!(
            "[{}] {}:{what} ({} to {}, {} rows)",
            incident.severity.as_str(),
            incident.entity,
            date_clock(incident.start, self.step),
            clock(incident.end, self.step),
            incident.rows,
        )
    }
}

/// `median latency rose to 12.3 times its usual (3,260 ms against 265 ms)`.
fn change(flagged: &FlaggedSignal) -> String {
    let FlaggedSignal { signal, value, expected, z, .. } = *flagged;
    let verb = if z < 0.0 { "fell" } else { "rose" };
    let pair = format!("{} against {}", quantity(signal, value), quantity(signal, expected));
    match signal {
        Signal::P50Latency | Signal::P95Latency if expected > 0.0 => format!(
            "{} {verb} to {} times what was expected ({pair})",
            name(signal),
            number(value / expected, 1),
        ),
        _ => format!("{} {verb} to {pair} expected", name(signal)),
    }
}

fn impact(incident: &Incident) -> Vec<String> {
    let mut out = Vec::new();
    let flagged = |signal: Signal| {
        incident.peaks.iter().map(|peak| &peak.signal).find(|flagged| flagged.signal == signal)
    };
    out.push(if incident.errors > 0 {
        format!(
            "{} of {} in the flagged time failed ({}{}).",
            number(incident.errors as f64, 0),
            plural(incident.requests as f64, "request"),
            percent(incident.error_rate()),
            if incident.errors_rose {
                format!("; {} is usual", percent(incident.expected_error_rate))
            } else {
                String::new()
            },
        )
    } else {
        format!(
            "None of {} in the flagged time failed.",
            plural(incident.requests as f64, "request")
        )
    });
    if let Some(p50) = flagged(Signal::P50Latency) {
        out.push(format!(
            "At the worst, half of the requests took {} or longer; {} is usual.",
            milliseconds(p50.value),
            milliseconds(p50.expected),
        ));
    } else if let Some(p95) = flagged(Signal::P95Latency) {
        out.push(format!(
            "At the worst, the slowest twentieth of the requests took {} or longer; {} is usual.",
            milliseconds(p95.value),
            milliseconds(p95.expected),
        ));
    }
    if let Some(traffic) = flagged(Signal::RequestCount)
        && traffic.z < 0.0
    {
        out.push(format!(
            "About {} did not arrive in the worst step.",
            plural((traffic.expected - traffic.value).round(), "request"),
        ));
    }
    out
}

fn confidence_rule(incident: &Incident) -> String {
    format!(
        "{} flagged, the strongest {}; High needs 3 rows and 1 in 10^8, Medium 2 rows or 1 in 10^6.",
        plural(incident.rows as f64, "row"),
        likelihood(incident.evidence),
    )
}

/// `median latency 3,260 ms against 265 ms expected, in 9 rows`.
pub(crate) fn evidence_text(evidence: &Evidence) -> String {
    format!(
        "{} {} against {} expected, flagged in {}",
        name(evidence.signal),
        quantity(evidence.signal, evidence.value),
        quantity(evidence.signal, evidence.expected),
        plural(evidence.rows as f64, "row"),
    )
}

/// `a, b and c`.
fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}
