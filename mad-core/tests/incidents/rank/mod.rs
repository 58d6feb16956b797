//! Ranking over metrics: culprits, evidence and abstention.

mod onset;
mod requests;
mod shapes;
mod situations;

use mad_core::culprit::{
    MetricKind, MetricRanker, MetricRankerConfig, MetricRanking, MetricWindow,
};
use mad_core::time::MINUTE;
use mad_core::{LogLine, MetricPoint, RejectReason, Span, Timestamp};
use proptest::prelude::*;

use crate::common::minute;

const NORMAL: i64 = 40;
const INCIDENT: i64 = 6;
const EDGES: [(&str, &str); 3] = [("front", "cart"), ("front", "mail"), ("cart", "store")];

/// A point of the simulated shop: row, service, metric, value.
type Point = (i64, &'static str, &'static str, f64);

/// Noise without a pattern, -1 to 1.
fn scatter(row: i64, salt: i64) -> f64 {
    let mixed = (row * 7_919 + salt * 104_729).wrapping_mul(2_654_435_761) >> 7;
    (mixed.rem_euclid(2_001) - 1_000) as f64 / 1_000.0
}

/// Four services with latency, availability and cpu over normal time and an incident.
fn shop() -> Vec<Point> {
    let mut points = Vec::new();
    for row in 0..NORMAL + INCIDENT {
        for (salt, service, level) in
            [(1, "front", 0.2), (2, "cart", 0.1), (3, "store", 0.01), (4, "mail", 0.05)]
        {
            points.push((row, service, "latency/p95", level * (1.0 + 0.1 * scatter(row, salt))));
            points.push((row, service, "availability", 100.0));
            points.push((row, service, "cpu", 0.3 + 0.05 * scatter(row, salt + 10)));
        }
    }
    points
}

/// The shop with something added to one metric of a service from a row on.
fn with(mut points: Vec<Point>, from: i64, service: &str, metric: &str, add: f64) -> Vec<Point> {
    for point in &mut points {
        if point.0 >= from && point.1 == service && point.2 == metric {
            point.3 += add;
        }
    }
    points
}

fn window(points: &[Point], begin: i64) -> MetricWindow {
    let mut window = MetricWindow::new();
    for (position, (row, service, metric, value)) in (1..).zip(points) {
        let point = MetricPoint::new(minute(*row), service, metric, *value);
        if *row < begin {
            window.normal(&point, position);
        } else {
            window.incident(&point, position);
        }
    }
    window
}

fn ranker() -> MetricRanker {
    MetricRanker::new(MetricRankerConfig::default()).unwrap()
}

fn rank(points: &[Point], begin: i64, target: Option<(&str, &str)>) -> MetricRanking {
    ranker().rank(&window(points, begin), EDGES, target)
}

fn services(ranking: &MetricRanking) -> Vec<&str> {
    ranking.culprits.iter().map(|culprit| &*culprit.entity.service).collect()
}

#[test]
fn a_single_culprit_is_named_with_its_evidence() {
    let points = with(shop(), NORMAL, "mail", "cpu", 0.6);
    let ranking = rank(&points, NORMAL, None);
    assert!(!ranking.abstained);
    let first = &ranking.culprits[0];
    assert_eq!((&*first.entity.service, first.metric.as_str()), ("mail", "cpu"));
    assert!(first.score > 0.5 && first.score < 1.0, "{}", first.score);
    assert_eq!(first.onset, minute(NORMAL));
    let evidence = &first.evidence[0];
    assert!((evidence.value - 0.9).abs() < 0.1 && (evidence.expected - 0.3).abs() < 0.05);
    assert!(ranking.culprits[1..].iter().all(|other| other.score < 0.5));
}

#[test]
fn a_caller_that_its_callee_explains_ranks_lower() {
    let mut points = shop();
    for service in ["front", "cart", "store"] {
        points = with(points, NORMAL, service, "latency/p95", 0.5);
    }
    let ranking = rank(&points, NORMAL, Some(("front", "latency/p95")));
    assert_eq!(services(&ranking)[0], "store");
    // slow by itself: the store's 20 ms do not explain half a second
    let mut points = with(shop(), NORMAL, "store", "latency/p95", 0.02);
    for service in ["front", "cart"] {
        points = with(points, NORMAL, service, "latency/p95", 0.5);
    }
    let ranking = rank(&points, NORMAL, Some(("front", "latency/p95")));
    assert_eq!(services(&ranking)[0], "cart");
}

