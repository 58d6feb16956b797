//! Properties of decoders: independence of chunks, no panic, and a round trip.

use mad_core::Status;
use mad_core::telemetry::RejectReason;
use mad_core::time::{Timestamp, ZonePolicy};
use mad_core::wire::Format;
use proptest::prelude::*;

use super::{HEADER, Row, decode, decode_chunks};

/// Writes a CSV field, quoted where necessary or always.
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

/// Text that resembles a file of requests.
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
    fn decoding_is_independent_of_chunks(
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
    fn written_records_are_read_back(
        records in prop::collection::vec(
            (0..=Timestamp::LATEST.nanos(), name(), name(), 100_i64..600, 0.0..1e9_f64, any::<bool>(), name()),
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
                    line: csv_line, timestamp, service, endpoint, status: Status::from(status_code),
                    latency: Some(latency_ms),
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
