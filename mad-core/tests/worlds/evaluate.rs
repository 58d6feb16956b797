//! Evaluation against cases computed by hand.

use std::time::Duration;

use mad_core::evaluate::{
    EvaluatedIncident, EvaluatedRow, Evaluation, Scores, Truth, TruthIncident, evaluate,
};
use mad_core::time::{MINUTE, Timestamp};

const LATENESS: Duration = Duration::from_secs(10);

/// The time `minutes` after the start.
fn at(minutes: f64) -> Timestamp {
    Timestamp::from_nanos(((29_461_560.0 + minutes) * MINUTE as f64).round() as i64)
}

fn truth(place: &str, start: f64, end: f64, affected: &[&str]) -> TruthIncident {
    let (service, endpoint) = place.split_once(' ').unwrap();
    TruthIncident {
        service: service.to_owned(),
        endpoint: endpoint.to_owned(),
        start: at(start),
        end: at(end),
        kind: "outage".to_owned(),
        affected: affected.iter().map(|&name| name.to_owned()).collect(),
        spec: None,
    }
}

/// Rows of minutes 0 to `n`, flagged where listed.
fn rows(place: &str, n: u32, flagged: &[u32]) -> Vec<EvaluatedRow> {
    let (service, endpoint) = place.split_once(' ').unwrap();
    (0..n)
        .map(|minute| EvaluatedRow {
            bucket: at(f64::from(minute)),
            service: service.to_owned(),
            endpoint: endpoint.to_owned(),
            is_anomaly: flagged.contains(&minute),
        })
        .collect()
}

fn incident(place: &str, start: f64, end: f64, opened: f64, ranks: &[&str]) -> EvaluatedIncident {
    let split = |place: &str| {
        let (service, endpoint) = place.split_once(' ').unwrap();
        (service.to_owned(), endpoint.to_owned())
    };
    let (service, endpoint) = split(place);
    EvaluatedIncident {
        service,
        endpoint,
        start: at(start),
        end: at(end),
        opened_at: at(opened),
        rank_of_culprits: ranks.iter().map(|&rank| split(rank)).collect(),
        members: Vec::new(),
    }
}

fn judge(
    rows: &[EvaluatedRow],
    incidents: &[EvaluatedIncident],
    truths: Vec<TruthIncident>,
) -> Evaluation {
    evaluate(rows, Duration::from_secs(60), LATENESS, incidents, &Truth::new(truths))
}

#[test]
fn partial_first_and_last_minutes_belong_to_the_incident() {
    // 45:30 to 53:15 touches minutes 45 to 53: nine rows
    let truths = vec![truth("payments /pay", 45.5, 53.25, &[])];
    let flagged = [44, 45, 46, 53, 54];
    let evaluation = judge(&rows("payments /pay", 120, &flagged), &[], truths);
    let counts = evaluation.rows;
    assert_eq!((counts.tp, counts.fp, counts.fn_, counts.tn), (3, 2, 6, 109));
    assert_eq!(counts.scores.precision, Some(3.0 / 5.0));
    assert_eq!(counts.scores.recall, Some(3.0 / 9.0));
    assert_eq!(counts.scores.f1, Some(6.0 / 14.0));
    // minute 45 ends 30 s after the start; 10 s of lateness
    assert_eq!(evaluation.outcomes[0].first_row_delay_seconds, Some(40.0));
}

#[test]
fn an_end_on_the_minute_is_exclusive() {
    let truths = || vec![truth("payments /pay", 45.0, 54.0, &[])];
    let all: Vec<u32> = (0..60).collect();
    let counts = judge(&rows("payments /pay", 60, &all), &[], truths()).rows;
    assert_eq!((counts.tp, counts.fp, counts.fn_), (9, 51, 0));
    // an incident that starts at the end of the true one, or ends at its start, does not find it
    let touching = [
        incident("payments /pay", 54.0, 55.0, 55.0, &[]),
        incident("payments /pay", 40.0, 45.0, 41.0, &[]),
    ];
    let evaluation = judge(&[], &touching, truths());
    assert_eq!((evaluation.incidents.found, evaluation.incidents.false_incidents), (0, 2));
    let inside = [incident("payments /pay", 53.0, 54.0, 54.0, &[])];
    assert_eq!(judge(&[], &inside, truths()).incidents.found, 1);
}

