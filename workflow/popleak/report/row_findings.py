"""The README's lines on single rows: what fair fine-tuning does to them, against its control, and what students keep of their teachers'."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..measures.verdicts import HIGHER, LOWER, OPEN
from . import members
from .members import Check
from .words import count, listed

if TYPE_CHECKING:
    import pandas as pd

    from .committed import Source

TABLES = ("membership", "defences")
LITTLE = 0.01
"""Differences of AUC that are all smaller than this are called little."""


def lines(membership: Source, distillation: Source) -> list[str]:
    """Return the lines, each only where the results behind it are committed."""
    return [*_fair(membership), *_students(distillation)]


def _checks(source: Source) -> list[Check]:
    frames: dict[str, pd.DataFrame | None] = {name: source.table(name) for name in TABLES}
    if any(frame is None for frame in frames.values()):
        return []
    return members.checks({name: frame for name, frame in frames.items() if frame is not None})


def _of(datasets: Mapping[str, str], checks: Iterable[Check]) -> set[str]:
    """Return the data sets of these checks; more than one makes a finding."""
    return {datasets.get(one.task.split(",")[0], one.task) for one in checks}


def _fair(source: Source) -> list[str]:
    checks = _checks(source)
    found = [one for one in checks if one.name == "B6" and one.about_all]
    base = [one for one in checks if one.name == "B2" and any(one.task == fair.task for fair in found)]
    if not found:
        return []
    datasets, many = source.datasets(), Counter(one.verdict for one in found)
    head = _said(found, datasets)
    told = listed(
        f"{word} in {many[verdict]}"
        for word, verdict in (("higher", HIGHER), ("lower", LOWER), ("undecided", OPEN))
        if many[verdict]
    )
    return [
        f"**{head}.** Against its control without the term, the AUC of the attack `lira` on fair fine-tuned models is {told} of {count(len(found), 'task')} "
        f"(differences {_span(found, 3)}); on undefended models it is {_span(base)} ({source.link}: {_where(datasets, found)})."
    ]


def _said(found: Sequence[Check], datasets: Mapping[str, str]) -> str:
    """Return what the fairness term does to single rows, as far as it is a finding."""
    more, less = (len(_of(datasets, (one for one in found if one.verdict == word))) > 1 for word in (HIGHER, LOWER))
    little = "a little " if max(abs(one.found.value) for one in found) < LITTLE else ""
    return {
        (True, True): "The fairness term makes members easier to tell in some settings and harder in others",
        (True, False): f"The fairness term makes members {little}easier to tell",
        (False, True): f"The fairness term makes members {little}harder to tell",
        (False, False): "That the fairness term changes what is told of single rows is not shown",
    }[more, less]


def _students(source: Source) -> list[str]:
    checks = [one for one in _checks(source) if one.name == "B3"]
    soft, own = (
        [one for one in checks if word in one.said] for word in ("soft labels on public rows", "self-distillation")
    )
    if not soft or not own:
        return []
    datasets = source.datasets()
    kept = [one for one in soft if one.found.low > 0]
    head = (
        "A student keeps part of what its teacher gives away of single rows"
        if len(_of(datasets, kept)) > 1
        else "That students keep what their teachers give away of single rows is not shown"
    )
    return [
        f"**{head}.** Of the teacher's AUC above one half, a student that learns its soft labels on other, public rows keeps {_span(soft)} (above 0 in {len(kept)} of "
        f"{count(len(soft), 'task')}), one that learns them on the teacher's own rows {_span(own)} ({source.link}: {_where(datasets, soft)})."
    ]


def _span(checks: Sequence[Any], digits: int = 2) -> str:
    values = sorted(one.found.value for one in checks)
    low, high = (f"{value:.{digits}f}" for value in (values[0], values[-1]))
    return low if low == high else f"{low} to {high}"


def _where(datasets: Mapping[str, str], checks: Sequence[Check]) -> str:
    return f"{count(len({one.task for one in checks}), 'task')} on {count(len(_of(datasets, checks)), 'data set')}"
