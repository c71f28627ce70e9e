"""What the trainings of a defence really used, and what follows from it: the conditions of the certificates, checked for each model.

The owner that trains (`defences.base.Owner`) enters each training into its ledger. `exact`, `descended` and `restarted`
hold a ledger against statements A, B and B' of docs/certificates.md, and return the certified advantage of each model,
NaN where any condition fails or cannot be seen to hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ._entries import Descended, Entry, Restarted, Trained

if TYPE_CHECKING:
    from ..core.needs import Stratum
    from .base import Owner

SIGMAS = 8.0
"""How far the logarithm of the mean square of the noise that was drawn may lie from what was asked for, in standard deviations."""


def exact(owner: Owner, share: float) -> np.ndarray:
    """Return 0 (K,) for models that statement A certifies: trained once, from the start, on a mixture of the composition that both worlds
    share, with `share` times as many rows as S_0; NaN for all others."""
    return _trained_once(owner, lambda part, rows: alike(owner, part, rows, share))


def composed(owner: Owner, wanted: Mapping[Stratum, int]) -> np.ndarray:
    """Return 0 (K,) for models that statement A certifies: trained once, from the start, on as many rows of each stratum as `wanted` says,
    none of them twice, all of them of S_0 or of a complement that shares no row with it; NaN for all others. That models of the other world
    have the same counts is for the caller to see to."""

    def sound(part: np.ndarray, rows: np.ndarray) -> np.ndarray:
        found = [
            not _overlap(owner.draw[k], owner.complement[k])
            and _of_law(owner, mine, np.concatenate([owner.draw[k], owner.complement[k]]), wanted)
            for k, mine in zip(part, rows, strict=True)
        ]
        return np.array(found, dtype=bool)

    return np.full(len(owner.seeds), np.nan) if owner.mixing.slipped else _trained_once(owner, sound)


def _trained_once(owner: Owner, sound_of: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    """Return 0 (K,) for models that were trained once, from the start and by the records' own labels, on rows that `sound_of` finds sound, a
    bool for each model of a training; NaN for all others."""
    entries = _of(owner, Trained)
    sound = np.zeros(len(owner.seeds), dtype=bool)
    times = np.zeros(len(owner.seeds), dtype=int)
    for entry in entries:
        times[entry.part] += 1
        if entry.start is None and entry.plain and not entry.beside:
            sound[entry.part] = sound_of(entry.part, entry.rows)
    if len(entries) != len(owner.ledger):  # something else was trained
        sound[:] = False
    return np.where(sound & (times == 1), 0.0, np.nan)


def descended(owner: Owner, share: float) -> np.ndarray:
    """Return the advantage (K,) that statement B certifies for each model's own rows; NaN where a condition fails."""
    from ..measures import certificates  # here alone: jobs without noise do without scipy

    chains, everyone = _of(owner, Descended), np.arange(len(owner.seeds))
    others = [entry for entry in owner.ledger if not isinstance(entry, Descended)]
    if len(chains) != 1 or not all(_public(owner, entry) for entry in others):
        return np.full(len(everyone), np.nan)
    (chain,) = chains
    how = chain.how
    sound = alike(owner, everyone, chain.rows, share) & _own_noise(owner, chain.streams)
    sound &= np.linalg.norm(chain.begun, axis=1) <= how.radius
    sound &= np.isfinite(chain.begun).all(1) & as_asked(chain.drawn, how.noise, how.steps * chain.begun.shape[1])
    usual = np.isclose(chain.step, certificates.step_size(chain.low, chain.high), rtol=1e-12, atol=0)
    asked = {"radius": how.radius, "steps": how.steps, "noise": how.noise}
    mu = np.where(
        usual,
        certificates.of_descent(chain.low, chain.high, **asked),
        certificates.of_descent(chain.low, chain.high, **asked, step=chain.step),
    )
    return np.where(sound, certificates.advantage(mu), np.nan)


def restarted(owner: Owner, share: float) -> np.ndarray:
    """Return the advantage (K,) that statement B' certifies for each model; NaN where a condition fails."""
    from ..measures import certificates

    everyone = np.arange(len(owner.seeds))
    starts, trainings = _of(owner, Restarted), _of(owner, Trained)
    if len(starts) != 1 or len(trainings) != 1 or len(owner.ledger) != 2:
        return np.full(len(everyone), np.nan)
    (begun,), (training,) = starts, trainings
    sound = np.zeros(len(everyone), dtype=bool)
    if (
        np.array_equal(training.part, everyone)
        and training.start is not None
        and np.array_equal(training.start, begun.made)
        and training.plain
        and not training.beside
    ):
        sound = alike(owner, everyone, training.rows, share) & _own_noise(owner, begun.streams)
        sound &= as_asked(begun.drawn, begun.noise, begun.public.shape[1])
        sound &= begun.kept <= begun.shrink * begun.radius
    mu = certificates.of_restart(begun.shrink, begun.radius, begun.noise)
    return np.where(sound, certificates.advantage(mu), np.nan)


