//! The onset of an incident.

use mad_core::LogLine;

use super::{EDGES, INCIDENT, NORMAL, minute, rank, ranker, services, shop, window, with};

#[test]
fn the_onset_is_found_without_normal_time() {
    let points = with(shop(), NORMAL, "cart", "latency/p95", 0.3);
    let points = with(points, NORMAL, "front", "latency/p95", 0.3);
    for target in [None, Some(("front", "latency/p95"))] {
        let ranking = rank(&points, 0, target);
        assert_eq!(services(&ranking)[0], "cart", "{target:?}");
        assert_eq!(ranking.start, Some(minute(NORMAL)), "{target:?}");
    }
}

#[test]
fn the_onset_is_found_when_the_alarm_is_late() {
    let points = with(shop(), 20, "cart", "latency/p95", 0.3);
    let ranking = rank(&points, NORMAL, None);
    assert_eq!(services(&ranking)[0], "cart");
    assert_eq!(ranking.start, Some(minute(20)));
    // an anomaly that ended before is another incident
    let points = with(shop(), 10, "mail", "latency/p95", 0.3);
    let points = with(points, 20, "mail", "latency/p95", -0.3);
    let points = with(points, NORMAL, "cart", "latency/p95", 0.3);
    let ranking = rank(&points, NORMAL, None);
    assert_eq!((services(&ranking)[0], ranking.start), ("cart", Some(minute(NORMAL))));
}

#[test]
fn the_onset_of_a_recovered_target_is_found() {
    let mut points = shop();
    for service in ["front", "cart"] {
        points = with(points, NORMAL - 2, service, "latency/p95", 0.3);
        points = with(points, NORMAL, service, "latency/p95", -0.3);
    }
    let ranking = rank(&points, NORMAL, Some(("front", "latency/p95")));
    assert_eq!((services(&ranking)[0], ranking.start), ("cart", Some(minute(NORMAL - 2))));
    // it was never anomalous
    assert!(rank(&shop(), NORMAL, Some(("front", "latency/p95"))).abstained);
}

#[test]
fn a_step_of_all_services_is_not_the_onset() {
    // at row 20 the load of all services rises, at row 36 only the cart slows down
    let mut points = with(shop(), 36, "cart", "latency/p95", 0.3);
    for service in ["front", "cart", "store", "mail"] {
        points = with(points, 20, service, "cpu", 0.4);
    }
    let ranking = rank(&points, 0, None);
    assert_eq!((services(&ranking)[0], ranking.start), ("cart", Some(minute(36))));
}

#[test]
fn log_lines_are_divided_at_the_onset() {
    let begin = NORMAL - 4;
    let points = with(shop(), begin, "cart", "latency/p95", 0.3);
    let mut window = window(&points, NORMAL);
    for row in 0..NORMAL + INCIDENT {
        for service in ["front", "cart"] {
            let failing = service == "cart" && (begin..NORMAL).contains(&row);
            let level = if failing { "ERROR" } else { "INFO" };
            window.log(&LogLine::new(minute(row), service, level, "Serve#1"), 1);
        }
    }
    let ranking = ranker().rank(&window, EDGES, None);
    assert_eq!(ranking.start, Some(minute(begin)));
    let evidence = &ranking.culprits[0].evidence;
    let errors = evidence.iter().find(|one| one.metric == "log errors").unwrap();
    assert_eq!(errors.value, 4.0);
}

/// A cause moves before its symptom: it is named although it is high already in the rows before the
/// target, with its own onset.
#[test]
fn a_cause_that_moves_some_rows_before_its_symptom_is_named() {
    for lead in 0..=8 {
        let begin = NORMAL + 20;
        let mut points = Vec::new();
        for row in 0..begin + 20 {
            for (salt, service, level, from) in [
                (1, "front", 160.0, begin),
                (2, "cart", 110.0, begin),
                (3, "store", 24.0, begin - lead),
            ] {
                let slow = if row >= from { 200.0 } else { 0.0 };
                let value = level * (1.0 + 0.05 * super::scatter(row, salt)) + slow;
                points.push((row, service, "latency", value));
            }
        }
        let ranking = rank(&points, begin, Some(("front", "latency")));
        let first = &ranking.culprits[0];
        assert_eq!(&*first.entity.service, "store", "{lead}: {:?}", ranking.culprits);
        assert_eq!(first.onset, minute(begin - lead), "{lead}");
    }
}

/// A resource that is used up before calls become slow explains them, although callers show another
/// metric and a larger change: with and without a target, with a declared onset and without.
#[test]
fn a_resource_that_moves_before_its_callers_explains_them() {
    for (lead, metric) in [(2, "cpu"), (7, "memory"), (15, "cpu"), (30, "memory")] {
        let begin = NORMAL + 40;
        let mut points = Vec::new();
        for row in 0..begin + 20 {
            for (salt, service, slow) in
                [(1, "front", 900.0), (2, "cart", 400.0), (3, "store", 0.0)]
            {
                let slow = if row >= begin { slow } else { 0.0 };
                let noise = |salt| 1.0 + 0.05 * super::scatter(row, salt);
                points.push((row, service, "latency", 100.0 * noise(salt) + slow));
                let is_used_up = service == "store" && row >= begin - lead;
                let used = if is_used_up { 0.9 } else { 0.3 };
                points.push((row, service, metric, used * noise(salt + 10)));
            }
        }
        for declared in [begin, 0] {
            for target in [Some(("front", "latency")), None] {
                let ranking = rank(&points, declared, target);
                let case = format!("{lead} {metric} {declared} {target:?}");
                let first = ranking.culprits.first().unwrap_or_else(|| panic!("{case}"));
                assert_eq!(&*first.entity.service, "store", "{case}: {:?}", ranking.culprits);
                assert_eq!(first.onset, minute(begin - lead), "{case}");
            }
        }
    }
}
