"""The worst case of a certified training: rows and both starts are known, and the end point of one chain more is judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...core.protocols import Role
from .base import Access, Source

if TYPE_CHECKING:
    from ...store.answers import Answers


MOST = 1e30
"""What evidence without bound counts as."""


class WorstCase(Access):
    """(1,) log-likelihood ratio, of world 1 against world 0, of the end point of an audit chain.

    The stage `defend` runs the chain for each victim of a defence that is `audited`: the code that made the victim, its rows and
    settings, started from one of two ends that are hardest to forget. The end stands for the victim's world.
    """

    name = "worst-case"
    summary = "the end point of an audit chain, with the rows and both starts that it may have had"
    words = "worst-case audit"
    mark = "worst case"
    place = 6
    reads = "audits"
    defended = True

    def read(self, source: Source, role: Role, arm: str, repeats: int, votes: bool) -> Answers:
        return source.audits(role, arm)

    def offered(self, kept: Answers) -> bool:
        return bool(np.isfinite(kept.scores).any())

    def outputs(self, kept: Answers, chosen: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Return (K, 1): the evidence for world 1, 0 where there is none, whatever is asked."""
        seen: np.ndarray = kept.scores[chosen][:, :1].astype(np.float64)
        np.nan_to_num(seen, copy=False, nan=0.0, posinf=MOST, neginf=-MOST)
        return seen


PLUGIN = WorstCase()
