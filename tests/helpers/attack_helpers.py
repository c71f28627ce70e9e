"""Small games for tests of attacks, and slow literal forms of what attacks compute."""

from __future__ import annotations

import itertools

import numpy as np

from popleak.attacks.base import Game, Query
from popleak.core import plugins

GAME = Game(ratio_0=0.0, ratio_1=1.0, rows=100, mode="natural", model="logistic")


def make_query(origin, y=None, a=None):
    origin = np.array(origin, np.int8)
    y = np.ones_like(origin) if y is None else np.array(y, np.int8)
    return Query(y=y, a=origin if a is None else np.array(a, np.int8), origin=origin)


def calibrate(name, shadows_0, shadows_1, query, game=GAME, **settings):
    attack = plugins.load("attacks", name)
    return attack.calibrate(
        shadows_0=np.asarray(shadows_0), shadows_1=np.asarray(shadows_1), query=query, game=game,
        settings=attack.Settings(**settings),
    )  # fmt: skip


def calibrate_many(name, shadows, ratios, query, game=GAME, **settings):
    attack = plugins.load("attacks", name)
    return attack.calibrate_many(
        shadows=[np.asarray(world) for world in shadows], ratios=ratios, query=query, game=game,
        settings=attack.Settings(**settings),
    )  # fmt: skip


def beta_shadows(seed, n=6, m=9):
    rng = np.random.default_rng(seed)
    return rng.beta(2, 3, (n, m)), rng.beta(3, 2, (n + 1, m)), rng.beta(2.5, 2.5, (4, m))


def slow_threshold(low, high):
    """(threshold, accuracy, margin) by trying every midpoint; values that agree have accuracy 1/2."""
    values = sorted({*low, *high})
    if len(values) == 1:
        return values[0], 0.5, 0.0
    best = max(
        (round((np.mean(low < t) + np.mean(high > t)) / 2, 9), round(b - a, 9), -t)
        for a, b in itertools.pairwise(values)
        for t in [(a + b) / 2]
    )
    return -best[2], best[0], best[1]


def slow_kl(s, v, clip=1e-4):
    s, v = np.clip(s, clip, 1 - clip), np.clip(v, clip, 1 - clip)
    return np.mean([p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q)) for p, q in zip(s, v, strict=True)])


def slow_raw(shadows_0, shadows_1, victim, aggregate="mean"):
    pairs = [(slow_kl(i, victim), slow_kl(j, victim)) for i in shadows_0 for j in shadows_1]
    if aggregate == "vote":
        return np.mean([(a > b) + 0.5 * (a == b) for a, b in pairs])
    return np.mean([a - b for a, b in pairs])


def slow_kl_scores(shadows_0, shadows_1, victims, aggregate, seen=np.asarray):
    """Scores (V,) of `kl`; seen: what is seen of a left-out shadow."""
    low = [slow_raw(np.delete(shadows_0, i, 0), shadows_1, seen(s), aggregate) for i, s in enumerate(shadows_0)]
    high = [slow_raw(shadows_0, np.delete(shadows_1, j, 0), seen(s), aggregate) for j, s in enumerate(shadows_1)]
    residuals = np.r_[low - np.mean(low), high - np.mean(high)]
    threshold = (np.mean(low) + np.mean(high)) / 2
    scale = np.sqrt(np.sum(residuals**2) / (len(residuals) - 2))
    return [(slow_raw(shadows_0, shadows_1, v, aggregate) - threshold) / scale for v in victims]
