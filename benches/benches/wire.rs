//! Throughput of the request decoders, in bytes of input.
#![allow(missing_docs, reason = "the macros of the bench harness write undocumented items")]

use std::fmt::Write;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mad_core::telemetry::Rejections;
use mad_core::time::{Timestamp, ZonePolicy};
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

criterion_group!(benches, throughput);
criterion_main!(benches);
