"""Audits of certified trainings by simulation: many chains on one set of rows, and what the composition of the rows shows.

The attack `worst-case` runs one chain for each victim of an experiment. Here a certificate is held against as many chains
as one likes, of the package's own training or of any other (`engine.convex.Run`): the tests sabotage it in every way that
voids the proof, and `benchmarks/audit_certificates.py` makes the table of docs/certificates.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..core.seeds import generator
from ..engine import convex
from ..measures import certificates

LOOKS = 7
"""How often `caught_after` looks, at most: after 8, 16, ... chains."""
LEVEL = 0.05


class Quadratic(convex.Problem):
    """The quadratic that bounds the loss of logistic regression from above: the second derivative is X'X / 4n + ridge + the fair
    term's everywhere, so the law of the chain is known exactly, and the certificate is met.

    It is here for audits alone: nothing is released that was trained on it.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, a: np.ndarray, *, ridge: float, fair: float = 0.0) -> None:
        super().__init__(x, y, a, ridge=ridge, fair=fair)
        self.second = x.T @ x / (4 * len(x)) + self._of_fair() + ridge * np.eye(x.shape[1])
        values = np.linalg.eigvalsh(self.second)
        self.low, self.high = max(float(values[0]), ridge), float(values[-1])
        self.step = 2 / (self.high + self.low)
        self.towards = (self.y - 0.5) @ x / len(x)

    def gradient(self, w: np.ndarray) -> np.ndarray:
        return self.second @ w - self.towards

    def hessian(self, w: np.ndarray) -> np.ndarray:
        return self.second


@dataclass(frozen=True)
class Audited:
    """right out of judged: chains whose world was named; advantage, low, high: measured, with Clopper-Pearson limits at 95 %."""

    right: float
    judged: int

    @property
    def advantage(self) -> float:
        return 2 * self.right / self.judged - 1

    @property
    def low(self) -> float:
        return 2 * certificates.limits(self.right, self.judged)[0] - 1

    @property
    def high(self) -> float:
        return 2 * certificates.limits(self.right, self.judged)[1] - 1

    def exceeds(self, certified: float, level: float = LEVEL) -> bool:
        """Return whether an exact test shows more than the certified advantage."""
        return certificates.excess(self.right, self.judged, (1 + certified) / 2) < level


def certified(problem: convex.Problem, how: convex.Descent) -> float:
    """Return the advantage that statement B certifies for a chain on these rows, at the usual step."""
    mu = certificates.of_descent(problem.low, problem.high, radius=how.radius, steps=how.steps, noise=how.noise)
    return float(certificates.advantage(mu))


def chains(
    problem: convex.Problem, how: convex.Descent, *, number: int, seed: int, run: convex.Run | None = None
) -> np.ndarray:
    """Return of each of `number` chains whether the likelihood ratio named its world (1 right, 0 wrong, 1/2 no evidence).

    Half of the chains start in each world, in turn, from the ends of `convex.worst_case`; each has noise of its own.
    """
    run = run or convex.honest(problem)
    case = convex.worst_case(problem, how, run)
    right = np.empty(number)
    for i in range(number):
        world = i % 2
        evidence = case.evidence(run(world, case.ends[world], how, generator(seed, "audit", i)))
        right[i] = 0.5 if evidence == 0 else (evidence > 0) == world
    return right


def composition(facts: Callable[[int, int], tuple[int, ...]], *, number: int) -> np.ndarray:
    """Return of each of `number` sets of rows whether its composition named the world; the adversary first learns from as many.

    facts(world, i): what is counted in the i-th set of rows of a world, as `count` does. The adversary names the world in
    which it has seen these counts more often; counts that it has seen equally often say nothing.
    """
    seen: dict[tuple[int, ...], list[int]] = {}
    for i in range(number):
        seen.setdefault(facts(i % 2, i), [0, 0])[i % 2] += 1
    right = np.empty(number)
    for i in range(number):
        zero, one = seen.get(facts(i % 2, number + i), [0, 0])
        right[i] = 0.5 if zero == one else (one > zero) == i % 2
    return right


def count(rows: np.ndarray, group: np.ndarray) -> tuple[int, ...]:
    """Return what the composition of a set of rows (n,) shows: how many there are of each group, and how many of each are there twice."""
    once = np.unique(rows)
    every, distinct = (np.bincount(group[some], minlength=2) for some in (rows, once))
    return *every.tolist(), *(every - distinct).tolist()


def audited(right: np.ndarray) -> Audited:
    """Return what chains or sets of rows show together."""
    return Audited(float(np.sum(right)), len(right))


def caught_after(right: np.ndarray, allowed: float) -> int | None:
    """Return after how many chains the audit shows more than the advantage `allowed`, at the 5 % level over all looks; None if it never does.

    It looks after 8, 16, 32, ... chains, up to LOOKS times, each time at a LOOKS-th of the level.
    """
    for look in range(LOOKS):
        number = 8 * 2**look
        if number > len(right):
            return None
        if audited(right[:number]).exceeds(allowed, LEVEL / LOOKS):
            return number
    return None
