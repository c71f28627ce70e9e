"""The model of an owner's own in an audit: its shadows are trained as it was, and it is asked what the audit's victims are asked."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import PopleakError
from . import own

if TYPE_CHECKING:
    from ..plan.build import Plan

BESIDE = ("takes", "positive", "widths", "ratio", "verdict")
"""Options that say something of a trained model, and nothing without one."""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options of a trained model to the parser of `audit`."""
    group = parser.add_argument_group("a model that you have trained already")
    group.add_argument(
        "--trained",
        type=Path,
        metavar="FILE",
        help="its file (skops, ONNX, safetensors): the models of the audit are trained as it was, and adversaries guess about it too; never a pickle",
    )
    own.add_takes(group)
    own.add_judged(group)


def opened(arguments: argparse.Namespace) -> Any:
    """Return the model of `--trained`, None without it. Raises PopleakError for a file that cannot be opened, and for options that need one."""
    if arguments.trained is None:
        given = [f"--{name}" for name in BESIDE if getattr(arguments, name) is not None]
        if given:
            raise PopleakError(f"{given[0]}: says something of a trained model: name its file with --trained")
        return None
    from ..audit import own_files

    if arguments.ratio is not None and not 0 <= arguments.ratio <= 1:
        raise PopleakError(f"--ratio {arguments.ratio:g}: give the share of group 1 among the model's rows, 0 to 1")
    own.check_file(arguments.verdict)
    return own_files.opened(arguments.trained, widths=arguments.widths)


def choice(model: Any, named: str | None) -> str | Mapping[str, Any]:
    """Return what is trained: the model that was named, one as the owner's was trained, or mlp. Raises PopleakError where the file does not say."""
    if named is not None or model is None:
        return named or "mlp"
    try:
        found: dict[str, Any] = model.choice()
    except PopleakError as error:
        raise PopleakError(f"{error}, or here with --model: see `popleak list models`") from None
    return found


def ask(plan: Plan, model: Any, arguments: argparse.Namespace) -> str:
    """Return what the model takes, once it has answered the query rows. Raises PopleakError where it cannot, before anything is trained."""
    from ..audit import query_rows, scored

    return scored.scored(model, query_rows.asked(plan), takes=arguments.takes, positive=arguments.positive)[1]


def say(plan: Plan, arguments: argparse.Namespace) -> None:
    """Print what the adversaries of a finished audit make of the model, and write the verdict if a file is named."""
    from ..audit import scored

    found = scored.judged(
        plan, arguments.trained, takes=arguments.takes, positive=arguments.positive, widths=arguments.widths, ratio=arguments.ratio
    )  # fmt: skip
    print("your model, which the lights say nothing of by itself:")
    own.say(found.verdict, arguments.verdict)
