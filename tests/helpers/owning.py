"""Owners on small records, what a defence makes of them, and what it asks them to train."""

from __future__ import annotations

import functools

import numpy as np

import tiny
from popleak.core import plugins
from popleak.defences.base import Population
from popleak.engine import fit as engine
from popleak.testing.defences import TRAINING, Owners

RECORDS = tiny.records(3000, shift=3.0)
EPOCHS = TRAINING["epochs"]


@functools.cache
def owners(**training) -> Owners:
    return Owners(RECORDS, training={**TRAINING, **training})


def owner(name, case=None, part=slice(None)):
    return (case or owners()).owner(plugins.load("defences", name), part)


def apply(name, case=None, **settings) -> Population:
    plugin = plugins.load("defences", name)
    return plugin.apply(owner(name, case), plugin.Settings(**settings))


def same(one, other) -> bool:
    return one.weights.tobytes() == other.weights.tobytes()


def trainings(name, case=None, **settings):
    """What a defence asks its owner to train: rows and what else it says; and the owner."""
    seen, given = [], owner(name, case)
    given.train = lambda rows, **how: seen.append((rows, how)) or type(given).train(given, rows, **how)
    plugin = plugins.load("defences", name)
    plugin.apply(given, plugin.Settings(**settings))
    return given, seen


def loss_on(case, weights, rows) -> np.ndarray:
    """Mean cross-entropy (K,) of models on their own rows, as a plain loop."""
    found = []
    for one, own in zip(weights, rows, strict=True):
        p = engine.predict(case.fitter.build, one[None], RECORDS.x[own])[0].astype(np.float64)
        found.append(-np.log(np.where(RECORDS.y[own] == 1, p, 1 - p)).mean())
    return np.array(found)
