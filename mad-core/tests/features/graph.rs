//! The service graph: built from spans, edges and requests in any order, within its bounds.

use mad_core::{Edge, Limits, Request, ServiceGraph, Span, SpanKind, Timestamp};
use proptest::prelude::*;

use crate::common::ROOT;

fn graph() -> ServiceGraph {
    ServiceGraph::new(&Limits::default()).unwrap()
}

fn of(spans: &[Span<'_>]) -> ServiceGraph {
    let mut graph = graph();
    for span in spans {
        graph.span(span);
    }
    graph.close();
    graph
}

/// front (server) -> front (client, 8 ms) -> cart (server, 5 ms, failed) -> cart (client, 3 ms) -> db.
fn chain() -> [Span<'static>; 4] {
    let client = SpanKind::Client;
    let call = Span { span_id: "2", parent_id: Some("1"), duration_ms: 8.0, kind: client, ..ROOT };
    let cart = Span { service: "cart", status: "Error", duration_ms: 5.0, ..ROOT };
    let cart = Span { span_id: "3", parent_id: Some("2"), ..cart };
    let query = Span { span_id: "4", parent_id: Some("3"), kind: client, status: "", ..cart };
    [ROOT, call, cart, Span { peer: Some("db"), duration_ms: 3.0, ..query }]
}

#[test]
fn both_spans_of_a_call_are_one_edge_and_peers_are_inferred() {
    let graph = of(&chain());
    let edges = graph.edges();
    assert_eq!(edges.len(), 2);
    let [query, call] = &edges[..] else { panic!("{edges:?}") };
    assert_eq!((&*call.caller, &*call.callee, call.calls, call.errors), ("front", "cart", 1, 1));
    assert_eq!((call.client.median_ms, call.server.median_ms, call.gap.median_ms), (8.0, 5.0, 3.0));
    assert_eq!((call.gap.mad_ms, call.gap.n, call.inferred), (0.0, 1, false));
    assert_eq!((&*query.caller, &*query.callee, query.errors), ("cart", "db", 0));
    assert!(query.inferred && query.server.median_ms.is_nan() && query.gap.n == 0);
    let nodes = graph.nodes();
    assert_eq!(
        nodes.iter().map(|n| (&*n.service, n.inferred)).collect::<Vec<_>>(),
        [("cart", false), ("db", true), ("front", false)]
    );
    assert_eq!((nodes[0].spans, nodes[0].errors), (2, 1));
    assert_eq!(graph.counters().missing_parents + graph.counters().unanswered, 0);
}

#[test]
fn a_peer_that_is_a_known_service_is_no_node() {
    let [root, call, cart, _] = chain();
    let graph = of(&[root, Span { peer: Some("cart:8080"), ..call }, cart]);
    assert_eq!(graph.callees("front"), ["cart".into()]);
    assert!(graph.nodes().iter().all(|node| !node.service.contains(':')));
    // the peer of a server span is its caller and no callee
    let graph = of(&[Span { peer: Some("browser"), ..ROOT }]);
    assert_eq!((graph.nodes().len(), graph.edges().len()), (1, 0));
}

#[test]
fn without_kinds_a_child_in_another_service_is_a_call() {
    let spans = chain().map(|span| Span { kind: SpanKind::Unknown, ..span });
    let edges = of(&spans).edges();
    assert_eq!(edges.len(), 2);
    assert_eq!((edges[1].calls, edges[1].server.median_ms, edges[1].client.n), (1, 5.0, 0));
    assert!(edges[0].inferred);
}

#[test]
fn a_gap_is_never_below_zero_and_messages_have_none() {
    let [_, call, cart, _] = chain();
    let late = Span { duration_ms: 50.0, ..cart };
    assert_eq!(of(&[call, late]).edges()[0].gap.median_ms, 0.0);
    let sent = Span { kind: SpanKind::Producer, ..call };
    let graph = of(&[sent, Span { kind: SpanKind::Consumer, ..late }]);
    assert_eq!((graph.edges()[0].calls, graph.edges()[0].gap.n), (1, 0));
}

#[test]
fn a_self_call_is_an_edge_only_over_the_network() {
    let [_, call, cart, _] = chain();
    let own = Span { service: "front", ..cart };
    assert_eq!(of(&[call, own]).edges()[0].caller, "front".into());
    assert!(of(&[ROOT, Span { kind: SpanKind::Internal, ..call }]).edges().is_empty());
}

#[test]
fn cycles_and_missing_parents_are_counted_and_not_followed() {
    let [_, call, cart, _] = chain();
    let own = Span { span_id: "9", parent_id: Some("9"), ..ROOT };
    let graph = of(&[own]);
    assert_eq!((graph.counters().cycles, graph.edges().len()), (1, 0));
    let graph = of(&[Span { parent_id: Some("3"), ..call }, cart]);
    assert_eq!((graph.counters().cycles, graph.edges().len()), (1, 0));
    let graph = of(&[cart]);
    assert_eq!((graph.counters().missing_parents, graph.edges().len()), (1, 0));
    let graph = of(&[cart, cart]);
    assert_eq!((graph.counters().duplicate_spans, graph.counters().spans), (1, 1));
    let graph = of(&[Span { duration_ms: f64::NAN, ..ROOT }, Span { duration_ms: -1.0, ..ROOT }]);
    assert_eq!((graph.counters().bad_spans, graph.nodes().len()), (2, 0));
}

#[test]
fn requests_of_one_trace_nest() {
    let mut graph = graph();
    let mut take = |seconds: f64, service: &str, status: i64, latency: f64, trace: Option<&str>| {
        let at = Timestamp::from_nanos((seconds * 1e9) as i64);
        graph.request(&Request {
            trace_id: trace,
            ..Request::new(at, service, "/", status, latency)
        });
    };
    // the child first, truncated to the millisecond below its parent's end
    take(0.010, "payment", 200, 50.0, Some("a"));
    take(0.0, "checkout", 200, 150.0, Some("a"));
    take(0.070, "inventory", 500, 80.5, Some("a"));
    take(0.080, "db", 200, 5.0, Some("a"));
    take(0.010, "other", 200, 50.0, None);
    take(0.010, "other", 200, 5.0, Some("b"));
    graph.close();
    let edges: Vec<_> = graph
        .edges()
        .iter()
        .map(|e| (e.caller.to_string(), e.callee.to_string(), e.errors, e.server.median_ms))
        .collect();
    let edge = |a: &str, b: &str, errors, ms| (a.to_owned(), b.to_owned(), errors, ms);
    assert_eq!(
        edges,
        [
            edge("checkout", "inventory", 1, 80.5),
            edge("checkout", "payment", 0, 50.0),
            edge("inventory", "db", 0, 5.0),
        ]
    );
    assert_eq!(graph.nodes().len(), 5);
}

#[test]
fn a_request_dated_far_ahead_closes_no_trace() {
    let at = |second: i64| Timestamp::from_seconds(second);
    let request = |service, second: i64, ms, trace| Request {
        trace_id: Some(trace),
        ..Request::new(at(second), service, "/", 200, ms)
    };
    let mut graph = graph();
    let now = Some(at(5));
    graph.request_by(&request("front", 0, 9_000.0, "t"), now);
    graph.request_by(&request("mail", 40_000_000, 5.0, "u"), now);
    graph.request_by(&request("cart", 2, 1_000.0, "t"), now);
    assert!(graph.edges().is_empty());
    assert_eq!(&*graph.settled().callees("front")[0], "cart");
    // and it does not keep later ones from being evicted
    for second in 10..20 {
        graph.request_by(&request("front", second * 10_000, 1.0, "v"), Some(at(second * 10_000)));
    }
    assert_eq!(&*graph.callees("front")[0], "cart");
}

#[test]
fn idle_services_are_evicted_and_counts_are_kept() {
    let mut graph = graph();
    for span in chain() {
        graph.span(&span);
    }
    graph.close();
    let late = |span: Span<'static>| Span { start: Timestamp::from_seconds(1_000), ..span };
    let (front, mail) = (late(ROOT), Span { service: "mail", ..late(ROOT) });
    graph.span(&Span { trace_id: "u", kind: SpanKind::Client, ..front });
    graph.span(&Span { trace_id: "u", span_id: "2", parent_id: Some("1"), ..mail });
    graph.edge(&Edge::new("web", "front"));
    let before = graph.settled();
    graph.forget(Timestamp::from_seconds(0));
    let printed = |graph: &ServiceGraph| format!("{:?}", graph.edges());
    assert_eq!(printed(&graph.settled()), printed(&before));
    graph.forget(Timestamp::from_seconds(500));
    let names: Vec<String> = graph.nodes().iter().map(|node| node.service.to_string()).collect();
    assert_eq!(names, ["front", "mail", "web"]);
    let edges: Vec<(String, String)> = graph
        .edges()
        .iter()
        .map(|edge| (edge.caller.to_string(), edge.callee.to_string()))
        .collect();
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(edges, [pair("front", "mail"), pair("web", "front")]);
    // returning names and open spans are matched
    graph.span(&Span { trace_id: "u", span_id: "3", parent_id: Some("2"), ..late(chain()[2]) });
    graph.edge(&Edge::new("db", "web"));
    let graph = graph.settled();
    assert_eq!(&*graph.callees("mail")[0], "cart");
    assert_eq!(&*graph.callees("db")[0], "web");
    let saved = serde_json::to_string(&graph).unwrap();
    let restored: ServiceGraph = serde_json::from_str(&saved).unwrap();
    assert_eq!(printed(&restored), printed(&graph));
}

#[test]
fn merged_graphs_keep_latencies_and_join_traces() {
    let spans = chain();
    let later = |span: &Span<'static>| Span {
        trace_id: "u",
        start: Timestamp::from_seconds(60),
        duration_ms: span.duration_ms * 3.0,
        ..*span
    };
    let both: Vec<Span<'_>> = spans.iter().copied().chain(spans.iter().map(later)).collect();
    let whole = of(&both);
    let (mut here, mut there) = (graph(), graph());
    // divided by service, as in shards
    for span in &both {
        if span.service == "front" { here.span(span) } else { there.span(span) }
    }
    here.absorb(there);
    let made = here.settled();
    assert_eq!(made.nodes(), whole.nodes());
    for (made, whole) in made.edges().iter().zip(whole.edges()) {
        assert_eq!((&made.caller, &made.callee, made.calls), (&whole.caller, &whole.callee, 2));
        assert_eq!((made.client.median_ms, made.client.n), (whole.client.median_ms, 2));
        assert_eq!((made.gap.n, made.inferred), (whole.gap.n, whole.inferred));
    }
    assert_eq!(made.edges().len(), 2);
    // a shared edge keeps the later latencies
    let (mut old, mut new) = (graph(), graph());
    for i in 0..64 {
        let trace = i.to_string();
        for span in &spans {
            old.span(&Span { trace_id: &trace, ..*span });
            new.span(&Span { trace_id: &trace, ..later(span) });
        }
    }
    old.close();
    new.close();
    let (mut one, mut other) = (old.clone(), new.clone());
    one.absorb(new);
    other.absorb(old);
    for made in [one, other] {
        assert_eq!(made.edges()[1].calls, 128);
        assert_eq!(made.edges()[1].server.median_ms, 15.0);
    }
}

