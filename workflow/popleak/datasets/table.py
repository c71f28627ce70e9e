"""Any table of people, CSV or Parquet: the options say which column is the label and which the sensitive attribute."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from ..core import settings
from ..core.errors import PopleakError, refusal
from . import _cards, _doubts, _features, _made_cards, _meaning, _numbers, _original, _reading, _tables
from ._cards import UNKNOWN, CardFile
from ._meaning import Findings
from ._sheet import Column, Sheet
from .base import Attribute, Card, Cells, Dataset, Records, Source

if TYPE_CHECKING:
    import pandas as pd

Value = bool | int | float | str
Group = Value | tuple[Value, ...]


class Options(settings.Settings):
    """What the table's columns mean. Values are compared as text, numbers without zeros at the end of their decimals; spaces
    around a value do not count. Where a column holds numbers, a text such as `"> 50000"` or `"<= 25"` cuts them."""

    path: str = Field(min_length=1)
    """The file: absolute, relative to the working directory, or below `<data_dir>/table/`. Delimited text (.csv, .tsv, ..., also
    packed by gzip, bzip2, xz or zip) whose first line holds the column names, or Parquet."""
    card: str | None = Field(default=None, min_length=1)
    """A card of the table, a JSON file that is found as `path` is. It is enforced as those of the package's own datasets are (docs/datasets.md);
    The command `card` writes one to start from. Without it the card says what the options say, and that the rest is unknown."""
    label: str
    """Column to predict."""
    positive: Value | tuple[Value, ...]
    """The label's value that is y = 1, a list of values, or a cut such as `"> 50000"`. A row without a label is left out."""
    negative: Literal["rest"] | Value | tuple[Value, ...] | None = None
    """What is y = 0. Needed where the label has further values: a list of them (rows with others are left out), or `rest` for all
    that is not positive."""
    attribute: str
    """Column of the sensitive attribute."""
    groups: tuple[Group, Group]
    """The attribute's value, list of values or cut (`"<= 25"`), of group 0 and of group 1; rows with another value are left out."""
    group_names: tuple[str, str] | None = None
    """What to call the groups; by default their values."""
    drop: tuple[str, ...] = ()
    """Columns never to be read: names, numbers of cases or people, free text, anything that gives the label away. A column without
    a name in the header is never read either."""
    keep: tuple[str, ...] = ()
    """Columns that look like direct identifiers (by their name, or as their values look) and are to be features all the same. Such a
    column is refused until it is listed here or in `drop`."""
    unit: str | None = None
    """Column that is equal in rows of one person (or household): such rows stay together. It is not a feature."""
    categorical: tuple[str, ...] = ()
    """Columns of numbers (or dates) that are codes, to be one-hot encoded."""
    missing: tuple[Value, ...] = ()
    """Values that mean a missing one, in all columns: `["?", -999]`. An empty field and a null always do; the words NA, N/A, NaN,
    null and None do in columns of numbers and are values elsewhere."""
    separator: str = "auto"
    """What separates fields; `auto`: the comma, semicolon, tab or | that fits the file."""
    encoding: str = "auto"
    """`auto`: as a byte-order mark says, UTF-16, UTF-8, or else Windows-1252."""
    decimal: Literal["auto", ".", ","] | dict[str, Literal[".", ","]] = "auto"
    """The decimal sign of numbers; the other one then groups thousands. `auto`: as the numbers themselves show. A mapping gives the sign
    of single columns, `{income: ","}`, and the others are read as by `auto`."""

    def names(self) -> tuple[str, str]:
        zero, one = ("/".join(sorted(map(_meaning.text, _meaning.as_list(group)))) for group in self.groups)
        return self.group_names or (zero, one)