def ends(owner: Owner, weights: np.ndarray) -> np.ndarray:
    """Return of each model (K,) whether its `weights` (K, P) are, to the last bit, what came of the last training that is entered: what
    was made of them afterwards, or of something else, no statement is about."""
    found = np.zeros(len(weights), dtype=bool)
    for entry in owner.ledger:
        if isinstance(entry, Restarted):
            found[:] = False
            continue
        part = entry.part if isinstance(entry, Trained) else np.arange(len(weights))
        end, mine = entry.end.astype(np.float32), weights[part]
        # models that diverged are what they are
        found[part] = ((end == mine) | (np.isnan(end) & np.isnan(mine))).all(1) if end.shape == mine.shape else False
    return found


def alike(owner: Owner, part: np.ndarray, rows: np.ndarray, share: float) -> np.ndarray:
    """Return of each model of `part` (k,) whether its rows (k, n) are a mixture whose law does not know the world.

    They are distinct, each is a training row of S_0 or of the complement, these two have no row in common, and their
    numbers by stratum are those that models of both worlds have. The rows within a stratum are drawn alike
    by `subsample`, which no look at them can show.
    """
    wanted = owner.mixing.shared(share)
    if wanted is None or not owner.complement.shape[1]:
        return np.zeros(len(part), dtype=bool)
    return np.array(
        [
            not _overlap(owner.draw[k], owner.complement[k])
            and _of_law(owner, mine, np.concatenate([owner.base[k], owner.complement[k]]), wanted)
            for k, mine in zip(part, rows, strict=True)
        ],
        dtype=bool,
    )


def _of_law(owner: Owner, rows: np.ndarray, among: np.ndarray, wanted: Mapping[Stratum, int]) -> bool:
    """Return whether one model's rows (n,) are distinct, are all `among` others, and are as many of each stratum as `wanted` says."""
    return (
        len(np.unique(rows)) == len(rows) == sum(wanted.values())
        and bool(np.isin(rows, among).all())
        and _counts(owner, rows, list(wanted)) == list(wanted.values())
    )


def as_asked(drawn: np.ndarray, noise: float, numbers: int) -> np.ndarray:
    """Return of each model (K,) whether the root mean square of so many `numbers` that were added fits N(0, noise^2)."""
    if not noise > 0:
        return np.zeros(len(drawn), dtype=bool)
    with np.errstate(divide="ignore"):  # no noise at all: minus infinity
        return np.abs(2 * np.log(drawn / noise)) <= SIGMAS * np.sqrt(2 / numbers)


def _overlap(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.isin(one, other).any())


def _counts(owner: Owner, rows: np.ndarray, strata: Sequence[tuple[int | None, int]]) -> list[int]:
    label, group = owner.y[rows], owner.a[rows]
    return [int(((group == a) & (True if y is None else label == y)).sum()) for y, a in strata]


def _of(owner: Owner, kind: type) -> list:
    return [entry for entry in owner.ledger if isinstance(entry, kind)]


def _public(owner: Owner, entry: Entry) -> bool:
    """Return whether an entry is a training on public rows alone, of all models from their initial weights: it cannot know the world."""
    if not isinstance(entry, Trained) or entry.start is not None or entry.beside or not entry.plain:
        return False
    return (
        np.array_equal(entry.part, np.arange(len(owner.seeds)))
        and np.array_equal(entry.rows, owner.public)
        and not any(_overlap(public, mine) for public, mine in _pairs(owner))
    )


def _pairs(owner: Owner) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for k, public in enumerate(owner.public):
        yield public, np.concatenate([owner.draw[k], owner.complement[k]])


def _own_noise(owner: Owner, streams: np.ndarray) -> np.ndarray:
    """Return of each model (K,) whether the seed of its noise is its own alone, and no seed that anything else comes from."""
    found, times = np.unique(streams, return_counts=True)
    return (times[np.searchsorted(found, streams)] == 1) & ~np.isin(streams, owner.seeds)
