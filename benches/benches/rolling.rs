//! The robust kernels: the rolling MAD (one push and one read of median and MAD) on random and on
//! daily data, whole arrays, and tail probabilities.
#![allow(missing_docs, reason = "criterion's macros generate public functions")]

use std::f64::consts::TAU;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use mad_core::robust::{
    RollingMad, beta_binomial_log10_sf, median_mad, normal_log10_sf, rolling_mad_into,
    student_t_log10_sf,
};

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

fn tails(c: &mut Criterion) {
    let z: Vec<f64> = random(1000).into_iter().map(|x| 12.0 * x - 2.0).collect();
    let mut group = c.benchmark_group("tail");
    group.throughput(Throughput::Elements(1000));
    group.bench_function("normal", |b| {
        b.iter(|| z.iter().map(|z| normal_log10_sf(*z)).sum::<f64>());
    });
    for dof in [3.0, 30.0, 1000.0] {
        group.bench_function(format!("student_t/{dof}"), |b| {
            b.iter(|| z.iter().map(|z| student_t_log10_sf(*z, dof)).sum::<f64>());
        });
    }
    for (name, n) in [("few", 14.0), ("busy", 5000.0), ("vast", 1e7)] {
        group.bench_function(format!("beta_binomial/{name}"), |b| {
            let tail = |z: &f64| {
                let k = (n * 0.02 * (1.0 + z.max(0.0))) as u64;
                beta_binomial_log10_sf(k, n as u64, 4.0, 196.0)
            };
            b.iter(|| z.iter().map(tail).sum::<f64>());
        });
    }
    group.finish();
}

criterion_group!(benches, push_and_read, arrays, tails);
criterion_main!(benches);
