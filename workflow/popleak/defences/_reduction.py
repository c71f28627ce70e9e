"""The exponentiated-gradient reduction of fair classification (Agarwal et al., ICML 2018), for two groups and two labels.

A fair classifier is a game. One player chooses classifiers and pays their error; the other chooses multipliers lambda of the
constraints, at most `bound` in sum, and earns their violation. Against given multipliers the best classifier is one trained on
labels and weights that follow from them, whatever the learner. The multipliers rise by exponentiated gradient, and a linear
program finds the best mixture of the classifiers so far. All is as in fairlearn 0.15 (`ExponentiatedGradient` with its linear
program): for the same learner the mixtures are the same up to rounding. fairlearn trains one model at a time and keeps its parts
private; here the learner is asked by `yield`, so that many models can be trained together.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Literal, NamedTuple

import numpy as np

Criterion = Literal["equalized-odds", "equal-opportunity", "demographic-parity"]
PRECISION = 1e-8
"""A classifier, or a gap, is better only if by more than this."""
LEAST = 1e-9
"""A smaller probability is rounding."""
FEWEST = 5
"""Iterations before a solution is accepted, and before the first look at the regret."""
REGRET_EVERY, SHRINK_REGRET, SHRINK_STEP = 1.6, 0.8, 0.8
"""When the regret is looked at again, as a multiple of the iteration; what counts as a fall of it; what the step shrinks by."""
WIDER = (1.0, 2.0, 5.0, 10.0)
"""Multiples of lambda whose best classifiers bound the value of the game from below."""


class Call(NamedTuple):
    """A classifier to train: labels (n,) 0 or 1, and weights (n,) of mean 1. number: of the call, from 0."""

    number: int
    labels: np.ndarray
    weights: np.ndarray


class Mixture(NamedTuple):
    """Classifiers and the probability of each (h,), which sum to 1.

    source (h,): the number of the call that gave the classifier; -1 for the one that always says 0, -2 for the one that
    always says 1. gap: by how much the mixture's value may differ from the game's; violation: the largest difference of a group's rate
    from that of all, minus the bound on it; errors (h,), gammas (h, constraints): of each classifier, on all rows.
    """

    source: np.ndarray
    probability: np.ndarray
    gap: float
    violation: float
    errors: np.ndarray
    gammas: np.ndarray


class Cells:
    """The constraints on n rows, through the cells of their events and groups.

    An event is a label for equalized odds, label 1 for equal opportunity, and everything for demographic parity. For each event
    and group with rows in it the rate of label 1 must differ from that of the event by at most `slack`, either way. A constraint of an
    event with one group alone says nothing (`vacuous`). Vectors over constraints are in the order of sign, event, group.
    """

    def __init__(self, y: np.ndarray, a: np.ndarray, criterion: Criterion, slack: float) -> None:
        self.y, self.slack, self.size = y.astype(np.int64), slack, len(y)
        event = np.zeros(len(y), np.int64) if criterion == "demographic-parity" else self.y.copy()
        if criterion == "equal-opportunity":
            event -= 1  # rows of label 0 are in no event
        events = 2 if criterion == "equalized-odds" else 1
        self.within = event >= 0
        self.cell = 2 * event + a
        counts = np.bincount(self.cell[self.within], minlength=2 * events).reshape(events, 2)
        self.there = counts > 0
        self.p_cell = counts / self.size
        self.p_event = self.p_cell.sum(1, keepdims=True)
        self.share = np.divide(counts, counts.sum(1, keepdims=True), out=np.zeros(counts.shape), where=self.there)

    @property
    def vacuous(self) -> float:
        """The share of the events that lack a group, or have no rows."""
        return float(1 - self.there.all(1).mean())

    @property
    def constraints(self) -> int:
        return 2 * int(self.there.sum())

    def split(self, vector: np.ndarray) -> np.ndarray:
        """Return a vector over constraints as (sign, event, group), 0 where there is none."""
        whole = np.zeros((2, *self.there.shape))
        whole[:, self.there] = vector.reshape(2, -1)
        return whole

    def gamma(self, said: np.ndarray) -> np.ndarray:
        """Return the violations (constraints,), before `slack` is taken off, of a classifier that says `said` (n,)."""
        cells = self.there.size
        positive = np.bincount(self.cell[self.within], said[self.within], cells).reshape(self.there.shape) / self.size
        with np.errstate(invalid="ignore", divide="ignore"):
            apart = positive / self.p_cell - positive.sum(1, keepdims=True) / self.p_event
        plus = apart[self.there]
        return np.concatenate([plus, -plus])

    def error(self, said: np.ndarray) -> float:
        return float(np.abs(self.y - said).mean())

    def signed_weights(self, multipliers: np.ndarray) -> np.ndarray:
        """Return for each row (n,) what label 1 gains over label 0 against these multipliers."""
        net = np.subtract(*self.split(multipliers))
        with np.errstate(invalid="ignore", divide="ignore"):
            each = net.sum(1, keepdims=True) / self.p_event - net / self.p_cell
        gains = 2.0 * self.y - 1
        gains[self.within] += np.where(self.there, each, 0).reshape(-1)[self.cell[self.within]]
        return gains

    def least(self, multipliers: np.ndarray) -> np.ndarray:
        """Return the multipliers of least sum that are worth the same against every classifier: an event's violations, weighted by
        the groups' shares, are 0 in sum, so multiples of these can be taken off. The best multiple is a weighted median."""
        net = np.subtract(*self.split(multipliers))
        for row, share, there in zip(net, self.share, self.there, strict=True):
            if there.any():
                scaled, parts = row[there] / share[there], share[there]
                order = np.argsort(scaled, kind="stable")
                middle = np.searchsorted(np.cumsum(parts[order]), parts.sum() / 2)
                row[there] -= parts * scaled[order[middle]]
        return np.concatenate([np.clip(net, 0, None)[self.there], np.clip(-net, 0, None)[self.there]])


