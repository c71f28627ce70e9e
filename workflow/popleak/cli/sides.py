"""Which values of a table's label and sensitive attribute are y = 1 and y = 0, group 0 and group 1: as they are named, or guessed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core.errors import PopleakError
from ..datasets import _meaning
from ..datasets._meaning import Values

POSITIVE = (
    "1", "yes", "true", "y", "t", "positive", "pos", "good", "pass", "passed", "approved", "accepted", "granted", "admitted", "hired",
    "repaid", "high", ">50k",
)  # fmt: skip


MANY = 10
"""A column of more numbers than this is cut, and not grouped by value."""


class Sides(NamedTuple):
    """What is y = 1 and y = 0, or group 0 and group 1, and the counts that they were chosen by."""

    first: Any
    second: Any
    said: str


def several(values: dict[str, Values], column: str | None, sides: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the values that each side names: one that stands in the column as it is, or several with `|` between them."""
    there = values[column].texts if column in values else []
    return [(side,) if _meaning.spellings(side, there) else tuple(map(str.strip, side.split("|"))) for side in sides]


def texts(*named: str | None) -> set[str]:
    """Return all that the sides which are named may mean: each as it is, and its parts between `|`."""
    return {text for side in named if side is not None for text in (side, *map(str.strip, side.split("|")))}


def given(values: dict[str, Values], **named: tuple[str | None, Sequence[str]]) -> None:
    """Raise PopleakError, with all of them, for columns and values that the command line names and that are not there.

    named: by option, the column and its values. A cut of numbers (`> 50000`) is no value.
    """
    wrong = []
    for key, (column, wanted) in named.items():
        if column is not None and column not in values:
            wrong.append(f"--{key}: column {column!r} is not in the table: choose from {', '.join(values)}")
        elif column is not None:
            known = values[column]
            lost = [
                one
                for one in wanted
                if not _meaning.spellings(one, known.texts)
                and not (known.numbers is not None and _meaning.CONDITION.fullmatch(one))
            ]
            wrong += [f"--{key}: column {column!r} has no value {one!r}: it has {known.shown()}" for one in lost]
    if wrong:
        raise PopleakError("\n  ".join(wrong))


def label(values: Values) -> Sides:
    """Return what is y = 1: a value or its spellings, or a cut at the median of many numbers."""
    if values.numbers is not None and len(values.texts) > MANY:
        middle = _middle(values)
        return Sides(f"> {middle:.12g}", None, "cut at the median")
    if len(values.texts) < 2:
        raise PopleakError(f"init: column {values.name!r} is constant: name another with --label")
    one = _positive(values)
    zero = [text for text in values.texts if text not in one]
    second = [_plain(text) for text in zero] if len(zero) > 1 else None
    return Sides(_side(one), second, values.shown() + _joined(one))


def chosen(values: Values, positive: Sequence[str]) -> Sides:
    """Return what is y = 1 where it is known: cuts, or values in all their spellings against all others."""
    one = _spelled(values, positive)
    zero = [text for text in values.texts if text not in one]
    whole = set(one) <= set(values.texts)
    second = [_plain(text) for text in zero] if whole and len(zero) > 1 else None
    return Sides(_side(one), second, values.shown() + (_joined(one) if whole else ""))


def _spelled(values: Values, named: Sequence[str]) -> list[str]:
    """Return the values that are named, each in all its spellings; what is none, such as a cut, as it is."""
    return list(dict.fromkeys(there for one in named for there in _meaning.spellings(one, values.texts) or [one]))


def pair(values: Values, groups: Sequence[Sequence[str]]) -> Sides:
    """Return two groups that are named, each in all its spellings. Raises PopleakError where a value is in both."""
    for one in groups[0]:
        for other in groups[1]:
            if _meaning.spelling(one) == _meaning.spelling(other):
                raise PopleakError(f"--group: {one!r} and {other!r} are spellings of one value: name two groups")
    both = [_spelled(values, group) for group in groups]
    return Sides(_side(both[0]), _side(both[1]), values.shown() + "".join(map(_joined, both)))


def _side(texts: Sequence[str]) -> Any:
    """Return a value, or the list of its spellings."""
    return _plain(texts[0]) if len(texts) == 1 else [_plain(text) for text in texts]


def _joined(texts: Sequence[str]) -> str:
    """Return what to say of a value that is written in several ways."""
    one = len({_meaning.spelling(text) for text in texts}) == 1
    return (
        f"; {' and '.join(map(repr, texts))} are taken {'for one value' if one else 'together'}"
        if len(texts) > 1
        else ""
    )


def _positive(values: Values) -> list[str]:
    """Return the spellings of the value that is likely y = 1: the first with a usual name, else the rarest."""
    spelt = _spelt(values)
    likely = [key for key in spelt if key in POSITIVE or key.startswith(">")]
    rarest = min(spelt, key=lambda key: sum(values.counts[values.texts.index(text)] for text in spelt[key]))
    return spelt[likely[0] if likely else rarest]


def _spelt(values: Values) -> dict[str, list[str]]:
    """Return the values by what is left of them when spelling does not count."""
    spelt: dict[str, list[str]] = {}
    for text in values.texts:
        spelt.setdefault(_meaning.spelling(text), []).append(text)
    return spelt


def groups(values: Values) -> Sides:
    """Return the two most frequent values, each in all its spellings, or a cut at the median of many numbers."""
    if values.numbers is not None and len(values.texts) > MANY:
        middle = _middle(values)
        return Sides(f"<= {middle:.12g}", f"> {middle:.12g}", "cut at the median")
    if len(values.texts) < 2:
        raise PopleakError(f"init: column {values.name!r} is constant: name another with --group")
    spelt = list(_spelt(values).values())
    if len(spelt) < 2:
        raise PopleakError(
            f"init: column {values.name!r} holds one value in several spellings: name another with --group"
        )
    rows = [-sum(values.counts[values.texts.index(text)] for text in same) for same in spelt]
    first, second = (spelt[i] for i in np.argsort(rows, kind="stable")[:2])
    return Sides(_side(first), _side(second), values.shown() + _joined(first) + _joined(second))


def _middle(values: Values) -> float:
    """Return the number at the median that leaves numbers on both sides."""
    numbers = np.asarray(values.numbers)
    known = ~np.isnan(numbers)
    seen = np.sort(np.repeat(numbers[known], values.counts[known]))
    middle = seen[(len(seen) - 1) // 2]
    return float(middle if middle < seen[-1] else seen[seen < seen[-1]].max())


def _plain(text: str) -> Any:
    return int(text) if re.fullmatch(r"-?(0|[1-9][0-9]{0,14})", text) else text
