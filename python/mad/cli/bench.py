"""`mad bench`: accuracy of the scorers on public data."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from mad import errors
from mad.cli import arguments
from mad.cli.output import print_json
from mad.cli.progress import Progress

if TYPE_CHECKING:
    from mad.quality.run import Measure


HELP = "measure scorers on labelled public series"
DESCRIPTION = "Measures scorers and compares them with published results."


def add_commands(command: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """Adds the command `quality`."""
    what = command.add_subparsers(title="benches", metavar="BENCH", dest="bench", required=True)
    quality = what.add_parser(
        "quality",
        parents=[common],
        help="measure the accuracy of scorers",
        description="Runs scorers over the published data sets in DIR: microsoft/, kpi/, nab/.",
    )
    quality.add_argument("directory", metavar="DIR", help="directory of the data sets")
    quality.add_argument(
        "--scorer",
        action="append",
        metavar="NAME",
        help="default (if none is given), mad, double_mad, long, seasonal, difference, "
        "slope, shift, cusum, record, silence, binomial or gauge; repeatable",
    )
    arguments.add_json(quality)
    quality.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    from mad.quality.run import DEFAULT, SETS, present, scorer_names

    scorers = args.scorer or [DEFAULT]
    for name in scorers:
        if name not in scorer_names():
            raise errors.UsageError(
                f"--scorer {name}: no such scorer", f"one of {', '.join(scorer_names())}"
            )
    folder = Path(args.directory)
    if not present(folder):
        raise errors.InputError(f"{folder} has none of the folders {', '.join(SETS)}")
    results = _figures(folder, scorers)
    if args.json:
        print_json({name: [asdict(figure) for figure in found] for name, found in results.items()})
    else:
        _print(results)
    return errors.FINE


def _figures(folder: Path, scorers: list[str]) -> dict[str, list[Measure]]:
    from mad.quality import sets
    from mad.quality.run import judge_of, measures_of, present

    results: dict[str, list[Measure]] = {name: [] for name in scorers}
    for place in present(folder):
        try:
            series = sets.read(folder / place, place)
        except (OSError, ValueError, IndexError, KeyError) as error:
            raise errors.InputError(f"{folder / place}: {error}") from error
        if not series:
            raise errors.InputError(f"{folder / place} has no series")
        with Progress(place, len(series) * len(scorers), worth=True, unit="series") as bar:
            for round_, name in enumerate(scorers):
                judge, judged = judge_of(name), {}
                for done, (key, one) in enumerate(series.items(), round_ * len(series) + 1):
                    judged[key] = (one, judge(one))
                    bar.reached(done)
                results[name] += measures_of(place, judged)
    return results


def _print(results: dict[str, list[Measure]]) -> None:
    from rich.table import Table

    from mad.report import terminal

    names = list(results)
    table = Table(box=None, pad_edge=False)
    table.add_column("set", no_wrap=True)
    table.add_column("figure", no_wrap=True)
    for name in [*names, "expanding MAD", "best known", "goal"]:
        table.add_column(name, justify="right")
    for row in zip(*results.values(), strict=True):
        first = row[0]
        numbers = [figure.value for figure in row]
        known = [first.baseline, first.best, first.goal]
        table.add_row(first.set, first.name, *(_shown(number) for number in [*numbers, *known]))
    terminal.console().print(table)


def _shown(number: float | None) -> str:
    if number is None:
        return "-"
    return f"{number:.1f}" if abs(number) >= 2 else f"{number:.3f}"