#[test]
fn a_quiet_service_does_not_rank_first_by_its_small_scale() {
    let mut points = with(shop(), NORMAL, "cart", "latency/p95", 0.3);
    for row in 0..NORMAL + INCIDENT {
        let value = if row < NORMAL { 1e-7 } else { 2e-7 };
        points.push((row, "quiet", "latency/p95", value * (1.0 + 1e-6 * scatter(row, 9))));
    }
    let ranking = rank(&points, NORMAL, None);
    assert_eq!(services(&ranking)[0], "cart");
    let quiet = ranking.culprits.iter().find(|culprit| &*culprit.entity.service == "quiet");
    assert!(quiet.is_none_or(|quiet| quiet.score < 0.2), "{quiet:?}");
}

#[test]
fn the_direction_of_a_change_matters() {
    let better = with(shop(), NORMAL, "cart", "latency/p95", -0.09);
    assert!(rank(&better, NORMAL, None).abstained);
    let better = with(shop(), 0, "cart", "availability", -5.0);
    let better = with(better, NORMAL, "cart", "availability", 5.0);
    assert!(rank(&better, NORMAL, None).abstained);
    let worse = with(shop(), NORMAL, "cart", "availability", -5.0);
    assert_eq!(services(&rank(&worse, NORMAL, None))[0], "cart");
}

#[test]
fn the_ranking_abstains_in_normal_time() {
    for target in [None, Some(("front", "latency/p95")), Some(("front", "availability"))] {
        let ranking = rank(&shop(), NORMAL, target);
        assert!(ranking.abstained && ranking.culprits.is_empty(), "{target:?}");
    }
    // an anomaly elsewhere, with a normal target
    let points = with(shop(), NORMAL, "mail", "cpu", 0.6);
    assert!(rank(&points, NORMAL, Some(("front", "latency/p95"))).abstained);
}

#[test]
fn a_ranking_that_abstains_states_the_largest_changes() {
    let target = Some(("front", "latency/p95"));
    let ranking = rank(&with(shop(), NORMAL, "front", "latency/p95", 0.025), NORMAL, target);
    assert!(ranking.abstained);
    let own = ranking.target.as_ref().unwrap();
    assert!(own.effect > 0.0 && own.effect < 3.0, "{own:?}");
    assert_eq!(&*own.service, "front");
    assert!(!ranking.unnamed.is_empty() && ranking.unnamed.len() <= 3);
    let summary = ranking.summary();
    assert!(
        summary.starts_with(&format!("{}. No service stands out.", own.sentence())),
        "{summary}"
    );
    assert!(ranking.unnamed.iter().all(|one| summary.contains(&one.sentence())), "{summary}");
    // a culprit that is named leaves nothing unnamed
    let named = rank(&with(shop(), NORMAL, "cart", "latency/p95", 0.2), NORMAL, None);
    assert!(
        named.unnamed.is_empty() && named.summary().starts_with("cart is the likeliest culprit")
    );
}

#[test]
fn only_anomalies_that_move_with_the_target_count() {
    // mail changes in the first row of the incident, cart in the third together with the target
    let points = with(shop(), NORMAL, "mail", "latency/p95", 0.5);
    let points = with(points, NORMAL + 3, "cart", "latency/p95", 0.3);
    let points = with(points, NORMAL + 3, "front", "latency/p95", 0.3);
    let ranking = rank(&points, NORMAL, Some(("front", "latency/p95")));
    assert_eq!(services(&ranking)[0], "cart");
    assert_eq!(ranking.culprits[0].onset, minute(NORMAL + 3));
}

#[test]
fn a_client_view_of_a_call_is_about_its_peer() {
    let mut points = shop();
    for row in 0..NORMAL + INCIDENT {
        let gap = if row < NORMAL { 0.0 } else { 0.75 };
        let usual = 0.01 + 0.001 * scatter(row, 21);
        points.push((row, "front", "ClientLatency->mail", usual + gap));
        points.push((row, "mail", "ServerLatency->front", usual));
    }
    let ranking = rank(&points, NORMAL, None);
    let first = &ranking.culprits[0];
    assert_eq!((&*first.entity.service, first.metric.as_str()), ("mail", "ClientLatency->mail"));
    assert_eq!(first.evidence[0].service, "front");
}

#[test]
fn the_view_of_a_single_caller_counts_half() {
    let mut points = shop();
    for service in ["front", "cart"] {
        points = with(points, NORMAL, service, "latency/p95", 0.5);
    }
    for row in 0..NORMAL + INCIDENT {
        let value = if row < NORMAL { 0.11 } else { 0.91 };
        points.push((row, "balancer", "latency/p95", value * (1.0 + 0.01 * scatter(row, 31))));
    }
    let edges = EDGES.into_iter().chain([("front", "balancer")]);
    let ranking = ranker().rank(&window(&points, NORMAL), edges, Some(("front", "latency/p95")));
    assert_eq!(services(&ranking)[..2], ["cart", "balancer"]);
}