#[test]
fn reach_has_a_depth_and_handles_cycles() {
    let mut graph = graph();
    for (caller, callee) in [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("a", "a"), ("b", "d")]
    {
        graph.edge(&Edge { calls: 3, ..Edge::new(caller, callee) });
    }
    graph.edge(&Edge::new("a", "b"));
    assert_eq!(graph.edges()[1].calls, 4);
    assert_eq!(graph.downstream("a", 9), [("b".into(), 1), ("c".into(), 2), ("d".into(), 2)]);
    assert_eq!(graph.downstream("a", 1), [("b".into(), 1)]);
    assert_eq!(graph.upstream("d", 9), [("b".into(), 1), ("c".into(), 1), ("a".into(), 2)]);
    assert_eq!(graph.callers("b"), ["a".into()]);
    assert!(graph.callees("unknown").is_empty() && graph.downstream("a", 0).is_empty());
    assert!(graph.nodes().iter().all(|node| !node.inferred));
}

#[test]
fn bounds_hold_and_are_counted() {
    let limits = Limits { services: 3, graph_edges: 2, open_spans: 4, ..Limits::default() };
    let mut graph = ServiceGraph::new(&limits).unwrap();
    for n in 0..100 {
        let (id, service) = (format!("{n}"), format!("s{n}"));
        graph.span(&Span { span_id: &id, service: &service, parent_id: Some("none"), ..ROOT });
    }
    let counters = *graph.counters();
    assert_eq!(
        (graph.nodes().len(), counters.spans_evicted, counters.missing_parents),
        (4, 96, 96)
    );
    assert_eq!((counters.services_overflowed, &*graph.nodes()[0].service), (97, "(other)"));
    for n in 0..5 {
        graph.edge(&Edge { calls: 2, ..Edge::new("s0", ["s1", "s2", "x", "y", "s0"][n]) });
    }
    assert_eq!((graph.edges().len(), graph.counters().calls_dropped), (2, 6));
    for n in 0..10 {
        let trace = format!("{n}");
        graph.request(&Request {
            trace_id: Some(&trace),
            ..Request::new(ROOT.start, "s0", "/", 200, 1.0)
        });
    }
    assert_eq!(graph.counters().spans_evicted, 96 + 6);
    let error = ServiceGraph::new(&Limits { open_spans: 0, ..limits }).unwrap_err().to_string();
    assert!(error.contains("limits.open_spans") && error.contains("is 0"), "{error}");
}

