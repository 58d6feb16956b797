//! Explanations: every number and every direction in them comes from the evidence.

use std::time::Duration;

use mad_core::config::IncidentConfig;
use mad_core::culprit::{Culprit, Ranking};
use mad_core::explain::{Explanation, TemplateExplainer};
use mad_core::feature::{StatusCounts, Subsets};
use mad_core::guard::Severity;
use mad_core::history::{FlaggedRow, FlaggedSignal};
use mad_core::incident::{Incident, IncidentGrouper, IncidentStatus, Peak, RowOutcome};
use mad_core::logs::LogChange;
use mad_core::series::{Entity, EntityId, Signal, SignalKind, SignalName};
use mad_core::telemetry::{LogLevel, Status};
use mad_core::time::{MINUTE, SECOND, Timestamp};
use proptest::prelude::*;

const START: i64 = 1_767_693_600 * SECOND;

/// Payments `/pay` from 10:00 to 10:09 with nine rows and no peaks.
pub(super) fn incident() -> Incident {
    let start = Timestamp::from_nanos(START);
    Incident {
        statuses: StatusCounts::default(),
        subsets: Subsets::default(),
        id: "INC-1".to_owned(),
        fingerprint: "1".to_owned(),
        is_settled: true,
        entity: Entity::new("payments", "/pay"),
        entity_id: EntityId(0),
        start,
        end: start.plus(9 * MINUTE),
        step: Duration::from_secs(60),
        steps_differ: false,
        opened_at: start.plus(2 * MINUTE),
        closed_at: None,
        close_reason: None,
        merged_into: None,
        reopens_until: None,
        reopened: 0,
        quiet: None,
        recurred: 0,
        cooldown: Duration::ZERO,
        longest_quiet: Duration::ZERO,
        rhythm: Duration::ZERO,
        by_time: false,
        acknowledged_at: None,
        status: IncidentStatus::Open,
        severity: Severity::Warning,
        rows: 9,
        requests: 400,
        errors: 0,
        no_response: 0,
        expected_error_rate: 0.01,
        errors_rose: false,
        peaks: Vec::new(),
        onset: None,
        neg_log10_p: 12.3,
        slo: None,
        members: Vec::new(),
        reached: 0,
        last_joined: Timestamp::default(),
        last_active: start.plus(9 * MINUTE),
        seen: mad_core::incident::SeenRows::default(),
    }
}

pub(super) fn peak(signal: Signal, value: f64, expected: f64, z: f64, neg_log10_p: f64) -> Peak {
    let (low, high) = (expected * 0.5, expected * 1.5);
    let signal = FlaggedSignal::new(signal, value, neg_log10_p).expected(expected, low, high).z(z);
    let at = Timestamp::from_nanos(START + 3 * MINUTE);
    Peak { at, signal, neg_log10_p, usual: expected, is_flagged: true }
}

fn explain(incident: &Incident, ranking: Option<&Ranking>) -> Explanation {
    TemplateExplainer.explain(incident, ranking)
}

/// A ranking with this entity first, with this share.
pub(super) fn ranking(entity: Entity, score: f64) -> Ranking {
    let at = Timestamp::from_nanos(START + 8 * MINUTE);
    let culprit = Culprit {
        explained_by: None,
        slow_calls_to: None,
        not_called: None,
        changes: Vec::new(),
        entity,
        entity_id: EntityId(0),
        metric: Signal::P95Latency.into(),
        score,
        onset: at,
        last: at,
        rows: 9,
        severity: Severity::Warning,
        peak_error_rate: 0.0,
        evidence: Vec::new(),
        log: None,
    };
    Ranking { from: at, at, rows: 9, culprits: vec![culprit], abstained: false }
}

fn texts(explanation: &Explanation) -> Vec<String> {
    let Explanation { summary, why_flagged, impact, likely_causes, recommended_actions, .. } =
        explanation;
    let lists = [why_flagged, impact, likely_causes, recommended_actions];
    let lines = [summary, &explanation.line, &explanation.confidence_rule];
    lines.into_iter().chain(lists.into_iter().flatten()).cloned().collect()
}