class Gap(NamedTuple):
    """How far a mixture and multipliers are from the solution, and the mixture's largest violation beyond the slack."""

    gap: float
    violation: float


class Reduction:
    """One run on n rows with labels `y` and groups `a` (n,). `run` is a generator that yields each `Call` and wants to be sent what its
    classifier says of the rows, (n,) of 0 and 1; it returns the `Mixture`. `kept`: the calls whose classifiers may still be wanted.

    slack: the difference of rates that is allowed; bound: of the sum of the multipliers; step: eta0, by which the multipliers
    rise at first, in units of 1 / bound; rounds: iterations at most; room: classifiers in a mixture at most, 3 or more, where a program's
    mixture, which has no more than that, is taken before one of more; None: no limit, as in fairlearn. The learner must be deterministic: what was asked is not asked again.
    """

    def __init__(
        self,
        y: np.ndarray,
        a: np.ndarray,
        *,
        criterion: Criterion,
        slack: float,
        bound: float,
        step: float,
        rounds: int,
        room: int | None = None,
    ) -> None:
        self.cells = Cells(y, a, criterion, slack)
        self.bound, self.step, self.rounds, self.room = bound, step, rounds, room
        self.source: list[int] = []
        self.errors: list[float] = []
        self.gammas: list[np.ndarray] = []
        self.calls = 0
        self.known: dict[bytes, tuple[int, float, np.ndarray]] = {}
        self.tolerance = 0.0
        self.solved: tuple[int, tuple[np.ndarray, Gap]] | None = None

    @property
    def kept(self) -> set[int]:
        return set(self.source)

    def run(self) -> Generator[Call, np.ndarray, Mixture]:
        cells = self.cells
        theta, total = np.zeros(cells.constraints), np.zeros(cells.constraints)
        times: dict[int, int] = {}
        mixtures: list[np.ndarray] = []
        gaps: list[Gap] = []
        by_gradient: list[float] = []
        eta, looked_at, last_gap = self.step / self.bound, FEWEST, np.inf
        for t in range(self.rounds):
            multipliers = self.bound * np.exp(theta) / (1 + np.exp(theta).sum())
            total += multipliers
            best = yield from self.best(multipliers, first=t == 0)
            times[best] = times.get(best, 0) + 1
            mixed = self._mixed(times)
            gap = yield from self.gap(mixed, total / (t + 1))
            by_gradient.append(gap.gap)
            if t > 0:
                solved, of_solved = yield from self.solve()
                if not gap.gap < of_solved.gap or not self._fits(mixed):
                    mixed, gap = solved, of_solved
            mixtures.append(mixed)
            gaps.append(gap)
            if gap.gap < self.tolerance and t >= FEWEST:
                break
            if t >= looked_at * REGRET_EVERY:
                least = min(by_gradient)
                if least > last_gap * SHRINK_REGRET:
                    eta *= SHRINK_STEP
                looked_at, last_gap = t, least
            theta = theta + eta * (self.gammas[best] - cells.slack)
        least = min(one.gap for one in gaps)
        chosen = max(i for i, one in enumerate(gaps) if one.gap <= least + PRECISION)
        probability = np.zeros(len(self.source))
        probability[: len(mixtures[chosen])] = mixtures[chosen]
        return Mixture(
            np.array(self.source), probability, *gaps[chosen], np.array(self.errors), np.array(self.gammas)
        )  # fmt: skip

    def _fits(self, mixed: np.ndarray) -> bool:
        return self.room is None or int((mixed > LEAST).sum()) <= self.room

    def _mixed(self, times: dict[int, int]) -> np.ndarray:
        found = np.zeros(len(self.source))
        for i, many in times.items():
            found[i] = many
        return found / found.sum()

    def best(self, multipliers: np.ndarray, first: bool = False) -> Generator[Call, np.ndarray, int]:
        """Return the place of the best classifier against these multipliers: one that is trained on what they ask for, or if it is no
        better, the best so far."""
        source, error, gamma = yield from self._trained(multipliers, first)
        values = np.array([e + g @ multipliers for e, g in zip(self.errors, self.gammas, strict=True)])
        if len(values) and not error + gamma @ multipliers < values.min() - PRECISION:
            return int(values.argmin())
        self.source.append(source)
        self.errors.append(error)
        self.gammas.append(gamma)
        return len(values)

    def _trained(
        self, multipliers: np.ndarray, first: bool
    ) -> Generator[Call, np.ndarray, tuple[int, float, np.ndarray]]:
        """Return the source of a classifier that is trained against the multipliers, its error and its violations."""
        cells = self.cells
        gains = cells.signed_weights(multipliers)
        key = np.round(gains, 9).tobytes()
        if key in self.known:
            return self.known[key]
        labels, weights = (gains > 0).astype(np.int64), np.abs(gains)
        if labels.min() == labels.max():  # nothing to learn
            source, said = -1 - int(labels[0]), labels
        else:
            source, self.calls = self.calls, self.calls + 1
            said = yield Call(source, labels, len(weights) * weights / weights.sum())
        if first:  # half the standard error of the first classifier's error
            wrong = np.abs(cells.y - said)
            self.tolerance = 0.5 * wrong.std(ddof=1) / np.sqrt(cells.size)
        self.known[key] = source, cells.error(said), cells.gamma(said)
        return self.known[key]

    def gap(self, mixed: np.ndarray, multipliers: np.ndarray) -> Generator[Call, np.ndarray, Gap]:
        """Return how far a mixture (h,) and multipliers are from the solution: what either player could gain by another choice."""
        error, gamma = np.dot(self.errors[: len(mixed)], mixed), np.dot(mixed, self.gammas[: len(mixed)])
        shifted, slack = self.cells.least(multipliers), self.cells.slack
        value = error + shifted @ (gamma - slack)
        violation = float((gamma - slack).max(initial=-np.inf))
        high = error + self.bound * max(violation, 0)
        low = value
        for multiple in WIDER:
            i = yield from self.best(multiple * multipliers)
            low = min(low, self.errors[i] + shifted @ (self.gammas[i] - slack))
            if max(value - low, high - value) > self.tolerance + PRECISION:
                break
        return Gap(float(max(value - low, high - value)), violation)

    def solve(self) -> Generator[Call, np.ndarray, tuple[np.ndarray, Gap]]:
        """Return the mixture (h,) of the classifiers so far that solves the game among them, and how far it is from the solution."""
        size = len(self.source)
        if self.solved is None or self.solved[0] != size:
            mixed, multipliers = saddle(np.array(self.errors), np.array(self.gammas) - self.cells.slack, self.bound)
            gap = yield from self.gap(mixed, multipliers)
            self.solved = size, (mixed, gap)
        return self.solved[1]


