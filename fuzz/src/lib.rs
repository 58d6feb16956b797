//! Fuzz targets: each takes any bytes and must neither panic, nor hang, nor use much memory.
//!
//! `make fuzz` runs them for a time, with cargo-fuzz where it is installed and else with the plain
//! driver `mutate`. `cargo test` runs the seeds, the kept crashes and some mutations of both.

mod mutation;
mod seeds;

use std::time::Duration;

use mad_core::export::prometheus_text;
use mad_core::forest::WindowedForestConfig;
use mad_core::model::WindowConfig;
use mad_core::score::{
    BinomialScorer, CusumScorer, DifferenceScorer, DoubleMadScorer, ErrorSpikeScorer, EwmaScorer,
    ExtremeScorer, ForestScorer, GaugeScorer, Learn, LimitScorer, LongScorer, MadConfig, MadScorer,
    Scorer, SeasonalScorer, ShiftScorer, SilenceScorer, SlopeScorer, ZScorer,
};
use mad_core::series::Glob;
use mad_core::telemetry::RouteTemplates;
use mad_core::time::ZonePolicy;
use mad_core::wire::AnyDecoder;
use mad_core::wire::formats::{
    DETECT_BYTES, FileFormat, FormatOptions, Inspection, Output, decoder,
};
use mad_core::{
    Direction, Document, Format, Limits, Pipeline, PipelineConfig, Record, RecordKind, Rejections,
    Sample, ServiceGraph, Source, Timestamp, Update,
};

pub use mutation::{Random, mutated};
pub use seeds::seeds;

/// A fuzz target.
pub type Target = fn(&[u8]);

/// All targets by name.
pub const TARGETS: [(&str, Target); 8] = [
    ("csv", csv),
    ("jsonl", jsonl),
    ("formats", formats),
    ("checkpoint", checkpoint),
    ("config", config),
    ("template", template),
    ("graph", graph),
    ("observe", observe),
];

/// Bytes of the envelope of saved state before its payload, and the place of the checksum.
const ENVELOPE: usize = 24;
const CHECKSUM: std::ops::Range<usize> = 20..24;
const LENGTH: std::ops::Range<usize> = 12..20;

/// CSV of any kind: the first byte names the kind.
pub fn csv(data: &[u8]) {
    decode(data, Format::Csv);
}

/// JSON Lines of any kind: the first byte names the kind.
pub fn jsonl(data: &[u8]) {
    decode(data, Format::JsonLines);
}

fn decode(data: &[u8], format: Format) {
    let Some((first, text)) = data.split_first() else { return };
    let place = usize::from(*first) % RecordKind::ALL.len();
    let Some(kind) = RecordKind::ALL.get(place).copied() else { return };
    let zone = if first & 0x80 == 0 { ZonePolicy::Refuse } else { ZonePolicy::Offset(3_600) };
    let Ok(mut pipeline) = Pipeline::new(small()) else { return };
    let (mut update, mut rejections) = (Update::default(), Rejections::default());
    let mut decoder = AnyDecoder::new(kind, format, zone);
    let mut push = |record: Record<'_>, position: u64| {
        pipeline.push(record, &Source::at(position), &mut update);
    };
    let (head, tail) = text.split_at(text.len() / 2);
    let fed = decoder
        .feed(head, &mut push, &mut rejections)
        .and_then(|()| decoder.feed(tail, &mut push, &mut rejections))
        .and_then(|()| decoder.finish(&mut push, &mut rejections));
    if fed.is_ok() {
        end(pipeline);
    }
}

/// A file of any format: the first byte names the format, or lets it be detected.
///
/// # Panics
///
/// The counts depend on the places at which the input is cut, which is a fault that the fuzzer
/// shall find.
pub fn formats(data: &[u8]) {
    let Some((first, text)) = data.split_first() else { return };
    let begin = text.get(..DETECT_BYTES).unwrap_or(text);
    let named = FileFormat::ALL.get(usize::from(*first) % (FileFormat::ALL.len() + 1)).copied();
    let Some(format) = named.or_else(|| FileFormat::detect("", begin)) else { return };
    let whole = inspected(format, begin, &[text]);
    let (head, tail) = text.split_at(text.len() / 2);
    let (middle, end) = tail.split_at(tail.len().min(1));
    assert_eq!(whole, inspected(format, begin, &[head, middle, end]), "cuts matter");
}

