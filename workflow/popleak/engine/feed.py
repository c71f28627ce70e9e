"""The batches that models are trained on, each from its model's own seed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..core.seeds import derive, generator

if TYPE_CHECKING:
    from .schedule import Training


class Feed:
    """The batches of K models: each epoch an order of each model's rows (K, n), and the extra rows of each step.

    batch, extra: rows in a step (the last step of an epoch may have fewer of the former); steps: steps in an epoch;
    noise: seeds for what a model's module draws at random; seeds, purpose: name the random streams; poisson: each step takes each
    row with probability batch / n, so that `batch` rows are expected.
    """

    def __init__(
        self,
        rows: np.ndarray,
        seeds: np.ndarray,
        training: Training,
        extra: np.ndarray | None,
        purpose: str,
        poisson: bool = False,
    ) -> None:
        self.rows, self.pool, self.seeds, self.purpose = rows, extra, seeds, purpose
        self.poisson = poisson
        self.orders = [generator(int(seed), "order", purpose) for seed in seeds]
        self.samples = [generator(int(seed), "poisson", purpose) for seed in seeds] if poisson else []
        self.noise = [derive(int(seed), "noise", purpose) for seed in seeds]
        self.extras = [generator(int(seed), "extra", purpose) for seed in seeds] if extra is not None else []
        self.batch = min(training.batch, rows.shape[1])
        self.extra = min(self.batch, extra.shape[1]) if extra is not None else 0
        self.steps = -(-rows.shape[1] // self.batch)

    def epoch(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows in the epoch's order (K, n) int64 and the extra rows (K, steps, e) int64."""
        return self._shuffled(self.rows), self._picked()

    def places(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As `epoch`, but also return, in second place, the positions (K, n) int64 of these rows among their model's
        own."""
        places = self._shuffled(np.broadcast_to(np.arange(self.rows.shape[1]), self.rows.shape))
        return np.take_along_axis(self.rows, places, 1).astype(np.int64), places, self._picked()

    def batches(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return an epoch's rows (K, m) int64 batch by batch, their places (K, m) as `places`, and where each batch begins in them
        (K, steps + 1) int64; the last number is where the last one ends. With `poisson` a row may come several times or never, a
        batch may be empty, and rows after the last batch are not meant."""
        if not self.poisson:
            rows, places, _ = self.places()
            starts = np.minimum(np.arange(self.steps + 1) * self.batch, self.rows.shape[1])
            return rows, places, np.tile(starts, (len(rows), 1))
        count = self.rows.shape[1]
        taken = [_successes(rng, self.batch / count, self.steps * count) for rng in self.samples]
        places = np.zeros((len(taken), max(1, *map(len, taken))), np.int64)
        starts = np.empty((len(taken), self.steps + 1), np.int64)
        for k, trials in enumerate(taken):
            places[k, : len(trials)] = trials % count
            starts[k] = np.searchsorted(trials, np.arange(self.steps + 1) * count)
        return np.take_along_axis(self.rows, places, 1).astype(np.int64), places, starts

    def _shuffled(self, values: np.ndarray) -> np.ndarray:
        order = np.array(values, np.int64, order="C")
        for row, rng in zip(order, self.orders, strict=True):
            rng.shuffle(row)  # the order that rng.permutation would give, without a second pass
        return order

    def _picked(self) -> np.ndarray:
        if self.pool is None or not self.extra:
            return np.empty((len(self.rows), self.steps, 0), np.int64)
        picks = [
            [rows[rng.choice(len(rows), self.extra, replace=False)] for _ in range(self.steps)]
            for rows, rng in zip(self.pool, self.extras, strict=True)
        ]
        return np.array(picks, np.int64)


def _successes(rng: np.random.Generator, chance: float, trials: int) -> np.ndarray:
    """Return which of `trials` independent trials succeed, rising, int64, each with probability `chance` > 0."""
    # gaps between successes are geometric: far fewer numbers are drawn than there are trials
    expected, parts, last = trials * chance, [], -1
    while last < trials:
        gaps = rng.geometric(chance, math.ceil(expected + 4 * math.sqrt(expected)) + 1)
        parts.append(last + np.cumsum(gaps))
        last = int(parts[-1][-1])
    found = np.concatenate(parts)
    return found[: np.searchsorted(found, trials)]
