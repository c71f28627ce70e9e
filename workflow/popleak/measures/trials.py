"""Attacks on rows, judged: how well trials, a victim and a row each, tell members from others.

M models come in M/2 pairs, 2j and 2j + 1, which were trained on complementary halves of n rows; each is the victim once, judged by
shadows among the others. Arrays: scores (M, n), larger for members; inside (M, n) bool, whether the model was trained on the row.

**Clusters.** Rows are fixed and models are drawn, so trials of one model depend on each other, and those of its twin on both; other pairs
are drawn apart. Rows that are copies of each other have one membership in each model: the dependence is within the model, so within the
pair, and needs no cluster of its own.

**Shared shadows.** Pairs are drawn apart, but each is a shadow of all others: AUCs of pairs p and q both grow where p and q happen to
agree on what membership does. Where it does nothing, the mean AUC is a degenerate U-statistic: of D pairs, two of which correlate by
1/(D - 1), the variance of the mean is twice that of independent pairs, and what pairs differ by shows (D - 2)/(D - 1) of theirs. So
variances over pairs are multiplied by 2 (D - 1)/(D - 2) where scores use shadows. Simulated with `lira`, 3 to 16 pairs, with and without
an effect of membership, a t interval without it covers 81 to 89 % in place of 95, with it 93 to 98.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import special  # not `stats`, which takes a second to import

from ..core.halves import FOLDS
from . import intervals, roc
from .intervals import FLOOR, UNKNOWN, Estimate

Fit = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Of the positions of shadows (S,) and of victims (V,) among the models: the scores (V, n) of the victims by these shadows."""


class Scored(NamedTuple):
    """scores (M, n): of each model by all others but its twin; held (F, M, n): of each model outside fold f by the models outside it but
    the model's twin, NaN in the fold, and everywhere if fewer than three pairs are outside: one pair of shadows tells no variance, so that
    such scores are on another scale; fold (M,): of each model. shared: whether shadows are used at all; splits: parts of the models, as many
    each, that are no shadows of each other."""

    scores: np.ndarray
    held: np.ndarray
    fold: np.ndarray
    shared: bool
    splits: int = 1


def score(fit: Fit, models: int, *, folds: int = FOLDS, shared: bool = True) -> Scored:
    """Return the scores of `models` models, an even number, by D + F (D - D/F) calibrations, D = M/2 pairs; twins share theirs.

    Pairs are dealt to min(folds, D) folds. shared: False for an attack without shadows, whose scores `held` repeats.
    Raises ValueError for an odd number of models.
    """
    if models < 2 or models % 2:
        raise ValueError(f"models come in pairs of twins: {models} is no even number of them")
    pairs = models // 2
    every, pair = np.arange(models), np.arange(models) // 2
    count = max(1, min(folds, pairs))
    fold = pair % count

    def judged(known: np.ndarray) -> np.ndarray:
        """Return the scores of the models `known` (M,) bool by each other, NaN of others."""
        found = {j: fit(every[known & (pair != j)], every[pair == j]) for j in np.unique(pair[known])}
        out = np.full((models, next(iter(found.values())).shape[1]), np.nan)
        for j, part in found.items():
            out[pair == j] = part
        return out

    scores = judged(np.ones(models, dtype=bool))
    held = np.full((count, *scores.shape), np.nan)
    for f in range(count):
        outside = fold != f
        if not shared:
            held[f, outside] = scores[outside]
        elif outside.sum() >= 6:
            held[f] = judged(outside)
    return Scored(scores, held, fold, shared)


def inflation(pairs: int, shared: bool, splits: int = 1) -> float:
    """Return by how much a variance over pairs is larger than they show (see the top of this file); infinite for two pairs, which show
    nothing of it. splits: parts of the pairs, as many each, that share no shadows."""
    if not shared:
        return 1.0
    each = pairs // splits
    return 2.0 * (each - 1) / (each - 2) if each > 2 else np.inf


