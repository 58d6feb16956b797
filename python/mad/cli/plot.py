"""`mad plot`: writes pictures of a run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mad import documents, errors
from mad.cli import arguments
from mad.cli.output import print_json
from mad.detection.directory import SCORED
from mad.report import summary

HELP = "write pictures of a run as PNG or SVG"
DESCRIPTION = (
    "Writes pictures of the output of mad detect: anomalies over time, latency and errors of the "
    "endpoints of incidents, the culprits, and overviews (training, monitor). Needs mad-py[plot], "
    "and neither a browser nor the internet."
)
_HINT = "give a directory that mad detect wrote"
_INCIDENTS = 10
"""Most incidents with pictures."""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    command.add_argument("directory", metavar="DIR", help="output of mad detect")
    command.add_argument(
        "--out", required=True, metavar="DIR", help="directory for the pictures, made if missing"
    )
    command.add_argument(
        "--form",
        choices=("png", "svg", "both"),
        default="both",
        help="form of the pictures (default: both)",
    )
    arguments.add_json(command)


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    from mad import plot
    from mad.plot.data import columns_of

    source, out = Path(args.directory), Path(args.out)
    document = documents.read_run(source, _HINT)
    with errors.input_of(str(source / SCORED)):
        rows = columns_of(source / SCORED)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise errors.UsageError(f"cannot write {out}: {errors.reason(error)}") from error
    charts: dict[str, Any] = {
        "anomalies": plot.anomalies(rows),
        "training": plot.training(rows),
        "monitor": plot.monitor(rows),
    }
    for incident in summary.incidents(document)[:_INCIDENTS]:
        name = "".join(one if one.isalnum() or one == "-" else "_" for one in str(incident["id"]))
        of = str(incident["service"]), str(incident["endpoint"])
        charts[f"{name}-latency"] = plot.latency(rows, *of)
        charts[f"{name}-errors"] = plot.errors(rows, *of)
        charts[f"{name}-culprits"] = plot.culprits(incident.get("ranking") or {})
    forms = ("png", "svg") if args.form == "both" else (args.form,)
    written = [
        plot.save(chart, out / f"{name}.{form}") for name, chart in charts.items() for form in forms
    ]
    if args.json:
        print_json({"files": {path.name: str(path) for path in written}})
        return errors.FINE
    from mad.report import terminal, text

    text.print_files(terminal.console(), written)
    return errors.FINE
