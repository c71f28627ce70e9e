"""Randomness that is drawn once for each model and query point: asked again, in whatever company, a query gets the same draw."""

from __future__ import annotations

import numpy as np

from .seeds import derive

GOLDEN, FIRST, SECOND = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def mixed(values: np.ndarray) -> np.ndarray:
    """Return 64-bit numbers that no longer show the order of `values` (uint64, any shape): SplitMix64's step and finaliser (Steele et al.,
    OOPSLA 2014), which is one to one."""
    values = values + GOLDEN
    values = (values ^ (values >> np.uint64(30))) * FIRST
    values = (values ^ (values >> np.uint64(27))) * SECOND
    found: np.ndarray = values ^ (values >> np.uint64(31))
    return found


class Frozen:
    """Stands in for a random generator in `Defence.answer`. Its draws have the shape (repeats, q) or (repeats, q, C). That for a
    query point follows from the model's seed, the id of the point's row, and which draw of the answer it is (and which class); all repeats are
    the same.

    seed: of the model; rows (q,): ids of the query points.
    """

    def __init__(self, seed: int, rows: np.ndarray) -> None:
        key = np.full(1, derive(seed, "frozen answers"), dtype=np.uint64)
        # mixed on both sides, so that neighbouring ids and seeds have nothing in common
        self._each = mixed(mixed(rows.astype(np.uint64)) ^ mixed(key))
        self._drawn = 0

    def random(self, size: tuple[int, ...]) -> np.ndarray:
        """Return uniform numbers in [0, 1) of shape `size`, (repeats, q, ...)."""
        if len(size) < 2 or size[1] != len(self._each):
            raise ValueError(f"frozen draws have the shape (repeats, {len(self._each)}, ...), not {size}")
        beside = np.arange(np.prod(size[2:], dtype=np.int64), dtype=np.uint64) + np.uint64(self._drawn)
        self._drawn += len(beside)
        numbers = mixed(self._each[:, None] ^ mixed(beside))
        uniform = (numbers >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return np.broadcast_to(uniform.reshape(size[1:]), size)

    def normal(self, loc: float = 0.0, scale: float = 1.0, size: tuple[int, ...] = ()) -> np.ndarray:
        """Return Gaussian numbers of shape `size`, by the transform of Box and Muller (1958)."""
        radius, angle = 1 - self.random(size), self.random(size)
        found: np.ndarray = loc + scale * np.sqrt(-2 * np.log(radius)) * np.cos(2 * np.pi * angle)
        return found


Stream = np.random.Generator | Frozen
"""What `Defence.answer` draws from."""
