"""Trials of the question of membership, a victim and a row each: what adversaries are shown, and the columns of the tables of `membership`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..attacks._members import Candidates, MemberAttack, scorer
from ..core.errors import PopleakError
from ..core.halves import TARGETS
from ..core.protocols import UNSEEN
from ..core.seeds import generator
from ..measures import thresholds
from ..measures import trials as measures
from ..measures.intervals import UNKNOWN, Estimate
from ..measures.verdicts import ABOVE, BELOW, OPEN
from ..store.schema.columns import ADVERSARY
from ..store.schema.membership import TRIALS
from .base import Graded, Shown, View

ANY = -1
"""Label and group of rows of all labels and groups."""
FEWEST = 4 * TARGETS
"""Candidates from which targets are told apart from all."""
CURVE = tuple(float(f"{10.0**power:.2g}") for power in np.arange(-4, 0.01, 0.25))
"""False positive rates of the ROC curve."""
DRAWS = 100
"""Samples of as many rows as a cell has, that its AUC is compared with."""
TINY = np.finfo(np.float32).tiny
SPACING = 2.0**-24
"""Half the distance of the largest float32 below 1 from 1, the least that p is known to be away from 1."""


class Trials(NamedTuple):
    """One split's M models and n candidates: the scores, the truth inside (M, n), the label and group of each candidate (n,); finite (M,);
    aimed: whether the first candidates are targets."""

    scored: measures.Scored
    inside: np.ndarray
    y: np.ndarray
    a: np.ndarray
    finite: np.ndarray
    seed: int
    aimed: bool = True

    def of(self, at: np.ndarray) -> Trials:
        """Return the trials of the candidates at the positions `at` (k,)."""
        scored = self.scored._replace(scores=self.scored.scores[:, at], held=self.scored.held[:, :, at])
        return self._replace(scored=scored, inside=self.inside[:, at], y=self.y[at], a=self.a[at])


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
    classes = max(2, int(view.query.y.max(initial=0)) + 1)
    candidates = Candidates(view.query.y, view.query.a, n, points.near, classes)
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
    # rows that no model was trained on are not what a poisoner aims at
    aimed = view.pair.protocol != UNSEEN and n >= FEWEST
    return Trials(found, inside, view.query.y[:n], view.query.a[:n], finite, view.game.seed, aimed)


def conclude(graded: Sequence[Graded], beside: Mapping[str, str]) -> Iterator[tuple[Graded, dict[str, Any]]]:
    """Yield for each defence, knowledge and number of repeats its rows: of all candidates, of the targets, of each label and group, of the ROC
    curve, and of each victim."""
    groups: dict[tuple[str, str, int], list[Graded]] = {}
    for one in graded:
        groups.setdefault((one.defence, one.knowledge, one.repeats), []).append(one)
    areas = {key: _areas(of) for key, of in groups.items()}
    for (defence, knowledge, repeats), of in groups.items():
        other = beside.get(defence, "none")
        # undefended victims are judged by informed adversaries alone, whatever is known elsewhere
        keys = [(other, known, times) for known, times in ((knowledge, repeats), (knowledge, 1), ("informed", 1))]
        base = next((areas[key] for key in keys if key in areas and other != defence), {})
        own, whole = areas[defence, knowledge, repeats], _together([one.found for one in of])
        rows = [{"part": "all", **_named(*whole)}, *_parts(of, whole[0])]
        for row in rows:
            which = AIMED if row["part"] == "targets" else (row.get("label", ANY), row.get("group", ANY))
            row.update(_beside(own, base, which, other, whole[0]))
        about = {
            "victims": len(whole[1]), "splits": len(of), "shadows": max(0, len(of[0].found.inside) // 2 - 1) if whole[0].shared else 0,
            "diverged": float(1 - np.concatenate([one.found.finite for one in of]).mean()),
        }  # fmt: skip
        parts = [{"label": ANY, "group": ANY, **row, **about} for row in rows] + _curve(*whole)
        yield of[0], _columns(parts + _victims(of, own[ANY, ANY]))


def _columns(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the columns of rows; where a row lacks one, NaN, which tables have as null, or no word."""
    # the question's `cell` and the loop of all questions give the others
    names = {column.name: column.type for column in TRIALS[TRIALS.index(ADVERSARY[-1]) + 1 :]}
    found = {}
    for name, kind in names.items():
        empty = "" if kind == "string" else np.nan
        found[name] = np.array([part.get(name, empty) for part in parts], dtype=str if kind == "string" else float)
    return found


Which = tuple[int, int]
"""Label and group of candidates, ANY for all, or AIMED."""
AIMED = (-2, -2)
"""The targets."""


def _areas(of: Sequence[Graded]) -> dict[Which, np.ndarray]:
    """Return the AUC of each victim, split after split, of all candidates, of the targets and of those of each label and group."""
    found: dict[Which, list[np.ndarray]] = {}
    for one in of:
        held: Trials = one.found
        every = np.arange(held.inside.shape[1])
        for which, at in {(ANY, ANY): every, AIMED: every[:TARGETS], **_cells(held)}.items():
            found.setdefault(which, []).append(measures.aucs(held.scored.scores[:, at], held.inside[:, at]))
    return {which: np.concatenate(parts) for which, parts in found.items() if len(parts) == len(of)}


