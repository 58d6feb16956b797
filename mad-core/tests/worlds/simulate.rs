//! The simulated shop: distributions, order, incidents, and stable bytes.

use std::collections::BTreeMap;

use mad_core::simulate::{
    IncidentKind, IncidentSpec, Shop, ShopConfig, SimulatedRequest, Truth, random_incident,
    write_csv_header,
};
use mad_core::time::{MINUTE, SECOND, Timestamp};
use proptest::prelude::*;

fn shop(config: ShopConfig) -> Vec<SimulatedRequest> {
    Shop::new(config).unwrap().requests().collect()
}

fn csv(rows: &[SimulatedRequest], labels: bool) -> Vec<u8> {
    let mut out = Vec::new();
    write_csv_header(&mut out, labels);
    for row in rows {
        row.write_csv(&mut out, labels);
    }
    out
}

fn fnv1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

fn by_endpoint(rows: &[SimulatedRequest]) -> BTreeMap<(&str, &str), Vec<&SimulatedRequest>> {
    let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for row in rows {
        groups.entry((&*row.service, &*row.endpoint)).or_default().push(row);
    }
    groups
}

/// Service, endpoint, method, latency range, error rate, requests a minute at 10,000 in two hours.
const EXPECTED: [(&str, &str, &str, f64, f64, f64, f64); 12] = [
    ("auth", "/login", "POST", 50.0, 100.0, 0.01, 7.4),
    ("auth", "/logout", "POST", 30.0, 60.0, 0.005, 7.4),
    ("auth", "/verify", "GET", 20.0, 50.0, 0.02, 7.4),
    ("catalog", "/items", "GET", 40.0, 120.0, 0.008, 11.1),
    ("catalog", "/search", "GET", 80.0, 200.0, 0.015, 11.1),
    ("catalog", "/item/{id}", "GET", 30.0, 80.0, 0.01, 11.1),
    ("checkout", "/cart", "GET", 50.0, 150.0, 0.01, 5.6),
    ("checkout", "/cart/add", "POST", 60.0, 180.0, 0.02, 5.6),
    ("checkout", "/checkout", "POST", 100.0, 300.0, 0.025, 5.6),
    ("payments", "/pay", "POST", 150.0, 400.0, 0.015, 3.7),
    ("payments", "/refund", "POST", 100.0, 250.0, 0.02, 3.7),
    ("payments", "/status", "GET", 40.0, 100.0, 0.01, 3.7),
];

#[test]
fn without_incidents_every_endpoint_has_its_rate_latency_and_errors() {
    let rows = shop(ShopConfig { rows: 1_000_000, incidents: vec![], ..ShopConfig::default() });
    assert_eq!(rows.len(), 1_000_000);
    let groups = by_endpoint(&rows);
    assert_eq!(groups.len(), EXPECTED.len());
    for (service, endpoint, method, low, high, error_rate, rate) in EXPECTED {
        let group = &groups[&(service, endpoint)];
        let n = group.len() as f64;
        // the table's rates are rounded to a tenth
        assert!((n / 12_000.0 - rate).abs() < 0.1, "{service} {endpoint}: {}", n / 12_000.0);
        assert!(group.iter().all(|row| row.method == method && !row.is_anomaly));
        assert!(group.iter().all(|row| matches!(row.status_code, 200 | 500)));

        let (failed, fine): (Vec<&SimulatedRequest>, Vec<_>) =
            group.iter().copied().partition(|row| row.status_code == 500);
        let observed = failed.len() as f64 / n;
        let deviation = (error_rate * (1.0 - error_rate) / n).sqrt();
        assert!((observed - error_rate).abs() < 5.0 * deviation, "{endpoint}: {observed}");

        let latencies: Vec<f64> = fine.iter().map(|row| row.latency_ms).collect();
        let least = latencies.iter().copied().fold(f64::INFINITY, f64::min);
        let most = latencies.iter().copied().fold(0.0, f64::max);
        assert!(least >= low && least < low + 0.01 * (high - low), "{endpoint}: {least}");
        assert!(most <= high && most > high - 0.01 * (high - low), "{endpoint}: {most}");
        let mean = latencies.iter().sum::<f64>() / latencies.len() as f64;
        let standard_error = (high - low) / (12.0 * n).sqrt();
        assert!((mean - f64::midpoint(low, high)).abs() < 5.0 * standard_error, "{endpoint}");

        // a failing request takes U(1.2, 2) times as long: mean 1.6
        let slow: Vec<f64> = failed.iter().map(|row| row.latency_ms).collect();
        assert!(slow.iter().all(|x| *x >= 1.2 * low - 1e-3 && *x <= 2.0 * high));
        let mean = slow.iter().sum::<f64>() / slow.len() as f64;
        let want = 1.6 * f64::midpoint(low, high);
        assert!((mean / want - 1.0).abs() < 0.1, "{endpoint}: {mean} for {want}");
    }
}

