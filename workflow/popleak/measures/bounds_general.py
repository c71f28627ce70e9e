"""The evaluation-side bound for any number of predictions, labels and groups. See `bounds` for two of each.

The model is fixed. R[y, g, c] = P(yhat = c | y, g) over C predictions, Y labels, G groups; world b has the joint law
J_b[y, g] with label rates pi_b(y), group rates P_b(g | y), and the law of predictions Q_b(c | y) = sum_g P_b(g | y)
R[y, g, c]. TV is half the sum of absolute differences.

    delta_y = max over g, h of TV(R[y, g], R[y, h])     Delta_EO = max_y delta_y     TV_y = TV(Q_0(. | y), Q_1(. | y))
    W_y = TV(P_0(g | y), P_1(g | y))                    pi = (pi_0 + pi_1) / 2       W = sum_y pi(y) W_y
    beta = TV(pi_0, pi_1)                               Adv = TV of (yhat, y) between worlds

**One label**: TV_y <= W_y delta_y. Write P_0(. | y) - P_1(. | y) = W_y (mu - nu) with laws mu, nu of groups. Then
Q_0 - Q_1 = W_y sum_{g, h} mu(g) nu(h) (R[y, g] - R[y, h]), and TV is convex. With two groups mu and nu are one group
each and it is an equality; with more, Delta_EO over the finer groups may be far above what the worlds can tell.

**Label-balanced** (both worlds at the label rates pi, P_b(g | y) kept): the label says nothing and the optimal advantage
is sum_y pi(y) TV_y <= sum_y pi(y) W_y delta_y <= Delta_EO W.

**Coupling**: let the worlds' labels agree with probability sum_y min_b pi_b(y) = 1 - beta and, given y, their predictions
with probability 1 - TV_y. A coupling bounds total variation:
    Adv <= beta + sum_y min_b pi_b(y) TV_y <= beta + (1 - beta) Delta_EO max_y W_y.

**Accuracy gap** (predictions are labels, C = Y). With C_b(y) = Q_b(y | y) and Cbar = (C_0 + C_1) / 2,
    Acc_0 - Acc_1 = sum_y pi(y) [C_0(y) - C_1(y)] + sum_y [pi_0(y) - pi_1(y)] Cbar(y),
by u v - s t = (u + s)/2 (v - t) + (u - s)(v + t)/2. yhat = y is one event, so |C_0(y) - C_1(y)| <= TV_y:
    gap <= sum_y pi(y) W_y delta_y + |sum_y [pi_0(y) - pi_1(y)] Cbar(y)|.                               (corrected)
The last term is at most beta (max_y Cbar - min_y Cbar) since label rates sum to 1; with two labels it equals
beta |TPRbar - TNRbar|. With equal label rates it is 0: the literal form gap <= Delta_EO W.

Conventions: a label that one world lacks has W_y = TV_y = 0; it enters with min_b pi_b(y) = 0 or through beta. A group
that neither world holds may have NaN rates. NaN rates with mass make NaN of what needs them; a delta_y that is NaN does
not count in Delta_EO. Delta_EO of no known delta_y is NaN, and Delta_EO W is 0 nonetheless where W is.
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np

from . import bounds
from .bounds import Excess


class General(NamedTuple):
    """Both sides for K models: (K,) arrays; delta_y is (K, Y), w_y and pi (Y,), w and beta floats.

    gap and rhs_corrected are NaN unless predictions are labels. rhs_balanced = Delta_EO W is the literal form's right
    side as well. rhs_label = beta + sum_y min_b pi_b(y) TV_y, the coupling before TV_y is bounded.
    """

    delta_y: np.ndarray
    delta_eo: np.ndarray
    w_y: np.ndarray
    pi: np.ndarray
    w: float
    beta: float
    adv: np.ndarray
    rhs_label: np.ndarray
    rhs_coupling: np.ndarray
    adv_balanced: np.ndarray
    rhs_weighted: np.ndarray
    rhs_balanced: np.ndarray
    gap: np.ndarray
    rhs_corrected: np.ndarray


def terms(rates: np.ndarray, joint_0: np.ndarray, joint_1: np.ndarray, *, predicts_labels: bool = False) -> General:
    """Return both sides of every form (formulas at the top of this file).

    rates (K, Y, G, C): P(yhat = c | y, g), each summing to 1 over c; joint_0, joint_1 (Y, G): P(y, g) of the two worlds.
    predicts_labels: prediction c is label c, so that accuracy has a meaning; then C = Y. Outputs are probabilities or
    differences of them. Raises ValueError for shapes that do not match, joints that do not sum to 1 and rates that do
    not sum to 1.
    """
    rates = np.asarray(rates, dtype=np.float64)
    joints = np.stack([np.asarray(joint, dtype=np.float64) for joint in (joint_0, joint_1)])
    _check(rates, joints, predicts_labels)
    label = joints.sum(axis=2)  # [world, y]
    pi = label.mean(axis=0)
    w_y = group_distance(joints)
    beta = 0.5 * float(np.abs(label[0] - label[1]).sum())
    w = float(pi @ w_y)

    missing, mass = np.isnan(rates).any(axis=3), (joints > 0.0).any(axis=0)
    delta_y = np.full(rates.shape[:2], 0.0 if rates.shape[2] == 1 else np.nan)
    for one, other in combinations(range(rates.shape[2]), 2):
        delta_y = np.fmax(delta_y, 0.5 * np.abs(rates[:, :, one] - rates[:, :, other]).sum(axis=2))
    delta_y[(missing & mass).any(axis=2)] = np.nan
    delta_eo = np.fmax.reduce(delta_y, axis=1)

    rates = np.where((missing & ~mass)[..., None], 0.0, rates)  # 0 * NaN must stay 0
    law = np.einsum("byg,kygc->bkyc", joints, rates)  # P_b(yhat = c, y)
    given = law / np.where(label > 0.0, label, 1.0)[:, None, :, None]
    apart = np.where(w_y > 0.0, 0.5 * np.abs(given[0] - given[1]).sum(axis=2), 0.0)  # TV_y
    weighted = np.where(w_y > 0.0, pi * w_y * np.where(w_y > 0.0, delta_y, 0.0), 0.0).sum(axis=1)
    gap = corrected = np.full(len(rates), np.nan)
    if predicts_labels:
        right = np.einsum("bkyy->bky", law)
        accuracy = right.sum(axis=2)
        gap = np.abs(accuracy[0] - accuracy[1])
        # a world without the label borrows the other's share, the choice that goes with W_y = 0 in the derivation
        share = (right / np.where(label > 0.0, label, 1.0)[:, None]).sum(axis=0) / np.maximum((label > 0.0).sum(0), 1)
        shift = label[0] - label[1]
        corrected = weighted + np.abs(np.where(shift != 0.0, shift * np.where(shift != 0.0, share, 0.0), 0.0).sum(1))
    return General(
        delta_y=delta_y,
        delta_eo=delta_eo,
        w_y=w_y,
        pi=pi,
        w=w,
        beta=beta,
        adv=0.5 * np.abs(law[0] - law[1]).sum(axis=(1, 2)),
        rhs_label=beta + apart @ label.min(axis=0),
        rhs_coupling=beta + (1.0 - beta) * bounds.times(delta_eo, w_y.max()),
        adv_balanced=apart @ pi,
        rhs_weighted=weighted,
        rhs_balanced=bounds.times(delta_eo, w),
        gap=gap,
        rhs_corrected=corrected,
    )


def excess(found: General) -> Excess:
    """Return left minus right side of each form, (K,) each, as `bounds.excess` does; predictions are labels."""
    sides = (
        (found.gap, found.rhs_balanced),
        (found.gap, found.rhs_corrected),
        (found.adv, found.rhs_coupling),
        (found.adv_balanced, found.rhs_balanced),
    )
    return bounds.over(sides)


def bootstrap(
    counts: np.ndarray,
    joint_0: np.ndarray,
    joint_1: np.ndarray,
    *,
    draws: int,
    rng: np.random.Generator,
    level: float = 0.95,
) -> Excess:
    """Return the bootstrap limits (2, K) of left minus right side, predictions being labels, as `bounds.bootstrap` does.

    counts (K, Y, G, C): rows by label, group and prediction; NaN in the cells of a model that are not known, or that hold no mass. A
    resample of a cell's n rows is one draw of Multinomial(n, R[y, g]). rng is consumed model by model.
    """
    counts = np.asarray(counts, dtype=np.float64)
    size = counts.sum(axis=3)
    known = ~np.isnan(size) & (size > 0)
    whole = np.where(known, size, 0).astype(np.int64)
    with np.errstate(invalid="ignore"):
        rates = np.where(known[..., None], counts / size[..., None], np.nan)
    uniform = np.full(counts.shape[3], 1 / counts.shape[3])  # of a cell without rows nothing is drawn
    tails = [(1.0 - level) / 2.0, (1.0 + level) / 2.0]
    limits = [np.empty((2, len(counts))) for _ in Excess._fields]
    for k, (rows, law, there) in enumerate(zip(whole, rates, known, strict=True)):
        drawn = rng.multinomial(rows, np.where(there[..., None], law, uniform), size=(draws, *rows.shape))
        shares = np.where(there[..., None], drawn / np.maximum(rows, 1)[..., None], np.nan)
        for limit, value in zip(limits, excess(terms(shares, joint_0, joint_1, predicts_labels=True)), strict=True):
            limit[:, k] = np.quantile(value, tails)
    point = terms(rates, joint_0, joint_1, predicts_labels=True)
    return bounds.hulls(excess(point), limits, literal=point.beta < bounds.ROUNDING)


def group_distance(joints: np.ndarray) -> np.ndarray:
    """Return W_y (Y,), the total variation of P(g | y) between worlds, from joints (2, Y, G); 0 where a world lacks y."""
    label = joints.sum(axis=2)
    given = joints / np.where(label > 0.0, label, 1.0)[:, :, None]
    return np.where((label > 0.0).all(axis=0), 0.5 * np.abs(given[0] - given[1]).sum(axis=1), 0.0)


def _check(rates: np.ndarray, joints: np.ndarray, predicts_labels: bool) -> None:
    if rates.ndim != 4 or joints.shape != (2, *rates.shape[1:3]):
        raise ValueError(f"rates must be (K, Y, G, C) and joints (Y, G), not {rates.shape} and {joints.shape[1:]}")
    if predicts_labels and rates.shape[3] != rates.shape[1]:
        raise ValueError(f"predictions are labels only if C = Y, not {rates.shape[3]} and {rates.shape[1]}")
    if (joints < 0).any() or not np.allclose(joints.sum(axis=(1, 2)), 1.0, rtol=0.0, atol=1e-9):
        raise ValueError("a world's joint must be at least 0 and sum to 1")
    sums = rates.sum(axis=3)
    if (rates < 0).any() or not (np.isnan(sums) | (np.abs(sums - 1.0) < 1e-9)).all():
        raise ValueError("rates must be at least 0 and sum to 1 over predictions")