def aucs(scores: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return each victim's AUC (M,), ties one half; NaN for a victim without members or without others."""
    return _areas(*_codes(scores), inside)


def _codes(scores: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return each row's ranks from 0, equal for equal scores, (M, n) int32, and whether there are equal ones."""
    found = np.stack([np.unique(row, return_inverse=True)[1] for row in scores]).astype(np.int32)
    return found, bool((found.max(axis=1, initial=-1) < found.shape[1] - 1).any())


def _areas(codes: np.ndarray, tied: bool, inside: np.ndarray) -> np.ndarray:
    """Return AUCs (M,) of ranks (M, n): pairs in which the member ranks above are counted in the order of 2 rank + inside, where equal ones
    count as won, and in that of 2 rank + outside, where they count as lost, and the two are averaged."""
    models, n = codes.shape
    members = inside.sum(axis=1)
    place, of = np.arange(n, dtype=np.float64), members * (n - members)
    won = np.zeros(models)
    for bit in (1, 0) if tied else (1,):
        # sorting numbers is several times faster than sorting places by them
        ordered = np.sort(2 * codes + (inside == bool(bit)), axis=1)
        won += ((ordered & 1) == bit) @ place - members * (members - 1) / 2.0
    return np.divide(won, of * (2 if tied else 1), out=np.full(models, np.nan), where=of > 0)


def mean_auc(
    scores: np.ndarray, inside: np.ndarray, *, shared: bool = True, splits: int = 1, level: float = 0.95
) -> Estimate:
    """Return the mean over victims of their AUCs, with its interval over M/2 pairs and the p value of 1/2.

    As `roc.auc`: the hull of two Wilson intervals at the effective size AUC (1 - AUC) / variance. One is over pairs, with a t quantile and
    `inflation`; the other takes half of DeLong's variance over victims as independent, since few pairs agree by luck, or the whole for
    shared shadows. One or two pairs have the latter alone, with twice the variance for shared shadows. Victims without members or without
    others are left out with their twins; NaN if none is left.
    """
    areas, variances = np.array([roc.delong(*one) for one in zip(scores, inside, strict=True)]).T
    known = np.isfinite(areas.reshape(-1, 2)).all(axis=1)
    if not known.any():
        return UNKNOWN
    kept = np.repeat(known, 2)
    areas, variances, inside = areas[kept], variances[kept], inside[kept]
    means = areas.reshape(-1, 2).mean(axis=1)
    pairs, value = means.size, float(means.mean())
    spread, own = value * (1.0 - value), variances.sum() / areas.size**2
    rarer = np.minimum(inside.sum(axis=1), (~inside).sum(axis=1)).sum()
    factor = inflation(pairs, shared, splits)
    over = means.var(ddof=1) / pairs * factor if pairs > 1 and np.isfinite(factor) else 0.0
    effect = (2.0 if shared else 1.0) * (FLOOR if over > 0.0 and own > 0.0 else 1.0)
    parts = [((min(spread / own, inside.size) if own > 0.0 else rarer) / effect, np.inf)]
    if over > 1e-15:
        parts.append((spread / over, intervals.freedom(means if value <= 0.5 else 1.0 - means)))
    return intervals.wilson_hull(value, 0.5, level, parts)


def difference(
    first: np.ndarray, second: np.ndarray, *, shared: bool = True, splits: int = 1, level: float = 0.95
) -> Estimate:
    """Return the mean of first - second, AUCs (M,) of the same victims under two attacks or defences, with the p value of 0.

    `intervals.mean` over pairs, with `inflation`. Below three pairs the limits are NaN. Pairs without a value are left out.
    """
    apart = _by_pair(first) - _by_pair(second)
    apart = apart[np.isfinite(apart)]
    factor = inflation(apart.size, shared, splits)
    if not np.isfinite(factor) or apart.size < 3:
        return Estimate(float(apart.mean()) if apart.size else np.nan, np.nan, np.nan, np.nan)
    return intervals.mean(apart, np.arange(apart.size), level=level, span=(-1.0, 1.0), inflation=factor)


def tau(
    student: np.ndarray, teacher: np.ndarray, *, shared: bool = True, splits: int = 1, level: float = 0.95
) -> Estimate:
    """Return the share of the teacher's leak that is left in the student, (AUC - 1/2) / (AUC - 1/2), AUCs (M,) of the same victims.

    Limits: Fieller's (1954), with the t quantile of pairs - 1 and `inflation` of the covariance over pairs. NaN, with its limits, where
    the teacher's own t interval holds 1/2, since the ratio then has no bounds, and below three pairs. p is NaN.
    """
    values = np.stack([_by_pair(student), _by_pair(teacher)]) - 0.5
    values = values[:, np.isfinite(values).all(axis=0)]
    pairs = values.shape[1]
    if pairs < 3 or not np.isfinite(inflation(pairs, shared, splits)):
        return UNKNOWN
    (top, bottom), covariance = values.mean(axis=1), np.cov(values) / pairs * inflation(pairs, shared, splits)
    (v_top, joint), (_, v_bottom) = covariance
    quantile = special.stdtrit(pairs - 1, (1.0 + level) / 2.0)
    if abs(bottom) <= quantile * np.sqrt(v_bottom) or bottom == 0.0:
        return UNKNOWN
    ratio, g = top / bottom, quantile**2 * v_bottom / bottom**2
    left = joint**2 / v_bottom if v_bottom > 0.0 else 0.0
    squared = v_top - 2.0 * ratio * joint + ratio**2 * v_bottom - g * (v_top - left)
    middle = (ratio - quantile**2 * joint / bottom**2) / (1.0 - g)
    half = quantile * np.sqrt(max(squared, 0.0)) / abs(bottom) / (1.0 - g)
    return Estimate(float(ratio), float(min(middle - half, ratio)), float(max(middle + half, ratio)), np.nan)


class Cell(NamedTuple):
    """cell; rows in it; members and others, trials over all victims; auc, `mean_auc` within the cell; every, `Samples.like` of its size."""

    cell: int
    rows: int
    members: int
    others: int
    auc: Estimate
    every: Estimate


def by_cell(
    scores: np.ndarray,
    inside: np.ndarray,
    *,
    cells: np.ndarray,
    samples: Samples,
    draws: int = 200,
    shared: bool = True,
    level: float = 0.95,
) -> list[Cell]:
    """Return each cell's AUC beside that of as many rows of all cells, in the order of cells.

    cells (n,): label and group of each row, integers. A small cell's AUC differs from that of all rows by chance alone, so that it is
    compared with samples of its size.
    """
    found = []
    for cell in np.unique(cells):
        at = np.flatnonzero(cells == cell)
        own = mean_auc(scores[:, at], inside[:, at], shared=shared, level=level)
        members = int(inside[:, at].sum())
        every = samples.like(own.value, at.size, draws=draws, level=level)
        found.append(Cell(int(cell), at.size, members, len(inside) * at.size - members, own, every))
    return found


class Samples:
    """Mean AUCs of samples of rows. A sample is the first rows, unit by unit, of a random order of units.

    scores, inside (M, n); units (n,): rows of one unit are copies, drawn together.
    """

    def __init__(self, scores: np.ndarray, inside: np.ndarray, *, units: np.ndarray, rng: np.random.Generator) -> None:
        self.unit, self.rng = np.unique(units, return_inverse=True)[1].reshape(-1), rng
        codes, self.tied = _codes(scores)
        # candidates first, so that a sample is read in whole runs of memory
        self.both = np.ascontiguousarray((2 * codes + inside).T)

    def like(self, value: float, size: int, *, draws: int = 200, level: float = 0.95) -> Estimate:
        """Return the mean AUC of samples of so many rows, with the limits that the share `level` of them keeps within, and as p the share
        of them that are as far from their mean as the value is, on either side."""
        found = np.empty(draws)
        for draw in range(draws):
            order = self.rng.permutation(self.unit.max() + 1)
            # the row decides within its unit, so that a unit's rows stay together
            chosen = order if order.size == self.unit.size else np.argsort(order[self.unit], kind="stable")
            part = np.ascontiguousarray(self.both[chosen[:size]].T)
            found[draw] = _mean(_areas(part >> 1, self.tied, (part & 1) == 1))
        return _placed(value, found, level)


def _placed(value: float, samples: np.ndarray, level: float) -> Estimate:
    """Return the mean of samples, their limits, and the share of them that are as far from it as the value."""
    samples = samples[np.isfinite(samples)]
    if not samples.size or np.isnan(value):
        return UNKNOWN
    middle = float(samples.mean())
    low, high = np.quantile(samples, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    far = (np.abs(samples - middle) >= abs(value - middle) - intervals.ROUNDING).sum()
    return Estimate(middle, float(low), float(high), float((far + 1) / (samples.size + 1)))


def _by_pair(values: np.ndarray) -> np.ndarray:
    """Return the means (M/2,) over twins."""
    return np.asarray(values, dtype=np.float64).reshape(-1, 2).mean(axis=1)


def _mean(values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float(values.mean()) if values.size else np.nan
