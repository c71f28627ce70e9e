"""Rows that generators release: what `sample` writes, and `attack`, `defend` and `inspect` read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..core.errors import PopleakError
from . import arrays
from . import parquet as store
from .populations import KEYS


class Samples(NamedTuple):
    """What K generators release, m rows each: keys (columns `KEYS`, each (K,)), finite (K,); y, a (K, m) int8; compact rows (K, m, c) float32
    (`core.columns`)."""

    keys: dict[str, np.ndarray]
    finite: np.ndarray
    y: np.ndarray
    a: np.ndarray
    rows: np.ndarray

    def at(self, chosen: np.ndarray) -> Samples:
        """Return what the generators at these positions (k,) release."""
        keys = {name: values[chosen] for name, values in self.keys.items()}
        return Samples(keys, self.finite[chosen], self.y[chosen], self.a[chosen], self.rows[chosen])


def columns(samples: Samples) -> dict[str, Any]:
    """Return the columns of a file of samples."""
    count, rows, width = samples.rows.shape
    return {
        **samples.keys, "finite": samples.finite, "y": arrays.fixed(samples.y), "a": arrays.fixed(samples.a),
        "rows": arrays.fixed(samples.rows.reshape(count, rows * width)),
    }  # fmt: skip


def read(paths: Iterable[str | Path], *, world: str, towards: str) -> Samples:
    """Return what the generators of one world release, from files of one role and arm: of those that a defence turned to other worlds, those that
    it turned `towards` this one. Raises PopleakError if there are none."""
    paths = list(paths)
    for from_world in dict.fromkeys((towards, world)):  # a sharer that does not train further turns to no world
        where = {"world": world, "from_world": from_world}
        found = [table for path in paths if (table := store.read(path, stage="sample", where=where)).num_rows]
        if found:
            return together([_of(table) for table in found])
    raise PopleakError(f"{', '.join(map(str, paths))}: no generator of world {world} is there: delete it and run again")


def together(parts: Sequence[Samples]) -> Samples:
    """Return the samples of all parts, one after the other."""
    keys = {name: np.concatenate([part.keys[name] for part in parts]) for name in parts[0].keys}
    return Samples(keys, *(np.concatenate([part[i] for part in parts]) for i in range(1, 5)))


def _of(table: Any) -> Samples:
    y, a, rows = (arrays.matrix(table[name]) for name in ("y", "a", "rows"))
    keys = {name: arrays.numpy(table[name]) for name in KEYS}
    return Samples(keys, arrays.numpy(table["finite"]), y, a, rows.reshape(*y.shape, -1))
