//! Throughput of the decoders: requests with the fields of mad in bytes, access logs in lines and
//! OTLP in spans.
#![allow(missing_docs, reason = "the macros of the bench harness write undocumented items")]

use std::fmt::Write;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mad_core::telemetry::Rejections;
use mad_core::time::{Timestamp, ZonePolicy};
use mad_core::wire::formats::{FileFormat, FormatOptions, Output, decoder};
use mad_core::wire::{Format, RequestDecoder};

const ROWS: i64 = 50_000;
const SERVICES: [&str; 4] = ["payments", "cart", "inventory", "checkout"];
const ENDPOINTS: [&str; 4] = ["/pay", "/cart/{id}", "/item/{id}", "/checkout"];

/// Rows with differing times, names and latencies, written by `row`.
fn log(header: &str, row: impl Fn(&mut String, Timestamp, &str, &str, i64)) -> Vec<u8> {
    let mut out = header.to_owned();
    for (index, (service, endpoint)) in
        (0..ROWS).zip(SERVICES.iter().cycle().zip(ENDPOINTS.iter().cycle()))
    {
        let time = Timestamp::from_nanos(1_767_696_300_123_456_000 + index * 7_919_000);
        row(&mut out, time, service, endpoint, index);
    }
    out.into_bytes()
}

fn decode(format: Format, bytes: &[u8]) -> f64 {
    let mut decoder = RequestDecoder::new(format, ZonePolicy::Refuse);
    let mut rejections = Rejections::default();
    let mut sum = 0.0;
    let mut sink = |request: mad_core::Request<'_>, _: u64| {
        sum += request.latency_ms + black_box(request.service.len() as f64);
    };
    for chunk in bytes.chunks(256 << 10) {
        let _ = decoder.feed(chunk, &mut sink, &mut rejections);
    }
    let _ = decoder.finish(&mut sink, &mut rejections);
    assert_eq!(rejections.total(), 0);
    sum
}

fn throughput(c: &mut Criterion) {
    const HEADER: &str = "timestamp,service,endpoint,method,status_code,latency_ms,trace_id\n";
    let plain = log(HEADER, |out, time, service, endpoint, i| {
        let latency = 20.0 + (i % 4001) as f64 / 8.0;
        let _ = writeln!(out, "{time},{service},{endpoint},POST,200,{latency},4bf92f35{i:08x}");
    });
    let quoted = log(HEADER, |out, time, service, endpoint, i| {
        let latency = 20.0 + (i % 4001) as f64 / 8.0;
        let _ = writeln!(
            out,
            "\"{time}\",\"{service}\",\"{endpoint}\",\"POST\",\"200\",\"{latency}\",\"{i:016x}\""
        );
    });
    let json = log("", |out, time, service, endpoint, i| {
        let latency = 20.0 + (i % 4001) as f64 / 8.0;
        let _ = writeln!(
            out,
            "{{\"timestamp\":\"{time}\",\"service\":\"{service}\",\"endpoint\":\"{endpoint}\",\
             \"method\":\"POST\",\"status_code\":200,\"latency_ms\":{latency}}}"
        );
    });
    let mut group = c.benchmark_group("wire");
    for (name, format, bytes) in [
        ("csv", Format::Csv, plain),
        ("csv_quoted", Format::Csv, quoted),
        ("json_lines", Format::JsonLines, json),
    ] {
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(name, |b| b.iter(|| decode(format, black_box(&bytes))));
    }
    group.finish();
}

/// Decodes an input of a format and returns the number of its records.
fn decode_format(format: FileFormat, bytes: &[u8]) -> u64 {
    let mut rejections = Rejections::default();
    let mut records = 0;
    let mut sink = |record: mad_core::Record<'_>, _: u64| {
        black_box(&record);
        records += 1;
    };
    if let Ok(mut decoder) = decoder(format, &FormatOptions::default(), bytes) {
        let mut out = Output::new(&mut sink, &mut rejections);
        for chunk in bytes.chunks(256 << 10) {
            let _ = decoder.feed(chunk, &mut out);
        }
        let _ = decoder.finish(&mut out);
    }
    assert_eq!((records, rejections.total()), (ROWS as u64, 0));
    records
}

/// A time as access logs in the common format write it.
fn clf(time: Timestamp) -> String {
    let text = time.to_string();
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    format!("{}/Jan/{}:{} +0000", part(8, 10), part(0, 4), part(11, 19))
}

