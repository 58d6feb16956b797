//! The reference mode against formulas written out here, and its rules at their edges.

use std::collections::BTreeMap;

use mad_core::guard::{Confidence, Severity};
use mad_core::reference::{ReferenceConfig, ReferenceReport, ReferenceRow, detect};
use mad_core::simulate::{Shop, ShopConfig, SimulatedRequest};
use mad_core::time::{MINUTE, SECOND, Timestamp};
use mad_core::{ErrorKind, RejectReason, Request, Status};
use proptest::prelude::*;

fn shop(rows: u64, seed: u64) -> Shop {
    Shop::new(ShopConfig { rows, seed, ..ShopConfig::default() }).unwrap()
}

fn scored(requests: &[SimulatedRequest], config: &ReferenceConfig) -> ReferenceReport {
    detect(requests.iter().map(SimulatedRequest::request), config).unwrap()
}

/// No minimum traffic, so that small files have flagged rows.
fn eager() -> ReferenceConfig {
    ReferenceConfig { min_requests: 0, ..ReferenceConfig::default() }
}

fn minute(n: i64) -> Timestamp {
    Timestamp::from_seconds(60 * (29_461_560 + n))
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-12 * a.abs().max(b.abs()).max(1.0)
}

fn naive_quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let h = (sorted.len() - 1) as f64 * q;
    let (low, frac) = (h as usize, h.fract());
    if frac == 0.0 { sorted[low] } else { sorted[low] + (sorted[low + 1] - sorted[low]) * frac }
}

#[test]
fn rows_agree_with_the_formulas_written_out() {
    let config = ReferenceConfig { min_requests: 3, ..ReferenceConfig::default() };
    let requests: Vec<_> = shop(20_000, 3).requests().collect();
    let report = scored(&requests, &config);

    let mut groups: BTreeMap<(Timestamp, &str, &str), Vec<&SimulatedRequest>> = BTreeMap::new();
    for request in &requests {
        let bucket = Timestamp::from_nanos(request.timestamp.nanos() / MINUTE * MINUTE);
        groups.entry((bucket, &request.service, &request.endpoint)).or_default().push(request);
    }
    assert_eq!(report.rows.len(), groups.len());
    let mut series: BTreeMap<(&str, &str), Vec<f64>> = BTreeMap::new();
    for (row, ((bucket, service, endpoint), group)) in report.rows.iter().zip(&groups) {
        assert_eq!((row.bucket, &*row.service, &*row.endpoint), (*bucket, *service, *endpoint));
        let latencies: Vec<f64> = group.iter().map(|request| request.latency_ms).collect();
        let errors = group.iter().filter(|request| request.status_code >= 500).count();
        assert_eq!((row.req_count, row.error_count), (group.len() as u64, errors as u64));
        assert!(close(row.error_rate, errors as f64 / group.len() as f64));
        assert!(close(row.avg_latency_ms, latencies.iter().sum::<f64>() / latencies.len() as f64));
        assert!(close(row.p95_latency_ms, naive_quantile(&latencies, 0.95)));
        series.entry((service, endpoint)).or_default().push(row.p95_latency_ms);
    }
    let mut seen: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut flagged = 0;
    for row in &report.rows {
        let key = (&*row.service, &*row.endpoint);
        let values = &series[&key];
        let center = naive_quantile(values, 0.5);
        let deviations: Vec<f64> = values.iter().map(|x| (x - center).abs()).collect();
        let z = 0.6745 * (row.p95_latency_ms - center) / naive_quantile(&deviations, 0.5);
        assert!(close(row.mad_z, z), "{} {z}", row.mad_z);
        let place = seen.entry(key).or_default();
        let due = values.len() >= 20 && *place >= 15 && row.req_count >= 3 && z.abs() > 3.5;
        *place += 1;
        assert_eq!(row.is_anomaly, due);
        flagged += u32::from(due);
        let severity = match (due, row.error_rate >= 0.05) {
            (false, _) => Severity::Info,
            (true, false) => Severity::Warning,
            (true, true) => Severity::Critical,
        };
        assert_eq!(row.severity, severity);
    }
    assert!(flagged > 20, "{flagged} rows are too few to compare");
}