class Table(Dataset):
    """A user's own table. `load` ignores its arguments `label` and `attribute`: the options name the columns."""

    name = "table"
    summary = "your own CSV or Parquet table; the options name the label and the attribute"
    labels = ()
    attributes = ()
    own = True
    unread = "add it to options.drop"
    examines = True
    Settings = Options

    def sources(self, options: Options) -> tuple[Source, ...]:
        return (Source(options.path), *([] if options.card is None else [Source(options.card)]))

    def card(self, options: Options) -> Card:
        """Return the card without rows and rates, which only the file can give: see `facts` of the records."""
        one, zero = (
            "/".join(map(_meaning.text, _meaning.as_list(side))) for side in (options.positive, options.negative)
        )
        against = "the rest" if options.negative in (None, "rest") else zero
        return Card(
            title=f"Table {Path(options.path).name}",
            source="the user's own file",
            licence=UNKNOWN,
            citation=UNKNOWN,
            label=f"{options.label}: {one} against {against}",
            attributes={options.attribute: Attribute(options.names(), "not stated")},
            identifiers=options.drop,
            notes=("rows and rates are counted when the table is loaded",),
        )

    def card_file(self, *, files: Mapping[str, Path | None], options: Options) -> CardFile:
        """Return the user's own card, or one made of the options. Raises PopleakError also for a card of another label, attribute or file."""
        if options.card is None:
            return self.made(options)
        there = {name: path for name, path in files.items() if path is not None}
        about = _cards.given(self.name, _tables.given(files=there, file=options.card))
        about.covers(options.label, options.attribute, options.names(), Path(options.path).name)
        return about

    def made(self, options: Options, known: Card | None = None, **counted: Any) -> CardFile:
        """Return the card made of the options. known: with what was counted; counted: `columns` and `files` of `_made_cards.card`."""
        return _made_cards.card(
            self.name,
            UNKNOWN,
            self.card(options) if known is None else known,
            generated=False,
            by="the options",
            **counted,
        )

    def admitted(self, *, files: Mapping[str, Path], options: Options) -> CardFile:
        """Return the card as `Dataset.admitted` does. Raises PopleakError also for identifiers that are no columns of the table, and for columns that
        the user's own card does not describe."""
        about = self.card_file(files=files, options=options)
        about.refuse_withdrawn()
        if options.card is not None:
            names = self.columns(files=files, options=options)
            about.refuse_identifiers(self.reads(files=files, options=options), self.unread, names)
            about.refuse_undescribed(names)
        return about

    def card_with(self, about: CardFile, *, label: str, options: Options) -> Card:
        made = self.card_of(label, options)
        if options.card is None:
            return made
        return about.card(about.expected(label=options.label), label=options.label, label_text=made.label)

    def reads(self, *, files: Mapping[str, Path], options: Options) -> tuple[str, ...]:
        return tuple(name for name in self.columns(files=files, options=options) if name not in options.drop)

    def columns(self, *, files: Mapping[str, Path], options: Options) -> tuple[str, ...]:
        """Return the names of the table's columns; those without a name, which are never read, are left out."""
        return tuple(_header(files, options).names)

    def types(self, *, files: Mapping[str, Path], options: Options) -> dict[str, str]:
        """Return the type of each column in the terms of Croissant, "" of columns that are never read."""
        header = _header(files, options)
        columns, numbers = _understood(_sheet(files, options, options.drop, header), options)
        return {
            name: _numbers.kind(columns[name], numbers.get(name)) if name in columns else "" for name in header.names
        }

    def glance(self, *, files: Mapping[str, Path], options: Options) -> list[str]:
        header = _header(files, options)
        return _columns(options, header.names, bool(header.unnamed))

    def cells(self, *, files: Mapping[str, Path], label: str, attribute: str, options: Options) -> Cells | None:
        """Return the counts, from the columns of label and attribute alone. Raises PopleakError as `load` does."""
        header = _header(files, options)
        _refuse(options, _columns(options, header.names, bool(header.unnamed)))
        others = [name for name in header.names if name not in (options.label, options.attribute)]
        sheet = _sheet(files, options, others, header)
        if options.decimal not in (".", ",") and any(
            column.kind == "field" and _numbers.unclear(_unmarked(column, options, exact=True).values)
            for column in sheet.columns.values()
        ):  # the other columns may show which sign is the decimal one
            sheet = _sheet(files, options, options.drop, header)
        findings = Findings()
        columns, numbers = _understood(sheet, options)
        y, group, _ = _people(columns, numbers, options, findings)
        _refuse(options, findings.problems)
        return Cells.of(y, group, exact=options.unit is None)

    def examine(self, *, files: Mapping[str, Path], options: Options) -> tuple[Findings, Records | None]:
        """Return all that was found in the table, and its records if there is no problem.

        Raises PopleakError, in one line, for what makes a file no table at all.
        """
        findings = Findings()
        header = _header(files, options)
        findings.problems += _columns(options, header.names, bool(header.unnamed))
        if header.unnamed:
            findings.notes.append(f"column {header.unnamed[0] + 1} has no name and is not read")
        sheet = _sheet(files, options, options.drop, header)
        findings.facts["file"] = sheet.form
        findings.notes.append(", ".join(f"{key} {value!r}" for key, value in sheet.form.items()))
        findings.hints += _idle(sheet.columns, options)
        columns, numbers = _understood(sheet, options)
        y, group, labelled = _people(columns, numbers, options, findings)
        keep = group >= 0 if (group >= 0).any() else np.ones(sheet.rows, dtype=bool)
        found = _features_of(columns, numbers, options, _features.Rows(keep, y, group), findings)
        findings.facts["repeated_rows"] = _doubts.repeated(
            columns, keep, together=options.unit is not None, findings=findings
        )
        unit = None
        if options.unit in columns:
            unit = _meaning.unit(_meaning.valued(options.unit, columns[options.unit], None), keep, findings)
        findings.facts |= {"rows_without_label": int((~labelled).sum()), "hints": findings.hints}
        return findings, None if findings.problems else _records(found, y, group, unit, options, findings)

    def original(self, *, files: Mapping[str, Path], options: Options) -> pd.DataFrame:
        header = _header(files, options)
        sheet = _sheet(files, options, options.drop, header)
        columns, numbers = _understood(sheet, options)
        _, group, _ = _people(columns, numbers, options, Findings())
        hidden = (*options.drop, options.label, *([] if options.unit is None else [options.unit]))
        path = _tables.given(files=files, file=options.path)
        marks = sorted({read(mark) for mark in options.missing for read in (_meaning.text, _meaning.written)})
        frame = _reading.frame(
            path, header, hidden, separator=options.separator, encoding=options.encoding, missing=marks
        )
        if len(frame) != sheet.rows:
            raise PopleakError(
                f"{path}: pandas reads {len(frame)} rows where there are {sheet.rows}: remove blank lines, or save the table as Parquet"
            )
        for name in frame.columns:
            frame[name] = _original.column(frame[name], sheet.columns[name], columns[name], numbers.get(name))
        return frame.loc[group >= 0].reset_index(drop=True)

    def load(self, *, files: Mapping[str, Path], label: str, attribute: str, options: Options, seed: int) -> Records:
        findings, records = self.examine(files=files, options=options)
        if records is None:
            raise refusal(options.path, findings.problems)
        for line in (*findings.notes, *(f"look at {hint}" for hint in findings.hints)):
            print(f"popleak: {options.path}: {line}", file=sys.stderr)
        return records


