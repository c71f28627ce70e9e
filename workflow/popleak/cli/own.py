"""Commands on one model of the owner's own: `queries`, `score` and `verdict`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..core.errors import PopleakError


def add(commands) -> None:
    """Add the commands to a parser's subparsers."""
    _add_queries(commands)
    _add_score(commands)
    _add_verdict(commands)


def _common(parser: argparse.ArgumentParser) -> None:
    from .tools import add_configfile

    add_configfile(parser)
    parser.add_argument("--task", help="id of the task; needed if there are several")
    parser.add_argument("--model", dest="model_id", help="id of the shadows' model; needed if there are several")


def add_takes(parser: argparse._ActionsContainer) -> None:
    """Add the options that say what a model's file takes and answers."""
    parser.add_argument(
        "--takes",
        choices=("features", "columns"),
        help="encoded features or the table's own columns; found by their names",
    )
    parser.add_argument("--positive", help="the model's name for the class y = 1; by default as your table has it")
    parser.add_argument(
        "--widths", type=int, nargs="*", help="units of the hidden layers of an MLP in safetensors; its shapes say"
    )


def add_judged(parser: argparse._ActionsContainer) -> None:
    """Add the options of a verdict on one model."""
    parser.add_argument("--ratio", type=float, help="share of group 1 among the model's training rows, if you know it")
    parser.add_argument("--verdict", type=Path, help="file for the verdict, .json or .csv")


def _add_queries(commands) -> None:
    parser = commands.add_parser(
        "queries", help="write the rows that a model of your own must answer, with the columns of your table"
    )
    _common(parser)
    parser.add_argument("--output", type=Path, required=True, help="CSV file to write")
    parser.add_argument("--points", type=Path, help="CSV file for the query points of every game and split, too")
    parser.set_defaults(run=_queries)


def _add_score(commands) -> None:
    parser = commands.add_parser(
        "score",
        help="ask a model of your own (skops, ONNX, safetensors) the query rows, and say what adversaries make of it",
    )
    parser.add_argument("path", type=Path, help="the model's file; a pickle is never opened")
    _common(parser)
    parser.add_argument("--output", type=Path, help="CSV file for the answers")
    add_takes(parser)
    parser.add_argument(
        "--propose", action="store_true", help="only print the `models` of a config whose shadows are alike"
    )
    add_judged(parser)
    parser.set_defaults(run=_score)


def _add_verdict(commands) -> None:
    parser = commands.add_parser(
        "verdict", help="the same for answers that another program gave to the rows of `queries`"
    )
    parser.add_argument("answers", type=Path, help="table of row and score, .csv or .parquet")
    _common(parser)
    add_judged(parser)
    parser.set_defaults(run=_verdict)


def _plan(arguments: argparse.Namespace) -> Any:
    from ..plan import build as plan
    from .tools import experiment_of

    return plan.build(experiment_of(arguments.configfile))


def _asked(arguments: argparse.Namespace) -> Any:
    from ..audit.query_rows import asked

    whole = _plan(arguments)
    return whole, asked(whole, task=arguments.task, model=arguments.model_id)


def _queries(arguments: argparse.Namespace) -> None:
    from ..audit import query_rows
    from ..core import atomic

    _, asked = _asked(arguments)
    rows = query_rows.shown(asked)
    atomic.write(arguments.output, rows.to_csv(index=False).encode())
    print(f"{arguments.output}: {len(rows)} query rows with {len(rows.columns) - 1} columns: never train on them")
    if arguments.points is not None:
        points = query_rows.points(asked)
        atomic.write(arguments.points, points.to_csv(index=False).encode())
        print(f"{arguments.points}: {len(points)} query points, by game and split")


def _score(arguments: argparse.Namespace) -> None:
    if arguments.propose:
        import yaml

        from ..audit import own_files

        choice = own_files.opened(arguments.path, widths=arguments.widths).choice()
        print(yaml.safe_dump({"models": [choice]}, sort_keys=False), end="")
        return
    from ..audit.scored import judged
    from ..core import atomic

    check_file(arguments.verdict)
    found = judged(
        _plan(arguments), arguments.path, task=arguments.task, model_id=arguments.model_id, takes=arguments.takes,
        positive=arguments.positive, widths=arguments.widths, ratio=arguments.ratio,
    )  # fmt: skip
    print(found.told)
    if arguments.output is not None:
        atomic.write(arguments.output, found.answers.to_csv(index=False).encode())
        print(f"{arguments.output}: answers to {len(found.answers)} query rows")
    say(found.verdict, arguments.verdict)


def _verdict(arguments: argparse.Namespace) -> None:
    from ..audit.one_model import scores_of, verdict

    check_file(arguments.verdict)
    whole, asked = _asked(arguments)
    scores = scores_of(arguments.answers, asked, len(asked.class_names()))
    say(
        verdict(whole, asked, scores, model=arguments.answers.name, ratio=arguments.ratio, labels=True),
        arguments.verdict,
    )


def check_file(path: Path | None) -> None:
    """Raise PopleakError for a file in which no verdict can be written."""
    if path is not None and path.suffix.lower() not in (".json", ".csv"):
        raise PopleakError(f"--verdict {path}: name a .json or .csv file")


def say(found: Any, path: Path | None) -> None:
    """Print a verdict, and write it if a file is named."""
    print(found.summary())
    if path is not None:
        found.write(path)
        print(path)