#[test]
fn incidents_culprits_and_metrics_agree_with_the_rules_written_out() {
    let requests: Vec<_> = shop(20_000, 4).requests().collect();
    let report = scored(&requests, &eager());
    let flagged: Vec<&ReferenceRow> = report.rows.iter().filter(|row| row.is_anomaly).collect();
    let same =
        |a: &ReferenceRow, b: &ReferenceRow| (&a.service, &a.endpoint) == (&b.service, &b.endpoint);
    // a flagged row starts an incident unless another lies in the two minutes before it
    let starts = flagged.iter().filter(|row| {
        !flagged.iter().any(|other| {
            same(row, other) && (1..=2).contains(&(row.bucket.since(other.bucket) / MINUTE))
        })
    });
    assert_eq!(report.incidents.len(), starts.count());
    assert!(report.incidents.is_sorted_by(|a, b| a.start >= b.start));
    assert_eq!(report.incidents.iter().map(|i| i.count_points).sum::<u64>(), flagged.len() as u64);
    for incident in &report.incidents {
        let members: Vec<&&ReferenceRow> = flagged
            .iter()
            .filter(|row| {
                (&row.service, &row.endpoint) == (&incident.service, &incident.endpoint)
                    && (incident.start..=incident.end).contains(&row.bucket)
            })
            .collect();
        assert_eq!(members.len() as u64, incident.count_points);
        let peak = members.iter().map(|row| row.p95_latency_ms).fold(0.0, f64::max);
        assert_eq!(incident.max_p95_latency_ms, peak);
        let rate = members.iter().map(|row| row.error_rate).fold(0.0, f64::max);
        assert_eq!(incident.max_error_rate, rate);
        assert_eq!(Some(incident.peak_severity), members.iter().map(|row| row.severity).max());
    }

    let now = minute(54);
    let ranking = report.culprit(15, Some(now), 3);
    let window: Vec<_> =
        flagged.iter().filter(|row| row.bucket >= minute(39) && row.bucket <= now).collect();
    assert_eq!(ranking.total_anomalies, window.len() as u64);
    assert_eq!((ranking.window_start, ranking.window_end), (Some(minute(39)), Some(now)));
    let culprit = ranking.culprit.as_ref().unwrap();
    assert_eq!((&*culprit.service, &*culprit.endpoint), ("payments", "/pay"));
    assert_eq!(ranking.top.first(), Some(culprit));
    assert!(
        ranking.top.len() <= 3 && ranking.top.is_sorted_by(|a, b| a.peak_abs_mad >= b.peak_abs_mad)
    );
    let pay: Vec<_> = window.iter().filter(|row| &*row.endpoint == "/pay").collect();
    let z: Vec<f64> = pay.iter().map(|row| row.mad_z.abs()).collect();
    let round = |x: f64, scale: f64| (x * scale).round() / scale;
    assert_eq!(culprit.points, pay.len() as u64);
    assert!(close(culprit.peak_abs_mad, round(z.iter().copied().fold(0.0, f64::max), 1e3)));
    assert!(close(culprit.avg_abs_mad, round(z.iter().sum::<f64>() / z.len() as f64, 1e3)));
    assert_eq!(
        (culprit.first_anomaly, culprit.last_anomaly),
        (pay[0].bucket, pay.last().unwrap().bucket)
    );

    let explained = report.explain("payments", "/pay", minute(45), minute(53)).unwrap();
    let rows: Vec<_> = report
        .rows
        .iter()
        .filter(|row| &*row.endpoint == "/pay" && (minute(45)..=minute(53)).contains(&row.bucket))
        .collect();
    let metrics = &explained.metrics;
    let n = rows.len() as f64;
    assert_eq!(metrics.count_points, rows.len() as u64);
    assert!(close(metrics.avg_error_rate, rows.iter().map(|row| row.error_rate).sum::<f64>() / n));
    assert!(close(metrics.avg_abs_mad_z, rows.iter().map(|row| row.mad_z.abs()).sum::<f64>() / n));
    assert_eq!(metrics.anomaly_points, rows.iter().filter(|row| row.is_anomaly).count() as u64);
    assert_eq!(
        (explained.confidence, metrics.peak_severity),
        (Confidence::High, Severity::Critical)
    );
    let error = report.explain("payments", "/none", minute(45), minute(53)).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::NotFound);
}