def _cells(held: Trials) -> dict[Which, np.ndarray]:
    """Return the positions of the candidates of each label and group."""
    cells = 2 * held.y.astype(np.int64) + held.a
    return {(int(cell) // 2, int(cell) % 2): np.flatnonzero(cells == cell) for cell in np.unique(cells)}


def _together(found: Sequence[Trials]) -> tuple[measures.Scored, np.ndarray]:
    """Return the trials of all splits as of one, and the truth (M, n). Splits have as many folds and candidates each."""
    parts = [one.scored for one in found]
    folds = min(len(one.held) for one in parts)
    whole = measures.Scored(
        np.concatenate([one.scores for one in parts]), np.concatenate([one.held[:folds] for one in parts], axis=1),
        np.concatenate([one.fold for one in parts]), parts[0].shared, len(parts),
    )  # fmt: skip
    return whole, np.concatenate([one.inside for one in found])


def _named(scored: measures.Scored, inside: np.ndarray) -> dict[str, Any]:
    """Return of candidates what the AUC comes to, and who is named at thresholds."""
    row: dict[str, Any] = {"members": int(inside.sum()), "non_members": int((~inside).sum())}
    row |= _area(measures.mean_auc(scored.scores, inside, shared=scored.shared, splits=scored.splits))
    for wanted, word in zip(thresholds.RATES, ("01", "001"), strict=True):
        rate = thresholds.named(scored, inside, wanted=wanted)
        for name in ("tpr", "fpr", "ppv", "pooled_tpr"):
            row |= _estimate(f"{name}_{word}", getattr(rate, name))
        row[f"resolution_{word}"] = rate.resolution
    return row | {"epsilon_low": thresholds.epsilon(scored, inside).value}


def _area(found: Estimate) -> dict[str, Any]:
    return {**_estimate("auc", found), "against_chance": _side(found)}


def _beside(
    areas: Mapping[Which, np.ndarray], base: Mapping[Which, np.ndarray], which: Which, other: str, of: measures.Scored
) -> dict[str, Any]:
    """Return how the AUCs of victims compare with those of the same models under another defence."""
    if which not in areas or which not in base:
        return {}
    how: dict[str, Any] = {"shared": of.shared, "splits": of.splits}
    apart = measures.difference(areas[which], base[which], **how)
    kept = measures.tau(areas[which], base[which], **how) if which == (ANY, ANY) else UNKNOWN
    return {"compared_with": other, **_estimate("auc_vs", apart, p=True), **_estimate("tau", kept)}


def _curve(scored: measures.Scored, inside: np.ndarray) -> list[dict[str, Any]]:
    """Return the rows of the ROC curve, from the lowest rate that can be told."""
    found = zip(CURVE, thresholds.pooled(scored.scores, inside, wanted=CURVE), strict=True)
    known = [{"fpr": rate, **_estimate("tpr", one)} for rate, one in found if np.isfinite(one.value)]
    return [{"part": "curve", **row} for row in known]


def _victims(of: Sequence[Graded], areas: np.ndarray) -> list[dict[str, Any]]:
    """Return a row for each victim, split after split."""
    who = [(one.split, model) for one in of for model in range(len(one.found.inside))]
    return [
        {"part": "victim", "split": split, "model_index": model, "auc": area}
        for (split, model), area in zip(who, areas, strict=True)
    ]


def _samples(one: Graded) -> measures.Samples:
    """Return the AUCs of samples of one split's candidates."""
    held: Trials = one.found
    rng = generator(held.seed, "cells", one.defence, one.knowledge, one.repeats)
    return measures.Samples(held.scored.scores, held.inside, units=np.arange(held.inside.shape[1]), rng=rng)


def _parts(of: Sequence[Graded], scored: measures.Scored) -> list[dict[str, Any]]:
    """Return the rows of the targets, where enough candidates are beside them, and of each label and group, beside samples of as many
    candidates. Of several splits, which differ in their rows, the mean, with limits as of independent parts."""
    found: dict[Which, list[measures.Cell]] = {}
    targets = [one.found.of(np.arange(TARGETS)) for one in of if one.found.aimed]
    likes = []
    for one in of:
        held: Trials = one.found
        samples = _samples(one)
        if targets:
            aimed = held.of(np.arange(TARGETS))
            value = float(np.nanmean(measures.aucs(aimed.scored.scores, aimed.inside)))
            likes.append(samples.like(value, TARGETS, draws=DRAWS))
        cells = _cells(held)
        for which, cell in zip(
            cells,
            measures.by_cell(
                held.scored.scores, held.inside, cells=2 * held.y.astype(np.int64) + held.a, samples=samples,
                draws=DRAWS, shared=scored.shared,
            ),
            strict=True,
        ):  # fmt: skip
            found.setdefault(which, []).append(cell)
    rows = (
        [{"part": "targets", **_named(*_together(targets)), **_estimate("auc_like", _mean(likes), p=True)}]
        if targets
        else []
    )
    return rows + [
        {
            "part": "cell", "label": label, "group": group, "members": sum(one.members for one in parts),
            "non_members": sum(one.others for one in parts), **_area(_mean([one.auc for one in parts])),
            **_estimate("auc_like", _mean([one.every for one in parts]), p=True),
        }
        for (label, group), parts in sorted(found.items())
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


def _estimate(name: str, found: Estimate, *, p: bool = False) -> dict[str, float]:
    """Return the columns of an estimate: value, limits, and p if asked."""
    ends = {"": "value", "_low": "low", "_high": "high", **({"_p": "p"} if p else {})}
    return {name + end: getattr(found, field) for end, field in ends.items()}
