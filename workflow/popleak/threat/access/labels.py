"""Hard labels."""

from __future__ import annotations

import numpy as np

from .base import OfAnswers


class Labels(OfAnswers):
    """(q,) labels 0.0 and 1.0: whether the score is at least one half."""

    name = "labels"
    summary = "the model's hard labels"
    place = 0
    black_box = True
    votes = True
    shown_by = ("scores", "labels")

    def of(self, scores: np.ndarray) -> np.ndarray:
        return (scores >= 0.5).astype(np.float64)


PLUGIN = Labels()
