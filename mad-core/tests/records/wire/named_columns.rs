//! Columns that the configuration names, inputs without a service, W3C logs and gRPC codes.

use mad_core::telemetry::{RejectReason, Rejections};
use mad_core::time::{Timestamp, ZonePolicy};
use mad_core::wire::{
    Changes, ColumnMap, Edges, Format, Kind, Logs, Metrics, RequestDecoder, Requests, Spans,
};
use mad_core::{IntakeConfig, Request, Result, Status};

fn map(columns: &[(&str, &str)], service: &str) -> ColumnMap {
    let map = columns.iter().map(|(field, column)| ((*field).to_owned(), (*column).to_owned()));
    let config =
        IntakeConfig { map: map.collect(), service: service.to_owned(), ..IntakeConfig::default() };
    config.validate().unwrap();
    ColumnMap::new(&config)
}

type Read = (Vec<(Timestamp, String, String, Status, f64)>, Rejections);

/// The records of a text that arrives in pieces of `length` bytes.
fn read(text: &str, map: &ColumnMap, zone: ZonePolicy, length: usize) -> Result<Read> {
    let mut decoder =
        RequestDecoder::new(Format::sniff(text.as_bytes()), zone).with_columns(map.clone());
    let (mut rows, mut rejections) = (Vec::new(), Rejections::default());
    let mut sink = |one: Request<'_>, _: u64| {
        let (service, endpoint) = (one.service.to_owned(), one.endpoint.to_owned());
        rows.push((one.timestamp, service, endpoint, one.status, one.latency_ms));
    };
    for chunk in text.as_bytes().chunks(length) {
        decoder.feed(chunk, &mut sink, &mut rejections)?;
    }
    decoder.finish(&mut sink, &mut rejections)?;
    Ok((rows, rejections))
}

fn whole(text: &str, map: &ColumnMap) -> Read {
    let all = read(text, map, ZonePolicy::Refuse, usize::MAX).unwrap();
    for length in [1, 7, 64] {
        assert_eq!(read(text, map, ZonePolicy::Refuse, length).unwrap(), all, "{length} bytes");
    }
    all
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text, ZonePolicy::Refuse).unwrap()
}

#[test]
fn the_configuration_can_name_every_field_and_no_other() {
    // every kind: a field that fails below is of a kind that is missing here
    let kinds = [
        Requests::FIELDS,
        Metrics::FIELDS,
        Spans::FIELDS,
        Logs::FIELDS,
        Changes::FIELDS,
        Edges::FIELDS,
    ];
    for field in kinds.concat() {
        assert!(IntakeConfig::fields().contains(&field), "{field}");
    }
    for field in IntakeConfig::fields() {
        assert!(kinds.iter().any(|fields| fields.contains(&field)), "{field}");
    }
}

#[test]
fn a_named_column_wins_and_a_usual_one_is_used_where_it_is_missing() {
    let named = map(&[("service", "team"), ("latency_ms", "took_s"), ("endpoint", "ctx.op")], "");
    let csv = "time,service,team,ctx.op,status,took_s,latency\n\
               2026-01-06T10:00:00Z,wrong,cart,/add,200,0.25,9\n";
    let json = r#"{"time":"2026-01-06T10:00:00Z","service":"wrong","team":"cart","ctx":{"op":"/add"},"status":200,"latency":9,"took_s":0.25}"#;
    for text in [csv, json] {
        let (rows, rejections) = whole(text, &named);
        let want = (
            at("2026-01-06T10:00:00Z"),
            "cart".to_owned(),
            "/add".to_owned(),
            Status::Http(200),
            250.0,
        );
        assert_eq!(rows, [want], "{text}");
        let renamed: Vec<_> = rejections.renamed().collect();
        assert!(renamed.contains(&("service", "team")), "{renamed:?}");
        assert!(renamed.contains(&("latency_ms", "took_s")), "{renamed:?}");
        assert!(!renamed.iter().any(|(field, column)| field == column), "{renamed:?}");
    }
    let csv = "time,service,path,status,latency\n2026-01-06T10:00:00Z,cart,/add,200,9\n";
    let (rows, _) = whole(csv, &named);
    assert_eq!((rows[0].1.as_str(), rows[0].2.as_str(), rows[0].4), ("cart", "/add", 9.0));
}