def saddle(errors: np.ndarray, excess: np.ndarray, bound: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the mixture (h,) of classifiers with these errors (h,) and violations (h, m) of least error + bound * largest violation,
    and the multipliers (m,) that it answers."""
    from scipy.optimize import linprog  # here alone: other defences do without

    many, constraints = excess.shape
    costs, limits, one = np.append(errors, bound), np.zeros(constraints), np.ones(1)
    rows = np.concatenate([excess.T, -np.ones((constraints, 1))], 1)
    total = np.append(np.ones((1, many)), [[0.0]], 1)
    mixed = linprog(costs, A_ub=rows, b_ub=limits, A_eq=total, b_eq=one, method="highs-ds")
    free = [(None, None) if i == constraints else (0, None) for i in range(constraints + 1)]
    dual = linprog(
        np.append(limits, -one), A_ub=np.concatenate([-rows.T, total.T], 1), b_ub=costs, bounds=free, method="highs-ds"
    )
    return mixed.x[:-1], dual.x[:-1]


def answered(y: np.ndarray, a: np.ndarray, learn, **how) -> Mixture:
    """Run a reduction with a learner that answers at once: `learn(labels, weights)` trains on all rows and returns what it says of them.
    how: see `Reduction`."""
    running = Reduction(y, a, **how).run()
    said: Any = None  # to begin with
    while True:
        try:
            call = running.send(said)
        except StopIteration as ended:
            found: Mixture = ended.value
            return found
        said = learn(call.labels, call.weights)
