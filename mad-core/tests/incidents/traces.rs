//! Root causes of failing traces, on traces whose root is known.

use mad_core::simulate::{SimulatedSpan, TraceScenario, Traces, TracesConfig};
use mad_core::{
    Limits, ServiceGraph, Span, SpanKind, Timestamp, TraceFault, TraceRanker, TraceRankerConfig,
    TraceRanking, TraceWindow,
};
use proptest::prelude::*;

use crate::common;

fn rank(window: &TraceWindow) -> TraceRanking {
    TraceRanker::new(TraceRankerConfig::default()).unwrap().rank(window)
}

/// Ranks the incident against the spans before it, separated by their clocks, or all spans together.
fn ranked(traces: &Traces, with_reference: bool) -> TraceRanking {
    let mut window = TraceWindow::new(&Limits::default());
    let start = Timestamp::from_seconds(1_767_693_600);
    let from = start.plus((0.6 * 1_800e9) as i64);
    for span in &traces.run().spans {
        if with_reference && span.start < from {
            window.reference(&span.span());
        } else {
            window.span(&span.span());
        }
    }
    rank(&window)
}

fn config(scenario: TraceScenario, seed: u64) -> TracesConfig {
    TracesConfig { scenario, seed, traces: 120, ..TracesConfig::default() }
}

/// The scenarios (with and without loss and skew) in which another service than the root came first.
fn wrong(scenario: TraceScenario, depth: u32, fault: TraceFault) -> Vec<String> {
    let ways = [(0.0, 0.0), (0.0, 500.0), (0.1, 0.0), (0.1, 500.0)];
    let mut wrong = Vec::new();
    for (seed, (missing, skew_ms)) in (0..100).flat_map(|seed| ways.map(|way| (seed, way))) {
        let config = TracesConfig { depth, missing, skew_ms, ..config(scenario, seed) };
        let traces = Traces::new(config).unwrap();
        let truth = traces.truth().incidents[0].clone();
        for with_reference in [true, false] {
            let ranking = ranked(&traces, with_reference);
            let first = ranking.culprits.first();
            let is_right = first.is_some_and(|one| {
                *one.service == *truth.service
                    && one.operation.ends_with(&truth.endpoint)
                    && one.fault == fault
                    && *one.chain.last().unwrap() == one.service
            });
            if !is_right {
                let found = first.map(|one| (&one.service, &one.operation, one.fault, one.share));
                wrong.push(format!(
                    "{scenario} {depth} {seed} {missing} {skew_ms} {with_reference}: {found:?}"
                ));
            }
        }
    }
    wrong
}

#[test]
fn the_root_of_the_checkouts_scenarios_comes_first() {
    let none: [String; 0] = [];
    assert_eq!(wrong(TraceScenario::SlowPayment, 2, TraceFault::Slow), none);
    assert_eq!(wrong(TraceScenario::FailingInventory, 2, TraceFault::Error), none);
    assert_eq!(wrong(TraceScenario::Cascade, 2, TraceFault::Slow), none);
}

#[test]
fn the_root_of_cascades_comes_first_at_any_depth() {
    let none: [String; 0] = [];
    for depth in 2..=6 {
        assert_eq!(wrong(TraceScenario::Errors, depth, TraceFault::Error), none);
        assert_eq!(wrong(TraceScenario::Delays, depth, TraceFault::Slow), none);
    }
}

#[test]
fn a_ranking_has_share_chain_onset_and_traces() {
    let traces =
        Traces::new(TracesConfig { depth: 3, ..config(TraceScenario::Errors, 7) }).unwrap();
    let (ranking, truth) = (ranked(&traces, true), traces.truth());
    let first = &ranking.culprits[0];
    assert_eq!(first.chain, ["tier-1".into(), "tier-2".into(), "tier-3".into()]);
    assert!(
        first.share > 0.9 && first.traces <= ranking.failing && ranking.failing < ranking.traces
    );
    assert_eq!(first.sample_traces.len(), 5);
    // unrelated errors come before it
    for ranking in [&ranking, &ranked(&traces, false)] {
        let onset = ranking.culprits[0].onset;
        assert!(truth.incidents[0].start <= onset, "{onset}");
        assert!(onset < truth.incidents[0].start.plus(60_000_000_000), "{onset}");
    }
    let run = traces.run();
    let failed = |span: &&SimulatedSpan| span.failed && span.trace_id == first.sample_traces[0];
    assert!(run.spans.iter().filter(failed).any(|span| &*span.service == "tier-3"));
    assert!(first.expected_ms > 15.0 && first.duration_ms > 0.0);
}

