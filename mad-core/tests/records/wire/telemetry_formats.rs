//! Formats of OpenTelemetry, Jaeger, Zipkin, Elastic APM and Prometheus.

use mad_core::wire::formats::{
    self, FileFormat, FormatDecoder, FormatOptions, FormatSink, Inspection, Output,
    TelemetryMemory, Unit, decoder,
};
use mad_core::{Record, RecordKind, RejectReason, Rejections};
use proptest::prelude::*;

use super::remote_write::{series, snappy};

/// Records as text, and the number of items.
#[derive(Default)]
pub(super) struct Seen {
    pub records: Vec<String>,
    pub units: u64,
}

impl FormatSink for Seen {
    fn record(&mut self, record: Record<'_>, _: u64) {
        self.records.push(match record {
            Record::Span(span) => format!(
                "span {} {} {:?} {} parent={}",
                span.service,
                span.operation,
                span.outcome(),
                span.duration_ms,
                span.parent_id.unwrap_or("-")
            ),
            Record::Metric(point) => format!(
                "{} {} [{}] = {} at {}",
                point.service, point.metric, point.resource, point.value, point.timestamp
            ),
            Record::Log(line) => format!("log {} {} {}", line.service, line.level, line.body),
            Record::Change(change) => {
                format!("{} {} {}", change.kind, change.service, change.version)
            }
            other => format!("{other:?}"),
        });
    }

    fn unit(&mut self, unit: &Unit<'_>) {
        self.units += unit.count;
    }
}

pub(super) fn feed(decoder: &mut dyn FormatDecoder, body: &[u8]) -> (Seen, Rejections) {
    let (mut seen, mut rejections) = (Seen::default(), Rejections::default());
    let mut out = Output::new(&mut seen, &mut rejections);
    decoder.feed(body, &mut out).unwrap();
    decoder.finish(&mut out).unwrap();
    (seen, rejections)
}

pub(super) fn read(format: FileFormat, body: impl AsRef<[u8]>) -> (Seen, Rejections) {
    let body = body.as_ref();
    assert_eq!(FileFormat::detect("", body), Some(format));
    feed(&mut *decoder(format, &FormatOptions::default(), body).unwrap(), body)
}