#[test]
fn the_log_template_that_changed_most_is_named_with_its_counts() {
    let at = |minute: i64| Timestamp::from_nanos(START + minute * MINUTE);
    let log = LogChange {
        template: "no `connection`\nafter <*> ms".to_owned(),
        level: LogLevel::Error,
        lines: 480,
        lines_before: 32,
        from: at(0),
        to: at(8),
        known_since: at(-32),
    };
    let text = |log: LogChange| {
        let mut ranking = ranking(Entity::new("payments", "/pay"), 1.0);
        ranking.culprits[0].log = Some(log);
        ranking.culprits.push(ranking.culprits[0].clone());
        let evidence = explain(&incident(), Some(&ranking)).log_evidence;
        assert_eq!(evidence.len(), 1);
        evidence[0].split_once(" UTC: ").unwrap().1.to_owned()
    };
    let quoted = "`no 'connection'\\nafter <*> ms`";
    let usual = "60 times the usual rate (32 lines in the 32 minutes before).";
    assert_eq!(text(log.clone()), format!("480 error lines {quoted}, {usual}"));
    let new = LogChange { lines_before: 0, level: LogLevel::Other, ..log.clone() };
    assert_eq!(text(new), format!("480 lines {quoted}, none in the 32 minutes before."));
    let stopped = LogChange { lines: 0, lines_before: 320, ..log.clone() };
    let before = "320 lines in the 32 minutes before.";
    assert_eq!(text(stopped), format!("no error line {quoted}, {before}"));
    let first = LogChange { known_since: at(0), lines_before: 0, ..log };
    assert_eq!(text(first), format!("480 error lines {quoted}; the log is not known before."));
}

#[test]
fn a_slow_change_is_reported_as_slow() {
    let mut incident = incident();
    let mut slow = peak(Signal::P50Latency, 156.0, 120.0, 4.2, 5.0);
    slow.signal.drifting_for = Some(Duration::from_secs(12 * 60));
    incident.peaks = vec![slow];
    let explanation = explain(&incident, None);
    let why =
        ["At 10:03 UTC the median latency had climbed from 120 ms to 156 ms over 12 minutes."];
    assert_eq!(explanation.why_flagged, why);
    let summary =
        "payments /pay: median latency has climbed from 120 ms to 156 ms over 12 minutes, ";
    assert!(explanation.summary.starts_with(summary), "{}", explanation.summary);
    let line = "median latency 156 ms (climbed from 120 ms to 156 ms over 12 minutes), ";
    assert!(explanation.line.contains(line), "{}", explanation.line);
}

#[test]
fn a_value_that_needs_earlier_rows_is_not_reported_as_unexpected_alone() {
    let mut incident = incident();
    let mut slow = peak(Signal::P50Latency, 321.0, 287.0, 1.6, 5.1);
    slow.signal.high = slow.signal.value.next_down();
    incident.peaks = vec![slow];
    let explanation = explain(&incident, None);
    assert_eq!(
        explanation.why_flagged[0],
        "At 10:03 UTC the median latency was 321 ms (usual 287 ms), about 1 in 130,000 by chance \
         together with the rows before it."
    );
    assert!(
        explanation.line.contains("median latency 321 ms (usual 287 ms), "),
        "{}",
        explanation.line
    );
}

