//! JSON Lines: values of every type.

use mad_core::telemetry::RejectReason;
use mad_core::telemetry::Rejections;
use mad_core::time::ZonePolicy;
use mad_core::wire::{Decoder, Format, Metrics};
use mad_core::{MetricPoint, Status};

use super::{decode_chunks, jsonl, object};

#[test]
fn json_values() {
    let usual = jsonl(object("x", "1")).rows;
    for text in [
        object("timestamp", "1767696300"),
        object("timestamp", "1767696300.0"),
        object("timestamp", "\"1767696300000\""),
        object("status_code", "\"200\""),
        object("status_code", "200.0"),
        object("latency_ms", "\"2.1525e2\""),
        object("request_id", "null"),
        object("request_id", "\"\""),
        object("nested", "{\"a\": [1, {\"timestamp\": []}], \"service\": 5}"),
        object("deep", &format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))),
        object("service", "\"pay\\u006dents\""),
        object("service", "null, \"service\": \"payments\""),
    ] {
        let outcome = decode_chunks(Format::JsonLines, ZonePolicy::Refuse, [text.as_bytes()]);
        assert_eq!((&outcome.rows, outcome.rejected()), (&usual, vec![]), "{text:.200}");
    }
    for (value, want) in [("77", "77"), ("\"é\"", "é")] {
        let outcome = jsonl(object("request_id", value));
        assert_eq!(outcome.rows[0].request_id.as_deref(), Some(want));
    }
}

#[test]
fn json_values_that_are_wrong() {
    use RejectReason::*;
    let cases = [
        ("timestamp", "true", BadTimestamp, "timestamp = true"),
        ("timestamp", "\"noon\"", BadTimestamp, "timestamp = \"noon\""),
        ("timestamp", "18446744073709551615", BadTimestamp, "timestamp = 18446744073709552000"),
        ("timestamp", "\"2026-01-06 10:45\"", NaiveTimestamp, "timestamp = \"2026-01-06 10:45\""),
        ("timestamp", "", MissingField, "timestamp is missing"),
        ("service", "5", BadName, "service = 5"),
        ("service", "null", MissingField, "service is missing"),
        ("service", "\"\"", MissingField, "service is empty"),
        ("service", "\"a\\u0000b\"", BadName, "service = \"a\\0b\""),
        ("endpoint", "[\"/pay\"]", BadName, "endpoint is an array"),
        ("request_id", "[]", BadName, "request_id is an array"),
    ];
    for (key, value, reason, detail) in cases {
        let outcome = jsonl(format!("{}{}", object(key, value), object("x", "1")));
        assert_eq!(outcome.rejected(), [(reason, 1, detail)], "{key} {value}");
        assert_eq!(outcome.lines(), [2]);
    }
    let values = [
        ("status_code", "\"OK\"", Status::Success, Some(215.25)),
        ("status_code", "false", Status::Failure, Some(215.25)),
        ("status_code", "0", Status::NoResponse, Some(215.25)),
        ("status_code", "null", Status::NoResponse, Some(215.25)),
        ("status_code", "999", Status::Http(999), Some(215.25)),
        ("status_code", "14", Status::Grpc(14), Some(215.25)),
        ("status_code", "200.5", Status::Unknown, Some(215.25)),
        ("status_code", "{\"a\": [1]}", Status::Unknown, Some(215.25)),
        ("latency_ms", "-3", Status::Http(200), None),
        ("latency_ms", "\"inf\"", Status::Http(200), None),
        ("latency_ms", "false", Status::Http(200), None),
        ("latency_ms", "\"\"", Status::Http(200), None),
        ("latency_ms", "null", Status::Http(200), None),
        ("latency_ms", "\"210.0, 870.0\"", Status::Http(200), Some(1080.0)),
    ];
    for (key, value, status, latency) in values {
        let outcome = jsonl(object(key, value));
        assert_eq!((outcome.rows[0].status, outcome.rows[0].latency), (status, latency), "{value}");
    }
    let deep = "[".repeat(100_000);
    for text in ["[1]", "x", "{", "{}x", "\"{}\"", "{\"a\":NaN}", "{\"latency_ms\":1e999}", &deep] {
        let text = format!("{text}\n{}", object("x", "1"));
        let outcome = decode_chunks(Format::JsonLines, ZonePolicy::Refuse, [text.as_bytes()]);
        assert_eq!(outcome.rejections.count(BadJson), 1, "{text:.200}");
        assert_eq!((outcome.rejections.total(), outcome.lines()), (1, vec![2]));
    }
}

