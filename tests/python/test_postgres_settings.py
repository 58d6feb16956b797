"""The settings of a journal in PostgreSQL: secrets, checks, `mad doctor`. `make test-real` names a
missing server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from peers import free_port
from postgres_peer import NEEDED, Postgres, opened, postgres

from mad.cli import main
from mad.config.deployment import problems_of
from mad.config.secret import Secret
from mad.config.server import JournalOptions
from mad.journal import Mirror

pytestmark = NEEDED


@pytest.fixture(scope="module")
def peer() -> Iterator[Postgres]:
    with postgres() as one:
        yield one


def test_a_password_is_read_from_a_file_and_never_shown(peer: Postgres, tmp_path: Path) -> None:
    peer.sql("CREATE ROLE guarded LOGIN PASSWORD 'wonderland'")
    peer.sql("GRANT CREATE ON DATABASE mad TO guarded")
    (tmp_path / "password").write_text("wonderland\n")
    url = peer.url.replace("//mad@", "//guarded@")
    said: list[str] = []
    for secret in ("password", "wrong"):
        options = JournalOptions(
            url=url, name="guarded", password=Secret(f"file:{tmp_path / secret}")
        )
        if secret == "wrong":
            (tmp_path / "wrong").write_text("queen")
            with pytest.raises(Exception, match="password authentication failed") as raised:
                Mirror(options, said.append)
            said.append(str(raised.value))
        else:
            mirror = Mirror(options, said.append)
            said += [mirror.place, repr(options)]
            mirror.close()
    assert not any("wonderland" in one or "queen" in one for one in said)


def test_settings_are_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = '[server.journal]\nurl = "postgresql://mad:secret@db/mad"\nname = "Cart"\n'
    for given in (text, text.replace("mad:secret@db/mad", "db/mad?password=secret")):
        problems = [one.message for one in problems_of(given, "mad.toml")[0]]
        assert any("server.journal.name" in one and "Cart" in one for one in problems), problems
        problems = [one.message for one in problems_of(given.replace("Cart", "c"), "mad.toml")[0]]
        assert len(problems) == 1 and "password" in problems[0] and "secret" not in problems[0]
    arguments = ["serve", "--data", str(tmp_path), "--journal"]
    for url in ("postgresql://mad:secret@127.0.0.1:1/mad", "postgresql://h/d?password=secret"):
        assert main([*arguments, url]) == 2
        assert "secret" not in capsys.readouterr().err
    assert main(["serve", "--data", str(tmp_path), "--name", "cart"]) == 2
    assert main([*arguments, "postgresql://127.0.0.1:1/mad", "--port", "0"]) == 4
    assert "postgresql://127.0.0.1:1/mad" in capsys.readouterr().err
    for url in ("postgresql://127.0.0.1:99999/mad", "postgresql://127.0.0.1/mad?sslmode=x"):
        assert main([*arguments, url, "--port", "0"]) == 4
        assert "see whether PostgreSQL runs, and the url" in capsys.readouterr().err


def test_doctor_examines_the_database(
    peer: Postgres, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    peer.sql("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    peer.sql("CREATE ROLE stranger LOGIN")
    opened(peer, "examined", tmp_path / "one").close()
    gone = f"postgresql://mad@127.0.0.1:{free_port()}/mad"
    stranger = peer.url.replace("//mad@", "//stranger@")
    for url, name, text in (
        (peer.url, "examined", "no server writes mad_examined, which has"),
        (peer.url, "unknown", "the journal 'unknown' is new"),
        (gone, "examined", "start PostgreSQL"),
        (peer.url[:-3] + "latin", "examined", "the encoding is LATIN1"),
        (stranger, "new", "GRANT CREATE ON DATABASE"),
    ):
        file = tmp_path / "mad.toml"
        place = f"[server]\ndata = '{tmp_path / 'data'}'\nport = 0\n"
        file.write_text(f"{place}[server.journal]\nurl = '{url}'\nname = '{name}'\n")
        main(["doctor", "--config", str(file)])
        assert text in " ".join(capsys.readouterr().out.split()), url
    schemas = peer.sql("SELECT 1 FROM pg_namespace WHERE nspname = 'mad_unknown'")
    assert schemas == []
