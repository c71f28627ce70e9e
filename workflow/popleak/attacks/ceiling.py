"""The best possible adversary, where the law of the outputs is known: the likelihood ratio test."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..core import seeds
from ..core.errors import PopleakError
from ..core.settings import Settings, digest
from ..models.histogram import EMPTY
from ._histogram import TOLERANCE, likelihood
from ._law import law_of, positives, strata
from .base import Attack, Game, Judge, Query

LIMIT = 1e4
"""Largest |score|: that of outputs which only one world can give."""
DECIMALS = 10
"""Log likelihood ratios (nats) are rounded to this, so that rounding names no world."""


class Known(NamedTuple):
    """accuracy of the best possible adversary, worlds equally likely; standard_error of the simulation, 0 if exact."""

    accuracy: float
    standard_error: float


def log_ratio(log_0: float, log_1: float) -> float:
    """Return log_1 - log_0 within +-LIMIT; 0, which abstains, if neither world can give the outputs."""
    if np.isneginf(log_0) and np.isneginf(log_1):
        return 0.0
    return round(float(np.clip(log_1 - log_0, -LIMIT, LIMIT)), DECIMALS)


def same_draws(game: Game) -> bool:
    """Return whether both worlds draw the same rows in law: two worlds in name only."""
    return bool(np.array_equal(strata(game, world=0), strata(game, world=1)))


class PriorJudge(Judge):
    """log P(k | world 1) - log P(k | world 0), k being the number of positive rows in the draw."""

    def __init__(self, *, game: Game) -> None:
        self.rows = game.rows
        with np.errstate(divide="ignore"):
            self.logs = [np.log(positives(game, world=world)) for world in (0, 1)]

    def score(self, outputs: np.ndarray) -> float:
        rate = float(outputs[0])
        k = round(rate * self.rows)
        if not 0 <= k <= self.rows or abs(k / self.rows - rate) > TOLERANCE:
            return 0.0
        return log_ratio(self.logs[0][k], self.logs[1][k])


class HistogramJudge(Judge):
    """log P(rates | world 1) - log P(rates | world 0), the rates being read at the first query point of each cell."""

    def __init__(self, *, game: Game, query: Query) -> None:
        if query.cell is None:
            raise PopleakError("ceiling: the query set has no cells: choose a dataset with a discrete feature")
        known = law_of(game).shape[1]
        cells, self.first = np.unique(query.cell, return_index=True)
        if not len(cells) or cells[0] < 0 or cells[-1] >= known:
            raise PopleakError(
                f"query_rows: the query set has cells {cells.tolist()}, the law {known}: check the dataset"
            )
        self.same = same_draws(game)
        self.law = likelihood(game=game, seen=cells.astype(np.int64))

    def score(self, outputs: np.ndarray) -> float:
        rates = np.asarray(outputs, dtype=np.float64)[self.first]
        return 0.0 if self.same else log_ratio(*self.law.log_likelihoods(rates))


class Ceiling(Attack):
    """score = log P(outputs | world 1) - log P(outputs | world 0), exact for models trained on an undefended draw.

    By the Neyman-Pearson lemma no adversary with equal prior odds does better. Rows are drawn without replacement from
    the pool that `Game.law` counts. `prior`: the outputs are the number of positives, a sum of two hypergeometric
    variables. `histogram`: see `_histogram`. Outputs that neither world can give score 0.
    """

    name = "ceiling"
    summary = "the likelihood ratio test, where the generator publishes the law of the outputs"
    access = "scores"
    reaches = 0.98
    shadows = False
    undefended_only = True
    reference = True

    def applies(self, game: Game) -> bool:
        """Return True if the law is known: synthetic data, clean draws by group, and a model whose output law is worked out here."""
        return game.law is not None and game.groups and not game.poison.share and game.model in ("prior", "histogram")

    def known_accuracy(self, *, game: Game, query: Query) -> Known:
        """Return the accuracy of the best possible adversary and its standard error; see the function below."""
        return known_accuracy(game, query.cell)

    def calibrate(
        self, *, shadows_0: np.ndarray, shadows_1: np.ndarray, query: Query, game: Game, settings: Settings
    ) -> Judge:
        """Return the judge; the shadows are not looked at. Raises PopleakError where the attack does not apply."""
        if not self.applies(game):
            raise PopleakError("ceiling: needs the synthetic dataset's law and the model prior or histogram")
        return PriorJudge(game=game) if game.model == "prior" else HistogramJudge(game=game, query=query)


def simulated_rates(game: Game, *, world: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Return the rates (draws, cells) of histogram models trained in a world, as float32."""
    law, sizes = law_of(game), strata(game, world=world)
    counts = np.zeros((draws, *law.shape[1:]), np.int64)
    for a in (0, 1):
        if game.mode == "natural":
            flat = rng.multivariate_hypergeometric(law[a].ravel(), int(sizes[a]), size=draws, method="marginals")
            counts += flat.reshape(counts.shape)
        else:
            for y in (0, 1):
                counts[:, :, y] += rng.multivariate_hypergeometric(
                    law[a, :, y], int(sizes[a, y]), size=draws, method="marginals"
                )
    total = counts.sum(axis=2)
    rates = np.divide(counts[:, :, 1], total, out=np.full(total.shape, EMPTY), where=total > 0)
    return rates.astype(np.float32)


def known_accuracy(game: Game, cells_present: np.ndarray | None = None, *, draws: int = 2000) -> Known:
    """Return the accuracy of the best possible adversary, (value, standard error), both in [0, 1].

    prior: 1/2 + TV/2, TV being the total variation between the two laws; exact. histogram: the mean over `draws`
    simulated models, half of each world, of the probability that the more likely world is the true one,
    1 / (1 + exp(-|score|)); the adversary sees the cells `cells_present` (all if None). The seed follows from the game.
    """
    if game.model == "prior":
        return Known(float(np.maximum(positives(game, world=0), positives(game, world=1)).sum() / 2), 0.0)
    if same_draws(game):
        return Known(0.5, 0.0)
    counted = law_of(game)
    seen = np.arange(counted.shape[1]) if cells_present is None else np.unique(cells_present).astype(np.int64)
    law = likelihood(game=game, seen=seen)
    told = {name: value for name, value in game._asdict().items() if name != "groups"}  # true wherever a law is known
    key = digest({**told, "law": counted.tolist(), "draws": draws})
    chances = []
    for world in (0, 1):
        rng = seeds.generator("known-accuracy", key, world)
        rates = simulated_rates(game, world=world, draws=draws // 2, rng=rng)[:, seen].astype(np.float64)
        scores = np.array([log_ratio(*law.log_likelihoods(row)) for row in rates])
        chances.append(1 / (1 + np.exp(-np.abs(scores))))
    # Half of the draws come from each world: the variance is that of a stratified mean.
    variance = sum(chance.var(ddof=1) / len(chance) for chance in chances) / 4
    return Known(float(np.mean(chances)), float(np.sqrt(variance)))


PLUGIN = Ceiling()
