"""A sixth access, one file: scores rounded to one decimal."""

from __future__ import annotations

import numpy as np

from popleak.threat.access.base import OfAnswers


class Rounded(OfAnswers):
    """(q,) scores 0.0, 0.1, ..., 1.0."""

    name = "rounded"
    summary = "the model's scores, rounded to one decimal"
    place = 1
    black_box = True

    def of(self, scores: np.ndarray) -> np.ndarray:
        return np.round(scores, 1)


PLUGIN = Rounded()
