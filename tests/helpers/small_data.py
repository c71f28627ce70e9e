"""Records and models for tests of the engine."""

from __future__ import annotations

import numpy as np

import tiny
from popleak.core.seeds import derive, generator
from popleak.engine.fit import Table

DATA = tiny.records()


FEATURES = DATA.x.shape[1]


def table(dtype=np.float32) -> Table:
    return Table.of(DATA.x, DATA.y, DATA.a, dtype)


def population(models: int, rows: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Rows (K, n) and seeds (K,) of `models` models."""
    seeds = np.array([derive(1, "test", k) for k in range(models)])
    drawn = [generator(int(seed), "rows").choice(len(DATA.y), rows, replace=False) for seed in seeds]
    return np.stack(drawn).astype(np.int32), seeds
