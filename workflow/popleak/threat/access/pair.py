"""The base model's scores beside the defended model's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...core.protocols import Role
from .base import NONE, OfAnswers, Source

if TYPE_CHECKING:
    from ...store.answers import Answers


class Pair(OfAnswers):
    """(2q,) scores of the base model M_0, then those of the same model under the defence; of C > 2 classes (2q, C)."""

    name = "pair"
    summary = "scores of the base model and of the defended one"
    words = "scores of base and defended model"
    mark = "base model too"
    place = 5
    holds = ("labels", "scores")
    sets = 2
    defended = True
    covered = False

    def read(self, source: Source, role: Role, arm: str, repeats: int, votes: bool) -> Answers:
        defended, base = source.answers(role, arm, repeats, votes=False), source.answers(role, NONE, 1, votes=False)
        order = np.argsort(base.keys["seed"])
        place = order[np.searchsorted(base.keys["seed"], defended.keys["seed"], sorter=order)]
        return defended._replace(scores=np.concatenate([base.scores[place], defended.scores], axis=1))


PLUGIN = Pair()
