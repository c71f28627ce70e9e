"""How worlds draw their rows, and the weights from which the exact laws of the outputs are put together.

A draw takes a fixed number of rows of each stratum (group; label-balanced: group and label) from the training pool
without replacement. The number of its rows in one cell is one term of a multivariate hypergeometric law, a product
of binomial coefficients. Here each coefficient C(count, i) is multiplied by tilt^i and a constant so that it becomes
close to a Poisson probability: every number stays near 1 and the constants cancel (see `log_normaliser`).
"""

from __future__ import annotations

import numpy as np

from ..core.errors import PopleakError
from ..core.needs import counts
from .base import Game


def law_of(game: Game) -> np.ndarray:
    """Return the numbers of rows (2, cells, 2) that the generator publishes. Raises PopleakError where it publishes none."""
    if game.law is None:
        raise PopleakError("ceiling: needs the law of the rows, which the synthetic dataset alone publishes")
    return game.law


def label_rate(game: Game) -> float:
    """Return the label rate that label-balanced draws keep: the dataset's if the game names it, else the pool's."""
    if game.label_rate is not None:
        return game.label_rate
    law = law_of(game)
    return float(law[:, :, 1].sum() / law.sum())


def strata(game: Game, *, world: int) -> np.ndarray:
    """Return the rows (2,) by group, or in label-balanced mode (2, 2) by group and label, that a world draws.

    The rounding is that of the stage that draws. Raises PopleakError if the pool holds fewer rows.
    """
    law, ratio = law_of(game), (game.ratio_0, game.ratio_1)[world]
    wanted = counts(ratio, game.rows, game.mode, label_rate(game))
    if game.mode == "natural":
        sizes, pool = np.array([wanted[None, a] for a in (0, 1)]), law.sum(axis=(1, 2))
    else:
        sizes, pool = np.array([[wanted[y, a] for y in (0, 1)] for a in (0, 1)]), law.sum(axis=1)
    if (sizes > pool).any():
        there = f"{sizes.tolist()} rows by group of a pool with {pool.tolist()}"
        raise PopleakError(f"rows: world {world} (ratio {ratio}) draws {there}: lower rows")
    return sizes


def log_factorials(limit: int) -> np.ndarray:
    """Return log i! for i = 0 .. limit."""
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, limit + 1)))])


def log_weights(*, count: int, pool: int, drawn: int, limit: int) -> np.ndarray:
    """Return log [C(count, i) (drawn / pool)^i exp(-drawn count / pool)] for i = 0 .. limit, -inf above `count`.

    For a large pool this is the log probability of i under Poisson(drawn * count / pool).
    """
    if drawn == 0:
        return np.concatenate([[0.0], np.full(limit, -np.inf)])
    with np.errstate(divide="ignore"):
        steps = np.log(np.maximum(count - np.arange(limit), 0) * (drawn / pool))
    return np.concatenate([[0.0], np.cumsum(steps)]) - log_factorials(limit) - drawn * (count / pool)


def log_normaliser(*, pool: int, drawn: int) -> float:
    """Return log C(pool, drawn) in the scale of `log_weights`.

    For cells that partition the pool, the draw's exact probability is the product of the weights over this.
    """
    return float(log_weights(count=pool, pool=pool, drawn=drawn, limit=drawn)[drawn])


def log_hypergeometric(*, marked: int, pool: int, drawn: int) -> np.ndarray:
    """Return the log probabilities of i = 0 .. drawn marked rows among `drawn` of a pool with `marked` marked ones."""
    first = log_weights(count=marked, pool=pool, drawn=drawn, limit=drawn)
    other = log_weights(count=pool - marked, pool=pool, drawn=drawn, limit=drawn)
    return first + other[::-1] - log_normaliser(pool=pool, drawn=drawn)


def positives(game: Game, *, world: int) -> np.ndarray:
    """Return the probabilities (rows + 1,) of the number of positive rows in a world's draw, exact.

    natural: the convolution of one hypergeometric law a group; label-balanced: all weight on one number.
    """
    sizes = strata(game, world=world)
    if game.mode != "natural":
        return np.eye(game.rows + 1)[sizes[:, 1].sum()]
    law = law_of(game)
    marked, pool = law[:, :, 1].sum(axis=1), law.sum(axis=(1, 2))
    laws = [np.exp(log_hypergeometric(marked=int(marked[a]), pool=int(pool[a]), drawn=int(sizes[a]))) for a in (0, 1)]
    return np.convolve(*laws)
