"""Equalized odds by post-processing: the model stays as it is, its answers go through thresholds of each group."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from .base import AnswersSettings, Defence, Owner, Population, Stream, Used

NOBODY, EVERYBODY = 2.0, -1.0
"""Thresholds that no score is above, and that every score is above."""
PLAIN = np.nextafter(np.float32(0.5), np.float32(0))
"""The threshold of a hard label: a float32 is above it where it is at least 0.5."""
FIELDS = 5
"""Numbers of the state that a group has, see `answer`."""


class ThresholdOptimizer(Defence):
    """Hard labels with equal true and false positive rates in both groups, as accurate as that allows (Hardt et al. 2016; fairlearn's
    `ThresholdOptimizer` for `equalized_odds`).

    For each group the label is drawn at random from two thresholds on the score and a constant, so that both groups stand at one point below
    both their ROC curves' hulls, that of the best accuracy on the owner's rows. These are rows of S_0 and the complement. The fit is
    exact up to rounding, where fairlearn's takes the best of 1,000 points. Where a group lacks rows of one of the labels nothing
    can be equal, and the model answers with plain labels. Whoever asks must tell the group. A query asked again is drawn again, or says the
    same (`answers`).
    """

    name = "threshold-optimizer"
    summary = "thresholds of each group, mixed at random so that rates of error are equal"
    needs_weights = False
    closed_form = True
    randomised = True
    uses_group = True
    seconds = 0.001

    class Settings(AnswersSettings):
        fit_on: Literal["held-out", "training"] = "held-out"
        """Rows of S_0 that the thresholds are fitted on, beside the complement: those that M_0 was not trained on, which are few, or those
        that it was, on which it looks better than it is."""

    def used(self, settings: ThresholdOptimizer.Settings, held_out: float = 0.0) -> Used:
        return Used(held_out if settings.fit_on == "held-out" else 1 - held_out, 1.0, 0.0)

    def apply(self, owner: Owner, settings: ThresholdOptimizer.Settings) -> Population:
        return owner.population

    def finish(self, owner: Owner, population: Population, settings: ThresholdOptimizer.Settings) -> np.ndarray:
        own = owner.held_out if settings.fit_on == "held-out" else owner.base
        rows = np.concatenate([own, owner.complement], 1)
        scores = owner.predict(population.weights, rows)
        return np.stack(
            [fitted(score, owner.y[row], owner.a[row]) for score, row in zip(scores, rows, strict=True)]
        ).reshape(len(rows), 2 * FIELDS)

    def answer(
        self,
        *,
        scores: np.ndarray,
        group: np.ndarray,
        state: np.ndarray,
        repeats: int,
        rng: Stream,
        settings: ThresholdOptimizer.Settings,
    ) -> np.ndarray:
        """As the contract says; the state (10,) holds for each group: with which probability the score is ignored, the probability of label 1
        then, with which probability the first threshold counts else, and both thresholds."""
        positive = probability(scores, *state.reshape(2, FIELDS)[group].T)
        given = (rng.random((repeats, len(scores))) < positive).astype(np.float32)
        return np.where(np.isfinite(scores), given, np.float32(np.nan))


def probability(
    scores: np.ndarray,
    ignored: np.ndarray | float,
    constant: np.ndarray | float,
    first: np.ndarray | float,
    low: np.ndarray | float,
    high: np.ndarray | float,
) -> np.ndarray:
    """Return P(label 1) (q,) of scores (q,) under rules whose numbers are (q,) each, or one for all."""
    return ignored * constant + (1 - ignored) * (first * (scores > low) + (1 - first) * (scores > high))


class Hull(NamedTuple):
    """The vertices of the upper hull of a group's ROC curve, from left to right: false and true positive rate, and the threshold."""

    x: np.ndarray
    y: np.ndarray
    threshold: np.ndarray


def hull(scores: np.ndarray, label: np.ndarray) -> Hull:
    """Return the hull of scores (m,) for labels (m,), of which both are there."""
    order = np.argsort(-scores, kind="stable")
    score, positive = scores[order].astype(np.float64), label[order].astype(np.int64)
    last = np.flatnonzero(np.append(score[1:] < score[:-1], True))  # of each run of equal scores
    true = np.append(0, np.cumsum(positive)[last])
    false = np.append(0, last + 1) - true
    threshold = np.concatenate([[NOBODY], (score[last[:-1]] + score[last[:-1] + 1]) / 2, [EVERYBODY]])
    while True:  # a point on or below the line between its neighbours is no vertex; in whole numbers, so exactly
        above = np.diff(true)[:-1] * (false[2:] - false[:-2]) > (true[2:] - true[:-2]) * np.diff(false)[:-1]
        kept = np.concatenate([[True], above, [True]])
        if kept.all():
            break
        true, false, threshold = true[kept], false[kept], threshold[kept]
    first = int(false[1] == 0)  # straight up from (0, 0): the higher of the two is at least as good
    return Hull(false[first:] / false[-1], true[first:] / true[-1], threshold[first:])


def fitted(scores: np.ndarray, label: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Return the rules (2, 5) of both groups, fitted to scores, labels and groups (m,): see `ThresholdOptimizer.answer`."""
    rules = np.tile([0.0, 0.0, 1.0, float(PLAIN), float(PLAIN)], (2, 1))
    mine = [group == a for a in (0, 1)]
    if not np.isfinite(scores).all() or any(len(np.unique(label[one])) < 2 for one in mine):
        return rules
    hulls = [hull(scores[one], label[one]) for one in mine]
    x = np.unique(np.concatenate([one.x for one in hulls]))
    apart = np.subtract(*(np.interp(x, one.x, one.y) for one in hulls))
    cross = np.flatnonzero(apart[:-1] * apart[1:] < 0)
    share = apart[cross] / (apart[cross] - apart[cross + 1])
    # what is at most both hulls is concave and linear between these
    x = np.sort(np.append(x, x[cross] + share * (x[cross + 1] - x[cross])))
    y = np.minimum(*(np.interp(x, one.x, one.y) for one in hulls))
    best = np.argmax(label.mean() * y + (1 - label.mean()) * (1 - x))
    for rule, one in zip(rules, hulls, strict=True):
        rule[:] = rule_at(one, x[best], y[best])
    return rules


def rule_at(one: Hull, x: float, y: float) -> tuple[float, ...]:
    """Return the rule whose false positive rate is x and whose true positive rate is y, at most the hull's there."""
    i = min(int(np.searchsorted(one.x, x, side="right")) - 1, len(one.x) - 2)
    i = max(i, 0)  # left of a hull that starts at a rate above 0 there is nothing
    share = (x - one.x[i]) / (one.x[i + 1] - one.x[i])
    top = one.y[i] + share * (one.y[i + 1] - one.y[i])
    ignored = (top - y) / (top - x) if top > x else 0.0
    return float(np.clip(ignored, 0, 1)), x, 1 - share, one.threshold[i], one.threshold[i + 1]


PLUGIN = ThresholdOptimizer()
