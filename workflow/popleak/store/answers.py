"""Query sets and what models answered to them: what `query` writes and `attack` reads, and `measure` of shadows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from . import arrays
from . import parquet as store


class Points(NamedTuple):
    """The query set of one pool split, q points: rows, y, a, origin (q,); cell (q,) and law (2, cells, 2), or None.

    Of the question of membership, whose first n points are candidates (origin 0): inside (M, n) bool, which models hold which, and near
    (n, k), positions of public rows among the points after them, or None.
    """

    rows: np.ndarray
    y: np.ndarray
    a: np.ndarray
    origin: np.ndarray
    cell: np.ndarray | None
    law: np.ndarray | None
    inside: np.ndarray | None = None
    near: np.ndarray | None = None


class Answers(NamedTuple):
    """What models answered: columns world, split, model_index, seed, ratio (K,) and `populations.FOUND` (K,); scores (K, q), P(y = 1 | x),
    or (K, q, C), P(y | x), for C > 2 classes."""

    keys: dict[str, np.ndarray]
    scores: np.ndarray


def read_points(path: str | Path, pair: str) -> dict[int, Points]:
    """Return a pair's query sets by pool split, from a draw table of purpose `query`."""
    table = store.read(path, stage="draw", where={"pair": pair})
    there = {name: arrays.matrix(table[name]) for name in table.column_names if name not in ("pair", "split")}
    found = {}
    for i, split in enumerate(table["split"].to_pylist()):
        cell = there["cell"][i] if "cell" in there else None
        law = there["law"][i].reshape(2, -1, 2) if "law" in there else None
        rows, y, a, origin = (there[name][i] for name in ("rows", "y", "a", "origin"))
        found[split] = Points(
            rows,
            y,
            a,
            origin,
            cell,
            law,
            *_members(origin, {key: there[key][i] for key in ("inside", "near") if key in there}),
        )
    return found


def _members(origin: np.ndarray, there: Mapping[str, np.ndarray]) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return `inside` and `near`, which are stored as one row of bits and one of numbers."""
    if "inside" not in there:
        return None, None
    candidates = int((origin == 0).sum())
    bits = there["inside"].reshape(-1, -(-candidates // 8))
    near = there["near"].reshape(candidates, -1) if "near" in there else None
    return np.unpackbits(bits, axis=1, count=candidates).astype(bool), near


def read(path: str | Path, *, pair: str, arm: str, repeats: int = 1, labels: bool = False) -> Answers:
    """Read what one role's models answered in one game as one arm: a defence, or `none`.

    repeats: how often each query was asked; scores are then the mean answer, or with `labels` the share of answers of at
    least 0.5, which is at least one half where that was the label given most often.
    """
    shown = "labels" if labels and repeats > 1 else "scores"
    table = store.read(path, stage="query", where={"pair": pair, "arm": arm, "repeats": repeats, "shown": shown})
    named = [name for name in table.column_names if name not in ("pair", "arm", "repeats", "shown", "scores")]
    keys = {name: arrays.numpy(table[name]) for name in named}
    return Answers(keys, arrays.matrix(table["scores"]))
