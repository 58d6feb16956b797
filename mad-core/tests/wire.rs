//! The request decoders: every fault of an input, and that no cut of the bytes changes anything.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failing test may panic")]

use mad_core::limits::MAX_LINE_BYTES;
use mad_core::telemetry::{RejectReason, Rejections};
use mad_core::time::{Timestamp, ZonePolicy};
use mad_core::wire::{Format, RequestDecoder};
use mad_core::{Error, Request};
use proptest::prelude::*;

const HEADER: &str = "timestamp,service,endpoint,status_code,latency_ms\n";
const GOOD: &str = "2026-01-06T10:45:00Z,payments,/pay,200,215.25\n";

#[derive(Debug, Clone, PartialEq)]
struct Row {
    line: u64,
    timestamp: Timestamp,
    service: String,
    endpoint: String,
    status_code: i64,
    latency_ms: f64,
    request_id: Option<String>,
}

#[derive(Debug, Default, PartialEq)]
struct Outcome {
    rows: Vec<Row>,
    rejections: Rejections,
    error: Option<Error>,
}

impl Outcome {
    /// Lines of the rows that were taken.
    fn lines(&self) -> Vec<u64> {
        self.rows.iter().map(|row| row.line).collect()
    }

    /// Reason, line and detail of what was rejected.
    fn rejected(&self) -> Vec<(RejectReason, u64, &str)> {
        let first = self.rejections.first().iter();
        first.map(|r| (r.reason, r.position, r.detail.as_str())).collect()
    }

    fn message(&self) -> String {
        self.error.as_ref().unwrap().to_string()
    }
}

fn decode_chunks<'a>(
    format: Format,
    zone: ZonePolicy,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> Outcome {
    let mut decoder = RequestDecoder::new(format, zone);
    let mut rows = Vec::new();
    let mut rejections = Rejections::default();
    let mut sink = |request: Request<'_>, line: u64| {
        assert!(request.check().is_ok());
        rows.push(Row {
            line,
            timestamp: request.timestamp,
            service: request.service.to_owned(),
            endpoint: request.endpoint.to_owned(),
            status_code: request.status_code,
            latency_ms: request.latency_ms,
            request_id: request.request_id.map(str::to_owned),
        });
    };
    let mut result = Ok(());
    for chunk in chunks {
        result = decoder.feed(chunk, &mut sink, &mut rejections);
        assert!(decoder.held_bytes() <= 2 * MAX_LINE_BYTES + 64);
    }
    if result.is_ok() {
        result = decoder.finish(&mut sink, &mut rejections);
    }
    assert_eq!(decoder.finish(&mut sink, &mut rejections), result, "a second finish");
    Outcome { rows, rejections, error: result.err() }
}

/// Decodes the bytes whole and in pieces of a few sizes, which must agree.
fn decode(format: Format, zone: ZonePolicy, bytes: &[u8]) -> Outcome {
    let whole = decode_chunks(format, zone, [bytes]);
    for size in [1, 2, 3, 7, 64] {
        assert_eq!(decode_chunks(format, zone, bytes.chunks(size)), whole, "pieces of {size}");
    }
    whole
}

fn csv(text: impl AsRef<[u8]>) -> Outcome {
    decode(Format::Csv, ZonePolicy::Refuse, text.as_ref())
}

fn jsonl(text: impl AsRef<[u8]>) -> Outcome {
    decode(Format::JsonLines, ZonePolicy::Refuse, text.as_ref())
}

/// Rows under the usual header.
fn rows(text: &str) -> Outcome {
    csv(format!("{HEADER}{text}"))
}

/// A JSON line with one value replaced or added; an empty value leaves the key out.
fn object(key: &str, value: &str) -> String {
    let usual = [
        ("timestamp", "\"2026-01-06T10:45:00Z\""),
        ("service", "\"payments\""),
        ("endpoint", "\"/pay\""),
        ("status_code", "200"),
        ("latency_ms", "215.25"),
    ];
    let mut parts = Vec::new();
    for (name, default) in usual {
        let value = if name == key { value } else { default };
        if !value.is_empty() {
            parts.push(format!("\"{name}\": {value}"));
        }
    }
    if !usual.iter().any(|(name, _)| *name == key) {
        parts.push(format!("\"{key}\": {value}"));
    }
    format!("{{{}}}\n", parts.join(", "))
}