#[test]
fn gaps_and_missing_series_are_no_evidence() {
    let points = with(shop(), NORMAL, "cart", "latency/p95", 0.3);
    let plain = rank(&points, NORMAL, None);
    let mut holes = points.clone();
    holes.extend((0..NORMAL).map(|row| (row, "gone", "latency/p95", 0.1)));
    holes.extend((NORMAL..NORMAL + INCIDENT).map(|row| (row, "new", "latency/p95", 9.0)));
    holes.extend((0..NORMAL + INCIDENT).map(|row| (row, "silent", "cpu", f64::NAN)));
    assert_eq!(services(&rank(&holes, NORMAL, None))[0], services(&plain)[0]);
    let nothing: [&[Point]; 3] = [&[], &points[..points.len() / 2], &[(50, "a", "cpu", f64::NAN)]];
    for points in nothing {
        assert!(rank(points, NORMAL, Some(("front", "latency/p95"))).abstained);
    }
}

#[test]
fn bad_points_are_counted() {
    let mut window = window(&with(shop(), NORMAL, "cart", "latency/p95", 0.3), NORMAL);
    window.incident(&MetricPoint::new(minute(41), "cart", "latency/p95", f64::INFINITY), 7);
    window.normal(&MetricPoint::new(minute(1), "", "latency/p95", 1.0), 8);
    assert_eq!(window.rejected().count(RejectReason::BadValue), 1);
    assert_eq!(window.rejected().total(), 2);
    assert_eq!(services(&ranker().rank(&window, EDGES, None))[0], "cart");
}

#[test]
fn slow_calls_count_against_their_common_service() {
    let mut window = window(&shop(), NORMAL);
    let mut id = 0;
    for row in 0..NORMAL + INCIDENT {
        for (caller, callee) in [("front", "cart"), ("front", "mail"), ("cart", "store")] {
            id += 1;
            let (trace, start) = (format!("trace {id}"), minute(row));
            let slow = row >= NORMAL && (caller == "cart" || callee == "cart");
            let waited = if slow { 900.0 } else { 12.0 };
            for (span, parent, service, took) in
                [("a", None, caller, waited), ("b", Some("a"), callee, 10.0 + scatter(row, id))]
            {
                let span = Span {
                    operation: "call",
                    kind: mad_core::SpanKind::Unknown,
                    peer: None,
                    host: "",
                    version: "",
                    status: "",
                    start,
                    trace_id: &trace,
                    span_id: span,
                    parent_id: parent,
                    service,
                    duration_ms: took,
                };
                window.span(&span, 1);
            }
        }
    }
    let ranking = ranker().rank(&window, [], None);
    let first = &ranking.culprits[0];
    assert_eq!((&*first.entity.service, first.metric.as_str()), ("cart", "call gap"));
}

#[test]
fn log_lines_show_errors_and_silence() {
    let write = |errors: bool, silent: bool| {
        let mut window = window(&shop(), NORMAL);
        for row in 0..NORMAL + INCIDENT {
            let bad = row >= NORMAL;
            for service in ["front", "cart", "mail"] {
                let mut lines = vec![("INFO", "Serve#1 took 3 ms"), ("INFO", "Serve#2 done")];
                if service == "cart" && bad && silent {
                    lines = vec![("INFO", "Serve#1 took 4 ms"), ("INFO", "Serve#1 took 9 ms")];
                }
                if service == "cart" && bad && errors {
                    lines.push(("ERROR", "Serve#3 no such item"));
                }
                for (level, body) in lines.repeat(4) {
                    window.log(&LogLine::new(minute(row), service, level, body), 1);
                }
            }
        }
        ranker().rank(&window, EDGES, None)
    };
    assert!(write(false, false).abstained);
    for (ranking, metric) in
        [(write(true, false), "log errors"), (write(false, true), "missing log lines")]
    {
        let first = &ranking.culprits[0];
        assert_eq!((&*first.entity.service, first.metric.as_str()), ("cart", metric));
        assert_eq!(first.onset, minute(NORMAL));
    }
}

#[test]
fn configs_are_checked() {
    let fine = MetricRankerConfig::default();
    for (config, field) in [
        (MetricRankerConfig { min_effect: f64::NAN, ..fine.clone() }, "min_effect"),
        (MetricRankerConfig { min_lasting_effect: 0.0, ..fine.clone() }, "min_lasting_effect"),
        (MetricRankerConfig { min_target_effect: -1.0, ..fine.clone() }, "min_target_effect"),
        (MetricRankerConfig { top_k: 0, ..fine.clone() }, "top_k"),
    ] {
        let error = MetricRanker::new(config).unwrap_err();
        assert!(error.to_string().contains(field), "{error}");
    }
}

