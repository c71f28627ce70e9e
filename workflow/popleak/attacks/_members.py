"""The contract of attacks on rows: was this record among the training rows of this model?

A trial is a victim and a candidate row. The adversary has shadows, models of the same law that were trained on other halves of the
candidates, and knows of each shadow which candidates it holds. It never sees the victim before it judges it, nor the victim's twin, the
model that was trained on the other half. Of every candidate as many shadows hold it as do not, whatever the victim holds, so that
counts say nothing.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np

from .base import Attack, Judge


class Candidates(NamedTuple):
    """The points that every model is asked, m of them: n candidates first, then m - n public rows, which no model was trained on.

    y, a (m,) int8: label and group; n: candidates; near (n, k) int32 or None: positions of the k public rows nearest to each candidate, none
    of them equal to it; classes: of the label.
    """

    y: np.ndarray
    a: np.ndarray
    n: int
    near: np.ndarray | None = None
    classes: int = 2


class MemberJudge:
    """What calibration on shadows returns. `score` must depend on its argument and the calibration alone, of a row on its own
    answer and those to public rows alone."""

    def score(self, outputs: np.ndarray) -> np.ndarray:
        """Return evidence (n,) that each candidate is a member, finite, from one victim's outputs, which are as those of a shadow in
        `MemberAttack.calibrate_members`."""
        raise NotImplementedError


class MemberAttack(Attack):
    """Base of attacks on rows. Set the class attributes of `Attack`, implement `calibrate_members`.

    What is seen of a model is a row of confidences: phi = log p_y - log(1 - p_y), p_y being what the model gives to the point's own label
    (Carlini et al., "Membership inference attacks from first principles", S&P 2022, section IV). Access `scores` shows (m,), access `pair`
    (2m,), the base model's first; access `labels` (m,) 1.0 where the hard label is right, else 0.0.
    """

    rows: ClassVar[bool] = True
    direct: ClassVar[bool] = True
    """False: the candidate itself is never asked."""

    def calibrate_members(
        self, *, shadows: np.ndarray, inside: np.ndarray, candidates: Candidates, settings: Any
    ) -> MemberJudge:
        """Return a judge fitted to the outputs (S, m), or (S, 2m), of shadows, which hold the candidates `inside` (S, n) bool.

        Sound with two shadows, one of which holds each candidate, with constant outputs, and where no shadow holds a candidate.
        """
        raise NotImplementedError

    def calibrate(self, **_: Any) -> Judge:
        raise NotImplementedError("an attack on rows judges no worlds")