def _refuse(options: Options, problems: Sequence[str]) -> None:
    if problems:
        raise refusal(options.path, problems)


def _header(files: Mapping[str, Path], options: Options) -> _reading.Header:
    path = _tables.given(files=files, file=options.path)
    return _reading.header_of(path, separator=options.separator, encoding=options.encoding)


def _sheet(files: Mapping[str, Path], options: Options, skip: Sequence[str], header: _reading.Header) -> Sheet:
    path = _tables.given(files=files, file=options.path)
    return _reading.read(path, skip=skip, separator=options.separator, encoding=options.encoding, known=header)


def _columns(options: Options, columns: Sequence[str], unnamed: bool) -> list[str]:
    """Return a problem for each option whose column is not there or has another use already."""
    used: dict[str, str] = {}
    problems = []
    named = [("label", options.label), ("attribute", options.attribute)]
    named += [("unit", options.unit)] if options.unit is not None else []
    named += [("drop", column) for column in options.drop]
    there = _choice(options, columns)
    for key, column in named:
        if column not in columns:
            never = " (a column without a name is never read)" if unnamed and column.startswith("Unnamed") else ""
            problems.append(f"options.{key}: column {column!r} is not in the table{there}{never}")
        elif column in used:
            problems.append(f"options.{key}: column {column!r} is options.{used[column]} already: name another")
        used.setdefault(column, key)
    problems += _signs(options, columns, there)
    free = [column for column in columns if column not in used]
    problems += [
        f"options.{key}: {column!r} is not a feature: choose from {', '.join(free)}"
        for key, listed in (("keep", options.keep), ("categorical", options.categorical))
        for column in listed
        if column not in free
    ]
    return problems + ([] if free else ["options.drop: no column is left to be a feature: drop fewer"])


