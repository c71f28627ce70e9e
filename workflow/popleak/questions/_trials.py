"""Trials of the question of membership, a victim and a row each: what adversaries are shown, and the columns of the table `membership`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..attacks._members import Candidates, MemberAttack, scorer
from ..core.errors import PopleakError
from ..core.seeds import generator
from ..measures import thresholds
from ..measures import trials as measures
from ..measures.intervals import UNKNOWN, Estimate
from ..measures.verdicts import ABOVE, BELOW, OPEN
from .base import Graded, Shown, View

ALL = -1
"""Label and group of the row of all candidates."""
DRAWS = 100
"""Samples of as many rows as a cell has, that its AUC is compared with."""
TINY = np.finfo(np.float32).tiny
SPACING = 2.0**-24
"""Half the distance of the largest float32 below 1 from 1, the least that p is known to be away from 1."""


class Trials(NamedTuple):
    """One split's M models and n candidates: the scores, the truth inside (M, n), the label and group of each candidate (n,); finite (M,);
    shared: whether shadows are used."""

    scored: measures.Scored
    inside: np.ndarray
    y: np.ndarray
    a: np.ndarray
    finite: np.ndarray
    seed: int


def confidences(view: View, shown: Shown) -> np.ndarray:
    """Return what an attack on rows sees of models, (M, w), in the order of their numbers: phi = log p_y - log(1 - p_y) of the points' own
    labels, or, of hard labels, whether they are right."""
    order = np.argsort(shown.keys["model_index"], kind="stable")
    outputs, y, access = shown.outputs[order], view.query.y, view.attack.access
    if access == "labels":
        found: np.ndarray = (outputs == y).astype(np.float64)
        return found
    sets = outputs.shape[1] // len(y)
    labels = np.tile(y, sets).astype(np.int64)
    if outputs.ndim == 3:
        right = np.take_along_axis(outputs, np.broadcast_to(labels[:, None], (len(outputs), len(labels), 1)), axis=2)[
            ..., 0
        ]
        return logit(right, outputs.sum(axis=2) - right)
    phi: np.ndarray = np.where(labels == 1, 1.0, -1.0) * logit(outputs, 1.0 - outputs)
    return phi


def logit(p: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return log p - log other, of float32 probabilities: p is known to one part in 2^24, so what rounded to 0 or 1 is put there where it
    may have been at most."""
    found: np.ndarray = np.log(np.maximum(p, TINY)) - np.log(np.maximum(other, np.where(p > 0.5, SPACING, TINY)))
    return found


def trials(view: View, shadows: np.ndarray, victims: np.ndarray, finite: np.ndarray) -> Trials:
    """Return the scores of all trials of one split. shadows, victims (M, w): the outputs of all models as those who learn see them, and as
    those who are judged answer; they differ where an adversary does not know the defence.

    Raises PopleakError where the attack cannot be mounted on these points.
    """
    attack, points = view.attack, view.points
    if not isinstance(attack, MemberAttack) or points is None or points.inside is None:
        raise PopleakError(f"attack {attack.name}: the question of membership needs candidates, and an attack on rows")
    inside = points.inside
    n = inside.shape[1]
    candidates = Candidates(view.query.y, view.query.a, n, points.near, _classes(victims, view))
    if reason := attack.lacks(candidates):
        raise PopleakError(f"attack {reason}: add a defence that trains on public rows, or leave it out")

    def scored(outputs: np.ndarray) -> measures.Scored:
        fit = scorer(
            attack,
            outputs=shadows,
            inside=inside,
            candidates=candidates,
            settings=view.settings,
            victims=outputs,
        )
        return measures.score(fit, len(outputs), shared=attack.shadows)

    found = scored(victims)
    if attack.shadows and not np.array_equal(shadows, victims):
        # thresholds are made of models that the adversary has, which it judges as it will judge the victim
        found = found._replace(held=scored(shadows).held)
    return Trials(found, inside, view.query.y[:n], view.query.a[:n], finite, view.game.seed)


def _classes(outputs: np.ndarray, view: View) -> int:
    return max(2, int(view.query.y.max(initial=0)) + 1)


def conclude(graded: Sequence[Graded], beside: Mapping[str, str]) -> Iterator[tuple[Graded, dict[str, Any]]]:
    """Yield for each defence, knowledge and number of repeats the row of all candidates, then one for each label and group."""
    groups: dict[tuple[str, str, int], list[Graded]] = {}
    for one in graded:
        groups.setdefault((one.defence, one.knowledge, one.repeats), []).append(one)
    areas = {key: _areas(of) for key, of in groups.items()}
    for (defence, knowledge, repeats), of in groups.items():
        other = beside.get(defence, "none")
        # undefended victims are judged by informed adversaries alone, whatever is known elsewhere
        keys = [(other, known, times) for known, times in ((knowledge, repeats), ("informed", 1), (knowledge, 1))]
        base = next((areas[key] for key in keys if key in areas and other != defence), None)
        yield of[0], _columns(of, areas[defence, knowledge, repeats], base, other if base is not None else "")


def _areas(of: Sequence[Graded]) -> np.ndarray:
    """Return the AUC of each victim, split after split."""
    return np.concatenate([measures.aucs(one.found.scored.scores, one.found.inside) for one in of])


