//! Likely causes by rules: each shipped one from telemetry, and those of the configuration.

use mad_core::config::CauseRule;
use mad_core::{
    Explanation, LogLine, MetricPoint, Pipeline, PipelineConfig, Record, Request, Timestamp,
};

const HOUR: i64 = 3_600;

/// The explanation of a fault in the second hour of a service. `record` gives a record of each
/// second, by whether the fault is there.
fn explained<'a>(
    config: PipelineConfig,
    record: impl Fn(i64, bool) -> Vec<Record<'a>>,
) -> Explanation {
    let mut pipeline = Pipeline::new(config).unwrap();
    for second in 0..2 * HOUR {
        pipeline.ingest(record(second, second >= HOUR + 2_400));
    }
    pipeline.finish();
    let incident = pipeline.incidents().first().copied().unwrap().clone();
    pipeline.explain(&incident)
}

/// Requests that fail in the fault, while the log repeats a line.
fn failing_with(line: &str, config: PipelineConfig) -> Explanation {
    explained(config, |second, is_bad| {
        let at = Timestamp::from_seconds(second);
        let status = if is_bad && second % 3 > 0 { 500 } else { 200 };
        let request = Request::new(at, "pay", "/pay", status, 40.0 + (second * 7 % 11) as f64);
        let mut out = vec![Record::from(request)];
        if second % 5 == 0 {
            out.push(LogLine::new(at, "pay", "INFO", "request was served").into());
        }
        if is_bad && second % 2 == 0 {
            out.push(LogLine::new(at, "pay", "ERROR", line).into());
        }
        out
    })
}

#[test]
fn each_log_rule_is_said_with_its_line() {
    for (line, cause, action) in [
        ("x509: certificate has expired", "A certificate that expired", "when the certificates"),
        ("connection pool exhausted, 20 in use", "A connection pool that", "the size of the pool"),
        ("DB timeout after 3000 ms", "A database that is slow", "slow queries, locks"),
        ("java.lang.OutOfMemoryError: heap", "Memory that is used up", "the memory limit"),
        ("write failed: no space left on device", "A disk that is full", "Free space"),
        ("dial tcp: lookup db: no such host", "Names that cannot be resolved", "the DNS"),
        ("login to db: access denied for user", "A key, password or permission", "credentials"),
        ("upstream said: too many requests", "A rate limit of a dependency", "the limits"),
        (
            "dial tcp 10.0.0.7:5432: connection refused",
            "A dependency of pay that",
            "can be reached",
        ),
    ] {
        let explanation = failing_with(line, PipelineConfig::default());
        let said = explanation.likely_causes.iter().find(|one| one.contains(cause));
        let said = said.unwrap_or_else(|| panic!("{line}: {:?}", explanation.likely_causes));
        let word = line.split(' ').next().unwrap();
        assert!(said.contains(word) || said.contains("<*>"), "{line}: {said}");
        let actions = &explanation.recommended_actions;
        assert!(actions.iter().any(|one| one.contains(action)), "{line}: {actions:?}");
    }
}

#[test]
fn each_metric_rule_is_said_of_a_metric_that_rose() {
    for (metric, cause) in [
        ("rss_mb", "A memory leak or a memory limit"),
        ("cpu_percent", "Saturation of db: its cpu_percent rose"),
        ("queue_depth", "Work that arrives faster than db"),
        ("open_connections", "A pool or limit of db"),
        ("disk_used_pct", "A disk of db that fills"),
    ] {
        for sign in [1.0, -1.0] {
            let explanation = explained(PipelineConfig::default(), |second, is_bad| {
                if second % 10 > 0 {
                    return Vec::new();
                }
                let shift = if is_bad { 30.0 * sign } else { 0.0 };
                let value = 50.0 + (second * 7 / 10 % 11) as f64 / 4.0 + shift;
                vec![MetricPoint::new(Timestamp::from_seconds(second), "db", metric, value).into()]
            });
            let is_said = explanation.likely_causes.iter().any(|one| one.contains(cause));
            assert_eq!(is_said, sign > 0.0, "{metric}: {:?}", explanation.likely_causes);
        }
    }
}

#[test]
fn retries_are_said_where_requests_and_failures_rise() {
    let of = |surge: bool| {
        explained(PipelineConfig::default(), |second, is_bad| {
            let at = Timestamp::from_seconds(second);
            let count = if is_bad && surge { 9 } else { 2 };
            let status = |number: i64| if is_bad && (second + number) % 3 > 0 { 503 } else { 200 };
            let request = |n| Request::new(at, "pay", "/pay", status(n), 40.0).into();
            (0..count).map(request).collect()
        })
    };
    let says = |explanation: &Explanation| {
        explanation.likely_causes.iter().any(|one| one.starts_with("Retries of callers"))
    };
    assert!(says(&of(true)) && !says(&of(false)));
}

#[test]
fn rules_of_the_configuration_come_first() {
    let rule = |json: &str| serde_json::from_str::<CauseRule>(json).unwrap();
    let config = PipelineConfig {
        causes: vec![
            rule(r#"{"service": "other", "when": ["errors"], "cause": "Not this."}"#),
            rule(
                r#"{"service": "p*", "when": ["errors"], "log": ["*BREAKER*"],
                    "cause": "The breaker of {entity} is open since {since}: {template}.",
                    "action": "Call the team of {service}."}"#,
            ),
        ],
        ..PipelineConfig::default()
    };
    let explanation = failing_with("circuit breaker of cards is open", config);
    let (cause, action) = (&explanation.likely_causes[0], &explanation.recommended_actions[0]);
    assert!(cause.starts_with("The breaker of pay /pay is open since 1970-01-01 01:40"), "{cause}");
    assert!(cause.ends_with("circuit breaker of cards is open."), "{cause}");
    assert_eq!(action, "Call the team of pay.");
}
