"""The noisy trainings of an owner's models, and their worst case: what `Fitting` does for certified defences.

Each model's noise comes from a seed of its own, hashed from the model's seed and a purpose that nothing else has. Rows are
taken in the order of their ids, so that what is computed is a function of the set of rows and of nothing else, to the last bit.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..core.errors import PopleakError
from ..core.seeds import derive
from ..defences._entries import Descended, Restarted
from ..defences.base import Defence, Owner, Population
from ..engine import convex
from ..engine.fit import Chain, initial_weights
from . import train

NOISE, AUDIT = "certified noise", "worst case"
"""Purposes of random streams: of the noise that is released, and of the audit's."""
Features = Literal["initial", "public"]


class Fitting(Owner):
    """What is used here of the owner that the stage `defend` makes."""

    fitter: train.Fitter
    defence: Defence

    def tell(self, done: int) -> None:
        """Report progress: so many of the models are done."""


def descend(owner: Fitting, rows: np.ndarray, how: convex.Descent, features: Features) -> Population:
    """Run the chains of all models and enter them in the ledger; see `Owner.descend`."""
    sides = sides_of(owner)
    trunk = _trunk(owner, features, sides)
    rows = np.sort(rows, axis=1)
    streams = np.array([derive(int(seed), NOISE) for seed in owner.seeds])
    before = owner.population.weights if trunk is None else trunk
    weights = np.array(before, dtype=np.float64)
    size, models = convex.last(sides), len(rows)
    begun = np.empty((models, size))
    facts = {name: np.empty(models) for name in ("low", "high", "step", "drawn", "vacuous")}
    for k in range(models):
        below = None if trunk is None else trunk[k]
        problem, scale = _problem(owner, rows[k], below, how)
        start = owner.population.weights[k] if scale is None else _fits_base(owner, k, below, scale, how)
        end, begun[k], drawn = convex.descend(problem, start, how, np.random.Generator(np.random.PCG64(streams[k])))
        weights[k, -size:] = end if scale is None else scale.unscaled(end)
        found = (problem.low, problem.high, problem.step, drawn, problem.vacuous)
        for name, value in zip(facts, found, strict=True):
            facts[name][k] = value
        owner.tell(k + 1)
    vacuous = facts.pop("vacuous")
    # the release is float32: what is certified of the float64 weights holds of any function of them
    released = weights.astype(np.float32)
    owner.ledger.append(Descended(rows=rows, how=how, trunk=trunk, begun=begun, streams=streams, end=released, **facts))
    lam = np.full(models, how.fair)
    return Population(
        released, np.asarray(np.isfinite(released).all(1)), lam, vacuous if how.fair else np.zeros(models)
    )


def restart(owner: Fitting, shrink: float, radius: float, noise: float) -> np.ndarray:
    """Return the starts (K, P) and enter them in the ledger; see `Owner.restart`."""
    if owner.fitter.build is None:
        raise PopleakError(f"defence {owner.defence.name!r}: a model in closed form has no start")
    public = initial_weights(owner.fitter.build, owner.seeds)
    streams = np.array([derive(int(seed), NOISE) for seed in owner.seeds])
    found = [
        convex.restarted(start, near, shrink=shrink, radius=radius, noise=noise, rng=np.random.Generator(np.random.PCG64(stream)))
        for start, near, stream in zip(owner.population.weights, public, streams, strict=True)
    ]  # fmt: skip
    made = np.stack([one for one, _, _ in found]).astype(np.float32)  # as the engine trains
    drawn, kept = (np.array([one[i] for one in found]) for i in (1, 2))
    owner.ledger.append(Restarted(public, made, shrink, radius, noise, drawn, kept, streams))
    return made