#[test]
fn the_text_of_an_outage() {
    let mut incident = incident();
    incident.severity = Severity::Critical;
    incident.peaks = vec![
        peak(Signal::P50Latency, 4_214.2, 287.0, 21.2, 12.3),
        peak(Signal::P95Latency, 6_324.0, 379.0, 43.2, 7.1),
    ];
    (incident.errors, incident.errors_rose) = (99, true);
    let own = ranking(incident.entity.clone(), 1.0);
    let explanation = explain(&incident, Some(&own));
    assert_eq!(
        explanation.summary,
        "payments /pay: median latency reached 4,214 ms (usual 287 ms), 2026-01-06 10:00 to 10:09 \
         UTC (9 minutes, all flagged). Also anomalous: 95th-percentile latency 6,324 ms. The \
         error rate was 24.8 %. Nothing else was flagged around that time."
    );
    assert_eq!(
        explanation.why_flagged[0],
        "At 10:03 UTC the median latency was 4,214 ms (usual 287 ms), less than 1 in 10^12 by \
         chance."
    );
    assert_eq!(
        explanation.impact,
        [
            "99 of 400 requests failed in the flagged time. The error rate was 24.8 % (usual 1 %).",
            "At 10:03 UTC half of the requests took 4,214 ms or longer (usual 287 ms).",
        ]
    );
    assert_eq!(
        explanation.likely_causes[0],
        "A dependency of payments that is overloaded or timing out: latency (4,214 ms) and error \
         rate (24.8 %) rose together."
    );
    assert_eq!(explanation.recommended_actions.len(), 5);
    assert_eq!(
        explanation.confidence_rule,
        "9 rows were flagged, the strongest less than 1 in 10^12 by chance. High needs 3 rows and \
         1 in 10^8. Medium needs 2 rows or 1 in 10^6."
    );
    assert_eq!(
        explanation.line,
        "[Critical] payments /pay: median latency 4,214 ms (usual 287 ms), 24.8 % failed, \
         2026-01-06 10:00 to 10:09 UTC"
    );
}

#[test]
fn rows_of_different_steps_are_not_counted_in_minutes() {
    let mut incident = incident();
    incident.steps_differ = true;
    assert!(explain(&incident, None).summary.contains("10:09 UTC (9 rows flagged)."));
}

#[test]
fn an_end_within_a_minute_has_seconds() {
    let mut incident = incident();
    incident.end = incident.end.plus(30 * SECOND);
    let summary = explain(&incident, None).summary;
    assert!(summary.contains("2026-01-06 10:00:00 to 10:09:30 UTC"), "{summary}");
}

#[test]
fn a_member_outside_the_time_of_the_ranking_was_flagged_too() {
    let mut incident = incident();
    let alone = ranking(incident.entity.clone(), 1.0);
    let nothing = "Nothing else was flagged around that time.";
    assert!(explain(&incident, Some(&alone)).summary.ends_with(nothing));
    incident.reached = 1;
    assert!(explain(&incident, Some(&alone)).summary.ends_with("payments /pay ranks first."));
}

#[test]
fn evidence_of_a_metric_can_come_from_the_rows_before() {
    let mut incident = incident();
    let rule = |incident: &Incident| explain(incident, None).confidence_rule;
    let adds_up = "by chance, alone or with the rows before it. High needs";
    assert!(!rule(&incident).contains(adds_up));
    incident.peaks = vec![peak(Signal::P95Latency, 900.0, 100.0, 9.0, 9.0)];
    incident.peaks[0].signal.signal = SignalName::Metric("rss_mb".into());
    assert!(rule(&incident).contains(adds_up), "{}", rule(&incident));
}

#[test]
fn the_text_of_a_drop_and_of_a_surge() {
    let mut incident = incident();
    (incident.rows, incident.requests) = (1, 1);
    incident.peaks = vec![peak(Signal::RequestCount, 1.0, 33.4, -7.3, 4.31)];
    let explanation = explain(&incident, None);
    assert_eq!(
        explanation.summary,
        "payments /pay: number of requests was down to 1 (usual 33), 2026-01-06 10:00 to 10:09 UTC \
         (1 minute flagged)."
    );
    assert_eq!(
        explanation.why_flagged,
        ["At 10:03 UTC the number of requests was 1 (usual 33), about 1 in 20,000 by chance."]
    );
    assert_eq!(
        explanation.impact,
        [
            "No request failed in the flagged time (1 request).",
            "At 10:03 UTC about 32 requests fewer than usual arrived.",
        ]
    );
    assert_eq!(
        explanation.likely_causes,
        ["Callers that stopped calling, or a fault in front of payments that blocks requests: \
             1 request arrived in one step (usual 33)."]
    );
    incident.peaks = vec![peak(Signal::RequestCount, 585.0, 60.0, 32.0, 228.0)];
    let explanation = explain(&incident, None);
    assert_eq!(
        explanation.line,
        "[Warning] payments /pay: number of requests 585 (usual 60), 2026-01-06 10:00 to 10:09 UTC"
    );
    assert!(explanation.likely_causes[0].starts_with("A surge of demand"), "{explanation:?}");
}

