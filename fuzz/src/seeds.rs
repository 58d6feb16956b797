//! Good inputs of each target, made by the code itself.

use mad_core::wire::formats::FileFormat;
use mad_core::{Pipeline, PipelineConfig, Request, Source, Timestamp, Update};

/// Requests of `seconds` seconds from `start`, of two endpoints; one gets slow after half of the
/// time.
pub fn requests(start: Timestamp, seconds: i64) -> impl Iterator<Item = Request<'static>> {
    (0..seconds).map(move |second| {
        let at = start.plus(second * 1_000_000_000);
        let slow = second % 2 == 0 && second > seconds / 2;
        let (endpoint, latency) = if second % 2 == 0 { ("/pay", 20.0) } else { ("/cart", 9.0) };
        let status = if slow && second % 3 == 0 { 500 } else { 200 };
        Request::new(at, "shop", endpoint, status, if slow { 900.0 } else { latency })
    })
}

/// The seeds of a target; none for an unknown name.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "csv" => with_kinds(&CSV),
        "jsonl" => with_kinds(&JSON_LINES),
        "formats" => with_formats(),
        "checkpoint" => vec![saved(0), saved(90), saved(1_200)],
        "config" => configurations(),
        "template" => texts(&TEMPLATES),
        "graph" => texts(&GRAPHS),
        "observe" => observations(),
        _ => Vec::new(),
    }
}

const CSV: [&str; 6] = [
    "timestamp,service,endpoint,status_code,latency_ms,request_id\n\
     2026-01-06T10:45:00Z,shop,/pay/123,200,12.5,r1\n\
     1767696301,shop,\"/a,\"\"b\"\"\",503,-,r2\n\
     1767696360000,shop,/pay,timeout,\"210.0, 870.0\",r3\n",
    "timestamp,service,metric,value,resource,n\n2026-01-06T10:45:00Z,shop,cpu,0.5,pod-1,3\n\
     2026-01-06T10:46:00Z,shop,requests_total,1234567,pod-1,1\n",
    "trace_id,span_id,parent_id,service,operation,start,duration_ms,status,kind,peer\n\
     t,1,,shop,/pay,2026-01-06T10:45:00Z,12.5,OK,server,db\n\
     t,2,1,db,select,1767696300.25,3,ERROR,SPAN_KIND_CLIENT,\n",
    "timestamp,service,level,body\n2026-01-06T10:45:00Z,shop,ERROR,\"no\nroom\"\n",
    "timestamp,service,kind,name,version\n2026-01-06T10:45:00Z,shop,deploy,shop,1.2\n",
    "caller,callee,calls\nshop,db,12\n",
];

const JSON_LINES: [&str; 6] = [
    "{\"timestamp\":\"2026-01-06T10:45:00Z\",\"service\":\"shop\",\"endpoint\":\"/pay\",\
     \"status_code\":\"200 OK\",\"latency_ms\":12.5}\n{\"timestamp\":1767696301,\"service\":\"shop\",\
     \"endpoint\":\"/pay\",\"status_code\":500,\"latency_ms\":null,\"x\":[{\"y\":1}]}\n",
    "{\"timestamp\":1767696300,\"service\":\"shop\",\"metric\":\"cpu\",\"value\":1e-3}\n",
    "{\"trace_id\":\"t\",\"span_id\":\"1\",\"parent_id\":null,\"service\":\"shop\",\
     \"operation\":\"/pay\",\"start\":1767696300,\"duration_ms\":3}\n",
    "{\"timestamp\":1767696300,\"service\":\"shop\",\"level\":50,\"body\":\"a\\u00e9\\n\"}\n",
    "{\"timestamp\":1767696300,\"service\":\"shop\",\"kind\":\"deploy\"}\n",
    "{\"caller\":\"shop\",\"callee\":\"db\"}\n",
];

