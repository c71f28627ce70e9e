"""Games of more than two worlds: which rows of the tables regression, estimates and confusion to draw, cell by cell."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from . import _select as select
from . import _style as style

if TYPE_CHECKING:
    import pandas as pd

FIRST = ("best", "kl", "meta", "threshold", "accuracy-gap", "loss")
"""Attacks that are shown before others."""
CELL = ["task", "model", "ratios", "defence", "adversary", "access", "knowledge"]


class Place(NamedTuple):
    """One task, model, set of worlds and defence; the title leaves out what is the same in all."""

    task: str
    model: str
    ratios: str
    defence: str
    title: str


def rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of unpoisoned, plainly attacked victims, of the best informed kind of each attack."""
    return select.informed(select.plain(frame).reset_index(drop=True))


def places(frame: pd.DataFrame) -> list[Place]:
    """Return the places in `frame`: by task, undefended victims first."""
    order = {name: i for i, name in enumerate(style.defences(frame["defence"]))}
    found = set(frame[list(Place._fields[:4])].itertuples(index=False, name=None))
    models, sets = ({key[i] for key in found} for i in (1, 2))
    titled = []
    for task, model, ratios, defence in sorted(found, key=lambda key: (*key[:3], order[key[3]])):
        title = select.wrapped(task)
        title += f"\n{select.wrapped(model)}" if len(models) > 1 else ""
        title += f"\n{len(ratios.split())} ratios" if len(sets) > 1 else ""
        titled.append(Place(task, model, ratios, defence, f"{title}\n{defence}"))
    return titled


def at(frame: pd.DataFrame, place: Place) -> pd.DataFrame:
    """Return one place's rows."""
    return select.of(frame, **{name: getattr(place, name) for name in Place._fields[:4]})


def worlds(place: Place) -> list[float]:
    """Return the ratios of a place's worlds, rising."""
    return sorted(float(ratio) for ratio in place.ratios.split())


def spokesman(names: Iterable[str]) -> str:
    """Return the attack that a message speaks of, fixed before any victim is looked at: the first of FIRST among `names`, else the first in
    the order of all figures. One that was chosen for its results would flatter them."""
    known = list(style.adversaries(names))
    return next((name for name in FIRST if name in known), known[0])