#[test]
fn times_are_sorted_uniforms() {
    let config = ShopConfig { rows: 200_000, ..ShopConfig::default() };
    let (start, n) = (config.start, config.rows as f64);
    let rows = shop(config);
    assert!(rows.is_sorted_by_key(|row| row.timestamp));
    assert!(rows.iter().all(|row| row.timestamp >= start && row.timestamp.nanos() % 1_000 == 0));
    assert!(rows.last().unwrap().timestamp < start.plus(7_200 * SECOND));
    // Kolmogorov-Smirnov: sqrt(n) D is above 1.95 once in a thousand
    let distance = rows.iter().enumerate().map(|(i, row)| {
        let uniform = row.timestamp.since(start) as f64 / (7_200 * SECOND) as f64;
        (uniform - i as f64 / n).abs()
    });
    assert!(distance.fold(0.0, f64::max) * n.sqrt() < 1.95);
    // the counts of a minute have the variance of a binomial
    let mut counts = [0.0; 120];
    for row in &rows {
        counts[(row.timestamp.since(start) / MINUTE) as usize] += 1.0;
    }
    let want = n / 120.0;
    let chi2: f64 = counts.iter().map(|count| (count - want) * (count - want) / want).sum();
    assert!((60.0..190.0).contains(&chi2), "{chi2}");
}

#[test]
fn the_default_incident_equals_the_originals() {
    let rows = shop(ShopConfig { rows: 1_000_000, ..ShopConfig::default() });
    let from = ShopConfig::default().start.plus(45 * MINUTE);
    let inside: Vec<_> = rows.iter().filter(|row| row.is_anomaly).collect();
    assert!(inside.iter().all(|row| (&*row.service, &*row.endpoint) == ("payments", "/pay")));
    let pay = rows.iter().filter(|row| &*row.endpoint == "/pay");
    let due = pay.filter(|row| row.timestamp >= from && row.timestamp < from.plus(9 * MINUTE));
    assert_eq!(due.count(), inside.len());
    assert!(inside.len() > 3_000);

    // rate: mean of U(.1, .3); factor: mean 12.5 of U(5, 20) over a mean of 275 ms
    let n = inside.len() as f64;
    let rate = inside.iter().filter(|row| row.status_code == 500).count() as f64 / n;
    assert!((rate - 0.2).abs() < 5.0 * (0.2 * 0.8 / n).sqrt(), "{rate}");
    let mean = inside.iter().map(|row| row.latency_ms).sum::<f64>() / n;
    assert!((mean / (12.5 * 275.0) - 1.0).abs() < 0.05, "{mean}");
    assert!(inside.iter().all(|row| (750.0..=8_000.0).contains(&row.latency_ms)));
}

#[test]
fn an_incident_changes_nothing_outside_it() {
    let calm = shop(ShopConfig { incidents: vec![], ..ShopConfig::default() });
    let hit = shop(ShopConfig::default());
    assert_eq!(calm.len(), hit.len());
    for (calm, hit) in calm.iter().zip(&hit) {
        if hit.is_anomaly {
            let id = |row: &SimulatedRequest| (row.timestamp, row.endpoint.clone(), row.trace_id);
            assert_eq!(id(calm), id(hit));
            assert!(hit.latency_ms > calm.latency_ms);
        } else {
            assert_eq!(calm, hit);
        }
    }
}