#[test]
fn a_row_is_read_in_any_order_of_columns() {
    let outcome =
        csv("Latency_MS , extra,STATUS_CODE,\"endpoint\",request_id,service,timestamp\r\n\
         2.1525e2,\"x,y\",200.0,/pay,id-1,payments,1767696300\r\n\
         7,,503,/pay,,payments,2026-01-06 12:45:00.5+02:00");
    assert_eq!(outcome.rejected(), []);
    let first = Row {
        line: 2,
        timestamp: Timestamp::from_seconds(1_767_696_300),
        service: "payments".into(),
        endpoint: "/pay".into(),
        status_code: 200,
        latency_ms: 215.25,
        request_id: Some("id-1".into()),
    };
    let second = Row {
        line: 3,
        timestamp: first.timestamp.plus(500_000_000),
        status_code: 503,
        latency_ms: 7.0,
        request_id: None,
        ..first.clone()
    };
    assert_eq!(outcome.rows, [first, second]);
}

#[test]
fn headers_that_cannot_be_used() {
    let message = csv("timestamp,service,endpoint,status,latency_ms,status_code2\n").message();
    assert!(message.contains("CSV header lacks `status_code`; it has `timestamp`, `service`"));
    assert!(message.contains("the first line must name"));
    let message = csv(HEADER.replace("status_code", "service")).message();
    assert!(message.contains("`service` twice, as columns 2 and 4"), "{message}");
    let message = csv(GOOD).message();
    assert!(message.contains("lacks `timestamp`, `service`, `endpoint`"), "{message}");
    for empty in ["", "\n\r\n", "\u{feff}", "\u{feff} \n"] {
        assert!(csv(empty).message().starts_with("the file is empty: "), "{empty:?}");
    }
    assert!(csv(b"\xff\xfet\0i\0").message().contains("not UTF-8"));
    assert!(csv("timestamp,\"service,endpoint\nx\n").message().contains("never closed"));
    assert!(csv(HEADER.replace(',', ";")).message().contains("separated by something else"));
    assert!(csv("[{\"timestamp\": 1}]").message().contains("one object a line"));
    let long = vec![b'a'; MAX_LINE_BYTES + 9];
    let outcome = decode_chunks(Format::Csv, ZonePolicy::Refuse, long.chunks(4096));
    assert!(outcome.message().contains("longer than 1 MiB"));
}

#[test]
fn inputs_without_records() {
    for text in [HEADER, HEADER.trim_end(), &format!("\n\n{HEADER}")] {
        assert_eq!(csv(text), Outcome::default());
    }
    for text in ["", "\n \r\n", "\u{feff}"] {
        assert_eq!(jsonl(text), Outcome::default());
    }
}

#[test]
fn values_that_are_wrong() {
    use RejectReason::*;
    let cases = [
        ("x,a,/,200,1", BadTimestamp, "timestamp = \"x\""),
        (",a,/,200,1", MissingField, "timestamp is empty"),
        ("9999-01-06T10:45:00Z,a,/,200,1", BadTimestamp, "timestamp = \"9999-01-06T10:45:00Z\""),
        ("2026-01-06T10:45:00,a,/,200,1", NaiveTimestamp, "timestamp = \"2026-01-06T10:45:00\""),
        ("1767696300,,/,200,1", MissingField, "service is empty"),
        ("1767696300,a,,200,1", MissingField, "endpoint is empty"),
        ("1767696300,a\0b,/,200,1", BadName, "service = \"a\\0b\""),
        ("1767696300,a,/,OK,1", BadStatus, "status_code = \"OK\""),
        ("1767696300,a,/,0,1", BadStatus, "status_code = \"0\""),
        ("1767696300,a,/,999,1", BadStatus, "status_code = \"999\""),
        ("1767696300,a,/,200.5,1", BadStatus, "status_code = \"200.5\""),
        ("1767696300,a,/,,1", MissingField, "status_code is empty"),
        ("1767696300,a,/,200,fast", BadLatency, "latency_ms = \"fast\""),
        ("1767696300,a,/,200,-3", BadLatency, "latency_ms = \"-3\""),
        ("1767696300,a,/,200,inf", BadLatency, "latency_ms = \"inf\""),
        ("1767696300,a,/,200,NaN", BadLatency, "latency_ms = \"NaN\""),
        ("1767696300,a,/,200,1e999", BadLatency, "latency_ms = \"1e999\""),
        ("1767696300,a,/,200, ", MissingField, "latency_ms = \" \""),
        ("1767696300,a,/,200", FieldCount, "4 fields, the header has 5"),
        ("1767696300,a,/,200,1,2", FieldCount, "6 fields, the header has 5"),
        ("1767696300,\"a\",/,200", FieldCount, "4 fields, the header has 5"),
    ];
    for (text, reason, detail) in cases {
        let outcome = rows(&format!("{text}\n{GOOD}"));
        assert_eq!(outcome.rejected(), [(reason, 2, detail)], "{text}");
        assert_eq!(outcome.lines(), [3], "{text}");
    }
    let outcome = rows(&format!("1767696300,{},/,200,1\n{GOOD}", "s".repeat(513)));
    assert_eq!(outcome.rejections.count(BadName), 1);
    assert_eq!(outcome.lines(), [3]);
}

