"""Columns of numbers and words between numpy and Arrow.

pyarrow's own conversions import pandas at their first call, which costs a job more than much of its work. These do the
few kinds that our tables hold, without it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

KINDS = {
    str(pa.from_numpy_dtype(kind)): np.dtype(kind) for kind in ("i1", "i2", "i4", "i8", "u1", "u4", "u8", "f4", "f8")
} | {"bool": np.dtype(bool)}
"""numpy's kind by Arrow's name of a type of numbers."""


def arrow(values: Any, kind: str | None = None) -> pa.Array:
    """Return `values` (n,), numbers, booleans or words, as an Arrow array; None is null.

    kind: Arrow's name of the type (`double`, `string`, ...), by default that of the values; with a kind, a float that is
    not a number is null too. Raises TypeError for other values, ValueError for more than one dimension.
    """
    values = np.asarray(values)
    if values.ndim != 1:
        raise ValueError(f"a column has one dimension, not shape {values.shape}")
    values, missing = _without_none(values)
    if values.dtype.kind not in "biufU":
        raise TypeError(f"a column holds numbers, booleans or words, not {values.dtype}")
    if kind is not None and values.dtype.kind == "f":
        missing = missing | np.isnan(values)
        values = np.where(missing, 0, values) if kind != "double" else values
    if kind in KINDS:
        values = values.astype(KINDS[kind], copy=False)
    valid = pa.py_buffer(np.packbits(~missing, bitorder="little")) if missing.any() else None
    stored, buffers = _buffers(values, as_words=kind == "string" or values.dtype.kind == "U")
    return pa.Array.from_buffers(stored, len(values), [valid, *map(pa.py_buffer, buffers)])


def _without_none(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return values (n,) of one kind, any of them in place of None, and where None was (n,) bool."""
    if values.dtype != object:
        return values, np.zeros(len(values), dtype=bool)
    missing = np.array([value is None for value in values], dtype=bool)
    filler = next((value for value in values if value is not None), 0.0)
    return np.array([filler if value is None else value for value in values]), missing


def _buffers(values: np.ndarray, *, as_words: bool) -> tuple[pa.DataType, list[Any]]:
    """Return the Arrow type of values (n,), and what its buffers after the one of nulls hold."""
    if as_words:
        words = [str(value).encode() for value in values.tolist()]
        return pa.string(), [np.cumsum([0, *map(len, words)], dtype=np.int32), b"".join(words)]
    if values.dtype == bool:
        return pa.bool_(), [np.packbits(values, bitorder="little")]
    values = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))
    return pa.from_numpy_dtype(values.dtype), [values]


def numpy(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Return a column as an array (n,), not to be written to; words as objects, null as pyarrow has it."""
    column = _whole(column)
    name, count, start = str(column.type), len(column), column.offset
    if name == "string":
        return np.array(column.to_pylist(), dtype=object)
    if name not in KINDS or column.null_count or not count:
        return np.asarray(column.to_numpy(zero_copy_only=False))
    data = column.buffers()[1]
    if name == "bool":
        return np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")[start : start + count].astype(bool)
    return np.frombuffer(data, KINDS[name])[start : start + count]


def fixed(values: np.ndarray) -> pa.Array:
    """Return an array (rows, width) as an Arrow column of fixed-size lists: one list a row, no copy of the data. Of an array (rows, width,
    depth) each entry of a row's list is a list."""
    values = np.ascontiguousarray(values)
    if values.ndim < 2:
        raise ValueError(f"expected (rows, width), got shape {values.shape}")
    found = arrow(values.reshape(-1))
    for width in values.shape[:0:-1]:
        found = pa.FixedSizeListArray.from_arrays(found, width)
    return found


def matrix(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Return a column of fixed-size lists as an array (rows, width); of lists of lists (rows, width, depth)."""
    column, sizes = _whole(column), []
    while pa.types.is_fixed_size_list(column.type):
        sizes.append(column.type.list_size)
        column = column.flatten()
    return numpy(column).reshape(-1, *sizes)


def _whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column