#[test]
fn each_kind_has_its_effect_and_overlapping_ones_compose() {
    let spec = |text: &str| text.parse::<IncidentSpec>().unwrap();
    let base = ShopConfig { rows: 1_000_000, seed: 5, incidents: vec![], ..ShopConfig::default() };
    let run = |incidents| shop(ShopConfig { incidents, ..base.clone() });
    let during = |rows: &[SimulatedRequest]| {
        let group: Vec<_> = rows.iter().filter(|row| row.is_anomaly).cloned().collect();
        let n = group.len() as f64;
        let errors = group.iter().filter(|row| row.status_code == 500).count() as f64 / n;
        (n, errors, group.iter().map(|row| row.latency_ms).sum::<f64>() / n)
    };
    let place = "service=auth,endpoint=/verify,start=10m,length=20m";
    let slow = spec(&format!("{place},kind=latency,factor=3"));
    let failing = spec(&format!("{place},kind=errors,add=0.2"));
    let fewer = spec(&format!("{place},kind=traffic,factor=0.3"));

    let (n, errors, latency) = during(&run(vec![slow.clone()]));
    assert!((n / 14_815.0 - 1.0).abs() < 0.05, "{n}");
    assert!((errors - 0.02).abs() < 0.006 && (latency - 105.0).abs() < 1.5, "{errors} {latency}");
    let (_, errors, latency) = during(&run(vec![failing.clone()]));
    assert!((errors - 0.22).abs() < 0.02 && (latency - 35.0).abs() < 0.5, "{errors} {latency}");

    let thinned = run(vec![fewer.clone()]);
    let (kept, errors, _) = during(&thinned);
    assert!((kept / n - 0.3).abs() < 0.02 && (errors - 0.02).abs() < 0.012, "{kept} {errors}");
    assert_eq!(thinned.len(), 1_000_000 - (n - kept) as usize);
    assert!(thinned.is_sorted_by_key(|row| row.timestamp));

    let (both, errors, latency) = during(&run(vec![slow.clone(), failing, fewer, slow]));
    assert!((both / n - 0.3).abs() < 0.02, "{both}");
    assert!((errors - 0.22).abs() < 0.035 && (latency - 315.0).abs() < 7.0, "{errors} {latency}");
}

#[test]
fn silence_is_a_traffic_incident_of_zero() {
    let incident = "kind=traffic,factor=0".parse().unwrap();
    let rows = shop(ShopConfig { incidents: vec![incident], ..ShopConfig::default() });
    assert!(rows.len() < 10_000 && rows.iter().all(|row| !row.is_anomaly));
}

#[test]
fn more_services_share_the_traffic_and_fewer_keep_payments() {
    let rows = shop(ShopConfig { rows: 80_000, services: 8, ..ShopConfig::default() });
    let groups = by_endpoint(&rows);
    assert_eq!(groups.len(), 24);
    let (first, second) = (groups[&("auth", "/login")].len(), groups[&("auth-2", "/login")].len());
    assert!((first as f64 / second as f64 - 1.0).abs() < 0.1, "{first} {second}");
    let rows = shop(ShopConfig { services: 1, ..ShopConfig::default() });
    assert!(rows.iter().all(|row| &*row.service == "payments"));
    assert!(rows.iter().any(|row| row.is_anomaly));
}

/// The bytes of a seed are stable, because published figures depend on them.
#[test]
fn the_bytes_of_a_seed_are_stable() {
    let rows = shop(ShopConfig { rows: 1_000, seed: 42, ..ShopConfig::default() });
    let text = csv(&rows, true);
    let first: Vec<_> = std::str::from_utf8(&text).unwrap().lines().take(3).collect();
    assert_eq!(first, GOLDEN_LINES);
    assert_eq!(format!("{:016x}", fnv1a(&text)), GOLDEN_SUM);
    let again = shop(ShopConfig { rows: 1_000, seed: 42, ..ShopConfig::default() });
    assert_eq!(csv(&again, true), text);
    let other = shop(ShopConfig { rows: 1_000, seed: 43, ..ShopConfig::default() });
    assert_ne!(csv(&other, true), text);
}

// an independent implementation in another language gives the same hash
const GOLDEN_LINES: [&str; 3] = [
    "timestamp,service,endpoint,method,status_code,latency_ms,trace_id,is_anomaly",
    "2026-01-06T10:00:09.980064Z,checkout,/checkout,POST,200,163.764,cb231c3874846a73,false",
    "2026-01-06T10:00:13.234667Z,catalog,/item/{id},GET,200,36.268,eeefd63219b4a0d4,false",
];
const GOLDEN_SUM: &str = "1803743c5e221487";

#[test]
fn a_line_has_the_fields_of_the_request() {
    for row in shop(ShopConfig { rows: 2_000, ..ShopConfig::default() }) {
        let mut line = Vec::new();
        row.write_csv(&mut line, true);
        let line = String::from_utf8(line).unwrap();
        let fields: Vec<_> = line.trim_end().split(',').collect();
        let time = row.timestamp.to_datetime().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        assert_eq!(
            fields,
            [
                &time,
                &*row.service,
                &*row.endpoint,
                row.method,
                &row.status_code.to_string(),
                &format!("{:.3}", row.latency_ms),
                &row.trace_id(),
                &row.is_anomaly.to_string(),
            ]
        );
        assert_eq!(fields[5].parse(), Ok(row.latency_ms));
        row.request().check().unwrap();
    }
}

