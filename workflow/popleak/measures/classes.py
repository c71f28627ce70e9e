"""What a model of C > 2 classes does to its groups, and both sides of the bound, from counts of what it predicted.

R[y, a, c] = P(yhat = c | y, a) is the confusion matrix by group, yhat the class of the largest score (of equals the first).

    delta_y = TV(R[y, 0], R[y, 1])      Delta_EO = max_y delta_y      DP = TV(P(yhat | a = 0), P(yhat | a = 1))

With two classes these are the usual differences of rates, whose module is `fairness`.

**Small cells.** With many classes some (y, a) cells hold hardly a row, and a total variation measured there is mostly noise. A label with a
cell of fewer than SMALL rows is left out: of Delta_EO, and of the game that the bound speaks of, which is then played with records of the
other labels. So every form stays a theorem where it is one. How many cells are that small is said beside each value; `smallest_cell` is
the smallest of the others.

All arrays of counts are by half of the rows, label, group and, of K models, prediction: (2, C, 2) and (K, 2, C, 2, C). As in
`bounds_finer` the rows of a cell go to the halves in turn, so that what is chosen on one half can be measured on the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from . import bounds_general
from .bounds import queries_to_detect
from .fairness import BLOCK

SMALL = 30
"""Cells with fewer rows are left out."""
FLOOR_DRAWS = 200
"""Simulated models behind a floor: its standard error is then below a tenth of it."""


class Fair(NamedTuple):
    """Measures of K models, (K,): see the columns of the public table `models`. small_cells: cells of fewer than SMALL rows."""

    accuracy: np.ndarray
    accuracy_g0: np.ndarray
    accuracy_g1: np.ndarray
    gap: np.ndarray
    delta_eo: np.ndarray
    delta_eo_sum: np.ndarray
    dp_difference: np.ndarray
    delta_eo_floor: np.ndarray
    delta_eo_crossed: np.ndarray
    small_cells: np.ndarray


class Sides(NamedTuple):
    """Both sides of the bound's forms for K models, (K,): see the columns of the public table `bounds`. excess_*: the limits (2, K) of left
    minus right side."""

    delta_eo: np.ndarray
    w: np.ndarray
    beta: np.ndarray
    gap: np.ndarray
    rhs_literal: np.ndarray
    rhs_corrected: np.ndarray
    adv_balanced: np.ndarray
    rhs_balanced: np.ndarray
    adv: np.ndarray
    rhs_coupling: np.ndarray
    weighted_delta: np.ndarray
    adv_balanced_measured: np.ndarray
    queries_to_detect: np.ndarray
    smallest_cell: np.ndarray
    small_cells: np.ndarray


def halved(y: np.ndarray, a: np.ndarray, classes: int) -> np.ndarray:
    """Count the rows by half, label and group, (2, C, 2)."""
    return np.bincount(_placed(y, a, classes), minlength=4 * classes).reshape(2, classes, 2)


def confusion(scores: np.ndarray, y: np.ndarray, a: np.ndarray) -> np.ndarray:
    """Count what K models with scores (K, m, C) predicted of rows with labels y and groups a (m,): (K, 2, C, 2, C) float64.

    A model with a score that is not finite is NaN throughout.
    """
    models, rows, classes = scores.shape
    place, width = _placed(y, a, classes) * classes, 4 * classes * classes
    found = np.empty((models, width))
    step = max(1, BLOCK // max(1, rows))
    for start in range(0, models, step):
        part = scores[start : start + step]
        finite = np.isfinite(part).all(axis=(1, 2))
        said = np.where(finite[:, None], part.argmax(axis=2), 0)
        cell = place + said + width * np.arange(len(part))[:, None]
        counts = np.bincount(cell.reshape(-1), minlength=width * len(part)).reshape(-1, width)
        found[start : start + step] = np.where(finite[:, None], counts, np.nan)
    return found.reshape(models, 2, classes, 2, classes)


def status(scores: np.ndarray, finite: np.ndarray) -> np.ndarray:
    """Return 'diverged', 'constant' or 'ok' for each model with scores (K, m, C), as `fairness.status` does for two classes."""
    said = scores.argmax(axis=2)
    found = np.full(len(scores), "ok", dtype="<U8")
    found[(said == said[:, :1]).all(axis=1)] = "constant"
    found[~(np.asarray(finite, dtype=bool) & np.isfinite(scores).all(axis=(1, 2)))] = "diverged"
    return found


def joint(*, ratio: float, rates: np.ndarray) -> np.ndarray:
    """Return a world's joint law P(y, a), (C, 2), for rates (2, C) = P(y | a): the label rates move with the ratio."""
    return (np.array([1.0 - ratio, ratio])[:, None] * np.asarray(rates, dtype=np.float64)).T


