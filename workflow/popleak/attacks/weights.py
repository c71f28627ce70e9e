"""White box: which world a model was trained in, from its weights."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from ..core import settings
from ..core.errors import PopleakError
from ..core.seeds import generator
from . import _chains
from ._logistic import fit
from ._shadows import in_order
from .base import Attack, Game, Judge, Query
from .meta import choose_c

FLAT = 1e-10
"""A feature whose standard deviation is a smaller share of its largest value is constant: what is left is rounding."""


def no_chain(game: Game) -> str:
    """Return what is said of models whose weights have no layers to read."""
    return f"weights: the model {game.model} is no chain of Linear and ReLU: leave the attack out, or the model"


class Reader:
    """Turns one model's weights (P,) into features (f,). block (f,): number of the block of features of each."""

    def __init__(self, form: str, sides: tuple[int, ...], points: np.ndarray) -> None:
        self.form, self.sides, self.points = form, sides, points

    def block(self, features: int) -> np.ndarray:
        if self.form == "deepsets":
            return _chains.blocks(self.sides, len(self.points))
        return np.zeros(features, dtype=np.int64)

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        chain = _chains.layers(weights, self.sides)
        if self.form != "flat":
            chain = _chains.in_order(chain)
        return _chains.summaries(chain, self.points) if self.form == "deepsets" else _chains.flat(chain)


class WeightsJudge(Judge):
    """score = intercept + (features of the weights - centre) . slopes, slopes (f,) on the unstandardised features."""

    def __init__(self, *, read: Reader, centre: np.ndarray, slopes: np.ndarray, intercept: float) -> None:
        self.read, self.centre, self.slopes, self.intercept = read, centre, slopes, intercept

    def score(self, outputs: np.ndarray) -> float:
        return float(self.intercept + (self.read(outputs) - self.centre) @ self.slopes)


class Fitting(settings.Settings):
    """How the regression on features of the weights is fitted."""

    points: int = Field(default=256, ge=1, le=100_000)
    """Random points at which the model is asked: standard normal, the same points for every model."""
    c_grid: tuple[Annotated[float, Field(gt=0, le=1e9)], ...] = Field(default=(1e-2, 1e-1, 1.0, 1e1, 1e2), min_length=1)
    """Inverse penalties to choose from by cross-validation, for features of total variance 1 a block."""
    c: float = Field(default=1.0, gt=0, le=1e9)
    """Inverse penalty where a world has fewer than 4 shadows, too few to choose on."""
    folds: int = Field(default=5, ge=2, le=1000)
    """Folds of the cross-validation; fewer if a world has fewer shadows."""


class Weights(Attack):
    """score = decision function of a logistic regression on features of the weights; shadows choose its strength.

    Forms, by what the features are:
    - deepsets: sums over the units of each layer of functions phi of a unit's weights and of what phi gave for the
      units before it, so that the names of units do not matter (Ganju et al., "Property Inference Attacks on Fully
      Connected Neural Networks using Permutation Invariant Representations", CCS 2018). Here phi is not trained: a
      linear part (products of the layers' weights along paths, signed and absolute) and a ReLU part with drawn weights,
      which is the model's own answer at random points (random features: Rahimi & Recht, NIPS 2007). Only the regression
      on the sums is fitted, exactly. With some 100 shadows a world, phi trained by gradient from a random start
      overfitted, and trained from this start gained nothing. Each block of features (layer and part) has total
      variance 1 over the shadows, so that a block does not count for more because it is wide.
    - sorted: the weights, the units of each hidden layer in order of the sum of their incoming weights (same source).
    - flat: the weights as they are. Units have other names in every model, so this is the naive form.

    Features are standardised by the shadows' mean and standard deviation; a constant feature weighs 0. The order of
    units is made canonical first, so a model whose units are renamed scores the same, bit for bit, in all forms but
    `flat`.
    """

    name = "weights"
    summary = "logistic regression on the weights themselves, by sums over units that ignore their order"
    access = "weights"
    reaches = 0.98

    class Settings(Fitting):
        form: Literal["deepsets", "flat", "sorted"] = "deepsets"
        """What is read off the weights: sums over units, or the weights as they are, or with sorted units. `points` are for the first."""

        def unused(self) -> set[str]:
            return set() if self.form == "deepsets" else {"points"}

    def ignores_unit_order(self, settings: Any) -> bool:
        return settings.form != "flat"

    def refuses(self, game: Game) -> str | None:
        return no_chain(game) if game.sides is None else None

    def reader(self, sides: tuple[int, ...], points: np.ndarray, settings: Any) -> Reader:
        """Return what turns a model's outputs into features. sides: of the chain; points (m, d): where it is asked."""
        return Reader(settings.form, sides, points)

    def calibrate(
        self, *, shadows_0: np.ndarray, shadows_1: np.ndarray, query: Query, game: Game, settings: Any
    ) -> Judge:
        """Return a judge fitted to weights (S0, P) and (S1, P), S0 and S1 at least 1. Shadows all alike: score 0."""
        if game.sides is None:
            raise PopleakError(no_chain(game))
        points = generator(game.seed, self.name, "points").standard_normal((settings.points, game.sides[0]))
        read = self.reader(game.sides, points, settings)
        worlds = [in_order([read(shadow) for shadow in shadows]) for shadows in (shadows_0, shadows_1)]
        world = np.repeat([0, 1], [len(worlds[0]), len(worlds[1])])
        features = np.concatenate(worlds)
        largest = np.abs(features).max(axis=0)
        centre = features.mean(axis=0)
        features -= centre
        spread = np.sqrt(np.mean(features**2, axis=0))
        varies = spread > FLAT * largest
        if not varies.any():
            return WeightsJudge(read=read, centre=centre, slopes=np.zeros_like(centre), intercept=0.0)
        block = read.block(len(centre))
        width = np.sqrt(np.bincount(block, weights=varies))[block]
        scale = np.where(varies, 1 / np.where(varies, spread * width, 1.0), 0.0)
        features *= scale
        gram = features @ features.T
        fewest = min(len(worlds[0]), len(worlds[1]))
        c = settings.c
        if fewest >= 4:
            c = choose_c(gram, world, grid=settings.c_grid, folds=min(settings.folds, fewest))
        fitted = fit(gram, world, c=c)
        slopes = (fitted.duals @ features) * scale
        return WeightsJudge(read=read, centre=centre, slopes=slopes, intercept=fitted.intercept)


PLUGIN = Weights()