#[test]
fn the_last_line_may_lack_its_end_but_not_its_fields() {
    let outcome = rows(&format!("{GOOD}{}", GOOD.trim_end()));
    assert_eq!((outcome.lines(), outcome.rejected()), (vec![2, 3], vec![]));
    let outcome = rows(&format!("{GOOD}2026-01-06T10:45:00Z,payments,/p"));
    assert_eq!(outcome.lines(), [2]);
    let want = (RejectReason::Truncated, 3, "3 fields, the header has 5");
    assert_eq!(outcome.rejected(), [want]);
    let outcome = jsonl(format!("{}{{\"timestamp\": 17676", object("x", "0")));
    assert_eq!(outcome.lines(), [1]);
    assert_eq!(outcome.rejections.count(RejectReason::Truncated), 1);
}

#[test]
fn marks_line_ends_and_blank_lines() {
    let text = format!("\u{feff}{HEADER}\n{GOOD}   \n{GOOD}\n\n").replace('\n', "\r\n");
    let outcome = csv(text);
    assert_eq!((outcome.lines(), outcome.rejected()), (vec![3, 5], vec![]));
    let text = format!("\u{feff}\n{}\n\n{}", object("x", "1"), object("y", "2"));
    let outcome = jsonl(text.replace('\n', "\r\n"));
    assert_eq!((outcome.lines(), outcome.rejected()), (vec![2, 5], vec![]));
    // half a mark is text
    assert_eq!(jsonl(b"\xef\xbb").rejections.count(RejectReason::NotUtf8), 1);
    assert_eq!(jsonl(b"\xef\xbb{}").rejections.count(RejectReason::NotUtf8), 1);
}

#[test]
fn lines_that_are_not_utf8_are_rejected_alone() {
    let bad = [b"1767696300,pay\xffments,/,200,1\n".as_slice(), b"\"\xe2\x82\n\",a,b,c,d\n"];
    for bad in bad {
        let text = [HEADER.as_bytes(), GOOD.as_bytes(), bad, GOOD.as_bytes()].concat();
        let outcome = csv(text);
        assert_eq!(outcome.rejections.count(RejectReason::NotUtf8), 1);
        assert_eq!((outcome.rows.len(), outcome.rejected()[0].1), (2, 3));
    }
    let good = object("x", "1");
    let outcome = jsonl([good.as_bytes(), b"{\"\xff\": 1}\n", good.as_bytes()].concat());
    assert_eq!(outcome.lines(), [1, 3]);
    assert_eq!(outcome.rejections.count(RejectReason::NotUtf8), 1);
}

#[test]
fn times_with_and_without_offsets() {
    let text = format!(
        "{HEADER}2026-01-06T10:45:00Z,a,/,200,1\n2026-01-06T12:45:00+02:00,a,/,200,1\n\
         2026-01-06T05:45:00-0500,a,/,200,1\n2026-01-06T11:45:00,a,/,200,1\n"
    );
    let outcome = csv(&text);
    assert_eq!(outcome.lines(), [2, 3, 4]);
    assert_eq!(outcome.rejections.count(RejectReason::NaiveTimestamp), 1);
    let outcome = decode(Format::Csv, ZonePolicy::Offset(3600), text.as_bytes());
    assert_eq!(outcome.lines(), [2, 3, 4, 5]);
    assert!(outcome.rows.iter().all(|row| row.timestamp == outcome.rows[0].timestamp));
}

