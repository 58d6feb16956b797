"""Makes the tokens of the Compose demo once: a token file for mad, and one file for each client."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

CLIENTS = {"shop": "read,ingest", "collector": "ingest", "prometheus": "read", "admin": "admin"}


def main(directory: Path) -> None:
    """Writes the files into `directory`, unless they are there."""
    tokens = directory / "tokens"
    if not tokens.exists():
        lines = []
        for client, scopes in CLIENTS.items():
            token = secrets.token_hex(16)
            lines.append(f"{scopes} {token} {client}\n")
            # The clients run as other users. The volume belongs to this demo only.
            file = directory / client
            file.write_text(token)
            file.chmod(0o644)
        tokens.touch(0o600)
        tokens.write_text("".join(lines))
    print("token of an administrator:", (directory / "admin").read_text())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
