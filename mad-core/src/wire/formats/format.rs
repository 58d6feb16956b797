//! The names of the formats.

use std::fmt;

use super::detect;
use crate::error::{Error, Result};
use crate::telemetry::RecordKind;

/// A format of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileFormat {
    /// Comma-separated values with a header that names fields of mad.
    Csv,
    /// JSON objects with fields of mad, one a line or in an array.
    JsonLines,
    /// OpenTelemetry as JSON: traces, metrics or logs.
    OtlpJson,
    /// OpenTelemetry as protobuf: traces, metrics or logs.
    OtlpPb,
    /// Traces of Jaeger as JSON.
    Jaeger,
    /// Traces of Zipkin as JSON.
    Zipkin,
    /// Telemetry of Elastic APM.
    Elastic,
    /// Answers of the HTTP API of Prometheus.
    PrometheusApi,
    /// Metrics in the text format of Prometheus or in `OpenMetrics`.
    PrometheusText,
    /// Remote write of Prometheus.
    RemoteWrite,
}

impl FileFormat {
    /// Every format.
    pub const ALL: &'static [Self] = &[
        Self::Csv,
        Self::JsonLines,
        Self::OtlpJson,
        Self::OtlpPb,
        Self::Jaeger,
        Self::Zipkin,
        Self::Elastic,
        Self::PrometheusApi,
        Self::PrometheusText,
        Self::RemoteWrite,
    ];

    /// The name that options and documents use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::JsonLines => "json-lines",
            Self::OtlpJson => "otlp-json",
            Self::OtlpPb => "otlp-pb",
            Self::Jaeger => "jaeger",
            Self::Zipkin => "zipkin",
            Self::Elastic => "elastic",
            Self::PrometheusApi => "prometheus-api",
            Self::PrometheusText => "prometheus-text",
            Self::RemoteWrite => "remote-write",
        }
    }

    /// What the format is, for people.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Csv => "CSV with the fields of mad",
            Self::JsonLines => "JSON Lines with the fields of mad",
            Self::OtlpJson => "OpenTelemetry (OTLP) as JSON",
            Self::OtlpPb => "OpenTelemetry (OTLP) as protobuf",
            Self::Jaeger => "traces of Jaeger as JSON",
            Self::Zipkin => "traces of Zipkin as JSON",
            Self::Elastic => "telemetry of Elastic APM",
            Self::PrometheusApi => "answers of the HTTP API of Prometheus",
            Self::PrometheusText => "metrics in the text format of Prometheus or in OpenMetrics",
            Self::RemoteWrite => "remote write of Prometheus",
        }
    }

    /// The kind of most records of a file of this format; `None` where the file decides.
    pub const fn main_kind(self) -> Option<RecordKind> {
        match self {
            Self::Csv | Self::JsonLines | Self::OtlpJson | Self::OtlpPb | Self::Elastic => None,
            Self::Jaeger | Self::Zipkin => Some(RecordKind::Spans),
            Self::PrometheusApi | Self::PrometheusText | Self::RemoteWrite => {
                Some(RecordKind::Metrics)
            }
        }
    }

    /// The format of a name.
    ///
    /// # Errors
    ///
    /// Lists the known names.
    pub fn parse(name: &str) -> Result<Self> {
        Self::ALL.iter().copied().find(|format| format.as_str() == name).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|format| format.as_str()).collect();
            Error::input(format!("format = {name:?}; there are: {}", known.join(", ")))
        })
    }

    /// The format of a file, from its name (without folder; it may be empty) and its first bytes
    /// after decompression, [`DETECT_BYTES`](super::DETECT_BYTES) or all of them. `None` where no
    /// rule fits.
    ///
    /// The content decides; the name only decides between formats that the content leaves open.
    pub fn detect(name: &str, first: &[u8]) -> Option<Self> {
        detect::detect(name, first)
    }
}

impl fmt::Display for FileFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
