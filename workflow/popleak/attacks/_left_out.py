"""Threshold and scale of a score from the shadows alone, each shadow judged by all the others (leave one out)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ._shadows import DECIMALS


class Scale(NamedTuple):
    """A score in units of its spread: (raw - threshold) / scale, `scale` above 0."""

    threshold: float
    scale: float

    def __call__(self, raw: float) -> float:
        # A rounded difference, so that rounding names no world.
        return round(raw - self.threshold, DECIMALS) / self.scale


UNKNOWN = Scale(0.0, 1.0)
"""Where a world has one shadow there are no others to judge it."""


def scale_of(low: np.ndarray, high: np.ndarray) -> Scale:
    """Return midway between the means of the two worlds' raw scores (n,) and (k,), and their pooled standard deviation
    within worlds; 1 where they do not differ by more than rounding."""
    residuals = np.concatenate([low - low.mean(), high - high.mean()])
    sd = float(np.sqrt(np.sum(residuals**2) / max(len(residuals) - 2, 1)))
    return Scale(float(low.mean() + high.mean()) / 2, sd if sd > 10.0**-DECIMALS else 1.0)


class Moments(NamedTuple):
    """Of two worlds' shadows at m columns, centred within worlds: sizes (2,); means, two of (m,); squares (m,), the sum
    of squared deviations from the world's mean over the shadows of both. With a leading axis (S,) in place of one world's
    mean and of `squares`: the same without each of that world's S shadows in turn."""

    sizes: tuple[int, int]
    means: tuple[np.ndarray, np.ndarray]
    squares: np.ndarray

    @classmethod
    def of(cls, worlds: Sequence[np.ndarray]) -> Moments:
        """Return the moments of shadows (S0, m) and (S1, m)."""
        zero, one = (world.mean(axis=0) for world in worlds)
        squares = sum(np.sum((world - mean) ** 2, axis=0) for world, mean in zip(worlds, (zero, one), strict=True))
        return cls((len(worlds[0]), len(worlds[1])), (zero, one), squares)

    def without(self, world: int, shadows: np.ndarray) -> Moments:
        """Return the moments without each of the shadows (S, m) of `world` in turn, S at least 2."""
        n = self.sizes[world]
        away = shadows - self.means[world]
        mean = self.means[world] - away / (n - 1)
        squares = np.maximum(self.squares - away**2 * (n / (n - 1)), 0.0)
        sizes, means = list(self.sizes), list(self.means)
        sizes[world], means[world] = n - 1, mean
        return Moments((sizes[0], sizes[1]), (means[0], means[1]), squares)
