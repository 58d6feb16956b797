//! Evidence within single requests: slow calls, and work that ended early.

use mad_core::culprit::MetricWindow;
use mad_core::{LogLine, Span, SpanKind};

use super::{EDGES, INCIDENT, NORMAL, minute, ranker, scatter, services, shop, window, with};

/// A call within a separate trace.
struct Call<'a> {
    trace: &'a str,
    row: i64,
    caller: &'a str,
    callee: &'a str,
    /// How long the caller waited, ms.
    waited: f64,
}

impl Call<'_> {
    fn add(&self, window: &mut MetricWindow) {
        let took = 10.0 + scatter(self.row, 7);
        let ids = [
            (format!("{} {}", self.caller, self.callee), None, self.caller, self.waited),
            (
                self.callee.to_owned(),
                Some(format!("{} {}", self.caller, self.callee)),
                self.callee,
                took,
            ),
        ];
        for (span_id, parent_id, service, duration_ms) in ids {
            let span = Span {
                trace_id: self.trace,
                span_id: &span_id,
                parent_id: parent_id.as_deref(),
                service,
                operation: "call",
                start: minute(self.row),
                duration_ms,
                status: "",
                kind: SpanKind::Unknown,
                peer: None,
                host: "",
                version: "",
            };
            window.span(&span, 1);
        }
    }
}

/// Calls of these pairs in each row; in the incident those that are `slow` wait for 900 ms.
fn calls(window: &mut MetricWindow, pairs: &[(&str, &str)], slow: &[(&str, &str)]) {
    for row in 0..NORMAL + INCIDENT {
        for (at, (caller, callee)) in pairs.iter().enumerate() {
            let is_slow = row >= NORMAL && slow.contains(&(*caller, *callee));
            let waited = if is_slow { 900.0 } else { 12.0 };
            let trace = format!("{row} {at}");
            Call { trace: &trace, row, caller, callee, waited }.add(window);
        }
    }
}

#[test]
fn a_service_that_is_slow_to_answer_is_named_although_its_own_calls_are_not_slow() {
    let mut window = window(&shop(), NORMAL);
    let pairs = [
        ("front", "cart"),
        ("front", "mail"),
        ("mail", "cart"),
        ("cart", "store"),
        ("cart", "stock"),
        ("cart", "price"),
        ("cart", "user"),
    ];
    calls(&mut window, &pairs, &[("front", "cart"), ("mail", "cart")]);
    let first = &ranker().rank(&window, [], None).culprits[0];
    assert_eq!((&*first.entity.service, first.metric.as_str()), ("cart", "call gap"));
    // as far from its usual wait as two slow calls are, not as the mean of six
    assert!(first.evidence[0].effect > 100.0, "{:?}", first.evidence[0]);
}

#[test]
fn a_single_slow_call_is_its_callees() {
    let mut window = window(&shop(), NORMAL);
    calls(&mut window, &[("front", "auth"), ("auth", "code")], &[("auth", "code")]);
    let ranking = ranker().rank(&window, [], None);
    assert_eq!(services(&ranking)[0], "code");
}

#[test]
fn a_call_that_was_rare_is_compared_with_all_calls() {
    let mut window = window(&shop(), NORMAL);
    calls(&mut window, &[("front", "cart"), ("front", "mail")], &[]);
    for row in NORMAL..NORMAL + INCIDENT {
        let trace = format!("rare {row}");
        Call { trace: &trace, row, caller: "front", callee: "book", waited: 900.0 }
            .add(&mut window);
    }
    assert_eq!(services(&ranker().rank(&window, [], None))[0], "book");
}

/// Requests through front, cart and store, each of which writes lines. In the incident `bad` says what
/// a service writes.
fn requests(bad: impl Fn(&str) -> Vec<(&'static str, &'static str)>) -> MetricWindow {
    let mut window = window(&shop(), NORMAL);
    for row in 0..NORMAL + INCIDENT {
        for request in 0..4 {
            let trace = format!("{row} {request}");
            for (caller, callee) in [("front", "cart"), ("cart", "store")] {
                Call { trace: &trace, row, caller, callee, waited: 12.0 }.add(&mut window);
            }
            for service in ["front", "cart", "store"] {
                let usual = vec![("INFO", "Work#1 begins"), ("INFO", "Work#2 ends")];
                let lines = if row >= NORMAL { bad(service) } else { usual };
                for (level, body) in lines {
                    let line = LogLine::new(minute(row), service, level, body);
                    window.log(&LogLine { trace_id: Some(&trace), ..line }, 1);
                }
            }
        }
    }
    window
}

#[test]
fn the_service_in_which_requests_end_early_is_named_before_the_callers_that_report_it() {
    let window = requests(|service| match service {
        "store" => vec![("INFO", "Work#1 begins")],
        _ => vec![("INFO", "Work#1 begins"), ("ERROR", "Work#3 the call failed")],
    });
    let ranking = ranker().rank(&window, EDGES, None);
    let first = &ranking.culprits[0];
    assert_eq!((&*first.entity.service, first.metric.as_str()), ("store", "interrupted requests"));
    let evidence = &first.evidence[0];
    assert_eq!((evidence.value, evidence.expected), (0.0, (4 * INCIDENT) as f64));
    assert_eq!(first.onset, minute(NORMAL));
    // the calls are known from spans as well
    assert_eq!(services(&ranker().rank(&window, [], None))[0], "store");
}

#[test]
fn a_caller_that_fails_by_itself_is_named() {
    let window = requests(|service| match service {
        "cart" => vec![("INFO", "Work#1 begins"), ("ERROR", "Work#3 no such item")],
        _ => vec![("INFO", "Work#1 begins"), ("INFO", "Work#2 ends")],
    });
    assert_eq!(services(&ranker().rank(&window, EDGES, None))[0], "cart");
}

#[test]
fn other_requests_are_no_interrupted_ones() {
    // half of the requests are of a kind that does not come in the incident
    let mut window = window(&shop(), NORMAL);
    for row in 0..NORMAL + INCIDENT {
        for request in 0..4 {
            let trace = format!("{row} {request}");
            let is_other = row < NORMAL && request < 2;
            let lines = if is_other { ["Other#1", "Other#2"] } else { ["Work#1", "Work#2"] };
            for body in lines {
                let line = LogLine::new(minute(row), "cart", "INFO", body);
                window.log(&LogLine { trace_id: Some(&trace), ..line }, 1);
            }
        }
    }
    let ranking = ranker().rank(&window, EDGES, None);
    let evidence = ranking.culprits.iter().flat_map(|culprit| &culprit.evidence);
    assert!(evidence.into_iter().all(|one| one.metric != "interrupted requests"));
}

#[test]
fn a_service_that_no_trace_passes_weighs_less() {
    let slow = with(with(shop(), NORMAL, "cart", "cpu", 4.0), NORMAL, "mail", "cpu", 4.0);
    let rank = |pairs: &[(&str, &str)]| {
        let mut window = window(&slow, NORMAL);
        calls(&mut window, pairs, &[]);
        let ranking = ranker().rank(&window, [], None);
        services(&ranking)[0].to_owned()
    };
    assert_eq!(rank(&[("front", "mail"), ("front", "store")]), "mail");
    assert_eq!(rank(&[("front", "cart"), ("front", "store")]), "cart");
}