/// Files of other tools, and of mad.
const FORMATS: [&str; 10] = [
    "10.0.0.1 - ann [06/Jan/2026:10:45:00 +0000] \"GET /pay?x=1 HTTP/1.1\" 200 512 \"-\" \"curl\" 0.012\n\
     10.0.0.2 - - [06/Jan/2026:10:45:01 +0000] \"POST /cart HTTP/2\" 503 0 \"-\" \"-\" 1.5\n",
    "{\"log\":\"ERROR no room\\n\",\"stream\":\"stderr\",\"time\":\"2026-01-06T10:45:00.5Z\"}\n",
    "2026-01-06T10:45:00.123456789Z stdout F level=error msg=\"no room\" status=500\n\
     2026-01-06T10:45:01.123456789Z stderr P part\n",
    "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":\
     {\"stringValue\":\"shop\"}}]},\"scopeSpans\":[{\"spans\":[{\"traceId\":\"0af7651916cd43dd8448eb211c80319c\",\
     \"spanId\":\"b7ad6b7169203331\",\"name\":\"/pay\",\"kind\":2,\"startTimeUnixNano\":\"1767696300000000000\",\
     \"endTimeUnixNano\":\"1767696300012000000\",\"status\":{\"code\":2}}]}]}]}\n",
    "# TYPE http_requests_total counter\nhttp_requests_total{service=\"shop\",code=\"200\"} 12 1767696300000\n\
     http_seconds_bucket{le=\"0.5\"} 3\nhttp_seconds_sum 1.5\nhttp_seconds_count 4\n",
    "[{\"traceId\":\"0af7651916cd43dd\",\"id\":\"b7ad6b7169203331\",\"name\":\"pay\",\"kind\":\"SERVER\",\
     \"timestamp\":1767696300000000,\"duration\":12000,\"localEndpoint\":{\"serviceName\":\"shop\"},\
     \"tags\":{\"http.status_code\":\"500\",\"error\":\"true\"}}]\n",
    "{\"data\":[{\"traceID\":\"0af7651916cd43dd\",\"spans\":[{\"traceID\":\"0af7651916cd43dd\",\"spanID\":\"1\",\
     \"operationName\":\"/pay\",\"references\":[],\"startTime\":1767696300000000,\"duration\":1200,\
     \"tags\":[{\"key\":\"error\",\"type\":\"bool\",\"value\":true}],\"processID\":\"p1\"}],\
     \"processes\":{\"p1\":{\"serviceName\":\"shop\",\"tags\":[]}}}]}\n",
    "timeStamp,elapsed,label,responseCode,success\n1767696300000,12,/pay,200,true\n",
    "{\"metric\":\"http_req_duration\",\"type\":\"Point\",\"data\":{\"time\":\"2026-01-06T10:45:00Z\",\
     \"value\":12.5,\"tags\":{\"status\":\"200\",\"name\":\"/pay\"}}}\n",
    "[2026-01-06 10:45:00,123] WARN [ReplicaFetcher replicaId=1] Error in response (kafka.server)\n",
];

const TEMPLATES: [&str; 4] = [
    "/item/{sku}\n/item/1\n/item/abc?x=1\nGET /item/9\n",
    "/files/{path*}\n/files/a/b/c\n/files\n",
    "pay*\npayments\npay\n",
    "*a*b*c*d*e*f*\naaaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbcccccccccccccccccddddddddddeeeeeeee\n",
];

const GRAPHS: [&str; 2] = [
    "{\"trace_id\":\"t\",\"span_id\":\"1\",\"parent_id\":null,\"service\":\"shop\",\
     \"operation\":\"/pay\",\"start\":1767696300,\"duration_ms\":30,\"kind\":\"server\"}\n\
     {\"trace_id\":\"t\",\"span_id\":\"2\",\"parent_id\":\"1\",\"service\":\"shop\",\
     \"operation\":\"select\",\"start\":1767696300.001,\"duration_ms\":20,\"kind\":\"client\"}\n\
     {\"trace_id\":\"t\",\"span_id\":\"3\",\"parent_id\":\"2\",\"service\":\"db\",\
     \"operation\":\"select\",\"start\":1767696300.002,\"duration_ms\":10,\"kind\":\"server\"}\n",
    "{\"trace_id\":\"u\",\"span_id\":\"1\",\"parent_id\":\"1\",\"service\":\"a\",\
     \"operation\":\"b\",\"start\":1767696300,\"duration_ms\":1}\n",
];

fn texts(all: &[&str]) -> Vec<Vec<u8>> {
    all.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Files of the formats that other tools write, each between two lines with `%%`.
const SAMPLES: &str = include_str!("format_samples.txt");

/// OpenTelemetry as protobuf: a span, a gauge and a log line of the service `shop`.
const OTLP: [&[u8]; 3] = [
    b"\x0a\x55\x0a\x16\x0a\x14\x0a\x0cservice.name\x12\x06\x0a\x04shop\x12\x3b\x12\x39\x0a\x10traceidtraceid01\
      \x12\x08spanid01\x2a\x02/a\x30\x02\x39\x00\x38\x0b\xfd\x35\x2c\x88\x18\x41\x00\x38\xa3\x95\x36\x2c\x88\x18",
    b"\x0a\x3b\x0a\x16\x0a\x14\x0a\x0cservice.name\x12\x06\x0a\x04shop\x12\x21\x12\x1f\x0a\x03cpu\x2a\x18\x0a\x16\
      \x19\x00\x38\x0b\xfd\x35\x2c\x88\x18\x21\x00\x00\x00\x00\x00\x00\xe0\x3f\x3a\x02\x0a\x00",
    b"\x0a\x31\x0a\x16\x0a\x14\x0a\x0cservice.name\x12\x06\x0a\x04shop\x12\x17\x12\x15\x09\x00\x38\x0b\xfd\x35\x2c\x88\x18\
      \x10\x11\x2a\x06\x0a\x04boom",
];

/// Remote write of Prometheus: one sample of a gauge, compressed with Snappy as one literal.
const REMOTE_WRITE: &[u8] = b"\x29\xa0\x0a\x27\x0a\x0f\x0a\x08__name__\x12\x03cpu\
      \x12\x10\x09\x00\x00\x00\x00\x00\x00\xe0\x3f\x10\xe0\xcf\xec\xba\xb9\x33";

/// Each file as it is detected and under the name of its format; the shortest ones under the name
/// of every format.
fn with_formats() -> Vec<Vec<u8>> {
    let all = FileFormat::ALL;
    let texts = || FORMATS.into_iter().chain(CSV).chain(JSON_LINES);
    let detected = all.len() as u8;
    let named = (0..=detected)
        .flat_map(|format| texts().map(move |text| [&[format], text.as_bytes()].concat()));
    let samples = SAMPLES.split("\n%%\n").flat_map(|text| {
        let of = FileFormat::detect("", text.as_bytes());
        let place = of.and_then(|format| all.iter().position(|one| *one == format));
        let formats = [Some(detected), place.map(|place| place as u8)];
        formats.into_iter().flatten().map(|format| [&[format], text.as_bytes()].concat())
    });
    let place = |format| all.iter().position(|one| *one == format).unwrap_or(all.len()) as u8;
    let protobuf = place(FileFormat::OtlpPb);
    let binary = OTLP.into_iter().map(|body| [&[protobuf], body].concat());
    let written = [&[place(FileFormat::RemoteWrite)], REMOTE_WRITE].concat();
    named.chain(samples).chain(binary).chain([written]).collect()
}

fn with_kinds(all: &[&str]) -> Vec<Vec<u8>> {
    let seed = |(kind, text): (usize, &&str)| [&[kind as u8], text.as_bytes()].concat();
    all.iter().enumerate().map(seed).collect()
}

/// The state after some seconds of requests.
fn saved(seconds: i64) -> Vec<u8> {
    let Ok(mut pipeline) = Pipeline::new(crate::small()) else { return Vec::new() };
    let mut update = Update::default();
    for request in requests(Timestamp::from_seconds(1_767_693_600), seconds) {
        pipeline.push(request, &Source::at(1), &mut update);
    }
    pipeline.checkpoint().unwrap_or_default()
}

fn configurations() -> Vec<Vec<u8>> {
    let small = serde_json::to_vec(&crate::small()).unwrap_or_default();
    let whole = serde_json::to_vec(&PipelineConfig::default()).unwrap_or_default();
    let some = br#"{"features":{"step_seconds":1},"guard":{"min_points":3},
        "override":[{"service":"sh*","endpoint":"*","threshold":0.9}],
        "mute":[{"service":"shop","from":"2026-01-06T10:00:00Z","to":"2026-01-06T11:00:00Z"}],
        "routes":{"patterns":["/item/{sku}"]},"slo":{"availability":0.999}}"#;
    vec![small, whole, some.to_vec()]
}

fn observations() -> Vec<Vec<u8>> {
    let series = |value: fn(usize) -> f64| -> Vec<u8> {
        (0..120)
            .flat_map(|i| {
                let mut one = value(i).to_le_bytes().to_vec();
                one.extend([36, (i % 8) as u8, (i % 7) as u8]);
                one
            })
            .collect()
    };
    vec![
        series(|i| 100.0 + (i % 7) as f64),
        series(|i| if i > 80 { 1e300 } else { 0.0 }),
        series(|i| if i % 9 == 0 { f64::NAN } else { -1e-300 }),
        series(|i| i as f64 * f64::MAX / 120.0),
    ]
}