def _signs(options: Options, columns: Sequence[str], there: str) -> list[str]:
    """Return a problem for each column of `decimal` that is not in the table."""
    named = () if isinstance(options.decimal, str) else options.decimal
    return [f"options.decimal: column {one!r} is not in the table{there}" for one in named if one not in columns]


def _choice(options: Options, columns: Sequence[str]) -> str:
    """Return what to say of the columns that there are: a first line of values is a person's record and no list to choose from."""
    if options.label not in columns and any(_numbers.PLAIN.fullmatch(column) for column in columns):
        return ", whose first line holds values: put a line of column names above it"
    return f": choose from {', '.join(columns)}"


def _idle(columns: Mapping[str, Column], options: Options) -> list[str]:
    """Return a hint for each value of `missing` that is in no column, which may be a slip of the pen."""
    there = {_meaning.text(value) for column in columns.values() for value in column.values} if options.missing else ()
    marks = dict.fromkeys(map(_meaning.text, options.missing))
    return [f"options.missing: {mark!r} occurs in no column that is read" for mark in marks if mark not in there]


def _understood(sheet: Sheet, options: Options) -> tuple[dict[str, Column], dict[str, _numbers.Numbers | None]]:
    """Return the columns without the values that mean a missing one, and the numbers of those that may have some."""

    def numbers(columns: Mapping[str, Column]) -> dict[str, _numbers.Numbers | None]:
        return _numbers.of(columns, options.decimal, sheet.form.get("separator", ","))

    columns = {name: _unmarked(column, options, exact=True) for name, column in sheet.columns.items()}
    found = numbers(columns)
    if not options.missing:
        return columns, found
    for name, column in sheet.columns.items():
        if not _meaning.exact(column, found.get(name)):
            columns[name] = _unmarked(column, options, exact=False)
    return columns, numbers(columns)


def _unmarked(column: Column, options: Options, *, exact: bool) -> Column:
    """Return the column with the values that mean a missing one taken for none. exact: zeros at a value's end count."""
    if not options.missing:
        return column
    text = _meaning.written if exact else _meaning.text
    marks = {text(mark) for mark in options.missing}
    keep = [i for i, value in enumerate(column.values) if text(value) not in marks]
    new = np.full(len(column.values) + 1, -1, dtype=np.int32)  # the last entry serves the code -1
    new[keep] = np.arange(len(keep))
    return Column(new[column.codes], [column.values[i] for i in keep], column.kind)


