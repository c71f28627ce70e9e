"""What meta-classifiers read: logits of the clipped outputs, standardised on the shadows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ._shadows import clipped, columns, in_order, logit

FLAT = 1e-10
"""A column whose logits have a smaller standard deviation is constant."""


class Standard(NamedTuple):
    """features (S, m): standardised logits of all shadows, world after world; centre (m,): mean logits; inverse (m,):
    1 / standard deviation, 0 for a constant column, which weighs nothing; clip as given."""

    features: np.ndarray
    centre: np.ndarray
    inverse: np.ndarray
    clip: float

    @classmethod
    def of(cls, worlds: Sequence[np.ndarray], *, clip: float) -> Standard:
        """Return the standardised shadows of the worlds, scores (S_k, m), or (S_k, m, C) whose columns are those of all classes but the first;
        the order within a world does not matter."""
        seen = np.concatenate([in_order(columns(world, models=True)) for world in worlds])
        logits = logit(clipped(seen, clip=clip))
        centre = logits.mean(axis=0)
        features = logits - centre
        spread = np.sqrt(np.mean(features**2, axis=0))
        inverse = np.where(spread > FLAT, 1 / np.maximum(spread, FLAT), 0.0)
        features *= inverse
        return cls(features, centre, inverse, clip)

    def unscaled(self, duals: np.ndarray) -> np.ndarray:
        """Return weights (..., m) on logits minus the centre, for weights `duals` (..., S) @ features."""
        return (duals @ self.features) * self.inverse
