"""`mad dashboard`: the dashboard in a browser, over files or a server."""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

from mad import errors
from mad.cli import arguments, remote

HELP = "open the dashboard over files or a server"
DESCRIPTION = (
    "Shows results in a browser with filters, plots, incidents, culprits, reasons and replays. "
    "DIR is the output of mad detect, FILE telemetry that is judged on the spot, URL a server. "
    "Needs mad-py[dashboard]. The token of a server comes from the variable MAD_TOKEN."
)
_PORT = 8501


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    command.add_argument("source", metavar="DIR|FILE|URL", help="results, telemetry or a server")
    command.add_argument("--host", default="127.0.0.1", help="address (default: 127.0.0.1)")
    command.add_argument(
        "--port",
        type=arguments.whole(1, 65535),
        default=_PORT,
        metavar="N",
        help=f"port (default: {_PORT})",
    )
    command.add_argument("--open", action="store_true", help="open a browser")


def run(args: argparse.Namespace) -> int:
    """Runs the command until Ctrl-C."""
    if find_spec("streamlit") is None or find_spec("pyarrow") is None:
        raise errors.MissingExtraError(
            "the dashboard needs streamlit and pyarrow: pip install 'mad-py[dashboard]'"
        )
    if not remote.is_url(args.source) and not Path(args.source).exists():
        raise errors.InputError(f"{args.source} does not exist", "give DIR, FILE or URL")
    from mad import dashboard
    from mad.dashboard import serve

    sys.stderr.write(f"mad: the dashboard listens on http://{args.host}:{args.port}\n")
    sys.stderr.flush()
    script = Path(dashboard.__file__).with_name("app.py")
    serve.run(script, args.source, args.host, args.port, with_browser=args.open)
    return errors.FINE
