"""The evaluation-side bound: what one record's (prediction, label) can tell about the world it was drawn from.

The model is fixed. r[y, a] = P(yhat = 1 | y, a); world b has the joint law J_b[y, a] = P_b(y, a), with label rates
pi_b(y) = sum_a J_b[y, a] and group rates P_b(a | y) = J_b[y, a] / pi_b(y). Only the joints differ between worlds.

    delta_y = |r[y, 1] - r[y, 0]|            Delta_EO = max_y delta_y
    W_y = TV(P_0(a | y), P_1(a | y))         pi(y) = (pi_0(y) + pi_1(y)) / 2         W = sum_y pi(y) W_y
    beta = |pi_0(1) - pi_1(1)|               Acc_b = P_b(yhat = y)                   gap = |Acc_0 - Acc_1|
    Adv = TV of (yhat, y) between worlds, the optimal adversary's TPR - FPR

Write C_b(y) = sum_a P_b(a | y) c[y, a], with c[1, a] = r[1, a] and c[0, a] = 1 - r[0, a]: the share of label y that is
predicted right in world b (TPR for y = 1, TNR for y = 0). With two groups |C_0(y) - C_1(y)| = W_y delta_y, an equality.

**Literal**: gap <= Delta_EO W and Adv <= Delta_EO W. A theorem if pi_0 = pi_1, and not otherwise: a constant classifier
has Delta_EO = 0 and gap = beta.

**Corrected**: Acc_0 - Acc_1 = sum_y [pi_0(y) C_0(y) - pi_1(y) C_1(y)]. By the identity
u v - s t = (u + s)/2 (v - t) + (u - s)(v + t)/2 this is
    Acc_0 - Acc_1 = sum_y pi(y) [C_0(y) - C_1(y)] + sum_y [pi_0(y) - pi_1(y)] Cbar(y),     Cbar = (C_0 + C_1) / 2.
Label rates sum to 1, so pi_0(1) - pi_1(1) = -(pi_0(0) - pi_1(0)) = +-beta, and the second sum is
+-beta (Cbar(1) - Cbar(0)):
    gap <= sum_y pi(y) W_y delta_y + beta |TPRbar - TNRbar|.
The means are plain means over the two worlds: qbar = pi, TPRbar = Cbar(1), TNRbar = Cbar(0). The method names the three
without defining them; under these definitions the inequality is a theorem for every table.

**Coupling**: couple the labels of the two worlds to agree with probability sum_y min_b pi_b(y) = 1 - beta, then the
predictions given an equal label y to differ with probability W_y delta_y. A coupling bounds total variation, so
    Adv <= beta + sum_y min_b pi_b(y) W_y delta_y <= beta + (1 - beta) Delta_EO max_y W_y.

**Label-balanced**: re-weight the records of both worlds to the label rates pi, P_b(a | y) kept. The labels then say
nothing and TV of (yhat, y) = sum_y pi(y) |C_0(y) - C_1(y)| = sum_y pi(y) W_y delta_y, which is the optimal advantage,
and at most Delta_EO W. W_y does not move under this re-weighting, so the right-hand side equals the literal one in
value; the left does not. The advantage falls iff this weighted sum falls (Theorem 2, weighted form); the max form,
Delta_EO, is neither necessary nor enough.

`bounds_general` has the same for more labels, predictions and groups; this file stays apart because the bootstrap calls
`terms` on hundreds of thousands of tables, at a third of the general form's cost. `bounds_finer` has scores and
intersections.

Conventions: where a world has no record of label y, P_b(a | y) is undefined and W_y = 0. Every theorem above holds
under that choice, because the label enters with min_b pi_b(y) = 0 or through beta. A NaN rate counts as absent: it
matters to nothing where neither world has mass in its cell, and makes the quantities that need it NaN otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

BLOCK = 1 << 17
"""Bootstrap tables handled at once: some tens of MB whatever K and the number of draws are."""
ROUNDING = 1e-12
"""Excesses below this are 0: several forms are equalities, and a last-bit difference is no violation."""


class Bound(NamedTuple):
    """Both sides of every form for K models: (K,) arrays; but delta_y is (K, 2), w_y (2,), w and beta are floats."""

    delta_y: np.ndarray
    delta_eo: np.ndarray
    w_y: np.ndarray
    pi: np.ndarray
    w: float
    beta: float
    gap: np.ndarray
    rhs_literal: np.ndarray
    rhs_corrected: np.ndarray
    adv: np.ndarray
    rhs_coupling: np.ndarray
    adv_balanced: np.ndarray
    rhs_balanced: np.ndarray


class Excess(NamedTuple):
    """Left minus right side of each form, above 0 a violation: (K,), or from `bootstrap` (2, K) = (low, high)."""

    literal: np.ndarray
    corrected: np.ndarray
    coupling: np.ndarray
    balanced: np.ndarray


class Witness(NamedTuple):
    """The witness's measured advantage, its 95 % interval, and the bound Delta_EO W = D that it should attain."""

    advantage: float
    low: float
    high: float
    bound: float


