"""Adversaries and groups finer than the bound's: one who sees a record's score, and the intersections of two attributes.

Both are special cases of `bounds_general`, in the label-balanced game, estimated from cell counts of finitely many rows.

**Fitted and measured apart.** A plug-in total variation over C bins is biased upwards: with n rows a cell and no
difference at all it is about sqrt(C / (pi n)), 0.1 for C = 10, n = 300, and a largest difference over many small cells
is no better. So the rows of every cell are halved; the rule (which bins speak for group 1; which pair of groups lies
apart, and in which direction; which label has the larger difference) is chosen on one half and measured on the other,
and the two ways are averaged: both the advantage and the Delta_EO of its bound. The result is that of rules that an
adversary could have used, hence in expectation never above the truth, and may be below 0 by chance.

Both forms are **theorems**, checks of the code and no findings. Measured, a left side may lie above its right side by
chance, also where few rows make the halves choose the wrong label or pair: the lower limit of the excess is above 0 for
up to 2.5 % of models, 4 % at 14 rows a cell (simulated), and for more only if something is wrong.

**Scores**, cut into BINS equal bins: C = BINS, two groups. delta_y^s = TV between the groups of the bin given y,
    adv_scores = sum_y pi(y) W_y delta_y^s <= max_y delta_y^s W.
0.5 is an edge of the bins, so they tell the hard label and more: adv_scores is at least the label's own advantage, and
Delta_EO W, which is of labels, bounds nothing here.

**Groups** (a, s), s a second attribute whose law given (y, a) is the same in both worlds: W_y over (a, s) is that over
a, and Delta_EO over (a, s) is at least that over a, whose rates are means of the finer ones. So rhs_groups = Delta_EO^g W
bounds what is seen by one who knows (yhat, y). It also bounds one who is told s, in the game that is balanced over
(y, s), where s says nothing by itself:
    adv_groups = sum_{y, s} pi(y, s) W_{y, s} delta_{y, s} <= Delta_EO^g W,     pi(y, s) = pi(y) (p_0 + p_1) / 2,
with p_b = P_b(s | y), delta_{y, s} = |P(yhat = 1 | y, a = 1, s) - P(yhat = 1 | y, a = 0, s)| <= Delta_EO^g, and
sum_s pi(s | y) W_{y, s} <= W_y: given y let r_b = P_b(a = 1 | y) and f_a = P(s | y, a), so p_b = (1 - r_b) f_0 + r_b f_1 and
W_{y, s} = f_0 f_1 |r_0 - r_1| / (p_0 p_1). The sum is |r_0 - r_1| times the mean over b of sum_s f_0 f_1 / p_b, and
f_0 f_1 / p_b = 1 / ((1 - r_b) / f_1 + r_b / f_0) <= (1 - r_b) f_1 + r_b f_0 (harmonic and arithmetic mean), which sums to 1.

Limits are those of resampling rows within (y, a) or (y, a, s) cells of a half; rules and choices stay what they are, so
that adv minus rhs is linear in the cells' shares and has the resample's variance. The errors of the halves are added,
since each half's choices serve the other's measure, which makes the two alike where nothing lies apart. Against the
literal Delta_EO W, which holds absolute values, draws are made: of the normal law with the resample's means and
covariances, since binomial draws for the many cells would cost several times all other measures. Where that law is
poor, in cells of fewer than 30 rows, the row of the table is flagged anyway. rng is consumed model by model, as in
`bounds`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from . import bounds_general
from .fairness import THRESHOLD, crossed

BINS = 10
"""Equal bins of scores; even, so that THRESHOLD is an edge."""
UPPER = slice(BINS // 2, None)
"""The bins of hard label 1."""
BLOCK = 1 << 15
"""Bootstrap tables handled at once: what is made on the way stays in the cache."""
TAILS = (0.025, 0.975)
NORMAL = np.array([[-1.0], [1.0]]) * 1.959964
"""The normal law's quantiles at TAILS, (2, 1)."""


class Scores(NamedTuple):
    """K models' (K,) arrays; the excesses (2, K) are 95 % limits (low, high) of adv minus rhs and minus Delta_EO W."""

    adv: np.ndarray
    delta_eo: np.ndarray
    rhs: np.ndarray
    excess: np.ndarray
    excess_literal: np.ndarray


