"""Adversaries and groups finer than the bound's: one who sees a record's score, and the intersections of two attributes.

Both are special cases of `bounds_general`, in the label-balanced game, estimated from cell counts of finitely many rows.

**Fitted and measured apart.** A plug-in total variation over C bins is biased upwards: with n rows a cell and no
difference at all it is about sqrt(C / (pi n)), 0.1 for C = 10, n = 300, and a largest difference over many small cells
is no better. So the rows of every cell are halved; the rule (which bins speak for group 1; which pair of groups lies
apart, and in which direction) is chosen on one half and measured on the other, and the two ways are averaged. The result
is the advantage of rules that an adversary could have used, hence in expectation never above the truth.

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

The bootstrap resamples rows within (y, a) or (y, a, s) cells; rules stay what they are, so its limits are those of the
rules' advantage. Shares are drawn from the normal law with the resample's means and covariances rather than by binomial
draws, of which the many cells would need so many that they cost several times all other measures; where that law
is poor, in cells of fewer than 30 rows, the row of the table is flagged anyway. rng is consumed model by model, as in
`bounds`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from . import bounds_general
from .fairness import THRESHOLD

BINS = 10
"""Equal bins of scores; even, so that THRESHOLD is an edge."""
BLOCK = 1 << 15
"""Bootstrap tables handled at once: what is made on the way stays in the cache."""
TAILS = (0.025, 0.975)


class Scores(NamedTuple):
    """K models' (K,) arrays; the excesses (2, K) are bootstrap limits (low, high) of adv minus rhs and minus Delta_EO W."""

    adv: np.ndarray
    delta_eo: np.ndarray
    rhs: np.ndarray
    excess: np.ndarray
    excess_literal: np.ndarray


class Groups(NamedTuple):
    """K models' (K,) arrays; excess (2, K): bootstrap limits (low, high) of adv minus rhs; smallest: rows of a cell."""

    adv: np.ndarray
    delta_eo: np.ndarray
    delta_eo_measured: np.ndarray
    rhs: np.ndarray
    excess: np.ndarray
    smallest: int