fn access_logs(c: &mut Criterion) {
    let combined = log("", |out, time, _, endpoint, i| {
        let (time, latency) = (clf(time), 0.02 + (i % 401) as f64 / 1e3);
        let _ = writeln!(
            out,
            "10.1.2.{} - - [{time}] \"POST {endpoint}?ref={i} HTTP/1.1\" 200 512 \"-\" \
             \"python-requests/2.34.2\" rt={latency:.3} urt=\"{latency:.3}\"",
            i % 250,
        );
    });
    let apache = log("", |out, time, _, endpoint, i| {
        let (time, micros) = (clf(time), 20_000 + i % 40_001);
        let _ = writeln!(
            out,
            "10.1.2.{} - - [{time}] \"POST {endpoint} HTTP/1.1\" 200 512 \"-\" \
             \"python-requests/2.34.2\" {micros}",
            i % 250,
        );
    });
    let envoy = log("", |out, time, service, endpoint, i| {
        let latency = 20 + i % 401;
        let _ = writeln!(
            out,
            "[{time}] \"POST {endpoint} HTTP/1.1\" 200 - 33 58 {latency} {latency} \"10.1.2.3\" \
             \"python-requests/2.34.2\" \"df16d43f-89c5-4558-91f1-bd8d{i:08x}\" \"{service}\" \
             \"10.1.2.4:8080\"",
        );
    });
    let haproxy = log("", |out, time, service, endpoint, i| {
        let (time, latency) = (clf(time), 20 + i % 401);
        let time = time.trim_end_matches(" +0000");
        let _ = writeln!(
            out,
            "<134>Jan  6 10:45:00 lb haproxy[3686]: 10.1.2.3:{} [{time}.940] web {service}/app1 \
             0/0/0/{latency}/{latency} 200 208 - - ---- 1/1/0/0/0 0/0 \"POST {endpoint} HTTP/1.1\"",
            1024 + i % 60_000,
        );
    });
    let json = log("", |out, time, service, endpoint, i| {
        let latency = 20 + i % 401;
        let _ = writeln!(
            out,
            "{{\"authority\":\"shop.example\",\"duration\":{latency},\"method\":\"POST\",\
             \"path\":\"{endpoint}?ref={i}\",\"response_code\":200,\"response_flags\":\"-\",\
             \"request_id\":\"df16d43f-89c5-4558-91f1-bd8d{i:08x}\",\"start_time\":\"{time}\",\
             \"upstream_cluster\":\"{service}\",\"upstream_service_time\":\"{latency}\"}}",
        );
    });
    let mut group = c.benchmark_group("access_logs");
    group.throughput(Throughput::Elements(ROWS as u64));
    for (name, format, bytes) in [
        ("nginx", FileFormat::Nginx, combined),
        ("apache", FileFormat::Apache, apache),
        ("envoy", FileFormat::Envoy, envoy),
        ("haproxy", FileFormat::Haproxy, haproxy),
        ("json", FileFormat::JsonLogs, json),
    ] {
        group.bench_function(name, |b| b.iter(|| decode_format(format, black_box(&bytes))));
    }
    group.finish();
}

/// A field of protobuf with a length.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = content.len();
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(content);
    out
}

/// An attribute of OTLP whose value is text.
fn attribute(number: u8, key: &str, value: &str) -> Vec<u8> {
    let pair = [field(1, key.as_bytes()), field(2, &field(1, value.as_bytes()))].concat();
    field(number, &pair)
}

/// Requests of OTLP with 500 server spans each.
fn otlp_spans() -> Vec<u8> {
    let mut out = Vec::new();
    for request in 0..ROWS / 500 {
        let mut scope = Vec::new();
        for index in request * 500..(request + 1) * 500 {
            let start = 1_767_696_300_123_456_000 + index as u64 * 7_919_000;
            let end = start + 20_000_000 + (index as u64 % 401) * 1_000_000;
            let mut span = field(1, &(index as u128 + 1).to_be_bytes());
            span.extend(field(2, &(index as u64 + 1).to_be_bytes()));
            span.extend(field(5, b"POST /pay"));
            // the kind SERVER
            span.extend([6 << 3, 2]);
            span.push(7 << 3 | 1);
            span.extend(start.to_le_bytes());
            span.push(8 << 3 | 1);
            span.extend(end.to_le_bytes());
            for (key, value) in [
                ("http.request.method", "POST"),
                ("http.route", "/pay"),
                ("url.scheme", "https"),
                ("server.address", "payments.shop.svc"),
            ] {
                span.extend(attribute(9, key, value));
            }
            scope.extend(field(2, &span));
        }
        let resource = field(1, &attribute(1, "service.name", "payments"));
        out.extend(field(1, &[resource, field(2, &scope)].concat()));
    }
    out
}

fn otlp(c: &mut Criterion) {
    let bytes = otlp_spans();
    let mut group = c.benchmark_group("otlp");
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("spans", |b| {
        b.iter(|| decode_format(FileFormat::OtlpPb, black_box(&bytes)));
    });
    group.finish();
}

criterion_group!(benches, throughput, access_logs, otlp);
criterion_main!(benches);