#[test]
fn rows_of_other_entities_and_other_times_are_false() {
    let truths = vec![truth("payments /pay", 10.0, 12.0, &[])];
    let mut all = rows("payments /pay", 20, &[10, 15]);
    all.extend(rows("payments /refund", 20, &[10]));
    all.extend(rows("auth /pay", 20, &[11]));
    let counts = judge(&all, &[], truths).rows;
    assert_eq!((counts.tp, counts.fp, counts.fn_, counts.tn), (1, 3, 1, 55));
}

#[test]
fn rows_of_affected_entities_are_ignored_during_the_incident() {
    let truths = vec![truth("payments /pay", 10.0, 12.0, &["checkout /checkout", "auth"])];
    let mut all = rows("checkout /checkout", 20, &[10, 11, 12]);
    all.extend(rows("auth /login", 20, &[3, 11]));
    all.extend(rows("checkout /cart", 20, &[10]));
    let detected = [
        incident("checkout /checkout", 10.0, 12.0, 11.0, &[]),
        incident("checkout /checkout", 15.0, 16.0, 16.0, &[]),
        incident("checkout /cart", 10.0, 11.0, 11.0, &[]),
    ];
    let evaluation = judge(&all, &detected, truths);
    let counts = evaluation.rows;
    assert_eq!((counts.tp, counts.fp, counts.fn_, counts.ignored), (0, 3, 0, 4));
    let counts = evaluation.incidents;
    assert_eq!((counts.matched, counts.false_incidents, counts.ignored), (0, 2, 1));
    assert_eq!((counts.found, counts.missed), (0, 1));
    // a second true incident at this entity makes its rows count
    let both = vec![
        truth("payments /pay", 10.0, 12.0, &["checkout"]),
        truth("checkout /checkout", 11.0, 13.0, &[]),
    ];
    let counts = judge(&rows("checkout /checkout", 20, &[10, 11, 12]), &[], both).rows;
    assert_eq!((counts.tp, counts.fp, counts.ignored), (2, 0, 1));
}

#[test]
fn the_earliest_incident_gives_delay_and_rank() {
    let truths = vec![
        truth("payments /pay", 10.5, 20.0, &[]),
        truth("auth /login", 30.0, 40.0, &[]),
        truth("auth /verify", 30.0, 40.0, &[]),
    ];
    let detected = [
        incident("payments /pay", 15.0, 17.0, 16.0, &["payments /pay"]),
        incident("payments /pay", 11.0, 13.0, 12.25, &["auth /login", "payments /pay"]),
        incident("auth /verify", 29.0, 33.0, 29.5, &["auth /login"]),
        incident("catalog /items", 11.0, 13.0, 12.0, &["payments /pay"]),
    ];
    let evaluation = judge(&[], &detected, truths);
    let counts = evaluation.incidents;
    assert_eq!((counts.found, counts.missed), (2, 1));
    assert_eq!((counts.matched, counts.false_incidents), (3, 1));
    assert_eq!(counts.scores, Scores::new(2, 1, 1));
    assert_eq!(counts.scores.precision, Some(2.0 / 3.0));
    let [pay, login, verify] = &evaluation.outcomes[..] else { panic!("three outcomes") };
    assert_eq!((pay.found, pay.delay_seconds, pay.culprit_rank), (true, Some(105.0), Some(2)));
    assert_eq!((login.found, login.delay_seconds, login.culprit_rank), (false, None, None));
    // opened before the start, with another culprit
    assert_eq!((verify.delay_seconds, verify.culprit_rank), (Some(-30.0), None));
    assert_eq!(evaluation.median_delay_seconds, Some(37.5));
    let culprits = evaluation.culprits;
    assert_eq!((culprits.of, culprits.first, culprits.among_three), (3, 0, 1));
}

