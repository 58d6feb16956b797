//! The rolling MAD: one push and one read of median and MAD, on random and on daily data.
#![allow(missing_docs, reason = "criterion's macros generate public functions")]

use std::f64::consts::TAU;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use mad_core::robust::{RollingMad, median_mad, rolling_mad_into};

const ROWS: usize = 100_000;

/// Uniform in 0 to 1, from a fixed seed (xorshift64).
fn random(rows: usize) -> Vec<f64> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    (0..rows).map(|_| next()).collect()
}

/// A cycle of 1,440 minutes with a little noise.
fn daily(rows: usize) -> Vec<f64> {
    let noise = random(rows);
    noise.iter().enumerate().map(|(i, x)| (i as f64 * TAU / 1440.0).sin() + 0.1 * x).collect()
}

fn push_and_read(c: &mut Criterion) {
    let mut group = c.benchmark_group("rolling_mad");
    group.throughput(Throughput::Elements(ROWS as u64));
    for (name, values) in [("random", random(ROWS)), ("daily", daily(ROWS))] {
        for window in [60, 240, 1440] {
            let Ok(mut rolling) = RollingMad::new(window) else { continue };
            group.bench_function(format!("{name}/{window}"), |b| {
                b.iter(|| {
                    values.iter().fold(0.0, |sum, x| {
                        rolling.push(*x);
                        let (median, mad) = rolling.median_mad();
                        sum + median + mad
                    })
                });
            });
        }
    }
    group.finish();
}

fn arrays(c: &mut Criterion) {
    let values = random(ROWS);
    let mut group = c.benchmark_group("array");
    group.throughput(Throughput::Elements(ROWS as u64));
    let (mut median, mut mad) = (vec![0.0; ROWS], vec![0.0; ROWS]);
    group.bench_function("rolling_mad_into/240", |b| {
        b.iter(|| rolling_mad_into(black_box(&values), 240, &mut median, &mut mad));
    });
    group.bench_function("median_mad", |b| {
        b.iter_batched(|| &values, |values| median_mad(black_box(values)), BatchSize::SmallInput);
    });
    group.finish();
}

criterion_group!(benches, push_and_read, arrays);
criterion_main!(benches);
