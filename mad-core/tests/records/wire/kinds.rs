//! All kinds of records: accepted and rejected values, independent of how the bytes are divided.

use std::fmt::Debug;

use mad_core::limits::MAX_LINE_BYTES;
use mad_core::telemetry::RejectReason::{self, *};
use mad_core::telemetry::Rejections;
use mad_core::time::ZonePolicy;
use mad_core::wire::{Changes, Decoder, Edges, Format, Kind, Logs, Metrics, Requests, Spans};
use proptest::prelude::*;

/// Debug output of the rows, or the message of the error.
type Decoded = (Result<Vec<(u64, String)>, String>, Rejections);

fn chunks<'a, K: Kind>(format: Format, chunks: impl IntoIterator<Item = &'a [u8]>) -> Decoded
where
    for<'r> K::Record<'r>: Debug,
{
    let mut decoder = Decoder::<K>::new(format, ZonePolicy::Refuse);
    let (mut rows, mut rejections) = (Vec::new(), Rejections::default());
    let mut sink = |record: K::Record<'_>, line: u64| rows.push((line, format!("{record:?}")));
    let fed = chunks
        .into_iter()
        .try_for_each(|chunk| decoder.feed(chunk, &mut sink, &mut rejections))
        .and_then(|()| decoder.finish(&mut sink, &mut rejections));
    (fed.map(|()| rows).map_err(|error| error.to_string()), rejections)
}

/// A valid record of a kind: its fields, its debug output, and the rejection of each wrong value.
struct Case {
    fields: &'static [(&'static str, &'static str)],
    printed: &'static str,
    wrong: &'static [(&'static str, &'static str, RejectReason)],
    /// Values that change the record, and the resulting part of its debug output.
    right: &'static [(&'static str, &'static str, &'static str)],
}

const AT: (&str, &str) = ("timestamp", "2026-01-06T10:45:00Z");
const PRINTED_AT: &str = "Timestamp(1767696300000000000)";

const METRICS: Case = Case {
    fields: &[
        AT,
        ("service", "db"),
        ("metric", "cpu"),
        ("value", "0.5"),
        ("resource", "pod-1"),
        ("n", "12"),
        ("host", "node-7"),
    ],
    printed: "MetricPoint { timestamp: AT, service: \"db\", resource: \"pod-1\", \
              metric: \"cpu\", value: 0.5, n: 12, host: \"node-7\" }",
    wrong: &[
        ("timestamp", "", MissingField),
        ("timestamp", "noon", BadTimestamp),
        ("timestamp", "2026-01-06T10:45:00", NaiveTimestamp),
        ("service", "", MissingField),
        ("service", "a\u{1}", BadName),
        ("metric", "", MissingField),
        ("metric", "a\tb", BadName),
        ("resource", "a\tb", BadName),
        ("value", "high", BadValue),
        ("value", "inf", BadValue),
        ("value", "-1e999", BadValue),
        ("n", "-1", BadValue),
        ("n", "1.5", BadValue),
        ("n", "NaN", BadValue),
        ("n", "1e300", BadValue),
        ("n", "many", BadValue),
        ("host", "a\tb", BadName),
    ],
    right: &[
        ("value", "", "value: NaN"),
        ("value", " ", "value: NaN"),
        ("value", "NaN", "value: NaN"),
        ("value", "nan", "value: NaN"),
        ("value", "-1e3", "value: -1000.0"),
        ("resource", "", "resource: \"\""),
        ("n", "", "n: 1,"),
        ("n", "0", "n: 0,"),
        ("n", "3.0", "n: 3,"),
        ("host", "", "host: \"\""),
    ],
};

