"""`mad doctor`: checks the installation, its environment, and everything that a settings file
names."""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from mad import _core, errors
from mad.cli import arguments, settings
from mad.cli.doctor_deployment import check_deployment, existing
from mad.cli.output import print_json
from mad.config.layers import CONFIDENCE, FILE, PREFIX, is_setting

Check = dict[str, Any]
_OTHERS = {
    CONFIDENCE: "a confidence that sets score.threshold, see docs/config.md",
    "BATCH_SIZE": "default of --batch-size in records of about 100 bytes",
    "LOG_LEVEL": "DEBUG has the effect of --verbose; other levels have none",
    "LLM_API_KEY": "not used; explanations come from templates",
    FILE: "the settings file without --config",
}


HELP = "check the installation, and try every connection of a settings file"
DESCRIPTION = (
    "Checks versions, optional packages, settings, environment, the output directory, the clock "
    "and the core. With a settings file it also tries the journal's directory, the port, the "
    "tokens, the secrets, and the peer of each source and sink, without sending a message. "
    "Exit code 2 when a check fails."
)


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    command.add_argument(
        "--out", default="out", metavar="DIR", help="directory to check (default: out)"
    )
    settings.add_config(command)
    arguments.add_json(command)


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    checks = [
        _check("mad", lambda: _core.__version__),
        _check("python", lambda: f"{platform.python_version()} ({sys.executable})"),
        _check("system", lambda: f"{platform.system()} {platform.release()} {platform.machine()}"),
        _check("config", lambda: config(args.config)),
        _check("output", lambda: writable(Path(args.out))),
        _check("clock", clock),
        _check("core", core),
    ]
    if checks[3]["ok"] and settings.file_of(args.config, os.environ):
        found = settings.deployment(args.config)
        check_deployment(found, lambda name, call: checks.append(_check(name, call)))
    fine = all(check["ok"] for check in checks)
    extras, seen = packages(), environment(os.environ)
    if args.json:
        print_json({"ok": fine, "checks": checks, "packages": extras, "environment": seen})
    else:
        _print(checks, extras, seen)
    return errors.FINE if fine else errors.USAGE


def _check(name: str, call: Callable[[], str]) -> Check:
    try:
        return {"name": name, "ok": True, "detail": call()}
    except (OSError, ValueError, errors.CommandError) as error:
        return {"name": name, "ok": False, "detail": str(error)}


def config(path: str | None) -> str:
    """Finds the settings file and validates all settings."""
    settings.deployment(path)
    file = settings.file_of(path, os.environ)
    return f"{file}: valid" if file else f"no file ({settings.DEFAULT} is read if it exists)"


def writable(directory: Path) -> str:
    """Checks that the directory is writable or can be created."""
    place = existing(directory)
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise ValueError(f"cannot write to {directory}: {errors.reason(error)}") from error
    return f"{directory} can be " + ("written to" if place == directory else "created")


def clock() -> str:
    """Checks that the clock is plausible compared with the package's own files."""
    now = time.time()
    installed = Path(_core.__file__).stat().st_mtime
    written = datetime.fromtimestamp(now, timezone.utc).isoformat(timespec="seconds")
    if now < installed - 86_400:
        raise ValueError(f"{written} is before mad was installed: set the clock")
    if now > installed + 50 * 365 * 86_400:
        raise ValueError(f"{written} is 50 years after mad was installed: set the clock")
    return written


def core() -> str:
    """Runs a detection over one hour whose last ten minutes are slow, and compares the result
    with the known answer."""
    import numpy as np

    import mad

    seconds = np.arange(3600)
    requests = {
        "timestamp": seconds,
        "service": ["payments"] * 3600,
        "endpoint": ["/pay"] * 3600,
        "status_code": np.full(3600, 200),
        "latency_ms": np.where(seconds >= 3000, 2000.0, 100.0 + seconds * 37 % 50),
    }
    found = [
        (incident.service, incident.endpoint, incident.start.timestamp(), incident.end.timestamp())
        for incident in mad.detect(requests).incidents
    ]
    expected = [("payments", "/pay", 3000.0, 3600.0)]
    if found != expected:
        raise ValueError(f"found {found} in the built-in example; expected {expected}")
    return "detected the incident of the built-in example"


def packages() -> list[dict[str, str | None]]:
    """The optional packages, the extra that adds each, and the installed versions."""
    try:
        required = metadata.requires("mad-py") or []
    except metadata.PackageNotFoundError:
        return []
    found: list[dict[str, str | None]] = []
    for requirement in required:
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)", requirement)
        name = re.match(r"[A-Za-z0-9._-]+", requirement)
        # the extra `all` requires the other extras of mad itself
        if extra is None or name is None or name[0] == "mad-py":
            continue
        try:
            version = metadata.version(name[0])
        except metadata.PackageNotFoundError:
            version = None
        found.append({"package": name[0], "extra": extra[1], "version": version})
    return found


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The effect of each variable for mad. Values are not shown because they may be secret."""
    seen = {}
    for name in sorted(environ):
        if is_setting(name):
            seen[name] = "sets " + name[len(PREFIX) :].lower().replace("__", ".")
        elif name in _OTHERS:
            seen[name] = _OTHERS[name]
        elif name.startswith(PREFIX):
            seen[name] = "sets nothing: a field is MAD_STAGE__FIELD, such as MAD_GUARD__MIN_POINTS"
    return seen


def _print(
    checks: list[Check], extras: list[dict[str, str | None]], seen: Mapping[str, str]
) -> None:
    from mad.report.words import visible

    width = max(8, *(len(check["name"]) for check in checks))
    lines = [
        f"{'ok   ' if check['ok'] else 'FAIL '} {check['name']:<{width}} {check['detail']}"
        for check in checks
    ]
    lines += ["", "optional packages:"] if extras else []
    unique: dict[str | None, dict[str, str | None]] = {}
    for entry in extras:
        unique.setdefault(entry["package"], entry)  # one package may belong to several extras
    for entry in unique.values():
        add = f"missing: pip install 'mad-py[{entry['extra']}]'"
        lines.append(f"  {entry['package']:<18} {entry['version'] or add}")
    lines += ["", "environment:"] if seen else []
    lines += [f"  {name}  {meaning}" for name, meaning in seen.items()]
    sys.stdout.write("".join(visible(line) + "\n" for line in lines))
