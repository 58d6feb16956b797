"""Checks of `mad doctor` that concern a deployment: port, journal, secrets, sources and sinks."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from mad import errors
from mad.config.deployment import Deployment, Part
from mad.config.secret import Secret, SecretMissing
from mad.config.server import JournalOptions

#: Least bytes that the disk of the journal should have free.
LOW_BYTES = 256 * 1024 * 1024
#: Extras of the server.
_SERVER = ("fastapi", "uvicorn")

Report = Callable[[str, Callable[[], str]], None]


def check_deployment(deployment: Deployment, report: Report) -> None:
    """Reports the checks of a deployment: name and a function that returns the detail or raises
    ValueError with the problem and its remedy."""
    server = deployment.server
    report("extras", extras)
    report("journal", lambda: journal(Path(server.data or "mad-data")))
    if server.journal.url is not None:
        report("postgresql", lambda: postgresql(server.journal))
    report("port", lambda: port(server.host, server.port))
    report("tokens", lambda: tokens(server.token_file, server.host))
    report("webhooks", lambda: secrets(server.webhooks))
    for name, part in deployment.sources.items():
        report(f"source {name}", partial(component, part))
    for name, part in deployment.sinks.items():
        report(f"sink {name}", partial(component, part))


def extras() -> str:
    """Whether the packages of the server are installed."""
    from importlib.util import find_spec

    missing = [name for name in _SERVER if find_spec(name) is None]
    if missing:
        raise ValueError(f"{', '.join(missing)} missing: pip install 'mad-py[serve]'")
    return "the server can run"


def journal(directory: Path) -> str:
    """Whether the journal's directory can be written, is free, and its disk has space."""
    if directory.exists() and not directory.is_dir():
        raise ValueError(f"{directory} is no directory: give another server.data")
    place = existing(directory)
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise ValueError(
            f"cannot write to {directory}: {errors.reason(error)}: give another server.data"
        ) from None
    disk = os.statvfs(place)
    free = disk.f_bavail * disk.f_frsize
    if free < LOW_BYTES:
        raise ValueError(
            f"the disk of {directory} has {free // 1024**2} MiB left: free space, at least "
            f"{LOW_BYTES // 1024**2} MiB"
        )
    if owner := _owner(directory):
        raise ValueError(f"{directory} is used by the process {owner}: stop it, or ask it")
    return f"{directory} can be written to, {free // 1024**3} GiB free"


def postgresql(options: JournalOptions) -> str:
    """Whether the database can have the copy of the journal, and who writes it."""
    from mad.journal.postgres.examine import examine

    try:
        return examine(options)
    except errors.MissingExtraError as error:
        raise ValueError(f"{error}: {error.hint}") from None


def existing(path: Path) -> Path:
    """The path, or its nearest parent that exists."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _owner(directory: Path) -> str:
    """The process that has locked the journal; empty when there is none."""
    from mad.journal.lock import Lock

    if not (directory / "mad.lock").exists():
        return ""
    try:
        Lock(directory).release()
    except errors.StateError as error:
        return str(error)
    return ""


def port(host: str, number: int) -> str:
    """Whether the server can listen."""
    if number == 0:
        return "a free one is chosen"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, number))
        except OSError as error:
            raise ValueError(
                f"{host}:{number}: {errors.reason(error)}: give another server.host or server.port"
            ) from None
    return f"{host}:{number} is free"


def tokens(path: str | None, host: str) -> str:
    """Whether the file of tokens can be used, and whether the address needs one."""
    from mad.api.auth import Tokens
    from mad.cli.listening import is_loopback

    if path is None:
        if not is_loopback(host):
            raise ValueError(
                f"{host} is reachable from other machines without a token: set server.token_file"
            )
        return "none needed: the server listens on this machine only"
    try:
        return f"{path}: {len(Tokens.read(Path(path)).principals)} tokens"
    except errors.UsageError as error:
        raise ValueError(f"{error}: {error.hint}") from None


def secrets(options: Any) -> str:
    """Whether every secret of the options is there, and no other user can read its file."""
    found = list(_secrets_of(options))
    if problems := [said for secret in found if (said := _problem_of(secret))]:
        raise ValueError("; ".join(problems))
    return f"{len(found)} secrets are there" if found else "no secrets"


def _problem_of(secret: Secret) -> str:
    """Why a secret cannot be used; empty when it can."""
    try:
        secret.value()
    except SecretMissing as error:
        return str(error)
    kind, _, path = secret.reference.partition(":")
    others = stat.S_IROTH | stat.S_IWOTH
    if kind == "file" and os.name == "posix" and Path(path).stat().st_mode & others:
        return f"{path}: other users can read it: chmod 600 {path}"
    return ""


def _secrets_of(value: Any) -> Iterator[Secret]:
    if isinstance(value, Secret):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _secrets_of(inner)
    elif isinstance(value, tuple):
        for inner in value:
            yield from _secrets_of(inner)
    elif hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            yield from _secrets_of(getattr(value, name))


def component(part: Part) -> str:
    """Whether a source or sink finds its peer."""
    secrets(part.options)
    try:
        problems = part.build().check()
    except ImportError as error:
        hint = getattr(error, "hint", "")
        raise ValueError(f"{error}: {hint}" if hint else str(error)) from None
    except ValueError:
        raise
    except Exception as error:  # the class may be another package's
        raise ValueError(f"the check failed: {type(error).__name__}: {error}") from None
    if problems:
        raise ValueError("; ".join(map(str, problems)))
    return f"{part.type}: ready"