/// `count` requests a minute with the latency and the failures of each minute.
fn series(latencies: &[f64], count: usize, failed: &[(usize, usize)]) -> Vec<Request<'static>> {
    let mut requests = Vec::new();
    for (n, latency) in latencies.iter().enumerate() {
        let failures = failed.iter().find(|(at, _)| *at == n).map_or(0, |(_, failures)| *failures);
        for i in 0..count {
            let status = if i < failures { 500 } else { 499 };
            requests.push(Request::new(minute(n as i64), "a", "/", status, *latency));
        }
    }
    requests
}

/// 99, 100, 101, ...: median 100 and MAD 1 while spikes are few, so z of x is .6745 (x - 100).
fn calm(n: usize, spikes: &[(usize, f64)]) -> Vec<f64> {
    let level = |i: usize| 99.0 + (i % 3) as f64;
    let at = |i| spikes.iter().find(|(at, _)| *at == i).map_or(level(i), |(_, value)| *value);
    (0..n).map(at).collect()
}

fn flags(latencies: &[f64], count: usize, config: &ReferenceConfig) -> Vec<usize> {
    let report = detect(series(latencies, count, &[]).into_iter(), config).unwrap();
    let flagged = report.rows.iter().enumerate().filter(|(_, row)| row.is_anomaly);
    flagged.map(|(i, _)| i).collect()
}

#[test]
fn each_guard_starts_at_its_limit() {
    let one = ReferenceConfig { min_requests: 1, ..ReferenceConfig::default() };
    // the first 15 rows are never flagged, the sixteenth may be
    assert_eq!(flags(&calm(40, &[(14, 900.0)]), 1, &one), [] as [usize; 0]);
    assert_eq!(flags(&calm(40, &[(15, 900.0)]), 1, &one), [15]);
    // 20 rows in the whole file, 19 are too few
    assert_eq!(flags(&calm(20, &[(17, 900.0)]), 1, &one), [17]);
    assert_eq!(flags(&calm(19, &[(17, 900.0)]), 1, &one), [] as [usize; 0]);
    // 20 requests in the row
    let default = ReferenceConfig::default();
    assert_eq!(flags(&calm(40, &[(30, 900.0)]), 20, &default), [30]);
    assert_eq!(flags(&calm(40, &[(30, 900.0)]), 19, &default), [] as [usize; 0]);
    // both sides, and |z| has to exceed the threshold: z = 3.3725 is the threshold here
    let exact = ReferenceConfig { threshold: 0.6745 * 5.0 / 1.0, ..one.clone() };
    assert_eq!(flags(&calm(40, &[(30, 105.0), (35, 95.0)]), 1, &exact), [] as [usize; 0]);
    assert_eq!(flags(&calm(40, &[(30, 105.1), (35, 94.9)]), 1, &exact), [30, 35]);
    // a flat series: MAD counts as 1e-9
    let mut flat = vec![100.0; 40];
    flat[30] = 100.001;
    assert_eq!(flags(&flat, 1, &one), [30]);
    assert_eq!(flags(&vec![100.0; 40], 1, &one), [] as [usize; 0]);
}

#[test]
fn five_percent_of_errors_are_critical() {
    let latencies = calm(40, &[(30, 900.0), (35, 900.0)]);
    let requests = series(&latencies, 20, &[(30, 1), (31, 20)]);
    let rows = detect(requests.into_iter(), &ReferenceConfig::default()).unwrap().rows;
    assert_eq!((rows[30].error_rate, rows[30].severity), (0.05, Severity::Critical));
    assert_eq!((rows[35].error_rate, rows[35].severity), (0.0, Severity::Warning));
    assert_eq!((rows[31].error_rate, rows[31].severity), (1.0, Severity::Info));
}