#[test]
fn quotes() {
    let outcome = rows(
        "\"1767696300\",\"pay\"\"ments\",\"/a,b\nc\",\"200\",\"1\"\n\
         1767696300,say \"hi\",\"/x\"y,200,1\n\
         1767696300,\"\",/pay,200,1\n\
         1767696300,a,\"/é\"\"\",200,1",
    );
    // the name with a line feed is rejected for it, at the record's first line
    let name = (RejectReason::BadName, 2, "endpoint = \"/a,b\\nc\"");
    let empty = (RejectReason::MissingField, 5, "service is empty");
    assert_eq!(outcome.rejected(), [name, empty]);
    assert_eq!(outcome.lines(), [4, 6]);
    assert_eq!(outcome.rows[0].service, "say \"hi\"");
    assert_eq!(outcome.rows[0].endpoint, "/xy");
    assert_eq!(outcome.rows[1].endpoint, "/é\"");
}

#[test]
fn an_unclosed_quote_costs_its_own_record() {
    let stray = "1767696300,\"a,/pay,200,1\n";
    let unclosed = |line| [(RejectReason::Truncated, line, "a quote is not closed")];
    // to the end of the input
    let outcome = rows(&format!("{GOOD}{stray}{GOOD}{GOOD}"));
    assert_eq!((outcome.rejected(), outcome.lines()), (unclosed(3).into(), vec![2, 4, 5]));
    // up to a later quoted row
    let outcome = rows(&format!("{stray}{GOOD}1,\"a\",/pay,200,1\n{GOOD}"));
    assert_eq!((outcome.rejected(), outcome.lines()), (unclosed(2).into(), vec![3, 4, 5]));
    // opened on the second line of its record
    let outcome = rows(&format!("1,\"a\nb\",\"/pay,200,1\n{GOOD}"));
    assert_eq!((outcome.rejected(), outcome.lines()), (unclosed(2).into(), vec![4]));
    // on the last line
    let outcome = rows(&format!("{GOOD}1,\"a"));
    assert_eq!((outcome.rejected(), outcome.lines()), (unclosed(3).into(), vec![2]));
    // for more than a line may hold
    let many = MAX_LINE_BYTES / GOOD.len() + 1000;
    let text = format!("{HEADER}{stray}{}", GOOD.repeat(many));
    let whole = decode_chunks(Format::Csv, ZonePolicy::Refuse, [text.as_bytes()]);
    assert_eq!(whole.rejected(), unclosed(2));
    assert_eq!(whole.lines(), (3..3 + many as u64).collect::<Vec<_>>());
    for size in [1, 61, 4096, MAX_LINE_BYTES] {
        let cut = decode_chunks(Format::Csv, ZonePolicy::Refuse, text.as_bytes().chunks(size));
        assert_eq!(cut, whole);
    }
}

#[test]
fn lines_at_and_over_the_limit() {
    for (over, quote) in [(0, ""), (1, ""), (0, "\""), (1, "\""), (5000, "\"")] {
        let fixed = "1767696300,a,/,200,1,".len() + 2 * quote.len();
        let pad = "x".repeat(MAX_LINE_BYTES - fixed + over);
        let text = format!(
            "timestamp,service,endpoint,status_code,latency_ms,note\n\
             1767696300,a,/,200,1,{quote}{pad}{quote}\n1767696300,a,/,200,1,\n"
        );
        let whole = decode_chunks(Format::Csv, ZonePolicy::Refuse, [text.as_bytes()]);
        let want = if over == 0 { vec![2, 3] } else { vec![3] };
        assert_eq!(whole.lines(), want, "{over} {quote}");
        assert_eq!(whole.rejections.count(RejectReason::LineTooLong), u64::from(over > 0));
        for size in [1000, MAX_LINE_BYTES - 1, MAX_LINE_BYTES + 1, MAX_LINE_BYTES + 60] {
            let cut = decode_chunks(Format::Csv, ZonePolicy::Refuse, text.as_bytes().chunks(size));
            assert_eq!(cut, whole, "{over} {quote} {size}");
        }
    }
}

