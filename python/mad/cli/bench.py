"""`mad bench`: accuracy of scorers on public data, alarms of each sensitivity on own data."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from mad import errors
from mad.cli import arguments, settings
from mad.cli.output import print_json
from mad.cli.progress import Progress

if TYPE_CHECKING:
    from mad.quality.run import Measure
    from mad.quality.sensitivity import Trial


HELP = "measure scorers on labelled public series"
DESCRIPTION = "Measures scorers and compares them with published results."


def add_commands(command: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """Adds the commands `quality` and `sensitivity`."""
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
        "slope, shift, cusum, record, silence, binomial, gauge, ewma, zscore, "
        "isolation_forest, one_class_svm or lstm_autoencoder; repeatable",
    )
    arguments.add_json(quality)
    quality.set_defaults(run=run)
    own = what.add_parser(
        "sensitivity",
        parents=[common],
        help="count the alarms of each sensitivity on your own recording",
        description="Judges a recording with each sensitivity and recommends one: with a truth the "
        "one with the best F1 of incidents, else the most sensitive one that stays quiet.",
    )
    own.add_argument("recording", metavar="INPUT", help="a file or a folder, as mad detect reads")
    own.add_argument(
        "--truth", metavar="FILE", help="true incidents, as mad evaluate reads; else none is true"
    )
    own.add_argument(
        "--per-week",
        type=float,
        default=1.0,
        metavar="N",
        help="incidents a week that are acceptable in a recording without a fault (default: 1)",
    )
    settings.add_config(own)
    arguments.add_json(own)
    own.set_defaults(run=run_sensitivity)


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


def run_sensitivity(args: argparse.Namespace) -> int:
    """Runs `mad bench sensitivity`."""
    from mad.quality.sensitivity import SENSITIVITIES, recommended, trials

    tried: list[Trial] = []
    written = settings.load(args.config, verbose=args.verbose)
    config = json.loads(written) if written else None
    with (
        errors.input_of(f"{args.recording} cannot be judged"),
        Progress("sensitivities", len(SENSITIVITIES), worth=True, unit="runs") as bar,
    ):
        for trial in trials(args.recording, args.truth, config):
            tried.append(trial)
            bar.reached(len(tried))
    best = recommended(tried, args.per_week)
    if args.json:
        listed = [
            asdict(one)
            | {"rows_per_week": one.rows_per_week, "incidents_per_week": one.incidents_per_week}
            for one in tried
        ]
        print_json({"trials": listed, "recommended": best and best.sensitivity})
    else:
        _print_trials(tried, best)
    return errors.FINE


def _print_trials(tried: list[Trial], best: Trial | None) -> None:
    from rich.table import Table

    from mad.report import terminal

    console = terminal.console()
    first = tried[0]
    console.print(
        f"{first.rows:,} rows of {first.series:,} series, {first.weeks * 7:.2g} days",
        highlight=False,
    )
    table = Table(box=None, pad_edge=False)
    table.add_column("Sensitivity", no_wrap=True)
    columns = ["Flagged rows", "a series and week", "Incidents", "a week"]
    if first.f1 is not None:
        columns += ["found", "missed", "false", "F1"]
    for name in columns:
        table.add_column(name, justify="right")
    for one in tried:
        cells = [
            f"{one.flagged:,}",
            f"{one.rows_per_week:.3g}",
            f"{one.incidents:,}",
            f"{one.incidents_per_week:.3g}",
        ]
        if one.f1 is not None:
            cells += [str(one.found), str(one.missed), str(one.false), f"{one.f1:.2f}"]
        table.add_row(one.sensitivity, *cells)
    console.print(table)
    if best is None:
        console.print(
            "No recommendation: the recording is shorter than a day. Give a longer one without a "
            "fault, or --truth FILE.",
            highlight=False,
        )
        return
    why = (
        f"the best F1 of incidents, {best.f1:.2f}"
        if best.f1 is not None
        else f"{best.incidents_per_week:.2g} incidents a week, if the recording has no fault"
    )
    console.print(f"Recommended: {best.sensitivity} ({why}).", highlight=False)
    console.print(
        "Set score.sensitivity in the file of --config, or "
        f"MAD_SCORE__SENSITIVITY={best.sensitivity}.",
        highlight=False,
    )


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
