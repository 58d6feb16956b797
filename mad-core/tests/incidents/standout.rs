//! The version or host that stands out among those that served an endpoint.

use mad_core::feature::SubsetKind;
use mad_core::{Explanation, Incident, Pipeline, PipelineConfig, Request, Timestamp};

const HOUR: i64 = 3_600;

/// Half an hour of a fault after two hours, with two requests a second. `fault` says how a request of
/// the fault ends, by a number that is different for each.
fn explained(fault: impl Fn(i64, &mut Request<'_>)) -> (Incident, Explanation) {
    explained_with(|_| {}, fault)
}

/// The same with requests that are changed by `always`.
fn explained_with(
    always: impl Fn(&mut Request<'_>),
    fault: impl Fn(i64, &mut Request<'_>),
) -> (Incident, Explanation) {
    let hosts: Vec<String> = (0..4).map(|host| format!("pay-{host}")).collect();
    let mut pipeline = Pipeline::new(PipelineConfig::default()).unwrap();
    for number in 0..5 * HOUR {
        let second = number / 2;
        let latency = 100.0 + (number * 37 % 50) as f64;
        let at = Timestamp::from_seconds(second);
        let mut request = Request {
            host: &hosts[usize::try_from(number % 4).unwrap()],
            version: "1.4.2",
            ..Request::new(at, "pay", "/pay", 200, latency)
        };
        always(&mut request);
        if second >= 2 * HOUR {
            fault(number, &mut request);
        }
        pipeline.ingest([request]);
    }
    pipeline.finish();
    let incident = pipeline.incidents().first().copied().unwrap().clone();
    let explanation = pipeline.explain(&incident);
    (incident, explanation)
}

fn first_action(explanation: &Explanation) -> &str {
    explanation.recommended_actions.first().map_or("", String::as_str)
}

#[test]
fn a_failing_canary_is_named_with_its_version() {
    let (incident, explanation) = explained(|number, request| {
        if number % 5 == 0 {
            (request.version, request.host) = ("1.5.0", "pay-canary");
            request.status = if number % 2 == 0 { 500 } else { 200 }.into();
        }
    });
    let canary =
        incident.subsets.of(SubsetKind::Version).find(|one| &*one.name == "1.5.0").unwrap();
    let sentence = format!(
        "Version 1.5.0 failed in 50 % of its requests ({} of {}), the other versions in 0 %.",
        canary.counts.errors, canary.counts.requests,
    );
    assert!(explanation.root_cause.ends_with(&sentence), "{}", explanation.root_cause);
    assert_eq!(
        first_action(&explanation),
        "Roll back version 1.5.0 of pay, or send its requests to another version."
    );
    // The host of the canary says nothing more.
    assert!(!explanation.root_cause.contains("pay-canary"));
    assert!(explanation.checks.iter().all(|check| !check.contains("Hosts:")));
}

#[test]
fn a_slow_host_is_named() {
    let (_, explanation) = explained(|_, request| {
        if request.host == "pay-2" {
            request.latency_ms *= 20.0;
        }
    });
    let wanted = "Host pay-2 typically took";
    assert!(explanation.root_cause.contains(wanted), "{}", explanation.root_cause);
    assert!(explanation.root_cause.ends_with("(geometric means)."));
    assert!(first_action(&explanation).starts_with("Take host pay-2 of pay out of rotation"));
}

#[test]
fn a_host_that_was_always_slower_is_not_named() {
    let mut always = explained_with(
        |request| {
            if request.host == "pay-2" {
                request.latency_ms *= 3.0;
            }
        },
        |_, request| request.latency_ms *= 10.0,
    );
    assert!(!always.1.root_cause.contains("Host"), "{}", always.1.root_cause);
    let check = "Hosts: none of the 4 that served pay /pay explains the fault alone.";
    assert!(always.1.checks.contains(&check.to_owned()), "{:?}", always.1.checks);
    always = explained(|_, request| request.latency_ms *= 10.0);
    assert!(!always.1.root_cause.contains("Host"), "{}", always.1.root_cause);
}

#[test]
fn no_host_is_named_where_all_fail_alike() {
    let (_, explanation) = explained(|number, request| {
        if number * 7 % 10 < 3 {
            request.status = 500.into();
        }
    });
    assert!(!explanation.root_cause.contains("Host"), "{}", explanation.root_cause);
    let check = "Hosts: none of the 4 that served pay /pay explains the fault alone.";
    assert!(explanation.checks.iter().any(|found| found == check), "{:?}", explanation.checks);
    assert!(explanation.checks.iter().all(|found| !found.starts_with("Versions")));
}

#[test]
fn requests_without_host_and_version_have_no_subsets() {
    let (incident, explanation) = explained(|_, request| {
        (request.host, request.version) = ("", "");
        request.status = 500.into();
    });
    assert!(incident.subsets.is_empty());
    assert!(!explanation.root_cause.contains("Version"), "{}", explanation.root_cause);
}