/// A message of protobuf with fields of bytes.
pub(super) fn message(fields: &[(u8, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, bytes) in fields {
        out.push(number << 3 | 2);
        let mut length = bytes.len();
        while length > 0x7f {
            out.push(length as u8 & 0x7f | 0x80);
            length >>= 7;
        }
        out.push(length as u8);
        out.extend_from_slice(bytes);
    }
    out
}

fn fixed64(number: u8, value: u64) -> Vec<u8> {
    let mut out = vec![number << 3 | 1];
    out.extend_from_slice(&value.to_le_bytes());
    out
}

const AT: u64 = 1_767_693_600_000_000_000;

/// A request of one server span of `pay`, with fields that no version has.
fn otlp_span(trace: &[u8], end: u64) -> Vec<u8> {
    let name = message(&[(1, b"service.name"), (2, &message(&[(1, b"pay")]))]);
    let mut span = message(&[(1, trace), (2, &[0, 0, 0, 0, 0, 0, 0, 9]), (5, b"POST /pay")]);
    span.extend([0x30, 2]);
    span.extend(fixed64(7, AT));
    span.extend(fixed64(8, end));
    span.extend(message(&[(15, &[0x18, 2]), (14, b"unknown field")]));
    let resource = message(&[(1, &name)]);
    message(&[(1, &message(&[(1, &resource), (2, &message(&[(2, &span)]))]))])
}

#[test]
fn spans_of_protobuf_are_read_and_faults_are_counted() {
    let mut body = otlp_span(&[7; 16], AT + 12_500_000);
    body.extend(otlp_span(&[0; 16], AT));
    body.extend(otlp_span(&[7; 16], AT - 1));
    let (seen, rejections) = read(FileFormat::OtlpPb, &body);
    assert_eq!(seen.units, 2, "a span that ends before it begins has no duration");
    assert_eq!(seen.records[0], "span pay /pay Failure 12.5 parent=-");
    assert!(seen.records[1].contains("Request"), "{}", seen.records[1]);
    assert_eq!(rejections.total(), 1);
}

#[test]
fn a_body_that_is_no_protobuf_is_refused() {
    let options = FormatOptions::default();
    for body in [&b"\x08\x01"[..], b"\x0a", b"\x0a\xff\xff\xff\xff\x0f", b"not protobuf"] {
        assert!(formats::check(FileFormat::OtlpPb, &options, body).is_err(), "{body:?}");
    }
    let json = formats::check(FileFormat::OtlpJson, &options, br#"{"resourceSpans": 1}"#);
    assert!(json.unwrap_err().to_string().contains("is no array"));
    assert!(formats::check(FileFormat::OtlpPb, &options, b"").is_ok());
}

fn otlp_metrics(metric: &str) -> String {
    let service = r#"{"key": "service.name", "value": {"stringValue": "pay"}}"#;
    format!(
        r#"{{"resourceMetrics": [{{"resource": {{"attributes": [{service}]}}, "scopeMetrics": [{{"metrics": [{metric}]}}]}}]}}"#
    )
}

fn point(seconds: u64, rest: &str) -> String {
    format!(r#"{{"timeUnixNano": "{}", {rest}}}"#, AT + seconds * 1_000_000_000)
}

#[test]
fn cumulative_and_delta_sums_of_otlp_give_rates() {
    let points = [point(0, r#""asInt": "10""#), point(10, r#""asInt": "30""#)];
    let restart = point(20, r#""asInt": "5""#);
    for temporality in ["2", r#""AGGREGATION_TEMPORALITY_CUMULATIVE""#] {
        let body = otlp_metrics(&format!(
            r#"{{"name": "n", "sum": {{"isMonotonic": true, "aggregationTemporality": {temporality}, "dataPoints": [{}, {}, {restart}]}}}}"#,
            points[0], points[1]
        ));
        let (seen, _) = read(FileFormat::OtlpJson, &body);
        assert_eq!(
            seen.records,
            [
                "pay n/rate [] = 2 at 2026-01-06T10:00:10Z",
                "pay n/rate [] = 0.5 at 2026-01-06T10:00:20Z"
            ]
        );
        assert_eq!(seen.units, 3);
    }
    let body = otlp_metrics(&format!(
        r#"{{"name": "n", "sum": {{"isMonotonic": true, "aggregationTemporality": 1, "dataPoints": [{{"startTimeUnixNano": {AT}, "timeUnixNano": {}, "asDouble": 8}}]}}}}"#,
        AT + 4_000_000_000
    ));
    let (seen, _) = read(FileFormat::OtlpJson, &body);
    assert_eq!(seen.records, ["pay n/rate [] = 2 at 2026-01-06T10:00:04Z"]);
}

#[test]
fn histograms_of_otlp_give_percentiles_and_odd_bounds_are_rejected() {
    let histogram = |counts: &str, bounds: &str, seconds: u64| {
        point(
            seconds,
            &format!(r#""count": 4, "bucketCounts": {counts}, "explicitBounds": {bounds}"#),
        )
    };
    let body = otlp_metrics(&format!(
        r#"{{"name": "d", "histogram": {{"aggregationTemporality": 2, "dataPoints": [{}, {}, {}, {}, {}]}}}}"#,
        histogram("[\"1\", 0, 0]", "[1, 2]", 0),
        histogram("[1, 10, 0]", "[1, 2]", 5),
        histogram("[1, 2]", "[1, 2]", 6),
        histogram("[1, 2, 3]", "[2, 1]", 7),
        histogram("[1, 2, 3]", "[1, 1]", 8),
    ));
    let (seen, rejections) = read(FileFormat::OtlpJson, &body);
    let names: Vec<&str> =
        seen.records.iter().map(|record| record.split(" at").next().unwrap()).collect();
    assert_eq!(
        names,
        ["pay d/rate [] = 2", "pay d/p50 [] = 1.5", "pay d/p95 [] = 1.95", "pay d/p99 [] = 1.99"]
    );
    assert_eq!(rejections.total(), 3);
    let exponential = otlp_metrics(&format!(
        r#"{{"name": "e", "exponential_histogram": {{"aggregation_temporality": 1, "data_points": [{{"start_time_unix_nano": {AT}, "time_unix_nano": {}, "scale": 0, "zero_count": 0, "positive": {{"offset": 0, "bucket_counts": [4]}}}}]}}}}"#,
        AT + 1_000_000_000
    ));
    let (seen, _) = read(FileFormat::OtlpJson, &exponential);
    assert!(seen.records[1].starts_with("pay e/p50 [] = 1.414213562373095"), "{:?}", seen.records);
}

#[test]
fn an_item_of_json_that_is_too_large_is_rejected_alone() {
    let good = r#"{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708","name":"GET /","kind":2,"startTimeUnixNano":"1767693600000000000","endTimeUnixNano":"1767693600010000000"}"#;
    let junk = vec!["[]"; 400_000].join(",");
    let spans = format!(r#"{{"attributes":[{junk}]}},{good}"#);
    let body = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{spans}]}}]}}]}}"#);
    let otlp = |body: String| {
        let options = FormatOptions::default();
        let mut decoder = decoder(FileFormat::OtlpJson, &options, body.as_bytes()).unwrap();
        feed(&mut *decoder, body.as_bytes())
    };
    let (seen, rejections) = otlp(body);
    assert_eq!(rejections.count(RejectReason::BadJson), 1);
    assert_eq!(seen.records.len(), 1);
    // an object of too many members and an array of too many elements are refused as a whole
    let members = (0..20_000).map(|key| format!("\"k{key}\":1")).collect::<Vec<_>>().join(",");
    for body in [format!("{{{members}}}"), format!("[{}0]", "0,".repeat(2_000_000))] {
        let (seen, rejections) = otlp(body);
        assert!(seen.records.is_empty() && rejections.total() == 1, "{rejections:?}");
    }
}