#[test]
fn a_line_of_100_mb_is_skipped_in_little_memory() {
    for (format, head, row) in [
        (Format::Csv, format!("{HEADER}1767696300,"), GOOD.to_owned()),
        (Format::JsonLines, "\n{\"service\": \"".to_owned(), object("x", "1")),
    ] {
        let block = vec![b'a'; 100_000];
        let row = format!("\n{row}");
        let chunks = std::iter::once(head.as_bytes())
            .chain(std::iter::repeat_n(block.as_slice(), 1000))
            .chain(std::iter::once(row.as_bytes()));
        let outcome = decode_chunks(format, ZonePolicy::Refuse, chunks);
        assert_eq!(outcome.lines(), [3]);
        assert_eq!(outcome.rejected()[0].0, RejectReason::LineTooLong);
        assert_eq!((outcome.rejected()[0].1, outcome.rejections.total()), (2, 1));
    }
}

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
        ("timestamp", "true", BadTimestamp, "timestamp is a truth value"),
        ("timestamp", "\"noon\"", BadTimestamp, "timestamp = \"noon\""),
        ("timestamp", "18446744073709551615", BadTimestamp, "timestamp = 18446744073709552000"),
        ("timestamp", "\"2026-01-06 10:45\"", NaiveTimestamp, "timestamp = \"2026-01-06 10:45\""),
        ("timestamp", "", MissingField, "timestamp is missing"),
        ("service", "5", BadName, "service = 5"),
        ("service", "null", MissingField, "service is missing"),
        ("service", "\"\"", MissingField, "service is empty"),
        ("service", "\"a\\u0000b\"", BadName, "service = \"a\\0b\""),
        ("endpoint", "[\"/pay\"]", BadName, "endpoint is an array"),
        ("status_code", "\"OK\"", BadStatus, "status_code = \"OK\""),
        ("status_code", "200.5", BadStatus, "status_code = 200.5"),
        ("status_code", "0", BadStatus, "status_code = 0"),
        ("status_code", "999", BadStatus, "status_code = 999"),
        ("status_code", "{\"a\": [1]}", BadStatus, "status_code is an object"),
        ("latency_ms", "-3", BadLatency, "latency_ms = -3"),
        ("latency_ms", "\"inf\"", BadLatency, "latency_ms = \"inf\""),
        ("latency_ms", "false", BadLatency, "latency_ms is a truth value"),
        ("latency_ms", "\"\"", MissingField, "latency_ms is empty"),
        ("request_id", "[]", BadName, "request_id is an array"),
    ];
    for (key, value, reason, detail) in cases {
        let outcome = jsonl(format!("{}{}", object(key, value), object("x", "1")));
        assert_eq!(outcome.rejected(), [(reason, 1, detail)], "{key} {value}");
        assert_eq!(outcome.lines(), [2]);
    }
    let deep = "[".repeat(100_000);
    for text in ["[1]", "x", "{", "{}x", "\"{}\"", "{\"a\":NaN}", "{\"latency_ms\":1e999}", &deep] {
        let text = format!("{text}\n{}", object("x", "1"));
        let outcome = decode_chunks(Format::JsonLines, ZonePolicy::Refuse, [text.as_bytes()]);
        assert_eq!(outcome.rejections.count(BadJson), 1, "{text:.200}");
        assert_eq!((outcome.rejections.total(), outcome.lines()), (1, vec![2]));
    }
}

/// Writes a CSV field: quoted when it must be, or always.
fn field(text: &str, always: bool) -> String {
    if always || text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{1,20}",
        "\\PC{1,20}",
        "<script>alert\\(\"[a-z,]{0,9}\"\\)</script>",
        "[\",\\nx]{1,8}",
    ]
}