#[test]
fn the_ranking_abstains_when_failures_do_not_increase() {
    for seed in 0..50 {
        let ranking = ranked(&Traces::new(config(TraceScenario::Quiet, seed)).unwrap(), true);
        let share: u64 = ranking.culprits.iter().map(|one| one.traces).sum();
        assert!(ranking.abstained == ranking.culprits.is_empty());
        // an error that never happened before is reported, as a single trace
        assert!(share <= 3, "{seed}: {:?}", ranking.culprits);
    }
    assert!(rank(&TraceWindow::new(&Limits::default())).abstained);
}

/// The root span of a failed trace.
const ROOT: Span<'static> = Span { duration_ms: 20.0, status: "error", ..common::ROOT };

fn first(spans: &[Span<'_>]) -> (String, TraceFault, Vec<String>) {
    let mut window = TraceWindow::new(&Limits::default());
    for span in spans {
        window.span(span);
    }
    let first = rank(&window).culprits.into_iter().next().unwrap();
    (first.service.to_string(), first.fault, first.chain.iter().map(ToString::to_string).collect())
}

#[test]
fn a_client_span_without_an_answer_blames_its_peer() {
    let call = Span { span_id: "2", parent_id: Some("1"), kind: SpanKind::Client, ..ROOT };
    let chain = vec!["front".to_owned(), "db".to_owned()];
    let query = Span { peer: Some("db"), ..call };
    assert_eq!(first(&[ROOT, query]), ("db".to_owned(), TraceFault::Error, chain));
    let well = Span {
        span_id: "3",
        parent_id: Some("2"),
        service: "db",
        status: "ok",
        kind: SpanKind::Server,
        ..ROOT
    };
    assert_eq!(first(&[ROOT, call, well]).1, TraceFault::Network);
    assert_eq!(first(&[ROOT, call]).0, "front");
}

#[test]
fn of_two_failing_callees_the_earlier_is_first_for_any_clock_skew() {
    let at = |ms: i64| Timestamp::from_nanos(ms * 1_000_000);
    let call = |id, ms| Span {
        span_id: id,
        parent_id: Some("1"),
        kind: SpanKind::Client,
        start: at(ms),
        duration_ms: 5.0,
        ..ROOT
    };
    // b is called first; its clock is an hour ahead
    let answer = |id, of, service, ms| Span {
        span_id: id,
        parent_id: Some(of),
        service,
        start: at(ms),
        duration_ms: 3.0,
        ..ROOT
    };
    let spans = [
        ROOT,
        call("2", 2),
        call("3", 10),
        answer("4", "2", "b", 3_600_000),
        answer("5", "3", "a", 11),
    ];
    assert_eq!(first(&spans).0, "b");
}

#[test]
fn cycles_and_self_calls_terminate() {
    let circle = [
        Span { parent_id: Some("2"), ..ROOT },
        Span { span_id: "2", parent_id: Some("1"), service: "b", ..ROOT },
        Span { span_id: "3", parent_id: Some("3"), service: "c", trace_id: "u", ..ROOT },
    ];
    assert!(!first(&circle).0.is_empty());
}

#[test]
fn a_call_that_is_nearly_always_made_is_missed() {
    let mut window = TraceWindow::new(&Limits::default());
    for n in 0..60 {
        let trace = n.to_string();
        let front = Span { trace_id: &trace, status: "", ..ROOT };
        let mut take =
            |span: &Span<'_>| if n < 40 { window.reference(span) } else { window.span(span) };
        take(&front);
        if n < 45 {
            take(&Span { span_id: "2", parent_id: Some("1"), service: "mail", ..front });
        }
    }
    let ranking = rank(&window);
    let first = &ranking.culprits[0];
    assert_eq!((&*first.service, first.fault, first.traces), ("mail", TraceFault::Missing, 15));
    assert!(first.duration_ms.is_nan() && first.share == 1.0);
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_other_seeds_differ() {
    let bytes = |seed| {
        let config =
            TracesConfig { missing: 0.1, skew_ms: 50.0, ..config(TraceScenario::Cascade, seed) };
        let (mut out, run) = (Vec::new(), Traces::new(config).unwrap().run());
        run.spans.iter().for_each(|span| span.write_csv(&mut out));
        run.requests.iter().for_each(|request| request.write_csv(&mut out, true));
        out
    };
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
}

#[test]
fn the_graph_of_the_traces_is_the_system() {
    let traces =
        Traces::new(TracesConfig { depth: 3, ..config(TraceScenario::Delays, 1) }).unwrap();
    let (mut spans, mut requests) =
        [(); 2].map(|()| ServiceGraph::new(&Limits::default()).unwrap()).into();
    for span in &traces.run().spans {
        spans.span(&span.span());
    }
    for request in &traces.run().requests {
        let trace = request.trace_id();
        requests.request(&mad_core::Request { trace_id: Some(&trace), ..request.request() });
    }
    let pairs = |graph: &ServiceGraph| -> Vec<(String, String)> {
        let edges = graph.settled().edges();
        edges.iter().map(|edge| (edge.caller.to_string(), edge.callee.to_string())).collect()
    };
    assert_eq!(pairs(&spans).len(), 4);
    assert_eq!(pairs(&spans), pairs(&requests));
    let gap = spans.edges()[0].gap;
    assert!(gap.median_ms > 0.4 && gap.median_ms < 2.4, "{gap:?}");
}

#[test]
fn errors_name_the_config_field_out_of_range() {
    for (config, field) in [
        (TracesConfig { traces: 0, ..TracesConfig::default() }, "traces"),
        (
            TracesConfig { duration_seconds: f64::NAN, ..TracesConfig::default() },
            "duration_seconds",
        ),
        (TracesConfig { depth: 7, ..TracesConfig::default() }, "depth"),
        (TracesConfig { missing: f64::NAN, ..TracesConfig::default() }, "missing"),
        (TracesConfig { skew_ms: -1.0, ..TracesConfig::default() }, "skew_ms"),
        (
            TracesConfig { start: Timestamp::from_nanos(i64::MAX), ..TracesConfig::default() },
            "start",
        ),
    ] {
        assert!(Traces::new(config).unwrap_err().to_string().contains(field), "{field}");
    }
    for (config, field) in [
        (
            TraceRankerConfig { slow_effect: f64::NAN, ..TraceRankerConfig::default() },
            "slow_effect",
        ),
        (TraceRankerConfig { slow_ms: 0.0, ..TraceRankerConfig::default() }, "slow_ms"),
        (TraceRankerConfig { min_traces: 0, ..TraceRankerConfig::default() }, "min_traces"),
        (TraceRankerConfig { top_k: 0, ..TraceRankerConfig::default() }, "top_k"),
    ] {
        assert!(TraceRanker::new(config).unwrap_err().to_string().contains(field), "{field}");
    }
    assert!("sideways".parse::<TraceScenario>().is_err());
}

proptest! {
    #[test]
    fn any_spans_are_ranked_the_same_in_any_order(
        spans in prop::collection::vec(
            (0..12_u8, prop::option::of(0..12_u8), 0..5_usize, 0..7_u8, any::<bool>(), -10.0..9e3_f64, any::<i64>(), 0..3_u8),
            0..50,
        ),
        seed in any::<u64>(),
    ) {
        let take = |order: &[usize]| {
            let mut window = TraceWindow::new(&Limits::default());
            for place in order {
                let (id, parent, service, kind, failed, duration_ms, start, trace) = spans[*place];
                let (id, parent) = (id.to_string(), parent.map(|parent| parent.to_string()));
                let trace = trace.to_string();
                let span = Span {
                    trace_id: &trace,
                    span_id: &id,
                    parent_id: parent.as_deref(),
                    service: ["a", "b", "c", "d", "e"][service],
                    kind: SpanKind::parse(&kind.to_string()),
                    status: if failed { "error" } else { "" },
                    duration_ms,
                    start: Timestamp::from_nanos(start),
                    peer: (kind == 3).then_some("db"),
                    ..ROOT
                };
                if seed % 3 == 0 && trace == "0" { window.reference(&span) } else { window.span(&span) }
            }
            rank(&window)
        };
        let order: Vec<usize> = (0..spans.len()).collect();
        let mut shuffled = order.clone();
        shuffled.sort_by_key(|place| (*place as u64 + 1).wrapping_mul(seed | 1));
        let [one, other] = [order, shuffled].map(|order| serde_json::to_string(&take(&order)).unwrap());
        prop_assert_eq!(one, other);
    }
}
