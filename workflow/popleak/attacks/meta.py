"""The meta-classifier: a logistic regression from shadow models' outputs to their worlds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from ..core import settings
from ._logistic import Fit, axes, fit, fit_axes
from ._many import Linear, counts_as, ridge
from ._shadows import CLIP, clipped, columns, logit
from ._standard import Standard
from .base import Attack, Estimator, Game, Judge, Query


class MetaJudge(Judge):
    """score = intercept + (logit(clipped outputs) - centre) . weights, weights (m,) on the unstandardised logits."""

    def __init__(self, standard: Standard, fitted: Fit) -> None:
        self.centre, self.clip, self.intercept = standard.centre, standard.clip, fitted.intercept
        self.weights = standard.unscaled(fitted.duals)

    def score(self, outputs: np.ndarray) -> float:
        features = logit(clipped(columns(outputs, models=False), clip=self.clip)) - self.centre
        return float(self.intercept + features @ self.weights)


def held_out_losses(gram: np.ndarray, world: np.ndarray, *, grid: Sequence[float], folds: int) -> np.ndarray:
    """Return the log loss on held-out rows, summed over stratified folds, of each c of the ascending `grid`.

    gram (n, n): inner products of the rows; world (n,) in {0, 1}, zeros first.
    """
    fold = np.concatenate([np.arange(np.sum(world == w)) % folds for w in (0, 1)])
    losses, points = np.zeros(len(grid)), axes(gram)
    for k in range(folds):
        out, sign = fold == k, 2 * world[fold == k] - 1
        fitted = None
        for i, c in enumerate(grid):
            fitted = fit_axes(points[~out], world[~out], c=c, start=fitted)
            losses[i] += np.logaddexp(0, -(points[out] @ fitted.weights + fitted.intercept) * sign).sum()
    return losses


def choose_c(gram: np.ndarray, world: np.ndarray, *, grid: Sequence[float], folds: int) -> float:
    """Return the c of `grid` with the smallest held-out loss, to 9 decimals; of equals the smallest."""
    strengths = sorted(grid)
    losses = held_out_losses(gram, world, grid=strengths, folds=folds)
    return strengths[int(np.argmin(losses.round(9)))]


class Meta(Attack):
    """score = decision function of a logistic regression on the vector of clipped logits at the query points.

    Of C > 2 classes a query point has a column for each class but the first. Columns are standardised by the shadows' mean and standard deviation; a constant column weighs 0. The solution lies
    in the span of the shadows, so the fit is exact with one unknown a shadow in place of one a column. The strength is
    chosen by cross-validation on shadows (standardisation sees no label, so it is not repeated in each fold).
    Source: the meta-classifier of Zhang et al., "Leakage of Dataset Properties in Multi-Party Machine Learning",
    USENIX Security 2021, and of Ganju et al., CCS 2018, on outputs in place of weights.

    Many worlds: a ridge regression of the ratio on the same columns, every world weighing the same, its penalty chosen
    by the error on left-out shadows.
    """

    name = "meta"
    summary = "logistic regression on the vector of outputs at the query points, fitted to shadows"
    access = "scores"
    classes = None
    reads = ()
    reaches = 0.98
    many = True
    reaches_many = 0.75
    estimates_within = 0.1

    class Settings(settings.Settings):
        clip: float = Field(default=CLIP, gt=0, lt=0.5)
        """Scores are clipped to [clip, 1 - clip] before logits are taken."""
        c_grid: tuple[Annotated[float, Field(gt=0, le=1e9)], ...] = Field(
            default=(1e-4, 1e-3, 1e-2, 1e-1, 1.0), min_length=1
        )
        """Inverse penalties to choose from by cross-validation."""
        c: float = Field(default=1e-2, gt=0, le=1e9)
        """Inverse penalty where a world has fewer than 4 shadows, too few to choose on."""
        folds: int = Field(default=5, ge=2, le=1000)
        """Folds of the cross-validation; fewer if a world has fewer shadows."""
        penalties: tuple[Annotated[float, Field(gt=0)], ...] = Field(
            default=(1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0), min_length=1
        )
        """Many worlds: penalties of the ridge regression to choose from, in units of a shadow's mean squared length."""

    def calibrate(
        self, *, shadows_0: np.ndarray, shadows_1: np.ndarray, query: Query, game: Game, settings: Settings
    ) -> Judge:
        """Return a judge fitted to scores (S0, m) and (S1, m), S0 and S1 at least 1. Constant outputs: score 0."""
        standard = Standard.of((shadows_0, shadows_1), clip=settings.clip)
        world = np.repeat([0, 1], [len(shadows_0), len(shadows_1)])
        if not standard.inverse.any():
            return MetaJudge(standard, Fit(np.zeros(len(world)), 0.0))
        gram = standard.features @ standard.features.T
        fewest = min(len(shadows_0), len(shadows_1))
        c = settings.c
        if fewest >= 4:
            c = choose_c(gram, world, grid=settings.c_grid, folds=min(settings.folds, fewest))
        return MetaJudge(standard, fit(gram, world, c=c))

    def calibrate_many(
        self, *, shadows: Sequence[np.ndarray], ratios: Sequence[float], query: Query, game: Game, settings: Settings
    ) -> Estimator:
        """Return an estimator fitted to scores (S_k, m), S_k at least 1. Constant outputs: the mean ratio."""
        standard = Standard.of(shadows, clip=settings.clip)
        gram = standard.features @ standard.features.T
        target, weight = counts_as(ratios, shadows)
        fitted = ridge(gram, target, weight, penalties=settings.penalties)
        return Linear(ratios, MetaJudge(standard, fitted).score)


PLUGIN = Meta()