/// The counts of a file that comes in pieces; `None` where it cannot be read.
fn inspected(format: FileFormat, begin: &[u8], pieces: &[&[u8]]) -> Option<String> {
    let options = FormatOptions { zone: ZonePolicy::Offset(0), ..FormatOptions::default() };
    let mut decoder = decoder(format, &options, begin).ok()?;
    let (mut seen, mut rejections) = (Inspection::default(), Rejections::default());
    let mut out = Output::new(&mut seen, &mut rejections);
    for piece in pieces {
        decoder.feed(piece, &mut out).ok()?;
    }
    decoder.finish(&mut out).ok()?;
    serde_json::to_string(&seen.document(format, &rejections)).ok()
}

/// Saved state. Length and checksum are set right, so that the payload is read.
pub fn checkpoint(data: &[u8]) {
    let mut saved = data.to_vec();
    let payload = saved.get(ENVELOPE..).unwrap_or_default();
    let (length, checksum) = (payload.len() as u64, crc32fast::hash(payload));
    if let Some(place) = saved.get_mut(LENGTH) {
        place.copy_from_slice(&length.to_le_bytes());
    }
    if let Some(place) = saved.get_mut(CHECKSUM) {
        place.copy_from_slice(&checksum.to_le_bytes());
    }
    let Ok(mut pipeline) = Pipeline::restore(small(), &saved) else { return };
    let mut update = Update::default();
    let at = pipeline.newest().unwrap_or_default();
    for request in seeds::requests(at, 120) {
        pipeline.push(request, &Source::at(1), &mut update);
    }
    end(pipeline);
}

/// A configuration in JSON, and a pipeline that runs with it.
pub fn config(data: &[u8]) {
    let Ok(config) = serde_json::from_slice::<PipelineConfig>(data) else { return };
    if config.validate().is_err() {
        return;
    }
    let Ok(mut pipeline) = Pipeline::new(config) else { return };
    let mut update = Update::default();
    for request in seeds::requests(Timestamp::from_seconds(1_767_693_600), 120) {
        pipeline.push(request, &Source::at(1), &mut update);
    }
    end(pipeline);
}

/// Patterns of routes and globs, and the names that they are compared with: lines of text.
pub fn template(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.lines();
    let pattern = lines.next().unwrap_or_default();
    let glob = Glob::new(pattern);
    let patterns = vec![pattern.to_owned()];
    let routes = RouteTemplates { patterns, ..RouteTemplates::default() };
    let is_valid = routes.validate().is_ok();
    for name in lines.take(64) {
        glob.matches(name);
        if is_valid {
            routes.template(name);
        }
    }
}

/// Spans as JSON Lines into a graph, and a graph that was saved as JSON.
pub fn graph(data: &[u8]) {
    if let Ok(saved) = serde_json::from_slice::<ServiceGraph>(data) {
        drop(saved.settled());
    }
    let Ok(mut graph) = ServiceGraph::new(&small().limits) else { return };
    let mut rejections = Rejections::default();
    let mut decoder = AnyDecoder::new(RecordKind::Spans, Format::JsonLines, ZonePolicy::Offset(0));
    let mut push = |record: Record<'_>, _: u64| {
        if let Record::Span(span) = record {
            graph.span(&span);
        }
    };
    if decoder.feed(data, &mut push, &mut rejections).is_err() {
        return;
    }
    drop(decoder.finish(&mut push, &mut rejections));
    graph.forget(Timestamp::from_seconds(1_767_693_600));
    let saved = serde_json::to_vec(&graph.settled()).unwrap_or_default();
    drop(serde_json::from_slice::<ServiceGraph>(&saved));
}

