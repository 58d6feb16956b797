//! Bodies of remote write: series, native histograms, staleness, and bounds of hostile bodies.

use mad_core::wire::formats::{self, FileFormat, FormatOptions, TelemetryMemory, decoder};
use proptest::prelude::*;

use super::telemetry_formats::{feed, message, read};

/// A block of Snappy of literals alone.
pub(super) fn snappy(body: &[u8]) -> Vec<u8> {
    let (mut out, mut length) = (Vec::new(), body.len());
    while length > 0x7f {
        out.push(length as u8 & 0x7f | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    for piece in body.chunks(60) {
        out.push((piece.len() as u8 - 1) << 2);
        out.extend_from_slice(piece);
    }
    out
}

/// The labels of a series.
fn labels(all: &[(&str, &str)]) -> Vec<u8> {
    let label = |name: &str, value: &str| message(&[(1, name.as_bytes()), (2, value.as_bytes())]);
    all.iter().flat_map(|(name, value)| message(&[(1, &label(name, value))])).collect()
}

/// A number of protobuf.
fn varint(mut number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while number > 0x7f {
        out.push(number as u8 & 0x7f | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
    out
}

/// A series of a counter with its samples.
pub(super) fn series(samples: &[(f64, i64)]) -> Vec<u8> {
    let mut out = labels(&[("__name__", "n_total"), ("job", "pay")]);
    out.extend(samples_of(samples));
    out
}

fn samples_of(samples: &[(f64, i64)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (value, at) in samples {
        let mut sample = vec![0x09];
        sample.extend_from_slice(&value.to_le_bytes());
        sample.push(0x10);
        sample.extend(varint(*at as u64));
        out.extend(message(&[(2, &sample)]));
    }
    out
}

#[test]
fn remote_write_skips_staleness_markers_and_refuses_bombs() {
    let at = 1_767_693_600_000;
    let stale = f64::from_bits(0x7ff0_0000_0000_0002);
    let body = series(&[(10.0, at), (30.0, at + 10_000), (stale, at + 20_000)]);
    let body = snappy(&message(&[(1, &body)]));
    let (seen, _) = read(FileFormat::RemoteWrite, &body);
    assert_eq!(seen.records, ["pay n_total/rate [] = 2 at 2026-01-06T10:00:10Z"]);
    assert_eq!(seen.units, 3);
    let options = FormatOptions::default();
    // four bytes that claim four GiB
    for body in [&b"\xff\xff\xff\xff\x0f\x00a"[..], b"", b"\x05\x00a"] {
        assert!(formats::check(FileFormat::RemoteWrite, &options, body).is_err(), "{body:?}");
    }
}

#[test]
fn remote_write_refuses_a_body_of_too_many_series_and_samples() {
    let options = FormatOptions::default();
    let outcome = |series: &[u8]| {
        formats::check(FileFormat::RemoteWrite, &options, &snappy(series))
            .map_err(|e| e.to_string())
    };
    // two bytes each: series without labels, and one series of samples without fields
    let most = mad_core::limits::MAX_BODY_SAMPLES;
    let many = [0x0a, 0x00].repeat(most);
    assert_eq!(outcome(&many), Ok(()));
    let further = [many, vec![0x0a, 0x00]].concat();
    assert!(outcome(&further).unwrap_err().contains("more than 200000 series and samples"));
    let mut one = vec![0x0a];
    one.extend(varint(2 * most as u64));
    one.extend([0x12, 0x00].repeat(most));
    assert!(outcome(&one).is_err());
}

#[test]
fn remote_write_rejects_a_series_of_too_many_labels_alone() {
    let at = 1_767_693_600_000;
    let good = series(&[(10.0, at), (30.0, at + 10_000)]);
    let mut wide = series(&[(1.0, at)]);
    wide.extend([0x0a, 0x00].repeat(300));
    let body = snappy(&message(&[(1, &good), (1, &wide)]));
    let (seen, rejections) = read(FileFormat::RemoteWrite, &body);
    assert_eq!(seen.records, ["pay n_total/rate [] = 2 at 2026-01-06T10:00:10Z"]);
    assert_eq!(rejections.total(), 1);
}

/// A native histogram with custom buckets and their bounds.
fn custom_buckets(seconds: u64, deltas: &[u8], sum: f64) -> Vec<u8> {
    // the scale -53 as a zigzag number
    let mut histogram = [vec![0x19], sum.to_le_bytes().to_vec(), vec![0x20, 105]].concat();
    histogram.extend(message(&[(11, &[0x08, 0, 0x10, deltas.len() as u8]), (12, deltas)]));
    histogram.extend([vec![0x78], varint(1_767_693_600_000 + seconds * 1_000)].concat());
    let bounds = [0.1_f64, 0.5].map(f64::to_le_bytes).concat();
    histogram.extend([vec![0x82, 0x01, 16], bounds].concat());
    let mut series = labels(&[("__name__", "took_seconds"), ("job", "pay")]);
    series.extend(message(&[(4, &histogram)]));
    series
}

#[test]
fn native_histograms_with_custom_buckets_give_percentiles() {
    // counts as differences: 10, 0, 2 and then 20, 4, 2
    let bodies = [custom_buckets(0, &[20, 19, 4], 1.0), custom_buckets(10, &[40, 31, 3], 2.0)];
    let body = snappy(&message(&[(1, &bodies[0]), (1, &bodies[1])]));
    let (seen, rejections) = read(FileFormat::RemoteWrite, &body);
    assert_eq!(rejections.total(), 0);
    assert_eq!(seen.records[0], "pay took_seconds/rate [] = 1.4 at 2026-01-06T10:00:10Z");
    assert!(seen.records[1].starts_with("pay took_seconds/p50 [] = 0.0699"), "{:?}", seen.records);
    assert_eq!(seen.records.len(), 4);
    // the marker of an ended series is no histogram without observations
    let stale = f64::from_bits(0x7ff0_0000_0000_0002);
    let ended = custom_buckets(10, &[], stale);
    let body = snappy(&message(&[(1, &bodies[0]), (1, &ended)]));
    let (seen, _) = read(FileFormat::RemoteWrite, &body);
    assert_eq!((seen.records.len(), seen.units), (0, 2));
    // more buckets than bounds
    let wrong = custom_buckets(10, &[2, 2, 2, 2], 1.0);
    let body = snappy(&message(&[(1, &wrong), (1, &bodies[0])]));
    assert_eq!(read(FileFormat::RemoteWrite, &body).1.total(), 1);
}

/// The records of bodies of one sender. With `restarts` the memory is saved and read before each
/// body, so that no series is known by its labels.
fn records(bodies: &[Vec<u8>], restarts: bool) -> Vec<String> {
    let (mut memory, mut all) = (TelemetryMemory::default(), Vec::new());
    for body in bodies {
        let mut one = decoder(FileFormat::RemoteWrite, &FormatOptions::default(), body).unwrap();
        one.swap_memory(&mut memory);
        all.extend(feed(&mut *one, body).0.records);
        one.swap_memory(&mut memory);
        if restarts {
            memory = TelemetryMemory::from_bytes(&memory.to_bytes().unwrap()).unwrap();
        }
    }
    all
}

proptest! {
    /// A series that is known from an earlier body gives the same records as one that is not.
    #[test]
    fn known_series_give_the_records_of_new_ones(
        choices in prop::collection::vec((0_usize..4, 0_usize..3, 0_usize..2, 0_u32..50), 1..40),
    ) {
        let names = ["requests_total", "requests_bucket", "up", "requests_total"];
        let codes = ["200", "500", "0.5"];
        let bodies: Vec<Vec<u8>> = choices
            .chunks(4)
            .zip(0_i64..)
            .map(|(chunk, number)| {
                let all = chunk.iter().map(|(name, code, order, value)| {
                    let key = if names[*name].ends_with("bucket") { "le" } else { "code" };
                    let of = [("__name__", names[*name]), (key, codes[*code]), ("job", "pay")];
                    let at = 1_767_693_600_000 + number * 5_000;
                    let samples = samples_of(&[(f64::from(*value), at)]);
                    // some senders could write labels behind the samples
                    let series = match order {
                        0 => [labels(&of), samples].concat(),
                        _ => [labels(&of[..1]), samples, labels(&of[1..])].concat(),
                    };
                    message(&[(1, &series)])
                });
                snappy(&all.collect::<Vec<_>>().concat())
            })
            .collect();
        prop_assert_eq!(records(&bodies, false), records(&bodies, true));
    }
}