#[test]
fn the_text_of_errors_alone() {
    let mut incident = incident();
    (incident.errors, incident.errors_rose, incident.expected_error_rate) = (110, true, 0.0097);
    incident.peaks = vec![peak(Signal::ErrorRate, 0.286, 0.0097, 17.8, 11.6)];
    let explanation = explain(&incident, None);
    assert!(explanation.summary.contains(": error rate reached 28.6 % (usual 0.97 %), 2026"));
    assert_eq!(
        explanation.likely_causes[0],
        "A failing dependency, or a faulty release or configuration of payments: 28.6 % of the \
         requests failed (usual 0.97 %), without a latency anomaly."
    );
    assert_eq!(
        explanation.recommended_actions[0],
        "Read the errors that payments logged from 2026-01-06 10:00 UTC on."
    );
}

#[test]
fn refused_requests_have_causes_by_the_most_frequent_refusal() {
    let causes = [
        ([(Status::Http(500), 9), (Status::Http(401), 5)], "A key, token or permission"),
        ([(Status::NoResponse, 9), (Status::Http(429), 5)], "A rate limit"),
        ([(Status::Http(404), 7), (Status::Http(401), 5)], "A route that was moved"),
        ([(Status::Http(302), 7), (Status::Http(500), 5)], "An address that moved"),
        ([(Status::Http(500), 7), (Status::NoResponse, 5)], "Requests that the service refuses"),
    ];
    for (statuses, cause) in causes {
        let mut incident = incident();
        incident.peaks = vec![peak(Signal::ClientErrorRate, 0.85, 0.003, 20.0, 20.0)];
        incident.statuses = StatusCounts::of(statuses);
        let explanation = explain(&incident, None);
        let first = &explanation.likely_causes[0];
        assert!(first.starts_with(cause), "{first}");
        assert!(explanation.recommended_actions[0].starts_with("Group the refused requests"));
    }
}

#[test]
fn the_text_states_the_ranking() {
    let mut incident = incident();
    incident.peaks = vec![peak(Signal::P95Latency, 900.0, 100.0, 9.0, 9.0)];
    let summary_of =
        |entity: Entity, score: f64| explain(&incident, Some(&ranking(entity, score))).summary;
    let summary = summary_of(incident.entity.clone(), 0.834);
    assert!(summary.ends_with(" payments /pay ranks first."), "{summary}");
    let summary = summary_of(Entity::new("auth", "/login"), 0.6);
    assert!(summary.ends_with(" auth /login ranks first."), "{summary}");
    let actions = |entity| explain(&incident, Some(&ranking(entity, 0.6))).recommended_actions;
    assert_eq!(
        actions(Entity::new("auth", "/login"))[0],
        "Start with auth /login, anomalous since 2026-01-06 10:08 UTC: read its log, and check its \
         releases, saturation and dependencies."
    );
    assert!(!actions(incident.entity.clone())[0].starts_with("Start with"));
    assert!(summary_of(incident.entity.clone(), f64::NAN).ends_with("(9 minutes, all flagged)."));
}

