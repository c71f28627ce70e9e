"""Scores."""

from __future__ import annotations

from .base import OfAnswers


class Scores(OfAnswers):
    """(q,) scores P(y = 1 | x); of C > 2 classes (q, C), P(y | x)."""

    name = "scores"
    summary = "the model's scores"
    place = 1
    black_box = True


PLUGIN = Scores()
