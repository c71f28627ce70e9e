"""What the KL attacks share: divergences of shadows from a victim, and their evidence for world 1.

Scores of two classes are (models, m). Those of C > 2 are (models, m, C), and stand here as (models, m C), clipped and summing to 1 at each
point, with log p in place of the logit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ._left_out import UNKNOWN, Scale, scale_of
from ._shadows import DECIMALS, clipped, in_order, logit
from .base import Judge


class Shadows(NamedTuple):
    """Of one world's shadows: clipped scores p (S, m), their mean negative entropies h (S,) in nats, and what would be
    seen of them as victims, clipped (S, m), with its logits (S, m). width: columns a point, 1 for two classes, else C."""

    p: np.ndarray
    h: np.ndarray
    seen: np.ndarray
    logits: np.ndarray
    width: int = 1


def prepare(scores: np.ndarray, *, clip: float, hard: bool = False, ordered: bool = False) -> Shadows:
    """Return the shadows (S, m), or (S, m, C), in the form that `Evidence` needs. hard: of victims only the hard labels are seen.

    ordered: their order carries meaning and is kept; else they are sorted, so that none does.
    """
    scores = np.asarray(scores, dtype=np.float64) if ordered else in_order(scores)
    if scores.ndim == 3:
        return _several(scores, clip=clip, hard=hard)
    p = clipped(scores, clip=clip)
    yes, no = np.log(p), np.log1p(-p)
    seen = clipped(scores >= 0.5, clip=clip) if hard else p
    logits = logit(seen) if hard else yes - no
    # In place: fresh memory costs more than the arithmetic.
    yes *= p
    no *= 1 - p
    yes += no
    return Shadows(p, yes.mean(axis=1), seen, logits)


def _several(scores: np.ndarray, *, clip: float, hard: bool) -> Shadows:
    """Return shadows (S, m, C) as `prepare` does."""
    classes = scores.shape[2]
    p = categorical(scores, clip=clip)
    seen = categorical(np.eye(classes)[scores.argmax(axis=2)], clip=clip) if hard else p
    h = (p * np.log(p)).sum(axis=1) / scores.shape[1]
    return Shadows(p, h, seen, np.log(seen), classes)


def categorical(scores: np.ndarray, *, clip: float) -> np.ndarray:
    """Return scores (..., m, C) as (..., m C), at least `clip` before they are made to sum to 1 at each point."""
    raised = np.maximum(np.asarray(scores, dtype=np.float64), clip)
    raised /= raised.sum(axis=-1, keepdims=True)
    return raised.reshape(*raised.shape[:-2], -1)


def divergence(shadows: Shadows, victims: np.ndarray) -> np.ndarray:
    """Return KL(shadow_i || victim_j) (S, V) in nats, averaged over the m points, of clipped scores (V, m), or (V, m C).

    KL(s || v) = s log s + (1 - s) log(1 - s) - s log v - (1 - s) log(1 - v): two matrix products, no cube.
    """
    if shadows.width > 1:
        cross = shadows.p @ np.log(victims).T
        return np.round(shadows.h[:, None] - cross / (shadows.p.shape[1] // shadows.width), DECIMALS)
    cross = shadows.p @ np.log(victims).T + (1 - shadows.p) @ np.log1p(-victims).T
    return np.round(shadows.h[:, None] - cross / shadows.p.shape[1], DECIMALS)


def share(kl_0: np.ndarray, kl_1: np.ndarray) -> float:
    """Return the share of pairs (i, j) with kl_0[i] > kl_1[j], a tie counting one half."""
    kl_1 = np.sort(kl_1)
    wins = np.searchsorted(kl_1, kl_0, side="left") + np.searchsorted(kl_1, kl_0, side="right")
    return float(wins.sum() / (2 * len(kl_0) * len(kl_1)))


def mean_evidence(h: np.ndarray | float, difference: np.ndarray, logits: np.ndarray, width: int = 1) -> np.ndarray:
    """Return the sum over worlds of coefficient * mean over the world's shadows of KL(shadow || victim), (...).

    For coefficients 1 and -1 that is the mean over pairs of KL(shadow0_i || victim) - KL(shadow1_j || victim). The
    coefficients add up to 0, so all cancels but h - mean over points of difference * logit(victim), or of several classes of the sum over
    them of difference * log(victim). h (...): sum of
    coefficient * the world's mean negative entropy; difference (..., m): that of its mean scores; logits (..., m): the
    victim's. Sums run over the last axis alone: a victim's value does not depend on what else is in the array.
    """
    return h - np.mean(difference * logits, axis=-1) * width


class Evidence:
    """Raw evidence for world 1 (of many: for high ratios), before threshold and scale.

    coefficients: of the worlds' mean divergences, with sum 0. The worlds' shadows are needed by `leave_one_out`, and by
    the votes of two worlds.
    """

    def __init__(
        self, shadows: Sequence[Shadows], *, clip: float, vote: bool = False, coefficients: Sequence[float] = (1, -1)
    ) -> None:
        self.shadows, self.clip, self.vote, self.coefficients = tuple(shadows), clip, vote, coefficients
        self.width = self.shadows[0].width
        self.means = [world.p.mean(axis=0) for world in shadows]
        self.h = [float(world.h.mean()) for world in shadows]
        self.difference: np.ndarray = self._contrast(self.means)
        self.h_difference: float = self._contrast(self.h)

    def _contrast(self, values: Sequence[Any]) -> Any:
        """Return the sum over worlds of coefficient * value, values being numbers or arrays of one shape."""
        return sum(c * value for c, value in zip(self.coefficients, values, strict=True))

    def raw(self, outputs: np.ndarray) -> float:
        """Return the evidence in one victim's outputs, scores (m,) or (m, C), or labels (m,), rounded so that rounding decides nothing."""
        if self.width == 1:
            return self.of(clipped(outputs, clip=self.clip))
        outputs = np.asarray(outputs)
        scores = np.eye(self.width)[outputs.astype(np.int64)] if outputs.ndim == 1 else outputs
        return self.of(categorical(scores, clip=self.clip))

    def of(self, victim: np.ndarray) -> float:
        """Return the evidence in what is seen of one victim, clipped (m,) or (m C,)."""
        if self.vote:
            return share(*(divergence(world, victim[None])[:, 0] for world in self.shadows))
        logits = logit(victim) if self.width == 1 else np.log(victim)
        return round(float(mean_evidence(self.h_difference, self.difference, logits, self.width)), DECIMALS)

    def forget(self) -> None:
        """Drop what only `leave_one_out` needs: judges of all splits are kept at once."""
        nothing = np.empty((0, len(self.means[0])))
        self.means = []
        self.shadows = tuple(world._replace(seen=nothing, logits=nothing) for world in self.shadows if self.vote)

    def leave_one_out(self, world: int) -> np.ndarray:
        """Return the raw evidence (S,) in one world's shadows, each judged by all the others (S >= 2)."""
        return self._votes(world) if self.vote else self._means(world)

    def _means(self, world: int) -> np.ndarray:
        own, n, c = self.shadows[world], len(self.shadows[world].p), self.coefficients[world]
        means = list(self.means)
        h: list[np.ndarray | float] = list(self.h)
        means[world] = n * means[world] - own.p  # in row i the world's mean without shadow i
        means[world] /= n - 1
        h[world] = (n * h[world] - own.h) / (n - 1)
        difference = means[world]
        difference *= c  # in place, as all here: fresh memory costs more than the arithmetic
        for other, (coefficient, mean) in enumerate(zip(self.coefficients, means, strict=True)):
            if other != world:
                difference += coefficient * mean
        values = mean_evidence(self._contrast(h), difference, own.logits, self.width)
        return np.array([round(float(value), DECIMALS) for value in values])

    def _votes(self, world: int) -> np.ndarray:
        kl = [divergence(others, self.shadows[world].seen) for others in self.shadows]
        scores = []
        for k in range(len(self.shadows[world].p)):
            columns = [values[:, k] for values in kl]
            columns[world] = np.delete(columns[world], k)
            scores.append(share(*columns))
        return np.array(scores)


class KLJudge(Judge):
    """score = (raw evidence - threshold) / scale, both from the two worlds' shadows, each judged by the others."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.threshold, self.scale = self._scale()
        evidence.forget()

    def score(self, outputs: np.ndarray) -> float:
        return Scale(self.threshold, self.scale)(self.evidence.raw(outputs))

    def _scale(self) -> Scale:
        if min(len(world.p) for world in self.evidence.shadows) < 2:
            return UNKNOWN._replace(threshold=0.5) if self.evidence.vote else UNKNOWN
        return scale_of(self.evidence.leave_one_out(0), self.evidence.leave_one_out(1))
