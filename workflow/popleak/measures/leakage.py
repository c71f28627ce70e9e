"""What an adversary's verdicts amount to: correctness, advantage, the best adversary without optimism, n_leaked.

A verdict is a guess in {0, 1} or -1 (abstained: a coin flip, so half right), and a score, higher = more like world 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from . import intervals, power, roc
from .intervals import Estimate

ABSTAINED = -1
CHOSEN = 1.36
"""Factor of the variance of the best adversary's accuracy, and of differences of such: which one is judged was chosen on other victims
of the same run. Were k adversaries alike and independent, the two halves' means, each judged by the one that is best on the other,
would have the covariance E[largest of k standard normals]^2 / (k - 1) of their variance: at most 0.358, at k = 3. Adversaries that
agree, or of which one is plainly the best, have less, and their intervals are up to 17 % too wide."""


class Best(NamedTuple):
    """The best adversary, chosen for each half on the other.

    folds: the halves, 0 and 1, of the splits, or of the victims of one split; chosen: the adversary's name for each;
    adversary (n,) int64: its position for each victim; correct (n,): its correctness in {0, 0.5, 1} for each victim.
    """

    folds: tuple[int, ...]
    chosen: tuple[str, ...]
    adversary: np.ndarray
    correct: np.ndarray


class Summary(NamedTuple):
    """One cell of the leakage table, of one adversary on one set of victims; p values are against chance."""

    victims: int
    splits: int
    accuracy: Estimate
    advantage: Estimate
    auc: Estimate
    tpr_at_fpr_05: float
    tpr_at_fpr_01: float
    n_leaked: float
    detectable_advantage: float
    abstained: float
    n_leaked_low: float
    n_leaked_high: float
    tpr_at_fpr_05_low: float
    tpr_at_fpr_05_high: float
    tpr_at_fpr_01_low: float
    tpr_at_fpr_01_high: float


def correctness(guess: np.ndarray, world: np.ndarray) -> np.ndarray:
    """Return 1 where the world was named, 0 where the other was, 0.5 where the adversary abstained; (n,) float64.

    Raises ValueError for a guess outside {-1, 0, 1} or a world outside {0, 1}.
    """
    guess, world = np.asarray(guess), np.asarray(world)
    if guess.shape != world.shape or guess.ndim != 1:
        raise ValueError(f"guess and world must have one shape (n,), not {guess.shape} and {world.shape}")
    if not np.isin(guess, (ABSTAINED, 0, 1)).all() or not np.isin(world, (0, 1)).all():
        raise ValueError("guess must hold -1, 0 and 1 only, world 0 and 1 only")
    return np.where(guess == ABSTAINED, 0.5, (guess == world).astype(np.float64))


def accuracy(correct: np.ndarray, split: np.ndarray, *, level: float = 0.95, inflation: float = 1.0) -> Estimate:
    """Return the mean of correct (n,) with its interval clustered by split (n,); p is against 1/2."""
    return _weighted(np.asarray(correct, dtype=np.float64), np.ones(np.size(correct)), split, level, inflation)


def advantage(
    correct: np.ndarray, world: np.ndarray, split: np.ndarray, *, level: float = 0.95, inflation: float = 1.0
) -> Estimate:
    """Return TPR - FPR, an abstention counted one half, with its interval clustered by split; p is against 0.

    TPR - FPR = 2 (mean correctness, each world weighing one half) - 1, so the interval is that of the proportion at the
    same affine map. Victims weigh 2 n_other / n, which sums to the effective size 4 n_0 n_1 / n of such a mean (n, if
    balanced). NaN where a world has no victim.
    """
    correct, world = np.asarray(correct, dtype=np.float64), np.asarray(world)
    ones = float(world.sum())
    if ones in (0.0, float(world.size)):
        return intervals.UNKNOWN
    weight = 2.0 * np.where(world == 1, world.size - ones, ones) / world.size
    half = _weighted(correct, weight, split, level, inflation)
    return Estimate(2.0 * half.value - 1.0, 2.0 * half.low - 1.0, 2.0 * half.high - 1.0, half.p)


def summarise(
    *,
    score: np.ndarray,
    guess: np.ndarray,
    world: np.ndarray,
    split: np.ndarray,
    ratio_0: float,
    ratio_1: float,
    level: float = 0.95,
    inflation: float = 1.0,
) -> Summary:
    """Return one adversary's row from its verdicts on n victims: arrays (n,), and the worlds' P(a = 1).

    tpr_at_fpr_* pool the splits, so they need scores on one scale over splits; `roc.tpr_interval` says how their limits
    are to be read with few negatives. n_leaked is as `n_leaked` gives it: NaN if not defined, inf if no victim was
    missed; it grows with the accuracy, so its limits are those of the accuracy, put through it.
    detectable_advantage is for this many victims and splits, without correlation within splits. inflation: of all variances but those
    of tpr_at_fpr_*; CHOSEN for the best adversary.
    """
    correct = correctness(guess, world)
    split = np.asarray(split)
    named = accuracy(correct, split, level=level, inflation=inflation)
    samples = n_leaked(np.array(named[:3]), ratio_0, ratio_1)
    rates = [roc.tpr_interval(score, world, split, fpr=fpr, level=level) for fpr in (0.05, 0.01)]
    splits = np.unique(split).size
    return Summary(
        victims=correct.size,
        splits=splits,
        accuracy=named,
        advantage=advantage(correct, world, split, level=level, inflation=inflation),
        auc=roc.auc(score, world, split, level=level, inflation=inflation),
        tpr_at_fpr_05=rates[0].value,
        tpr_at_fpr_01=rates[1].value,
        n_leaked=float(samples[0]),
        detectable_advantage=power.detectable_advantage(
            round(correct.size / inflation), splits=splits, level=1.0 - level
        ),
        abstained=float((np.asarray(guess) == ABSTAINED).mean()) if correct.size else np.nan,
        n_leaked_low=float(samples[1]),
        n_leaked_high=float(samples[2]),
        tpr_at_fpr_05_low=rates[0].low,
        tpr_at_fpr_05_high=rates[0].high,
        tpr_at_fpr_01_low=rates[1].low,
        tpr_at_fpr_01_high=rates[1].high,
    )


def cross_fitted_best(
    correct: Mapping[str, np.ndarray] | np.ndarray, splits: np.ndarray, *, world: np.ndarray | None = None
) -> Best:
    """Judge each half of the splits by the adversary that was best on the OTHER half, so that choosing adds no optimism.

    correct: name -> (n,), or an array (adversaries, n) (named '0', '1', ...), in {0, 0.5, 1}; splits (n,): the victim's
    pool split. The halves are the splits at even and at odd places of their order. For each the adversary with the highest mean
    correctness on the other is chosen, the first given of equals, and its verdicts are used. A maximum over adversaries on the same
    victims would exceed chance even where nobody does.

    Why halves, and not each split by all others: all choices but one would then rest on nearly the same splits, and where adversaries
    are alike a split that favours one unmakes its choice. The mean stays right and spreads more than its splits show: where nobody
    knows anything, 95 % intervals would cover 73 to 83 % over 20 splits, and 87 to 92 over five (docs/statistics.md). Between halves
    little of that is left, for which CHOSEN stands.

    With one split, the victims at even and at odd positions are the two folds; given `world`
    (n,), positions are counted within each world. Pass it: victims that alternate between worlds would else make each
    fold a single world.
    Raises ValueError for shapes that differ, no adversary, or values that are not finite.
    """
    names, table = _table(correct)
    splits = np.asarray(splits)
    if splits.shape != table.shape[1:]:
        raise ValueError(f"correct must be (adversaries, n) and splits (n,), not {table.shape} and {splits.shape}")
    ids, member = np.unique(splits, return_inverse=True)
    member = _halves(splits.size, world) if ids.size == 1 else member % 2
    ids = np.arange(min(2, splits.size))
    # Sums of multiples of one half are exact, so equals are equal; a fold's complement has one size for all
    # adversaries.
    inside = np.stack([table[:, member == fold].sum(axis=1) for fold in range(ids.size)], axis=1)
    elsewhere = table.sum(axis=1, keepdims=True) - inside
    best = elsewhere.argmax(axis=0) if ids.size else np.zeros(0, dtype=np.int64)
    adversary = best[member]
    return Best(
        folds=tuple(int(fold) for fold in ids),
        chosen=tuple(names[choice] for choice in best),
        adversary=adversary,
        correct=table[adversary, np.arange(splits.size)],
    )


def n_leaked(accuracy: np.ndarray | float, ratio_0: float, ratio_1: float) -> np.ndarray:
    """Return how many direct samples of a training set tell the worlds apart as well as an attack of this accuracy.

    n = log(4 w (1 - w)) / log(rho*), rho* = max(min(r0, r1)/max(r0, r1), (1 - max)/(1 - min)), w the accuracy: the
    inverse of `best_accuracy`. accuracy: scalar or array in [0, 1], shape kept. 0 where w <= 1/2; inf where w = 1 (no
    victim was missed, so the data set no upper limit); NaN where it says nothing: 0 against 1 (one sample settles it,
    rho* = 0), equal ratios (rho* = 1), or w NaN. Raises ValueError outside [0, 1]. Source: Suri & Evans (PoPETs 2022),
    theorem on ratios of binary attributes.
    """
    w = np.asarray(accuracy, dtype=np.float64)
    if ((w < 0.0) | (w > 1.0)).any():
        raise ValueError("accuracy must lie in [0, 1]")
    rho = _overlap(ratio_0, ratio_1)
    if rho in (0.0, 1.0):
        return np.full(w.shape, np.nan)[()]
    with np.errstate(divide="ignore"):
        n = np.log(4.0 * w * (1.0 - w)) / np.log(rho)
    return np.where(w <= 0.5, 0.0, n)[()]


def best_accuracy(n: np.ndarray, ratio_0: float, ratio_1: float) -> np.ndarray:
    """Return the accuracy w = 1/2 + 1/2 sqrt(1 - rho*^n) that n direct samples allow, the inverse of `n_leaked`.

    n: scalar or array, at least 0, shape kept. An upper bound on what a test on n samples reaches. Same source.
    """
    n = np.asarray(n, dtype=np.float64)
    if (n < 0.0).any():
        raise ValueError("n must be at least 0")
    return 0.5 + 0.5 * np.sqrt(1.0 - _overlap(ratio_0, ratio_1) ** n)


def n_leaked_regression(ratio: np.ndarray | float, mse: np.ndarray) -> np.ndarray:
    """Return n = r (1 - r) / MSE: the direct samples whose mean estimates the ratio r as well as the attack does.

    Broadcasts. inf at an error of 0; NaN at r = 0 and r = 1, where every sample is equal and the formula compares
    nothing.
    Raises ValueError for a ratio outside [0, 1] or a negative error. Source: Suri & Evans (PoPETs 2022).
    """
    ratio, mse = np.broadcast_arrays(np.asarray(ratio, dtype=np.float64), np.asarray(mse, dtype=np.float64))
    if ((ratio < 0.0) | (ratio > 1.0) | (mse < 0.0)).any():
        raise ValueError("ratio must lie in [0, 1] and mse be at least 0")
    variance = ratio * (1.0 - ratio)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(variance > 0.0, variance / mse, np.nan)[()]


def _overlap(ratio_0: float, ratio_1: float) -> float:
    """Return rho*, 1 for equal ratios and 0 for 0 against 1."""
    low, high = sorted((float(ratio_0), float(ratio_1)))
    if low < 0.0 or high > 1.0 or np.isnan(low + high):
        raise ValueError(f"ratios must lie in [0, 1], not {ratio_0} and {ratio_1}")
    return 1.0 if low == high else max(low / high, (1.0 - high) / (1.0 - low))


def _weighted(correct: np.ndarray, weight: np.ndarray, split: np.ndarray, level: float, inflation: float) -> Estimate:
    _, member = np.unique(np.asarray(split), return_inverse=True)
    totals = np.bincount(member, weights=weight)
    # Rounding of weighted sums must not put a perfect split above its total.
    successes = np.minimum(np.bincount(member, weights=weight * correct), totals)
    return intervals.proportion(successes, totals, level=level, inflation=inflation)


def _table(correct: Mapping[str, np.ndarray] | np.ndarray) -> tuple[list[str], np.ndarray]:
    if isinstance(correct, Mapping):
        names = list(correct)
        rows = [np.asarray(row, dtype=np.float64) for row in correct.values()]
        if len({row.shape for row in rows}) > 1:
            raise ValueError("all adversaries must have judged the same victims")
        table = np.array(rows)
    else:
        table = np.asarray(correct, dtype=np.float64)
        names = [str(row) for row in range(len(table))]
    if table.ndim != 2 or len(names) == 0 or not np.isfinite(table).all():
        raise ValueError("correct must hold at least one adversary and finite values (adversaries, n)")
    return names, table


def _halves(size: int, world: np.ndarray | None) -> np.ndarray:
    """Return 0 or 1 by position, counted within each world where worlds are given."""
    half = np.arange(size) % 2
    if world is not None:
        world = np.asarray(world)
        if world.shape != (size,):
            raise ValueError(f"world must be ({size},), not {world.shape}")
        for value in np.unique(world):
            half[world == value] = np.arange((world == value).sum()) % 2
    return half
