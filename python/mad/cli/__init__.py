"""The command line `mad`.

Exit codes: 0 success; 1 `--fail-on` was met, or the demo failed; 2 usage or configuration; 3
unreadable input; 4 a server that cannot be reached. Also 130 and 143 after an interruption, 141
when the reader of the output left, 70 for an internal error of mad.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NoReturn

from mad import errors

__all__ = ["main"]

_DESCRIPTION = """\
Robust anomaly detection for microservices: finds incidents in request logs, names the
culprit and explains both.
"""

_EXAMPLES = """\
examples:
  mad demo --open                      simulate a shop with an incident and find it
  mad detect requests.csv.gz           read a log, write out/report.html and tables
  mad detect a.jsonl b.jsonl --json    several files, merged by time, for machines
  mad inspect access.log               say what a file holds and what would be read
  mad explain out                      explain the worst incident
  mad explain out --service payments   why its endpoints are flagged or not
  mad culprits out --at 2026-01-06T10:54:00Z
  mad graph spans.csv --out graph.html draw the service graph
  mad log-templates app.log            list the kinds of lines of a log
  mad cluster-logs app.log             group them by their words
  mad plot out --out pictures          write PNG and SVG
  mad train requests.csv --out model   train a forest for mad detect --scorer model
  mad serve --data DIR                 run the live service
  mad dashboard out                    filters, plots and replays in a browser
  mad watch URL                        show a server live in the terminal
  mad replay requests.csv --speed 60   replay a file, an hour in a minute
  mad gate URL --for 10m               fail a pipeline when an incident opens
  mad mcp URL                          answer questions of assistants about incidents
  mad alert test                       send a test message to every sink of mad.toml
  mad change payments --version 2.14   record a deployment
  mad config check mad.toml            list the problems of a settings file

exit codes:
  0 success   1 --fail-on was met   2 usage or configuration   3 unreadable input
  4 a server that cannot be reached
"""


class _Version(argparse.Action):
    def __call__(self, *_: Any, **__: Any) -> NoReturn:
        sys.stdout.write(f"mad {version()}\n")
        raise SystemExit(errors.FINE)


def version() -> str:
    """The installed version of mad."""
    import mad

    known = getattr(mad, "__version__", None)
    if isinstance(known, str):
        return known
    from importlib import metadata

    try:
        return metadata.version("mad-py")
    except metadata.PackageNotFoundError:
        return "unknown"


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    from mad.cli import (
        accept,
        alert,
        bench,
        change,
        cluster_logs,
        config,
        culprits,
        dashboard,
        demo,
        detect,
        doctor,
        evaluate,
        explain,
        gate,
        graph,
        inspect,
        log_templates,
        mcp,
        plot,
        replay,
        serve,
        simulate,
        train,
        watch,
    )

    top = argparse.ArgumentParser(
        prog="mad",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--verbose", action="store_true", help="print more details, and a traceback on errors"
    )
    commands = top.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    modules = (
        demo,
        detect,
        inspect,
        serve,
        watch,
        dashboard,
        replay,
        accept,
        alert,
        change,
        explain,
        culprits,
        gate,
        graph,
        log_templates,
        cluster_logs,
        plot,
        train,
        evaluate,
        simulate,
        config,
        bench,
        mcp,
        doctor,
    )
    for module in modules:
        command = commands.add_parser(
            module.__name__.rpartition(".")[2].replace("_", "-"),
            parents=[common],
            help=module.HELP,
            description=module.DESCRIPTION,
            epilog=getattr(module, "EPILOG", None),
            formatter_class=_formatter(module),
        )
        if hasattr(module, "add_commands"):
            module.add_commands(command, common)
        else:
            module.add_arguments(command)
            command.set_defaults(run=module.run, refuse=command.error)
    return top


def _formatter(module: ModuleType) -> type[argparse.HelpFormatter]:
    """Keeps the lines of a module that has an epilog."""
    is_raw = hasattr(module, "EPILOG")
    return argparse.RawDescriptionHelpFormatter if is_raw else argparse.HelpFormatter


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; wrong arguments raise SystemExit(2)."""
    from mad.cli import output

    output.open_standard_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            code = _run(argv)
        except SystemExit:
            sys.stdout.flush()
            raise
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        _complain("interrupted", "")
        return errors.INTERRUPTED
    except BrokenPipeError:
        output.discard_standard_output()
        return errors.BROKEN_PIPE
    except OSError as error:
        # such as a full disk; buffered output must not fail again at the exit
        output.discard_standard_output()
        from mad.cli import settings

        if settings.is_verbose() or "--verbose" in (sys.argv[1:] if argv is None else argv):
            _print_traceback()
        where = error.filename or "cannot read or write"
        _complain(f"{where}: {errors.reason(error)}", "")
        return errors.USAGE
    except Exception:
        _print_traceback()
        _complain("this is an internal error of mad", "please report it with the traceback above")
        return errors.INTERNAL


def _run(argv: Sequence[str] | None) -> int:
    top = parser()
    arguments = top.parse_args(argv)
    if arguments.command is None:
        top.print_help(sys.stderr)
        return errors.USAGE
    _end_on_termination()
    from mad.cli import settings

    arguments.verbose = arguments.verbose or settings.is_verbose()
    try:
        return int(arguments.run(arguments))
    except errors.CommandError as error:
        if arguments.verbose:
            _print_traceback()
        _complain(str(error), error.hint)
        return error.code


def _print_traceback() -> None:
    import traceback

    traceback.print_exc()


def _complain(message: str, hint: str) -> None:
    from mad.report.words import visible

    sys.stderr.write(f"mad: {visible(message)}\n")
    if hint:
        sys.stderr.write(f"     {visible(hint)}\n")


def _end_on_termination() -> None:
    """Turns a termination signal into SystemExit, so that unfinished files are removed."""

    def leave(*_: object) -> NoReturn:
        raise SystemExit(errors.TERMINATED)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, leave)
