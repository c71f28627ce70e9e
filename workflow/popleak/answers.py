"""Query sets and what models answered to them: what `query` writes, and `attack` and `measure` read."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from . import store


class Points(NamedTuple):
    """The query set of one pool split, q points: rows, y, a, origin (q,); cell (q,) and law (2, cells, 2), or None."""

    rows: np.ndarray
    y: np.ndarray
    a: np.ndarray
    origin: np.ndarray
    cell: np.ndarray | None
    law: np.ndarray | None


class Answers(NamedTuple):
    """What models answered: columns world, split, model_index, seed, ratio, finite, eo_weight, eo_vacuous (K,); scores (K, q)."""

    keys: dict[str, np.ndarray]
    scores: np.ndarray


def read_points(path: str | Path) -> dict[int, Points]:
    """Return the query sets by pool split, from a draw table of purpose `query`."""
    table = store.read(path, stage="draw")
    there = {name: store.matrix(table[name]) for name in table.column_names if name != "split"}
    found = {}
    for i, split in enumerate(table["split"].to_pylist()):
        cell = there["cell"][i] if "cell" in there else None
        law = there["law"][i].reshape(2, -1, 2) if "law" in there else None
        found[split] = Points(*(there[name][i] for name in ("rows", "y", "a", "origin")), cell, law)
    return found


def read(path: str | Path) -> Answers:
    """Read what one role's models answered."""
    table = store.read(path, stage="query")
    keys = {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names if name != "scores"}
    return Answers(keys, store.matrix(table["scores"]))