#[test]
fn days_and_short_steps_are_written_out() {
    let mut incident = incident();
    incident.peaks = vec![peak(Signal::P95Latency, 900.0, 100.0, 9.0, 9.0)];
    incident.end = incident.start.plus(20 * 60 * MINUTE);
    let explanation = explain(&incident, None);
    assert!(
        explanation
            .summary
            .contains(", 2026-01-06 10:00 to 2026-01-07 06:00 UTC (9 minutes flagged)"),
        "{}",
        explanation.summary
    );
    assert!(explanation.why_flagged[0].starts_with("At 2026-01-06 10:03 UTC the "));
    incident.end = incident.start.plus(9 * SECOND);
    incident.step = Duration::from_secs(1);
    let explanation = TemplateExplainer.explain(&incident, None);
    assert!(
        explanation.summary.contains(", 2026-01-06 10:00:00 to 10:00:09 UTC (9 seconds, all"),
        "{}",
        explanation.summary
    );
}

#[test]
fn only_whole_words_of_names_are_hints() {
    let hinted = |service: &str, endpoint: &str| {
        let mut incident = Incident { entity: Entity::new(service, endpoint), ..incident() };
        incident.peaks = vec![peak(Signal::P95Latency, 900.0, 100.0, 9.0, 9.0)];
        let causes = explain(&incident, None).likely_causes;
        causes.into_iter().find(|cause| cause.starts_with("Its name suggests "))
    };
    assert!(hinted("payments", "/x").unwrap().contains("a payment endpoint"));
    assert!(hinted("auth-2", "/x").unwrap().contains("an authentication endpoint"));
    assert!(hinted("x", "/v1/Search").unwrap().contains("a search endpoint"));
    for (service, endpoint) in [("library", "/authors"), ("x", "/payload"), ("maps", "/borders")] {
        assert_eq!(hinted(service, endpoint), None, "{service} {endpoint}");
    }
}

#[test]
fn a_hostile_name_stays_on_its_line() {
    let names =
        ["a\nb", "a\r\n[Critical] b", "\u{1b}[31mred", "a\u{2028}b", "\u{202e}yap", "\0", "\t"];
    for (service, endpoint) in names.iter().flat_map(|a| names.map(|b| (*a, b))) {
        let mut incident = Incident { entity: Entity::new(service, endpoint), ..incident() };
        (incident.errors, incident.errors_rose) = (50, true);
        incident.peaks = vec![
            peak(Signal::P95Latency, 900.0, 100.0, 9.0, 9.0),
            peak(Signal::RequestCount, 3.0, 100.0, -9.0, 9.0),
        ];
        let first = ranking(Entity::new(endpoint, service), 0.5);
        for text in texts(&explain(&incident, Some(&first))) {
            let breaks = |c: char| c.is_control() || ('\u{2028}'..='\u{202e}').contains(&c);
            assert!(!text.contains(breaks), "{text:?}");
        }
    }
}

#[test]
fn unknown_values_are_not_mentioned() {
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    for unknown in odd {
        let mut incident = incident();
        (incident.requests, incident.errors, incident.errors_rose) = (0, 3, true);
        (incident.neg_log10_p, incident.expected_error_rate) = (0.0, unknown);
        for signal in Signal::ALL {
            incident.peaks.push(peak(signal, unknown, 1.0, 9.0, 9.0));
            incident.peaks.push(peak(signal, 1.0, unknown, 9.0, 9.0));
            incident.peaks.push(peak(signal, 1.0, 1.0, unknown, 9.0));
            incident.peaks.push(peak(signal, 1.0, 1.0, 9.0, unknown));
        }
        let explanation = explain(&incident, Some(&ranking(incident.entity.clone(), unknown)));
        assert!(explanation.why_flagged.is_empty());
        for text in texts(&explanation) {
            assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        }
    }
}

/// A number as it was written, with its unit: `4,214`, `24.8 %`, `1.80e308`.
#[derive(Debug, Clone)]
struct Written {
    value: f64,
    /// Half a unit of the last digit.
    rounding: f64,
    unit: String,
}

const UNITS: [&str; 4] = ["ms", "s", "%", "times"];

