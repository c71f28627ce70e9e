"""A shadow-free estimate of the ratio: a model is calibrated on the population that it was trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from ..core import settings
from ._many import Linear
from ._shadows import CLIP, DECIMALS, clipped
from .base import Attack, Estimator, Game, Judge, Query


class Excess:
    """How far a model's mean score in each group lies above the group's label rate, and what chance makes of that.

    With no query point of a group all ratios fit alike.
    """

    def __init__(self, *, query: Query, rows: int, clip: float) -> None:
        self.y, self.at = query.y, [np.flatnonzero(query.a == group) for group in (0, 1)]
        self.rows, self.clip, self.known = rows, clip, min(map(len, self.at)) > 0

    def __call__(self, outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return of one model's scores (m,) by group (2,): mean score less label rate, the mean variance p (1 - p) of a label
        with that probability, and the variance of the first by the choice of query points."""
        scores = clipped(outputs, clip=self.clip)
        excess = np.array([np.mean(scores[at] - self.y[at]) for at in self.at])
        spread = np.array([np.mean(scores[at] * (1 - scores[at])) for at in self.at])
        return excess, spread, spread / [len(at) for at in self.at]

    def distance(self, outputs: np.ndarray, ratio: float) -> float:
        """Return the square of the calibration error in a population with P(a = 1) = `ratio`, in units of its variance."""
        if not self.known:
            return 0.0
        excess, spread, chance = self(outputs)
        weight = np.array([1 - ratio, ratio])
        variance = weight**2 @ chance + (weight @ spread / self.rows if self.rows else 0.0)
        return float((weight @ excess) ** 2 / variance)

    def ratio(self, outputs: np.ndarray, low: float, high: float) -> float:
        """Return the ratio from `low` to `high` at which the calibration error is smallest; midway where all are equal."""
        if not self.known:
            return (low + high) / 2
        zero, one = self(outputs)[0]
        slope = one - zero
        if abs(slope) < 10.0**-DECIMALS:
            return (low + high) / 2
        return float(np.clip(-zero / slope, low, high))


class CalibrationJudge(Judge):
    """score = half the difference of the squared calibration errors in world 0 and in world 1."""

    def __init__(self, excess: Excess, game: Game) -> None:
        self.excess, self.ratios = excess, (game.ratio_0, game.ratio_1)

    def score(self, outputs: np.ndarray) -> float:
        zero, one = (self.excess.distance(outputs, ratio) for ratio in self.ratios)
        return round((zero - one) / 2, DECIMALS)


class Calibration(Attack):
    """score = (squared calibration error in world 0 - the same in world 1) / 2, errors in units of their standard deviation; no shadows.

    A model that is fitted by its log loss and can shift all of its scores gives the population that it was trained on the
    right mean score: the label rate. In another population the mean score is off, as far as the model errs in the groups in
    opposite directions. The calibration error in a population with P(a = 1) = r is (1 - r) B_0 + r B_1, B_g being mean
    score less label rate among the adversary's own points of group g; its variance counts the choice of these points and
    of the `rows` training rows, where their number is known. Worlds need no other knowledge, and none of the defence.
    Source: score tests of calibration in the large (Cox, "Two Further Applications of a Model for Binary Regression",
    Biometrika 1958; Spiegelhalter, "Probabilistic Prediction in Patient Management and Clinical Trials", Statistics in
    Medicine 1986), here asked of two populations. The turn is ours.

    Many worlds: the ratio at which the calibration error is smallest, B_0 / (B_0 - B_1), between the lowest and the highest.
    """

    name = "calibration"
    summary = "the world in which the model's mean score is nearest to the label rate; no shadows"
    access = "scores"
    reads = ("y", "a")
    least_points = 2
    shadows = False
    reaches = 0.98
    many = True
    reaches_many = 0.75
    estimates_within = 0.1

    class Settings(settings.Settings):
        clip: float = Field(default=CLIP, gt=0, lt=0.5)
        """Scores are clipped to [clip, 1 - clip]."""

    def applies(self, game: Game) -> bool:
        return game.groups

    def calibrate(
        self, *, shadows_0: np.ndarray, shadows_1: np.ndarray, query: Query, game: Game, settings: Settings
    ) -> Judge:
        """Return the judge; the shadows are not looked at. Without points of both groups: score 0."""
        return CalibrationJudge(Excess(query=query, rows=game.rows, clip=settings.clip), game)

    def calibrate_many(
        self, *, shadows: Sequence[np.ndarray], ratios: Sequence[float], query: Query, game: Game, settings: Settings
    ) -> Estimator:
        """Return an estimator; the shadows are not looked at. Without points of both groups: the middle of the ratios."""
        excess = Excess(query=query, rows=game.rows, clip=settings.clip)
        return Linear(ratios, lambda outputs: excess.ratio(outputs, min(ratios), max(ratios)))


PLUGIN = Calibration()