def worst_cases(owner: Fitting) -> np.ndarray:
    """Return, for each model (K,), the evidence for the truth in the worst case of its certified training: the log-likelihood ratio of the end
    that a chain really started from against the other end, seen from where it ended.

    The chain is the code that trained the model, on the same rows and with the same settings. It starts at one of two points
    that are hardest to forget, drawn at random, far outside the ball; its noise is another stream. NaN where nothing was certified.
    """
    found = np.full(len(owner.seeds), np.nan)
    for entry in owner.ledger:
        if isinstance(entry, Descended):
            found = np.array([_worst_descent(owner, entry, k) for k in range(len(owner.seeds))])
        elif isinstance(entry, Restarted):
            found = np.array([_worst_restart(owner, entry, k) for k in range(len(owner.seeds))])
    return found


def _worst_descent(owner: Fitting, entry: Descended, k: int) -> float:
    problem, _ = _problem(owner, entry.rows[k], None if entry.trunk is None else entry.trunk[k], entry.how)
    case, rng = convex.worst_case(problem, entry.how), _audit_stream(owner, k)
    true = int(rng.integers(2))
    end, _, _ = convex.descend(problem, case.ends[true], entry.how, rng)
    return case.evidence(end) * (1 if true else -1)


def _worst_restart(owner: Fitting, entry: Restarted, k: int) -> float:
    rng, public = _audit_stream(owner, k), entry.public[k].astype(np.float64)
    way = rng.standard_normal(len(public))
    way *= convex.OUTSIDE * entry.radius / np.linalg.norm(way)
    ends, true = np.stack([public - way, public + way]), int(rng.integers(2))
    asked = {"shrink": entry.shrink, "radius": entry.radius}
    first, second = (convex.restarted(end, public, **asked, noise=0.0, rng=rng)[0] for end in ends)
    made, _, _ = convex.restarted(ends[true], public, **asked, noise=entry.noise, rng=rng)
    evidence = float((made - (first + second) / 2) @ (second - first)) / entry.noise**2
    return evidence * (1 if true else -1)


def _audit_stream(owner: Fitting, k: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(derive(int(owner.seeds[k]), AUDIT)))


def _problem(
    owner: Fitting, rows: np.ndarray, trunk: np.ndarray | None, how: convex.Descent
) -> tuple[convex.Problem, convex.Scale | None]:
    """Return the loss of a model on its rows (n,), and what units below its last layer are scaled by: of drawn layers they may be tiny, and
    the ridge would leave them no say. A model without such units takes its features as they are."""
    x = convex.below_last(owner.x[rows], trunk, sides_of(owner))
    scale = None if trunk is None else convex.Scale.of(x)
    x = x if scale is None else scale(x)
    return convex.Problem(x, owner.y[rows], owner.a[rows], ridge=how.ridge, fair=how.fair), scale


def _fits_base(
    owner: Fitting, k: int, trunk: np.ndarray | None, scale: convex.Scale, how: convex.Descent
) -> np.ndarray:
    """Return the last layer (p,), on scaled units, that fits the base model's own rows best: it knows the world, as M_0 does."""
    rows = np.sort(owner.base[k])
    x = scale(convex.below_last(owner.x[rows], trunk, sides_of(owner)))
    return convex.fitted(convex.Problem(x, owner.y[rows], owner.a[rows], ridge=how.ridge))


def _trunk(owner: Fitting, features: Features, sides: convex.Sides) -> np.ndarray | None:
    """Return weights (K, P) whose layers below the last do not know the world, as they are released; None where there are no such layers."""
    if len(sides) == 2:
        return None
    if features == "public":
        return owner.train(owner.public)[0].weights.astype(np.float32)
    build = owner.fitter.build
    assert build is not None  # `sides_of` has refused closed forms
    return initial_weights(build, owner.seeds)


def sides_of(owner: Fitting) -> convex.Sides:
    """Return the layer sizes of the models; see `Owner.sides`."""
    build = owner.fitter.build
    if not isinstance(build, Chain) or build.sides[-1] != 1 or owner.classes != 2:
        raise PopleakError(
            f"defence {owner.defence.name!r}: it is for chains of Linear and ReLU with one logit: choose the model logistic, or mlp with ReLU alone"
        )
    return build.sides