#[test]
fn old_names_summaries_and_points_without_a_value_are_read() {
    let old = format!(
        r#"{{"resourceMetrics": [{{"instrumentationLibraryMetrics": [{{"metrics": [{{"name": "s", "doubleSummary": {{"dataPoints": [{}]}}}}, {{"name": "g", "gauge": {{"dataPoints": [{}]}}}}]}}]}}]}}"#,
        point(
            0,
            r#""labels": [{"key": "k", "value": "v"}], "count": "2", "sum": 3, "quantileValues": [{"quantile": 0.99, "value": 7}]"#
        ),
        point(0, r#""flags": 1"#),
    );
    let (seen, rejections) = read(FileFormat::OtlpJson, &old);
    assert_eq!(seen.records, ["unknown_service s/p99 [k=v] = 7 at 2026-01-06T10:00:00Z"]);
    assert_eq!((seen.units, rejections.total()), (2, 0));
}

#[test]
fn a_changed_version_is_a_change_and_memory_continues_from_body_to_body() {
    let body = |version: &str, second: u64, total: u64| {
        let resource = format!(
            r#"[{{"key": "service.name", "value": {{"stringValue": "pay"}}}}, {{"key": "service.version", "value": {{"stringValue": "{version}"}}}}]"#
        );
        format!(
            r#"{{"resourceMetrics": [{{"resource": {{"attributes": {resource}}}, "scopeMetrics": [{{"metrics": [{{"name": "n", "sum": {{"isMonotonic": true, "aggregationTemporality": 2, "dataPoints": [{}]}}}}]}}]}}]}}"#,
            point(second, &format!(r#""asInt": {total}"#))
        )
    };
    let mut memory = TelemetryMemory::default();
    let mut all = Vec::new();
    for (version, second, total) in [("1", 0, 5), ("2", 10, 25)] {
        let body = body(version, second, total);
        let mut one =
            decoder(FileFormat::OtlpJson, &FormatOptions::default(), body.as_bytes()).unwrap();
        one.swap_memory(&mut memory);
        all.extend(feed(&mut *one, body.as_bytes()).0.records);
        one.swap_memory(&mut memory);
        memory = TelemetryMemory::from_bytes(&memory.to_bytes().unwrap()).unwrap();
    }
    assert_eq!(all, ["deploy pay 2", "pay n/rate [] = 2 at 2026-01-06T10:00:10Z"]);
}

#[test]
fn logs_of_otlp_keep_their_level_and_structured_bodies() {
    let body = format!(
        r#"{{"resourceLogs": [{{"scopeLogs": [{{"logRecords": [
        {{"observedTimeUnixNano": {AT}, "severityNumber": "SEVERITY_NUMBER_ERROR", "body": {{"kvlistValue": {{"values": [{{"key": "a", "value": {{"intValue": "1"}}}}]}}}}}},
        {{"timeUnixNano": {AT}, "severityText": "warn", "attributes": [{{"key": "exception.message", "value": {{"stringValue": "no room"}}}}]}},
        {{"body": {{"stringValue": "no time"}}}}]}}]}}]}}"#
    );
    let (seen, rejections) = read(FileFormat::OtlpJson, &body);
    assert_eq!(
        seen.records,
        [r#"log unknown_service ERROR {"a":1}"#, "log unknown_service warn no room"]
    );
    assert_eq!(rejections.total(), 1);
}