#[test]
fn an_incident_bridges_two_minutes_and_not_three() {
    let one = ReferenceConfig { min_requests: 1, ..ReferenceConfig::default() };
    let latencies = calm(60, &[(20, 900.0), (22, 950.0), (25, 800.0), (26, 10.0)]);
    let requests = || series(&latencies, 1, &[]).into_iter();
    let incidents = detect(requests(), &one).unwrap().incidents;
    let spans: Vec<_> = incidents.iter().map(|i| (i.start, i.end, i.count_points)).collect();
    assert_eq!(spans, [(minute(25), minute(26), 2), (minute(20), minute(22), 2)]);
    assert_eq!(incidents[1].max_p95_latency_ms, 950.0);
    let wider = ReferenceConfig { gap_minutes: 3.0, ..one };
    assert_eq!(detect(requests(), &wider).unwrap().incidents.len(), 1);
}

#[test]
fn ties_of_culprits_go_by_severity_then_errors_then_name() {
    let latencies = calm(60, &[(50, 900.0)]);
    let place = |service: &'static str, failures: usize| {
        let requests = series(&latencies, 40, &[(50, failures)]);
        requests.into_iter().map(move |request| Request { service, ..request })
    };
    let requests = place("d", 0).chain(place("c", 0)).chain(place("b", 2)).chain(place("e", 3));
    let report = detect(requests, &ReferenceConfig::default()).unwrap();
    let order = |minutes, now, top_k| {
        let ranking = report.culprit(minutes, now, top_k);
        ranking.top.iter().map(|culprit| culprit.service.to_string()).collect::<String>()
    };
    assert_eq!(order(15, None, 10), "ebcd");
    assert_eq!(order(15, None, 2), "eb");
    // the window's ends are inclusive; the newest minute is 59
    assert_eq!((order(9, None, 1), order(8, None, 1)), ("e".into(), String::new()));
    assert_eq!(order(5, Some(minute(50)), 1), "e");
    assert_eq!(order(5, Some(minute(49)), 1), "");
    let none = report.culprit(15, None, 0);
    assert!(none.culprit.is_some() && none.top.is_empty());
}

#[test]
fn confidence_depends_on_flagged_rows_and_the_peak() {
    let one = ReferenceConfig { min_requests: 1, ..ReferenceConfig::default() };
    let confidence = |spikes: &[(usize, f64)]| {
        let report = detect(series(&calm(90, spikes), 1, &[]).into_iter(), &one).unwrap();
        report.explain("a", "/", minute(0), minute(89)).unwrap().confidence
    };
    let spikes = |n: usize, value: f64| (20..20 + n).map(|i| (i, value)).collect::<Vec<_>>();
    assert_eq!(confidence(&spikes(5, 900.0)), Confidence::High);
    assert_eq!(confidence(&spikes(4, 900.0)), Confidence::Medium);
    assert_eq!(confidence(&spikes(5, 107.0)), Confidence::Medium, "z is 4.7");
    assert_eq!(confidence(&spikes(2, 900.0)), Confidence::Low);
}

#[test]
fn empty_input_gives_no_rows_and_bad_records_are_counted() {
    let report = detect(std::iter::empty(), &ReferenceConfig::default()).unwrap();
    assert!(report.rows.is_empty() && report.incidents.is_empty());
    let ranking = report.culprit(15, None, 3);
    assert_eq!((ranking.window_start, ranking.culprit, ranking.total_anomalies), (None, None, 0));
    let mut out = Vec::new();
    report.write_scored_csv(&mut out);
    assert_eq!(String::from_utf8(out).unwrap().lines().count(), 1);

    let good = Request::new(minute(0), "a", "/", 200, 5.0);
    let requests = [
        good,
        Request { latency_ms: f64::NAN, ..good },
        Request { status: Status::NoResponse, ..good },
        Request { service: "", ..good },
    ];
    let report = detect(requests.into_iter(), &ReferenceConfig::default()).unwrap();
    assert_eq!((report.rows.len(), report.rejected.total()), (1, 1));
    assert_eq!((report.rows[0].req_count, report.rows[0].error_count), (3, 1));
    let first = &report.rejected.first()[0];
    assert_eq!((first.reason, first.position), (RejectReason::MissingField, 4));
}

