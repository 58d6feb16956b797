"""Runs the dashboard's server, and reads the results while the first visitor is on the way."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

from streamlit.web import bootstrap

from mad import errors


def run(script: Path, target: str, host: str, port: int, *, with_browser: bool) -> None:
    """Serves the script on a port until Ctrl-C. No usage statistics are sent."""
    options = {
        "server_address": host,
        "server_port": port,
        "server_headless": not with_browser,
        "server_fileWatcherType": "none",
        "browser_gatherUsageStats": False,
        "client_toolbarMode": "minimal",
        "global_developmentMode": False,
    }
    threading.Thread(target=_read, args=(target,), daemon=True).start()
    bootstrap.load_config_options(options)
    bootstrap.run(str(script), False, [target], options)


def _read(target: str) -> None:
    """Imports the charts and opens the results, which takes seconds for a million rows. The page
    shows what fails."""
    from mad.dashboard import pages
    from mad.dashboard.store import shared_store

    assert pages.CARDS
    with contextlib.suppress(errors.CommandError):
        shared_store(target).rows()