#[test]
fn jaeger_reads_each_envelope() {
    let span = r#"{"traceID": "A1", "spanID": "2", "operationName": "GET /pay", "processID": "p", "startTime": 1767693600000000, "duration": 1500,
        "references": [{"refType": "FOLLOWS_FROM", "traceID": "a1", "spanID": "9"}, {"refType": "CHILD_OF", "traceID": "a1", "spanID": "1"}],
        "tags": [{"key": "span.kind", "value": "server"}, {"key": "error", "value": "true"}]}"#;
    let trace = format!(
        r#"{{"traceID": "a1", "spans": [{span}], "processes": {{"p": {{"serviceName": "pay"}}}}}}"#
    );
    let bodies = [
        format!(r#"{{"data": [{trace}], "total": 0}}"#),
        format!(r#"{{"data": {trace}}}"#),
        trace,
        span.replace(r#""processID": "p""#, r#""process": {"serviceName": "pay"}"#),
    ];
    for body in bodies {
        let (seen, _) = read(FileFormat::Jaeger, &body);
        assert_eq!(seen.records, ["span pay /pay Failure 1.5 parent=0000000000000001"], "{body}");
    }
}

#[test]
fn zipkin_reads_both_versions_and_shared_ids() {
    let body = r#"[{"traceId": "a", "id": "2", "kind": "CLIENT", "name": "get", "timestamp": 1767693600000000, "duration": 2000, "localEndpoint": {"serviceName": "web"}},
        {"traceId": "a", "id": "2", "kind": "SERVER", "shared": true, "name": "get", "timestamp": 1767693600000500, "duration": 1000, "localEndpoint": {"serviceName": "pay"}, "tags": {"error": ""}},
        {"traceId": "a", "id": "3", "kind": "CLIENT", "name": "open", "localEndpoint": {"serviceName": "pay"}}]"#;
    let (seen, _) = read(FileFormat::Zipkin, body);
    assert_eq!(
        seen.records,
        ["span web get Success 2 parent=-", "span pay get Failure 1 parent=0000000000000002"]
    );
    assert_eq!(seen.units, 3, "a span without a time counts as read");
    let mut inspection = Inspection::default();
    let mut rejections = Rejections::default();
    let mut reader =
        decoder(FileFormat::Zipkin, &FormatOptions::default(), body.as_bytes()).unwrap();
    let mut out = Output::new(&mut inspection, &mut rejections);
    reader.feed(body.as_bytes(), &mut out).unwrap();
    reader.finish(&mut out).unwrap();
    let edges = inspection.document(FileFormat::Zipkin, &rejections).edges;
    assert_eq!((edges.len(), edges[0].calls), (1, 1));
    let old = r#"[{"traceId": "a", "id": "2", "name": "get", "annotations": [
        {"timestamp": 1767693600000000, "value": "cs", "endpoint": {"serviceName": "web"}},
        {"timestamp": 1767693600003000, "value": "cr", "endpoint": {"serviceName": "web"}}],
        "binaryAnnotations": [{"key": "sa", "value": true, "endpoint": {"serviceName": "bank"}}]}]"#;
    let (seen, _) = read(FileFormat::Zipkin, old);
    assert_eq!(seen.records, ["span web get Success 3 parent=-"]);
}

