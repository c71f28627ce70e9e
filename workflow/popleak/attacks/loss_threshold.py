"""The loss on the row itself: models are surest of what they were trained on."""

from __future__ import annotations

import numpy as np

from ..core.settings import NoSettings
from ._gaussians import confidences
from ._members import Candidates, MemberAttack, MemberJudge


class LossJudge(MemberJudge):
    def __init__(self, rows: int) -> None:
        self.rows = rows

    def score(self, outputs: np.ndarray) -> np.ndarray:
        return confidences(outputs[: self.rows])


class LossThreshold(MemberAttack):
    """score = phi, the victim's confidence on the row, which falls with its loss; no shadows.

    A row that is easy to learn looks like a member wherever it is. Source: Yeom et al., CSF 2018.
    """

    name = "loss-threshold"
    summary = "confidence of the victim on the row, without shadows"
    each = 1e-9
    access = "scores"
    classes = None
    shadows = False

    def calibrate_members(
        self, *, shadows: np.ndarray, inside: np.ndarray, candidates: Candidates, settings: NoSettings
    ) -> LossJudge:
        return LossJudge(candidates.n)


PLUGIN = LossThreshold()
