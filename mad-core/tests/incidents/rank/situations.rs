//! Situations of a fleet: quiet windows, new pods, flapping faults, and waits between two services.

use mad_core::culprit::{MetricEvidence, MetricRanking, MetricWindow};
use mad_core::{MetricPoint, Timestamp};

use super::{ranker, scatter};

const NORMAL: i64 = 160;

/// A point of a pod: row, service, pod, metric, value.
struct Pods(MetricWindow);

impl Pods {
    fn new() -> Self {
        Self(MetricWindow::new())
    }

    fn push(&mut self, row: i64, name: (&str, &str, &str), value: f64) {
        let at = Timestamp::from_seconds(1_700_000_000 + 60 * row);
        let mut point = MetricPoint::new(at, name.0, name.2, value);
        point.resource = name.1;
        if row < NORMAL {
            self.0.normal(&point, 1);
        } else {
            self.0.incident(&point, 1);
        }
    }

    fn rank(&self) -> MetricRanking {
        ranker().rank(&self.0, [("web", "cart"), ("web", "mail")], None)
    }
}

/// Three services whose memory warms up, drifts or strays, with an incident of `rows` rows. `add` is
/// added to the cpu of `cart`.
fn drifting(rows: i64, salt: i64, add: impl Fn(i64) -> f64) -> MetricRanking {
    let mut pods = Pods::new();
    for row in 0..NORMAL + rows {
        let age = row as f64 / NORMAL as f64;
        let drifts = [0.3 * age, 0.4 * (1.0 - (-3.0 * age).exp()), 0.0];
        for (at, (service, drift)) in (0..).zip(["web", "cart", "mail"].into_iter().zip(drifts)) {
            let noise = |kind: i64| scatter(row, salt + 10 * at + kind);
            pods.push(row, (service, "", "memory"), 300.0 * (1.0 + drift + 0.01 * noise(1)));
            let fault = if service == "cart" { add(row) } else { 0.0 };
            pods.push(row, (service, "", "cpu"), 0.4 * (1.0 + 0.2 * noise(2)) + fault);
            // errors that are counted one by one
            let failed = if noise(3) > 0.5 { 1.0 } else { 0.0 };
            pods.push(row, (service, "", "errors"), failed);
        }
    }
    pods.rank()
}

#[test]
fn slow_drifts_and_single_errors_are_no_fault() {
    let named = (0..20).filter(|salt| !drifting(10, 100 * salt, |_| 0.0).abstained).count();
    assert!(named <= 2, "{named} of 20 quiet windows have a culprit");
}

#[test]
fn a_fault_among_drifts_is_named() {
    for salt in 0..20 {
        let ranking = drifting(10, 100 * salt, |row| if row >= NORMAL { 0.6 } else { 0.0 });
        assert_eq!(&*ranking.culprits[0].entity.service, "cart", "{salt}");
        assert_eq!(ranking.culprits[0].metric, "cpu");
    }
}

#[test]
fn a_fault_that_comes_and_goes_is_named() {
    for salt in 0..20 {
        let flaps = |row| if row >= NORMAL && row % 2 == 0 { 0.6 } else { 0.0 };
        let ranking = drifting(12, 100 * salt, flaps);
        let named = ranking.culprits.first().map(|first| &*first.entity.service);
        assert_eq!(named, Some("cart"), "{salt}");
    }
}

/// Pods of `cart`; `cart-3` is new in the incident, and its latency has the factor `slow`. All pods have
/// the factor `load` in the incident.
fn rollout(slow: f64, load: f64) -> MetricRanking {
    let mut pods = Pods::new();
    for row in 0..NORMAL + 10 {
        for (at, pod) in (0..).zip(["cart-1", "cart-2", "cart-3"]) {
            let is_new = pod == "cart-3";
            if is_new && row < NORMAL {
                continue;
            }
            let now = if row < NORMAL { 1.0 } else { load };
            let factor = now * if is_new { slow } else { 1.0 };
            let value = 40.0 * (1.0 + 0.1 * scatter(row, at)) * factor;
            pods.push(row, ("cart", pod, "latency"), value);
        }
        pods.push(row, ("mail", "mail-1", "latency"), 20.0 * (1.0 + 0.1 * scatter(row, 7)));
    }
    pods.rank()
}

#[test]
fn a_new_pod_is_compared_with_its_siblings() {
    let first = &rollout(3.0, 1.0).culprits[0];
    assert_eq!((&*first.entity.service, &*first.entity.endpoint), ("cart", "cart-3"));
    assert!(rollout(1.0, 1.0).abstained);
    // what all pods share is not the fault of the new one
    let shared = rollout(1.0, 3.0);
    assert_ne!(&*shared.culprits[0].entity.endpoint, "cart-3");
}

