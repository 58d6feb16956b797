"""Builds the Grafana dashboard and the alert rules with the Grafana Foundation SDK.

pip install grafana-foundation-sdk; python deploy/grafana/build.py [--check]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import alerting as alerts
from grafana_foundation_sdk.builders import (
    dashboard,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import alerting
from grafana_foundation_sdk.models import dashboard as model

HERE = Path(__file__).parent
FILES = {"mad-dashboard.json": "dashboard", "provisioning/mad-alerts.json": "alert rules"}
SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
ALERT_SOURCE = "prometheus"
"""The uid of the data source in alert rules, which know no variables."""
CHOSEN = 'service=~"$service", endpoint=~"$endpoint"'
BANDS = {
    "p95_latency_ms": ("95th-percentile latency", "ms"),
    "error_rate": ("Error rate", "percentunit"),
    "req_count": ("Requests a step", "short"),
}


def query(expr: str, legend: str = "", ref: str = "A") -> prometheus.Dataquery:
    """A range query."""
    return prometheus.Dataquery().expr(expr).legend_format(legend).ref_id(ref).range()


def now(expr: str, legend: str = "", ref: str = "A") -> prometheus.Dataquery:
    """A query of the present values."""
    return prometheus.Dataquery().expr(expr).legend_format(legend).ref_id(ref).instant()


def steps(*limits: tuple[float | None, str]) -> dashboard.ThresholdsConfig:
    """Colors from the values on."""
    found = [model.Threshold(value=value, color=color) for value, color in limits]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(found)


def figure(title: str, text: str, expr: str, width: int, colors: Any, unit: str = "short") -> Any:
    """A panel with one number."""
    return (
        stat.Panel()
        .title(title)
        .description(text)
        .datasource(SOURCE)
        .unit(unit)
        .thresholds(colors)
        .color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
        .graph_mode("none")
        .height(4)
        .span(width)
        .with_target(now(expr))
    )


def band(signal: str, title: str, unit: str) -> Any:
    """A signal with its expected range."""
    series = f'{CHOSEN}, signal="{signal}"'
    name = "{{service}} {{endpoint}}"
    return (
        timeseries.Panel()
        .title(title)
        .description("The values of the newest steps, with the range that mad expects.")
        .datasource(SOURCE)
        .unit(unit)
        .height(8)
        .span(12)
        .fill_opacity(0)
        .with_target(query(f"mad_value{{{series}}}", name))
        .with_target(query(f"mad_expected_low{{{series}}}", name + " expected low", "B"))
        .with_target(query(f"mad_expected_high{{{series}}}", name + " expected high", "C"))
        .override_by_regexp(
            "/expected (low|high)$/",
            [
                model.DynamicConfigValue(id_val="custom.lineWidth", value=0),
                model.DynamicConfigValue(
                    id_val="custom.hideFrom", value={"legend": True, "tooltip": False, "viz": False}
                ),
                model.DynamicConfigValue(
                    id_val="color", value={"mode": "fixed", "fixedColor": "semi-dark-green"}
                ),
            ],
        )
        .override_by_regexp(
            "/expected high$/", [model.DynamicConfigValue(id_val="custom.fillOpacity", value=12)]
        )
    )


def line(title: str, text: str, targets: list[prometheus.Dataquery], unit: str = "short") -> Any:
    """A time series of the detector."""
    panel = timeseries.Panel().title(title).description(text).datasource(SOURCE).unit(unit)
    for target in targets:
        panel = panel.with_target(target)
    return panel.height(7).span(8).fill_opacity(5)


def incidents() -> Any:
    """The open incidents."""
    hidden = {"Time": True, "Value": True, "__name__": True, "job": True, "instance": True}
    names = {
        "incident": "Incident",
        "severity": "Severity",
        "status": "Status",
        "service": "Service",
        "endpoint": "Endpoint",
        "culprit_service": "Culprit",
        "culprit_endpoint": "Endpoint of the culprit",
    }
    order = {name: place for place, name in enumerate(names)}
    return (
        table.Panel()
        .title("Open incidents")
        .description("One row an incident: where it was found and its most likely culprit.")
        .datasource(SOURCE)
        .height(8)
        .span(12)
        .with_target(now(f"mad_incident_info{{{CHOSEN}}}").format("table"))
        .with_transformation(
            model.DataTransformerConfig(
                id_val="organize",
                options={"excludeByName": hidden, "renameByName": names, "indexByName": order},
            )
        )
    )


def health() -> Any:
    """The health of each service."""
    return (
        statetimeline.Panel()
        .title("Health of services")
        .description("The lowest health score of the endpoints of each service, 0 to 100.")
        .datasource(SOURCE)
        .height(8)
        .span(12)
        .min(0)
        .max(100)
        .thresholds(steps((None, "red"), (50, "orange"), (80, "green")))
        .color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
        .with_target(query(f"min by (service) (mad_health_score{{{CHOSEN}}})", "{{service}}"))
    )


def variable(name: str, label: str, values: str) -> Any:
    """A choice of label values."""
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(f"label_values({values}, {name})")
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(model.VariableOption(selected=True, text="All", value="$__all"))
    )


def board() -> dict[str, Any]:
    """The dashboard."""
    built = (
        dashboard.Dashboard("mad: incidents and expected ranges")
        .uid("mad")
        .tags(["mad", "anomalies"])
        .description("Incidents, expected ranges and scores of mad, and the detector itself.")
        .refresh("30s")
        .time("now-3h", "now")
        .timezone("browser")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .with_variable(
            dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
        )
        .with_variable(variable("service", "Service", "mad_score"))
        .with_variable(variable("endpoint", "Endpoint", 'mad_score{service=~"$service"}'))
        .with_panel(
            figure(
                "Open incidents",
                "Open and acknowledged incidents.",
                "sum(mad_incidents)",
                5,
                steps((None, "green"), (1, "red")),
            )
        )
        .with_panel(
            figure(
                "Critical incidents",
                "Open and acknowledged incidents of the severity Critical.",
                'sum(mad_incidents{severity="Critical"})',
                5,
                steps((None, "green"), (1, "red")),
            )
        )
        .with_panel(
            figure(
                "Lowest health",
                "The lowest health score of an endpoint, 0 to 100.",
                f"min(mad_health_score{{{CHOSEN}}})",
                5,
                steps((None, "red"), (50, "orange"), (80, "green")),
            )
        )
        .with_panel(
            figure(
                "Accepted records",
                "The share of records that mad accepted in the last 15 minutes.",
                "min(mad_accepted_share)",
                5,
                steps((None, "red"), (0.95, "green")),
                "percentunit",
            )
        )
        .with_panel(
            figure(
                "Degraded",
                "1 while /health of mad is not ok.",
                "max(mad_degraded)",
                4,
                steps((None, "green"), (1, "orange")),
            )
        )
        .with_panel(incidents())
        .with_panel(health())
    )
    for signal, (title, unit) in BANDS.items():
        built = built.with_panel(band(signal, title, unit))
    built = built.with_panel(
        timeseries.Panel()
        .title("Anomaly score")
        .description("0 to 1; rows are flagged from 0.5 on with the default settings.")
        .datasource(SOURCE)
        .unit("short")
        .min(0)
        .max(1)
        .height(8)
        .span(12)
        .with_target(query(f"mad_score{{{CHOSEN}}}", "{{service}} {{endpoint}} {{signal}}"))
    )
    built = built.with_row(dashboard.Row("Detector"))
    for panel in (
        line(
            "Records a second",
            "Accepted records by kind, and rejected records by reason.",
            [
                query("sum by (kind) (rate(mad_records_total[5m]))", "{{kind}}"),
                query(
                    "sum by (reason) (rate(mad_rejected_total[5m]))", "rejected: {{reason}}", "B"
                ),
                query("sum(rate(mad_sender_dropped_total[5m]))", "dropped by senders", "C"),
            ],
            "reqps",
        ),
        line(
            "Time to acknowledge a batch",
            "From the arrival of a batch until it is on disk.",
            [
                query(
                    f"histogram_quantile({share}, "
                    "sum by (le) (rate(mad_acknowledge_seconds_bucket[5m])))",
                    name,
                    ref,
                )
                for share, name, ref in ((0.5, "median", "A"), (0.99, "99th percentile", "B"))
            ],
            "s",
        ),
        line(
            "Memory and journal",
            "Resident memory of the process and size of the journal.",
            [
                query("process_resident_memory_bytes and on (instance) mad_entities", "memory"),
                query("mad_journal_bytes", "journal", "B"),
            ],
            "bytes",
        ),
    ):
        built = built.with_panel(panel)
    document: dict[str, Any] = json.loads(JSONEncoder(sort_keys=True).encode(built.build()))
    document["annotations"] = {"list": [annotation()]}
    return document


def annotation() -> dict[str, Any]:
    """Incidents as ranges: Grafana joins consecutive samples above 0 into one range."""
    built = json.loads(
        JSONEncoder().encode(
            dashboard.AnnotationQuery()
            .name("Incidents")
            .datasource(SOURCE)
            .enable(True)
            .icon_color("red")
            .expr(f"mad_incident_info{{{CHOSEN}}}")
            .build()
        )
    )
    return built | {
        "step": "30s",
        "tagKeys": "severity,service",
        "titleFormat": "{{severity}}: {{service}} {{endpoint}}",
        "textFormat": "{{incident}}, culprit: {{culprit_service}} {{culprit_endpoint}}",
    }


def rule(
    uid: str, title: str, expr: str, pending: str, severity: str, texts: tuple[str, str]
) -> Any:
    """An alert rule that fires for each series above 0."""
    condition = {
        "refId": "B",
        "type": "threshold",
        "expression": "A",
        "conditions": [{"evaluator": {"type": "gt", "params": [0]}}],
        "datasource": {"type": "__expr__", "uid": "__expr__"},
    }
    window = alerting.RelativeTimeRange(from_val=300, to=0)
    built = (
        alerts.Rule(title)
        .uid(uid)
        .condition("B")
        .for_val(pending)
        .no_data_state("OK")
        .exec_err_state("Error")
        .labels({"severity": severity})
        .annotations({"summary": texts[0], "description": texts[1]})
        .with_query(
            alerts.Query("A")
            .datasource_uid(ALERT_SOURCE)
            .relative_time_range(window)
            .model(now(expr))
        )
        .build()
    )
    document: dict[str, Any] = json.loads(JSONEncoder(sort_keys=True).encode(built))
    for name in ("orgID", "folderUID", "ruleGroup"):
        document.pop(name, None)
    document["data"].append(
        {
            "refId": "B",
            "datasourceUid": "__expr__",
            "relativeTimeRange": {"from": 300, "to": 0},
            "model": condition,
        }
    )
    return document


def rules() -> dict[str, Any]:
    """The alert rules, as Grafana reads them from its provisioning folder."""
    incident = (
        "{{ $labels.service }} {{ $labels.endpoint }}: incident {{ $labels.incident }}",
        "Most likely culprit: {{ $labels.culprit_service }} {{ $labels.culprit_endpoint }}. "
        "Evidence and next steps: /#/incidents/{{ $labels.incident }} of mad.",
    )
    open_incident = 'mad_incident_info{{status="open", severity="{}"}}'.format
    found = [
        rule(
            "mad-critical",
            "mad: critical incident",
            open_incident("Critical"),
            "0s",
            "critical",
            incident,
        ),
        rule("mad-warning", "mad: incident", open_incident("Warning"), "0s", "warning", incident),
        rule(
            "mad-failing",
            "mad: accepts no data",
            "mad_failing",
            "1m",
            "critical",
            ("mad at {{ $labels.instance }} accepts no data", "The reasons are in /health."),
        ),
        rule(
            "mad-degraded",
            "mad: degraded",
            "mad_degraded",
            "10m",
            "warning",
            ("mad at {{ $labels.instance }} is degraded", "The reasons are in /health."),
        ),
    ]
    group = {"orgId": 1, "name": "mad", "folder": "mad", "interval": "1m", "rules": found}
    return {"apiVersion": 1, "groups": [group]}


def main() -> int:
    """Writes the files; with --check it only compares them."""
    command = argparse.ArgumentParser(description=__doc__)
    command.add_argument("--check", action="store_true", help="exit with 1 when a file differs")
    check = command.parse_args().check
    built = dict(zip(FILES, (board(), rules()), strict=True))
    for name, document in built.items():
        text, path = json.dumps(document, indent=1, sort_keys=True) + "\n", HERE / name
        if check and (not path.exists() or path.read_text() != text):
            sys.stderr.write(f"{name} differs: run python deploy/grafana/build.py\n")
            return 1
        if not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
