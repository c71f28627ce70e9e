"""Any table of people, CSV or Parquet: the options say which column is the label and which the sensitive attribute."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from .. import settings
from ..errors import PopleakError
from . import _tables
from .base import Attribute, Card, Dataset, Records, Source

if TYPE_CHECKING:
    import pandas as pd

Value = bool | int | float | str
MOST_CATEGORIES = 50
"""More values than this make a text column useless as one-hot features, and often point at single people."""
FEWEST_ROWS_FOR_NUMBERING = 50
"""With fewer rows, a column of whole numbers without gap or repetition may be chance."""


class Settings(settings.Settings):
    """What the table's columns mean. Values are compared as text, whole numbers without their `.0`."""

    path: str = Field(min_length=1)
    """The file, .csv or .parquet: absolute, relative to the working directory, or below `<data_dir>/table/`."""
    label: str
    """Column to predict."""
    positive: Value
    """The label's value that is y = 1; any other value is y = 0, a row without one is left out."""
    attribute: str
    """Column of the sensitive attribute."""
    groups: tuple[Value | tuple[Value, ...], Value | tuple[Value, ...]]
    """The attribute's value, or list of values, of group 0 and of group 1; rows with another value are left out."""
    group_names: tuple[str, str] | None = None
    """What to call the groups; by default their values."""
    drop: tuple[str, ...] = ()
    """Columns never to be read: names, numbers of cases or people, free text, anything that gives the label away."""
    unit: str | None = None
    """Column that is equal in rows of one person (or household): such rows stay together. It is no feature."""
    categorical: tuple[str, ...] = ()
    """Columns of numbers that are codes, to be one-hot."""

    def names(self) -> tuple[str, str]:
        return self.group_names or tuple("/".join(sorted(_texts(group))) for group in self.groups)


class Table(Dataset):
    """A user's own table. `load` ignores its arguments `label` and `attribute`: the options name the columns."""

    name = "table"
    summary = "your own CSV or Parquet table; the options name the label and the attribute"
    labels = ()
    attributes = ()
    own = True
    Settings = Settings

    def sources(self, options: Settings) -> tuple[Source, ...]:
        return (Source(options.path),)

    def card(self, options: Settings) -> Card:
        """Return the card without rows and rates, which only the file can give: see `facts` of the records."""
        return Card(
            title=f"Table {Path(options.path).name}",
            source="the user's own file",
            licence="the user's",
            citation="none",
            label=f"{options.label}: {_text(options.positive)} against the rest",
            attributes={options.attribute: Attribute(options.names(), "not stated")},
            identifiers=options.drop,
            notes=("rows and rates are counted when the table is loaded",),
        )

    def load(self, *, files: Mapping[str, Path], label: str, attribute: str, options: Settings, seed: int) -> Records:
        path = _tables.given(files=files, file=options.path)
        columns = _header(path)
        _check_columns(options=options, columns=columns)
        frame = _read(path, [column for column in columns if column not in options.drop])
        y, labelled = _labels(frame.pop(options.label), options)
        group = _groups(frame.pop(options.attribute), options)
        group[~labelled] = -1
        _check_groups(y=y, group=group, options=options)
        unit = None if options.unit is None else _units(frame.pop(options.unit))
        numeric, categorical = _prepare(frame, keep=group >= 0, codes=options.categorical)
        return _tables.records(
            frame=frame,
            y=y,
            group=group,
            groups=options.names(),
            numeric=numeric,
            categorical=categorical,
            unit=unit,
            facts={"rows_without_label": int((~labelled).sum())},
        )


