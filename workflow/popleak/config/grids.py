"""Grids in a config: one choice of a plugin that stands for every combination of some of its settings' values."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from typing import Any

from ..core.errors import PopleakError
from .entries import LONGEST_ID, Choice

MOST = 200
"""Combinations of one choice at most: each is a defence, a model or an attack of its own."""
SHORT = {"epochs": "e", "learning_rate": "r", "rehearsal": "s", "eo_weight": "w"}
"""What an id calls a setting that is often swept, in the order in which an id names them; others have their full name."""


def combinations(choice: Choice, path: str) -> list[dict[str, Any]]:
    """Return the values of the grid's settings in each combination; one without any where there is no grid.

    path: of the choice in the config. The order is that of the ids, whatever the order of the keys. Raises PopleakError for a
    setting that has a fixed value too, and for more than MOST combinations.
    """
    for name in choice.grid:
        if name in choice.settings:
            raise PopleakError(f"config: {path}.grid.{name}: is in `settings` as well: keep it in one of them")
    many = math.prod(len(values) for values in choice.grid.values())
    if many > MOST:
        raise PopleakError(
            f"config: {path}.grid: stands for {many:,} combinations, and {MOST} is the limit: leave values out, or split it into two choices"
        )
    names = sorted(choice.grid, key=_place)
    return [
        dict(zip(names, values, strict=True)) for values in itertools.product(*(choice.grid[name] for name in names))
    ]


def named(stem: str, values: Mapping[str, Any], path: str) -> str:
    """Return the id of one combination: the choice's own and each value, as in `fft-rehearsal-e10-r0p001-s0p5-w1`.

    values: as validated, so that 1, 1.0 and "1" are one. Raises PopleakError where the id is too long.
    """
    parts = (
        f"{SHORT[name]}{_text(value)}" if name in SHORT else f"{name.replace('_', '-')}-{_text(value)}"
        for name, value in values.items()
    )
    found = "-".join([stem, *parts]).lower()
    if len(found) > LONGEST_ID:
        raise PopleakError(
            f"config: {path}.grid: the id {found!r} is longer than {LONGEST_ID} characters: give the choice a shorter `id`"
        )
    return found


def _place(name: str) -> tuple[int, str]:
    known = list(SHORT)
    return (known.index(name) if name in known else len(known), name)


def _text(value: Any) -> str:
    """Return a value in letters, digits and hyphens: p is the point and m the minus of a number."""
    if isinstance(value, (list, tuple)):
        return "-".join(_text(one) for one in value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"{value:.12g}".replace(".", "p").replace("-", "m").replace("+", "")
    return re.sub(r"[^a-z0-9]+", "-", str(value).lower()).strip("-")