#[test]
fn elastic_reads_events_with_the_service_of_their_metadata() {
    let body = r#"{"metadata": {"service": {"name": "shop"}}}
{"transaction": {"id": "1", "trace_id": "a", "name": "GET /pay", "type": "request", "duration": 5, "timestamp": 1767693600000000, "outcome": "failure"}}
{"broken
{"span": {"id": "2", "trace_id": "a", "parent_id": "1", "name": "SELECT", "type": "db", "duration": 2, "timestamp": 1767693600001000}}
{"error": {"timestamp": 1767693600000000, "exception": {"message": "no room"}}}
{"metricset": {"timestamp": 1767693600000000, "samples": {"heap": {"value": 7}}}}
{"log": {"message": "undated"}}
"#;
    let (seen, rejections) = read(FileFormat::Elastic, body);
    assert_eq!(
        seen.records,
        [
            "span shop /pay Failure 5 parent=-",
            "span shop SELECT Success 2 parent=0000000000000001",
            "log shop ERROR no room",
            "shop heap [] = 7 at 2026-01-06T10:00:00Z",
        ]
    );
    assert_eq!((seen.units, rejections.total()), (5, 1));
}

#[test]
fn answers_of_prometheus_give_rates_and_percentiles_in_the_order_of_time() {
    let series = |le: &str, totals: [u64; 3]| {
        let values: Vec<String> = (0..3)
            .map(|step| format!("[{}, \"{}\"]", 1_767_693_600 + 5 * step, totals[step as usize]))
            .collect();
        format!(
            r#"{{"metric": {{"__name__": "s_bucket", "job": "pay", "le": "{le}"}}, "values": [{}]}}"#,
            values.join(",")
        )
    };
    let body = format!(
        r#"{{"status": "success", "data": {{"resultType": "matrix", "result": [{}, {}]}}}}"#,
        series("1", [0, 10, 20]),
        series("+Inf", [0, 10, 20])
    );
    let (seen, _) = read(FileFormat::PrometheusApi, &body);
    assert_eq!(
        seen.records[..2],
        ["pay s/rate [] = 2 at 2026-01-06T10:00:05Z", "pay s/p50 [] = 0.5 at 2026-01-06T10:00:05Z"]
    );
    assert_eq!((seen.records.len(), seen.units), (8, 6));
    let (seen, rejections) =
        read(FileFormat::PrometheusApi, r#"{"status":"error","errorType":"bad_data","error":"x"}"#);
    assert_eq!((seen.units, rejections.total()), (0, 1));
}

#[test]
fn pages_of_metrics_are_read_and_bad_lines_counted() {
    let page = "# TYPE up gauge\nup{job=\"a\"} 1 1767693600000\nup{job=\"b\"} NaN 1767693600000\n\
                up{job=\"c\"} 1\nnot a sample\n# EOF\n";
    let (seen, rejections) = read(FileFormat::PrometheusText, page.replace("# EOF\n", ""));
    assert_eq!(seen.records, ["a up [] = 1 at 2026-01-06T10:00:00Z"]);
    assert_eq!((seen.units, rejections.total()), (3, 1));
}

proptest! {
    /// No bytes make a decoder panic, and the result does not depend on how they are cut.
    #[test]
    fn damaged_bodies_are_counted_or_refused(
        at in 0_usize..200,
        byte: u8,
        cut in 0_usize..200,
    ) {
        let mut bodies = vec![
            otlp_span(&[7; 16], AT + 1),
            snappy(&message(&[(1, &series(&[(1.0, 5)]))])),
            otlp_metrics(&format!(
                r#"{{"name": "n", "gauge": {{"dataPoints": [{}]}}}}"#, point(0, r#""asInt": 1"#)
            )).into_bytes(),
        ];
        for body in &mut bodies {
            let place = at % body.len();
            body[place] = byte;
        }
        let formats = [FileFormat::OtlpPb, FileFormat::RemoteWrite, FileFormat::OtlpJson];
        for (body, format) in bodies.iter().zip(formats) {
            let options = FormatOptions { kind: Some(RecordKind::Spans), ..FormatOptions::default() };
            let run = |pieces: &[&[u8]]| {
                let mut reader = decoder(format, &options, body).unwrap();
                let (mut seen, mut rejections) = (Seen::default(), Rejections::default());
                let mut out = Output::new(&mut seen, &mut rejections);
                for piece in pieces {
                    if reader.feed(piece, &mut out).is_err() {
                        return None;
                    }
                }
                reader.finish(&mut out).ok()?;
                Some((seen.records, seen.units, rejections.total()))
            };
            let (head, tail) = body.split_at(cut % body.len());
            prop_assert_eq!(run(&[body]), run(&[head, tail]));
        }
    }
}