/// The ranking with every service renamed to its place in `NAMES`.
fn renamed(ranking: &MetricRanking, names: &[(&str, &str)]) -> Vec<(String, f64)> {
    let original = |name: &str| {
        names.iter().find(|(_, new)| *new == name).map_or(name, |(old, _)| old).to_owned()
    };
    let share = |one: &mad_core::MetricCulprit| (original(&one.entity.service), one.score);
    ranking.culprits.iter().map(share).collect()
}

proptest! {
    #[test]
    fn order_and_names_do_not_matter(seed in any::<u64>(), given in any::<bool>()) {
        let mut points = with(shop(), NORMAL, "cart", "latency/p95", 0.3);
        points = with(points, NORMAL, "front", "latency/p95", 0.3);
        let begin = if given { NORMAL } else { 0 };
        let target = Some(("front", "latency/p95"));
        let plain = rank(&points, begin, target);
        let mut state = seed | 1;
        for i in (1..points.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            points.swap(i, (state >> 33) as usize % (i + 1));
        }
        prop_assert_eq!(&rank(&points, begin, target), &plain);
        let names = [("front", "n3"), ("cart", "n9"), ("store", "n1"), ("mail", "n2")];
        let new = |name: &'static str| names.iter().find(|(old, _)| *old == name).unwrap().1;
        let moved: Vec<Point> = points.iter().map(|p| (p.0, new(p.1), p.2, p.3)).collect();
        let edges = EDGES.map(|(caller, callee)| (new(caller), new(callee)));
        let window = window(&moved, begin);
        let targeted = ranker().rank(&window, edges, Some((new("front"), "latency/p95")));
        prop_assert_eq!(renamed(&targeted, &names), renamed(&plain, &[]));
    }

    #[test]
    fn nothing_panics(
        points in prop::collection::vec((
            any::<i64>(),
            prop::sample::select(vec!["a", "b", "c_remote", ""]),
            prop::sample::select(vec!["latency", "availability", "x->b", "client->a", "->"]),
            prop::num::f64::ANY,
            any::<bool>(),
        ), 0..120),
        close in any::<bool>(),
        target in prop::option::of(Just(("a", "latency"))),
    ) {
        let mut window = MetricWindow::new();
        for (at, service, metric, value, normal) in points {
            let at = if close { at.rem_euclid(60) * MINUTE } else { at };
            let point = MetricPoint::new(Timestamp::from_nanos(at), service, metric, value);
            if normal { window.normal(&point, 1) } else { window.incident(&point, 1) }
            let (timestamp, level, body) = (point.timestamp, metric, metric);
            window.log(&LogLine::new(timestamp, service, level, body), 1);
            let span = Span {
                operation: "call",
                kind: mad_core::SpanKind::Unknown,
                peer: None,
                host: "",
                version: "",
                status: "",
                start: point.timestamp,
                trace_id: "",
                span_id: service,
                parent_id: Some("b"),
                service,
                duration_ms: value,
            };
            window.span(&span, 1);
        }
        let ranking = ranker().rank(&window, [("a", "b"), ("b", "a"), ("c_remote", "a")], target);
        prop_assert_eq!(ranking.abstained, ranking.culprits.is_empty());
        prop_assert!(ranking.culprits.is_sorted_by(|a, b| a.score >= b.score));
        for culprit in &ranking.culprits {
            prop_assert!((0.0..=1.0).contains(&culprit.score), "{}", culprit.score);
        }
    }
}

#[test]
fn the_kind_of_a_metric_can_be_configured() {
    // a falling backlog is good for a queue, and a drop for a count of served requests
    let points = with(shop(), NORMAL, "store", "cpu", -0.3);
    let rank_with = |kinds: &[(&str, MetricKind)]| {
        let metric_kinds = kinds.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
        let config = MetricRankerConfig { metric_kinds, ..MetricRankerConfig::default() };
        MetricRanker::new(config).unwrap().rank(&window(&points, NORMAL), EDGES, None)
    };
    assert!(rank_with(&[]).abstained);
    let named = rank_with(&[("c*", MetricKind::Latency), ("cpu", MetricKind::Availability)]);
    assert_eq!(&*named.culprits[0].entity.service, "store");
    assert_eq!(named.culprits[0].evidence[0].kind, MetricKind::Availability);
    assert!(rank_with(&[("c*", MetricKind::Latency)]).abstained);
    let metric_kinds = [("cpu".to_owned(), MetricKind::Logs)].into();
    let config = MetricRankerConfig { metric_kinds, ..MetricRankerConfig::default() };
    let error = MetricRanker::new(config).unwrap_err().to_string();
    assert!(error.contains("metric_kinds.cpu"), "{error}");
}
