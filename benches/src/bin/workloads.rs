//! The work of the core alone, for counting instructions where times are too noisy:
//! `valgrind --tool=callgrind target/release/workloads shop 100000 40`.
//!
//! `shop` and `json` decode requests of some hours, `metrics` takes series of some minutes, and `storm`
//! makes ten series of each service bad at once. `prometheus` decodes and judges bodies of remote write,
//! one scrape of all series in each. Prints the number of bytes of all rows that were
//! written, and their sum, so that the outputs of two builds can be compared.

use std::io::Write;

use mad_core::error::{Error, Result};
use mad_core::export::{write_features_row, write_scored_points, write_scored_row};
use mad_core::simulate::{Shop, ShopConfig, write_csv_header};
use mad_core::telemetry::Rejections;
use mad_core::time::{MINUTE, Timestamp, ZonePolicy};
use mad_core::wire::formats::{FileFormat, FormatOptions, Output, TelemetryMemory, decoder};
use mad_core::wire::{Format, RequestDecoder};
use mad_core::{
    Edge, MetricPoint, Pipeline, PipelineConfig, Record, Request, RowKind, Source, Update,
};

const START: Timestamp = Timestamp::from_seconds(1_767_693_600);
const METRICS: [&str; 4] = ["cpu", "memory", "latency", "rate"];
const SERIES_OF_A_SERVICE: usize = 10;
const CAUSES: usize = 5;

/// The rows that were written: their length, and their Fletcher sums.
#[derive(Default)]
struct Written {
    buffer: Vec<u8>,
    bytes: usize,
    sums: (u64, u64),
}

impl Written {
    /// Writes the rows of an update as files have them, and empties it.
    fn rows(&mut self, update: &mut Update) {
        for judged in &update.rows {
            match judged.head.kind {
                RowKind::Requests => {
                    write_features_row(judged, &mut self.buffer);
                    write_scored_row(judged, &mut self.buffer);
                }
                RowKind::Services => write_scored_row(judged, &mut self.buffer),
                _ => write_scored_points(judged, &mut self.buffer),
            }
        }
        *update = Update::default();
        self.bytes += self.buffer.len();
        for byte in self.buffer.drain(..) {
            self.sums.0 = self.sums.0.wrapping_add(u64::from(byte));
            self.sums.1 = self.sums.1.wrapping_add(self.sums.0);
        }
    }
}

/// Requests of a simulated shop, as bytes.
fn shop(rows: u64, hours: u64, format: Format) -> Result<Vec<u8>> {
    let config =
        ShopConfig { rows, duration_seconds: hours as f64 * 3_600.0, ..ShopConfig::default() };
    let mut file = Vec::new();
    if format == Format::Csv {
        write_csv_header(&mut file, false);
    }
    for simulated in Shop::new(config)?.requests() {
        if format == Format::Csv {
            simulated.write_csv(&mut file, false);
            continue;
        }
        let Request { timestamp, service, endpoint, latency_ms, .. } = simulated.request();
        let _ = writeln!(
            file,
            "{{\"timestamp\":\"{timestamp}\",\"service\":\"{service}\",\"endpoint\":\"{endpoint}\",\
             \"status_code\":200,\"latency_ms\":{latency_ms}}}"
        );
    }
    Ok(file)
}

/// Decodes and judges requests, CSV as a file and JSON Lines as a stream.
fn requests(file: &[u8], format: Format, out: &mut Written) -> Result<()> {
    let mut pipeline = Pipeline::new(PipelineConfig::default())?;
    if format == Format::Csv {
        pipeline = pipeline.bounded_input();
    }
    let mut decoder = RequestDecoder::new(format, ZonePolicy::Refuse);
    let (mut rejections, mut update) = (Rejections::default(), Update::default());
    let mut rest = file;
    while !rest.is_empty() {
        let (chunk, more) = rest.split_at(rest.len().min(256 << 10));
        let mut sink = |request: Request<'_>, position: u64| {
            pipeline.push(request, &Source::at(position), &mut update);
        };
        decoder.feed(chunk, &mut sink, &mut rejections)?;
        if more.is_empty() {
            decoder.finish(&mut sink, &mut rejections)?;
        }
        out.rows(&mut update);
        rest = more;
    }
    out.rows(&mut pipeline.finish());
    Ok(())
}

/// Series of noise above a level.
fn metrics(series: u64, minutes: i64, out: &mut Written) -> Result<()> {
    let mut pipeline = Pipeline::new(PipelineConfig::default())?.bounded_input();
    let services: Vec<String> = (0..series).map(|i| format!("service-{}", i / 4)).collect();
    let (mut update, mut noise) = (Update::default(), 88_172_645_463_325_252_u64);
    for minute in 0..minutes {
        for (service, metric) in services.iter().zip(METRICS.iter().cycle()) {
            // The sum of six uniform numbers (xorshift64) is nearly normal.
            let sum: f64 = (0..6)
                .map(|_| {
                    noise ^= noise << 13;
                    noise ^= noise >> 7;
                    noise ^= noise << 17;
                    (noise >> 11) as f64 / (1_u64 << 53) as f64
                })
                .sum();
            let value = 50.0 + 14.0 * (sum - 3.0).abs();
            let point = MetricPoint::new(START.plus(minute * MINUTE), service, metric, value);
            pipeline.push(point, &Source::at(1), &mut update);
        }
        out.rows(&mut update);
    }
    out.rows(&mut pipeline.finish());
    Ok(())
}

