//! CSV: headers, values, quotes.

use mad_core::Status;
use mad_core::limits::MAX_LINE_BYTES;
use mad_core::telemetry::RejectReason;
use mad_core::time::{Timestamp, ZonePolicy};
use mad_core::wire::Format;

use super::{GOOD, HEADER, Row, csv, decode, decode_chunks, rows};

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
        status: Status::Http(200),
        latency: Some(215.25),
        request_id: Some("id-1".into()),
    };
    let second = Row {
        line: 3,
        timestamp: first.timestamp.plus(500_000_000),
        status: Status::Http(503),
        latency: Some(7.0),
        request_id: None,
        ..first.clone()
    };
    assert_eq!(outcome.rows, [first, second]);
}

#[test]
fn headers_that_cannot_be_used() {
    let message = csv("timestamp,service,endpoint,stat,latency_ms,status_code2\n").message();
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
    assert!(csv("a;b").message().contains("separated by something else"));
    assert!(csv("[{\"timestamp\": 1}]").message().contains("one object a line"));
    let long = vec![b'a'; MAX_LINE_BYTES + 9];
    let outcome = decode_chunks(Format::Csv, ZonePolicy::Refuse, long.chunks(4096));
    assert!(outcome.message().contains("longer than 1 MiB"));
}

#[test]
fn wrong_values_are_rejected_with_detail() {
    use RejectReason::*;
    let cases = [
        ("x,a,/,200,1", BadTimestamp, "timestamp = \"x\""),
        (",a,/,200,1", MissingField, "timestamp is empty"),
        ("9999-01-06T10:45:00Z,a,/,200,1", BadTimestamp, "timestamp = \"9999-01-06T10:45:00Z\""),
        ("2026-01-06T10:45:00,a,/,200,1", NaiveTimestamp, "timestamp = \"2026-01-06T10:45:00\""),
        ("1767696300,,/,200,1", MissingField, "service is empty"),
        ("1767696300,a\0b,/,200,1", BadName, "service = \"a\\0b\""),
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
fn what_failed_is_taken() {
    for (text, status, latency) in [
        ("/,OK,1", Status::Success, Some(1.0)),
        ("/,0,1", Status::NoResponse, Some(1.0)),
        ("/,,1", Status::NoResponse, Some(1.0)),
        ("/,999,1", Status::Http(999), Some(1.0)),
        ("/,200.5,1", Status::Unknown, Some(1.0)),
        ("/,\"502, 504\",\"210.0, 870.0\"", Status::Http(504), Some(1080.0)),
        ("/,200,fast", Status::Http(200), None),
        ("/,200,-3", Status::Http(200), None),
        ("/,200,inf", Status::Http(200), None),
        ("/,200,NaN", Status::Http(200), None),
        ("/,200,-", Status::Http(200), None),
        ("/,200, ", Status::Http(200), None),
    ] {
        let outcome = rows(&format!("1767696300,a,{text}\n"));
        assert_eq!((outcome.rows[0].status, outcome.rows[0].latency), (status, latency), "{text}");
    }
}

#[test]
fn headers_of_other_programs_are_read() {
    let want = (Status::Http(502), Some(1500.5));
    for text in [
        "Timestamp;Service;Endpoint;Status_Code;Latency_Ms\n1767696300;a;/;502;1500,5\n",
        "ts\tapp\turi\tstatus\tduration_s\n1767696300\ta\t/\t502\t1.5005\n",
        "\"@timestamp\",\"service.name\",\"url.path\",\"code\",\"took\"\n1767696300,a,/,502,\"1,500.5\"\n",
        "time;svc;path;\"http.status\";\"x;y\";latency\n1767696300;a;\"/\";502;\"a;b\";1500.5ms\n",
    ] {
        let outcome = csv(text);
        assert_eq!((outcome.rows[0].status, outcome.rows[0].latency), want, "{text}");
        assert_eq!(
            (outcome.rows[0].service.as_str(), outcome.rows[0].endpoint.as_str()),
            ("a", "/")
        );
    }
    let outcome = csv("time,svc,path,status,took\n1767696300,a,/,200,1\n");
    let renamed: Vec<_> = outcome.rejections.renamed().collect();
    assert!(renamed.contains(&("latency_ms", "took")) && renamed.len() == 5, "{renamed:?}");
}

#[test]
fn endpoints_have_any_length() {
    let query = format!("/search?q={}", "x".repeat(900));
    let fragment = format!("/search#{}", "é".repeat(900));
    let path = format!("/{}", "é".repeat(400));
    for (endpoint, want) in [
        (query.as_str(), "/search"),
        (&fragment, "/search"),
        (&path, path.get(..511).unwrap()),
        ("", "-"),
        ("/search?q=1", "/search?q=1"),
    ] {
        let outcome = rows(&format!("1767696300,a,{endpoint},200,1\n"));
        assert_eq!(outcome.rows[0].endpoint, want);
    }
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
    // a name with a line feed is rejected at the first line of its record
    let name = (RejectReason::BadName, 2, "endpoint = \"/a,b\\nc\"");
    let empty = (RejectReason::MissingField, 5, "service is empty");
    assert_eq!(outcome.rejected(), [name, empty]);
    assert_eq!(outcome.lines(), [4, 6]);
    assert_eq!(outcome.rows[0].service, "say \"hi\"");
    assert_eq!(outcome.rows[0].endpoint, "/xy");
    assert_eq!(outcome.rows[1].endpoint, "/é\"");
}

#[test]
fn an_unclosed_quote_rejects_only_its_record() {
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
    // longer than the limit of a line
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
fn many_stray_quotes_take_linear_time() {
    // every line hides the next ones until a quote followed by text reveals the error
    let stray = "1767696300,\"a,/,200,1\n".repeat(40_000);
    let text = format!("{HEADER}{stray}{GOOD}");
    for size in [64, 1 << 16, text.len()] {
        let outcome = decode_chunks(Format::Csv, ZonePolicy::Refuse, text.as_bytes().chunks(size));
        assert_eq!(outcome.rejections.count(RejectReason::Truncated), 40_000);
        assert_eq!(outcome.lines(), [40_002]);
    }
}
