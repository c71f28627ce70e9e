"""Small tables from any source: CSV, Parquet (ours, whose seal is checked, or any other), a DataFrame or a mapping of
arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from ..core.errors import PopleakError
from ..store import arrays, seal
from ..store import parquet as store

if TYPE_CHECKING:
    Source: TypeAlias = str | Path | pd.DataFrame | Mapping[str, Any]


class Table(NamedTuple):
    """columns: arrays (n,) by name, of numbers or of words as objects; None or NaN for missing values. rows: n;
    facts: metadata of a file of ours, else empty; path: the file, if there is one; first: number of the first row in
    messages."""

    name: str
    columns: dict[str, np.ndarray]
    rows: int
    facts: Mapping[str, Any]
    path: Path | None
    first: int

    def place(self, row: int, column: str) -> str:
        """Return the location of a value, for a message."""
        return f"{self.name}: {'line' if self.first == 2 else 'row'} {row + self.first}, column {column!r}"

    def digest(self) -> str:
        """Return a digest of the names and values, the same for a file and for the frame that is read from it."""
        digest = hashlib.sha256()
        for name, values in self.columns.items():
            told = values.astype(np.float64).tobytes() if values.dtype != object else repr(values.tolist()).encode()
            digest.update(f"{name} {len(told)}\n".encode() + told)
        return digest.hexdigest()[:16]


def read(source: Source, name: str) -> Table:
    """Return a table. name: for messages on a table that is not a file. Raises PopleakError for a file that is not a
    table."""
    if isinstance(source, (str, Path)):
        return _file(Path(source))
    if not isinstance(source, (pd.DataFrame, Mapping)):
        raise PopleakError(
            f"{name}: a table is a path of a .csv or .parquet, a DataFrame or a mapping of arrays, not {type(source).__name__}"
        )
    given = {str(key): np.asarray(source[key]) for key in source}
    if len(given) != len(list(source)):
        raise PopleakError(f"{name}: two columns have the same name: rename one")
    for key, values in given.items():
        if values.ndim != 1:
            raise PopleakError(
                f"{name}: column {key!r} must hold one value a row, not an array of shape {values.shape}"
            )
    columns = {key: _plain(values) for key, values in given.items()}
    sizes = {len(values) for values in columns.values()}
    if len(sizes) != 1:
        raise PopleakError(f"{name}: columns must have the same length, and there must be one")
    if 0 in sizes:
        raise PopleakError(f"{name}: has no rows: give a table with rows")
    return Table(name, columns, sizes.pop(), {}, None, 1)


def _file(path: Path) -> Table:
    if not path.is_file():
        raise PopleakError(f"{path}: no such file: name a table, .csv or .parquet")
    kind = path.suffix.lower()
    if kind not in (".csv", ".parquet"):
        raise PopleakError(f"{path}: a table here is .csv (commas, a header) or .parquet: save it as one")
    try:
        table, facts = _csv(path) if kind == ".csv" else _parquet(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        kinds = "comma-separated text" if kind == ".csv" else "Parquet"
        raise PopleakError(f"{path}: cannot be read as {kinds} ({_first(error)}): write it again") from None
    twice = (
        sorted({one for one in table.column_names if table.column_names.count(one) > 1}) if table.num_columns else []
    )
    if twice:
        raise PopleakError(f"{path}: column {twice[0]!r} appears twice: rename one")
    if not table.num_rows:
        raise PopleakError(f"{path}: has no rows: give a table with rows")
    columns = {column: _values(path, column, table[column]) for column in table.column_names}
    return Table(str(path), columns, table.num_rows, facts, path, 2 if kind == ".csv" else 1)


def _csv(path: Path) -> tuple[pa.Table, Mapping[str, Any]]:
    return csv.read_csv(path, convert_options=csv.ConvertOptions(strings_can_be_null=True)), {}


def _parquet(path: Path) -> tuple[pa.Table, Mapping[str, Any]]:
    """Return the table and its metadata. Raises PopleakError if a file of ours is damaged."""
    handle, facts = pq.ParquetFile(path), {}
    if store.KEY in (handle.schema_arrow.metadata or {}):
        seal.check(path)
        facts = store.told(handle)
    return handle.read(), facts


def _values(path: Path, name: str, column: pa.ChunkedArray) -> np.ndarray:
    types = pa.types
    kind = column.type
    if types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if types.is_string(kind) or types.is_large_string(kind) or types.is_null(kind):
        return np.array(column.to_pylist(), dtype=object)
    if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind):
        return _plain(arrays.numpy(column) if not column.null_count else column.cast(pa.float64()).to_numpy())
    raise PopleakError(f"{path}: column {name!r} is of type {kind}: only numbers and words are read")


def _plain(values: np.ndarray) -> np.ndarray:
    """Return numbers as they are, booleans as 0 and 1, anything else as objects."""
    if values.dtype.kind == "b":
        return values.astype(np.int64)
    if values.dtype.kind in "iuf":
        return values
    found = np.empty(len(values), dtype=object)
    for i, value in enumerate(values.tolist()):  # one by one: a value may be a list, which is refused where it is read
        found[i] = value
    return found


def missing(values: np.ndarray) -> np.ndarray:
    """Return which values are missing, (n,) bool."""
    if values.dtype == object:
        blank = np.array([isinstance(value, str) and not value for value in values], dtype=bool)
        return blank | np.asarray(pd.isna(values), dtype=bool)
    return np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), dtype=bool)


def words(values: np.ndarray) -> np.ndarray:
    """Return values as words (n,), whole numbers without a decimal point; None for missing values."""
    if values.dtype.kind == "f":
        told = [
            None if value != value else str(int(value)) if value.is_integer() else str(value)
            for value in values.tolist()
        ]
    else:
        told = [
            None if gone else str(value) for value, gone in zip(values.tolist(), missing(values).tolist(), strict=True)
        ]
    return np.array(told, dtype=object)


def whole(table: Table, name: str, allowed: tuple[int, ...] | None, *, empty: int | None = None) -> np.ndarray:
    """Return a column of whole numbers (n,) int64.

    allowed: the allowed numbers, None for any; empty: replacement for a missing value, None to refuse it. Raises
    PopleakError that names the first value that is not allowed.
    """
    values, gone = table.columns[name], missing(table.columns[name])
    told = " or ".join(map(str, allowed)) if allowed else "a whole number"
    numbers = np.zeros(len(values), dtype=np.int64)
    for i, value in enumerate(values.tolist()):
        if gone[i]:
            if empty is None:
                raise PopleakError(f"{table.place(i, name)}: empty: give {told}")
            numbers[i] = empty
            continue
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = float("nan")
        if not number.is_integer() or abs(number) > 2**53 or (allowed and number not in allowed):
            raise PopleakError(f"{table.place(i, name)}: {value!r}: give {told}")
        numbers[i] = int(number)
    return numbers


def _first(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:160]
