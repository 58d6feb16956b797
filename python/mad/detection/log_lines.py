"""Templates of the lines of a text file, with the first line of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mad import _core
from mad.config import AnyConfig
from mad.sources.files import InputFile

#: Bytes of a line that are kept while its end is not read yet.
_LONGEST = 1 << 20
#: Characters of a first line that are kept.
_SAMPLE = 500


@dataclass(frozen=True)
class FileTemplates:
    """What a file holds: its lines, their templates, and the first line of each template by id."""

    lines: int
    templates: _core.LogTemplates
    samples: dict[int, str]


def learn_file(path: str, config: AnyConfig | str = None) -> FileTemplates:
    """Reads the lines of a text file, plain or compressed; `-` is standard input.

    Raises `InputError` for a file that cannot be read.
    """
    templates = _core.LogTemplates(config)
    count, samples = 0, dict[int, str]()
    for lines in _lines(path):
        ids = templates.learn(lines)
        count += len(lines)
        for place in _first_places(ids.tolist(), samples):
            samples[int(ids[place])] = lines[place].decode("utf-8", "replace")[:_SAMPLE]
        _forget(samples, templates)
    final = templates.final_ids()
    first: dict[int, str] = {}
    for known, line in sorted(samples.items()):
        first.setdefault(final.get(known, known), line)
    return FileTemplates(count, templates, first)


def _first_places(ids: list[int], samples: dict[int, str]) -> list[int]:
    """The places of ids that have no sample, each once."""
    places = {known: place for place, known in reversed(list(enumerate(ids)))}
    return [place for known, place in places.items() if known not in samples]


def _forget(samples: dict[int, str], templates: _core.LogTemplates) -> None:
    """Drops samples of forgotten templates when there are many."""
    if len(samples) > 4 * templates.max_templates:
        final = templates.final_ids()
        live = {known for known, _, _ in templates.templates()}
        for known in [known for known in samples if final.get(known, known) not in live]:
            del samples[known]


def _lines(path: str) -> Iterator[list[bytes]]:
    """The lines of a file in blocks, without their ends. Empty lines are left out."""
    rest = b""
    for piece in InputFile(path).contents():
        *whole, rest = (rest + piece).split(b"\n")
        yield [line.rstrip(b"\r") for line in whole if line.strip()]
        rest = rest[:_LONGEST]
    if rest.strip():
        yield [rest.rstrip(b"\r")]