def counted(rows: np.ndarray) -> np.ndarray:
    """Return the labels (C,) of which both groups have SMALL of the rows (2, C, 2) or more."""
    return (rows.sum(axis=0) >= SMALL).all(axis=1)


def fair(
    cells: np.ndarray, rows: np.ndarray, *, share: float, joints: Sequence[np.ndarray], rng: np.random.Generator
) -> Fair:
    """Return the measures of K models with counts (K, 2, C, 2, C) on rows (2, C, 2).

    share: P(a = 1) at which the groups' accuracies are averaged; joints: P(y, a) of the two worlds, (C, 2) each; rng: of the floor. What
    cannot be known is NaN.
    """
    whole, by_label = cells.sum(axis=1), rows.sum(axis=0)
    size = by_label.sum(axis=0)
    right = np.einsum("kyay->kya", whole)
    with np.errstate(invalid="ignore", divide="ignore"):
        accuracy = right.sum(axis=1) / size
        said = whole.sum(axis=1) / size[:, None]
    weights = np.array([1.0 - share, share])
    delta = _delta(_rates(whole, by_label, counted(rows)))
    known = ~np.isnan(delta)
    found = _terms(cells, rows, joints)
    signed = _accuracies(cells, rows, joints)
    nothing = np.full(len(cells), np.nan)
    return Fair(
        accuracy=np.where(weights == 0.0, 0.0, weights * accuracy).sum(axis=1),
        accuracy_g0=accuracy[:, 0],
        accuracy_g1=accuracy[:, 1],
        gap=nothing if found is None else signed[0] - signed[1],
        delta_eo=np.fmax.reduce(delta, axis=1),
        delta_eo_sum=np.where(known.any(axis=1), np.where(known, delta, 0.0).sum(axis=1), np.nan),
        dp_difference=0.5 * np.abs(said[:, 1] - said[:, 0]).sum(axis=1),
        delta_eo_floor=floor(whole, by_label, rng=rng),
        delta_eo_crossed=crossed(cells, rows),
        small_cells=np.full(len(cells), (by_label < SMALL).sum()),
    )


def floor(counts: np.ndarray, rows: np.ndarray, *, rng: np.random.Generator, draws: int = FLOOR_DRAWS) -> np.ndarray:
    """Return what the plug-in Delta_EO of each model would read on average if its groups did not differ, (K,).

    counts (K, C, 2, C) on rows (C, 2). Simulated, since the largest of several total variations has no closed form: both groups' predictions
    are drawn from the model's own law given the label, over both groups, as many as there are rows. rng is consumed model by model.
    """
    kept = (rows >= SMALL).all(axis=1)
    found = np.full(len(counts), np.nan)
    for k, one in enumerate(counts):
        if kept.any() and not np.isnan(one).any():
            law = one[kept].sum(axis=1) / rows[kept].sum(axis=1)[:, None]
            drawn = rng.multinomial(rows[kept], law[:, None], size=(draws, kept.sum(), 2)) / rows[kept][..., None]
            found[k] = _delta(drawn).max(axis=1).mean()
    return found


