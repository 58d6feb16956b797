//! Decoders of the files that other tools write: access logs, container logs, traces, metrics and
//! results of load tests.
//!
//! [`FileFormat::detect`] finds the format from the name and the first bytes of a file.
//! [`decoder`] makes the [`FormatDecoder`] of a format. A decoder is fed the bytes of the file, cut
//! anywhere, and gives two things to the [`FormatSink`] of its [`Output`]:
//!
//! - [`Record`](crate::Record)s of any kind with their positions: what a pipeline judges;
//! - [`Unit`]s: one for each item that the file holds (a log line, a span, a data point), with the
//!   facts that an [`Inspection`] shows and a record does not carry. One unit may give no record, or
//!   several.
//!
//! To add a format: a variant of [`FileFormat`], a rule in `detect.rs`, a decoder in a separate
//! file, and its arm in `decoders.rs`.

#![allow(clippy::doc_markdown, reason = "products and fields of their logs are named in prose")]

mod access;
mod buckets;
mod container;
mod container_line;
mod decode;
mod decoders;
mod detect;
mod document_decoder;
mod elastic;
mod elastic_fields;
mod format;
mod inspection;
mod jaeger;
mod json_documents;
mod json_facts;
mod json_logs;
mod line_metrics;
mod lines;
mod load;
mod log_documents;
mod log_table;
mod log_time;
mod memory;
mod metric_documents;
mod metric_series;
mod naming;
mod nginx_status;
mod options;
mod otlp;
mod outcome;
mod outcomes;
mod output;
mod own;
mod prometheus;
mod quantile;
mod series_name;
mod service;
mod sink;
mod syslog;
mod table;
mod text_level;
mod text_log;
mod trace_documents;
mod trace_span;
mod undated;
mod unfinished;
mod unit;
mod wrapped;
mod zipkin;

pub use decode::FormatDecoder;
pub use decoders::{check, decoder};
pub use format::FileFormat;
pub use inspection::{EdgeDocument, Inspection, InspectionDocument};
pub use memory::TelemetryMemory;
pub use options::FormatOptions;
pub use output::Output;
pub use own::own_share;
pub use sink::FormatSink;
pub use unfinished::unfinished;
pub use unit::{Code, Link, Unit};

/// Bytes of a file from which its format is detected; fewer where the file is shorter.
pub const DETECT_BYTES: usize = 64 * 1024;