/// A sequence of values, steps of time and counts into every scorer: 11 bytes an observation.
///
/// # Panics
///
/// A score without a probability, which is a fault that the fuzzer shall find.
pub fn observe(data: &[u8]) {
    let level = MadConfig { window: 32, ..MadConfig::default() };
    let both = Direction::Both;
    let mut scorers: Vec<Box<dyn Scorer>> = Vec::new();
    let mut add = |scorer: mad_core::Result<Box<dyn Scorer>>| scorers.extend(scorer);
    add(MadScorer::new(level).map(|one| Box::new(one) as _));
    add(DoubleMadScorer::new(32, both, 3.5).map(|one| Box::new(one) as _));
    add(LongScorer::new(both, 3.5).map(|one| Box::new(one) as _));
    add(SeasonalScorer::new(both, 3.5).map(|one| Box::new(one) as _));
    add(DifferenceScorer::new(4, both, 3.5).map(|one| Box::new(one) as _));
    add(SlopeScorer::new(8, both, 3.5).map(|one| Box::new(one) as _));
    add(ShiftScorer::new(4, both, 3.5).map(|one| Box::new(one) as _));
    add(CusumScorer::new(8, both, 4.0).map(|one| Box::new(one) as _));
    add(SilenceScorer::new(None, 4.0).map(|one| Box::new(one) as _));
    add(BinomialScorer::learning(32, 100.0, 4.0).map(|one| Box::new(one) as _));
    add(GaugeScorer::new(level, 4.0).map(|one| Box::new(one) as _));
    add(EwmaScorer::new(3.0).map(|one| Box::new(one) as _));
    add(ZScorer::new(32, both, 3.0).map(|one| Box::new(one) as _));
    let window = Duration::from_secs(300);
    add(ErrorSpikeScorer::new(0.2, 5, window).map(|one| Box::new(one) as _));
    add(LimitScorer::new(1.0).map(|one| Box::new(one) as _));
    let window = WindowConfig { rows: 32, every: 16, warm_up: 8 };
    let forest = WindowedForestConfig { window, ..Default::default() };
    add(ForestScorer::new(forest).map(|one| Box::new(one) as _));
    scorers.push(Box::new(ExtremeScorer::new(both)));
    let mut at = Timestamp::from_seconds(1_767_693_600);
    for one in data.chunks_exact(11).take(400) {
        let [value @ .., step, count, how] = one else { return };
        let value = <[u8; 8]>::try_from(value).map_or(f64::NAN, f64::from_le_bytes);
        at = at.plus(1_i64.checked_shl(u32::from(*step) % 64).unwrap_or(i64::MAX));
        let sample = Sample { value, n: 1_u64 << (count % 64) };
        for scorer in &mut scorers {
            let score = scorer.score(at, sample);
            assert!(!score.neg_log10_p.is_nan(), "no probability for {value} at {at}");
            match how % 4 {
                0 => scorer.learn(at, sample, Learn::Full),
                1 => scorer.learn(at, sample, Learn::Clipped),
                2 => scorer.tick(at),
                _ => drop(scorer.observe(at, sample, 4.0)),
            }
        }
    }
}

/// A configuration with small bounds.
fn small() -> PipelineConfig {
    let limits = Limits {
        entities: 64,
        series: 64,
        window_samples: 1_000,
        services: 64,
        graph_edges: 64,
        open_spans: 100,
        ..Limits::default()
    };
    PipelineConfig { limits, ..PipelineConfig::default() }
}

/// Runs a pipeline to its end, and reads everything that it says.
fn end(mut pipeline: Pipeline) {
    if let Some(at) = pipeline.newest() {
        pipeline.advance(at);
    }
    pipeline.finish();
    for incident in pipeline.incidents() {
        drop(pipeline.explain(incident));
    }
    drop(serde_json::to_vec(&Document::new(&pipeline)));
    drop(prometheus_text(&pipeline, 1_000));
    drop(pipeline.checkpoint());
}