#[test]
fn ten_thousand_services_in_a_chain() {
    let mut graph = graph();
    let names: Vec<String> = (0..10_000).map(|n| format!("s{n}")).collect();
    for pair in names.windows(2) {
        graph.edge(&Edge::new(&pair[0], &pair[1]));
    }
    let reach = graph.downstream("s0", usize::MAX);
    assert_eq!((reach.len(), reach[9_998].1), (9_999, 9_999));
}

#[test]
fn damaged_state_is_refused() {
    let mut graph = graph();
    for span in &chain() {
        graph.span(span);
    }
    graph.edge(&Edge::new("a", "b"));
    let good = serde_json::to_value(&graph).unwrap();
    assert!(serde_json::from_value::<ServiceGraph>(good.clone()).is_ok());
    for (place, value) in [
        ("/services", serde_json::json!(0)),
        ("/services", 1.into()),
        ("/open_spans", 2.into()),
        ("/nodes/1/name", "front".into()),
        ("/calls/0/callee", 99.into()),
        ("/open/0/service", 99.into()),
        ("/open/0/duration_ms", (-1.0).into()),
        ("/open/1/key", good["open"][0]["key"].clone()),
        ("/calls/0/gap/window", 3.into()),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(place).unwrap() = value;
        assert!(serde_json::from_value::<ServiceGraph>(bad).is_err(), "{place}");
    }
}

