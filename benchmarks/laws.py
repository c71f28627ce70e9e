"""Laws with a known truth for `coverage.py`: made-up experiments of victims that come in correlated splits.

Draws are made for all experiments at once; the intervals are the public functions, called once an experiment, since they
are what is on trial. `correlation` is the intra-cluster correlation of the units: of the outcomes (beta-binomial) for rates,
else of the normal scores, errors or latent variables.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy import special

from popleak.measures import intervals, leakage, ranks, ratios, roc
from popleak.measures.intervals import Estimate
from popleak.measures.paired import Spread

NOISE = {"low": 0.3, "middle": 1.0, "high": 3.0, "none": 30.0}
"""Standard deviation of an estimate, in steps between neighbouring ratios."""
SCALE = 0.1
ERRORS = {"bias": 0.0, "mae": SCALE * float(np.sqrt(2.0 / np.pi)), "mse": SCALE**2}
"""True mean error, absolute error and squared error of normal errors with standard deviation SCALE."""
MANY = np.linspace(0.0, 1.0, 11)
SHRUNK = -0.7 * (MANY - 0.5)
"""Mean error at each of MANY ratios, of estimates that lean to the middle."""
ENDS = np.where((MANY == 0.0) | (MANY == 1.0), 0.98, 0.15)
"""Probability with which each of MANY ratios is named."""
DIFFER = {"dense": 0.4, "medium": 0.15, "sparse": 0.05, "rare": 0.01}
"""Share of victims on which two attacks differ."""


STEP = 0.02
GAPS = {
    "exact": SCALE * float(np.sqrt(2.0 / np.pi)),
    "in steps": STEP * float(2.0 * special.ndtr(-(np.arange(1, 100) - 0.5) * STEP / SCALE).sum()),
}
"""True mean |gap| of gaps that are normal about 0 with standard deviation SCALE, or the same rounded to shares of 50 points."""


class Cell(NamedTuple):
    """interval; law; splits; size: victims (for bits: a ratio; for spearman: units) a split; correlation; truth."""

    interval: str
    law: str
    splits: int
    size: int
    correlation: float
    truth: float


def simulate(cell: Cell, experiments: int, rng: np.random.Generator) -> tuple[Iterator[Estimate], float]:
    """Return the estimates of so many experiments, and the truth that they estimate."""
    return _LAWS[cell.interval](cell, experiments, rng)


def beta_binomial(rng: np.random.Generator, p: float, correlation: float, size: int, shape: tuple) -> np.ndarray:
    """Return successes of `size` units whose outcomes have this correlation, an array of this shape."""
    if correlation == 0.0:
        return rng.binomial(size, p, size=shape)
    scale = 1.0 / correlation - 1.0
    return rng.binomial(size, rng.beta(p * scale, (1.0 - p) * scale, size=shape))


def _rate(cell: Cell, experiments: int, rng: np.random.Generator):
    totals = np.full(cell.splits, cell.size)
    drawn = beta_binomial(rng, cell.truth, cell.correlation, cell.size, (experiments, cell.splits))
    return (intervals.proportion(one, totals) for one in drawn), cell.truth


def _probit(cell: Cell, experiments: int, rng: np.random.Generator):
    """A victim is named rightly if a normal score is above 0; the splits' means vary: correlation of the scores."""
    spread = np.sqrt(cell.correlation / (1.0 - cell.correlation))
    middle = special.ndtri(cell.truth) * np.sqrt(1.0 + spread**2)
    p = special.ndtr(middle + spread * rng.standard_normal((experiments, cell.splits)))
    totals = np.full(cell.splits, cell.size)
    return (intervals.proportion(one, totals) for one in rng.binomial(cell.size, p)), cell.truth


def _advantage(cell: Cell, experiments: int, rng: np.random.Generator):
    """Half of a split's victims come from each world, correlated within split and world."""
    true, false = (float(rate) for rate in cell.law.split(" - "))
    half, shape = cell.size // 2, (experiments, cell.splits)
    right = np.stack([beta_binomial(rng, p, cell.correlation, half, shape) for p in (1.0 - false, true)], axis=2)
    correct = (np.arange(half) < right[..., None]).reshape(experiments, -1).astype(float)
    world = np.tile(np.repeat([0, 1], half), cell.splits)
    split = np.repeat(np.arange(cell.splits), cell.size)
    return (leakage.advantage(one, world, split) for one in correct), cell.truth


