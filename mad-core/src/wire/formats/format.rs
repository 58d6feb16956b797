//! The names of the formats.

use std::fmt;

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
    /// Traces of `SkyWalking`, AWS X-Ray or Datadog as JSON.
    TracesJson,
    /// Telemetry of Elastic APM.
    Elastic,
    /// Answers of the HTTP API of Prometheus.
    PrometheusApi,
    /// Metrics in the text format of Prometheus or in `OpenMetrics`.
    PrometheusText,
    /// Remote write of Prometheus.
    RemoteWrite,
    /// Metrics of Datadog or `CloudWatch` as JSON.
    MetricsJson,
    /// Metrics in the line protocol of `InfluxDB`.
    Influx,
    /// Metrics in the plain text of Graphite.
    Graphite,
    /// An access log in the Common Log Format or an extension of it.
    Combined,
    /// An access log of nginx, or of an ingress controller.
    Nginx,
    /// An access log of Apache or Tomcat.
    Apache,
    /// An access log of Traefik in its common format.
    Traefik,
    /// The text access log of Envoy or Istio.
    Envoy,
    /// An access log of an application load balancer of AWS.
    Alb,
    /// An access log of a classic load balancer of AWS.
    Clb,
    /// The HTTP or TCP log of HAProxy.
    Haproxy,
    /// A log in the W3C extended format: IIS, CloudFront.
    Iis,
    /// The native access log of Squid.
    Squid,
    /// The request log of uWSGI.
    Uwsgi,
    /// Lines of the layout that the options give.
    Pattern,
    /// JSON logs of any shape, one object a line.
    JsonLogs,
    /// Log lines or requests in CSV, as CloudWatch Logs Insights and Azure Monitor export them.
    LogTable,
    /// Container logs in the form of the Kubernetes runtime interface.
    Cri,
    /// Container logs of Docker's json-file driver.
    Docker,
    /// Container logs with the prefixes of kubectl or Compose.
    Kubectl,
    /// Messages of syslog.
    Syslog,
    /// Logs of a Kafka broker.
    Kafka,
    /// Logs in plain text whose records begin with a time.
    TextLog,
    /// Snapshots of the status of NGINX Plus.
    NginxStatus,
    /// Results of JMeter as CSV.
    Jmeter,
    /// Results of JMeter as XML.
    JmeterXml,
    /// Results of k6 as CSV or JSON.
    K6,
    /// Tables and worker reports of Locust.
    Locust,
    /// The summary of wrk.
    Wrk,
    /// The `simulation.log` of Gatling.
    Gatling,
    /// Results of vegeta as CSV or JSON.
    Vegeta,
    /// Results of hey as CSV.
    Hey,
    /// Results of ab for gnuplot.
    Ab,
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
        Self::TracesJson,
        Self::Elastic,
        Self::PrometheusApi,
        Self::PrometheusText,
        Self::RemoteWrite,
        Self::MetricsJson,
        Self::Influx,
        Self::Graphite,
        Self::Combined,
        Self::Nginx,
        Self::Apache,
        Self::Traefik,
        Self::Envoy,
        Self::Alb,
        Self::Clb,
        Self::Haproxy,
        Self::Iis,
        Self::Squid,
        Self::Uwsgi,
        Self::Pattern,
        Self::JsonLogs,
        Self::LogTable,
        Self::Cri,
        Self::Docker,
        Self::Kubectl,
        Self::Syslog,
        Self::Kafka,
        Self::TextLog,
        Self::NginxStatus,
        Self::Jmeter,
        Self::JmeterXml,
        Self::K6,
        Self::Locust,
        Self::Wrk,
        Self::Gatling,
        Self::Vegeta,
        Self::Hey,
        Self::Ab,
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
            Self::TracesJson => "traces-json",
            Self::Elastic => "elastic",
            Self::PrometheusApi => "prometheus-api",
            Self::PrometheusText => "prometheus-text",
            Self::RemoteWrite => "remote-write",
            Self::MetricsJson => "metrics-json",
            Self::Influx => "influx",
            Self::Graphite => "graphite",
            Self::Combined => "combined",
            Self::Nginx => "nginx",
            Self::Apache => "apache",
            Self::Traefik => "traefik",
            Self::Envoy => "envoy",
            Self::Alb => "alb",
            Self::Clb => "clb",
            Self::Haproxy => "haproxy",
            Self::Iis => "iis",
            Self::Squid => "squid",
            Self::Uwsgi => "uwsgi",
            Self::Pattern => "pattern",
            Self::JsonLogs => "json-logs",
            Self::LogTable => "log-table",
            Self::Cri => "cri",
            Self::Docker => "docker",
            Self::Kubectl => "kubectl",
            Self::Syslog => "syslog",
            Self::Kafka => "kafka",
            Self::TextLog => "text-log",
            Self::NginxStatus => "nginx-status",
            Self::Jmeter => "jmeter",
            Self::JmeterXml => "jmeter-xml",
            Self::K6 => "k6",
            Self::Locust => "locust",
            Self::Wrk => "wrk",
            Self::Gatling => "gatling",
            Self::Vegeta => "vegeta",
            Self::Hey => "hey",
            Self::Ab => "ab",
        }
    }

    /// What the format is, for people.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Csv => "CSV with the fields of mad",
            Self::JsonLines => "JSON with the fields of mad",
            Self::Combined => "access log in the common or combined format",
            Self::Nginx => "access log of nginx",
            Self::Apache => "access log of Apache or Tomcat",
            Self::Traefik => "access log of Traefik",
            Self::Envoy => "access log of Envoy or Istio",
            Self::Alb => "access log of an AWS application load balancer",
            Self::Clb => "access log of an AWS classic load balancer",
            Self::Haproxy => "log of HAProxy",
            Self::Iis => "log in the W3C extended format (IIS)",
            Self::Squid => "access log of Squid",
            Self::Uwsgi => "request log of uWSGI",
            Self::Pattern => "lines of the given pattern",
            Self::JsonLogs => "JSON log",
            Self::LogTable => "export of a log query as CSV (CloudWatch, Azure Monitor)",
            Self::Cri => "container log (CRI)",
            Self::Docker => "container log (Docker json-file)",
            Self::Kubectl => "container log (kubectl or Compose)",
            Self::Syslog => "syslog",
            Self::Kafka => "log of a Kafka broker",
            Self::TextLog => "plain text log",
            Self::NginxStatus => "status snapshots of NGINX Plus",
            Self::Jmeter => "results of JMeter (CSV)",
            Self::JmeterXml => "results of JMeter (XML)",
            Self::K6 => "results of k6",
            Self::Locust => "results of Locust",
            Self::Wrk => "summary of wrk",
            Self::Gatling => "results of Gatling",
            Self::Vegeta => "results of vegeta",
            Self::Hey => "results of hey",
            Self::Ab => "results of ab",
            Self::OtlpJson => "OpenTelemetry (OTLP) as JSON",
            Self::OtlpPb => "OpenTelemetry (OTLP) as protobuf",
            Self::Jaeger => "traces of Jaeger as JSON",
            Self::Zipkin => "traces of Zipkin as JSON",
            Self::TracesJson => "traces of SkyWalking, AWS X-Ray or Datadog as JSON",
            Self::Elastic => "telemetry of Elastic APM",
            Self::PrometheusApi => "answers of the HTTP API of Prometheus",
            Self::PrometheusText => "metrics in the text format of Prometheus or in OpenMetrics",
            Self::RemoteWrite => "remote write of Prometheus",
            Self::MetricsJson => "metrics of Datadog or CloudWatch as JSON",
            Self::Influx => "metrics in the line protocol of InfluxDB",
            Self::Graphite => "metrics in the plain text of Graphite",
        }
    }

    /// The kind of most records of a file of this format; `None` where the file decides.
    pub const fn main_kind(self) -> Option<RecordKind> {
        match self {
            Self::Csv
            | Self::JsonLines
            | Self::Pattern
            | Self::OtlpJson
            | Self::OtlpPb
            | Self::Elastic => None,
            Self::Jaeger | Self::Zipkin | Self::TracesJson => Some(RecordKind::Spans),
            Self::Combined
            | Self::Nginx
            | Self::Apache
            | Self::Traefik
            | Self::Envoy
            | Self::Alb
            | Self::Clb
            | Self::Haproxy
            | Self::Iis
            | Self::Jmeter
            | Self::JmeterXml
            | Self::K6
            | Self::Wrk
            | Self::Squid
            | Self::Uwsgi
            | Self::Gatling
            | Self::Vegeta
            | Self::Hey
            | Self::Ab => Some(RecordKind::Requests),
            Self::JsonLogs
            | Self::LogTable
            | Self::Cri
            | Self::Docker
            | Self::Kubectl
            | Self::Syslog
            | Self::Kafka
            | Self::TextLog => Some(RecordKind::Logs),
            Self::NginxStatus
            | Self::Locust
            | Self::PrometheusApi
            | Self::PrometheusText
            | Self::RemoteWrite
            | Self::MetricsJson
            | Self::Influx
            | Self::Graphite => Some(RecordKind::Metrics),
        }
    }

    /// The kinds of records that files of this format can give, that of most of them first. A line
    /// of a log that states the end of a request gives a request too.
    pub fn kinds(self) -> Vec<RecordKind> {
        match self.main_kind() {
            Some(RecordKind::Logs) => vec![RecordKind::Logs, RecordKind::Requests],
            Some(kind) => vec![kind],
            None => RecordKind::ALL.to_vec(),
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
}

impl fmt::Display for FileFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