#[test]
fn the_truth_lists_the_injected_incidents() {
    let incidents = vec![
        IncidentSpec::default(),
        "start=110m,length=30m,kind=latency,factor=2.5".parse().unwrap(),
    ];
    let config = ShopConfig { incidents, seed: 9, ..ShopConfig::default() };
    let shop = Shop::new(config.clone()).unwrap();
    let truth = shop.truth();
    assert_eq!(Truth::from_json(&truth.to_json().unwrap()).unwrap(), truth);
    let [first, second] = &truth.incidents[..] else { panic!("two incidents") };
    assert_eq!(first.start.to_string(), "2026-01-06T10:45:00Z");
    assert_eq!(first.end.to_string(), "2026-01-06T10:54:00Z");
    assert_eq!((first.kind.as_str(), second.kind.as_str()), ("outage", "latency"));
    assert_eq!(second.end.to_string(), "2026-01-06T12:00:00Z", "cut to the data");
    let specs: Vec<IncidentSpec> =
        truth.incidents.iter().map(|i| i.spec.as_ref().unwrap().parse().unwrap()).collect();
    assert_eq!(specs, config.incidents);
    for row in shop.requests() {
        let at = row.timestamp;
        let due = truth
            .incidents
            .iter()
            .any(|i| i.is_at(&row.service, &row.endpoint) && i.overlaps(at, at.plus(1)));
        assert_eq!(row.is_anomaly, due, "{at}");
    }
}

#[test]
fn errors_name_field_value_and_range() {
    let base = ShopConfig::default;
    let with = |text: &str| vec![text.parse::<IncidentSpec>().unwrap()];
    let nan = IncidentSpec { start_seconds: f64::NAN, ..IncidentSpec::default() };
    let kind = IncidentKind::Outage { latency: (20.0, 5.0), errors: (0.1, 0.3) };
    let backwards = IncidentSpec { kind, ..IncidentSpec::default() };
    for (config, words) in [
        (ShopConfig { rows: 0, ..base() }, ["`rows` is 0", "from 1"]),
        (ShopConfig { duration_seconds: f64::NAN, ..base() }, ["`duration_seconds` is NaN", "to"]),
        (ShopConfig { services: 0, ..base() }, ["`services` is 0", "10000"]),
        (ShopConfig { start: Timestamp::MAX, ..base() }, ["`start`", "2262"]),
        (ShopConfig { duration_seconds: 60.0, ..base() }, ["incidents[0].start_seconds", "60 s"]),
        (ShopConfig { incidents: vec![nan], ..base() }, ["incidents[0].start_seconds", "NaN"]),
        (ShopConfig { incidents: vec![backwards], ..base() }, ["incidents[0].latency", "20..5"]),
        (
            ShopConfig { incidents: with("service=a,endpoint=/x"), ..base() },
            ["incidents[0].service` is a", "auth, catalog, checkout, payments"],
        ),
        (
            ShopConfig { incidents: with("service=auth,endpoint=/x"), ..base() },
            ["incidents[0].endpoint` is /x", "/login, /logout, /verify"],
        ),
    ] {
        let message = Shop::new(config).unwrap_err().to_string();
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    }
}

#[test]
fn errors_of_a_spec_name_the_key_and_the_expected_value() {
    for (text, words) in [
        ("", ["``", "start=45m"]),
        ("when=3m", ["`when`", "one of service"]),
        ("start=soon", ["start=soon", "45m"]),
        ("start=", ["start=", "45m"]),
        ("length=5 weeks", ["length=5 weeks", "90s"]),
        ("kind=fire", ["`fire`", "outage, latency"]),
        ("kind=latency", ["kind=latency", "factor=3"]),
        ("kind=latency,factor=x", ["factor=x", "number"]),
        ("kind=latency,factor=0", ["incident.factor", "above 0"]),
        ("kind=latency,factor=2,add=1", ["`add`", "kind=latency"]),
        ("kind=errors,add=20", ["incident.add", "0 to 1"]),
        ("kind=traffic", ["kind=traffic", "factor=0.3"]),
        ("service=auth", ["endpoint", "/login"]),
        ("length=0", ["duration_seconds", "above 0"]),
    ] {
        let message = text.parse::<IncidentSpec>().unwrap_err().to_string();
        assert!(words.iter().all(|word| message.contains(word)), "{text}: {message}");
    }
    let spec: IncidentSpec = "start=1h30m,length=250ms,latency=2,errors=0..0.5".parse().unwrap();
    assert_eq!((spec.start_seconds, spec.duration_seconds), (5_400.0, 0.25));
    assert_eq!(spec.kind, IncidentKind::Outage { latency: (2.0, 2.0), errors: (0.0, 0.5) });
}

