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
from . import sides

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
MARKS = ("?", "-", "--", ".", "*")
"""Values that mean a missing one wherever they stand alone."""
PERSONS = frozenset((
    "household", "family", "person", "patient", "customer", "client", "subject", "student", "pupil", "employee", "applicant", "borrower", "tenant",
    "member", "user", "participant", "respondent", "account", "haushalt", "familie", "kunde", "patientin", "cliente", "foyer", "paciente", "hogar",
))  # fmt: skip
"""Words of a column's name that say that its numbers stand for persons, or for who lives together, alone or beside one of IDS."""
IDS = frozenset(("id", "ids", "no", "nr", "num", "number", "nummer", "key", "code"))
OFTEN = 20
"""Such a column has at least one value for so many rows: fewer, and it counts something, such as the members of a household."""


class Guess(NamedTuple):
    """What is proposed for a table: the options of its task, how label and groups were chosen, other columns that each may be, columns that are
    never read and why, columns of codes, what a person should look at, and the share of group 1 (None where the table has problems). said: remarks on
    options that were guessed, by their names."""

    table: Path
    options: dict[str, Any]
    y: sides.Sides
    a: sides.Sides
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
    """Return what is proposed. label, group: columns; positive, groups: values of y = 1 and of the groups, where they are known, several of one side
    with `|` between them. Raises PopleakError where no label or attribute can be guessed, and for what is named and is not there."""
    sheet = _reading.read(table)
    separator = sheet.form.get("separator", ",")
    named = sides.texts(positive, *(groups or ()))
    marks = _meant(_marks(sheet), sheet, (label, group), named)
    columns = _cleaned(sheet, marks)
    values = _values(columns, separator)
    ones = sides.several(values, label, () if positive is None else (positive,))
    both = sides.several(values, group, groups or ())
    sides.given(values, label=(label, sum(ones, ())), group=(group, sum(both, ())))
    label, others = _guess("label", LABELS, values, label, group)
    group, more = _guess("group", ATTRIBUTES, values, group, label)
    # a word of the label, or a group that is named, is a value there and cannot be missing elsewhere
    words = _words(columns, separator, {*values[label].texts, *sum(both, ())})
    marks = _meant(marks, sheet, (label, group), named)
    marks = [*marks, *dict.fromkeys(word for found in words.values() for word in found)]
    columns = {name: _without(column, marks) for name, column in sheet.columns.items()}
    values = _values(columns, separator)
    y = sides.chosen(values[label], ones[0]) if ones else sides.label(values[label])
    a = sides.pair(values[group], both) if both else sides.groups(values[group])
    options = _options(table, label, group, y=y, a=a, marks=marks)
    said = _said_of(words, [mark for mark in marks if mark in MARKS])
    _signs(columns, separator, options, said, (label, group))
    return _settled(table, options, y, a, (others, more), values, said)


def _settled(
    table: Path,
    options: dict[str, Any],
    y: sides.Sides,
    a: sides.Sides,
    others: tuple[list[str], list[str]],
    values: dict[str, Values],
    said: dict[str, str],
) -> Guess:
    """Return the proposal, with what the reading of the table says of its columns. Raises PopleakError where none is left to be a feature."""
    label, group = options["label"], options["attribute"]
    findings = _examined(options, table)[0]
    drop = {name: _why(name, findings) for name in findings.columns}
    here = (values[label].codes >= 0) & (values[group].codes >= 0)
    dates = [name for name, why in findings.columns.items() if why == _features.DATES]
    if unit := _unit(values, drop, [label, group, *dates], here):
        options["unit"] = unit
        drop.pop(unit, None)
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


def _said_of(words: dict[str, list[str]], marks: Sequence[str]) -> dict[str, str]:
    """Return the remark on what is proposed as missing: words, by column, and signs that stand alone."""
    told = [f"{' and '.join(map(repr, found))} stands among the numbers of {name}" for name, found in words.items()]
    told += [f"{mark!r} where it stands alone" for mark in marks]
    return {"missing": "; ".join(told)} if told else {}


