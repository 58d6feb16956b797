"""Input that was made to harm: it is refused with an error, in little time and memory."""

from __future__ import annotations

import gzip
import io
import random
import resource
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

import mad
from mad import _core
from mad.api.bodies import records
from mad.api.errors import ApiError
from mad.cli import main
from mad.config.deployment import Deployment
from mad.evaluation import truth_json
from mad.sources.files import InputFile
from mad.sources.foreign import foreign

ROWS = {
    "timestamp": [1_767_696_300 + i for i in range(64)],
    "service": ["shop", "cart"] * 32,
    "endpoint": ["/pay"] * 64,
    "status_code": [200] * 64,
    "latency_ms": [12.5] * 64,
}
ARROW = "application/vnd.apache.arrow.stream"
#: 64 MiB, in the KiB of `ru_maxrss`.
ROOM = 64 * 1024


def merged(place: int, times: int) -> str:
    """A mapping of YAML that merges the one before it some times."""
    names = ", ".join([f"*a{place - 1}"] * times)
    return f"a{place}: &a{place} {{<<: [{names}]}}"


def grown(call: Callable[[], Any]) -> int:
    """How much the peak memory of the process grew during a call, in KiB."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    call()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before


def stream(table: Any, compression: str | None = None) -> bytes:
    pa = pytest.importorskip("pyarrow")
    out = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(out, table.schema, options=options) as writer:
        writer.write_table(table)
    return out.getvalue()


def requests() -> Any:
    pa = pytest.importorskip("pyarrow")
    return pa.table({**ROWS, "service": pa.array(ROWS["service"]).dictionary_encode()})


def mutated(data: bytes, random_: random.Random) -> bytes:
    """The data with some bytes changed, cut out, repeated or replaced by extreme integers."""
    out = bytearray(data)
    for _ in range(random_.choice((1, 1, 1, 2, 4, 8))):
        at = random_.randrange(len(out)) if out else 0
        match random_.randrange(6):
            case 0:
                out[at : at + 1] = bytes([random_.randrange(256)])
            case 1:
                out[at : at + 1] = bytes([out[at] ^ (1 << random_.randrange(8))] if out else b"")
            case 2:
                del out[at : at + random_.choice((1, 4, 8, 64, len(out)))]
            case 3:
                out[at:at] = out[at : at + random_.choice((4, 8, 64))]
            case _:
                size = random_.choice((1, 2, 4, 8))
                most = 1 << (8 * size)
                value = random_.choice((0, 1, most - 1, most // 2, most // 2 - 1, most // 8))
                at -= at % size
                out[at : at + size] = value.to_bytes(size, "little")
    return bytes(out)


# --- Arrow ---


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_arrow_streams_are_read_without_pyarrow(compression: str | None) -> None:
    body = stream(requests(), compression)
    assert _core.check_arrow_stream(body) == 64
    assert records(body, ARROW, "", 1 << 20) == (body, "arrow")
    update = mad.Pipeline().ingest(body)
    assert sum(update.rejected["counts"].values()) == 0
    pa = pytest.importorskip("pyarrow")
    for kind in (pa.string(), pa.large_string(), pa.string_view()):
        table = requests().set_column(1, "service", pa.array(ROWS["service"], kind))
        assert _core.check_arrow_stream(stream(table, compression)) == 64


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_mutated_arrow_streams_are_read_or_refused(compression: str | None) -> None:
    body, random_ = stream(requests(), compression), random.Random(f"arrow {compression}")
    counts = {True: 0, False: 0}

    def attack() -> None:
        for _ in range(1_500):
            try:
                mad.Pipeline().ingest(mutated(body, random_))
                counts[True] += 1
            except (ValueError, TypeError) as error:
                assert str(error)
                counts[False] += 1

    assert grown(attack) < ROOM
    assert min(counts.values()) > 10, counts


def test_mutated_arrow_tables_are_read_or_refused() -> None:
    pa = pytest.importorskip("pyarrow")
    body, random_ = stream(requests()), random.Random("tables")
    for _ in range(1_500):
        try:
            with pa.ipc.open_stream(mutated(body, random_)) as reader:
                table = reader.read_all()
        except (pa.ArrowException, OSError, MemoryError):
            continue
        try:
            mad.detect(table)
        except (ValueError, TypeError) as error:
            assert str(error)


def test_arrow_streams_are_bounded() -> None:
    pa = pytest.importorskip("pyarrow")
    many = pa.table({name: pa.nulls(2_000_000) for name in ROWS})
    with pytest.raises(ValueError, match="more than 1000000 rows; send smaller batches"):
        _core.check_arrow_stream(stream(many))
    wide = pa.table({f"c{i}": [1] for i in range(1_001)})
    with pytest.raises(ValueError, match="1001 columns; expected at most 1000"):
        _core.check_arrow_stream(stream(wide))
    # 300 MiB of zeros in few kilobytes
    zeros = pa.table({"body": pa.array([bytes(300 << 20)], pa.binary())})
    packed = stream(zeros, "zstd")
    del zeros
    assert len(packed) < 64 * 1024

    def refused() -> None:
        with pytest.raises(ValueError, match="decodes to more than 256 MiB"):
            _core.check_arrow_stream(packed)

    assert grown(refused) < ROOM
    # a long text that many rows share
    long = pa.DictionaryArray.from_arrays(pa.array([0] * 100_000, pa.int8()), ["x" * 10_000])
    with pytest.raises(ValueError, match="decodes to more than 256 MiB"):
        _core.check_arrow_stream(stream(pa.table({"body": long})))


def test_a_length_that_a_stream_claims_is_not_allocated() -> None:
    pa = pytest.importorskip("pyarrow")
    body = bytearray(stream(pa.table({"value": pa.array([1.5] * 1_000)}), "lz4"))
    at = bytes(body).index((8_000).to_bytes(8, "little"), 200)
    while at >= 0:
        body[at : at + 8] = (8 << 30).to_bytes(8, "little")
        at = bytes(body).find((8_000).to_bytes(8, "little"))

    def refused() -> None:
        with pytest.raises(ValueError, match="Arrow IPC stream"):
            _core.check_arrow_stream(bytes(body))

    assert grown(refused) < ROOM


def test_a_damaged_arrow_body_is_refused_before_the_journal() -> None:
    with pytest.raises(ApiError) as caught:
        records(stream(requests())[:-300], ARROW, "", 1 << 20)
    assert caught.value.status == 400


# --- Parquet ---


def test_mutated_parquet_files_are_read_or_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path, random_ = tmp_path / "requests.parquet", random.Random("parquet")
    parquet.write_table(requests(), path, compression="snappy")
    body = path.read_bytes()
    mad.detect(path)

    def attack() -> None:
        for _ in range(1_000):
            path.write_bytes(mutated(body, random_))
            try:
                mad.detect(path)
            except (ValueError, TypeError, OSError) as error:
                assert str(error)

    assert grown(attack) < 2 * ROOM


# --- compression ---

LINE = b"timestamp,service,endpoint,status_code,latency_ms\n2026-01-06T10:45:00Z,a,/b,200,1\n"


def members(size: int) -> dict[str, bytes]:
    """`size` bytes of members and frames that hold nothing."""
    empty = {"gzip": gzip.compress(b""), "zstd": zstandard.compress(b"")}
    return {coding: one * (size // len(one)) for coding, one in empty.items()}


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_empty_members_take_linear_time(coding: str, tmp_path: Path) -> None:
    path = tmp_path / "members.csv"
    pack = gzip.compress if coding == "gzip" else zstandard.compress

    def spent(packed: bytes) -> float:
        """Seconds of processor time that a file of these members takes."""
        path.write_bytes(packed + pack(LINE))
        began = time.process_time()
        assert b"".join(InputFile(str(path)).chunks()) == LINE
        return time.process_time() - began

    small, large = (members(size << 20)[coding] for size in (1, 8))
    with pytest.raises(ApiError) as caught:
        records(large, "text/csv", coding, 64 << 20)
    assert "more than 10000" in caught.value.message
    # eight times in linear time, 64 times in quadratic time
    assert spent(large) < 24 * spent(small)


def decompressed(packed: bytes, size: int) -> bytes:
    """What comes out of Zstandard frames that come in pieces of a size."""
    decoder, out = _core.ZstdDecoder(), b""
    for place in range(0, len(packed), size):
        decoder.feed(packed[place : place + size])
        while piece := decoder.read():
            out += piece
    while piece := decoder.finish():
        out += piece
    return out


#: An empty skippable frame, and frames with a checksum and without.
SKIPPED = b"\x50\x2a\x4d\x18" + bytes(4)
FRAMES = [
    zstandard.ZstdCompressor(write_checksum=checked).compress(data)
    for checked in (True, False)
    for data in (b"", LINE, bytes(300_000), random.Random(1).randbytes(300_000))
]


@pytest.mark.parametrize("frame", FRAMES, ids=range(len(FRAMES)))
def test_zstd_frames_in_pieces_of_any_size(frame: bytes) -> None:
    data = zstandard.ZstdDecompressor().decompressobj().decompress(frame)
    for before in (b"", SKIPPED, SKIPPED * 3 + zstandard.compress(b"")):
        for size in (*range(1, 12), 1_000, len(frame), len(frame) + 100):
            if len(frame) < 1_000 or size > 8:
                assert decompressed(before + frame + frame, size) == data + data
    # cut in the checksum, in the last block and in the header
    for cut in (1, 2, 3, 4, 5, len(frame) - 5):
        with pytest.raises(ValueError, match=r"ends early|not a Zstandard frame"):
            decompressed(frame[:-cut], 1_000)


def test_zstd_output_is_bounded_at_every_step(tmp_path: Path) -> None:
    path = tmp_path / "lines.csv"
    packer = zstandard.ZstdCompressor().compressobj()
    piece = b"\n" * (1 << 20)
    path.write_bytes(b"".join([packer.compress(piece) for _ in range(400)]) + packer.flush())
    assert path.stat().st_size < 64 * 1024

    def read() -> None:
        assert sum(map(len, InputFile(str(path)).chunks())) == 400 << 20

    assert grown(read) < ROOM


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_bodies_stop_at_the_limit(coding: str) -> None:
    pack = gzip.compress if coding == "gzip" else zstandard.compress
    body = pack(bytes(200 << 20))

    def refused() -> None:
        with pytest.raises(ApiError) as caught:
            records(body, "text/csv", coding, 1 << 20)
        assert caught.value.status == 413

    assert grown(refused) < ROOM


def test_large_windows_are_refused() -> None:
    params = zstandard.ZstdCompressionParameters(window_log=27)
    packer = zstandard.ZstdCompressor(compression_params=params).compressobj()
    body = packer.compress(LINE * 10) + packer.flush()
    with pytest.raises(ApiError, match="damaged"):
        records(body, "text/csv", "zstd", 1 << 20)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_damaged_members_are_refused(coding: str) -> None:
    pack = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstandard.compress}[coding]
    packed, random_ = pack(LINE * 50), random.Random(coding)
    assert records(packed, "text/csv", coding, 1 << 20) == (LINE * 50, "text")
    if coding != "deflate":
        parts = [pack(LINE[:20]), pack(LINE[20:50]), pack(LINE[50:])]
        assert records(b"".join(parts), "text/csv", coding, 1 << 20) == (LINE, "text")
    for _ in range(500):
        try:
            records(mutated(packed, random_), "text/csv", coding, 1 << 20)
        except ApiError as error:
            assert error.status in (400, 413)


def test_skippable_frames_are_skipped() -> None:
    skip = b"\x52\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"hello"
    body = skip + zstandard.compress(LINE) + skip
    assert records(body, "text/csv", "zstd", 1 << 20) == (LINE, "text")


def test_a_chain_of_codings_is_short() -> None:
    with pytest.raises(ApiError, match="codings"):
        records(LINE, "text/csv", ", ".join(["gzip"] * 50), 1 << 20)


# --- text ---


@pytest.mark.parametrize("text", [b"[" * 100_000, b'{"a":' * 100_000, b'[{"a":' * 50_000])
def test_deep_nesting_is_an_error(text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "deep.json"
    path.write_bytes(text)
    with pytest.raises(ValueError, match=r"."):
        report = mad.detect(path)
        raise ValueError(str(report.rejected))
    with pytest.raises((ApiError, ValueError)):
        records(text, "application/json", "", 1 << 20)
        raise ValueError("accepted as lines")


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 100_000,
        "a = " + "{a = " * 50_000,
        ".".join(["a"] * 50_000) + " = 1",
        "[" + ".".join(["a"] * 50_000) + "]",
        "a = " + "[" * 2_000 + "]" * 2_000,
    ],
)
def test_deep_configurations_are_errors(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mad.toml"
    path.write_text(text)
    with pytest.raises(ValueError) as caught:
        mad.Config.load(path)
    assert str(caught.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mad.toml", "\n" * 300_000 + "x"),
        ("mad.toml", " \n" * 300_000 + "x"),
        ("mad.yaml", "\n".join(["a0: &a0 {x: 1}", *(merged(i, 2) for i in range(1, 40))])),
        ("mad.yaml", "\n".join(["a0: &a0 {x: 1, y: 2}", merged(1, 100_000)])),
        ("mad.yaml", "a: {" + "<<: [{" * 300 + "x: 1" + "}]" * 300 + "}"),
    ],
    ids=["lines", "blank-lines", "doubled-merges", "many-merges", "deep-merges"],
)
def test_settings_are_refused_in_little_time(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text)
    began = time.process_time()
    with pytest.raises(ValueError):
        mad.Config.load(path)
    # quadratic and exponential time are minutes
    assert time.process_time() - began < 20.0


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("[guard]\n" + "".join(f"x{i} = 1\n" for i in range(60_000)), 2, "x0` does not exist"),
        ("[[cause]]\nx = 1\n" * 20_000, 2, "cause[99].x` does not exist"),
        ('[[cause]]\nwhen = ["errors"]\ncause = "x"\n' * 20_000, 0, "valid; changes"),
    ],
    ids=["fields", "rules", "valid-rules"],
)
def test_files_with_many_fields_are_checked(
    text: str, code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In quadratic time, each of them takes minutes."""
    path = tmp_path / "mad.toml"
    path.write_text(text)
    assert main(["config", "check", str(path)]) == code
    lines = capsys.readouterr().out.splitlines()
    assert said in "".join(lines) and len(lines) <= 101