def _text(value: object) -> str:
    """Return a value's text: whole numbers without `.0`, so that 1, 1.0 and "1" are one value."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def _texts(group: Value | tuple[Value, ...]) -> set[str]:
    return {_text(value) for value in (group if isinstance(group, tuple) else (group,))}


def _shown(values: Iterable[str]) -> str:
    """List the values of a column for a message, unless they are so many that they may point at people."""
    values = sorted(values)
    return ", ".join(values) if len(values) <= 20 else f"{len(values)} different values"


def _header(path: Path) -> list[str]:
    """Return the column names without reading a row."""
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return list(_tables.read_csv(path=path, nrows=0).columns)
    if suffix != ".parquet":
        raise PopleakError(f"options.path: {path.name} ends in {suffix!r}: give a .csv or a .parquet file")
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return list(pq.read_schema(path).names)
    except (OSError, pa.ArrowException) as error:
        raise PopleakError(f"options.path: {path}: truncated or not Parquet ({str(error)[:100]})") from error


def _read(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Return the named columns; the others are never turned into values."""
    if path.suffix.lower() == ".csv":
        return _tables.read_csv(path=path, usecols=list(columns), low_memory=False)
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path).read(columns=list(columns)).to_pandas(ignore_metadata=True)
    except (OSError, pa.ArrowException) as error:
        raise PopleakError(f"options.path: {path}: damaged ({str(error)[:100]}): replace it") from error


def _check_columns(*, options: Settings, columns: Sequence[str]) -> None:
    """Raise PopleakError naming the option whose column is not there or has another use already."""
    used: dict[str, str] = {}
    named = [("label", options.label), ("attribute", options.attribute)]
    named += [("unit", options.unit)] if options.unit is not None else []
    named += [("drop", column) for column in options.drop]
    for key, column in named:
        if column not in columns:
            raise PopleakError(
                f"options.{key}: column {column!r} is not in the table: choose from {', '.join(columns)}"
            )
        if column in used:
            raise PopleakError(f"options.{key}: column {column!r} is options.{used[column]} already: name another")
        used[column] = key
    free = [column for column in columns if column not in used]
    for column in options.categorical:
        if column not in free:
            raise PopleakError(f"options.categorical: {column!r} is no feature: choose from {', '.join(free)}")
    if not free:
        raise PopleakError("options.drop: no column is left to be a feature: drop fewer")


def _coded(column: pd.Series) -> tuple[np.ndarray, list[str]]:
    """Return each row's code (-1 where missing) and the text of each code."""
    import pandas as pd

    try:
        codes, values = pd.factorize(column)
    except TypeError as error:
        raise PopleakError(f"column {column.name!r}: holds nested values: name it in options.drop") from error
    return codes, [_text(value) for value in values]


def _labels(column: pd.Series, options: Settings) -> tuple[np.ndarray, np.ndarray]:
    """Return y (N,) int8 and which rows have a label at all."""
    codes, texts = _coded(column)
    positive = _text(options.positive)
    if positive not in texts:
        raise PopleakError(
            f"options.positive: {positive!r} does not occur in column {options.label!r}, which holds {_shown(texts)}"
        )
    if len(set(texts)) == 1:
        raise PopleakError(f"options.label: column {options.label!r} is constant: name a label that varies")
    hit = np.array([text == positive for text in texts])
    return (hit[codes] & (codes >= 0)).astype(np.int8), codes >= 0


def _groups(column: pd.Series, options: Settings) -> np.ndarray:
    """Return the group (N,) int8 of each row: 0, 1, or -1 for neither."""
    codes, texts = _coded(column)
    wanted = [_texts(group) for group in options.groups]
    both = wanted[0] & wanted[1]
    if both:
        raise PopleakError(f"options.groups: {min(both)!r} is in both groups: name it once")
    for number, group in enumerate(wanted):
        absent = sorted(group - set(texts)) if group else ["(empty list)"]
        if absent:
            raise PopleakError(
                f"options.groups: {absent[0]!r} of group {number} does not occur in column {options.attribute!r}, "
                f"which holds {_shown(set(texts))}"
            )
    # the last entry serves the code -1, a missing value
    number = np.array([0 if text in wanted[0] else 1 if text in wanted[1] else -1 for text in texts] + [-1])
    return number[codes].astype(np.int8)


