"""What the attacks share that sum a likelihood ratio over query points: the judge, and how it is fitted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ._left_out import UNKNOWN, Moments, Scale, scale_of
from ._profile import Profile, Reading
from .base import Judge

Ratio = Callable[[Moments, np.ndarray], np.ndarray]
"""The sum over columns of a log-likelihood ratio (...), of logits (..., m), given the shadows' moments."""


class Fitted(NamedTuple):
    """Shadows as they are read: their moments, and their logits (S_k, m) world by world."""

    profile: Profile
    moments: Moments
    worlds: list[np.ndarray]

    @classmethod
    def of(cls, shadows: Sequence[np.ndarray], given: Reading) -> Fitted:
        """Return what scores (S0, m) and (S1, m) give, S0 and S1 at least 1."""
        profile, worlds = Profile.of(shadows, given)
        return cls(profile, Moments.of(worlds), worlds)

    def judge(self, ratio: Ratio) -> PointJudge:
        """Return the judge by this ratio, with threshold and scale from each shadow judged by the others."""
        scale = UNKNOWN
        if min(self.moments.sizes) > 1:
            scale = scale_of(*(ratio(self.moments.without(k, one), one) for k, one in enumerate(self.worlds)))
        return PointJudge(self.profile, self.moments, ratio, scale)


class PointJudge(Judge):
    """score = (ratio of the victim's logits - threshold) / scale."""

    def __init__(self, profile: Profile, moments: Moments, ratio: Ratio, scale: Scale) -> None:
        self.profile, self.moments, self.ratio, self.scale = profile, moments, ratio, scale

    def score(self, outputs: np.ndarray) -> float:
        return self.scale(float(self.ratio(self.moments, self.profile(outputs))))
