"""Makes the secrets of the Compose demo once: a token file for mad, one file for each client, and
the password of Grafana's administrator."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

CLIENTS = {"shop": "read,ingest", "collector": "ingest", "prometheus": "read", "admin": "admin"}


def main(directory: Path) -> None:
    """Writes the files into `directory`, unless they are there."""
    tokens = directory / "tokens"
    if not tokens.exists():
        # The clients run as other users, which need the files of their tokens only.
        directory.chmod(0o711)
        lines = []
        for client, scopes in CLIENTS.items():
            token = secrets.token_hex(16)
            lines.append(f"{scopes} {token} {client}\n")
            _write(directory / client, token, 0o600 if scopes == "admin" else 0o644)
        _write(directory / "grafana", secrets.token_hex(16), 0o644)
        # Last, because its presence says that all files are there.
        _write(tokens, "".join(lines), 0o600)
    print("token of an administrator:", (directory / "admin").read_text())
    print("password of Grafana's administrator, admin:", (directory / "grafana").read_text())


def _write(file: Path, text: str, mode: int) -> None:
    file.touch(mode)
    file.chmod(mode)
    file.write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
