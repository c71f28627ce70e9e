"""Which of a model's two classes is y = 1: by the values that the owner's table has for it, compared as the table's are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..core.errors import PopleakError
from ..datasets import _meaning

TRUTHS = {"false": "0", "true": "1"}
"""Truth values, and the numbers that they are as an encoded label."""

MANY = re.compile(r"[0-9]+ values")
"""What the facts say of values that are too many to be listed."""


class Label(NamedTuple):
    """The texts that a table has for y = 1, and for y = 0: none where they are not known."""

    positive: tuple[str, ...] = ("1",)
    negative: tuple[str, ...] = ()


def of(options: Mapping[str, Any], facts: Mapping[str, Any]) -> Label:
    """Return the label of a task by the options of its dataset and what its table of records states; of no table of the owner's, y itself."""
    if "positive" not in options:
        return Label()
    zero = [str(one) for one in facts.get("facts", {}).get("label_values", {}).get("0", {})]
    if len(zero) == 1 and MANY.fullmatch(zero[0]):
        zero = []
    return Label(tuple(map(_meaning.text, _meaning.as_list(options["positive"]))), tuple(zero))


def positive(path: Path, named: Sequence[Any], label: Label, wanted: str | None, *, of_features: bool = False) -> int:
    """Return the place of the class that is y = 1 among the two that a model names.

    wanted: the class by --positive; without it the one that is a value of y = 1 in the table, or else 1 of an encoded label of 0 and 1.
    of_features: whether the model takes encoded features, so that it may be of the encoded label too. Raises PopleakError where that is none, or not one.
    """
    words = [_meaning.text(one) for one in named]
    if len(words) != 2:
        raise _unclear(path, words)
    sought = label.positive if wanted is None else (wanted,)
    hits = [i for i, one in enumerate(words) if any(_same(value, one) for value in sought)]
    coded = [_number(one) for one in words]
    encoded = set(coded) == {"0", "1"}
    if not hits and encoded:
        return _encoded(path, words, coded, label, wanted)
    if len(hits) != 1:
        raise _unclear(path, words)
    if wanted is None and encoded and _doubtful(coded[hits[0]], label, of_features):
        raise _either(path, words)
    return hits[0]


def _encoded(path: Path, words: Sequence[str], coded: Sequence[str], label: Label, wanted: str | None) -> int:
    """Return the place of 1 among the classes of an encoded label, or of the truth value or number that was asked for."""
    if wanted is None:
        if {_number(value) for value in label.positive} & {"0"}:  # the other kind of 0: its code may be either
            raise _either(path, words)
        return coded.index("1")
    if _number(wanted) not in coded:
        raise _unclear(path, words)
    return coded.index(_number(wanted))


def _doubtful(code: str, label: Label, of_features: bool) -> bool:
    """Return whether a class 0 or 1 that is a value of y = 1 may be a code of another: the table's label has not 0 and 1 as its two values."""
    zero = {_number(value) for value in label.negative}
    if code == "0":
        return of_features or (bool(zero) and zero != {"1"}) or {_number(value) for value in label.positive} != {"0"}
    return len(zero) == 1 and zero != {"0"}


def _same(value: str, there: str) -> bool:
    return _meaning.text(value) == there or (value.casefold() in TRUTHS and value.casefold() == there.casefold())


def _number(value: str) -> str:
    return TRUTHS.get(value.casefold(), value)


def _unclear(path: Path, words: Sequence[str]) -> PopleakError:
    told = " and ".join(map(repr, words[:8]))
    return PopleakError(f"{path}: tells {told} apart: name the one of two that is y = 1 with --positive")


def _either(path: Path, words: Sequence[str]) -> PopleakError:
    told = " and ".join(map(repr, words))
    return PopleakError(
        f"{path}: its classes {told} may be values of the table's label or codes of them: name the one that is y = 1 with --positive"
    )