def world_cells(*, ratio: float, mode: str, rates: np.ndarray, label_rate: float | None = None) -> np.ndarray:
    """Return a world's joint law P(y, a), (2, 2) indexed [y, a].

    ratio: P(a = 1). rates (2,): the population's P(y = 1 | a). mode 'natural': P(y, a) = P(a) P(y | a), so the label
    rate moves with the ratio. mode 'label-balanced': P(y, a) = P(a) P(y) with P(y = 1) = label_rate in both groups;
    rates are not used. A group of ratio 0 may have a NaN rate. Raises ValueError for an unknown mode or a share outside
    [0, 1].
    """
    group = np.array([1.0 - ratio, ratio])
    if mode == "natural":
        positive = np.where(group == 0.0, 0.0, np.asarray(rates, dtype=np.float64))
    elif mode == "label-balanced":
        if label_rate is None:
            raise ValueError("mode 'label-balanced' needs label_rate")
        positive = np.full(2, float(label_rate))
    else:
        raise ValueError(f"mode must be natural or label-balanced, not {mode!r}")
    if positive.shape != (2,) or not ((group >= 0) & (positive >= 0) & (positive <= 1)).all():
        raise ValueError(f"ratio, rates and label_rate must lie in [0, 1]: {ratio}, {rates}, {label_rate}")
    return np.stack([group * (1.0 - positive), group * positive])


def terms(rates: np.ndarray, joint_0: np.ndarray, joint_1: np.ndarray) -> Bound:
    """Return both sides of every form (formulas at the top of this file).

    rates (K, 2, 2): P(yhat = 1 | y, a), indexed [model, y, a]; joint_0, joint_1 (2, 2): P(y, a) of the two worlds. All
    outputs are probabilities or differences of them. Raises ValueError for shapes that do not match and joints that do
    not sum to 1.
    """
    rates = np.asarray(rates, dtype=np.float64)
    joints = np.stack([_joint(joint_0), _joint(joint_1)])
    if rates.ndim != 3 or rates.shape[1:] != (2, 2):
        raise ValueError(f"rates must be (K, 2, 2), not {rates.shape}")
    label = joints.sum(axis=2)  # [world, y]
    pi = label.mean(axis=0)
    present = (label > 0.0).all(axis=0)
    given = joints / np.where(label > 0.0, label, 1.0)[:, :, None]  # P_b(a | y), [world, y, a]
    w_y = np.where(present, 0.5 * np.abs(given[0] - given[1]).sum(axis=1), 0.0)
    beta = float(abs(label[0, 1] - label[1, 1]))
    w = float(pi @ w_y)
    delta_y = np.abs(rates[:, :, 1] - rates[:, :, 0])
    delta_eo = np.fmax(delta_y[:, 0], delta_y[:, 1])

    rates = np.where(np.isnan(rates) & (joints.sum(axis=0) == 0.0), 0.0, rates)  # 0 * NaN must stay 0
    positive = np.einsum("bya,kya->kby", joints, rates)  # P_b(yhat = 1, y)
    right = np.stack([label[:, 0] - positive[:, :, 0], positive[:, :, 1]], axis=2)  # P_b(yhat = y, y)
    accuracy = right.sum(axis=2)
    mean_right = _mean_right(right, label)
    weighted = np.where(w_y > 0.0, pi * w_y * np.where(w_y > 0.0, delta_y, 0.0), 0.0).sum(axis=1)
    shift = positive[:, 0] - positive[:, 1]
    adv = 0.5 * (np.abs(shift) + np.abs(label[0] - label[1] - shift)).sum(axis=1)
    return Bound(
        delta_y=delta_y,
        delta_eo=delta_eo,
        w_y=w_y,
        pi=pi,
        w=w,
        beta=beta,
        gap=np.abs(accuracy[:, 0] - accuracy[:, 1]),
        rhs_literal=times(delta_eo, w),
        rhs_corrected=weighted + (beta * np.abs(mean_right[:, 1] - mean_right[:, 0]) if beta > 0.0 else 0.0),
        adv=adv,
        rhs_coupling=beta + (1.0 - beta) * times(delta_eo, w_y.max()),
        adv_balanced=weighted,
        rhs_balanced=times(delta_eo, w),
    )


