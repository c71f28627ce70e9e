"""Numbers as people write them in text files: decimal commas, thousands in groups, `$12`, `12 %`.

A column is made of numbers only if all its values are, written one way. What may be read in two ways is told apart by the
file's other columns or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ._sheet import Column

MISSING_WORDS = frozenset({"na", "n/a", "#n/a", "#na", "<na>", "nan", "-nan", "null", "none"})
"""Words that stand for a missing number in a column of numbers. Elsewhere they are values like others."""
INFINITE = frozenset({"inf", "+inf", "-inf", "infinity", "-infinity"})
PLAIN = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
DATE = re.compile(
    r"(?:[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}|[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{2,4})(?:[T ].*)?|[0-9]{1,2}:[0-9]{2}(?::[0-9.]+)?"
)
GROUPED = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:\.[0-9]{3})+")
CURRENCY = "$€£¥₹"
SPACES = " '’\u00a0\u202f"
DRAWN_MINUS = "\u2212"


def _pattern(point: str, comma: str) -> re.Pattern[str]:
    group = rf"[1-9][0-9]{{0,2}}(?P<mark>[{re.escape(comma + SPACES)}])[0-9]{{3}}(?:(?P=mark)[0-9]{{3}})*"
    number = rf"(?:(?:{group}|[0-9]+)(?:{re.escape(point)}[0-9]*)?|{re.escape(point)}[0-9]+)(?:[eE][+-]?[0-9]+)?"
    return re.compile(
        rf"(?P<sign>[+-]?)(?P<before>[{CURRENCY}]?)\s*(?P<second>[+-]?)(?P<number>{number})\s*(?P<after>[%{CURRENCY}]?)"
    )


PATTERNS = {".": _pattern(".", ","), ",": _pattern(",", ".")}


class Numbers(NamedTuple):
    """values (k,) float64: what each text stands for, NaN where it is no number; missing (k,) bool: words for a missing one.

    point: the decimal sign they were read by; unit: the sign that all of them bear; mixed: some bear another, or none; usual:
    the decimal sign is a point only because it is the usual one.
    """

    values: np.ndarray
    missing: np.ndarray
    point: str = "."
    unit: str = ""
    mixed: bool = False
    usual: bool = False

    @property
    def whole(self) -> bool:
        """Whether all but the words for a missing number are numbers, and there is one at least."""
        return not self.mixed and bool((~np.isnan(self.values)).any()) and not self.others.any()

    @property
    def others(self) -> np.ndarray:
        """Which texts (k,) are neither a number nor a word for a missing one."""
        return np.isnan(self.values) & ~self.missing


def parse(texts: Sequence[str], point: str) -> Numbers:
    """Return the numbers of `texts`, whose decimal sign is `point`, a point or a comma."""
    values = np.full(len(texts), np.nan)
    missing = np.zeros(len(texts), dtype=bool)
    units = set()
    for i, text in enumerate(texts):
        if PLAIN.fullmatch(text) and (point == "." or "." not in text):
            values[i] = float(text)
            units.add("")
            continue
        found = PATTERNS[point].fullmatch(text.replace(DRAWN_MINUS, "-"))
        if found and not (found["sign"] and found["second"]) and not (found["before"] and found["after"]):
            mark = found["mark"] or ""
            bare = found["number"].replace(mark, "") if mark else found["number"]
            values[i] = float(found["sign"] + found["second"] + bare.replace(point, "."))
            units.add(found["before"] + found["after"])
        elif text.casefold() in MISSING_WORDS:
            missing[i] = True
        elif text.casefold() in INFINITE:
            values[i] = float(text)
    return Numbers(values, missing, point, min(units, default=""), len(units) > 1)


def read(
    columns: Mapping[str, Sequence[str]], decimal: str | Mapping[str, str], separator: str = ","
) -> dict[str, Numbers | None]:
    """Return the numbers of each column of texts; None where it may be read in either way, and nothing tells which.

    decimal: the sign where the user names it, else `auto`: a column that can be read in one way only decides for the file. A mapping names
    the sign of single columns, which decide for no other.
    separator: of the fields; a semicolon is written where the comma is the decimal sign.
    """
    if not isinstance(decimal, str):
        known = {name: parse(columns[name], sign) for name, sign in decimal.items() if name in columns}
        others = read({name: texts for name, texts in columns.items() if name not in known}, "auto", separator)
        return {name: known[name] if name in known else others[name] for name in columns}
    if decimal != "auto":
        return {name: parse(texts, decimal) for name, texts in columns.items()}
    ways = {name: _ways(texts) for name, texts in columns.items()}
    decided = {found[0].point for found in ways.values() if len(found) == 1}
    return {name: _settled(texts, ways[name], decided, separator) for name, texts in columns.items()}


def _settled(texts: Sequence[str], ways: Sequence[Numbers], decided: set[str], separator: str) -> Numbers | None:
    """Return the one of a column's `ways` that counts. decided: the decimal signs of the columns that have one way only."""
    if not ways:  # no column of numbers: the way by which more of it would be
        both = [parse(texts, point) for point in PATTERNS]
        return max(both, key=lambda way: int((~np.isnan(way.values)).sum()))
    if not _differ(ways):
        return ways[0]
    one = {way.point: way for way in ways}
    if len(decided) == 1:
        return one[min(decided)]
    doubtful = decided or separator == ";" or any("," in text for text in texts) or _thousands(one)
    return None if doubtful else one["."]._replace(usual=True)