/// All numbers of a text, except those in a name (`95th`; `10^8` is one).
fn numbers(text: &str) -> Vec<Written> {
    let chars: Vec<char> = text.chars().collect();
    let mut out = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        if !chars[i].is_ascii_digit() {
            i += 1;
            continue;
        }
        let negative = i > 0 && chars[i - 1] == '-';
        let begin = i;
        let digit = |k: usize| chars.get(k).is_some_and(char::is_ascii_digit);
        while digit(i) || (matches!(chars.get(i), Some('.' | ',')) && digit(i + 1)) {
            i += 1;
        }
        let mut written: String = chars[begin..i].iter().filter(|c| **c != ',').collect();
        let decimals = written.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        let mut rounding = 0.5 * 10_f64.powi(-(decimals as i32));
        if chars.get(i) == Some(&'e') && digit(i + 1) {
            let exponent = i;
            i += 1;
            while digit(i) {
                i += 1;
            }
            written.extend(&chars[exponent..i]);
            rounding = 0.005 * written.parse::<f64>().unwrap().abs();
        }
        let rest: String = chars[i..].iter().collect();
        if rest.starts_with("th") {
            continue;
        }
        let value = written.parse::<f64>().unwrap() * if negative { -1.0 } else { 1.0 };
        if rest.starts_with('^') {
            assert_eq!(value, 10.0);
            continue;
        }
        let word: String =
            rest.chars().skip(1).take_while(|c| c.is_alphanumeric() || *c == '%').collect();
        let unit =
            if rest.starts_with(' ') && UNITS.contains(&&*word) { word } else { String::new() };
        out.push(Written { value, rounding, unit });
    }
    out
}

/// The values of an incident's evidence in every unit in which a text may write them.
fn evidence_of(incident: &Incident, score: f64, step: i64) -> Vec<(f64, &'static str)> {
    let mut out = vec![
        (incident.rows as f64, ""),
        (incident.requests as f64, ""),
        (incident.errors as f64, ""),
        (100.0 * incident.error_rate(), "%"),
        (100.0 * incident.expected_error_rate, "%"),
        (100.0 * score, "%"),
        (incident.neg_log10_p.floor(), ""),
        (10_f64.powf(incident.neg_log10_p), ""),
    ];
    let length = incident.end.since(incident.start) as f64;
    for unit in [step, SECOND, MINUTE, 60 * MINUTE] {
        out.push((length / unit as f64, ""));
    }
    for peak in &incident.peaks {
        let FlaggedSignal { signal, value, expected, low, high, z, neg_log10_p, .. } =
            peak.signal.clone();
        let signal = signal.request().unwrap();
        out.extend([(z, ""), (neg_log10_p.floor(), ""), (10_f64.powf(neg_log10_p), "")]);
        for number in [value, expected, low, high] {
            out.extend(match signal {
                Signal::P50Latency | Signal::P95Latency => {
                    [(number, "ms"), (number / 1_000.0, "s")]
                }
                Signal::ErrorRate | Signal::ClientErrorRate | Signal::SlowShare => {
                    [(100.0 * number, "%"), (100.0 * number, "%")]
                }
                Signal::RequestCount => [(number, ""), (number, "")],
            });
        }
        match signal {
            Signal::P50Latency | Signal::P95Latency => out.push((value / expected, "times")),
            Signal::ErrorRate | Signal::ClientErrorRate | Signal::SlowShare => {}
            Signal::RequestCount => {
                out.extend([(expected - value, ""), (low.ceil(), ""), (high.floor(), "")]);
            }
        }
    }
    out
}

/// Removes dates and times of day after checking that they belong to the incident.
fn without_times(text: &str, incident: &Incident) -> String {
    let mut out = text.to_owned();
    let moments = [incident.start, incident.end];
    for time in moments.into_iter().chain(incident.peaks.iter().map(|peak| peak.at)) {
        let written = time.to_string();
        for part in [&written[..10], &written[11..19], &written[11..16]] {
            out = out.replace(part, "");
        }
    }
    out
}

