"""`mad.LogTemplates`: ids, templates, limits and saved objects."""

from __future__ import annotations

import copy
import gzip
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

import mad
from mad.cli import main

WORDS = ("tea", "rice", "milk", "salt", "oil", "rye")
LINES = [f"stock of {word} is low again" for word in WORDS] + ["gateway is silent", ""]


def test_ids_do_not_depend_on_the_calls() -> None:
    whole, parts = mad.LogTemplates(), mad.LogTemplates()
    ids = whole.learn(LINES)
    assert ids.dtype == np.int64 and ids.tolist() == [1, 2, 3, 4, 1, 1, 6, 7]
    assert [parts.learn([line])[0] for line in LINES] == ids.tolist()
    assert parts.learn(iter([])).tolist() == []
    assert whole.final_ids() == {2: 1, 3: 1, 4: 1, 5: 1}
    assert whole.templates() == [(1, "stock of <*> is low again", 6), (6, LINES[6], 1), (7, "", 1)]
    assert parts.templates() == whole.templates()


def test_a_restored_object_continues() -> None:
    templates = mad.LogTemplates()
    templates.learn(LINES[:3])
    for again in (pickle.loads(pickle.dumps(templates)), copy.deepcopy(templates)):
        assert again.learn(LINES[3:]).tolist() == [4, 1, 1, 6, 7]


def test_text_that_is_not_utf8_is_read() -> None:
    templates = mad.LogTemplates()
    ids = templates.learn([b"\xff 17", "\udcff 18", "\ufffd 19"])
    assert len(set(ids.tolist())) <= 3
    assert all("\ufffd" in text for _, text, _ in templates.templates())


def test_wrong_arguments_are_named() -> None:
    templates = mad.LogTemplates({"limits": {"log_templates": 50}})
    assert templates.max_templates == 50
    with pytest.raises(TypeError, match="line 1 is of the type int: give str or bytes"):
        templates.learn(["a", 1])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="give a list of lines"):
        templates.learn("one line")
    assert templates.templates() == []
    with pytest.raises(ValueError, match=r"limits\.log_templates"):
        mad.LogTemplates({"limits": {"log_templates": 100_000}})


def app_log(folder: Path) -> str:
    """A compressed log: 40 paid orders, 20 errors of a database, a cut last line."""
    lines = [f"order {n} of ada paid after {n % 7} ms" for n in range(40)]
    lines += [f"database timeout after {n} s\r" for n in range(20)]
    path = folder / "app.log.gz"
    path.write_bytes(gzip.compress("\n".join([*lines, "", "database connection refused"]).encode()))
    return str(path)


def test_the_kinds_of_lines_of_a_file_are_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = app_log(tmp_path)
    assert main(["log-templates", path, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["lines"] == 61
    assert [(entry["count"], entry["template"]) for entry in document["templates"]] == [
        (40, "order <*> of ada paid after <*> ms"),
        (20, "database timeout after <*> s"),
        (1, "database connection refused"),
    ]
    assert document["templates"][1]["sample"] == "database timeout after 0 s"
    assert main(["log-templates", path, "--top", "1"]) == 0
    assert "61 lines, 3 templates, 2 more" in capsys.readouterr().out


def test_the_lines_of_a_file_are_grouped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = app_log(tmp_path)
    assert main(["cluster-logs", path, "--clusters", "2", "--json"]) == 0
    orders, database = json.loads(capsys.readouterr().out)["clusters"]
    assert (orders["count"], database["count"]) == (40, 21)
    assert "database" in database["terms"]
    assert database["sample"] == "database timeout after 0 s"
    assert main(["cluster-logs", path]) == 0
    assert "61 lines" in capsys.readouterr().out
    empty = tmp_path / "empty.log"
    empty.write_text("\n\n")
    assert main(["cluster-logs", str(empty)]) == 3
