"""`mad watch` and `mad replay`: the fleet in a terminal, from files and from a server."""

from __future__ import annotations

import gzip
import io
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from service import Server, an_hour, lines

from mad import errors
from mad.cli import main, replay
from mad.view import EntityView, FollowedFile, LocalFeed, ServerFeed, Snapshot, timed_lines
from mad.view.records import lines_of
from mad.view.screen import Choice, draw, sparkline


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An hour in which payments /pay is slow at the end."""
    path = tmp_path_factory.mktemp("watch") / "hour.jsonl"
    path.write_bytes(lines(an_hour(bad=range(50, 60))))
    return path


def drawn(snapshot: Snapshot, width: int, height: int = 24, encoding: str = "utf-8") -> list[str]:
    """The lines of a screen without colours."""
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="replace")
    console = Console(file=file, width=width, height=height, highlight=False, markup=False)
    console.print(draw(snapshot, Choice(), console, keys=True))
    file.flush()
    return file.buffer.getvalue().decode(encoding).split("\n")


def local(recording: Path) -> LocalFeed:
    feed = LocalFeed(recording.name)
    for _, body, records in timed_lines(str(recording)).pieces(60.0, 100_000):
        feed.take(body, "requests", records)
    return feed


@pytest.mark.parametrize("width", [40, 80, 100, 132, 200])
def test_a_screen_fits_its_terminal(recording: Path, width: int) -> None:
    found = drawn(local(recording).snapshot(), width)
    assert max(map(len, found)) <= width and len(found) <= 25
    text = "\n".join(found)
    assert "1 open" in text or width < 80
    assert "Anomalous" in text
    assert "payments" in text


def test_a_terminal_without_utf8_gets_plain_bars(recording: Path) -> None:
    text = "\n".join(drawn(local(recording).snapshot(), 80, encoding="ascii"))
    assert "payments /pay" in text and "?" * 5 not in text


def test_names_cannot_change_the_terminal() -> None:
    evil = "\x1b[2J" + "x" * 512 + "[bold]"
    view = EntityView(evil, "/a\nb")
    incident = {"id": evil, "service": evil, "endpoint": "/a", "severity": "Critical"}
    found = drawn(Snapshot("name", entities=[view], incidents=[incident]), 80)
    assert "\x1b[2J" not in "\n".join(found) and max(map(len, found)) <= 80


def test_sparklines() -> None:
    assert sparkline([0, 1, 2, 4, None], 6) == " ▁▃▅█ "
    assert sparkline([], 3) == "   "
    assert sparkline([0.0, 0.0], 2) == "▁▁"
    assert sparkline([1, 2], 2, plain=True).isascii()


def test_an_empty_store_and_one_row_are_shown() -> None:
    assert "No row was judged yet" in "\n".join(drawn(Snapshot("empty"), 80))
    feed = LocalFeed("one")
    feed.take(lines(an_hour(minutes=1)), "requests", 90)
    feed.finish()
    assert "auth /login" in "\n".join(drawn(feed.snapshot(), 80))


def test_files_are_sorted_by_time_and_cut_into_pieces(tmp_path: Path) -> None:
    path = tmp_path / "mixed.csv"
    rows = ["timestamp,service", "2026-01-06T10:00:05Z,b", "oops,c", "1767693601,a"]
    path.write_text("\n".join(rows))
    found = timed_lines(str(path))
    assert found.lines == [b"1767693601,a\n", b"2026-01-06T10:00:05Z,b\n"]
    assert found.skipped == 1 and found.media_type == "text/csv"
    assert [count for _, _, count in found.pieces(2.0, 10)] == [1, 1]
    assert [body for _, body, _ in found.pieces(60.0, 10)] == [
        b"timestamp,service\n1767693601,a\n2026-01-06T10:00:05Z,b\n"
    ]


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"{}\n", b"timestamp\nnever\n"])
def test_files_without_times_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    assert main(["replay", str(path)]) == errors.INPUT


def test_a_replay_into_a_server_is_what_the_server_judges(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Server(tmp_path / "data", "--no-ticks") as server:
        assert main(["replay", str(recording), "--speed", "0", "--to", server.url]) == 0
        assert "5,400 sent, 5,400 accepted, 0 rejected" in capsys.readouterr().out
        assert main(["watch", server.url]) == 0
        shown = capsys.readouterr().out
        assert "1 open incident" in shown and "Anomalous" in shown
        feed = ServerFeed(server.url)
        before = feed.snapshot()
        assert not before.problem and len(before.entities[0].requests) > 50
        server.stop()
        gone = feed.snapshot()
        assert "does not answer" in gone.problem and gone.entities == before.entities
        port = server.url.rpartition(":")[2]
        with Server(tmp_path / "data", "--no-ticks", "--port", port):
            assert not feed.snapshot().problem
        feed.close()


def test_a_replay_without_a_terminal_prints_its_end(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(recording), "--speed", "0"]) == 0
    assert "payments /pay" in capsys.readouterr().out


@pytest.mark.parametrize("end", [b"q", b"\x03"])
def test_keys_select_open_and_quit(recording: Path, end: bytes) -> None:
    command = [sys.executable, "-m", "mad.cli", "watch", str(recording), "--every", "0.2"]
    said, code = in_terminal(command, [b"\r", end])
    assert b"Root cause" in said and code == 0
    assert said.rstrip().endswith(b"\x1b[?25h") or b"\x1b[?1049l" in said  # as it was before


def in_terminal(
    command: Sequence[str],
    keys: Sequence[bytes | Callable[[], bytes]],
    waiting: Sequence[bytes] = (b"q quit", b"Root cause"),
) -> tuple[bytes, int]:
    """The output and the exit code of a program in a terminal of 80 columns; each key is pressed
    after the output of the one before has come. A function does something and gives the key."""
    import fcntl
    import termios

    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
    process = subprocess.Popen(
        command,
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env={**os.environ, "TERM": "xterm"},
        start_new_session=True,
        # Ctrl-C becomes a signal in a controlling terminal only
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
    )
    os.close(follower)
    guard = threading.Timer(30.0, lambda: process.send_signal(signal.SIGKILL))
    guard.start()
    said = b""
    try:
        for key, mark in zip(keys, waiting, strict=True):
            until = time.monotonic() + 20.0
            while mark not in said and time.monotonic() < until:
                said += _available(leader)
            os.write(leader, key() if callable(key) else key)
        while process.poll() is None:
            said += _available(leader)
    finally:
        guard.cancel()
        os.close(leader)
    return said, process.wait(10)


def _available(leader: int) -> bytes:
    ready, _, _ = select.select([leader], [], [], 0.1)
    try:
        return os.read(leader, 65536) if ready else b""
    except OSError:  # the program has closed its terminal
        return b""


def test_a_paused_replay_waits_and_continues_where_it_was(recording: Path) -> None:
    lines, paused, stop = timed_lines(str(recording)), threading.Event(), threading.Event()
    paused.set()
    got: list[int] = []

    def run() -> None:
        got.extend(records for _, _, records in replay.paced(lines, 0.0, stop, None, paused))

    thread = threading.Thread(target=run)
    thread.start()
    assert not got and thread.is_alive()
    paused.clear()
    thread.join(20.0)
    assert sum(got) == len(lines.lines)

    paused.set()
    ended = threading.Thread(target=lambda: list(replay.paced(lines, 60.0, stop, None, paused)))
    ended.start()
    stop.set()
    ended.join(20.0)
    assert not ended.is_alive()


def test_the_space_bar_pauses_a_replay(recording: Path) -> None:
    command = [sys.executable, "-m", "mad.cli", "replay", str(recording), "--every", "0.2"]
    said, code = in_terminal([*command, "--speed", "0.01"], [b" ", b"q"], [b"q quit", b"paused"])
    assert b"paused" in said and code == 0


def test_what_lies_before_the_begin_of_a_replay_is_sent_without_a_wait(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = timed_lines(str(recording))
    begin = replay.begin_of("5m", lines.times[0])
    assert begin == lines.times[0] + 300.0
    text = datetime.fromtimestamp(begin, timezone.utc).isoformat()
    assert replay.begin_of(text, 0.0) == begin
    waits = []

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout)
            return False

    pieces = list(replay.paced(lines, 60.0, Stop(), begin))
    early = sum(at < begin for at, _, _ in pieces)
    assert sum(records for _, _, records in pieces) == len(lines.lines)
    assert 0 < early < len(pieces)
    assert waits[:early] == [0.0] * early
    assert waits[-1] == pytest.approx((lines.times[-1] - begin) / 60.0, abs=1.0)
    for wrong, said in (("soon", "--from is 'soon'"), ("400d", "later than the last record")):
        assert main(["replay", str(recording), "--from", wrong]) == errors.USAGE
        assert said in capsys.readouterr().err


GOOD = b'{"timestamp": 1767693600, "service": "a", "endpoint": "/", "latency_ms": 1}\n'


@pytest.mark.parametrize(
    "line",
    [
        b'{"timestamp": Infinity}\n',
        b'{"timestamp": -1e999}\n',
        b'{"timestamp": "inf"}\n',
        b'{"timestamp": NaN}\n',
        b'{"timestamp": 1e300}\n',
        b'{"timestamp": -99999999999}\n',
        b'{"timestamp": "9999-12-31T23:59:59Z"}\n',
        b'{"timestamp": {"a": [1]}}\n',
        b"[" * 100_000 + b"\n",
        b'{"a":' * 100_000 + b"\n",
    ],
)
def test_lines_without_a_possible_time_are_left_out(line: bytes) -> None:
    found = lines_of("x", GOOD + line + GOOD)
    assert (found.times, found.skipped) == ([1_767_693_600.0] * 2, 1)


def test_recordings_beyond_the_bounds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    head = b"timestamp,service,endpoint,latency_ms\n"
    with pytest.raises(errors.InputError, match="field larger than field limit"):
        lines_of("x", head + b"1767693600,a," + b"x" * 200_000 + b",1\n")
    found = lines_of("x", head + b"1767693600,a,/,1\n" + b"inf,a,/,1\n")
    assert (found.times, found.skipped) == ([1_767_693_600.0], 1)
    monkeypatch.setattr("mad.view.records.MOST_LINES", 3)
    with pytest.raises(errors.InputError, match="more than 3 lines"):
        lines_of("x", GOOD * 4)


def test_a_recording_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mad.view.records.MOST_BYTES", 4 << 20)
    path = tmp_path / "bomb.jsonl.gz"
    path.write_bytes(gzip.compress(GOOD * 100_000))
    with pytest.raises(errors.InputError, match="more than 4 MiB, decompressed"):
        timed_lines(str(path))


def reached(feed: FollowedFile, is_there: Callable[[Snapshot], bool]) -> Snapshot:
    """The first snapshot of which something is true, in at most 30 seconds."""
    for _ in range(300):
        found = feed.snapshot()
        if is_there(found):
            return found
        time.sleep(0.1)
    raise AssertionError(f"{found.time} {found.accepted} {found.note} {found.problem}")


def an_hour_in_two(path: Path) -> bytes:
    """Writes the first 50 minutes of an hour, and gives the ten bad ones after them."""
    records = an_hour(bad=range(50, 60))
    path.write_bytes(lines(records[:4_500]))
    return lines(records[4_500:])


def one_minute(minute: int) -> list[dict[str, Any]]:
    """A minute of the three services of `an_hour`."""
    return an_hour(minutes=minute + 1, bad=range(0))[-90:]


@pytest.mark.parametrize("way", ["renamed", "truncated"])
def test_a_growing_file_is_followed_through_rotation_and_truncation(
    tmp_path: Path, way: str
) -> None:
    path = tmp_path / "shop [1].jsonl"  # a name with the characters of a pattern
    rest = an_hour_in_two(path)
    feed = FollowedFile(str(path), "requests")
    feed.start()
    try:
        began = feed.snapshot()
        assert (began.accepted, began.incidents, began.note) == (4_500, [], "following")
        half = rest.rfind(b"\n", 0, len(rest) // 2) + 20
        for piece in (rest[:half], rest[half:]):
            with path.open("ab") as file:
                file.write(piece)
            reached(feed, lambda one: one.accepted > began.accepted)
        found = reached(feed, lambda one: one.accepted == 5_400)
        assert [one["service"] for one in found.incidents] == ["payments"]
        assert max(len(one.requests) for one in found.entities) >= 58
        if way == "renamed":
            path.rename(tmp_path / "shop [1].jsonl.1")
            path.write_bytes(lines(one_minute(60)))
        else:
            path.write_bytes(lines(one_minute(60)))
        found = reached(feed, lambda one: one.accepted == 5_490)
        assert not found.problem and not found.rejected
    finally:
        feed.close()


def test_a_finished_file_shows_its_end(tmp_path: Path) -> None:
    path = tmp_path / "hour.csv"
    names = ("timestamp", "service", "endpoint", "status_code", "latency_ms")
    rows = rows_of(an_hour(minutes=40, bad=range(0)))
    path.write_text("\n".join(",".join(row) for row in [list(names), *rows]))  # no end of line
    os.utime(path, (0.0, 0.0))
    feed = FollowedFile(str(path), "requests")
    feed.start()
    try:
        found = feed.snapshot()
        assert found.note == "no new lines"
        assert sorted(len(one.requests) for one in found.entities) == [40, 40, 40]
        assert sum(one.requests[-1] for one in found.entities) == 90.0
        with path.open("a") as file:
            file.write("\n" + "".join(",".join(r) + "\n" for r in rows_of(one_minute(40))))
        found = reached(feed, lambda one: one.note == "following")
        assert found.accepted == 3_690 and not found.rejected
    finally:
        feed.close()


def rows_of(records: Sequence[dict[str, Any]]) -> list[list[str]]:
    """The cells of records in the order of the columns of requests."""
    names = ("timestamp", "service", "endpoint", "status_code", "latency_ms")
    return [[str(record[name]) for name in names] for record in records]


def test_lines_that_cannot_be_read_are_named_and_the_view_continues(tmp_path: Path) -> None:
    path = tmp_path / "hour.jsonl"
    path.write_bytes(lines(an_hour(minutes=5, bad=range(0))))
    feed = FollowedFile(str(path), "requests")
    feed.start()
    try:
        with path.open("ab") as file:
            file.write(b"oops\n" + lines(one_minute(5)))
        found = reached(feed, lambda one: one.accepted > 450)
        assert found.accepted == 540 and found.rejected == 1
    finally:
        feed.close()


def test_an_incident_of_a_growing_file_comes_into_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "hour.jsonl"
    rest = an_hour_in_two(path)

    def grow() -> bytes:
        with path.open("ab") as file:
            file.write(rest)
        return b"j"

    command = [sys.executable, "-m", "mad.cli", "watch", str(path), "--every", "0.2"]
    said, code = in_terminal(command, [grow, b"\x03"], [b"no open incident", b"1 open incident"])
    assert b"No incident." in said and b"1 open incident" in said and code == 0