def _together(of: Sequence[Graded]) -> tuple[measures.Scored, np.ndarray]:
    """Return the trials of all splits as of one, and the truth (M, n). Splits have as many folds and candidates each."""
    found = [one.found.scored for one in of]
    folds = min(len(one.held) for one in found)
    whole = measures.Scored(
        np.concatenate([one.scores for one in found]), np.concatenate([one.held[:folds] for one in found], axis=1),
        np.concatenate([one.fold for one in found]), found[0].shared,
    )  # fmt: skip
    return whole, np.concatenate([one.found.inside for one in of])


def _columns(of: Sequence[Graded], areas: np.ndarray, base: np.ndarray | None, other: str) -> dict[str, Any]:
    """Return the columns of one defence, a row for all candidates and one for each cell."""
    scored, inside = _together(of)
    shared = scored.shared
    auc = measures.mean_auc(scored.scores, inside, shared=shared)
    cells = _cells(of, shared)
    none = [UNKNOWN] * len(cells)
    apart = UNKNOWN if base is None else measures.difference(areas, base, shared=shared)
    kept = UNKNOWN if base is None else measures.tau(areas, base, shared=shared)
    rates = [thresholds.named(scored, inside, wanted=wanted) for wanted in thresholds.RATES]
    limit = thresholds.epsilon(scored, inside)
    size = 1 + len(cells)

    def first(value: float) -> np.ndarray:
        return np.array([value, *[np.nan] * len(cells)])

    columns: dict[str, Any] = {
        "label": np.array([ALL, *(cell.label for cell in cells)]), "group": np.array([ALL, *(cell.group for cell in cells)]),
        "victims": np.full(size, len(inside)), "splits": np.full(size, len(of)),
        "members": np.array([inside.sum(), *(cell.members for cell in cells)]),
        "non_members": np.array([(~inside).sum(), *(cell.others for cell in cells)]),
        **_estimates("auc", [auc, *(cell.auc for cell in cells)]),
        "against_chance": np.array([_side(one) for one in (auc, *(cell.auc for cell in cells))]),
        **_estimates("auc_like", [UNKNOWN, *(cell.every for cell in cells)], p=True),
        "compared_with": np.array([other, *[""] * len(cells)]),
        **_estimates("auc_vs", [apart, *none], p=True), **_estimates("tau", [kept, *none]),
        "epsilon_low": first(limit.value),
        "diverged": np.full(size, 1 - np.concatenate([one.found.finite for one in of]).mean()),
    }  # fmt: skip
    for rate, word in zip(rates, ("01", "001"), strict=True):
        for name in ("tpr", "fpr", "ppv", "pooled_tpr"):
            columns |= _estimates(f"{name}_{word}", [getattr(rate, name), *none])
        columns[f"resolution_{word}"] = first(rate.resolution)
    return columns


class _Cell(NamedTuple):
    """Candidates of a label and a group in all splits; see `measures.trials.Cell`."""

    label: int
    group: int
    members: int
    others: int
    auc: Estimate
    every: Estimate


def _cells(of: Sequence[Graded], shared: bool) -> list[_Cell]:
    """Return the AUC of each label and group beside that of as many rows of all kinds. Of several splits, which differ in their rows, the mean,
    with limits as of independent parts."""
    found: dict[int, list[measures.Cell]] = {}
    for one in of:
        held: Trials = one.found
        cells = 2 * held.y.astype(np.int64) + held.a
        rng = generator(held.seed, "cells", one.defence, one.knowledge, one.repeats)
        for cell in measures.by_cell(
            held.scored.scores,
            held.inside,
            cells=cells,
            units=np.arange(len(cells)),
            rng=rng,
            draws=DRAWS,
            shared=shared,
        ):
            found.setdefault(cell.cell, []).append(cell)
    return [
        _Cell(
            cell // 2, cell % 2, sum(one.members for one in parts), sum(one.others for one in parts),
            _mean([one.auc for one in parts]), _mean([one.every for one in parts]),
        )
        for cell, parts in sorted(found.items())
    ]  # fmt: skip


def _mean(parts: Sequence[Estimate]) -> Estimate:
    """Return the mean of independent estimates; alone one as it is. p is NaN for several."""
    if len(parts) == 1:
        return parts[0]
    values = np.array([one[:3] for one in parts])
    middle = float(values[:, 0].mean())
    down, up = (float(np.sqrt(((values[:, 0] - values[:, side]) ** 2).sum())) / len(parts) for side in (1, 2))
    return Estimate(middle, middle - down, middle + up, np.nan)


def _side(one: Estimate) -> str:
    """Return on which side of one half an AUC's interval lies."""
    return ABOVE if one.low > 0.5 else BELOW if one.high < 0.5 else OPEN


def _estimates(name: str, found: Sequence[Estimate], *, p: bool = False) -> dict[str, np.ndarray]:
    """Return the columns of estimates: value, limits, and p if asked."""
    ends = {"": "value", "_low": "low", "_high": "high", **({"_p": "p"} if p else {})}
    return {name + end: np.array([getattr(one, field) for one in found]) for end, field in ends.items()}