const SPANS: Case = Case {
    fields: &[
        ("trace_id", "t"),
        ("span_id", "s"),
        ("parent_id", "p"),
        ("service", "db"),
        ("operation", "select, all"),
        ("start", "2026-01-06T10:45:00Z"),
        ("duration_ms", "1.5"),
        ("status", "ok"),
        ("kind", "Client"),
        ("peer", "disk"),
        ("host", "node-7"),
        ("version", "1.4"),
    ],
    printed: "Span { trace_id: \"t\", span_id: \"s\", parent_id: Some(\"p\"), service: \"db\", \
              operation: \"select, all\", start: AT, duration_ms: 1.5, status: \"ok\", kind: Client, \
              peer: Some(\"disk\"), host: \"node-7\", version: \"1.4\" }",
    wrong: &[
        ("trace_id", "", MissingField),
        ("span_id", "", MissingField),
        ("parent_id", "a\tb", BadName),
        ("service", "", MissingField),
        ("operation", "", MissingField),
        ("operation", "\u{7f}", BadName),
        ("start", "", MissingField),
        ("start", "2026-01-06 10:45", NaiveTimestamp),
        ("duration_ms", "", MissingField),
        ("duration_ms", "-0.1", BadValue),
        ("duration_ms", "NaN", BadValue),
        ("duration_ms", "inf", BadValue),
        ("duration_ms", "long", BadValue),
        ("status", "a\tb", BadName),
        ("peer", "a\tb", BadName),
        ("host", "a\tb", BadName),
    ],
    right: &[
        ("kind", "", "kind: Unknown"),
        ("kind", "SPAN_KIND_SERVER", "kind: Server"),
        ("kind", "5", "kind: Consumer"),
        ("kind", "sideways", "kind: Unknown"),
        ("peer", "", "peer: None"),
        ("parent_id", "", "parent_id: None"),
        ("status", "", "status: \"\""),
        ("duration_ms", "0", "duration_ms: 0.0"),
        ("trace_id", "007", "trace_id: \"007\""),
    ],
};

const LOGS: Case = Case {
    fields: &[
        AT,
        ("service", "db"),
        ("level", "ERROR"),
        ("body", "disk \"full\", again\n\tat io"),
        ("trace_id", "t"),
        ("host", "node-7"),
    ],
    printed: "LogLine { timestamp: AT, service: \"db\", level: \"ERROR\", \
              body: \"disk \\\"full\\\", again\\n\\tat io\", trace_id: Some(\"t\"), host: \"node-7\" }",
    wrong: &[
        ("timestamp", "", MissingField),
        ("timestamp", "x", BadTimestamp),
        ("service", "", MissingField),
        ("body", "", MissingField),
        ("trace_id", "a\tb", BadName),
        ("host", "a\tb", BadName),
    ],
    right: &[
        ("level", "", "level: \"\""),
        ("trace_id", "", "trace_id: None"),
        ("body", "\u{1b}[31mred", "[31mred"),
        ("body", "naïve 服务 🦀", "naïve 服务 🦀"),
    ],
};

const CHANGES: Case = Case {
    fields: &[AT, ("service", "db"), ("kind", "deploy"), ("name", "db"), ("version", "1.4")],
    printed: "Change { timestamp: AT, service: \"db\", kind: \"deploy\", name: \"db\", \
              version: \"1.4\" }",
    wrong: &[
        ("timestamp", "", MissingField),
        ("timestamp", "x", BadTimestamp),
        ("service", "", MissingField),
        ("kind", "", MissingField),
        ("kind", "a\tb", BadName),
        ("name", "a\tb", BadName),
        ("version", "a\tb", BadName),
    ],
    right: &[("name", "", "name: \"\""), ("version", "", "version: \"\"")],
};

const EDGES: Case = Case {
    fields: &[("caller", "cart"), ("callee", "db"), ("calls", "7")],
    printed: "Edge { caller: \"cart\", callee: \"db\", calls: 7 }",
    wrong: &[
        ("caller", "", MissingField),
        ("callee", "", MissingField),
        ("callee", "a\tb", BadName),
        ("calls", "-1", BadValue),
        ("calls", "0.5", BadValue),
        ("calls", "NaN", BadValue),
    ],
    right: &[("calls", "", "calls: 1 "), ("calls", "0", "calls: 0 ")],
};

type Fields = Vec<(String, String)>;

