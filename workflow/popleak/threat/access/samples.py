"""Rows that a generator releases, with their group."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ...core.protocols import Role
from .base import Access, Source

if TYPE_CHECKING:
    from ...store.answers import Answers


class Samples(Access):
    """(m, 2 + c) float32 of each generator: label, group and compact columns (`core.columns`) of the m rows that it releases."""

    name = "samples"
    summary = "rows that a generator releases, with their group"
    words = "a generator's rows"
    place = 7
    reads = "samples"
    hidden: ClassVar[tuple[int, ...]] = ()
    """Columns that are withheld."""

    def read(self, source: Source, role: Role, arm: str, repeats: int, votes: bool) -> Answers:
        return source.samples(role, arm)

    def outputs(self, kept: Answers, chosen: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Return (K, m, 2 + c), or less what is withheld, whatever is asked."""
        seen: np.ndarray = kept.scores[chosen]
        return np.delete(seen, self.hidden, axis=2) if self.hidden else seen


PLUGIN = Samples()
