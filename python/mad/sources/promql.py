"""Queries for the usual signals: rate, errors and duration of requests (RED), and utilization,
saturation and errors of resources (USE)."""

from __future__ import annotations

#: Labels that name the service, the best first.
SERVICES = ("service", "service_name", "app", "application", "job", "namespace", "instance")

#: PromQL by the name of the signal. `{}` takes the label matchers of the options, `{,` takes them
#: before others, and `$window` is four steps, which survive one missing scrape.
#:
#: - `red` is for the names of the client libraries of Prometheus.
#: - `red_otel` is for the names of the OpenTelemetry HTTP conventions.
#: - `use` is for those of node_exporter.
PRESETS: dict[str, dict[str, str]] = {
    "red": {
        "req_rate": "sum by (job, service) (rate(http_requests_total{}[$window]))",
        "error_rate": (
            '(sum by (job, service) (rate(http_requests_total{,code=~"5.."}[$window]))'
            " or 0 * sum by (job, service) (rate(http_requests_total{}[$window])))"
            " / sum by (job, service) (rate(http_requests_total{}[$window]))"
        ),
        "p95_latency_ms": (
            "1000 * histogram_quantile(0.95, sum by (le, job, service) "
            "(rate(http_request_duration_seconds_bucket{}[$window])))"
        ),
    },
    "red_otel": {
        "req_rate": (
            "sum by (job, service_name) "
            "(rate(http_server_request_duration_seconds_count{}[$window]))"
        ),
        "error_rate": (
            "(sum by (job, service_name) (rate(http_server_request_duration_seconds_count"
            '{,http_response_status_code=~"5.."}[$window]))'
            " or 0 * sum by (job, service_name) "
            "(rate(http_server_request_duration_seconds_count{}[$window])))"
            " / sum by (job, service_name) "
            "(rate(http_server_request_duration_seconds_count{}[$window]))"
        ),
        "p95_latency_ms": (
            "1000 * histogram_quantile(0.95, sum by (le, job, service_name) "
            "(rate(http_server_request_duration_seconds_bucket{}[$window])))"
        ),
    },
    "use": {
        "cpu_utilization": (
            '1 - avg by (instance) (rate(node_cpu_seconds_total{,mode="idle"}[$window]))'
        ),
        "cpu_saturation": (
            "sum by (instance) (node_load1{}) / "
            'count by (instance) (node_cpu_seconds_total{,mode="idle"})'
        ),
        "memory_utilization": (
            "1 - sum by (instance) (node_memory_MemAvailable_bytes{}) / "
            "sum by (instance) (node_memory_MemTotal_bytes{})"
        ),
        "memory_saturation": "sum by (instance) (rate(node_vmstat_pgmajfault{}[$window]))",
        "disk_utilization": "max by (instance) (rate(node_disk_io_time_seconds_total{}[$window]))",
        "disk_saturation": (
            "sum by (instance) (rate(node_disk_io_time_weighted_seconds_total{}[$window]))"
        ),
        "network_errors": (
            "sum by (instance) (rate(node_network_receive_errs_total{}[$window]))"
            " + sum by (instance) (rate(node_network_transmit_errs_total{}[$window]))"
        ),
    },
}