fn csv_field(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

fn csv(records: &[Fields]) -> String {
    let line = |fields: Vec<String>| fields.join(",") + "\n";
    let header = records[0].iter().map(|(name, _)| name.clone()).collect();
    let rows = records.iter().map(|r| line(r.iter().map(|(_, v)| csv_field(v)).collect()));
    line(header) + &rows.collect::<String>()
}

fn json(records: &[Fields]) -> String {
    let object = |record: &Fields| {
        let pairs = record.iter().map(|(name, value)| (name.clone(), value.clone().into()));
        serde_json::Value::Object(pairs.collect()).to_string() + "\n"
    };
    records.iter().map(object).collect()
}

fn check<K: Kind>(case: &Case)
where
    for<'r> K::Record<'r>: Debug,
{
    let good: Fields = case.fields.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    let printed = case.printed.replace("AT", PRINTED_AT);
    let with = |name: &str, value: &str| -> Fields {
        let change = |(k, v): &(String, String)| {
            (k.clone(), if k == name { value.to_owned() } else { v.clone() })
        };
        good.iter().map(change).collect()
    };
    for (format, write) in
        [(Format::Csv, csv as fn(&[Fields]) -> String), (Format::JsonLines, json)]
    {
        let decode = |records: &[Fields]| {
            let text = write(records);
            let whole = chunks::<K>(format, [text.as_bytes()]);
            for size in [1, 3, 64] {
                assert_eq!(chunks::<K>(format, text.as_bytes().chunks(size)), whole);
            }
            let (rows, rejections) = whole;
            (rows.unwrap().into_iter().map(|(_, row)| row).collect::<Vec<_>>(), rejections)
        };
        let (rows, rejections) = decode(std::slice::from_ref(&good));
        assert_eq!((rows, rejections.total()), (vec![printed.clone()], 0));

        for (name, value, reason) in case.wrong {
            let (rows, rejections) = decode(&[with(name, value), good.clone()]);
            assert_eq!(rejections.count(*reason), 1, "{name} = {value:?}: {rejections:?}");
            assert_eq!((rejections.total(), &rows), (1, &vec![printed.clone()]));
            let first = &rejections.first()[0];
            assert!(first.detail.starts_with(&format!("{name} ")), "{}", first.detail);
        }
        for (name, value, want) in case.right {
            let (rows, rejections) = decode(&[with(name, value)]);
            assert_eq!(rejections.total(), 0, "{name} = {value:?}: {rejections:?}");
            assert!(rows[0].contains(want), "{name} = {value:?}: {}", rows[0]);
        }

        // any order of columns, unknown columns, and no optional ones
        let mut turned = good.clone();
        turned.reverse();
        turned.insert(1, ("note".into(), "x".into()));
        assert_eq!(decode(&[turned]).0, std::slice::from_ref(&printed));
        let needed: Fields =
            good.iter().filter(|(k, _)| K::needed().contains(&k.as_str())).cloned().collect();
        assert_eq!(decode(&[needed]).0.len(), 1);
    }
    headers::<K>(&good);
    nulls::<K>(&good);
}

/// Headers without a required column or with a repeated one.
fn headers<K: Kind>(good: &Fields)
where
    for<'r> K::Record<'r>: Debug,
{
    for name in K::FIELDS {
        let rest: Fields = good.iter().filter(|(k, _)| k != name).cloned().collect();
        let outcome = chunks::<K>(Format::Csv, [csv(&[rest]).as_bytes()]).0;
        if K::needed().contains(name) {
            let message = outcome.unwrap_err();
            assert!(message.contains(&format!("CSV header lacks `{name}`; ")), "{message}");
            assert!(message.contains(&format!("columns {}", K::needed()[0])), "{message}");
        } else {
            assert_eq!(outcome.unwrap().len(), 1);
        }
        let mut twice = good.clone();
        twice.push((name.to_uppercase(), "x".into()));
        let message = chunks::<K>(Format::Csv, [csv(&[twice]).as_bytes()]).0.unwrap_err();
        assert!(message.contains(&format!("`{name}` twice")), "{message}");
    }
}

/// A JSON null, an absent key and an empty text are the same; an array is never a value.
fn nulls<K: Kind>(good: &Fields)
where
    for<'r> K::Record<'r>: Debug,
{
    for name in K::FIELDS {
        let line = |value: Option<serde_json::Value>| {
            let pairs = good.iter().filter(|(k, _)| k != name);
            let pairs = pairs.map(|(k, v)| (k.clone(), v.clone().into()));
            let changed = value.map(|value| ((*name).to_owned(), value));
            let object = serde_json::Value::Object(pairs.chain(changed).collect());
            chunks::<K>(Format::JsonLines, [object.to_string().as_bytes()])
        };
        let (rows, rejections) = line(None);
        for same in [serde_json::Value::Null, "".into()] {
            let (same_rows, same_rejections) = line(Some(same));
            assert_eq!(same_rows, rows, "{name}");
            assert!(same_rejections.counts().eq(rejections.counts()), "{name}");
        }
        let (rows, rejections) = line(Some(serde_json::json!([1])));
        assert_eq!((rows.unwrap().len(), rejections.total()), (0, 1), "{name}");
        assert_eq!(rejections.first()[0].detail, format!("{name} is an array"));
        // an integer is accepted as text for ids, levels and versions only
        let printed = line(Some(7.into())).0.unwrap();
        if K::NUMBERED.contains(name) && *name != "kind" {
            assert!(printed[0].1.contains("\"7\""), "{name}");
        }
    }
}

#[test]
fn good_and_bad_records_of_every_kind() {
    check::<Metrics>(&METRICS);
    check::<Spans>(&SPANS);
    check::<Logs>(&LOGS);
    check::<Changes>(&CHANGES);
    check::<Edges>(&EDGES);
}

#[test]
fn names_have_at_most_512_bytes_and_bodies_at_most_a_line() {
    for (long, taken) in [("i".repeat(512), 1), ("i".repeat(513), 0)] {
        let text = format!(
            "trace_id,span_id,parent_id,service,operation,start,duration_ms\n\
             t,{long},,db,select,1767696300,1\n"
        );
        let (rows, rejections) = chunks::<Spans>(Format::Csv, [text.as_bytes()]);
        assert_eq!((rows.unwrap().len(), rejections.count(BadName)), (taken, 1 - taken as u64));
    }
    let row = "1767696300,db,";
    for (over, taken) in [(0, 1), (1, 0)] {
        let body = "b".repeat(MAX_LINE_BYTES - row.len() + over);
        let text = format!("timestamp,service,body\n{row}{body}\n");
        let (rows, rejections) = chunks::<Logs>(Format::Csv, [text.as_bytes()]);
        let rejected = rejections.count(LineTooLong);
        assert_eq!((rows.unwrap().len(), rejected), (taken, 1 - taken as u64));
    }
}

#[test]
fn every_kind_is_consistent() {
    fn consistent<K: Kind>() {
        assert!(K::FIELDS.len() <= mad_core::wire::MAX_FIELDS && K::NEEDED <= K::FIELDS.len());
        assert!(K::TIME.is_none_or(|time| K::needed().contains(&time)));
        assert!(K::NUMBERED.iter().all(|field| K::place(field).is_some()));
    }
    consistent::<Requests>();
    consistent::<Metrics>();
    consistent::<Spans>();
    consistent::<Logs>();
    consistent::<Changes>();
    consistent::<Edges>();
}

/// Text that resembles a file of a case's records.
fn nearly(case: &'static Case) -> impl Strategy<Value = (String, String)> {
    let changes = case.wrong.iter().map(|(k, v, _)| (*k, *v));
    let changes: Vec<_> = changes.chain(case.right.iter().map(|(k, v, _)| (*k, *v))).collect();
    let record = prop::sample::select(changes).prop_map(move |(name, value)| {
        let change = |(k, v): &(&str, &str)| {
            ((*k).to_owned(), (if *k == name { value } else { *v }).to_owned())
        };
        case.fields.iter().map(change).collect::<Fields>()
    });
    let noise = prop::sample::select(vec!["", "\"", "\n", "{", "}\n", ",", "\r\n", "é"]);
    (prop::collection::vec(record, 1..6), noise)
        .prop_map(|(records, noise)| (csv(&records) + noise, json(&records) + noise))
}

fn uncut<K: Kind>((csv, json): &(String, String), size: usize, cut: usize)
where
    for<'r> K::Record<'r>: Debug,
{
    for (format, text) in [(Format::Csv, csv), (Format::JsonLines, json)] {
        let bytes = text.as_bytes();
        let whole = chunks::<K>(format, [bytes]);
        assert_eq!(chunks::<K>(format, bytes.chunks(size)), whole);
        let (first, rest) = bytes.split_at(cut.min(bytes.len()));
        assert_eq!(chunks::<K>(format, [first, rest]), whole);
    }
}

proptest! {
    #[test]
    fn records_of_any_kind_are_independent_of_chunks(
        metrics in nearly(&METRICS),
        spans in nearly(&SPANS),
        logs in nearly(&LOGS),
        changes in nearly(&CHANGES),
        edges in nearly(&EDGES),
        size in 1_usize..40,
        cut in 0_usize..600,
    ) {
        uncut::<Metrics>(&metrics, size, cut);
        uncut::<Spans>(&spans, size, cut);
        uncut::<Logs>(&logs, size, cut);
        uncut::<Changes>(&changes, size, cut);
        uncut::<Edges>(&edges, size, cut);
    }
}
