"""SNAP: poisoned records make the logits of their like depend on how many there are."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from ..core import settings
from ._shadows import CLIP, clipped, logit
from ._snap import Snap


class SnapScores(Snap):
    """score as in `_snap.Snap`: direction * (median of the victim's values - threshold).

    Values: the scaled logit log(p / (1 - p)) of the probability p that the poisoned label is given, of each target
    point. Their median lies where the majority of the target points does.
    Source: Chaudhari et al., "SNAP: Efficient Extraction of Private Properties with Poisoning", IEEE S&P 2023.
    """

    name = "snap"
    summary = "median logit of the poisoned label on target points, between the medians of the shadows"
    access = "scores"

    class Settings(settings.Settings):
        clip: float = Field(default=CLIP, gt=0, lt=0.5)
        """Scores are clipped to [clip, 1 - clip] before logits are taken."""

    def values(self, outputs: np.ndarray, poisoned: int, settings: Settings) -> np.ndarray:
        """Return the logits (..., t) of the poisoned label."""
        return (1 if poisoned else -1) * logit(clipped(outputs, clip=settings.clip))


PLUGIN = SnapScores()