def crossed(cells: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return Delta_EO (K,), chosen and measured on different rows, as `fairness.crossed` does for two classes.

    The label, and the predictions that speak for group 1, are those that lie apart most on one half; the difference of their rates is
    measured on the other, both ways, averaged. Without any difference the expectation is 0; else it is never above the largest one.
    """
    apart = _apart(cells, rows)
    found = np.zeros(len(cells))
    for half in (0, 1):
        chosen, measured = apart[:, half], apart[:, 1 - half]
        size = 0.5 * np.abs(chosen).sum(axis=2)
        label = np.where(np.isnan(size), -np.inf, size).argmax(axis=1)[:, None, None]
        signs, counts = (np.take_along_axis(part, label, 1)[:, 0] for part in (np.sign(chosen), measured))
        found += 0.25 * (signs * counts).sum(axis=1)
    return found


def bound(
    cells: np.ndarray, rows: np.ndarray, joints: Sequence[np.ndarray], *, draws: int, rng: np.random.Generator
) -> tuple[Sides, bounds_general.Excess]:
    """Return both sides of every form for K models with counts (K, 2, C, 2, C) on rows (2, C, 2), and the bootstrap's limits (2, K) of left
    minus right side. joints: P(y, a) of the two worlds, (C, 2) each; records of the labels that `counted` leaves out are in neither."""
    by_label, size = rows.sum(axis=0), len(cells)
    kept = counted(rows)
    small = (by_label < SMALL).sum(), by_label[kept if kept.any() else slice(None)].min()
    found = _terms(cells, rows, joints)
    if found is None:
        nothing = np.full(size, np.nan)
        told = {name: np.full(size, value) for name, value in zip(("small_cells", "smallest_cell"), small, strict=True)}
        sides = dict.fromkeys(Sides._fields, nothing) | told
        return Sides(**sides), bounds_general.Excess(*[np.full((2, size), np.nan)] * 4)
    worlds = _restricted(joints, kept)
    excess = bounds_general.bootstrap(
        np.where(kept[:, None, None], cells.sum(axis=1), np.nan), *worlds, draws=draws, rng=rng
    )
    weight, apart = found.pi * found.w_y, np.where(kept[:, None], _apart(cells, rows), 0.0)
    signed = np.sign(apart[:, ::-1]) * apart  # signs from the other half, else noise would count as a difference
    accuracy = _accuracies(cells, rows, joints)
    return Sides(
        delta_eo=found.delta_eo,
        w=np.full(size, found.w),
        beta=np.full(size, found.beta),
        gap=found.gap,
        rhs_literal=found.rhs_balanced,
        rhs_corrected=found.rhs_corrected,
        adv_balanced=found.adv_balanced,
        rhs_balanced=found.rhs_balanced,
        adv=found.adv,
        rhs_coupling=found.rhs_coupling,
        weighted_delta=0.5 * signed[:, 0].sum(axis=2) @ weight,
        adv_balanced_measured=0.5 * signed[:, 1].sum(axis=2) @ weight,
        queries_to_detect=np.asarray(queries_to_detect(found.gap, accuracy=accuracy.mean(axis=0))),
        smallest_cell=np.full(size, small[1]),
        small_cells=np.full(size, small[0]),
    ), excess


def _placed(y: np.ndarray, a: np.ndarray, classes: int) -> np.ndarray:
    """Return the number of each row's half, label and group, in that order."""
    cell = 2 * np.asarray(y, dtype=np.int64) + a
    order = np.argsort(cell, kind="stable")
    ranked, half = cell[order], np.empty(len(cell), dtype=np.int64)
    half[order] = (np.arange(len(cell)) - np.searchsorted(ranked, ranked)) % 2
    return half * 2 * classes + cell


def _rates(counts: np.ndarray, rows: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Return R (K, C, 2, C) of counts (K, C, 2, C) on rows (C, 2); NaN for the labels that are not kept (C,)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(kept[:, None, None], counts / rows[..., None], np.nan)


def _delta(rates: np.ndarray) -> np.ndarray:
    return 0.5 * np.abs(rates[:, :, 1] - rates[:, :, 0]).sum(axis=2)


def _apart(cells: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return R[y, 1, c] - R[y, 0, c] by half, (K, 2, C, C); NaN for labels that are left out."""
    with np.errstate(invalid="ignore", divide="ignore"):
        rates = np.where(counted(rows)[:, None, None], cells / rows[..., None], np.nan)
    return rates[:, :, :, 1] - rates[:, :, :, 0]


def _restricted(joints: Sequence[np.ndarray], kept: np.ndarray) -> list[np.ndarray]:
    """Return the worlds' laws of records of the labels that are kept (C,)."""
    inside = [np.where(kept[:, None], one, 0.0) for one in joints]
    return [one / one.sum() for one in inside]


def _terms(cells: np.ndarray, rows: np.ndarray, joints: Sequence[np.ndarray]) -> bounds_general.General | None:
    """Return the bound's terms on the labels that count; None where none does."""
    kept = counted(rows)
    if not all(one[kept].sum() > 0 for one in joints):
        return None
    rates = _rates(cells.sum(axis=1), rows.sum(axis=0), kept)
    return bounds_general.terms(rates, *_restricted(joints, kept), predicts_labels=True)


def _accuracies(cells: np.ndarray, rows: np.ndarray, joints: Sequence[np.ndarray]) -> np.ndarray:
    """Return the accuracy (2, K) in each world on the labels that count; NaN where none does."""
    kept = counted(rows)
    right = np.einsum("kyay->kya", _rates(cells.sum(axis=1), rows.sum(axis=0), kept))
    if not all(one[kept].sum() > 0 for one in joints):
        return np.full((2, len(cells)), np.nan)
    return np.stack([np.einsum("ya,kya->k", one[kept], right[:, kept]) for one in _restricted(joints, kept)])
