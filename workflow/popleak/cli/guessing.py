"""What a table's columns are likely to mean: label, groups, values that are missing, columns never to be read, the column of persons."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..core import plugins
from ..core.errors import PopleakError
from ..datasets import _features, _meaning, _numbers, _reading
from ..datasets._meaning import Values
from ..datasets._sheet import Column, Sheet
from ..datasets.base import Records

LABELS = (
    "label", "target", "class", "outcome", "income", "default", "repaid", "approved", "accepted", "admitted", "hired", "granted",
    "recid", "two_year_recid", "is_recid", "pass", "passed", "pass_bar", "y", "result", "risk", "churn", "loan_status", "response",
)  # fmt: skip
ATTRIBUTES = (
    "sex",
    "gender",
    "race",
    "ethnicity",
    "ethnic",
    "nationality",
    "citizenship",
    "religion",
    "disability",
    "age",
)
POSITIVE = (
    "1", "yes", "true", "y", "t", "positive", "pos", "good", "pass", "passed", "approved", "accepted", "granted", "admitted", "hired",
    "repaid", "high", ">50k",
)  # fmt: skip
MARKS = ("?", "-", "--", ".", "*")
"""Values that mean a missing one wherever they stand alone."""
MANY = 10
"""A column of more numbers than this is cut, and not grouped by value."""


class Sides(NamedTuple):
    """What is y = 1 and y = 0, or group 0 and group 1, and the counts that they were chosen by."""

    first: Any
    second: Any
    said: str


class Guess(NamedTuple):
    """What is proposed for a table: the options of its task, how label and groups were chosen, other columns that each may be, columns that are
    never read and why, columns of codes, what a person should look at, and the share of group 1 (None where the table has problems). said: remarks on
    options that were guessed, by their names."""

    table: Path
    options: dict[str, Any]
    y: Sides
    a: Sides
    others: tuple[list[str], list[str]]
    drop: dict[str, str]
    codes: list[str]
    hints: list[str]
    share: float | None
    said: dict[str, str]

    def unread(self) -> list[str]:
        """Return a line on each column that is no feature: what is not read, and why; the unit, by which rows stay together."""
        lines = [f"not read: {name} ({why})" for name, why in self.drop.items()]
        if "unit" in self.options:
            lines.append(
                f"not read as a feature: {self.options['unit']} ({self.said['unit']}): options.unit keeps rows with one value together"
            )
        return lines + [f"{key}: {self.said[key]}" for key in ("missing", "decimal") if key in self.said]


def guess(
    table: Path,
    *,
    label: str | None = None,
    group: str | None = None,
    positive: str | None = None,
    groups: tuple[str, str] | None = None,
) -> Guess:
    """Return what is proposed. label, group: columns; positive, groups: values of y = 1 and of the groups, where they are known. Raises PopleakError
    where no label or attribute can be guessed, and for what is named and is not there."""
    sheet = _reading.read(table)
    separator = sheet.form.get("separator", ",")
    marks = _marks(sheet)
    columns = {name: _without(column, marks) for name, column in sheet.columns.items()}
    values = _values(columns, separator)
    _given(values, label=(label, () if positive is None else (positive,)), group=(group, groups or ()))
    label, others = _guess("label", LABELS, values, label, group)
    group, more = _guess("group", ATTRIBUTES, values, group, label)
    # a word of the label, or a group that is named, is a value there and cannot be missing elsewhere
    words = _words(columns, separator, {*values[label].texts, *(groups or ())})
    marks = [*marks, *dict.fromkeys(word for found in words.values() for word in found)]
    columns = {name: _without(column, marks) for name, column in sheet.columns.items()}
    values = _values(columns, separator)
    y = _label(values[label]) if positive is None else _chosen(values[label], positive)
    a = _groups(values[group]) if groups is None else _pair(values[group], groups)
    options = _options(table, label, group, y=y, a=a, marks=marks)
    said = _said_of(words)
    _signs(columns, separator, options, said, (label, group))
    return _settled(table, options, y, a, (others, more), values, said)


def _settled(
    table: Path,
    options: dict[str, Any],
    y: Sides,
    a: Sides,
    others: tuple[list[str], list[str]],
    values: dict[str, Values],
    said: dict[str, str],
) -> Guess:
    """Return the proposal, with what the reading of the table says of its columns. Raises PopleakError where none is left to be a feature."""
    label, group = options["label"], options["attribute"]
    findings = _examined(options, table)[0]
    drop = {name: _why(name, findings) for name in findings.columns}
    if unit := _unit(values, drop):
        options["unit"] = unit
        del drop[unit]
        said["unit"] = f"{len(values[unit].texts)} different values in {len(values[unit].codes)} rows"
    codes = [name for name in findings.kinds.get("codes", ()) if len(values[name].texts) <= _features.MOST_CATEGORIES]
    free = [name for name in values if name not in (label, group, unit, *drop)]
    if not free:
        raise PopleakError(
            f"{table}: no column is left as a feature besides {label!r} and {group!r}: use a table with more columns"
        )
    whole = {**options, "drop": [name for name in drop if name in values], "categorical": codes}
    final, records = _examined(whole, table)
    share = None if records is None else float(records.a.mean())
    return Guess(table, options, y, a, others, drop, codes, final.hints + final.problems, share, said)


def _said_of(words: dict[str, list[str]]) -> dict[str, str]:
    """Return the remark on the words that are proposed as missing, by column."""
    told = [f"{' and '.join(map(repr, found))} stands among the numbers of {name}" for name, found in words.items()]
    return {"missing": "; ".join(told)} if told else {}


def _words(columns: dict[str, Column], separator: str, values: Collection[str]) -> dict[str, list[str]]:
    """Return the spellings of the one word, such as unknown, that stands among the numbers of a column, by column.

    A column of more numbers than MANY, most of its rows numbers, whose other texts are spellings of one word without a digit. values: texts that
    mean something else.
    """
    found = {}
    for name, read in _numbers.of(columns, "auto", separator).items():
        column = columns[name]
        if read is None or column.kind != "field" or np.isfinite(read.values).sum() <= MANY:
            continue
        odd = np.flatnonzero(read.others)
        words = [column.values[i] for i in odd]
        rows = np.bincount(column.codes[column.codes >= 0], minlength=len(column.values))
        one = len({_meaning.spelling(word) for word in words}) == 1 and not any(
            sign.isdigit() for sign in "".join(words)
        )
        if one and 2 * rows[odd].sum() < rows.sum() and not set(words) & set(values):
            found[name] = words
    return found


def _signs(
    columns: dict[str, Column], separator: str, options: dict[str, Any], said: dict[str, str], taken: Sequence[str]
) -> None:
    """Add the decimal sign of columns whose numbers may be read in two ways, and in both are the same but for a factor of 1000."""
    read = _numbers.of(columns, "auto", separator)
    signs: dict[str, str] = {}
    for name, column in columns.items():
        if column.kind == "field" and read.get(name) is None and name not in taken:
            sign = _numbers.thousands(column.values)
            signs |= {name: sign} if sign else {}
    if signs:
        examples = {name: next(one for one in columns[name].values if "." in one or "," in one) for name in signs}
        options["decimal"] = signs
        said["decimal"] = "; ".join(
            f"{name}: {one!r} is read with thousands, as {_numbers.parse([one], signs[name]).values[0]:.12g}; as decimals the feature is the same"
            for name, one in examples.items()
        )


def _why(name: str, findings: _meaning.Findings) -> str:
    """Return why a column is not read, and what would make it a feature."""
    remedy = findings.remedies[name]
    if remedy.startswith("if they mean a missing number"):
        remedy = "if they mean a missing number, add them to options.missing, and take the column out of options.drop"
    return findings.columns[name] + ("" if "options.drop" in remedy and "missing" not in remedy else f": {remedy}")


def _unit(values: dict[str, Values], drop: Collection[str]) -> str | None:
    """Return the column that is never read and tells the person of each row, where some stand in several rows.

    Of those whose values differ in more than half of the rows, and that have no gap, the one with the most values.
    """
    whole = [values[name] for name in drop if name in values and (values[name].codes >= 0).all()]
    several = [one for one in whole if len(one.codes) / 2 < len(one.texts) < len(one.codes)]
    return max(several, key=lambda one: len(one.texts)).name if several else None


def _options(table: Path, label: str, group: str, *, y: Sides, a: Sides, marks: list[str]) -> dict[str, Any]:
    """Return the options of the task, without columns to drop."""
    options: dict[str, Any] = {
        "path": str(table), "label": label, "positive": y.first, "attribute": group, "groups": [a.first, a.second],
    }  # fmt: skip
    options |= {"missing": marks} if marks else {}
    options |= {"negative": y.second} if isinstance(y.second, list) else {}
    return options


def _given(values: dict[str, Values], **named: tuple[str | None, Sequence[str]]) -> None:
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


def _marks(sheet: Sheet) -> list[str]:
    """Return the signs that stand for missing values in some column."""
    there = {value for column in sheet.columns.values() if column.kind in ("field", "text") for value in column.values}
    return [mark for mark in MARKS if mark in there]


def _without(column: Column, marks: Sequence[str]) -> Column:
    keep = np.array([value not in marks for value in column.values] + [False])
    new = np.where(keep, np.cumsum(keep) - 1, -1).astype(np.int32)
    return column._replace(codes=new[column.codes], values=[value for value in column.values if value not in marks])


def _values(columns: dict[str, Column], separator: str) -> dict[str, Values]:
    numbers = _numbers.of(columns, "auto", separator)
    return {name: _meaning.valued(name, column, numbers.get(name)) for name, column in columns.items()}


def _guess(
    kind: str, known: Sequence[str], values: dict[str, Values], given: str | None, taken: str | None
) -> tuple[str, list[str]]:
    """Return the column of the label or the sensitive attribute, and others that it may be, the likelier ones first."""
    names = list(values)

    def rank(name: str) -> tuple[int, int]:
        plain = name.casefold().replace("-", "_").replace(" ", "_")
        if plain in known:
            return known.index(plain), 0
        parts = [i for i, word in enumerate(known) if word in plain.split("_")]
        # a label often stands last
        return len(known) + (parts[0] if parts else len(known)), -names.index(name)

    def fits(name: str) -> bool:
        size, named = len(values[name].texts), rank(name)[0] < 2 * len(known)
        if kind == "label":
            return two(name) or (named and size > 2)
        return named and size >= 2 and (size <= _features.MOST_CATEGORIES or values[name].numbers is not None)

    def two(name: str) -> bool:
        return len({_meaning.spelling(text) for text in values[name].texts}) == 2

    found = sorted((name for name in names if name != taken and fits(name)), key=rank)
    if (
        kind == "label"
    ):  # of what bears a usual name, a column with two values is likelier than one that would have to be cut
        found.sort(key=lambda name: 2 * (rank(name)[0] >= 2 * len(known)) + (not two(name)))
    chosen = given or next(iter(found), None)
    if chosen is None:
        what = "label" if kind == "label" else "sensitive attribute"
        raise PopleakError(
            f"init: no column looks like the {what}: name it with --{kind}: choose from {', '.join(names)}"
        )
    return chosen, [name for name in found if name != chosen][:5]


def _label(values: Values) -> Sides:
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


def _chosen(values: Values, positive: str) -> Sides:
    """Return what is y = 1 where it is known: a cut, or a value in all its spellings against all others."""
    one = _meaning.spellings(positive, values.texts)
    zero = [text for text in values.texts if text not in one]
    second = [_plain(text) for text in zero] if one and len(zero) > 1 else None
    return Sides(_side(one or [positive]), second, values.shown() + _joined(one))


def _pair(values: Values, groups: tuple[str, str]) -> Sides:
    """Return two groups that are named, each in all its spellings. Raises PopleakError where both are one value."""
    if _meaning.spelling(groups[0]) == _meaning.spelling(groups[1]):
        raise PopleakError(f"--group: {groups[0]!r} and {groups[1]!r} are spellings of one value: name two groups")
    both = [_meaning.spellings(group, values.texts) for group in groups]
    first, second = (_side(one or [group]) for one, group in zip(both, groups, strict=True))
    return Sides(first, second, values.shown() + "".join(map(_joined, both)))


def _side(texts: Sequence[str]) -> Any:
    """Return a value, or the list of its spellings."""
    return _plain(texts[0]) if len(texts) == 1 else [_plain(text) for text in texts]


def _joined(texts: Sequence[str]) -> str:
    """Return what to say of a value that is written in several ways."""
    return f"; {' and '.join(map(repr, texts))} are taken for one value" if len(texts) > 1 else ""


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


def _groups(values: Values) -> Sides:
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


def _examined(options: dict[str, Any], table: Path) -> tuple[_meaning.Findings, Records | None]:
    plugin = plugins.load("datasets", "table")
    settings = plugin.Settings.model_validate(options)
    found: tuple[_meaning.Findings, Records | None] = plugin.examine(files={settings.path: table}, options=settings)
    return found
