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
    from ..audit import one_model, own_files

    one_model.check_ratio(arguments.ratio)
    own.check_file(arguments.verdict)
    return own_files.opened(arguments.trained, widths=arguments.widths)


def choice(model: Any, named: str | None) -> str | Mapping[str, Any] | None:
    """Return what is trained: the model that was named, one as the owner's was trained, or None where neither is. Raises PopleakError where the file does not say."""
    if named is not None or model is None:
        return named
    try:
        found: dict[str, Any] = model.choice()
    except PopleakError as error:
        raise PopleakError(f"{error}, or here with --model: see `popleak list models`") from None
    return found


def reads(model: Any, column: str) -> bool:
    """Return whether the owner's model takes a column of the table."""
    return model is not None and model.columns is not None and column in model.columns


def named(plan: Plan, model: Any) -> None:
    """Raise PopleakError where the names of what a model takes are neither columns of the table nor made of one, before anything is run."""
    from ..audit import query_rows

    for step in query_rows.datasets(plan) if model.columns is not None else ():
        frame = query_rows.original(step)
        there = [] if frame is None else [str(one) for one in frame.columns]
        made = tuple(f"{one}{end}" for one in there for end in ("=", " missing"))  # as encoded features are named
        lacking = [one for one in model.columns if one not in there and not str(one).startswith(made)]
        if lacking and frame is not None:
            raise PopleakError(
                f"{model.path}: takes {', '.join(map(repr, lacking[:8]))}, which the table does not have: rename its columns as the model's are, or take "
                f"them out of the option `drop`; it has {', '.join(there)}"
            )


def cautions(plan: Plan, model: Any) -> list[str]:
    """Return in what the audit's models are not trained as the owner's."""
    found = _others(plan, model)
    for task in plan.tasks:
        column = str(task.options.get("attribute", task.attribute))
        if reads(model, column) and not task.attribute_in_features:
            found.append(
                f"{model.path} reads the column {column!r}, and the audit's models do not: add `attribute_in_features: true` to the task {task.id}"
            )
    return found


def _others(plan: Plan, model: Any) -> list[str]:
    """Return a line for each model of the audit that is not trained as the owner's."""
    from ..audit import scored

    return list(
        dict.fromkeys(said for task in plan.tasks for one in task.models if (said := scored.unlike(model, one)))
    )


def ask(plan: Plan, model: Any, arguments: argparse.Namespace) -> str:
    """Return what the model takes, once it has answered the query rows, and what makes its answers doubtful. Raises PopleakError where it cannot
    answer, before anything is trained."""
    from ..audit import one_model, query_rows, scored

    asked = query_rows.asked(plan)
    answers, told = scored.scored(model, asked, takes=arguments.takes, positive=arguments.positive)
    scores = one_model.scores_of(answers, asked, len(asked.class_names()))
    found = one_model.doubts(asked.loaded().y[asked.rows], scores)
    return "\n".join([told, *(f"caution: {line}" for line in found)])


def say(plan: Plan, model: Any, arguments: argparse.Namespace) -> None:
    """Print what the adversaries of a finished audit make of the model, and write the verdict if a file is named."""
    from ..audit import scored

    found = scored.judged(
        plan, arguments.trained, takes=arguments.takes, positive=arguments.positive, widths=arguments.widths, ratio=arguments.ratio
    )  # fmt: skip
    like = "not trained like it: see the caution" if _others(plan, model) else "trained like it"
    print(f"{arguments.trained.name} itself (the lights are of models that are {like}):")
    own.say(found.verdict, arguments.verdict)
