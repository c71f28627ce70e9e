"""Noisy gradient descent on ridge logistic regression, with or without a fair term: the chain that statement B is about.

A model is a vector of weights (p,) on fixed features (n, p), the last of which is the constant 1. Its loss on its rows
is convex, with constants that are computed for these rows and not assumed:

    L(w) = mean cross-entropy + ridge / 2 |w|^2 + fair * sum over labels y of (d_y . w)^2

d_y is the difference of the groups' mean features among rows of label y: (d_y . w) is the difference of the groups'
mean logits. The second derivative lies between `ridge` and the largest eigenvalue of X'X / 4n + ridge + 2 fair sum d_y d_y'.

Everything is float64. numpy's products are bound by memory here, so that a compiled loop would gain nothing
(`benchmarks/audit_certificates.py --speed`); models are trained one after another on rows of their own, and each is
the same bits whatever models are beside it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

Sides = tuple[int, ...]
"""Layer sizes of a chain of Linear and ReLU: features, units of each hidden layer, 1."""
ABOVE = 1 + 1e-9
"""The largest eigenvalue is raised by this factor: it must not be too small for rounding."""
INSIDE = 1 - 1e-15
"""Projected points are scaled by this factor, so that rounding leaves none outside the ball."""
FLAT = 1e-9
"""A unit whose standard deviation is a smaller share of its largest value is constant: what is left is rounding."""
RATES = 40
"""Halvings of the step in `fitted`, at most."""


@dataclass(frozen=True)
class Descent:
    """How a chain runs. ridge: m, above 0; radius: of the ball about 0 that the start is projected on; steps: T; noise: standard deviation
    that each step adds to each weight; fair: weight of the fair term."""

    ridge: float
    radius: float
    steps: int
    noise: float
    fair: float = 0.0


def last(sides: Sides) -> int:
    """Return how many weights the last layer has, its bias among them; they are the last of a model's."""
    return sides[-2] + 1


def below_last(x: np.ndarray, weights: np.ndarray | None, sides: Sides) -> np.ndarray:
    """Return what the last layer of a chain sees of rows x (n, d): (n, p) float64, the last column being 1.

    weights (P,): of the whole chain, those of its last layer being unused; None where it has no other layer. Of each layer
    the matrix (out, in), row by row, then its biases.
    """
    seen, at = x.astype(np.float64), 0
    if weights is not None:
        deep = weights.astype(np.float64)
        for into, out in itertools.pairwise(sides[:-1]):
            matrix, biases = (
                deep[at : at + into * out].reshape(out, into),
                deep[at + into * out : at + (into + 1) * out],
            )
            seen, at = np.maximum(seen @ matrix.T + biases, 0), at + (into + 1) * out
    return np.concatenate([seen, np.ones((len(x), 1))], 1)


@dataclass(frozen=True)
class Scale:
    """What units below the last layer are shifted and divided by, their constant not: centre, spread (p,). A model's own rows give it, so
    it is a function of these."""

    centre: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray) -> Scale:
        """Return the means and standard deviations of units x (n, p); a unit that is constant on these rows is not divided."""
        centre, spread = x.mean(0), x.std(0)
        spread = np.where(spread > FLAT * np.abs(x).max(0), spread, 1.0)
        centre[-1], spread[-1] = 0.0, 1.0
        return cls(centre, spread)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return (x - self.centre) / self.spread

    def unscaled(self, w: np.ndarray) -> np.ndarray:
        """Return the weights (p,) that say of units as they are what w says of scaled ones."""
        found = w / self.spread
        found[-1] -= found[:-1] @ self.centre[:-1]
        return found


