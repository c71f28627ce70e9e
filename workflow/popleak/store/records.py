"""A dataset table read back: what every later stage starts from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..core.columns import Columns
from ..core.errors import PopleakError
from . import arrays
from . import parquet as store


class Loaded(NamedTuple):
    """x (N, d) float32, y, a (N,) int8, unit (N,) int64, cell (N,) int16 or None; facts: the table's metadata.

    subgroup (N,) int8 or None: a second sensitive attribute. Labels are 0..C-1. Records that have a shape of their own are rows of numbers
    here all the same: they are stored, held out and gathered as rows, and the engine gives them their shape on the way into a module.
    """

    x: np.ndarray
    y: np.ndarray
    a: np.ndarray
    unit: np.ndarray
    cell: np.ndarray | None
    facts: Mapping[str, Any]
    subgroup: np.ndarray | None = None

    @property
    def classes(self) -> int:
        """C, the number of the label's classes."""
        return len(self.facts.get("classes", ("0", "1")))

    @property
    def label_rate(self) -> float | None:
        """P(y = 1); None for more than two classes."""
        return float(self.y.mean()) if self.classes == 2 else None


def width(path: str | Path) -> int:
    """Return the number of features of a table written by the stage `dataset`."""
    return int(store.schema(path).field("x").type.list_size)


def classes(path: str | Path) -> int:
    """Return the number of classes of the label of a table written by the stage `dataset`."""
    return len(store.facts(path).get("classes", ("0", "1")))


def columns_of(records: Loaded) -> np.ndarray:
    """Return of each feature (d,) the number of its original column, from 0 in the order of features. Features named `column=value` are one
    column's (`datasets._encode.categorical`); where the table does not name its features, each is a column of its own."""
    names = records.facts.get("features", ())
    if len(names) != records.x.shape[1]:
        return np.arange(records.x.shape[1])
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(name.partition("=")[0], len(numbers)) for name in names])


def original_columns(records: Loaded) -> Columns:
    """Return the original columns of the records' features. Raises PopleakError for features named as levels of one column that are not."""
    names = records.facts.get("features", ())
    found = Columns.named(names, records.x.shape[1])
    wrong = (found.expand(found.compact(records.x)) != records.x).any(axis=0)
    if wrong.any():
        raise PopleakError(
            f"feature {names[int(wrong.argmax())]!r}: is named as a value of a column (column=value), and its numbers are none: rename columns whose "
            f"names hold '=' where generators are trained"
        )
    return found


def with_twins(records: Loaded) -> Loaded:
    """Return the records, of two classes, followed by a copy of each with its label flipped: row N + i is the poisoned row i."""

    def twice(part: np.ndarray) -> np.ndarray:
        return np.concatenate([part, part])

    return records._replace(
        x=twice(records.x),
        y=np.concatenate([records.y, 1 - records.y]),
        a=twice(records.a),
        unit=twice(records.unit),
        cell=None if records.cell is None else twice(records.cell),
        subgroup=None if records.subgroup is None else twice(records.subgroup),
    )


def read(path: str | Path) -> Loaded:
    """Read a table written by the stage `dataset`."""
    table = store.read(path, stage="dataset")
    column = {name: arrays.numpy(table[name]) for name in table.column_names if name != "x"}
    fixed = (arrays.matrix(table["x"]), column["y"], column["a"], column["unit"], column.get("cell"))
    return Loaded(*fixed, store.facts(path), column.get("subgroup"))