def _words(columns: dict[str, Column], separator: str, values: Collection[str]) -> dict[str, list[str]]:
    """Return the spellings of the one word, such as unknown, that stands among the numbers of a column, by column.

    A column of more numbers than MANY, most of its rows numbers, whose other texts are spellings of one word without a digit. values: texts that
    mean something else.
    """
    found = {}
    for name, read in _numbers.of(columns, "auto", separator).items():
        column = columns[name]
        if read is None or column.kind != "field" or np.isfinite(read.values).sum() <= sides.MANY:
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


def _unit(values: dict[str, Values], drop: Collection[str], taken: Collection[str], here: np.ndarray) -> str | None:
    """Return the column that tells the person of each row, or who lives together, where some stand in several rows.

    Of those whose name says so, the one with the fewest values, as it keeps most together; else of those that are never read (`drop`) and whose values
    differ in more than half of the rows the one with the most. taken: columns that mean something else; here (N,): rows with a label and a group,
    in which it has no gap.
    """

    def fits(one: Values, least: float) -> bool:
        seen = one.codes[here]
        return bool(len(seen)) and bool((seen >= 0).all()) and least * len(seen) < len(np.unique(seen)) < len(seen)

    free = [one for name, one in values.items() if name not in taken]
    named = [one for one in free if _of_persons(one.name) and (one.name in drop or _counting(one))]
    if found := [one for one in named if fits(one, 1 / OFTEN)]:
        return min(found, key=lambda one: len(one.texts)).name
    found = [one for one in free if one.name in drop and fits(one, 0.5)]
    return max(found, key=lambda one: len(one.texts)).name if found else None


def _of_persons(name: str) -> bool:
    """Return whether a column's name says that it holds persons or households, and no number of theirs, such as the income of an applicant."""
    words = set(re.split(r"[^a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).casefold())) - {""}
    return bool(words & PERSONS) and words <= PERSONS | IDS


def _counting(values: Values) -> bool:
    """Return whether a column holds whole numbers, as ids do, and nothing else."""
    return values.numbers is not None and not (values.numbers % 1).any()


def _options(
    table: Path, label: str, group: str, *, y: sides.Sides, a: sides.Sides, marks: list[str]
) -> dict[str, Any]:
    """Return the options of the task, without columns to drop."""
    options: dict[str, Any] = {
        "path": str(table), "label": label, "positive": y.first, "attribute": group, "groups": [a.first, a.second],
    }  # fmt: skip
    options |= {"missing": marks} if marks else {}
    options |= {"negative": y.second} if isinstance(y.second, list) else {}
    return options


def _marks(sheet: Sheet) -> list[str]:
    """Return the signs that stand for missing values in some column."""
    there = {value for column in sheet.columns.values() if column.kind in ("field", "text") for value in column.values}
    return [mark for mark in MARKS if mark in there]


def _meant(marks: Sequence[str], sheet: Sheet, columns: Sequence[str | None], named: Collection[str]) -> list[str]:
    """Return the signs that are no values of the label or the sensitive attribute: not those that are named, nor a minus where a plus stands in the
    column too. columns: of these, as far as they are known."""
    there = {value for name in columns if name in sheet.columns for value in _opposed(sheet.columns[name])}
    return [mark for mark in marks if mark not in named and mark not in there]


def _opposed(column: Column) -> Collection[str]:
    """Return the minus of a column that holds a plus: the two results of a test."""
    return {"-", "--"} & set(column.values) if "+" in column.values else ()


def _cleaned(sheet: Sheet, marks: Sequence[str]) -> dict[str, Column]:
    """Return the columns without what stands for missing values in them."""
    return {
        name: _without(column, [mark for mark in marks if mark not in _opposed(column)])
        for name, column in sheet.columns.items()
    }


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


def _examined(options: dict[str, Any], table: Path) -> tuple[_meaning.Findings, Records | None]:
    plugin = plugins.load("datasets", "table")
    settings = plugin.Settings.model_validate(options)
    found: tuple[_meaning.Findings, Records | None] = plugin.examine(files={settings.path: table}, options=settings)
    return found
