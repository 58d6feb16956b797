//! Rankings over metrics of graphs and fleets of unusual shape.

use mad_core::culprit::{MetricRanker, MetricRankerConfig, MetricRanking, MetricWindow};
use mad_core::time::MINUTE;
use mad_core::{Change, MetricPoint, RejectReason, Timestamp};

const NORMAL: i64 = 30;
const ROWS: i64 = 36;

/// Services a, b, c, ... with latency; those named are 0.5 s slower in the incident.
fn fleet(services: &[&str], slow: &[&str]) -> MetricWindow {
    let mut window = MetricWindow::new();
    for (salt, service) in (1_i64..).zip(services) {
        for row in 0..ROWS {
            let added = if row >= NORMAL && slow.contains(service) { 0.5 } else { 0.0 };
            let value = 0.1 + 0.001 * ((row * 7 + salt * 3) % 11) as f64 + added;
            let point = MetricPoint::new(at(row), service, "latency", value);
            if row < NORMAL { window.normal(&point, 1) } else { window.incident(&point, 1) }
        }
    }
    window
}

fn at(row: i64) -> Timestamp {
    Timestamp::from_seconds(60 * row)
}

fn rank(window: &MetricWindow, edges: &[(&str, &str)], target: Option<&str>) -> MetricRanking {
    let ranker = MetricRanker::new(MetricRankerConfig::default()).unwrap();
    let target = target.map(|service| (service, "latency"));
    let ranking = ranker.rank(window, edges.iter().copied(), target);
    let all = ranking.culprits.iter();
    assert!(all.clone().all(|one| one.score > 0.0 && one.score < 1.0));
    assert!(all.clone().all(|one| one.chain.last() == Some(&one.entity.service.to_string())));
    ranking
}

fn services(ranking: &MetricRanking) -> Vec<&str> {
    ranking.culprits.iter().map(|one| &*one.entity.service).collect()
}

#[test]
fn two_causes_at_once_are_both_named_before_their_callers() {
    let window = fleet(&["front", "cart", "mail", "store"], &["front", "store", "mail"]);
    let edges = [("front", "cart"), ("front", "mail"), ("front", "store")];
    let ranking = rank(&window, &edges, Some("front"));
    let mut first = services(&ranking)[..2].to_vec();
    first.sort_unstable();
    assert_eq!(first, ["mail", "store"]);
    assert!(ranking.culprits[1].score > 0.5);
}

#[test]
fn cycles_and_self_calls_terminate() {
    let window = fleet(&["a", "b", "c"], &["a", "b", "c"]);
    let edges = [("a", "b"), ("b", "c"), ("c", "a"), ("b", "b")];
    let ranking = rank(&window, &edges, Some("a"));
    assert_eq!(ranking.culprits.len(), 3);
    let again = rank(&window, &edges, None);
    assert!(again.culprits.iter().all(|one| one.chain.len() <= 3));
    // a self-call explains nothing
    let window = fleet(&["a", "b", "c"], &["b"]);
    assert_eq!(services(&rank(&window, &[("a", "b"), ("b", "b")], None))[0], "b");
}

#[test]
fn edges_of_services_without_metrics_change_nothing() {
    let window = fleet(&["front", "cart"], &["front", "cart"]);
    let plain = rank(&window, &[("front", "cart")], Some("front"));
    let edges = [("front", "cart"), ("unknown", "front"), ("cart", "ghost"), ("ghost", "other")];
    let with = rank(&window, &edges, Some("front"));
    assert_eq!(services(&with), services(&plain));
    assert_eq!(with.culprits[0].chain, ["front", "cart"]);
}

#[test]
fn the_chain_leads_through_anomalous_services() {
    let names = ["front", "fine", "ill", "deep"];
    let window = fleet(&names, &["front", "ill", "deep"]);
    let edges = [("front", "fine"), ("front", "ill"), ("fine", "deep"), ("ill", "deep")];
    let ranking = rank(&window, &edges, Some("front"));
    assert_eq!(ranking.culprits[0].chain, ["front", "ill", "deep"]);
    let without_target = rank(&window, &edges, None);
    assert_eq!(without_target.culprits[0].chain, ["front", "ill", "deep"]);
    // there is no path
    assert_eq!(rank(&window, &[], Some("front")).culprits[0].chain.len(), 1);
}

#[test]
fn a_single_service_is_named_only_if_anomalous() {
    assert_eq!(services(&rank(&fleet(&["a"], &["a"]), &[], None)), ["a"]);
    assert_eq!(services(&rank(&fleet(&["a"], &["a"]), &[("a", "a")], Some("a"))), ["a"]);
    assert!(rank(&fleet(&["a"], &[]), &[], None).abstained);
}

