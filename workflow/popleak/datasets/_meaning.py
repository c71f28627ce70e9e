"""What a table's label, sensitive attribute and unit mean: values matched as text or cut as numbers, all problems found.

Nothing is joined or left out in silence: what became which class or group is told with its counts.
"""

from __future__ import annotations

import operator
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from ._numbers import Numbers
from ._sheet import Column

MOST_SHOWN = 20
"""A message lists the values of a column unless they are more: then they may point at people."""
LOST = 0.05
"""A larger share of rows in neither group is pointed out."""
CONDITION = re.compile(r"(<=|>=|<|>)\s*([+-]?[0-9]+(?:\.[0-9]+)?)")
DECIMALS = re.compile(r"[+-]?[0-9]+\.[0-9]*")
COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


@dataclass
class Findings:
    """What was found in a table: `problems` that must be mended, `hints` to think of, `notes` on what was recognised and
    joined, each one line; `facts` for the card; `columns` that are no features, and why; `features`, the columns that are; `kinds`
    of hints, and the columns that they are about; `remedies` of columns that could be features."""

    problems: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    features: list[str] = field(default_factory=list)
    kinds: dict[str, list[str]] = field(default_factory=dict)
    remedies: dict[str, str] = field(default_factory=dict)

    def refuse(self, column: str, reason: str, remedy: str) -> None:
        """Add the problem that a column cannot be a feature."""
        self.problems.append(f"column {column!r}: {reason}: {remedy}")
        self.columns[column] = reason
        self.remedies[column] = remedy

    def hint(self, column: str, said: str, kind: str = "other") -> None:
        self.hints.append(f"column {column!r}: {said}")
        self.kinds.setdefault(kind, []).append(column)


class Values(NamedTuple):
    """A column whose values are compared as text: codes (N,), -1 where missing; each value's text and count (k,).

    numbers (k,): what the texts stand for, NaN for a word; None where the column is not one of numbers. unclear: its numbers
    can be read in two ways. exact: zeros at the end of a text count, since its point may group thousands.
    """

    name: str
    codes: np.ndarray
    texts: list[str]
    counts: np.ndarray
    numbers: np.ndarray | None
    unclear: bool = False
    exact: bool = False

    def shown(self, mask: np.ndarray | None = None) -> str:
        """List values with their counts, the most frequent first, unless they are so many that they may point at people."""
        chosen = np.flatnonzero(np.ones(len(self.texts), dtype=bool) if mask is None else mask)
        if len(chosen) > MOST_SHOWN:
            return f"{len(chosen)} different values"
        order = sorted(chosen, key=lambda i: -self.counts[i])
        return ", ".join(f"{self.texts[i]!r} ({self.counts[i]})" for i in order) or "no value"

    def counted(self, mask: np.ndarray) -> dict[str, int]:
        """Return the counts of some values by text, or where they are many their number and sum, as JSON."""
        chosen = np.flatnonzero(mask)
        if len(chosen) > MOST_SHOWN:
            return {f"{len(chosen)} values": int(self.counts[chosen].sum())}
        return {self.texts[i]: int(self.counts[i]) for i in chosen}

    def rows(self, mask: np.ndarray) -> np.ndarray:
        """Return the rows (N,) bool that hold one of the values (k,)."""
        return np.append(mask, False)[self.codes]  # the last entry serves the code -1


def text(value: object) -> str:
    """Return a value's text: numbers without zeros at the end of their decimals, so that 1, 1.0 and "1" are one value."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    found = f"{value:f}" if isinstance(value, Decimal) else str(value).strip()
    if "." in found and DECIMALS.fullmatch(found):
        return found.rstrip("0").rstrip(".")
    return found


def written(value: object) -> str:
    """Return a value's text with the zeros at the end of a text."""
    return value.strip() if isinstance(value, str) else text(value)


def exact(column: Column, numbers: Numbers | None) -> bool:
    """Return whether zeros at the end of a text count, since a point groups thousands in this column, or may do so."""
    if column.kind != "field":
        return False
    return numbers is None or (numbers.whole and numbers.point == ",")


