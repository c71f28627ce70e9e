"""Columns of a Parquet file, each with the type that its author gave it. pyarrow is imported inside the functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import PopleakError
from ._sheet import Column, Sheet


@contextmanager
def _named(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise PopleakError(f"{path}: truncated or not Parquet ({_said(error)}): write or copy it again") from error


def _said(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:80]


def names(path: Path) -> list[str]:
    """Return the raw names, which may stand there twice."""
    import pyarrow.parquet as pq

    with _named(path):
        return list(pq.read_schema(path).names)


def read(path: Path, columns: Sequence[str]) -> Sheet:
    """Return the named columns; the others are never turned into values."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = {}
    with _named(path):
        handle = pq.ParquetFile(path)
        nested = {field.name for field in handle.schema_arrow if _kind(field.type) == "nested"}
        table = handle.read(columns=[name for name in columns if name not in nested])
    for name in columns:
        if name in nested:
            found[name] = Column(np.full(handle.metadata.num_rows, -1, dtype=np.int32), [], "nested")
            continue
        try:
            found[name] = _column(table[name])
        except (ValueError, OverflowError, LookupError, pa.ArrowException) as error:
            # the file is whole, but Python has no such date, duration or time zone
            raise PopleakError(
                f"{path}: column {name!r}: its values of type {table[name].type} cannot be read ({_said(error)}): mend the "
                "column, or name it in options.drop"
            ) from error
    if not handle.metadata.num_rows:
        raise PopleakError(f"{path}: holds no rows: give a table with rows")
    return Sheet(found, handle.metadata.num_rows, {"format": "Parquet"})


def _kind(type: Any) -> str:
    """Return the kind of a column. Exact decimals are numbers (float64), durations too (in seconds); dates and times are no
    quantities."""
    from pyarrow import types

    if types.is_dictionary(type):
        return _kind(type.value_type)
    if types.is_boolean(type):
        return "bool"
    if types.is_integer(type) or types.is_floating(type) or types.is_decimal(type) or types.is_duration(type):
        return "number"
    if types.is_temporal(type):
        return "date"
    if types.is_string(type) or types.is_large_string(type) or types.is_string_view(type) or types.is_null(type):
        return "text"
    return "nested"


def _column(chunked: Any) -> Column:
    import pyarrow as pa
    from pyarrow import types

    kind = _kind(chunked.type)
    if types.is_null(chunked.type):
        return Column(np.full(len(chunked), -1, dtype=np.int32), [], kind)
    if types.is_dictionary(chunked.type) or types.is_string_view(chunked.type):
        chunked = chunked.cast(pa.string() if kind == "text" else chunked.type.value_type)
    coded = chunked.combine_chunks().dictionary_encode()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.combine_chunks() if coded.num_chunks != 1 else coded.chunk(0)
    codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    values: dict[Any, int] = {}
    new = np.full(len(coded.dictionary) + 1, -1, dtype=np.int32)  # the last entry serves the code -1, a null
    for i, value in enumerate(coded.dictionary.to_pylist()):
        if types.is_duration(chunked.type):
            value = value.total_seconds()
        value = value.strip() if isinstance(value, str) else value
        if value is not None and value == value and value != "":
            new[i] = values.setdefault(value, len(values))
    return Column(new[codes], list(values), kind)
