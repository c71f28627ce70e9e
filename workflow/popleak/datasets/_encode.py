"""Turn columns into features: numbers standardised, categories one-hot. numpy only.

Means, spreads and categories are taken over all records that a task keeps, both groups and all pools together, so the
encoding itself is the same in every world and says nothing about which world a model was trained in.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from ..core.errors import PopleakError


class Block(NamedTuple):
    """Features of one column: their names (k,) and values (N, k) float32. k is 0 for a column that is constant."""

    names: tuple[str, ...]
    values: np.ndarray


def numeric(*, name: str, values: np.ndarray) -> Block:
    """Return the column `values` (N,) with mean 0 and standard deviation 1. Raises PopleakError for NaN or infinity."""
    values = np.asarray(values, dtype=np.float64)
    if not np.isfinite(values).all():
        raise PopleakError(
            f"column {name!r}: holds missing or infinite numbers: repair the file or leave the column out"
        )
    if values.size == 0 or values.min() == values.max():
        return Block((), np.empty((len(values), 0), dtype=np.float32))
    scaled = (values - values.mean()) / values.std()
    return Block((name,), scaled.astype(np.float32)[:, None])


def categorical(*, name: str, values: np.ndarray) -> Block:
    """Return one 0/1 feature `name=value` for each value that occurs in `values` (N,), in sorted order.

    Two values give one feature (the second value's), since the other would only repeat it; one value gives none.
    """
    levels, codes = np.unique(np.asarray(values), return_inverse=True)
    first = 1 if len(levels) <= 2 else 0
    hot = np.zeros((len(codes), len(levels)), dtype=np.float32)
    hot[np.arange(len(codes)), codes] = 1.0
    return Block(tuple(f"{name}={level}" for level in levels[first:]), hot[:, first:])


def stack(*, blocks: Iterable[Block]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the blocks side by side: x (N, d) float32 and the d features' names.

    Raises PopleakError if nothing is left or if a name occurs twice.
    """
    blocks = list(blocks)
    names = tuple(name for block in blocks for name in block.names)
    if not names:
        raise PopleakError("no feature is left: every column is constant, dropped, the label or the attribute")
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise PopleakError(f"feature {twice[0]!r} occurs twice: rename one of the columns")
    return np.concatenate([block.values for block in blocks], axis=1), names