fn any_incident() -> impl Strategy<Value = Incident> {
    let signals = prop::sample::subsequence(Signal::ALL.to_vec(), 0..=4).prop_shuffle();
    let magnitude = || prop_oneof![4 => 0.0..5_000.0_f64, 1 => 0.0..1.0_f64, 1 => 1e4..1e7_f64, 1 => 0.0..f64::MAX];
    let numbers = prop::collection::vec(
        (magnitude(), magnitude(), 0.01..50.0_f64, 1.0..300.0_f64, any::<bool>(), 0..60_i64),
        4,
    );
    let counts = (1..200_u64, 1..1_000_000_u64, 0.0..1.0_f64, 0.0001..0.5_f64, any::<bool>());
    (signals, numbers, counts, 0..40_i64, 0.0..300.0_f64).prop_map(
        |(signals, numbers, (rows, requests, share, usual, rose), quiet, neg_log10_p)| {
            let mut incident = incident();
            incident.rows = rows;
            incident.requests = requests;
            incident.errors = (share * requests as f64) as u64;
            incident.end = incident.start.plus((rows as i64 + quiet) * MINUTE);
            incident.expected_error_rate = usual;
            incident.neg_log10_p = neg_log10_p;
            for (signal, (a, b, z, neg_log10_p, up, at)) in signals.into_iter().zip(numbers) {
                let share = signal.kind() == SignalKind::Rate;
                let (a, b) = if share { (a / (a + 1.0), b / (b + 1.0)) } else { (a, b) };
                let (a, b) = match signal {
                    Signal::RequestCount => (a.floor(), b),
                    _ => (a, b),
                };
                let up = up || share;
                let value = if up { a.max(b) } else { a.min(b) };
                let expected = if up { a.min(b) } else { a.max(b) };
                let value = if signal == Signal::RequestCount { value.round() } else { value };
                let z = if up { z } else { -z };
                let edge = f64::midpoint(value, expected);
                let mut peak = peak(signal, value, expected, z, neg_log10_p);
                (peak.signal.low, peak.signal.high) = (edge.min(expected), edge.max(expected));
                peak.at = incident.start.plus(at * MINUTE);
                if share {
                    incident.errors = incident.errors.max(1);
                }
                incident.peaks.push(peak);
            }
            incident.errors_rose = rose && incident.error_rate() > usual;
            incident
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_number_is_in_the_evidence(incident in any_incident(), score in 0.0..=1.0_f64, own in any::<bool>()) {
        let entity = if own { incident.entity.clone() } else { Entity::new("auth", "/login") };
        let explanation = explain(&incident, Some(&ranking(entity, score)));
        prop_assert_eq!(&explanation, &explain(&incident, Some(&ranking(
            if own { incident.entity.clone() } else { Entity::new("auth", "/login") }, score))));
        let known = evidence_of(&incident, score, MINUTE);
        let rule = "High needs 3 rows and 1 in 10^8. Medium needs 2 rows or 1 in 10^6.";
        for text in texts(&explanation) {
            // without the onset of the first culprit
            let mut bare = without_times(&text.replace("since 2026-01-06 10:08 UTC", ""), &incident);
            for fixed in [rule, "1 in ", "the slowest 5 % of the requests"] {
                bare = bare.replace(fixed, "");
            }
            for written in numbers(&bare) {
                let Written { value, rounding, unit } = &written;
                let near = |(known, known_unit): &(f64, &str)| {
                    // a probability is written with two digits
                    let chance = 0.06 * known.abs() * f64::from(text.contains("about"));
                    unit == known_unit
                        && (known - value).abs() <= rounding * 1.001 + 1e-9 * known.abs() + chance
                };
                prop_assert!(known.iter().any(near), "{written:?} in {text:?} of {incident:?}");
            }
        }
    }

    #[test]
    fn every_direction_matches_the_evidence(incident in any_incident()) {
        let explanation = explain(&incident, None);
        let peaks = &incident.peaks;
        prop_assert_eq!(explanation.why_flagged.len(), peaks.len());
        for (why, peak) in explanation.why_flagged.iter().zip(peaks) {
            let FlaggedSignal { value, low, high, .. } = &peak.signal;
            let ends_at_it = |end: &f64| (value - end).abs() <= 1e-12 * value.abs();
            prop_assert!(why.contains(" (usual "), "{}", why);
            prop_assert!(!why.contains("rows before") || ends_at_it(low) || ends_at_it(high));
        }
        let up = peaks.iter().any(|peak| peak.signal.z > 0.0) || incident.errors_rose;
        let down = peaks.iter().any(|peak| peak.signal.z < 0.0);
        for text in texts(&explanation) {
            for word in ["rose", "reached", "above", "climbed", "Overload", "surge", "more requests"] {
                prop_assert!(up || !text.contains(word), "{text}");
            }
            for word in ["fell", "was down", "below", "fewer than usual", "stopped calling"] {
                prop_assert!(down || !text.contains(word), "{text}");
            }
            prop_assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
            prop_assert!(!text.contains('\n') && !text.contains("  ") && text.trim() == text, "{text:?}");
            if incident.errors == 0 {
                prop_assert!(!text.contains(" failed (") && !text.contains("Read the errors"), "{text}");
                prop_assert!(!text.contains(" of the requests failed") && !text.contains("% failed"), "{text}");
            } else {
                prop_assert!(!text.contains("No request failed"), "{text}");
            }
        }
        for texts in [&explanation.likely_causes, &explanation.recommended_actions] {
            prop_assert!(texts.len() <= 5);
        }
        prop_assert!(!explanation.recommended_actions.is_empty());
        prop_assert!(!explanation.line.is_empty() && explanation.line.starts_with("[Warning] payments /pay: "));
    }
}

#[test]
fn signals_with_shared_evidence_are_reported_together() {
    let mut incident = incident();
    incident.peaks = vec![
        peak(Signal::P95Latency, 500.0, 330.0, 2.4, 4.4),
        peak(Signal::ErrorRate, 0.05, 0.02, 2.1, 4.4),
        peak(Signal::RequestCount, 10.0, 60.0, -9.0, 20.0),
    ];
    let why = explain(&incident, None).why_flagged;
    assert!(why[0].ends_with(" by chance together with the error rate."), "{}", why[0]);
    assert!(why[1].ends_with(" together with the 95th-percentile latency."), "{}", why[1]);
    assert!(!why[2].contains("together"), "{}", why[2]);
    incident.peaks[1].at = incident.start;
    let why = explain(&incident, None).why_flagged;
    assert!(why.iter().all(|sentence| !sentence.contains("together")), "{why:?}");
}

/// The text names the extreme of the flagged rows, whichever of them has the most evidence.
#[test]
fn the_peak_is_the_most_extreme_value_and_not_the_one_with_most_evidence() {
    let row = |minute: i64, latency: f64, traffic: f64, evidence: f64| {
        let at = Timestamp::from_nanos(START + minute * MINUTE);
        FlaggedRow::new(EntityId(0), at)
            .requests(40, 0)
            .signal(FlaggedSignal::new(Signal::P95Latency, latency, evidence).z(9.0))
            .signal(FlaggedSignal::new(Signal::RequestCount, traffic, evidence).z(-5.0))
    };
    let config = IncidentConfig::default();
    let mut grouper = IncidentGrouper::new(config, Duration::ZERO, 10).unwrap();
    let entity = Entity::new("till", "/charge");
    for row in [row(0, 300.0, 30.0, 20.0), row(1, 900.0, 6.0, 9.0), row(2, 500.0, 9.0, 12.0)] {
        grouper.take(&entity, RowOutcome::Alarm(row), &(), &mut Vec::new());
    }
    let peaks: Vec<(f64, f64)> = grouper.incidents()[0]
        .peaks
        .iter()
        .map(|peak| (peak.signal.value, peak.neg_log10_p))
        .collect();
    assert_eq!(peaks, [(900.0, 20.0), (6.0, 20.0)]);
}