#[test]
fn an_input_without_a_service_has_the_one_of_the_configuration() {
    let jmeter = "timeStamp,elapsed,label,responseCode\n1767693600000,31,/pay,200\n";
    let json = r#"{"timeStamp":1767693600000,"elapsed":31,"label":"/pay","responseCode":200}"#;
    for text in [jmeter, json] {
        let (rows, _) = whole(text, &map(&[], "shop"));
        assert_eq!((rows.len(), rows[0].1.as_str()), (1, "shop"), "{text}");
    }
    let error = read(jmeter, &ColumnMap::default(), ZonePolicy::Refuse, 64).unwrap_err();
    for part in ["lacks `service`", "--map service=COLUMN", "--service NAME"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    let missing = map(&[("service", "team")], "");
    let error = read(jmeter, &missing, ZonePolicy::Refuse, 64).unwrap_err().to_string();
    assert!(error.contains("`service` (named as the column `team`)"), "{error}");
}

#[test]
fn a_record_without_a_service_has_the_one_of_the_configuration() {
    let csv = "time,service,path,status,latency\n2026-01-06T10:00:00Z,cart,/a,200,9\n\
               2026-01-06T10:00:00Z,,/a,200,9\n2026-01-06T10:00:00Z, ,/a,200,9\n";
    let json = r#"{"time":1767693600,"service":"cart","path":"/a","status":200,"latency":9}
        {"time":1767693600,"service":"","path":"/a","status":200,"latency":9}
        {"time":1767693600,"service":" ","path":"/a","status":200,"latency":9}
        {"time":1767693600,"service":null,"path":"/a","status":200,"latency":9}
        {"time":1767693600,"path":"/a","status":200,"latency":9}"#;
    for (text, records) in [(csv, 3), (json, 5)] {
        let (rows, rejections) = whole(text, &map(&[], "shop"));
        let services: Vec<&str> = rows.iter().map(|row| row.1.as_str()).collect();
        assert_eq!((services.len(), services[0], rejections.total()), (records, "cart", 0));
        assert!(services[1..].iter().all(|service| *service == "shop"), "{services:?}");
        // without the setting an empty service is missing
        let (_, rejections) = whole(text, &ColumnMap::default());
        assert_eq!(rejections.count(RejectReason::MissingField), records as u64 - 2);
    }
}

#[test]
fn w3c_logs_have_their_times_in_utc_and_may_change_their_columns() {
    let log = "#Software: Microsoft Internet Information Services 10.0\n#Version: 1.0\n\
               #Date: 2026-01-06 10:00:00\n\
               #Fields: date time s-sitename cs-method cs-uri-stem sc-status time-taken\n\
               2026-01-06 10:00:01 W3SVC1 GET /pay 503 31\n\
               #Remark: restarted\n\
               #Fields: date time s-sitename cs-uri-stem time-taken sc-status\n\
               2026-01-06 23:59:59 W3SVC1 /pay 12 200\n";
    for zone in [ZonePolicy::Refuse, ZonePolicy::Offset(7_200)] {
        for length in [1, 9, usize::MAX] {
            let (rows, rejections) = read(log, &ColumnMap::default(), zone, length).unwrap();
            assert_eq!(rejections.total(), 0, "{:?}", rejections.first());
            let found: Vec<_> =
                rows.iter().map(|row| (row.0, row.1.as_str(), row.3, row.4)).collect();
            assert_eq!(
                found,
                [
                    (at("2026-01-06T10:00:01Z"), "W3SVC1", Status::Http(503), 31.0),
                    (at("2026-01-06T23:59:59Z"), "W3SVC1", Status::Http(200), 12.0),
                ]
            );
        }
    }
}

#[test]
fn dates_and_times_of_day_in_two_columns_are_one_time() {
    let csv = "Date,Time,service,path,status,latency\n2026-01-06,10:00:01,cart,/a,200,9\n\
               2026-01-06,9:05:00,cart,/a,200,9\n2026-01-06,2026-01-06T11:00:00,cart,/a,200,9\n";
    let (rows, rejections) =
        read(csv, &ColumnMap::default(), ZonePolicy::Offset(3_600), 64).unwrap();
    assert_eq!(rows[0].0, at("2026-01-06T09:00:01Z"), "{:?}", rejections.first());
    assert_eq!(rows.last().unwrap().0, at("2026-01-06T10:00:00Z"));
    // without a zone they are refused as every other naive time
    let (rows, rejections) = whole(csv, &ColumnMap::default());
    assert_eq!((rows.len(), rejections.total()), (0, 3));
}

#[test]
fn code_0_of_a_grpc_column_is_success_and_of_others_no_response() {
    for (name, want) in [
        ("grpc_status", Status::Grpc(0)),
        ("grpc.status_code", Status::Grpc(0)),
        ("rpc.grpc.status_code", Status::Grpc(0)),
        ("status", Status::NoResponse),
    ] {
        let csv = format!(
            "time,service,path,latency,{name}\n2026-01-06T10:00:00Z,cart,/Add,9,0\n\
             2026-01-06T10:00:00Z,cart,/Add,9,14\n"
        );
        let json = format!(
            r#"{{"time":"2026-01-06T10:00:00Z","service":"cart","path":"/Add","latency":9,"{name}":0}}"#
        );
        let (rows, _) = whole(&csv, &ColumnMap::default());
        assert_eq!((rows[0].3, rows[1].3), (want, Status::Grpc(14)), "{name}");
        let (rows, _) = whole(&json, &ColumnMap::default());
        assert_eq!(rows[0].3, want, "{name}");
    }
}