#[test]
fn settings_out_of_range_are_refused() {
    for config in [
        ReferenceConfig { threshold: f64::NAN, ..ReferenceConfig::default() },
        ReferenceConfig { gap_minutes: -1.0, ..ReferenceConfig::default() },
        ReferenceConfig { eps: 0.0, ..ReferenceConfig::default() },
    ] {
        let error = detect(std::iter::empty(), &config).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Config { .. }), "{error}");
    }
}

#[test]
fn files_and_answers_have_the_originals_columns() {
    let mut requests = vec![Request::new(minute(45), "a, \"b\"", "/x", 500, 10.0)];
    requests.push(Request::new(minute(45).plus(SECOND), "a, \"b\"", "/x", 200, 20.0));
    let report = detect(requests.into_iter(), &ReferenceConfig::default()).unwrap();
    let (mut features, mut scored) = (Vec::new(), Vec::new());
    report.write_features_csv(&mut features);
    report.write_scored_csv(&mut scored);
    assert_eq!(
        String::from_utf8(features).unwrap(),
        "bucket_ts,service,endpoint,req_count,error_count,avg_latency_ms,p95_latency_ms,error_rate\n\
         2026-01-06T10:45:00,\"a, \"\"b\"\"\",/x,2,1,15.0,19.5,0.5\n"
    );
    assert_eq!(
        String::from_utf8(scored).unwrap(),
        "bucket_ts,service,endpoint,req_count,error_count,error_rate,avg_latency_ms,\
         p95_latency_ms,mad_z,is_anomaly,severity\n\
         2026-01-06T10:45:00,\"a, \"\"b\"\"\",/x,2,1,0.5,15.0,19.5,0.0,False,Info\n"
    );
    let row = serde_json::to_value(&report.rows[0]).unwrap();
    assert_eq!(
        (&row["bucket_ts"], &row["severity"]),
        (&"2026-01-06T10:45:00".into(), &"Info".into())
    );
    let ranking = serde_json::to_value(report.culprit(15, None, 3)).unwrap();
    assert_eq!(ranking["window_start"], "2026-01-06T10:30:00");
    assert_eq!(ranking["culprit"], serde_json::Value::Null);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_requests_does_not_matter(
        mut requests in prop::collection::vec((0..40_i64, 0..3_usize, 0.0..1e3_f64, 0..2_i64), 0..300),
        swaps in prop::collection::vec((0..300_usize, 0..300_usize), 0..100),
    ) {
        let run = |requests: &[(i64, usize, f64, i64)]| {
            let request = |&(at, place, latency, failed): &(i64, usize, f64, i64)| {
                Request::new(minute(at), ["a", "b", "c"][place], "/", 200 + 300 * failed, latency)
            };
            let one = ReferenceConfig { min_requests: 1, ..ReferenceConfig::default() };
            detect(requests.iter().map(request), &one).unwrap()
        };
        let before = run(&requests);
        for (a, b) in swaps {
            if a < requests.len() && b < requests.len() {
                requests.swap(a, b);
            }
        }
        prop_assert_eq!(run(&requests), before);
    }

    #[test]
    fn no_latency_panics(latencies in prop::collection::vec(any::<f64>(), 0..60)) {
        let one = ReferenceConfig { min_requests: 1, ..ReferenceConfig::default() };
        let requests = latencies.iter().enumerate().map(|(i, latency)| {
            Request::new(minute(i as i64), "a", "/", 200, *latency)
        });
        let report = detect(requests, &one).unwrap();
        prop_assert_eq!(report.rows.len() as u64 + report.rejected.total(), latencies.len() as u64);
        report.culprit(u64::MAX, None, 3);
        report.culprit(15, Some(Timestamp::MIN), 3);
        report.write_scored_csv(&mut Vec::new());
    }
}
