"""The KL test as published, its scale taken from the victims of the call: kept only to reproduce published numbers."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from .. import settings
from ._kl import Evidence
from ._shadows import CLIP, DECIMALS
from .base import Game, Query, TransductiveJudge
from .kl import KL


class MinMaxJudge(TransductiveJudge):
    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        evidence.forget()

    def score(self, outputs: np.ndarray) -> float:
        """Return 0: alone, a victim is its own smallest and largest."""
        return float(self.score_all(outputs[None])[0])

    def score_all(self, outputs: np.ndarray) -> np.ndarray:
        """Return the evidence (V,) in outputs (V, m), min-max scaled to [0, 1], less 1/2; all 0 if all is one."""
        raw = np.array([self.evidence.raw(victim) for victim in outputs])
        width = raw.max() - raw.min()
        return np.round((raw - raw.min()) / width - 0.5, DECIMALS) if width > 0 else np.zeros(len(raw))


class KLTransductive(KL):
    """score = mean over pairs (i, j) of KL(shadow0_i || victim) - KL(shadow1_j || victim), min-max scaled to [0, 1]
    over ALL victims of the call, minus 1/2.

    Threshold and scale come from the other victims, which no adversary who holds one model has: a victim alone scores
    0, and in other company another world may be named. Kept only to reproduce published numbers; compare with `kl`.
    Source: the KL attack of Suri et al., "Dissecting Distribution Inference", SaTML 2023, as published.
    """

    name = "kl-transductive"
    summary = "kl as published: its scale comes from the other victims; kept only to reproduce published numbers"
    many = False
    transductive = True
    reference = True

    class Settings(settings.Settings):
        clip: float = Field(default=CLIP, gt=0, lt=0.5)
        """Scores are clipped to [clip, 1 - clip] before logarithms are taken."""

    def calibrate(
        self, *, shadows_0: np.ndarray, shadows_1: np.ndarray, query: Query, game: Game, settings: Settings
    ) -> TransductiveJudge:
        """Return a judge fitted to scores (S0, m) and (S1, m), S0 and S1 at least 1."""
        return MinMaxJudge(self.evidence((shadows_0, shadows_1), settings))


PLUGIN = KLTransductive()
