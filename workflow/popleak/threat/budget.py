"""What an adversary uses who may use less than all: some of its shadows, and some of the query points."""

from __future__ import annotations

import numpy as np

from ..attacks._shadows import clipped, logit
from ..attacks.base import Query
from ..core.seeds import generator
from ..questions.base import Shown
from ..steps.attack import Budget

ALL = Budget()
LEAST = 0.01
"""Least standard deviation of a column, in logits: few shadows may agree by chance."""


def fewer(shown: Shown, shadows: int | None) -> Shown:
    """Return the shadows with the lowest numbers, so many a world; those of a smaller budget are among those of a larger one."""
    if shadows is None:
        return shown
    number, world = shown.keys["model_index"], shown.keys["world"]
    order = np.lexsort((number, world))
    first = np.concatenate([[True], np.diff(world[order]) != 0]) if len(order) else np.zeros(0, dtype=bool)
    starts = np.flatnonzero(first)
    place = np.arange(len(order)) - starts[np.cumsum(first) - 1]
    kept = np.sort(order[place < shadows])
    return Shown({name: values[kept] for name, values in shown.keys.items()}, shown.outputs[kept])


def positions(budget: Budget, query: Query, shadows: Shown | None, *, seed: int) -> np.ndarray:
    """Return the positions, ascending, of the query points that are asked: the first of an order, taken from both worlds in turn.

    drawn: the order is random, by `seed`; separating: by what `separation` says of the shadows. Points of a smaller budget are among those
    of a larger one.
    """
    count = len(query.y)
    if budget.queries is None or budget.queries >= count:
        return np.arange(count)
    ranked = generator(seed, "queries").permutation(count)
    if budget.ask == "separating" and shadows is not None:
        # the random order breaks ties
        ranked = ranked[np.argsort(-np.round(separation(shadows, count), 9)[ranked], kind="stable")]
    parts = [ranked[query.origin[ranked] == world] for world in np.unique(query.origin)]
    parts.sort(key=lambda part: int(np.flatnonzero(ranked == part[0])[0]))
    turns = np.concatenate([np.arange(len(part)) for part in parts])
    together = np.concatenate(parts)[np.argsort(turns, kind="stable")]
    return np.sort(together[: budget.queries])


def separation(shadows: Shown, points: int) -> np.ndarray:
    """Return for each query point (m,) how far the worlds' shadows lie apart there: the variance of the worlds' mean logits over the mean
    variance within worlds; of several scores a point the largest."""
    outputs = logit(clipped(shadows.outputs))
    world = shadows.keys["world"]
    means, within = [], np.zeros(outputs.shape[1:])
    for one in np.unique(world):
        there = outputs[world == one]
        means.append(there.mean(axis=0))
        within += np.sum((there - means[-1]) ** 2, axis=0)
    within /= max(len(outputs) - len(means), 1)
    found = np.var(means, axis=0) / np.maximum(within, LEAST**2)
    if found.ndim == 2:  # of several classes
        found = found.max(axis=1)
    largest: np.ndarray = found.reshape(-1, points).max(axis=0)  # of a pair of models
    return largest