/// Text that is nearly a file of requests.
fn nearly(pieces: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => prop::sample::select(pieces).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

#[rustfmt::skip]
const CSV_PIECES: &[&str] = &[
    "\n", "\n", "\r\n", "\"", "\"\"", ",", "\",", ",\"", "x", " ", "é", "\u{feff}", "\0",
    "1767696300,a,/,200,1", "1767696300,a,/,200,1\n", "1767696300,\"a\",\"/\n\",200,1\n",
    "2026-01-06T10:45:00Z,a,\"/\"\"\",200.0,1e3\r\n", "1767696300,\"a,/,200,1\n",
];
#[rustfmt::skip]
const JSON_PIECES: &[&str] = &[
    "\n", "\r\n", "{", "}", "[", "\"", ":", ",", "null", "1e5", "\\u00e9", "\\", "é", "\u{feff}",
    "\"timestamp\":1767696300.5,", "\"service\":\"a\",\"endpoint\":\"/\",", "\"status_code\":200,",
    "\"latency_ms\":1",
    "{\"timestamp\":1767696300,\"service\":\"a\",\"endpoint\":\"/\",\"status_code\":200,\"latency_ms\":1}\n",
];

proptest! {
    #[test]
    fn no_cut_changes_anything(
        csv in nearly(CSV_PIECES),
        json in nearly(JSON_PIECES),
        headed in any::<bool>(),
        size in 1_usize..9,
        cuts in prop::collection::vec(0_usize..2000, 0..6),
    ) {
        let csv = if headed { [HEADER.as_bytes(), &csv].concat() } else { csv };
        for (format, bytes) in [(Format::Csv, csv), (Format::JsonLines, json)] {
            let whole = decode_chunks(format, ZonePolicy::Refuse, [bytes.as_slice()]);
            let pieces = decode_chunks(format, ZonePolicy::Refuse, bytes.chunks(size));
            prop_assert_eq!(&pieces, &whole);
            let mut cuts = cuts.clone();
            cuts.extend([0, bytes.len()]);
            cuts.retain(|cut| *cut <= bytes.len());
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]);
            prop_assert_eq!(&decode_chunks(format, ZonePolicy::Refuse, pieces), &whole);
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        decode(Format::Csv, ZonePolicy::Refuse, &bytes);
        decode(Format::Csv, ZonePolicy::Refuse, &[HEADER.as_bytes(), &bytes].concat());
        decode(Format::JsonLines, ZonePolicy::Refuse, &bytes);
        Format::sniff(&bytes);
    }

    #[test]
    fn what_was_written_is_read(
        records in prop::collection::vec(
            (any::<i64>(), name(), name(), 100_i64..600, 0.0..1e9_f64, any::<bool>(), name()),
            0..20,
        ),
        end in prop::sample::select(vec!["\n", "\r\n"]),
    ) {
        let mut csv = format!("note,{}", HEADER.replace('\n', end));
        let mut json = String::new();
        let (mut csv_line, mut json_line) = (2, 1);
        let (mut csv_want, mut json_want, mut bad) = (Vec::new(), Vec::new(), 0);
        for (nanos, service, endpoint, status_code, latency, always, note) in records {
            let timestamp = Timestamp::from_nanos(nanos);
            let latency_ms = (latency * 1000.0).round() / 1000.0;
            let record = [
                field(&note, always),
                timestamp.to_string(),
                field(&service, always),
                field(&endpoint, always),
                status_code.to_string(),
                latency_ms.to_string(),
            ]
            .join(",");
            csv.push_str(&record);
            csv.push_str(end);
            let object = serde_json::json!({
                "timestamp": timestamp.to_string(), "service": service, "endpoint": endpoint,
                "status_code": status_code, "latency_ms": latency_ms, "note": note,
            });
            json.push_str(&object.to_string());
            json.push_str(end);
            if service.contains('\n') || endpoint.contains('\n') {
                bad += 1;
            } else {
                let row = Row {
                    line: csv_line, timestamp, service, endpoint, status_code, latency_ms,
                    request_id: None,
                };
                json_want.push(Row { line: json_line, ..row.clone() });
                csv_want.push(row);
            }
            csv_line += 1 + record.matches('\n').count() as u64;
            json_line += 1;
        }
        for (format, text, want) in
            [(Format::Csv, csv, csv_want), (Format::JsonLines, json, json_want)]
        {
            let outcome = decode_chunks(format, ZonePolicy::Refuse, [text.as_bytes()]);
            prop_assert_eq!(outcome.error, None);
            prop_assert_eq!(outcome.rows, want);
            prop_assert_eq!(outcome.rejections.count(RejectReason::BadName), bad);
            prop_assert_eq!(outcome.rejections.total(), bad);
        }
    }
}