def test_merged_settings_are_read(tmp_path: Path) -> None:
    path = tmp_path / "mad.yaml"
    path.write_text("guard: {<<: [{min_points: 40}, {<<: {min_points: 50, cooldown_rows: 3}}]}")
    with pytest.raises(ValueError, match="cooldown_rows"):
        mad.Config.load(path)
    path.write_text("guard: {<<: [{min_points: 40}, {<<: {min_points: 50}}]}")
    assert mad.Config.load(path)["guard"]["min_points"] == 40


def test_a_page_with_many_titles_is_named_in_little_time() -> None:
    began = time.process_time()
    assert foreign(b"<html" + b"<title" * 100_000) == (
        "an HTML page",
        "the download may have failed: open the page in a browser",
    )
    assert time.process_time() - began < 20.0


def test_latencies_without_a_sum_are_inspected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "huge.csv"
    rows = [b"1767696300,shop,/pay,200,1.7e308\n"] * 3
    path.write_bytes(b"timestamp,service,endpoint,status_code,latency_ms\n" + b"".join(rows))
    assert main(["inspect", str(path)]) == 0
    assert "3 with a latency, too large to add up" in capsys.readouterr().out


def test_truths_and_spans_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    truth = tmp_path / "truth.json.gz"
    truth.write_bytes(gzip.compress(b"[" + b"{}," * (6 << 20) + b"{}]"))
    with pytest.raises(ValueError, match="more than 16 MiB, decompressed"):
        truth_json(truth)
    monkeypatch.setattr("mad.evaluation.MOST_TABLE", 1 << 20)
    labels = tmp_path / "labels.csv"
    labels.write_bytes(b"timestamp,service,is_anomaly\n" + b"1767696300,a,1\n" * 100_000)
    with pytest.raises(ValueError, match="more than 1 MiB, decompressed"):
        truth_json(labels)
    monkeypatch.setattr("mad.traces.MOST_BYTES", 1 << 20)
    with pytest.raises(ValueError, match="more than 1 MiB, decompressed"):
        mad.rank_traces(labels)


def test_settings_with_characters_that_yaml_refuses(tmp_path: Path) -> None:
    """The lines of fields in JSON are found by the reader of YAML, which takes fewer characters."""
    path = tmp_path / "mad.json"
    path.write_bytes(b'{"\x7f": {}}')
    with pytest.raises(ValueError, match="does not exist"):
        Deployment.load(path, environ={})


# --- the border ---


def test_classes_are_shared_by_threads() -> None:
    faults: list[BaseException] = []
    telemetry, scorer = _core.Telemetry("requests"), mad.SlopeScorer()
    pipeline, graph = mad.Pipeline(), mad.ServiceGraph()
    line = (
        b'{"timestamp":1767696300,"service":"a","endpoint":"/","status_code":200,"latency_ms":1}\n'
    )

    def use() -> None:
        try:
            for i in range(300):
                telemetry.feed(line)
                len(telemetry), repr(telemetry)
                scorer.observe(1.0, i)
                pipeline.ingest(line)
                pipeline.states(), pipeline.incidents
                graph.feed("edges", b'{"caller":"a","callee":"b"}\n'), graph.edges()
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    telemetry.end()
    assert len(telemetry) == 2_400
