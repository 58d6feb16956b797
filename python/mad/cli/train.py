"""`mad train`: trains a model on a recording."""

from __future__ import annotations

import argparse
import json

from mad import errors
from mad.cli import arguments, settings
from mad.cli.output import print_json

HELP = "train an Isolation Forest on a recording"
DESCRIPTION = (
    "Trains an Isolation Forest on ten figures of each endpoint and step, and writes it with its "
    "scaler and metadata to a folder. mad detect --scorer FOLDER judges rows with it."
)


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    command.add_argument(
        "recording", metavar="INPUT", help="a file or a folder, as mad detect reads"
    )
    command.add_argument(
        "--out", default="model", metavar="DIR", help="folder of the model (default: model)"
    )
    command.add_argument(
        "--contamination",
        type=float,
        default=0.15,
        metavar="SHARE",
        help="share of the rows to flag, 0 to 1 (default: 0.15)",
    )
    command.add_argument(
        "--trees",
        type=arguments.whole(1, 10_000),
        default=100,
        metavar="N",
        help="trees of the forest (default: 100)",
    )
    command.add_argument(
        "--seed",
        type=arguments.whole(0, 2**64 - 1),
        default=42,
        metavar="N",
        help="seed (default: 42)",
    )
    settings.add_config(command)
    arguments.add_json(command)


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    import mad

    config = settings.load(args.config, verbose=args.verbose)
    with errors.input_of(f"{args.recording} cannot be read"):
        report = mad.detect(args.recording, config=json.loads(config) if config else None)
    try:
        model = mad.Model.train(
            report.features,
            contamination=args.contamination,
            n_trees=args.trees,
            seed=args.seed,
            step_seconds=float(json.loads(report.document())["step_seconds"]),
        )
    except ValueError as error:
        raise errors.UsageError(f"cannot train: {error}") from error
    try:
        model.save(args.out)
    except OSError as error:
        raise errors.UsageError(f"cannot write {args.out}: {errors.reason(error)}") from error
    if args.json:
        print_json({**model.about, "threshold": model.forest.threshold, "folder": args.out})
    else:
        from mad.report.words import plural

        about = model.about
        print(
            f"Trained on {about['rows']:,} rows of {about['records']:,} requests to "
            f"{plural(len(about['endpoints']), 'endpoint')} of "
            f"{plural(len(about['services']), 'service')}; {about['anomalies']:,} of them flagged."
        )
        print(f"Written to {args.out}: model.json, rows.npy")
        print(f"Next: mad detect INPUT --scorer {args.out}")
    return errors.FINE
