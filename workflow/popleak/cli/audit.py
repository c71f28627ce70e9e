"""Commands that judge models without training any: `judge`, and `pack`, which hands a run's models to a stranger."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..core.errors import PopleakError


def add(commands) -> None:
    """Add the commands to a parser's subparsers."""
    _add_judge(commands)
    _add_pack(commands)


def _add_judge(commands) -> None:
    parser = commands.add_parser(
        "judge",
        help="judge anybody's models by a table of their answers, or grade guesses about packed ones; trains nothing",
    )
    parser.add_argument(
        "answers", type=Path, nargs="?", help="table with one row for each model, .csv or .parquet (docs/own-models.md)"
    )
    parser.add_argument(
        "--points", type=Path, help="table with one row for each query point: y, a and origin, which some attacks need"
    )
    parser.add_argument(
        "--attacks", nargs="+", help="by default all that the answers allow; see `popleak list attacks`"
    )
    parser.add_argument(
        "--ratios", type=float, nargs=2, metavar=("R0", "R1"), help="P(a = 1) in world 0 and world 1; 0 1 unless given"
    )
    parser.add_argument(
        "--control", nargs="+", default=[], metavar="DEFENCE=CONTROL", help="which defence is compared with which"
    )
    parser.add_argument("--margin", type=float, help="smallest difference in accuracy that counts; 0.05 unless given")
    parser.add_argument("--key", type=Path, help="for packed models: the owner's key")
    parser.add_argument(
        "--guesses", type=Path, nargs="+", default=[], help="guesses of other people's attacks about packed models"
    )
    parser.add_argument("--output", type=Path, help="folder for the tables scores.parquet and leakage.parquet")
    parser.set_defaults(run=_judge)


def _judge(arguments: argparse.Namespace) -> None:
    from ..audit.judge import judge

    named = {path.stem: path for path in arguments.guesses}
    if len(named) < len(arguments.guesses):
        raise PopleakError(
            "--guesses: two files have the same name, which is the adversary's in the tables: rename one"
        )
    controls = dict(_control(word) for word in arguments.control)
    found = judge(
        arguments.answers, arguments.points, attacks=arguments.attacks, ratios=arguments.ratios,
        controls=controls or None, margin=arguments.margin, key=arguments.key, guesses=named or None,
    )  # fmt: skip
    print(found.summary())
    if arguments.output is not None:
        print("".join(f"{path}\n" for path in found.write(arguments.output)), end="")


def _control(word: str) -> tuple[str, str]:
    defence, equals, control = word.partition("=")
    if not (defence and equals and control):
        raise PopleakError(f"--control {word!r}: give DEFENCE=CONTROL, as in fft=finetune")
    return defence, control


def _add_pack(commands) -> None:
    from .tools import add_configfile

    parser = commands.add_parser(
        "pack",
        help="pack a finished run's models for others to attack: victims' answers without their worlds, and a key for you",
    )
    parser.add_argument("folder", type=Path, help="folder to write, which is handed out")
    add_configfile(parser)
    parser.add_argument("--task", help="id of the task; needed if there are several")
    parser.add_argument("--model", help="id of the model; needed if there are several")
    parser.add_argument("--pair", help="the pair of worlds, as in '0.0 1.0'; needed if there are several")
    parser.add_argument("--defence", nargs="+", default=[], help="defences to pack; all unless given")
    parser.add_argument("--labels", action="store_true", help="hand out hard labels of the victims, not scores")
    parser.add_argument("--csv", action="store_true", help="write CSV instead of Parquet")
    parser.add_argument(
        "--key", type=Path, help="file for the key, which stays with you; <folder>.key.parquet unless given"
    )
    parser.set_defaults(run=_pack)


def _pack(arguments: argparse.Namespace) -> None:
    from ..audit import pack
    from ..plan import build as plan
    from .tools import experiment_of

    whole = plan.build(experiment_of(arguments.configfile))
    game = pack.find(whole, task=arguments.task, model=arguments.model, pair=arguments.pair, defences=arguments.defence)
    key = arguments.key or arguments.folder.with_name(f"{arguments.folder.name}.key.parquet")
    for line in pack.write(whole, game, arguments.folder, key, labels=arguments.labels, text=arguments.csv):
        print(line)