def _scores(cell: Cell, area: float, experiments: int, rng: np.random.Generator, *, shift: bool):
    """Return scores (experiments, splits, size), labels and splits (splits * size,), and separation over scale.

    The splits' separations vary, or (shift) the levels of positives and of negatives, each by itself.
    """
    spread = np.sqrt(cell.correlation / (1.0 - cell.correlation))
    scale = np.sqrt(1.0 + spread**2)
    ones = np.arange(cell.size) % 2
    scores = rng.standard_normal((experiments, cell.splits, cell.size))
    separation = np.sqrt(2.0) * special.ndtri(area) * scale
    effect = spread * rng.standard_normal((experiments, cell.splits, 2))
    if shift:
        scores += np.where(ones == 1, separation + effect[..., :1], effect[..., 1:])
    else:
        scores += ones * (separation + np.sqrt(2.0) * effect[..., :1])
    flat = scores.reshape(experiments, -1)
    return flat, np.tile(ones, cell.splits), np.repeat(np.arange(cell.splits), cell.size), separation / scale


def _auc(cell: Cell, experiments: int, rng: np.random.Generator):
    scores, labels, splits, _ = _scores(cell, cell.truth, experiments, rng, shift=False)
    return (roc.auc(one, labels, splits) for one in scores), cell.truth


def _tpr(fpr: float):
    def law(cell: Cell, experiments: int, rng: np.random.Generator):
        scores, labels, splits, separation = _scores(cell, cell.truth, experiments, rng, shift=True)
        truth = float(special.ndtr(separation + special.ndtri(fpr)))
        return (roc.tpr_interval(one, labels, splits, fpr=fpr) for one in scores), truth

    return law