def _thousands(ways: Mapping[str, Numbers]) -> bool:
    """Return whether whole numbers below 1000, and none above, stand without a point beside numbers with one.

    So does a column whose point groups thousands; decimals would hardly all have three digits or none.
    """
    alike = ways["."].values[ways["."].values == ways[","].values]  # what no point stands in
    return len(alike) > 0 and bool((np.abs(alike) < 1000).all())


def unclear(texts: Sequence[str]) -> bool:
    """Return whether a column can be read as numbers in two ways, so that other columns decide."""
    return _differ(_ways(texts))


def _differ(ways: Sequence[Numbers]) -> bool:
    return len(ways) == 2 and not np.array_equal(ways[0].values, ways[1].values, equal_nan=True)


def _ways(texts: Sequence[str]) -> list[Numbers]:
    """Return the ways, by a point and by a comma, in which all of a column can be read as numbers."""
    usual = parse(texts, ".")
    if usual.whole and not any("," in text or GROUPED.fullmatch(text) for text in texts):
        # without a comma and without thousands that a point may group, the other way gives the same or nothing
        same = not any("." in text for text in texts)
        return [usual, usual._replace(point=",")] if same else [usual]
    return [way for way in (usual, parse(texts, ",")) if way.whole]


def thousands(texts: Sequence[str]) -> str:
    """Return the decimal sign by which all numbers are those of the other sign times 1000, "" where none is: three digits stand behind each sign."""
    ways = {sign: parse(texts, sign).values for sign in PATTERNS}
    for sign, other in ((",", "."), (".", ",")):
        many, few = ways[sign], ways[other]
        known = ~np.isnan(many)
        if known.any() and np.array_equal(known, ~np.isnan(few)) and np.allclose(many[known], 1000 * few[known]):
            return sign
    return ""


def of(
    columns: Mapping[str, Column], decimal: str | Mapping[str, str], separator: str = ","
) -> dict[str, Numbers | None]:
    """Return the numbers of each column that may have some, as `read`; text of Parquet is text, as its author said."""
    fields = {name: column.values for name, column in columns.items() if column.kind == "field"}
    found = read(fields, decimal, separator)
    for name, column in columns.items():
        if column.kind == "number":
            values = np.array([float(value) for value in column.values], dtype=np.float64)
            found[name] = Numbers(values, np.zeros(len(values), dtype=bool))
    return found


def kind(column: Column, numbers: Numbers | None) -> str:
    """Return the type of a column's values in the terms of Croissant."""
    if column.kind in ("bool", "date"):
        return {"bool": "sc:Boolean", "date": "sc:DateTime"}[column.kind]
    if numbers is None or not numbers.whole:
        return "sc:Text"
    there = numbers.values[~np.isnan(numbers.values)]
    return "sc:Integer" if np.array_equal(there, np.round(there)) else "sc:Float"
