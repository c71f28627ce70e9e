"""Hard labels."""

from __future__ import annotations

import numpy as np

from ...attacks.base import hard_labels
from .base import OfAnswers


class Labels(OfAnswers):
    """(q,) labels 0.0 and 1.0: whether the score is at least one half; of C > 2 classes 0.0 .. C-1, that of the largest score."""

    name = "labels"
    summary = "the model's hard labels"
    place = 0
    black_box = True
    votes = True
    shown_by = ("scores", "labels")

    def of(self, scores: np.ndarray) -> np.ndarray:
        return hard_labels(scores, classes=scores.shape[2] if scores.ndim == 3 else 2)


PLUGIN = Labels()