class Groups(NamedTuple):
    """K models' (K,) arrays; excess (2, K): 95 % limits (low, high) of adv minus rhs; smallest: rows of a cell.

    delta_eo is the plug-in range, too high where cells are small: an upper end. rhs = delta_eo_measured W.
    """

    adv: np.ndarray
    delta_eo: np.ndarray
    delta_eo_measured: np.ndarray
    rhs: np.ndarray
    excess: np.ndarray
    smallest: int


def halved(y: np.ndarray, a: np.ndarray, subgroup: np.ndarray | None = None) -> np.ndarray:
    """Count the rows by half, label and group, (2, 2, 2), and by second attribute if there is one, (2, 2, 2, S).

    Rows of a cell go to the halves in turn, here as in `score_cells` and `group_cells`.
    """
    place, kinds = _placed(y, a, subgroup)
    rows = np.bincount(place, minlength=8 * kinds)
    return rows.reshape((2, 2, 2) if subgroup is None else (2, 2, 2, kinds))


def score_cells(scores: np.ndarray, y: np.ndarray, a: np.ndarray) -> np.ndarray:
    """Count scores (K, q) in [0, 1] by half, label, group and bin: (K, 2, 2, 2, BINS) float64.

    Rows of a (y, a) cell go to the halves in turn. A model with a score that is not finite is NaN throughout.
    """
    scores = np.asarray(scores)
    cell = _placed(y, a)[0] * BINS
    width, middle = 8 * BINS, BINS // 2
    found = np.empty((len(scores), width))
    step = max(1, BLOCK // max(1, scores.shape[1]))
    for start in range(0, len(scores), step):
        part = scores[start : start + step]
        finite = np.isfinite(part).all(axis=1)
        part = np.where(finite[:, None], part, 0)
        place = np.minimum((part * BINS).astype(np.int64), BINS - 1)
        # the threshold decides the half of the scale, whatever the product rounds to
        place = np.where(part >= THRESHOLD, np.maximum(place, middle), np.minimum(place, middle - 1))
        place += cell + width * np.arange(len(part))[:, None]
        counts = np.bincount(place.reshape(-1), minlength=width * len(part)).reshape(-1, width)
        found[start : start + step] = np.where(finite[:, None], counts, np.nan)
    return found.reshape(-1, 2, 2, 2, BINS)


def of_scores(
    cells: np.ndarray, joint_0: np.ndarray, joint_1: np.ndarray, *, draws: int, rng: np.random.Generator
) -> Scores:
    """Return the score adversary's side and its bound, from `score_cells` and the worlds' joints (2, 2) = P(y, a).

    A form that needs a cell without rows in a half is NaN, as is a diverged model.
    """
    joints = np.stack([joint_0, joint_1])
    w_y = bounds_general.group_distance(joints)
    weight = joints.sum(axis=2).mean(axis=0) * w_y
    w = float(weight.sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        share = cells / cells.sum(axis=4, keepdims=True)
    rule = _sign(share[:, ::-1, :, 1] - share[:, ::-1, :, 0])  # from the other half
    rule = rule[:, :, :, None]  # (K, half, y, 1, bin)
    # (K, y, a): share named group 1, share with hard label 1, share with both; the halves weigh the same
    named = np.where(rule > 0, share, 0.0)
    halved = named.sum(axis=4)  # (K, half, y, a)
    named, hard, both = (part.sum(axis=4).mean(axis=1) for part in (named, share[..., UPPER], named[..., UPPER]))
    named[np.isnan(rule).any(axis=(1, 3, 4))] = np.nan
    size = cells.sum(axis=(1, 4))

    def advantage(named: np.ndarray) -> np.ndarray:
        """Return adv (K, draws) from differences between the groups (K, y, draws)."""
        return (np.where(weight[:, None] > 0, named, 0.0) * weight[:, None]).sum(axis=1)

    apart, apart_hard = (part[..., 1:] - part[..., :1] for part in (named, hard))  # (K, y, 1)
    adv = advantage(apart)[:, 0]
    # for each half (K, half, y): is it the label that lies apart most in the other half, by the total variation less
    # what it would be by chance, without which a rare label would seem to lie apart
    with np.errstate(invalid="ignore", divide="ignore"):
        chance = np.sqrt(2 / np.pi * (share * (1 - share) / cells.sum(axis=4, keepdims=True)).sum(axis=3))
    seen = (np.abs(share[..., 1, :] - share[..., 0, :]) - chance).sum(axis=3)[:, ::-1]
    label = np.where(np.isnan(seen), -np.inf, seen).argmax(axis=2)[..., None] == np.arange(2)
    apart_halved = halved[..., 1] - halved[..., 0]
    apart_halved[np.isnan(rule).any(axis=(3, 4))] = np.nan
    delta_eo = np.where(label, apart_halved, 0.0).sum(axis=2).mean(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = (halved * (1 - halved) / cells.sum(axis=4)).sum(axis=3)
    factor = (np.broadcast_to(weight, label.shape) - w * label) / 2
    error = np.sqrt((np.where(factor == 0.0, 0.0, spread) * factor**2).sum(axis=2)).sum(axis=1)
    excess = adv - delta_eo * w + NORMAL * error
    # the resample's covariances of the two differences, (K, y, 1): groups are independent, so they add
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = (named * (1 - named) / size).sum(axis=2, keepdims=True)
        spread_hard = (hard * (1 - hard) / size).sum(axis=2, keepdims=True)
        slope = ((both - named * hard) / size).sum(axis=2, keepdims=True) / np.where(spread_hard > 0, spread_hard, 1.0)
        rest = np.sqrt(np.maximum(spread - slope**2 * spread_hard, 0.0))
    known = ~np.isnan(named).any(axis=(1, 2))
    literal = np.full((2, len(cells)), np.nan)
    places = np.flatnonzero(known)
    step = max(1, BLOCK // draws)
    for start in range(0, len(places), step):
        rows = places[start : start + step]
        normal = rng.standard_normal((len(rows), 2, 2, draws))  # the draws last: reductions then run along them
        shift = np.sqrt(spread_hard[rows]) * normal[:, 0]
        hard_drawn = np.clip(apart_hard[rows] + shift, -1.0, 1.0)
        named_drawn = np.clip(apart[rows] + slope[rows] * shift + rest[rows] * normal[:, 1], -1.0, 1.0)
        right = np.fmax.reduce(np.abs(hard_drawn), axis=1) * w
        literal[:, rows] = np.quantile(advantage(named_drawn) - right, TAILS, axis=1)
    return Scores(adv, delta_eo, delta_eo * w, _rounded(np.where(known, excess, np.nan)), _rounded(literal))


def group_cells(
    scores: np.ndarray, y: np.ndarray, a: np.ndarray, subgroup: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Count hard positives (K, 2, 2, 2, S) by half, label, group and second attribute, and rows (2, 2, 2, S).

    subgroup (q,) in 0 .. S - 1. Rows of a (y, a, s) cell go to the halves in turn. A diverged model's positives are NaN.
    """
    scores = np.asarray(scores)
    place, kinds = _placed(y, a, subgroup)
    member = np.zeros((scores.shape[1], 8 * kinds), dtype=np.float32)  # counts stay below 2^24: exact
    member[np.arange(len(place)), place] = 1.0
    positives = ((scores >= THRESHOLD).astype(np.float32) @ member).astype(np.float64)
    positives[~np.isfinite(scores).all(axis=1)] = np.nan
    rows = np.bincount(place, minlength=8 * kinds)
    return positives.reshape(-1, 2, 2, 2, kinds), rows.reshape(2, 2, 2, kinds)


def of_groups(
    positives: np.ndarray,
    rows: np.ndarray,
    joint_0: np.ndarray,
    joint_1: np.ndarray,
) -> Groups:
    """Return what intersections (a, s) of two attributes give, from `group_cells` and the joints (2, 2) = P(y, a).

    P(s | y, a) is the share among the rows given. An intersection without rows is no group; where half of one has no
    rows, the rule that is chosen there says nothing of it. `smallest` is over the intersections that have rows.
    """
    joints = np.stack([joint_0, joint_1])
    w_y = bounds_general.group_distance(joints)
    pi = joints.sum(axis=2).mean(axis=0)
    w = float(pi @ w_y)
    total = rows.sum(axis=0)  # (y, a, s)
    there = total > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.nan_to_num(total / total.sum(axis=2, keepdims=True))  # P(s | y, a)
        rate = positives / rows
        whole = positives.sum(axis=1) / total
    weight = _told_weights(joints, share, pi, w_y)  # (y, s)
    lean = _sign(rate[:, ::-1, :, 1] - rate[:, ::-1, :, 0])  # (K, half, y, s)
    # without an opinion, or without rows to measure it on, the adversary tosses a coin, which gains nothing
    lean = np.where((rows > 0).all(axis=2), np.nan_to_num(lean), 0.0) * weight / 2

    lean = np.stack([-lean, lean], axis=3)  # (K, half, y, a, s): how a rate enters the advantage
    kinds = there.size // 2
    delta_eo = _range(whole.reshape(-1, 2, kinds, 1))[:, 0]
    known = ~np.isnan(positives).any(axis=(1, 2, 3, 4)) & bool((total.sum(axis=2) > 0).all())
    filled = np.where(rows > 0, rate, 0.0)
    adv = np.where(known, (filled * lean).sum(axis=(1, 2, 3, 4)), np.nan)
    chosen, factor = crossed(rate.reshape(*rate.shape[:3], -1))
    measured = np.where(known, chosen, np.nan)
    # adv minus rhs is linear in the rates of the halves' cells: how each of them enters
    enters = lean - (factor * (w / 2)).reshape(lean.shape)
    error = np.sqrt((enters**2 * filled * (1 - filled) / np.maximum(rows, 1)).sum(axis=(2, 3, 4))).sum(axis=1)
    excess = adv - measured * w + NORMAL * error
    return Groups(adv, delta_eo, measured, measured * w, _rounded(excess), int(total[there].min()))


def _range(rate: np.ndarray) -> np.ndarray:
    """Return Delta_EO (K, draws) of rates (K, y, a x s, draws); NaN is an absent group.

    With two predictions the largest difference is that between the largest and the smallest rate.
    """
    return np.fmax.reduce(np.fmax.reduce(rate, axis=2) - np.fmin.reduce(rate, axis=2), axis=1)


def _told_weights(joints: np.ndarray, share: np.ndarray, pi: np.ndarray, w_y: np.ndarray) -> np.ndarray:
    """Return pi(y, s) W_{y, s} (2, S) of the game that is balanced over (y, s), from share = P(s | y, a)."""
    label = joints.sum(axis=2)
    given = joints / np.where(label > 0, label, 1.0)[:, :, None]  # P_b(a | y)
    both = given[..., None] * share  # P_b(a, s | y), [world, y, a, s]
    second = both.sum(axis=2)  # P_b(s | y)
    inside = both / np.where(second > 0, second, 1.0)[:, :, None]
    apart = np.where((second > 0).all(axis=0), 0.5 * np.abs(inside[0] - inside[1]).sum(axis=1), 0.0)
    return np.where(w_y > 0, pi, 0.0)[:, None] * second.mean(axis=0) * apart


def _placed(y: np.ndarray, a: np.ndarray, subgroup: np.ndarray | None = None) -> tuple[np.ndarray, int]:
    """Return the number of each row's half, label, group and second attribute (q,), in that order, and how many of the last
    there are: 1 without one."""
    cell, kinds = 2 * np.asarray(y, dtype=np.int64) + a, 1
    if subgroup is not None:
        subgroup = np.asarray(subgroup, dtype=np.int64)
        kinds = int(subgroup.max()) + 1
        cell = cell * kinds + subgroup
    return _halves(cell) * 4 * kinds + cell, kinds


def _halves(cell: np.ndarray) -> np.ndarray:
    """Return 0 or 1 for each row (q,): the rows of one cell go to the two halves in turn, so these differ by one at most."""
    order = np.argsort(cell, kind="stable")
    ranked = cell[order]
    first = np.searchsorted(ranked, ranked)
    half = np.empty(len(cell), dtype=np.int64)
    half[order] = (np.arange(len(cell)) - first) % 2
    return half


def _sign(difference: np.ndarray) -> np.ndarray:
    """Return 1 where the difference is at least 0, else -1; NaN where it is not known."""
    return np.where(np.isnan(difference), np.nan, np.where(difference >= 0, 1.0, -1.0))


def _rounded(excess: np.ndarray) -> np.ndarray:
    return np.where(np.abs(excess) < 1e-12, 0.0, excess)