#[test]
fn random_incidents_cover_the_shop_and_do_not_start_on_the_minute() {
    let specs: Vec<_> = (0..400).map(|seed| random_incident(seed, IncidentKind::OUTAGE)).collect();
    let mut places: Vec<_> = specs.iter().map(|s| (&s.service, &s.endpoint)).collect();
    places.sort();
    places.dedup();
    assert_eq!(places.len(), 12);
    assert!(specs.iter().all(|s| (1_800.0..5_400.0).contains(&s.start_seconds)));
    assert!(specs.iter().all(|s| (300.0..900.0).contains(&s.duration_seconds)));
    assert!(specs.iter().all(|s| (s.start_seconds / 60.0).fract() != 0.0));
    let other = random_incident(3, IncidentKind::Errors { add: 0.2 });
    assert_eq!(
        (&other.endpoint, other.start_seconds),
        (&specs[3].endpoint, specs[3].start_seconds)
    );
    for incident in specs {
        ShopConfig { incidents: vec![incident], ..ShopConfig::default() }.validate().unwrap();
    }
}

#[test]
fn a_configuration_survives_json() {
    let kinds = ["kind=outage", "kind=errors,add=0.2", "kind=traffic,factor=0.3"];
    let incidents = kinds.iter().map(|text| text.parse().unwrap()).collect();
    let config = ShopConfig { incidents, ..ShopConfig::default() };
    let json = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<ShopConfig>(&json).unwrap(), config);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_written_spec_reads_back(
        start in 0.0..1e6_f64,
        duration in 1e-3..1e6_f64,
        factor in 1e-3..1e3_f64,
        share in 0.0..=1.0_f64,
        which in 0..4,
    ) {
        let kind = match which {
            0 => IncidentKind::Outage { latency: (factor, factor + 1.0), errors: (share / 2.0, share) },
            1 => IncidentKind::Latency { factor },
            2 => IncidentKind::Errors { add: share },
            _ => IncidentKind::Traffic { factor: share },
        };
        let spec = IncidentSpec {
            start_seconds: start,
            duration_seconds: duration,
            kind,
            ..IncidentSpec::default()
        };
        prop_assert_eq!(spec.to_string().parse::<IncidentSpec>().unwrap(), spec);
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,60}") {
        let _ = text.parse::<IncidentSpec>();
        let _ = Truth::from_json(&text);
    }
}

#[test]
fn the_radar_is_calm_for_an_hour_and_ends_when_the_static_rule_fires() {
    use mad_core::simulate::{Radar, RadarPoint, RadarScenario};
    let start = Timestamp::from_seconds(1_767_693_600);
    let run = |scenario, seed| Radar::new(scenario, seed, start).unwrap();
    let bits = |points: &[RadarPoint]| -> Vec<u64> {
        points.iter().map(|point| point.latency_ms.to_bits()).collect()
    };
    for scenario in [RadarScenario::Drift, RadarScenario::Saturation] {
        let points: Vec<RadarPoint> = run(scenario, 7).collect();
        let again: Vec<RadarPoint> = run(scenario, 7).collect();
        let other: Vec<RadarPoint> = run(scenario, 8).collect();
        assert_eq!(bits(&points), bits(&again));
        assert_ne!(bits(&points[..100]), bits(&other[..100]));
        let (last, before) = points.split_last().unwrap();
        assert!(last.is_over() && !before.iter().any(RadarPoint::is_over));
        let calm: Vec<RadarPoint> = run(RadarScenario::Calm, 7).take(3_600).collect();
        assert_eq!(bits(&points[..3_600]), bits(&calm));
        assert_eq!(points[3_600].at, run(scenario, 7).begins());
    }
    assert!(!run(RadarScenario::Calm, 1).take(20_000).any(|point| point.is_over()));
    assert!(Radar::new(RadarScenario::Calm, 1, Timestamp::MAX).is_err());
}