fn spans() -> impl Strategy<Value = Vec<(u8, Option<u8>, u8, u8, u8, f64)>> {
    let duration =
        prop_oneof![8 => 0.0..100.0, 1 => Just(f64::NAN), 1 => Just(-1.0), 1 => Just(1e308)];
    prop::collection::vec(
        (0..24_u8, prop::option::of(0..24_u8), 0..5_u8, 0..7_u8, 0..4_u8, duration),
        0..60,
    )
}

fn take(graph: &mut ServiceGraph, one: &(u8, Option<u8>, u8, u8, u8, f64)) {
    const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
    let (id, parent, service, kind, peer, duration_ms) = *one;
    let (span_id, parent) = (id.to_string(), parent.map(|parent| parent.to_string()));
    graph.span(&Span {
        span_id: &span_id,
        parent_id: parent.as_deref(),
        service: NAMES[usize::from(service)],
        kind: SpanKind::parse(&kind.to_string()),
        peer: ["c", "db"].get(usize::from(peer)).copied(),
        duration_ms,
        status: if peer == 3 { "error" } else { "" },
        ..ROOT
    });
}

proptest! {
    #[test]
    fn any_spans_in_any_order_are_one_graph(spans in spans(), seed in any::<u64>()) {
        // the first span of an id counts, so each id occurs once here
        let mut spans = spans;
        spans.sort_by_key(|span| span.0);
        spans.dedup_by_key(|span| span.0);
        let mut shuffled = spans.clone();
        shuffled.sort_by_key(|span| (u64::from(span.0) + 1).wrapping_mul(seed | 1));
        let [one, other] = [spans, shuffled].map(|spans| {
            let mut graph = graph();
            for span in &spans {
                take(&mut graph, span);
            }
            graph.close();
            serde_json::to_string(&graph.document()).unwrap()
        });
        prop_assert_eq!(one, other);
    }

    #[test]
    fn a_restored_graph_continues_unchanged(spans in spans(), cut in 0_usize..60, held in 1_usize..30) {
        let limits = Limits { open_spans: held, services: 4, graph_edges: 6, ..Limits::default() };
        let mut whole = ServiceGraph::new(&limits).unwrap();
        let mut cut_off = whole.clone();
        for (n, span) in spans.iter().enumerate() {
            take(&mut whole, span);
            if n == cut {
                let saved = serde_json::to_string(&cut_off).unwrap();
                cut_off = serde_json::from_str(&saved).unwrap();
            }
            take(&mut cut_off, span);
        }
        let settled = whole.settled();
        prop_assert!(settled.nodes().len() <= 5 && settled.edges().len() <= 6);
        prop_assert_eq!(serde_json::to_string(&whole).unwrap(), serde_json::to_string(&cut_off).unwrap());
        prop_assert_eq!(settled.document().counters, cut_off.settled().document().counters);
    }
}
