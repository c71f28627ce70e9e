"""The meta-classifier: a logistic regression from shadow models' outputs to their worlds."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from .. import settings
from ._shadows import CLIP, clipped, in_order, logit
from .base import Attack, Game, Judge, Query

RANK = 1e-10
"""Directions whose singular value is below this share of the largest are rounding."""


class MetaJudge(Judge):
    """score = intercept + (logit(clipped outputs) - centre) . weights, weights (m,) on the unstandardised logits."""

    def __init__(self, *, centre: np.ndarray, weights: np.ndarray, intercept: float, clip: float) -> None:
        self.centre, self.weights, self.intercept, self.clip = centre, weights, intercept, clip

    def score(self, outputs: np.ndarray) -> float:
        features = logit(clipped(outputs, clip=self.clip)) - self.centre
        return float(self.intercept + features @ self.weights)


def fit_logistic(features: np.ndarray, world: np.ndarray, *, c: float) -> tuple[np.ndarray, float]:
    """Return weights (r,) and intercept of the L2-penalised logistic regression of `world` (n,) on (n, r).

    Minimises ||w||^2 / 2 + c * sum of log losses, both worlds weighing the same; solved to rounding by Newton steps.
    """
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=c, solver="newton-cholesky", tol=1e-9, max_iter=200, class_weight="balanced")
    model.fit(features, world)
    return model.coef_[0], float(model.intercept_[0])


def choose_c(features: np.ndarray, world: np.ndarray, *, grid: tuple[float, ...], folds: int) -> float:
    """Return the c of `grid` with the smallest log loss over stratified folds; of equals the smallest."""
    fold = np.concatenate([np.arange(np.sum(world == w)) % folds for w in (0, 1)])
    losses = []
    for c in sorted(grid):
        loss = 0.0
        for k in range(folds):
            out = fold == k
            weights, intercept = fit_logistic(features[~out], world[~out], c=c)
            margin = (features[out] @ weights + intercept) * (2 * world[out] - 1)
            loss += float(np.logaddexp(0, -margin).sum())
        losses.append(round(loss, 9))
    return sorted(grid)[int(np.argmin(losses))]


class Meta(Attack):
    """score = decision function of a logistic regression on the vector of clipped logits at the query points.

    Columns are standardised by the shadows' mean and standard deviation; a constant column weighs 0. The fit is in
    the basis of the shadow matrix's singular vectors: the L2 penalty does not change under rotation and the solution
    lies in the rows' span, so the fit is exact with n unknowns in place of m. The strength is chosen by
    cross-validation on shadows (standardisation sees no label, so it is not repeated in each fold).
    Source: the meta-classifier of Zhang et al., "Leakage of Dataset Properties in Multi-Party Machine Learning",
    USENIX Security 2021, and of Ganju et al., CCS 2018, on outputs in place of weights.
    """

    name = "meta"
    summary = "logistic regression on the vector of outputs at the query points, fitted to shadows"
    access = "scores"

    class Settings(settings.Settings):
        clip: float = Field(default=CLIP, gt=0, lt=0.5)
        """Scores are clipped to [clip, 1 - clip] before logits are taken."""
        c_grid: tuple[Annotated[float, Field(gt=0)], ...] = Field(default=(1e-4, 1e-3, 1e-2, 1e-1, 1.0), min_length=1)
        """Inverse penalties to choose from by cross-validation."""
        c: float = Field(default=1e-2, gt=0)
        """Inverse penalty where a world has fewer than 4 shadows, too few to choose on."""
        folds: int = Field(default=5, ge=2)
        """Folds of the cross-validation; fewer if a world has fewer shadows."""

    def calibrate(
        self, *, shadows_0: np.ndarray, shadows_1: np.ndarray, query: Query, game: Game, settings: Settings
    ) -> Judge:
        """Return a judge fitted to scores (S0, m) and (S1, m), S0 and S1 at least 1. Constant outputs: score 0."""
        worlds = [in_order(shadows_0), in_order(shadows_1)]
        world = np.repeat([0, 1], [len(worlds[0]), len(worlds[1])])
        logits = logit(clipped(np.concatenate(worlds), clip=settings.clip))
        centre, spread = logits.mean(axis=0), logits.std(axis=0)
        inverse = np.where(spread > RANK, 1 / np.maximum(spread, RANK), 0.0)
        left, singular, right = np.linalg.svd((logits - centre) * inverse, full_matrices=False)
        kept = singular > RANK * max(singular[0], 1.0)
        if not kept.any():
            return MetaJudge(centre=centre, weights=np.zeros_like(centre), intercept=0.0, clip=settings.clip)
        features = left[:, kept] * singular[kept]
        fewest = min(len(worlds[0]), len(worlds[1]))
        c = settings.c
        if fewest >= 4:
            c = choose_c(features, world, grid=settings.c_grid, folds=min(settings.folds, fewest))
        weights, intercept = fit_logistic(features, world, c=c)
        weights = (weights @ right[kept]) * inverse
        return MetaJudge(centre=centre, weights=weights, intercept=intercept, clip=settings.clip)


PLUGIN = Meta()
