"""All weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ...core.protocols import Role
from .base import Access, Source

if TYPE_CHECKING:
    from ...store.answers import Answers


class Weights(Access):
    """(P,) weights, layer by layer: of each layer its matrix (out, in), row by row, then its biases (out,)."""

    name = "weights"
    summary = "all weights of the model"
    mark = "white box"
    place = 3
    holds: ClassVar[tuple[str, ...]] = ("labels", "scores")
    reads = "models"

    def read(self, source: Source, role: Role, arm: str, repeats: int, votes: bool) -> Answers:
        return source.models(role, arm)

    def outputs(self, kept: Answers, chosen: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Return (K, P) float64, whatever is asked; a weight that is no number counts as 0."""
        seen: np.ndarray = kept.scores[chosen].astype(np.float64)
        seen[~np.isfinite(seen)] = 0.0
        return seen


PLUGIN = Weights()