def differences(cell: Cell, experiments: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return paired differences (experiments, victims) in {-1, -.5, 0, .5, 1} and the victims' splits; the share of those that are not 0
    that favours the first leans by split."""
    share, shape = DIFFER[cell.law], (experiments, cell.splits, cell.size)
    favour = 0.5 + cell.truth / share / 1.5  # mean size of a difference is 0.75
    lean = favour
    if cell.correlation > 0.0:
        scale = 1.0 / cell.correlation - 1.0
        lean = rng.beta(favour * scale, (1.0 - favour) * scale, size=shape[:2])[..., None]
    sign = np.where(rng.random(shape) < lean, 1.0, -1.0)
    drawn = sign * rng.choice([0.5, 1.0], size=shape) * (rng.random(shape) < share)
    return drawn.reshape(experiments, -1), np.repeat(np.arange(cell.splits), cell.size)


def spread(cell: Cell) -> Spread:
    """Return the standard deviations that `differences` have within splits and between them."""
    share, favour = DIFFER[cell.law], 0.5 + cell.truth / DIFFER[cell.law] / 1.5
    between = (1.5 * share) ** 2 * favour * (1.0 - favour) * cell.correlation
    return Spread(float(np.sqrt(0.625 * share - cell.truth**2 - between)), float(np.sqrt(between)))


def _paired(cell: Cell, experiments: int, rng: np.random.Generator):
    drawn, ids = differences(cell, experiments, rng)
    return (intervals.paired_test(one, np.zeros(ids.size), ids) for one in drawn), cell.truth


def _errors(cell: Cell, experiments: int, rng: np.random.Generator):
    """Victims' ratio is 0.5, or each of MANY in turn, where the errors' mean depends on it."""
    own = np.sqrt(cell.correlation) * rng.standard_normal((experiments, cell.splits, 1))
    error = own + np.sqrt(1.0 - cell.correlation) * rng.standard_normal((experiments, cell.splits, cell.size))
    ids, kind = np.repeat(np.arange(cell.splits), cell.size), np.tile(np.arange(cell.size), cell.splits) % MANY.size
    many = cell.law != "normal"
    ratio = MANY[kind] if many else np.full(ids.size, 0.5)
    flat = SCALE * error.reshape(experiments, -1) + (SHRUNK[kind] if many else 0.0)
    truth = mean_errors(SHRUNK if many else np.zeros(1))[cell.interval]
    return (getattr(ratios.errors(ratio + one, ratio, ids), cell.interval) for one in flat), truth


def _gap(cell: Cell, experiments: int, rng: np.random.Generator):
    """The gaps of a split lean together; |gap| lies in [0, 1]."""
    own = np.sqrt(cell.correlation) * rng.standard_normal((experiments, cell.splits, 1))
    gap = SCALE * (own + np.sqrt(1.0 - cell.correlation) * rng.standard_normal((experiments, cell.splits, cell.size)))
    if cell.law == "in steps":
        gap = STEP * np.round(gap / STEP)
    ids = np.repeat(np.arange(cell.splits), cell.size)
    found = np.abs(gap).clip(max=1.0).reshape(experiments, -1)
    return (intervals.mean(one, ids, span=(0.0, 1.0)) for one in found), GAPS[cell.law]


def mean_errors(middle: np.ndarray) -> dict[str, float]:
    """Return `ERRORS` for normal errors around these means, each weighing the same."""
    folded = SCALE * np.sqrt(2.0 / np.pi) * np.exp(-((middle / SCALE) ** 2) / 2.0)
    folded += middle * (1.0 - 2.0 * special.ndtr(-middle / SCALE))
    return {"bias": float(middle.mean()), "mae": float(folded.mean()), "mse": float((middle**2).mean() + SCALE**2)}


def _named(cell: Cell, experiments: int, rng: np.random.Generator):
    """Each of MANY ratios is named with its own probability; the splits' normal scores lean together (`_probit`)."""
    spread = np.sqrt(cell.correlation / (1.0 - cell.correlation))
    kind, shape = np.arange(cell.size) % MANY.size, (experiments, cell.splits, 1)
    middle = special.ndtri(ENDS[kind]) * np.sqrt(1.0 + spread**2)
    p = special.ndtr(middle + spread * rng.standard_normal(shape))
    right = (rng.random((experiments, cell.splits, cell.size)) < p).reshape(experiments, -1)
    ratio, ids = np.tile(MANY[kind], cell.splits), np.repeat(np.arange(cell.splits), cell.size)
    chance = 1.0 / MANY.size
    return (ratios.accuracy(np.where(one, ratio, -1.0), ratio, ids, chance=chance) for one in right), float(ENDS.mean())


def _channel(bias: np.ndarray, worlds: int, noise: float) -> np.ndarray:
    """Return P(named | true) where the ratio nearest to true + bias + normal noise is named: (..., worlds, worlds)."""
    edges = np.arange(worlds - 1) + 0.5
    passed = special.ndtr((edges - np.arange(worlds)[:, None] - bias[..., None, None]) / noise)
    ends = np.zeros((*passed.shape[:-1], 1))
    return np.diff(np.concatenate([ends, passed, ends + 1.0], axis=-1), axis=-1)


def _bits(cell: Cell, experiments: int, rng: np.random.Generator):
    """The estimates of all ratios in a split share a bias: correlation of the errors."""
    worlds, noise = int(cell.law.split()[0]), NOISE[cell.law.split()[-1]]
    spread = noise * np.sqrt(cell.correlation / (1.0 - cell.correlation))
    grid = special.ndtri((np.arange(2001) + 0.5) / 2001)  # the law of the splits' biases, by its quantiles
    truth = ratios.mutual_information(_channel(spread * grid, worlds, noise).mean(axis=0))
    shares = _channel(spread * rng.standard_normal((experiments, cell.splits)), worlds, noise)
    return (ratios.information(one) for one in rng.multinomial(cell.size, shares)), truth


def _spearman(cell: Cell, experiments: int, rng: np.random.Generator):
    """Bivariate normal; cell.correlation is the share of variance between blocks, cell.truth Pearson's correlation."""

    def both(shape: tuple) -> np.ndarray:
        x, y = rng.standard_normal((2, *shape))
        return np.stack([x, cell.truth * x + np.sqrt(1.0 - cell.truth**2) * y])

    share, shape = cell.correlation, (experiments, cell.splits)
    values = np.sqrt(share) * both((*shape, 1)) + np.sqrt(1.0 - share) * both((*shape, cell.size))
    x, y = values.reshape(2, experiments, -1)
    ids = np.repeat(np.arange(cell.splits), cell.size)
    truth = 6.0 / np.pi * float(np.arcsin(cell.truth / 2.0))
    return (ranks.spearman(one, other, ids) for one, other in zip(x, y, strict=True)), truth


_LAWS = {
    "rate": _rate, "probit": _probit, "advantage": _advantage, "auc": _auc, "paired": _paired, "bias": _errors, "mae": _errors,
    "mse": _errors, "named": _named, "tpr05": _tpr(0.05), "tpr01": _tpr(0.01), "bits": _bits, "spearman": _spearman,
    "gap": _gap,
}  # fmt: skip