def valued(name: str, column: Column, numbers: Numbers | None) -> Values:
    """Return the column with its values as text. numbers: what `column.values` stand for, where they may be numbers."""
    table: dict[str, int] = {}
    as_written = exact(column, numbers)
    new = [table.setdefault((written if as_written else text)(value), len(table)) for value in column.values]
    codes = np.array([*new, -1], dtype=np.int32)[column.codes]  # the last entry serves the code -1
    quantities = None
    if numbers is not None and numbers.whole:
        quantities = np.full(len(table), np.nan)
        quantities[new] = numbers.values
    counts = np.bincount(codes[codes >= 0], minlength=len(table))
    return Values(name, codes, list(table), counts, quantities, column.kind == "field" and numbers is None, as_written)


def chosen(key: str, wanted: Sequence[Any], values: Values, findings: Findings) -> np.ndarray:
    """Return which values (k,) bool the option `key` names, each as it stands in the column or cut as in `> 50000`."""
    mask = np.zeros(len(values.texts), dtype=bool)
    for one in wanted:
        name = written(one) if values.exact else text(one)
        hit = np.array([there == name for there in values.texts], dtype=bool)
        if isinstance(one, bool):
            hit |= np.array([there.casefold() == name.casefold() for there in values.texts], dtype=bool)
        condition = CONDITION.fullmatch(name)
        if condition and not hit.any():
            below_or_above = _cut(key, condition, values, findings)
            if below_or_above is None:
                continue
            hit = below_or_above
        if not hit.any():
            findings.problems.append(
                f"options.{key}: {name!r} does not occur in column {values.name!r}, which holds {values.shown()}"
                + _reason(one, values)
            )
        mask |= hit
    return mask


def _cut(key: str, condition: re.Match[str], values: Values, findings: Findings) -> np.ndarray | None:
    """Return which values (k,) bool a cut such as `> 50000` takes; None, and a problem, where they are no clear numbers."""
    if values.unclear:
        findings.problems.append(
            f"options.{key}: {condition[0]!r} cuts column {values.name!r}, whose numbers may have thousands or decimals: "
            'give `decimal: "."` or `decimal: ","`'
        )
        return None
    if values.numbers is None:
        findings.problems.append(
            f"options.{key}: {condition[0]!r} cuts a column of numbers, and column {values.name!r} holds {values.shown()}"
        )
        return None
    return COMPARE[condition[1]](values.numbers, float(condition[2]))


def _reason(wanted: Any, values: Values) -> str:
    plain = {there.casefold() for there in values.texts}
    if isinstance(wanted, bool) and plain & {"yes", "no", "on", "off", "y", "n"}:
        return ": YAML reads a bare yes or no as true or false: put the value into quotes"
    return ""


def spelling(value: str) -> str:
    """Return what is left of a value when case, spaces and signs at its end do not count."""
    if not any(sign.isalpha() for sign in value):
        return value
    found = unicodedata.normalize("NFKC", value).casefold().strip(" .,;:")
    return re.sub(r"(?<=\w)[\s_-]+(?=\w)", " ", found)


def variants(texts: Iterable[str]) -> list[list[str]]:
    """Return the values that look like one value in several spellings."""
    found: dict[str, list[str]] = {}
    for value in texts:
        found.setdefault(spelling(value), []).append(value)
    return [sorted(same) for same in found.values() if len(same) > 1]


def spellings(value: str, texts: Iterable[str]) -> list[str]:
    """Return those of `texts` that are spellings of a value, in their order."""
    return [there for there in texts if spelling(there) == spelling(value)]


def same(values: Sequence[str]) -> str:
    return " and ".join(repr(value) for value in values) + " look like one value in several spellings"


