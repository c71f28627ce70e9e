"""A table as it was read: columns of values as they stand in the file, before anything takes them for numbers or groups."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Column(NamedTuple):
    """One column: `values[codes[i]]` is what row i holds; code -1 is an empty field or a null.

    codes (N,) int32; values: each different value once; kind: `field` (text of a delimited file, which may be a number), or of
    Parquet `text`, `number`, `bool`, `date` (also times), `nested`.
    """

    codes: np.ndarray
    values: list
    kind: str = "field"


class Sheet(NamedTuple):
    """The columns read, by name in the file's order; rows; and what was recognised of the file, for card and log."""

    columns: dict[str, Column]
    rows: int
    form: dict[str, str]
