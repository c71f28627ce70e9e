"""Pairs of tasks that differ in one key only."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from .resolved import ResolvedTask

APART = {"id", "placebo"}
"""Keys in which twins may always differ. They do not affect the task's own models and attacks, since placebos are
judged separately."""


def unseen(tasks: Sequence[ResolvedTask]) -> dict[str, str]:
    """Return, for each task with the attribute among its features, the id of the task whose undefended models differ
    only in this."""
    return _twins(
        tasks,
        "attribute_in_features",
        (True, False),
        apart={"worlds", "defences", "attacks", "shadow_models", "poison"},
    )


def balanced(tasks: Sequence[ResolvedTask]) -> dict[str, str]:
    """Return, for each task whose label rate varies with the ratio, the id of the same task with equal label rates.
    That task may have only some of the defences, with the same settings and controls."""
    return _twins(tasks, "ratio_mode", ("natural", "label-balanced"), some={"defences"})


def _twins(
    tasks: Sequence[ResolvedTask],
    key: str,
    values: tuple[Any, Any],
    *,
    apart: AbstractSet[str] = frozenset(),
    some: AbstractSet[str] = frozenset(),
) -> dict[str, str]:
    """Return, for each task with the first of `values` under `key`, the id of the only task with the second that
    agrees in all other keys.

    apart: keys that do not affect what is compared; some: keys whose entries in the other task need only be a subset.
    A task that agrees with several others has no twin, since it is unclear which one is meant.
    """
    alike = [task.model_dump(exclude={key, *APART, *apart, *some}) for task in tasks]
    twins = {}
    for task, fields in zip(tasks, alike, strict=True):
        if getattr(task, key) != values[0]:
            continue
        others = [
            other.id
            for other, other_fields in zip(tasks, alike, strict=True)
            if getattr(other, key) == values[1]
            and other_fields == fields
            and all(one in getattr(task, name) for name in some for one in getattr(other, name))
        ]
        if len(others) == 1:
            twins[task.id] = others[0]
    return twins