def times(delta_eo: np.ndarray, w: float) -> np.ndarray:
    """Return Delta_EO w, (K,): 0 for w = 0, also where no delta_y is known."""
    return delta_eo * w if w > 0.0 else np.zeros_like(delta_eo)


def excess(bound: Bound) -> Excess:
    """Return left side minus right side of each form, (K,) each; differences within rounding are 0."""
    sides = (
        (bound.gap, bound.rhs_literal),
        (bound.gap, bound.rhs_corrected),
        (bound.adv, bound.rhs_coupling),
        (bound.adv_balanced, bound.rhs_balanced),
    )
    return over(sides)


def over(sides: Iterable[tuple[np.ndarray, np.ndarray]]) -> Excess:
    """Return left minus right of the sides of each form, in the order of `Excess`; differences within rounding are 0."""
    differences = (left - right for left, right in sides)
    return Excess(*(np.where(np.abs(value) < ROUNDING, 0.0, value) for value in differences))


def bootstrap(
    positives: np.ndarray,
    counts: np.ndarray,
    joint_0: np.ndarray,
    joint_1: np.ndarray,
    *,
    draws: int,
    rng: np.random.Generator,
    level: float = 0.95,
) -> Excess:
    """Return the bootstrap limits of left minus right side, each (2, K): row 0 the lower limit, row 1 the upper.

    positives (K, 2, 2) hard positives and counts (2, 2) rows by [y, a]. Stratified over the (y, a) cells: a resample of
    n rows of which x are positive has Binomial(n, x / n) positives, so each cell is one binomial draw and no row is
    touched. Cell sizes and joints are fixed: what is resampled is the model's answers. Models share rows, so their
    limits are not independent.

    Method: the hull of the percentile limits and the basic ("reverse percentile") ones, 2 estimate - quantile. The
    right side holds a largest absolute difference, whose plug-in value is too high where labels tie or differences are
    near 0; a resample repeats that bias, so that percentile limits count it twice, towards "the bound holds", while
    basic limits take it off once too often where labels are apart. The hull errs as the better of the two on either
    side. Simulated coverage of the literal form at nominal 95 %, 125 and 500 rows a cell: 94 to 97 % at the boundary
    (excess 0: both labels tie, or no difference at all), where the truth is above `high` in 3.4 to 5.9 % rather than
    2.5; 93 to 99 % elsewhere. Percentile limits alone cover 6 to 88 % at the boundary, basic ones 93 to 96 % there and
    78 to 95 % elsewhere. Where a form is a theorem (all but the literal one, and that for equal label rates) the truth
    is at most 0, and so is the upper limit unless draws are above 0.

    rng is consumed model by model, hence neither the block size nor models appended later change a model's draws. A
    model with NaN positives, and a form that needs the rate of an empty cell, give NaN. A theorem's lower limit above 0
    would show a defect in the code or in the joints, not a finding. Source: Davison & Hinkley (1997), sections 5.2 and
    5.3; why neither bootstrap is consistent at a tie: Fang & Santos (Rev. Econ. Stud. 2019).
    """
    positives = np.asarray(positives, dtype=np.float64)
    counts = np.asarray(counts, dtype=np.int64)
    if positives.ndim != 3 or positives.shape[1:] != (2, 2) or counts.shape != (2, 2):
        raise ValueError(f"positives must be (K, 2, 2) and counts (2, 2), not {positives.shape} and {counts.shape}")
    if draws < 1:
        raise ValueError(f"draws must be at least 1, not {draws}")
    known = ~np.isnan(positives) & (counts > 0)
    share = np.where(known, positives, 0.0) / np.maximum(counts, 1)
    if ((share < 0) | (share > 1)).any():
        raise ValueError("positives must lie between 0 and counts")
    tails = [(1.0 - level) / 2.0, (1.0 + level) / 2.0]
    limits = [np.empty((2, len(positives))) for _ in Excess._fields]
    step = max(1, BLOCK // draws)
    for start in range(0, len(positives), step):
        rows = slice(start, start + step)
        size = len(share[rows])
        drawn = rng.binomial(counts, share[rows, None], size=(size, draws, 2, 2)) / np.maximum(counts, 1)
        drawn = np.where(known[rows, None], drawn, np.nan).reshape(-1, 2, 2)
        for limit, value in zip(limits, excess(terms(drawn, joint_0, joint_1)), strict=True):
            limit[:, rows] = np.quantile(value.reshape(size, draws), tails, axis=1)
    point = terms(np.where(known, share, np.nan), joint_0, joint_1)
    return hulls(excess(point), limits, literal=point.beta < ROUNDING)


def hulls(estimate: Excess, limits: Sequence[np.ndarray], *, literal: bool) -> Excess:
    """Return the `hull` of each form. literal: whether that form is a theorem here; the others always are."""
    theorems = {"literal": literal, "corrected": True, "coupling": True, "balanced": True}
    return Excess(
        **{
            name: hull(value, limit, theorems[name])
            for name, value, limit in zip(Excess._fields, estimate, limits, strict=True)
        }
    )


def hull(estimate: np.ndarray, limits: np.ndarray, theorem: bool) -> np.ndarray:
    """Return the hull (2, K) of percentile limits (2, K) and basic ones; a theorem's above 0 only where draws are."""
    basic = 2.0 * estimate - limits[::-1]
    high = np.maximum(limits[1], basic[1])
    if theorem:
        high = np.minimum(high, np.maximum(limits[1], 0.0))
    return np.stack([np.minimum(limits[0], basic[0]), high])


def k_queries(delta_eo: np.ndarray, w: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Return the bound 1 - (1 - Delta_EO W)^k on the advantage of k independent queries; arguments broadcast.

    From the coupling of one query: k pairs all agree with probability (1 - Adv)^k at least. It needs equal label rates.
    """
    return 1.0 - (1.0 - np.asarray(delta_eo) * np.asarray(w)) ** np.asarray(k)


def queries_to_detect(
    gap: np.ndarray, *, accuracy: np.ndarray, level: float = 0.05, power: float = 0.8
) -> np.ndarray | float:
    """Return the queries a group after which a one-sided test finds a `gap` between two accuracies around `accuracy`.

    n = (z_{1 - level} + z_power)^2 2 p (1 - p) / gap^2, the normal approximation of the two-sample test of proportions.
    The arguments broadcast; NaN where there is no gap to find.
    """
    from scipy.special import ndtri

    gap, p = np.asarray(gap, dtype=np.float64), np.asarray(accuracy, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = (ndtri(1.0 - level) + ndtri(power)) ** 2 * 2.0 * p * (1.0 - p) / gap**2
    return np.where(gap == 0.0, np.nan, found)[()]


def detection_power(k: np.ndarray, *, queries: np.ndarray, level: float = 0.05, power: float = 0.8) -> np.ndarray:
    """Return the power of that test after k queries a group, if `queries` give it `power`; arguments broadcast.

    Phi((z_{1 - level} + z_power) sqrt(k / queries) - z_{1 - level}): the shift grows with sqrt(k).
    """
    from scipy.special import ndtr, ndtri

    shift = (ndtri(1.0 - level) + ndtri(power)) * np.sqrt(np.asarray(k) / np.asarray(queries))
    return ndtr(shift - ndtri(1.0 - level))


def tightness_witness(*, d: float, n: int, rng: np.random.Generator) -> Witness:
    """Simulate x = (a, u), u uniform, M(x) = 1[u < 1/2 + d (a - 1/2)] in pure worlds (W = 1) and measure its advantage.

    n records from each world; the adversary names the world by the prediction, which is optimal, and its advantage is
    P_1(yhat = 1) - P_0(yhat = 1), d in expectation, with Newcombe's interval for a difference of proportions. The label
    is independent of everything, so Delta_EO = d. Raises ValueError for d outside [0, 1] or n below 1.
    """
    from statsmodels.stats.proportion import confint_proportions_2indep  # slow to import, and needed here alone

    if not 0.0 <= d <= 1.0 or n < 1:
        raise ValueError(f"d must lie in [0, 1] and n be at least 1, not {d} and {n}")
    hits = [int((rng.random(n) < 0.5 + d * (group - 0.5)).sum()) for group in (0, 1)]
    low, high = confint_proportions_2indep(hits[1], n, hits[0], n, method="newcomb", compare="diff")
    return Witness(advantage=(hits[1] - hits[0]) / n, low=float(low), high=float(high), bound=float(d))


def _joint(joint: np.ndarray) -> np.ndarray:
    joint = np.asarray(joint, dtype=np.float64)
    if joint.shape != (2, 2) or (joint < 0).any() or not np.isclose(joint.sum(), 1.0, rtol=0.0, atol=1e-9):
        raise ValueError(f"a world's joint must be (2, 2), at least 0 and sum to 1: {joint.tolist()}")
    return joint


def _mean_right(right: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Return Cbar (K, 2), the mean over worlds of the share of each label predicted right.

    A world without the label borrows the other's share: the choice that goes with W_y = 0 (C_0(y) = C_1(y)) in the
    derivation.
    """
    share = right / np.where(label > 0.0, label, 1.0)
    weight = np.where(label > 0.0, 1.0, 0.0)
    return (share * weight).sum(axis=1) / np.maximum(weight.sum(axis=0), 1.0)