def score_cells(scores: np.ndarray, y: np.ndarray, a: np.ndarray) -> np.ndarray:
    """Count scores (K, q) in [0, 1] by half, label, group and bin: (K, 2, 2, 2, BINS) float64.

    Rows of a (y, a) cell go to the halves in turn. A model with a score that is not finite is NaN throughout.
    """
    scores = np.asarray(scores)
    cell = 2 * np.asarray(y, dtype=np.int64) + a
    cell = (4 * _halves(cell) + cell) * BINS
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
    up = slice(BINS // 2, None)
    named = np.where(rule > 0, share, 0.0)
    named, hard, both = (part.sum(axis=4).mean(axis=1) for part in (named, share[..., up], named[..., up]))
    named[np.isnan(rule).any(axis=(1, 3, 4))] = np.nan
    size = cells.sum(axis=(1, 4))

    def sides(named: np.ndarray, hard: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return adv and the two Delta_EO from differences between the groups (.., y)."""
        adv = np.where(weight > 0, named, 0.0) @ weight
        return adv, np.fmax.reduce(named, axis=-1), np.fmax.reduce(np.abs(hard), axis=-1)

    apart, apart_hard = named[..., 1] - named[..., 0], hard[..., 1] - hard[..., 0]
    adv, delta_eo, _ = sides(apart, apart_hard)
    # the resample's covariances of the two differences, (K, y): groups are independent, so they add
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = (named * (1 - named) / size).sum(axis=2)
        spread_hard = (hard * (1 - hard) / size).sum(axis=2)
        slope = ((both - named * hard) / size).sum(axis=2) / np.where(spread_hard > 0, spread_hard, 1.0)
        rest = np.sqrt(np.maximum(spread - slope**2 * spread_hard, 0.0))
    known = ~np.isnan(named).any(axis=(1, 2))
    excess, literal = np.full((2, len(cells)), np.nan), np.full((2, len(cells)), np.nan)
    places = np.flatnonzero(known)
    step = max(1, BLOCK // draws)
    for start in range(0, len(places), step):
        rows = places[start : start + step]
        one, other = np.moveaxis(rng.standard_normal((len(rows), draws, 2, 2)), 2, 0)  # (models, draws, y) each
        shift = np.sqrt(spread_hard[rows, None]) * one
        hard_drawn = np.clip(apart_hard[rows, None] + shift, -1.0, 1.0)
        named_drawn = np.clip(apart[rows, None] + slope[rows, None] * shift + rest[rows, None] * other, -1.0, 1.0)
        adv_drawn, score_eo, label_eo = sides(named_drawn, hard_drawn)
        for limits, right in ((excess, np.maximum(score_eo, 0.0) * w), (literal, label_eo * w)):
            limits[:, rows] = np.quantile(adv_drawn - right, TAILS, axis=1)
    return Scores(adv, delta_eo, np.maximum(delta_eo, 0.0) * w, _rounded(excess), _rounded(literal))


def group_cells(
    scores: np.ndarray, y: np.ndarray, a: np.ndarray, subgroup: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Count hard positives (K, 2, 2, 2, S) by half, label, group and second attribute, and rows (2, 2, 2, S).

    subgroup (q,) in 0 .. S - 1. Rows of a (y, a, s) cell go to the halves in turn. A diverged model's positives are NaN.
    """
    scores, subgroup = np.asarray(scores), np.asarray(subgroup, dtype=np.int64)
    kinds = int(subgroup.max()) + 1
    cell = (2 * np.asarray(y, dtype=np.int64) + a) * kinds + subgroup
    cell = _halves(cell) * 4 * kinds + cell
    member = np.zeros((scores.shape[1], 8 * kinds), dtype=np.float32)  # counts stay below 2^24: exact
    member[np.arange(len(cell)), cell] = 1.0
    positives = ((scores >= THRESHOLD).astype(np.float32) @ member).astype(np.float64)
    positives[~np.isfinite(scores).all(axis=1)] = np.nan
    rows = np.bincount(cell, minlength=8 * kinds)
    return positives.reshape(-1, 2, 2, 2, kinds), rows.reshape(2, 2, 2, kinds)


def of_groups(
    positives: np.ndarray,
    rows: np.ndarray,
    joint_0: np.ndarray,
    joint_1: np.ndarray,
    *,
    draws: int,
    rng: np.random.Generator,
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
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.nan_to_num(total / total.sum(axis=2, keepdims=True))  # P(s | y, a)
        rate = positives / rows
        whole = positives.sum(axis=1) / total
    weight = _told_weights(joints, share, pi, w_y)  # (y, s)
    lean = _sign(rate[:, ::-1, :, 1] - rate[:, ::-1, :, 0])  # (K, half, y, s)
    # without an opinion, or without rows to measure it on, the adversary tosses a coin, which gains nothing
    lean = np.where((rows > 0).all(axis=2), np.nan_to_num(lean), 0.0) * weight / 2

    lean = np.stack([-lean, lean], axis=3)  # (K, half, y, a, s): how a rate enters the advantage
    delta_eo = _range(whole)
    known = ~np.isnan(positives).any(axis=(1, 2, 3, 4)) & bool((total.sum(axis=2) > 0).all())
    filled = np.where(rows > 0, rate, 0.0)
    adv = np.where(known, (filled * lean).sum(axis=(1, 2, 3, 4)), np.nan)
    # the resample's variance of a half's rate, and what the cell's whole rate says of the advantage
    with np.errstate(invalid="ignore"):
        spread = filled * (1 - filled) / np.maximum(rows, 1)
        part = rows / np.maximum(total, 1)
        spread_whole = (part**2 * spread).sum(axis=1)
        slope = (part * lean * spread).sum(axis=1) / np.where(spread_whole > 0, spread_whole, 1.0)
        rest = (lean**2 * spread).sum(axis=(1, 2, 3, 4)) - (slope**2 * spread_whole).sum(axis=(1, 2, 3))
        rest = np.sqrt(np.maximum(rest, 0.0))
    there = total > 0  # (y, a, s)
    excess = np.full((2, len(positives)), np.nan)
    places = np.flatnonzero(known)
    step = max(1, BLOCK // draws)
    for start in range(0, len(places), step):
        mine = places[start : start + step]
        normal = rng.standard_normal((len(mine), draws, there.size + 1))
        shift = normal[..., 1:].reshape(*normal.shape[:2], *there.shape) * np.sqrt(spread_whole[mine, None])
        value = adv[mine, None] + rest[mine, None] * normal[..., 0]
        value += (shift.reshape(*normal.shape[:2], -1) @ slope[mine].reshape(len(mine), -1, 1))[..., 0]
        value -= _range(np.where(there, np.clip(whole[mine, None] + shift, 0.0, 1.0), np.nan)) * w
        excess[:, mine] = np.quantile(value, TAILS, axis=1)
    measured = np.where(known, _measured_range(rate, total), np.nan)
    return Groups(adv, delta_eo, measured, delta_eo * w, _rounded(excess), int(total[there].min()))


def _range(rate: np.ndarray) -> np.ndarray:
    """Return Delta_EO of rates (.., y, a, s): with two predictions it is the largest minus the smallest; NaN is absent."""
    flat = rate.reshape(*rate.shape[:-2], -1)
    return np.fmax.reduce(np.fmax.reduce(flat, axis=-1) - np.fmin.reduce(flat, axis=-1), axis=-1)


def _told_weights(joints: np.ndarray, share: np.ndarray, pi: np.ndarray, w_y: np.ndarray) -> np.ndarray:
    """Return pi(y, s) W_{y, s} (2, S) of the game that is balanced over (y, s), from share = P(s | y, a)."""
    label = joints.sum(axis=2)
    given = joints / np.where(label > 0, label, 1.0)[:, :, None]  # P_b(a | y)
    both = given[..., None] * share  # P_b(a, s | y), [world, y, a, s]
    second = both.sum(axis=2)  # P_b(s | y)
    inside = both / np.where(second > 0, second, 1.0)[:, :, None]
    apart = np.where((second > 0).all(axis=0), 0.5 * np.abs(inside[0] - inside[1]).sum(axis=1), 0.0)
    return np.where(w_y > 0, pi, 0.0)[:, None] * second.mean(axis=0) * apart


def _measured_range(rate: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Return Delta_EO (K,) over intersections: label, pair and direction chosen on one half, measured on the other."""
    flat = rate.reshape(*rate.shape[:3], -1)  # (K, half, y, a x s)
    # a group without rows in either half can be neither chosen nor measured
    able = (total > 0).reshape(2, -1) & ~np.isnan(flat).any(axis=1)
    found = []
    for half in (0, 1):
        chosen, measured = flat[:, half], flat[:, 1 - half]
        high = np.where(able, chosen, -np.inf).argmax(axis=2)[..., None]
        low = np.where(able, chosen, np.inf).argmin(axis=2)[..., None]
        seen, counted = (
            (np.take_along_axis(part, high, 2) - np.take_along_axis(part, low, 2))[..., 0]
            for part in (chosen, measured)
        )
        label = np.where(np.isnan(seen), -np.inf, seen).argmax(axis=1)[:, None]
        found.append(np.take_along_axis(counted, label, 1)[:, 0])
    return (found[0] + found[1]) / 2


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
