"""The likelihood ratio test on the worst case of a certified training: the audit that a certificate must stand."""

from __future__ import annotations

import numpy as np

from ..core.settings import NoSettings
from .base import Attack, Game, Judge, Query


class WorstCaseJudge(Judge):
    """score = the log-likelihood ratio, within +-LIMIT."""

    def score(self, outputs: np.ndarray) -> float:
        return float(np.clip(outputs[0], -LIMIT, LIMIT))


LIMIT = 1e6
"""Largest |score|."""


class WorstCase(Attack):
    """score = log P(end point | world 1) - log P(end point | world 0), for a chain whose rows and two possible starts are given.

    It judges the training and not the victim: the code that trained the victim runs once more on the same rows, from one of the
    two starts that are hardest to forget, far outside the ball, with noise of its own. No adversary of the game's rules is given
    as much, so this is a line to compare with and no candidate for `best`. Where the loss is a quadratic, the test is the best
    there is and the certificate is met exactly (docs/certificates.md). For logistic regression the law of the end
    point is linearised, and the test is one that the certificate bounds all the same. Accuracy above the certificate means that the
    implementation breaks the theorem: no noise, no projection, a step too long.
    """

    name = "worst-case"
    summary = "likelihood ratio of an audit chain with known rows and starts, against certified defences alone"
    access = "worst-case"
    shadows = False
    reference = True
    reaches = 0.98

    def calibrate(
        self, *, shadows_0: np.ndarray, shadows_1: np.ndarray, query: Query, game: Game, settings: NoSettings
    ) -> Judge:
        """Return the judge; there are no shadows."""
        return WorstCaseJudge()


PLUGIN = WorstCase()