def as_list(value: Any) -> tuple:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def labels(values: Values, positive: Any, negative: Any, findings: Findings) -> tuple[np.ndarray, np.ndarray]:
    """Return y (N,) int8 and which rows (N,) have a label that is y = 1 or y = 0."""
    nothing = np.zeros(len(values.codes), dtype=np.int8), np.zeros(len(values.codes), dtype=bool)
    if len(values.texts) < 2:
        findings.problems.append(f"options.label: column {values.name!r} is constant: name a label that varies")
        return nothing
    before = len(findings.problems)
    one = chosen("positive", as_list(positive), values, findings)
    if len(findings.problems) > before:
        return nothing
    zero = _negatives(values, one, positive, negative, findings)
    if len(findings.problems) > before:
        return nothing
    if not zero.any():
        findings.problems.append(
            f"options.positive: every row of column {values.name!r} is y = 1: name fewer values, or cut elsewhere"
        )
        return nothing
    _tell_labels(values, one, zero, findings)
    return values.rows(one).astype(np.int8), values.rows(one | zero)


def _negatives(values: Values, one: np.ndarray, positive: Any, negative: Any, findings: Findings) -> np.ndarray:
    """Return which values (k,) bool are y = 0: those named, or the rest. one (k,) bool: those that are y = 1."""
    if negative is not None and negative != "rest":
        zero = chosen("negative", as_list(negative), values, findings)
        for name in (values.texts[i] for i in np.flatnonzero(one & zero)[:1]):
            findings.problems.append(f"options.negative: {name!r} is y = 1 too: name it once")
        return zero
    if values.numbers is not None and all(CONDITION.fullmatch(text(each)) for each in as_list(positive)):
        return ~one & ~np.isnan(values.numbers)
    if negative is None and (~one).sum() > 1:
        findings.problems.append(_ambiguous(values, one))
    return ~one


def _tell_labels(values: Values, one: np.ndarray, zero: np.ndarray, findings: Findings) -> None:
    """Say which values (k,) bool are y = 1, y = 0 or left out. Spellings of one value on both sides are a problem, one of them left out a hint."""
    left = ~one & ~zero
    for group in variants(values.texts):
        sides = {("y = 1" if one[i] else "y = 0" if zero[i] else "left out") for i in map(values.texts.index, group)}
        if {"y = 0", "y = 1"} <= sides:
            findings.problems.append(
                f"options.positive: column {values.name!r}: {same(group)}, and stand on both sides of the label: name "
                "them on one side, in `positive` or in `negative`"
            )
        elif len(sides) > 1:
            findings.hint(values.name, f"{same(group)}, but are {' and '.join(sorted(sides))}")
    findings.facts["label_values"] = {"1": values.counted(one), "0": values.counted(zero)}
    _tell_empty("label", values, findings)
    if left.any():
        findings.facts["label_values"]["left out"] = values.counted(left)
    if left.any() or max(one.sum(), zero.sum()) > 1:
        out = f"; left out: {values.shown(left)}" if left.any() else ""
        findings.notes.append(f"label {values.name!r}: y = 1: {values.shown(one)}; y = 0: {values.shown(zero)}{out}")


def _ambiguous(values: Values, one: np.ndarray) -> str:
    said = (
        f"options.negative: column {values.name!r} holds {values.shown()}, so `positive` does not say what is y = 0: "
    )
    spelt = [group for group in variants(values.texts)]
    if spelt:
        keys = {spelling(values.texts[i]) for i in np.flatnonzero(one)}
        sides: tuple[list[str], list[str]] = ([], [])
        for value in values.texts:
            sides[spelling(value) in keys].append(value)
        if len({spelling(value) for value in sides[0]}) == 1:
            return said + f"{'; '.join(map(same, spelt))}: give positive: {sides[1]}, negative: {sides[0]}"
        said += f"{'; '.join(map(same, spelt))}; "
    if values.numbers is not None and len(values.texts) > MOST_SHOWN:
        middle = np.nanmedian(np.repeat(values.numbers, values.counts))
        return said + f'cut its numbers, as in positive: "> {middle:g}", or give negative: rest'
    return said + "list its values in `negative` (rows with others are left out), or give negative: rest"