#[test]
fn objects_of_other_programs_are_read() {
    let inner = r#"{\"svc\":\"a\",\"path\":\"/\",\"code\":502,\"took\":7.5}\n"#;
    for text in [
        r#"{"Timestamp":1767696300,"Service":"a","Endpoint":"/","Status_Code":502,"Latency_Ms":7.5}"#,
        r#"{"@timestamp":1767696300,"service":{"name":"a"},"url":{"path":"/"},
            "http":{"response":{"status_code":502}},"event":{"duration":7500000}}"#,
        r#"{"time":1767696300,"service.name":"a","attributes":{"http.route":"/","http.response.status_code":502,"duration_us":7500}}"#,
        r#"{"ts":1767696300,"app":"a","req":{"url":"/","id":4},"res":{"statusCode":502},"responseTime":7.5}"#,
        r#"{"ts":1767696300,"service":"a","request":{"uri":"/","host":"x"},"status":502,"duration_s":0.0075}"#,
        &format!(r#"{{"log":"{inner}","stream":"stdout","time":1767696300}}"#),
        r#"{"service":null,"svc":"a","timestamp":1767696300,"path":"/","status":502,"took":"7.5ms","user":{"name":"x"}}"#,
    ] {
        let text = text.replace('\n', " ");
        let outcome = jsonl(&text);
        assert_eq!(outcome.rejected(), [], "{text}");
        let row = &outcome.rows[0];
        assert_eq!(
            (row.status, row.service.as_str(), row.endpoint.as_str()),
            (Status::Http(502), "a", "/")
        );
        assert!((row.latency.unwrap() - 7.5).abs() < 1e-9, "{text}");
    }
}

#[test]
fn a_key_that_no_object_has_is_not_taken_for_a_missing_value() {
    let text = "{\"timestamp\":1767696300,\"service\":\"a\",\"endpoint\":\"/\",\"latency_ms\":1}";
    let outcome = jsonl(text);
    assert_eq!(outcome.rejected(), [(RejectReason::MissingField, 1, "status_code is missing")]);
    let outcome = jsonl(format!("{}{text}\n", object("x", "1")));
    assert_eq!((outcome.lines(), outcome.rows[1].status), (vec![1, 2], Status::NoResponse));
}

#[test]
fn documents_are_read_element_by_element() {
    let one = object("x", "1");
    let one = one.trim();
    let pretty = one.replace(',', ",\n  ").replace('{', "{\n  ");
    for (text, records) in [
        (format!("[{one},{one}]"), 2),
        (format!("\u{feff}[\n  {pretty},\n  {pretty}\n]\n"), 2),
        (format!("{{\"events\": [{one},\n{one}]}}"), 2),
        (format!("{{\n \"took\": 3,\n \"hits\": {{\"hits\": [{pretty}, {one}]}}}}"), 2),
        (format!("{pretty}\n{pretty}\n{one}"), 3),
        (format!("{}\n{one}", one.replacen('{', "{\"tags\": [{\"a\": 1}], ", 1)), 2),
    ] {
        let outcome = jsonl(&text);
        assert_eq!((outcome.rows.len(), outcome.rejected()), (records, vec![]), "{text}");
    }
    let outcome = jsonl(format!("[{one}, 5, {{\"a\": \"]\"}}, {one}"));
    assert_eq!(outcome.lines(), [1, 4]);
    let reasons: Vec<_> = outcome.rejected().iter().map(|(reason, at, _)| (*reason, *at)).collect();
    assert_eq!(reasons, [(RejectReason::BadJson, 2), (RejectReason::MissingField, 3)]);
    let outcome = jsonl(format!("[{one}, {}", one.get(..40).unwrap()));
    assert_eq!(outcome.rejected()[0].0, RejectReason::Truncated);
    assert!(jsonl("[]\n").message().contains("without records"));
}

#[test]
fn answers_of_range_queries_are_metrics() {
    let text = r#"{"status":"success","data":{"resultType":"matrix","result":[
        {"metric":{"__name__":"load","job":"gate","pod":"a"},"values":[[1767696300,"20.5"],[1767696360.5,"NaN"]]},
        {"metric":{"code":"500"},"value":[1767696300,"3"]}]}}"#;
    let mut decoder = Decoder::<Metrics>::new(Format::JsonLines, ZonePolicy::Refuse);
    let (mut points, mut rejections) = (Vec::new(), Rejections::default());
    let mut sink = |point: MetricPoint<'_>, _: u64| {
        let MetricPoint { service, metric, resource, value, .. } = point;
        points.push(format!("{service} {metric} {resource} {value}"));
    };
    decoder.feed(text.as_bytes(), &mut sink, &mut rejections).unwrap();
    decoder.finish(&mut sink, &mut rejections).unwrap();
    assert_eq!(
        points,
        ["gate load pod=a 20.5", "gate load pod=a NaN", "prometheus value code=500 3"]
    );
    assert_eq!(rejections.total(), 0);
}
