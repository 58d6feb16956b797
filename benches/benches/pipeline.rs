//! Requests a second: the features alone, and the whole pipeline, over simulated shops.
#![allow(missing_docs, reason = "criterion's macros generate public functions")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use mad_core::simulate::{Shop, ShopConfig, SimulatedRequest};
use mad_core::{
    EntityTable, FeatureBuilder, FeatureConfig, FeatureSink, Limits, Pipeline, PipelineConfig,
    Rejections, RowBuffer, SeriesTable, Source,
};

/// Requests a minute and endpoint, requests in all, and the hours that they are spread over.
const TRAFFIC: [(&str, u64, f64); 2] =
    [("7 a minute", 100_000, 20.0), ("700 a minute", 100_000, 0.2)];

fn shop(rows: u64, hours: f64) -> Vec<SimulatedRequest> {
    let config = ShopConfig {
        rows,
        duration_seconds: hours * 3600.0,
        incidents: Vec::new(),
        ..ShopConfig::default()
    };
    Shop::new(config).map(|shop| shop.requests().collect()).unwrap_or_default()
}

fn pipeline(c: &mut Criterion) {
    for (name, rows, hours) in TRAFFIC {
        let requests = shop(rows, hours);
        assert_eq!(requests.len() as u64, rows, "the shop can be simulated");
        let mut group = c.benchmark_group(format!("pipeline/{name}"));
        group.throughput(Throughput::Elements(rows)).sample_size(20);
        group.bench_function("features", |b| {
            b.iter_batched(
                || FeatureBuilder::new(FeatureConfig::default(), &Limits::default()),
                |builder| {
                    let Ok(mut builder) = builder else { return 0 };
                    let (mut rows, mut rejections) = (RowBuffer::default(), Rejections::default());
                    let (mut entities, mut series) =
                        (EntityTable::new(10_000), SeriesTable::new(0));
                    let mut sink = FeatureSink {
                        entities: &mut entities,
                        series: &mut series,
                        rows: &mut rows,
                        rejections: &mut rejections,
                    };
                    let mut count = 0;
                    for (position, request) in (1..).zip(&requests) {
                        builder.push(request.request(), &Source::at(position), &mut sink);
                        count += sink.rows.len();
                        sink.rows.clear();
                    }
                    builder.finish(&mut sink);
                    count + rows.len()
                },
                BatchSize::PerIteration,
            );
        });
        group.bench_function("whole", |b| {
            b.iter_batched(
                || Pipeline::new(PipelineConfig::default()),
                |pipeline| {
                    let Ok(mut pipeline) = pipeline else { return 0 };
                    let mut update = mad_core::Update::default();
                    for (position, request) in (1..).zip(&requests) {
                        pipeline.push(request.request(), &Source::at(position), &mut update);
                        black_box(&update.rows);
                        update.rows.clear();
                        update.changes.clear();
                    }
                    pipeline.finish().rows.len()
                },
                BatchSize::PerIteration,
            );
        });
        group.finish();
    }
}

criterion_group!(benches, pipeline);
criterion_main!(benches);
