"""Made-up models for attacks that see weights or rows."""

from __future__ import annotations

import numpy as np

from popleak.attacks.base import Game, Query, Records
from popleak.core import plugins
from popleak.testing import contracts

QUERY = Query(*np.zeros((3, 4), np.int8))


def game(**changes):
    return Game(0.0, 1.0, rows=50, mode="natural", model="mlp")._replace(**changes)


def calibrate(name, shadows_0, shadows_1, game, **settings):
    attack = plugins.load("attacks", name)
    return attack.calibrate(
        shadows_0=np.asarray(shadows_0), shadows_1=np.asarray(shadows_1), query=QUERY, game=game,
        settings=attack.Settings(**settings),
    )  # fmt: skip


def table(seed=0, n=60):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n).astype(np.int8)
    x = (rng.normal(size=(n, 3)) + np.arange(n)[:, None] % 2).astype(np.float32)
    return Records(contracts.frozen(x), contracts.frozen(y))


def samples(seed=0, n=60, rows=20):
    """Samples of 5 and 6 shadows from the first two thirds of the table, of 4 victims from the rest."""
    rng = np.random.default_rng(seed)
    odd = np.arange(n) % 2 == 1
    pool = np.arange(n) < 2 * n // 3

    def draw(k, weight):
        p = np.where(odd, weight, 1 - weight)
        return np.stack([rng.choice(np.flatnonzero(pool), rows, p=p[pool] / p[pool].sum()) for _ in range(k)])

    return draw(5, 0.2), draw(6, 0.8), np.stack([rng.choice(np.flatnonzero(~pool), rows) for _ in range(4)])