/// Latencies at both ends of the calls `web` to `cart` and `cart` to `store`, `cart` to `bank`; calls from
/// and to `cart` wait longer.
#[test]
fn waits_between_client_and_server_count_where_they_meet() {
    let mut pods = Pods::new();
    let calls = [
        ("web", "cart", 30.0),
        ("web", "mail", 8.0),
        ("cart", "store", 5.0),
        ("cart", "bank", 9.0),
    ];
    for row in 0..NORMAL + 10 {
        for (at, (caller, callee, works)) in (0..).zip(calls) {
            let delayed = row >= NORMAL && (caller == "cart" || callee == "cart");
            let wait = 1.0 + if delayed { 12.0 } else { 0.0 };
            // what `cart` waits for others is part of its work
            let own = if callee == "cart" && delayed { 24.0 } else { 0.0 };
            let works = works * (1.0 + 0.05 * scatter(row, at)) + own;
            let (client, server) =
                (format!("client_latency->{callee}"), format!("server_latency->{caller}"));
            pods.push(row, (caller, "", &client), works + wait);
            pods.push(row, (callee, "", &server), works);
        }
    }
    let edges = calls.map(|(caller, callee, _)| (caller, callee));
    let ranking = ranker().rank(&pods.0, edges, None);
    let first = &ranking.culprits[0];
    assert_eq!((&*first.entity.service, first.metric.as_str()), ("cart", "call gap"));
}

#[test]
fn memory_is_named_before_the_cpu_that_it_costs() {
    let mut pods = Pods::new();
    for row in 0..NORMAL + 12 {
        for (at, service) in (0..).zip(["web", "cart", "mail"]) {
            let grows = if service == "cart" {
                ((row - NORMAL + 1).max(0) as f64 / 6.0).min(1.0)
            } else {
                0.0
            };
            let memory = 300.0 * (1.0 + 0.005 * scatter(row, at) + grows);
            pods.push(row, (service, "", "memory"), memory);
            pods.push(
                row,
                (service, "", "cpu"),
                0.4 * (1.0 + 0.05 * scatter(row, at + 5) + 2.0 * grows),
            );
        }
    }
    let first = &pods.rank().culprits[0];
    assert_eq!((&*first.entity.service, first.metric.as_str()), ("cart", "memory"));
    // the onset is the first clear move of the ramp
    let row = (first.onset.nanos() / 1_000_000_000 - 1_700_000_000) / 60;
    assert!((row - NORMAL).abs() <= 1, "row {row}");
}

/// `web` calls `cart`, nothing that `web` calls calls `bank`. The cpu of `faulty` doubles; the latency of
/// `web` does not change.
fn beside_target(salt: i64, faulty: &str) -> MetricRanking {
    let mut pods = Pods::new();
    for row in 0..NORMAL + 12 {
        for (at, service) in (0..).zip(["web", "cart", "mail", "bank"]) {
            let noise = |kind: i64| 1.0 + 0.1 * scatter(row, salt + 10 * at + kind);
            let grows = if service == faulty && row >= NORMAL { 2.0 } else { 1.0 };
            pods.push(row, (service, "", "cpu"), 0.3 * grows * noise(1));
            pods.push(row, (service, "", "latency"), 40.0 * noise(2));
        }
    }
    let edges = [("web", "cart"), ("web", "mail"), ("bank", "mail")];
    ranker().rank(&pods.0, edges, Some(("web", "latency")))
}

#[test]
fn a_fault_that_hardly_shows_in_the_target_is_named_if_the_target_calls_it() {
    for salt in 0..10 {
        let ranking = beside_target(1_000 * salt, "cart");
        let first = ranking.culprits.first().unwrap_or_else(|| panic!("{salt}"));
        assert_eq!((&*first.entity.service, &*first.metric), ("cart", "cpu"), "{salt}");
        assert_eq!(first.chain, ["web", "cart"]);
        assert!(
            ranking.calm_target && ranking.summary().contains("does not stand out in"),
            "{salt}"
        );
        // the target does not depend on it
        let other = beside_target(1_000 * salt, "bank");
        assert!(other.abstained && !other.calm_target, "{salt}: {:?}", other.culprits);
    }
}

#[test]
fn a_quiet_window_with_a_target_has_no_culprit_but_a_candidate() {
    for salt in 0..20 {
        let ranking = beside_target(1_000 * salt, "none");
        assert!(ranking.abstained, "{salt}: {:?}", ranking.culprits);
        let best = ranking.unnamed.first().map(MetricEvidence::sentence).unwrap_or_default();
        let summary = ranking.summary();
        assert!(summary.contains(&format!("too weak to be named: {best}.")), "{summary}");
    }
}

#[test]
fn the_metric_at_fault_is_named_with_a_target_of_another_kind() {
    let mut pods = Pods::new();
    for row in 0..NORMAL + 12 {
        for (at, service) in (0..).zip(["web", "cart", "mail"]) {
            let noise = |kind: i64| 1.0 + 0.05 * scatter(row, 10 * at + kind);
            let is_bad = row >= NORMAL && service != "mail";
            let grows = if row >= NORMAL && service == "cart" { 2.5 } else { 1.0 };
            let slow = if is_bad { 80.0 } else { 0.0 };
            pods.push(row, (service, "", "cpu"), 0.3 * grows * noise(1));
            pods.push(row, (service, "", "latency"), 40.0 * noise(2) + slow);
        }
    }
    let edges = [("web", "cart"), ("web", "mail")];
    let ranking = ranker().rank(&pods.0, edges, Some(("web", "latency")));
    let first = &ranking.culprits[0];
    assert_eq!((&*first.entity.service, &*first.metric), ("cart", "cpu"));
}