#[test]
fn an_unknown_target_counts_as_no_target() {
    let window = fleet(&["front", "cart"], &["cart"]);
    let plain = rank(&window, &[("front", "cart")], None);
    assert_eq!(rank(&window, &[("front", "cart")], Some("unknown")), plain);
}

#[test]
fn metrics_with_gaps_only_are_ignored() {
    let mut window = fleet(&["front", "cart"], &["cart"]);
    let plain = rank(&window, &[], None);
    for row in 0..ROWS {
        window.normal(&MetricPoint::new(at(row), "hole", "latency", f64::NAN), 1);
        window.incident(&MetricPoint::new(at(row), "hole", "latency", f64::NAN), 1);
    }
    assert_eq!(rank(&window, &[], None), plain);
    let mut nothing = MetricWindow::new();
    nothing.incident(&MetricPoint::new(at(0), "hole", "latency", f64::NAN), 1);
    assert!(rank(&nothing, &[("hole", "hole")], Some("hole")).abstained);
}

#[test]
fn one_of_ten_thousand_services_is_found() {
    let names: Vec<String> = (0..10_000).map(|at| format!("s{at}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let window = fleet(&names, &["s0", "s7", "s70", "s700", "s7000"]);
    let edges: Vec<(&str, &str)> = (1..names.len()).map(|at| (names[at / 10], names[at])).collect();
    let edges: Vec<(&str, &str)> = edges.into_iter().filter(|(a, b)| a != b).collect();
    let ranking = rank(&window, &edges, None);
    assert_eq!(services(&ranking)[0], "s7000");
    assert_eq!(ranking.culprits[0].chain, ["s0", "s7", "s70", "s700", "s7000"]);
}

#[test]
fn a_change_decides_between_equal_suspects_and_accuses_none() {
    let mut window = fleet(&["a", "b"], &["a", "b"]);
    let deploy = Change::new(at(NORMAL - 5), "b", "deploy");
    window.change(&Change { version: "2", ..deploy }, 1);
    window.change(&Change { kind: "", ..deploy }, 2);
    let ranking = rank(&window, &[], None);
    assert_eq!(services(&ranking), ["b", "a"]);
    let last = ranking.culprits[0].sentences().pop().unwrap();
    assert_eq!(last, "deploy 2 of b at 1970-01-01T00:25:00Z, 300 s before its onset");
    assert_eq!(window.rejected().count(RejectReason::MissingField), 1);
    let mut calm = fleet(&["a", "b"], &[]);
    calm.change(&deploy, 1);
    assert!(rank(&calm, &[], None).abstained);
}

#[test]
fn all_changes_before_the_onset_are_listed_deploys_first() {
    let mut window = fleet(&["a", "b"], &["b"]);
    let change = |before, service, kind| Change::new(at(NORMAL - before), service, kind);
    for one in [
        change(2, "b", "config"),
        change(4, "b", "feature_flag"),
        change(20, "b", "deploy"),
        change(9, "b", "deployment"),
        // after the onset, too long before it, and of a service without an anomaly
        change(-3, "b", "deploy"),
        change(31, "b", "deploy"),
        change(1, "a", "deploy"),
    ] {
        window.change(&one, 1);
    }
    let ranking = rank(&window, &[], None);
    assert_eq!(services(&ranking)[0], "b");
    let first = &ranking.culprits[0];
    let listed: Vec<(&str, i64)> = first
        .changes
        .iter()
        .map(|one| (one.kind.as_str(), first.onset.since(one.at) / MINUTE))
        .collect();
    let wanted = [("deployment", 9), ("deploy", 20), ("feature_flag", 4), ("config", 2)];
    assert_eq!(listed, wanted);
    assert_eq!(first.sentences().len(), first.evidence.len() + 4);
}

#[test]
fn anomalies_that_move_together_are_correlated() {
    let window = fleet(&["a", "b", "calm"], &["a", "b"]);
    let ranking = rank(&window, &[], None);
    let first = &ranking.culprits[0];
    let other = if &*first.entity.service == "a" { "b" } else { "a" };
    let found: Vec<&str> = first.correlated.iter().map(|one| one.service.as_str()).collect();
    assert_eq!(found, [other]);
    assert!(first.correlated[0].correlation_score >= 0.5);
    assert!(ranking.culprits[1].correlated.is_empty());
}