/// A number of protobuf with seven bits in each byte.
fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number > 0x7f {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// A field of protobuf with a length.
fn field(number: u64, content: &[u8], out: &mut Vec<u8>) {
    varint(number << 3 | 2, out);
    varint(content.len() as u64, out);
    out.extend_from_slice(content);
}

/// A scrape of counters as a body of remote write, in Snappy without compression.
fn scrape(series: u64, number: u64) -> Vec<u8> {
    let at = 1_767_693_600_000 + number * 5_000;
    let mut request = Vec::new();
    for place in 0..series {
        let (instance, route) =
            (format!("10.0.0.{}:8080", place % 50), format!("/route-{}", place / 50));
        let labels = [
            ("__name__", "http_requests_total"),
            ("code", "200"),
            ("instance", &instance),
            ("job", "shop"),
            ("route", &route),
        ];
        let (mut message, mut label, mut sample) = (Vec::new(), Vec::new(), vec![0x09]);
        for (name, value) in labels {
            label.clear();
            field(1, name.as_bytes(), &mut label);
            field(2, value.as_bytes(), &mut label);
            field(1, &label, &mut message);
        }
        let value = (number * 100 + place) as f64;
        sample.extend_from_slice(&value.to_le_bytes());
        sample.push(0x10);
        varint(at, &mut sample);
        field(2, &sample, &mut message);
        field(1, &message, &mut request);
    }
    let mut body = Vec::new();
    varint(request.len() as u64, &mut body);
    for literal in request.chunks(65_536) {
        body.push(0xf4);
        body.extend_from_slice(&((literal.len() - 1) as u16).to_le_bytes());
        body.extend_from_slice(literal);
    }
    body
}

/// Scrapes of counters, five seconds apart, through the decoder of remote write. With `is_decoded_only`
/// nothing is judged.
fn prometheus(series: u64, scrapes: u64, is_decoded_only: bool, out: &mut Written) -> Result<()> {
    let mut pipeline = Pipeline::new(PipelineConfig::default())?;
    let (mut memory, mut update) = (TelemetryMemory::default(), Update::default());
    let mut rejections = Rejections::default();
    for number in 0..scrapes {
        let body = scrape(series, number);
        let mut decoder = decoder(FileFormat::RemoteWrite, &FormatOptions::default(), &body)?;
        decoder.swap_memory(&mut memory);
        let mut sink = |record: Record<'_>, position: u64| {
            if !is_decoded_only {
                pipeline.push(record, &Source::at(position), &mut update);
            }
        };
        let mut read = Output::new(&mut sink, &mut rejections);
        decoder.feed(&body, &mut read)?;
        decoder.finish(&mut read)?;
        decoder.swap_memory(&mut memory);
        out.rows(&mut update);
    }
    out.rows(&mut pipeline.finish());
    Ok(())
}

/// An hour of calm, then five minutes in which everything is bad.
fn storm(services: usize, out: &mut Written) -> Result<()> {
    let mut pipeline = Pipeline::new(PipelineConfig::default())?;
    let mut update = Update::default();
    for service in CAUSES..services {
        let caller = format!("service-{service}");
        let callee = format!("service-{}", service % CAUSES + (service / CAUSES - 1) / 2 * CAUSES);
        pipeline.push(Edge::new(&caller, &callee), &Source::at(1), &mut update);
    }
    let names: Vec<(String, String)> = (0..services * SERIES_OF_A_SERVICE)
        .map(|i| (format!("service-{}", i / SERIES_OF_A_SERVICE), format!("pod-{i}")))
        .collect();
    for minute in 0..65_i64 {
        for (series, (service, resource)) in (0_i64..).zip(&names) {
            let wander = ((series * 7_919 + minute * 104_729) % 997) as f64 / 997.0;
            let bad = if minute >= 60 { 60.0 } else { 0.0 };
            let value = 10.0 + (series % 7) as f64 + wander + bad;
            let point = MetricPoint::new(START.plus(minute * MINUTE), service, "load", value);
            let point = MetricPoint { resource, ..point };
            pipeline.push(point, &Source::at(1), &mut update);
        }
        out.rows(&mut update);
    }
    out.rows(&mut pipeline.finish());
    Ok(())
}

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let name = words.next().unwrap_or_default();
    let mut number = || words.next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(20);
    let mut out = Written::default();
    match name.as_str() {
        "shop" | "json" => {
            let format = if name == "shop" { Format::Csv } else { Format::JsonLines };
            requests(&shop(number(), number(), format)?, format, &mut out)?;
        }
        "metrics" => metrics(number(), number() as i64, &mut out)?,
        "prometheus" => prometheus(number(), number(), false, &mut out)?,
        "decode" => prometheus(number(), number(), true, &mut out)?,
        "storm" => storm(number() as usize, &mut out)?,
        _ => {
            let expected = "shop ROWS HOURS, json ROWS HOURS, metrics SERIES MINUTES, storm SERVICES, \
                 prometheus SERIES SCRAPES or decode SERIES SCRAPES";
            return Err(Error::argument("workload", name, expected));
        }
    }
    let (bytes, (first, second)) = (out.bytes, out.sums);
    let _ = writeln!(std::io::stdout(), "{name}: {bytes} bytes of rows, sums {first} {second}");
    Ok(())
}