#[test]
fn one_detected_incident_may_find_two() {
    let truths = vec![truth("auth /login", 10.0, 12.0, &[]), truth("auth /login", 13.0, 15.0, &[])];
    let detected = [incident("auth /login", 10.0, 15.0, 11.0, &["auth /login"])];
    let counts = judge(&[], &detected, truths).incidents;
    assert_eq!((counts.found, counts.matched, counts.missed), (2, 1, 0));
    assert_eq!(counts.scores.precision, Some(1.0));
}

#[test]
fn figures_without_a_denominator_are_none() {
    let nothing = judge(&[], &[], vec![]);
    assert_eq!(nothing, Evaluation::default());
    let quiet = judge(&rows("a /", 5, &[]), &[], vec![truth("a /", 1.0, 2.0, &[])]);
    assert_eq!((quiet.rows.scores.precision, quiet.rows.scores.recall), (None, Some(0.0)));
    assert_eq!(quiet.rows.scores.f1, Some(0.0));
    let loud = judge(&rows("a /", 5, &[2]), &[], vec![]);
    assert_eq!((loud.rows.scores.precision, loud.rows.scores.recall), (Some(0.0), None));
    let json = serde_json::to_value(&loud).unwrap();
    assert_eq!(json["rows"]["fp"], 1);
    assert_eq!(json["rows"]["fn"], 0);
    assert_eq!(json["rows"]["precision"], 0.0);
    assert_eq!(json["rows"]["recall"], serde_json::Value::Null);
    assert_eq!(serde_json::from_value::<Evaluation>(json).unwrap(), loud);
}

#[test]
fn pooled_runs_equal_one_run() {
    let first = judge(
        &rows("a /", 30, &[10, 11, 25]),
        &[incident("a /", 10.0, 12.0, 11.5, &["a /"])],
        vec![truth("a /", 10.0, 13.0, &[])],
    );
    let second = judge(
        &rows("b /", 30, &[3]),
        &[incident("b /", 3.0, 4.0, 4.5, &[])],
        vec![truth("b /", 10.0, 13.0, &["c"])],
    );
    let mut all = rows("a /", 30, &[10, 11, 25]);
    all.extend(rows("b /", 30, &[3]));
    let together = judge(
        &all,
        &[incident("a /", 10.0, 12.0, 11.5, &["a /"]), incident("b /", 3.0, 4.0, 4.5, &[])],
        vec![truth("a /", 10.0, 13.0, &[]), truth("b /", 10.0, 13.0, &["c"])],
    );
    let mut pooled = Evaluation::default();
    pooled.merge(first);
    pooled.merge(second);
    assert_eq!(pooled, together);
    assert_eq!(pooled.rows.scores.recall, Some(2.0 / 6.0));
    assert_eq!(pooled.median_delay_seconds, Some(90.0));
}

#[test]
fn times_at_the_ends_of_the_calendar_do_not_panic() {
    let mut far = truth("a /", 0.0, 1.0, &[]);
    (far.start, far.end) = (Timestamp::MIN, Timestamp::MAX);
    let mut row = rows("a /", 1, &[0]);
    row[0].bucket = Timestamp::from_nanos(i64::MAX - 1);
    let mut detected = incident("a /", 0.0, 1.0, 0.0, &[]);
    detected.opened_at = Timestamp::MAX;
    let evaluation =
        evaluate(&row, Duration::ZERO, Duration::MAX, &[detected], &Truth::new(vec![far]));
    assert_eq!((evaluation.rows.tp, evaluation.incidents.found), (1, 1));
}
