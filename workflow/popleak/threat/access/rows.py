"""The training rows themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...core.protocols import Role
from .base import Access, Source

if TYPE_CHECKING:
    from ...store.answers import Answers


class Rows(Access):
    """(n,) int64 ids of the rows that the base model was trained on, into `attacks.base.Game.records`."""

    name = "rows"
    summary = "the rows that the model was trained on"
    words = "the training rows"
    mark = "training rows"
    place = 6
    reads = "draws"
    of_model = False
    covered = False

    def read(self, source: Source, role: Role, arm: str, repeats: int, votes: bool) -> Answers:
        return source.draws(role)

    def outputs(self, kept: Answers, chosen: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Return (K, n) ids as they are, whatever is asked."""
        seen: np.ndarray = kept.scores[chosen]
        return seen


PLUGIN = Rows()