class Problem:
    """The loss of one model on its rows.

    x (n, p) float64 with a last column of ones; y (n,) labels 0 and 1; a (n,) groups 0 and 1.

    Attributes
    ----------
    low, high
        m and M: strong convexity and smoothness of this loss.
    step
        2 / (M + m).
    vacuous
        Share of the labels without rows of both groups, whose part of the fair term is 0.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, a: np.ndarray, *, ridge: float, fair: float = 0.0) -> None:
        self.x, self.y, self.ridge, self.fair = x, y.astype(np.float64), float(ridge), float(fair)
        self.between = self._between(x, y, a)
        self.vacuous = 1 - len(self.between) / 2
        bound = x.T @ x / (4 * len(x)) + self._of_fair()
        self.low = self.ridge
        self.high = float(np.linalg.eigvalsh(bound)[-1]) * ABOVE + self.ridge
        self.step = 2 / (self.high + self.low)

    @staticmethod
    def _between(x: np.ndarray, y: np.ndarray, a: np.ndarray) -> np.ndarray:
        """Return d_y (at most 2, p) for each label that both groups have."""
        cells = [[x[(y == label) & (a == group)] for group in (0, 1)] for label in (0, 1)]
        found = [one.mean(0) - zero.mean(0) for zero, one in cells if len(zero) and len(one)]
        return np.array(found).reshape(len(found), x.shape[1])

    def _of_fair(self) -> np.ndarray:
        """Return the second derivative (p, p) of the fair term."""
        return 2 * self.fair * self.between.T @ self.between

    def probabilities(self, w: np.ndarray) -> np.ndarray:
        """Return P(y = 1 | x) (n,); tanh does not overflow."""
        return 0.5 * (1 + np.tanh(0.5 * (self.x @ w)))

    def gradient(self, w: np.ndarray) -> np.ndarray:
        """Return the gradient (p,) of the loss at w (p,)."""
        found = (self.probabilities(w) - self.y) @ self.x / len(self.x) + self.ridge * w
        if self.fair:
            found += 2 * self.fair * (self.between @ w) @ self.between
        return found

    def hessian(self, w: np.ndarray) -> np.ndarray:
        """Return the second derivative (p, p) of the loss at w (p,)."""
        p = self.probabilities(w)
        found = (self.x * (p * (1 - p))[:, None]).T @ self.x / len(self.x) + self._of_fair()
        return found + self.ridge * np.eye(len(w))


def projected(w: np.ndarray, radius: float) -> np.ndarray:
    """Return the point of the ball |v| <= radius that is next to w (p,), as float64; a point that is not finite becomes 0."""
    w = np.asarray(w, dtype=np.float64)
    if not np.isfinite(w).all():
        return np.zeros_like(w)
    largest = np.abs(w).max(initial=0.0)
    if largest == 0:
        return w
    unit = w / largest  # squares of large weights would overflow
    norm = np.linalg.norm(unit)
    return w if largest <= radius * INSIDE / norm else unit * (radius * INSIDE / norm)


def descend(
    problem: Problem, start: np.ndarray, how: Descent, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, float]:
    """Run the chain: project the start (p,), then T times w <- w - step * gradient(w) + N(0, noise^2).

    Returns the last weights (p,), where the chain started after the projection (p,), and the root mean square of the
    noise that was added (0 without noise). All noise comes from rng, in the order of the steps.
    """
    w = begun = projected(start, how.radius)
    squares = 0.0
    for _ in range(how.steps):
        w = w - problem.step * problem.gradient(w)
        if how.noise:
            added = how.noise * rng.standard_normal(len(w))
            squares += float(added @ added)
            w = w + added
    return w, begun, float(np.sqrt(squares / max(how.steps * len(begun), 1)))


def fitted(problem: Problem, *, steps: int = 25, exact: float = 1e-8) -> np.ndarray:
    """Return the weights (p,) that minimise the loss, by Newton's method with halved steps, to a gradient of norm `exact`."""
    w = np.zeros(problem.x.shape[1])
    slope = problem.gradient(w)
    for _ in range(steps):
        norm = np.linalg.norm(slope)
        if norm <= exact:
            break
        way = np.linalg.solve(problem.hessian(w), slope)
        for halving in range(RATES):
            there = w - way / 2**halving
            after = problem.gradient(there)
            if np.linalg.norm(after) < norm:
                break
        w, slope = there, after
    return w


@dataclass(frozen=True)
class WorstCase:
    """The two starts that are hardest to forget, and the law of where the chain ends from each, as an adversary who knows the rows has it.

    ends (2, p): starts far outside the ball, on both sides along the direction that forgets slowest; middle, slope (p,): the
    log-likelihood ratio of an end point w, of the second start against the first, is (w - middle) . slope.
    """

    ends: np.ndarray
    middle: np.ndarray
    slope: np.ndarray

    def evidence(self, w: np.ndarray) -> float:
        """Return the log-likelihood ratio for the second start of a chain that ended at w (p,)."""
        return float((w - self.middle) @ self.slope)


OUTSIDE = 10.0
"""How many radii from 0 the audit's starts are: the projection must bring them back."""


Run = Callable[[int, np.ndarray, Descent, np.random.Generator], np.ndarray]
"""A training as it is implemented: called as run(world, start, how, rng), it returns where the chain ends."""


def honest(problem: Problem) -> Run:
    """Return the training that `descend` is, which does not look at the world."""
    return lambda world, start, how, rng: descend(problem, start, how, rng)[0]


def worst_case(problem: Problem, how: Descent, run: Run | None = None) -> WorstCase:
    """Return the worst case of a chain on these rows. run: the implementation that is audited, whose means the adversary knows.

    The direction is the one that forgets slowest at the step that is taken: the flattest, or the steepest where the step is too
    long. The chain is linearised: the mean of the end point is the noiseless chain's, and its covariance is that of steps
    with the second derivative at the minimum. For a quadratic both are exact, and the test is the best there is; for
    another loss it is one test among many, whose advantage the certificate bounds too.
    """
    run = run or honest(problem)
    values, vectors = np.linalg.eigh(problem.hessian(fitted(problem)))
    factors = 1 - problem.step * values
    slowest = vectors[:, np.argmax(np.abs(factors))]
    ends = np.array([-slowest, slowest]) * OUTSIDE * how.radius
    none = np.random.default_rng(0)  # nothing is drawn from it
    first, second = (run(world, end, replace(how, noise=0.0), none) for world, end in enumerate(ends))
    # sum over steps of factor^(2 t): `steps` of them where the factor is 1
    squared = factors**2
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        spread = np.where(squared == 1, how.steps, (1 - squared**how.steps) / (1 - squared))
    slope = vectors @ (vectors.T @ (second - first) / spread) / (how.noise**2 or 1.0)
    return WorstCase(ends, (first + second) / 2, slope)


def restarted(
    start: np.ndarray, public: np.ndarray, *, shrink: float, radius: float, noise: float, rng: np.random.Generator
) -> tuple[np.ndarray, float, float]:
    """Return public + shrink * (start - public, projected on the ball) + N(0, noise^2), all (P,): the start of statement B'; the root mean
    square of the noise that was added; and how far from `public` the start was before it."""
    public = np.asarray(public, dtype=np.float64)
    kept = shrink * projected(np.asarray(start, dtype=np.float64) - public, radius)
    added = noise * rng.standard_normal(len(public))
    return public + kept + added, float(np.sqrt(added @ added / len(added))), float(np.linalg.norm(kept))