def _people(
    columns: Mapping[str, Column],
    numbers: Mapping[str, _numbers.Numbers | None],
    options: Options,
    findings: Findings,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return y (N,), the group (N,), -1 for rows to leave out, and which rows (N,) have a label."""
    rows = len(next(iter(columns.values())).codes)
    y, group = np.zeros(rows, dtype=np.int8), np.full(rows, -1, dtype=np.int8)
    if len({options.label, options.attribute} & set(columns)) < 2:
        return y, group, y > 0  # said already
    values = {
        name: _meaning.valued(name, columns[name], numbers.get(name)) for name in (options.label, options.attribute)
    }
    y, labelled = _meaning.labels(values[options.label], options.positive, options.negative, findings)
    group = _meaning.groups(values[options.attribute], options.groups, options.names(), labelled, findings)
    kept = y[group >= 0]
    if not findings.problems:
        _doubts.rare(y, group, options.names(), findings)
    if all((group == number).any() for number in (0, 1)) and labelled.any():
        if kept.min() == kept.max():
            findings.problems.append(
                f"options.label: column {options.label!r} is constant in the two groups: "
                "name another label, positive or groups"
            )
        else:
            findings.problems += [
                f"options.groups: no row of group {number} ({name}) has y = {side}: name other groups, or another label"
                for number, name in enumerate(options.names())
                for side in (0, 1)
                if not ((group == number) & (y == side)).any()
            ]
    return y, group, labelled


def _features_of(
    all_columns: Mapping[str, Column],
    numbers: Mapping[str, _numbers.Numbers | None],
    options: Options,
    rows: _features.Rows,
    findings: Findings,
) -> _features.Features:
    others = (options.label, options.attribute, options.unit, *options.drop)
    columns = {name: column for name, column in all_columns.items() if name not in others}
    values = {name: _meaning.valued(name, column, numbers.get(name)) for name, column in columns.items()}
    found = _features.features(
        columns, values, numbers, codes=options.categorical, keep=options.keep, rows=rows, findings=findings
    )
    findings.features = [name for name in columns if name in found.columns]
    told = [
        note
        for name in found.numeric
        if name in columns and (read := numbers.get(name)) is not None
        for note in _told(name, columns[name], read)
    ]
    findings.notes += told
    findings.facts["numbers"] = told
    return found


def _told(name: str, column: Column, numbers: _numbers.Numbers) -> list[str]:
    """Say how numbers that are not written plainly, or could be thousands, were read, and which words were taken for missing numbers."""
    plain = set("0123456789+-eE" + ("." if numbers.point == "." and not numbers.usual else ""))
    if column.kind != "field" or set("".join(column.values)) <= plain:
        return []
    examples: dict[str, str] = {}  # for each sign that no plain number bears, the first value with it
    for value, missing in zip(column.values, numbers.missing, strict=True):
        if not missing and not set(value) <= plain:
            for sign in set(value) - plain:
                examples.setdefault(sign, value)
    read = dict(zip(column.values, numbers.values, strict=True))
    notes = [f"column {name!r}: {one!r} is read as {read[one]:.12g}" for one in dict.fromkeys(examples.values())]
    words = sorted(value for value, missing in zip(column.values, numbers.missing, strict=True) if missing)
    if words:
        counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.values))
        lost = sum(int(counts[column.values.index(word)]) for word in words)
        notes.append(
            f"column {name!r}: {' and '.join(map(repr, words))} among numbers is read as missing ({lost} rows)"
        )
    return notes


def _records(
    found: _features.Features,
    y: np.ndarray,
    group: np.ndarray,
    unit: np.ndarray | None,
    options: Options,
    findings: Findings,
) -> Records | None:
    import pandas as pd

    try:
        return _tables.records(
            frame=pd.DataFrame(found.columns),
            y=y,
            group=group,
            groups=options.names(),
            numeric=found.numeric,
            categorical=found.categorical,
            unit=unit,
            facts=findings.facts,
        )
    except PopleakError as error:  # features of one name, or none that varies
        findings.problems.append(str(error))
        return None


PLUGIN = Table()