def groups(
    values: Values, wanted: Sequence[Any], names: Sequence[str], labelled: np.ndarray, findings: Findings
) -> np.ndarray:
    """Return the group (N,) int8 of each row: 0, 1, or -1 for neither and for rows without a label."""
    before = len(findings.problems)
    masks = []
    for number, group in enumerate(wanted):
        if not as_list(group):
            findings.problems.append(f"options.groups: group {number} is an empty list: name its values")
        masks.append(chosen(f"groups.{number}", as_list(group), values, findings))
    for i in np.flatnonzero(masks[0] & masks[1])[:1]:
        findings.problems.append(f"options.groups: {values.texts[i]!r} is in both groups: name it once")
    none = np.full(len(values.codes), -1, dtype=np.int8)
    if len(findings.problems) > before:
        return none
    _tell_groups(values, masks, findings)
    group = np.where(values.rows(masks[1]), 1, np.where(values.rows(masks[0]), 0, -1)).astype(np.int8)
    if not labelled.any():  # said already
        return group
    group[~labelled] = -1
    for number, name in enumerate(names):
        if not (group == number).any():
            findings.problems.append(
                f"options.groups: no row with a label is in group {number} ({name}): name other values"
            )
    return group


def _tell_groups(values: Values, masks: Sequence[np.ndarray], findings: Findings) -> None:
    """Say which values (k,) bool are in each group and in neither. Spellings of one value in both groups are a problem, one left out a hint."""
    _tell_spellings(values, masks, findings)
    findings.facts["group_values"] = [values.counted(mask) for mask in masks]
    _tell_empty("attribute", values, findings)
    neither = ~masks[0] & ~masks[1]
    if neither.any():
        findings.facts["values_in_neither_group"] = values.counted(neither)
        _tell_lost(values, neither, findings)


def _tell_lost(values: Values, neither: np.ndarray, findings: Findings) -> None:
    """Say which values (k,) bool are in neither group: a hint where they are many."""
    said = f"attribute {values.name!r}: in neither group and left out: {values.shown(neither)}"
    share = values.counts[neither].sum() / values.counts.sum()
    if share <= LOST:
        findings.notes.append(said)
        return
    findings.hints.append(
        f"{said}: {100 * share:.0f} % of the rows with a value: what belongs to a group is named with it, as in groups: [[M, Male], [F, Female]] "
        f"(--group {values.name}=M|Male,F|Female)"
    )


def _tell_spellings(values: Values, masks: Sequence[np.ndarray], findings: Findings) -> None:
    for same_ones in variants(values.texts):
        places = [values.texts.index(value) for value in same_ones]
        if len({(bool(masks[0][i]), bool(masks[1][i])) for i in places}) > 1:
            where = ["group 0" if masks[0][i] else "group 1" if masks[1][i] else "left out" for i in places]
            told = ", ".join(
                f"{values.texts[i]!r} ({values.counts[i]}) {w}" for i, w in zip(places, where, strict=True)
            )
            if all(any(mask[i] for i in places) for mask in masks):
                findings.problems.append(
                    f"options.groups: column {values.name!r}: {same(same_ones)}: {told}: name them in one group"
                )
            else:
                findings.hint(values.name, f"{same(same_ones)}: {told}: join them in options.groups")


def _tell_empty(what: str, values: Values, findings: Findings) -> None:
    """Say how many rows have no value, where some do not."""
    empty = int((values.codes < 0).sum())
    if empty:
        findings.notes.append(f"{what} {values.name!r}: {empty} rows without a value are left out")


def unit(values: Values, keep: np.ndarray, findings: Findings) -> np.ndarray:
    """Return the unit (N,) int64 of each row; -1 where a row that is left out has none. keep (N,) bool: rows with a label and a group."""
    empty = np.flatnonzero(keep & (values.codes < 0))
    if len(empty):
        findings.problems.append(
            f"options.unit: column {values.name!r} has {len(empty)} missing values in rows with a label and a group, the first in data row "
            f"{empty[0] + 1}: fill them, or name another column"
        )
    several = values.counts > 1
    findings.notes.append(
        f"unit {values.name!r}: {several.sum()} of {len(values.counts)} stand in several rows, {values.counts[several].sum()} "
        "rows, which stay together"
    )
    return values.codes.astype(np.int64)
