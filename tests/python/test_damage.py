"""Cut and changed files of a journal: loss is detected at the start, reported with its extent, and
never silent."""

from __future__ import annotations

import contextlib
import importlib
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from service import Server, an_hour, lines

from mad.engine import Engine
from mad.errors import StateError
from mad.journal import DamagedJournal, Entry, Journal, recover
from mad.journal.head import SLOT
from mad.journal.opening import FILES as FILES_OF_JOURNAL

#: Places per kind of damage: `MAD_DAMAGE=65536` cuts at every byte of the last 64 kB.
PLACES = int(os.environ.get("MAD_DAMAGE", "25"))
FLIPS = int(os.environ.get("MAD_FLIPS", "100"))
SEED = int(os.environ.get("MAD_SEED", "1"))
#: `MAD_PART=3/16` takes the fourth of sixteen parts of the places, so that long runs may be split.
PART, PARTS = map(int, os.environ.get("MAD_PART", "0/1").split("/"))
LAST = 64 * 1024
FILES = ("mad.db", "mad.db-wal", "mad.head")


class Sound:
    """The files of a server that was killed, and the inputs and state that they hold."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "sound"
        live = directory / "live"
        engine = Engine(Journal(live), ticking=False)
        engine.start()
        records = an_hour()
        bodies = [lines(records[start : start + 200]) for start in range(0, len(records), 200)]
        for place, body in enumerate(bodies):
            entry = Entry("requests", body, batch_id=f"b{place}")
            engine.submit(entry).result(30)
            if place == len(bodies) // 2:
                engine.checkpoint().result(30)
                # the log is copied into the database, as it happens now and then
                with contextlib.closing(sqlite3.connect(live / "mad.db")) as db:
                    db.execute("PRAGMA wal_checkpoint")
        engine.command({"command": "mute", "service": "auth", "endpoint": "*", "until": 2**62})
        (incident,) = incidents(live)
        engine.write(lambda to: to.note(incident, "ann", "comment", "looking")).result(30)
        self.directory.mkdir()
        for name in FILES:
            shutil.copy(live / name, self.directory / name)
        engine.stop(save=False)
        self.expected = contents(self.copy(directory / "first"))

    def copy(self, to: Path) -> Path:
        """The files in another directory."""
        shutil.rmtree(to, ignore_errors=True)
        return Path(shutil.copytree(self.directory, to))

    def outcome(self, to: Path, damage: Callable[[Path], None]) -> str:
        """`refused`, `sound` or `silent` for a copy with damage; other errors are raised."""
        damage(self.copy(to))
        try:
            return "sound" if contents(to) == self.expected else "silent"
        except StateError as error:
            assert error.hint and str(to) in str(error)
            return "refused"


def incidents(directory: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(directory / "mad.db")) as db:
        return [id for (id,) in db.execute("SELECT id FROM incidents")]


def contents(directory: Path) -> tuple[Any, ...]:
    """Everything that was acknowledged: state, entries, comments and audit trail."""
    journal = Journal(directory)
    try:
        with contextlib.closing(sqlite3.connect(directory / "mad.db")) as db:
            notes = db.execute("SELECT * FROM notes").fetchall()
            audit = db.execute("SELECT * FROM audit").fetchall()
        return journal.state(), list(journal.entries()), notes, audit, journal.seq
    finally:
        journal.close()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sound]:
    yield Sound(tmp_path_factory.mktemp("damage"))


def _cut(name: str, size: int) -> Callable[[Path], None]:
    return lambda directory: os.truncate(directory / name, size)


def _flip(name: str, place: int, bit: int) -> Callable[[Path], None]:
    def damage(directory: Path) -> None:
        with (directory / name).open("r+b") as file:
            file.seek(place)
            (byte,) = file.read(1)
            file.seek(place)
            file.write(bytes([byte ^ 1 << bit]))

    return damage


@pytest.mark.parametrize("name", FILES)
def test_a_cut_file_is_never_silent(sound: Sound, tmp_path: Path, name: str) -> None:
    whole = (sound.directory / name).stat().st_size
    places = range(max(0, whole - LAST), whole)
    chosen = random.Random(SEED).sample(places, min(PLACES, len(places)))[PART::PARTS]
    outcomes = {size: sound.outcome(tmp_path / "cut", _cut(name, size)) for size in chosen}
    count = Counter(outcomes.values())
    print(f"{name}: {len(chosen)} cuts, {dict(count)}")
    assert [size for size, found in outcomes.items() if found == "silent"] == []
    if name != "mad.head":
        assert "refused" in outcomes.values()


@pytest.mark.parametrize("log", [True, False])
def test_a_short_database_is_never_silent(sound: Sound, tmp_path: Path, log: bool) -> None:
    def damage(size: int) -> Callable[[Path], None]:
        def cut(directory: Path) -> None:
            os.truncate(directory / "mad.db", size)
            if not log:
                (directory / "mad.db-wal").unlink()

        return cut

    for size in (0, 1, 16, 99, 100, 512, 4096, 16_384):
        assert sound.outcome(tmp_path / "short", damage(size)) == "refused", size


@pytest.mark.parametrize("name", FILES_OF_JOURNAL)
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_files_that_are_not_regular_are_refused(
    sound: Sound, tmp_path: Path, name: str, make: Callable[[Path], None]
) -> None:
    data = sound.copy(tmp_path / "odd")
    (data / name).unlink(missing_ok=True)
    make(data / name)
    with pytest.raises(StateError, match="not a regular file"):
        Engine(Journal(data))


def test_a_flipped_bit_is_never_silent(sound: Sound, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    sizes = [(sound.directory / name).stat().st_size for name in FILES]
    found: dict[str, list[tuple[str, int, int]]] = {"silent": [], "refused": [], "sound": []}
    for number in range(FLIPS):
        name, size = chance.choice(list(zip(FILES, sizes, strict=True)))
        place, bit = chance.randrange(size), chance.randrange(8)
        if number % PARTS != PART:
            continue
        outcome = sound.outcome(tmp_path / "flip", _flip(name, place, bit))
        found[outcome].append((name, place, bit))
    print(
        f"{FLIPS // PARTS} flipped bits, { {name: len(places) for name, places in found.items()} }"
    )
    assert found["silent"] == []
    assert len(found["refused"]) > FLIPS // PARTS // 5


def test_the_extent_is_reported(sound: Sound, tmp_path: Path) -> None:
    last = sound.expected[-1]
    with pytest.raises(
        DamagedJournal, match=rf"entr.*{last}.* had been acknowledged and is missing"
    ):
        Journal(_damaged(sound, tmp_path / "tail", _cut("mad.db-wal", 0)))
    changed = _damaged(sound, tmp_path / "changed", lambda _: None)
    with contextlib.closing(sqlite3.connect(changed / "mad.db")) as db:
        db.execute("UPDATE journal SET body = body || x'00' WHERE seq = ?", (last - 2,))
        db.execute("DELETE FROM journal WHERE seq = ?", (last - 1,))
        db.commit()
    expected = (
        rf"entry {last - 2} does not match its checksum; entry {last - 1} before entry {last}"
    )
    with pytest.raises(DamagedJournal, match=expected):
        Journal(changed)
    parts = _damaged(sound, tmp_path / "parts", lambda _: None)
    with contextlib.closing(sqlite3.connect(parts / "mad.db")) as db:
        db.execute("DELETE FROM state WHERE id = (SELECT max(id) FROM state)")
        db.commit()
    with pytest.raises(DamagedJournal, match="parts are not those of the last checkpoint"):
        contents(parts)
    with pytest.raises(DamagedJournal, match="is missing or damaged"):
        Journal(_damaged(sound, tmp_path / "head", lambda of: (of / "mad.head").unlink()))
    with pytest.raises(DamagedJournal, match="the database is missing"):
        both = _damaged(sound, tmp_path / "both", lambda of: (of / "mad.db").unlink())
        (both / "mad.db-wal").unlink()
        Journal(both)


def _damaged(sound: Sound, to: Path, damage: Callable[[Path], None]) -> Path:
    damage(sound.copy(to))
    return to


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("DROP TABLE log_lines", "table log_lines is missing"),
        ("DROP INDEX history_of", "index history_of is missing"),
        ("ALTER TABLE points ADD COLUMN other", "table points was changed"),
        (
            "CREATE TRIGGER other AFTER INSERT ON journal BEGIN DELETE FROM audit; END",
            "trigger other is not part of a journal",
        ),
    ],
)
def test_a_changed_schema_is_found_at_the_start(
    sound: Sound, tmp_path: Path, change: str, expected: str
) -> None:
    """Otherwise the first batch that needs the table would fail, and each one after it."""
    data = sound.copy(tmp_path / "data")
    with contextlib.closing(sqlite3.connect(data / "mad.db")) as db:
        db.execute(change)
        db.commit()
    with pytest.raises(DamagedJournal, match=expected):
        Journal(data)
    recover(data)
    assert contents(data)[0] == sound.expected[0]


def test_one_slot_of_the_head_is_enough(sound: Sound, tmp_path: Path) -> None:
    outcomes = [
        sound.outcome(tmp_path / "slot", _flip("mad.head", at, 0)) for at in (20, SLOT + 20)
    ]
    assert outcomes == ["sound", "sound"]


def test_zeroed_pages_are_no_fault_of_the_program(sound: Sound, tmp_path: Path) -> None:
    size = (sound.directory / "mad.db").stat().st_size

    def zero(page: int) -> Callable[[Path], None]:
        def damage(directory: Path) -> None:
            with (directory / "mad.db").open("r+b") as file:
                file.seek(page * 16_384)
                file.write(bytes(16_384))

        return damage

    outcomes = [sound.outcome(tmp_path / "zero", zero(page)) for page in range(size // 16_384)]
    assert "silent" not in outcomes and outcomes.count("refused") > 10


def test_the_service_names_the_remedy_and_continues_with_it(sound: Sound, tmp_path: Path) -> None:
    """Exit code 3, then `--recover` keeps the sound part and the damaged files."""
    data = _damaged(sound, tmp_path / "data", _cut("mad.db-wal", 200_000))
    command = [sys.executable, "-m", "mad.cli", "serve", "--port", "0", "--data", str(data)]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 3, refused.stderr
    assert "the journal is damaged" in refused.stderr and "--recover" in refused.stderr
    with Server(data, "--recover") as server:
        assert "recovered" in server.said and "lost" in server.said
        assert server.get("/health")["status"] == "ok"
        server.post("/v1/ingest/requests", an_hour()[-90:])
        assert server.stop() == 0
    (aside,) = data.glob("damaged-*")
    for name in ("mad.db", "mad.head"):
        assert (aside / name).read_bytes() == (sound.directory / name).read_bytes()
    assert (aside / "mad.db-wal").stat().st_size == 200_000
    with Server(data) as server:  # the recovered journal is sound
        audit = server.get("/v1/query/audit")["data"]
    assert [line["action"] for line in audit][-1:] == ["recover"]


def test_an_interrupted_recovery_loses_nothing(
    sound: Sound, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = sound.copy(tmp_path / "data")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    for step in ("save_record", "link", "sync_directory", "HeadFile"):
        with monkeypatch.context() as patch:
            patch.setattr(importlib.import_module("mad.journal.recover"), step, interrupted)
            with pytest.raises(KeyboardInterrupt):
                recover(data)
        with pytest.raises(StateError, match="recovery was interrupted"):
            contents(data)
    assert "nothing is lost" in recover(data)
    state, entries, notes, audit, seq = contents(data)
    assert (state, entries, notes) == sound.expected[:3] and seq == sound.expected[4]
    assert ["recover" in line for line in audit].count(True) == 1
    assert not (data / "mad.recovering").exists()


@pytest.mark.parametrize("broken", ["schema", "state", "entry"])
def test_recovery_keeps_what_can_be_read(sound: Sound, tmp_path: Path, broken: str) -> None:
    def damage(directory: Path) -> None:
        if broken == "schema":
            (directory / "mad.db-wal").unlink()
            os.truncate(directory / "mad.db", 50)
            return
        with contextlib.closing(sqlite3.connect(directory / "mad.db")) as db:
            if broken == "state":
                db.execute("UPDATE state SET part = x'00' WHERE id = 0")
            else:
                db.execute(
                    "UPDATE journal SET body = x'00' WHERE seq = (SELECT max(seq) FROM journal)"
                )
            db.commit()

    data = _damaged(sound, tmp_path / "data", damage)
    with pytest.raises(StateError):
        contents(data)
    report = recover(data)
    state, entries, notes, _, seq = contents(data)
    assert seq >= sound.expected[-1], report  # no number is given twice
    if broken == "entry":
        assert state == sound.expected[0] and notes == sound.expected[2]
        assert entries[:-1] == sound.expected[1][:-1]
        assert entries[-1].kind == "lost" and f"entry {seq} lost" in report
    elif broken == "state":
        assert state is None and "the learnt state is damaged" in report
        assert entries == sound.expected[1]
    engine = Engine(Journal(data), ticking=False)
    engine.start()
    assert engine.submit(Entry("requests", lines(an_hour()[:90]))).result(30).seq == seq + 1
    engine.stop()
    again = Engine(Journal(data), ticking=False)
    again.journal.close()
