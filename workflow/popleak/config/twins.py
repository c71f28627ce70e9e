"""Pairs of tasks that differ in one key only."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from .resolved import ResolvedTask

APART = {"id", "placebo"}
"""In what any two tasks may differ whose own models and attacks are the same: a placebo is judged apart."""


def unseen(tasks: Sequence[ResolvedTask]) -> dict[str, str]:
    """Return for each task with the attribute among the features the id of the one whose undefended models differ in this alone."""
    return _twins(
        tasks,
        "attribute_in_features",
        (True, False),
        apart={"worlds", "defences", "attacks", "shadow_models", "poison"},
    )


def balanced(tasks: Sequence[ResolvedTask]) -> dict[str, str]:
    """Return for each task whose label rate moves with the ratio the id of the one that is the same with equal label rates. It may have
    some of the defences only, each with the settings and the control that it has there."""
    return _twins(tasks, "ratio_mode", ("natural", "label-balanced"), some={"defences"})


def _twins(
    tasks: Sequence[ResolvedTask],
    key: str,
    values: tuple[Any, Any],
    *,
    apart: AbstractSet[str] = frozenset(),
    some: AbstractSet[str] = frozenset(),
) -> dict[str, str]:
    """Return for each task with the first of the values of `key` the id of the only one with the second that agrees with it in all else.

    apart: keys that decide nothing of what is compared; some: keys of which the other's entries need only be among the task's. A task
    that agrees with several has none: nothing says which is meant.
    """
    alike = [task.model_dump(exclude={key, *APART, *apart, *some}) for task in tasks]
    found = {}
    for task, mine in zip(tasks, alike, strict=True):
        if getattr(task, key) != values[0]:
            continue
        others = [
            other.id
            for other, its in zip(tasks, alike, strict=True)
            if getattr(other, key) == values[1]
            and its == mine
            and all(one in getattr(task, name) for name in some for one in getattr(other, name))
        ]
        if len(others) == 1:
            found[task.id] = others[0]
    return found