def _check_groups(*, y: np.ndarray, group: np.ndarray, options: Settings) -> None:
    for number, name in enumerate(options.names()):
        if not (group == number).any():
            raise PopleakError(f"options.groups: no row with a label is in group {number} ({name}): name other values")
    kept = y[group >= 0]
    if kept.min() == kept.max():
        raise PopleakError(
            f"options.label: column {options.label!r} is constant in the two groups: "
            "name another label, positive or groups"
        )


def _units(column: pd.Series) -> np.ndarray:
    codes, _ = _coded(column)
    if (codes < 0).any():
        raise PopleakError(
            f"options.unit: column {column.name!r} has {int((codes < 0).sum())} missing values: fill them"
        )
    return codes.astype(np.int64)


def _prepare(frame: pd.DataFrame, *, keep: np.ndarray, codes: Sequence[str]) -> tuple[list[str], list[str]]:
    """Fill and check the feature columns in place; return the numeric and the categorical ones.

    Missing numbers become the median of the rows kept, with a further feature `<column> missing`; missing categories
    become the category `missing`. Raises PopleakError for what cannot be a feature, naming the column.
    """
    import pandas as pd

    numeric: list[str] = []
    categorical: list[str] = []
    for column in list(frame.columns):
        values = frame[column]
        if values[keep].isna().all():
            raise PopleakError(f"column {column!r}: is empty: name it in options.drop")
        if pd.api.types.is_datetime64_any_dtype(values.dtype):
            raise PopleakError(f"column {column!r}: holds dates: turn them into numbers or name it in options.drop")
        if (
            pd.api.types.is_bool_dtype(values.dtype)
            or not pd.api.types.is_numeric_dtype(values.dtype)
            or column in codes
        ):
            frame[column] = _category(values, keep=keep)
            categorical.append(column)
        else:
            frame[column], missing = _number(values, keep=keep)
            numeric.append(column)
            if missing[keep].any():
                if f"{column} missing" in frame:
                    raise PopleakError(f"column '{column} missing': the name is needed for {column!r}: rename it")
                frame[f"{column} missing"] = missing.astype(np.float64)
                numeric.append(f"{column} missing")
    return numeric, categorical


def _category(values: pd.Series, *, keep: np.ndarray) -> np.ndarray:
    codes, texts = _coded(values)
    present = np.unique(codes[keep & (codes >= 0)])
    if len(present) == int((keep & (codes >= 0)).sum()) > 2:
        raise PopleakError(
            f"column {values.name!r}: every row has its own value, like an identifier: name it in options.drop"
        )
    if len(present) > MOST_CATEGORIES:
        raise PopleakError(
            f"column {values.name!r}: has {len(present)} different values, {MOST_CATEGORIES} are the most: "
            "join values, or name it in options.drop"
        )
    return np.array([*texts, "missing"], dtype=object)[codes]  # code -1 is the last entry


def _number(values: pd.Series, *, keep: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers with the median in place of missing ones, and where they were missing."""
    try:
        number = values.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise PopleakError(f"column {values.name!r}: is not made of plain numbers: name it in options.drop") from error
    if np.isinf(number).any():
        raise PopleakError(
            f"column {values.name!r}: holds infinite numbers: repair the file or name it in options.drop"
        )
    missing = np.isnan(number)
    if not missing.any() and len(number) >= FEWEST_ROWS_FOR_NUMBERING and _numbered(number):
        raise PopleakError(f"column {values.name!r}: numbers the rows, like an identifier: name it in options.drop")
    return np.where(missing, np.median(number[keep & ~missing]), number), missing


def _numbered(number: np.ndarray) -> bool:
    """Say whether the numbers are whole, all different and without a gap."""
    span = number.max() - number.min() + 1
    return span == len(number) and bool((number % 1 == 0).all()) and len(np.unique(number)) == len(number)


PLUGIN = Table()
