"""Indirect LiRA: the row is never asked, its neighbours are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..core.settings import NoSettings
from ._gaussians import LEAST, RIDGE, Sides, confidences, deviations, pooled, sides
from ._members import Candidates, MemberAttack, MemberJudge, ordered

BLOCK = 128
"""Candidates whose neighbours are looked at together."""


class Neighbours:
    """Positions (n, k) of each candidate's neighbours, and signs (n, k) with which confidences on them speak of the candidate's label.

    Of two classes the confidence in the other label is -phi. Of more it is not known, and the neighbour's own label is what is asked.
    """

    def __init__(self, candidates: Candidates) -> None:
        assert candidates.near is not None
        self.at = np.asarray(candidates.near)
        same = candidates.y[self.at] == candidates.y[: candidates.n, None]
        self.sign = np.where(same | (candidates.classes > 2), 1.0, -1.0)

    def features(self, outputs: np.ndarray, rows: slice = slice(None)) -> np.ndarray:
        """Return confidences (..., n, k) on the neighbours of these rows, of confidences (..., m) on all points."""
        return outputs[..., self.at[rows]] * self.sign[rows]


def shrunk(difference: np.ndarray, found: Sides, precision: np.ndarray, noise: float) -> np.ndarray:
    """Return what membership adds to each row's features, (n, k), from the difference of the sides' means, (n, k).

    Rows' effects vary about a common one, that of a neighbour of this rank: each is drawn towards the mean by the share of its squared
    distance that `noise` explains, on average over rows (the positive part of James-Stein with a common share, Efron & Morris, JASA 1975).
    Few shadows leave little but the common effect. 0 for rows without shadows on one side.
    """
    known = found.both
    if not known.any():
        return np.zeros_like(difference)
    common = difference[known].mean(axis=0)
    apart = difference[known] - common
    seen = float(np.einsum("nk,kl,nl->n", apart, precision, apart).mean())
    share = max(0.0, 1.0 - noise / seen) if seen > 0 else 0.0
    return np.where(known[:, None], common + share * (difference - common), 0.0)


class Moments(NamedTuple):
    """sides: of all rows; covariance (k, k): of features within rows, over rows and sides; twins (k, k): the sum over rows and pairs of twins of
    the squares of what the difference of the two is off its mean over pairs; pairs: of twins, 0 where shadows are not all in pairs."""

    sides: Sides
    covariance: np.ndarray
    twins: np.ndarray
    pairs: int

    @classmethod
    def of(cls, neighbours: Neighbours, outputs: np.ndarray, inside: np.ndarray) -> Moments:
        """Return the moments of shadows' confidences (S, m), which hold the candidates `inside` (S, n). Rows are taken a block at a time, which
        the processor's memory holds."""
        first, second = pairs_of(inside)
        n, k = neighbours.at.shape
        squares, twins, parts = np.zeros((k, k)), np.zeros((k, k)), []
        for start in range(0, n, BLOCK):
            rows = slice(start, start + BLOCK)
            features = neighbours.features(outputs, rows)
            parts.append(sides(features, inside[:, rows]))
            off = deviations(features, inside[:, rows], parts[-1]).reshape(-1, k)
            squares += off.T @ off
            if first.size:
                apart = features[first] - features[second]
                apart *= np.where(inside[first, rows], 1.0, -1.0)[..., None]
                apart -= apart.mean(axis=0)
                flat = apart.reshape(-1, k)
                twins += flat.T @ flat
        found = Sides(
            np.concatenate([part.counts for part in parts], 1), np.concatenate([part.means for part in parts], 1)
        )
        freedom = found.freedom.sum()
        if freedom:
            return cls(found, squares / freedom, twins, first.size)
        # no two shadows on a side of any row: scales alone are known
        return cls(found, pooled(neighbours.features(outputs), inside, found)[0], twins, first.size)

    def noise(self, precision: np.ndarray) -> float:
        """Return the expected squared distance of the difference of means from its expectation, on average over rows, in units of the
        covariance; infinite where it cannot be told.

        Twins are looked at: what the rest of the candidates does to a neighbour has opposite signs in them, so that they differ by more than
        models drawn apart, and the noise is that of the mean of their differences. Shadows that are not all in pairs count as drawn apart.
        """
        rows, known = self.sides.means.shape[1], self.sides.both
        if not self.pairs:
            return (
                len(precision) * float((1.0 / self.sides.counts[:, known]).sum(axis=0).mean())
                if known.any()
                else np.inf
            )
        if self.pairs < 2:
            return np.inf
        return float(np.sum(precision * self.twins)) / (self.pairs * (self.pairs - 1) * rows)


def pairs_of(inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of twins, shadows (S, n) that hold complementary halves; none where not all shadows are twins."""
    at = {row.tobytes(): s for s, row in enumerate(inside)}
    twin = np.array([at.get(row.tobytes(), -1) for row in ~inside], dtype=np.int64)
    first = np.flatnonzero(np.arange(len(inside)) < twin)
    whole = len(at) == len(inside) and 2 * first.size == len(inside)
    return (first, twin[first]) if whole else (first[:0], first[:0])


class IndirectJudge(MemberJudge):
    def __init__(self, neighbours: Neighbours, weights: np.ndarray, middle: np.ndarray) -> None:
        self.neighbours, self.weights, self.middle = neighbours, weights, middle

    def score(self, outputs: np.ndarray) -> np.ndarray:
        return np.einsum("nk,nk->n", self.neighbours.features(confidences(outputs)) - self.middle, self.weights)


class LiraIndirect(MemberAttack):
    """Log-likelihood ratio of the confidences in the row's label on its k nearest public rows, of models with and without the row.

    The k confidences are Gaussian, with means of the row's own, and one covariance (k, k), pooled over rows and sides: neighbours move
    together, so that their evidence does not add up as if independent. The difference of means, which a few shadows tell badly in k
    dimensions, is shrunk towards its mean over rows (`shrunk`). With this effect e and the mean c of the two sides' means
    score = (phi - c)' covariance^-1 e.
    Source: Jagielski et al., "Students Parrot Their Teachers", NeurIPS 2023 (arXiv:2303.03446), whose attack asks neighbours of the row
    too; covariance and shrinkage are ours.
    """

    name = "lira-indirect"
    summary = (
        "Gaussian log-likelihood ratio of the confidences on public rows near the row, which itself is never asked"
    )
    each = 1.6e-7
    access = "scores"
    classes = None
    direct = False
    needs_public = True

    def calibrate_members(
        self, *, shadows: np.ndarray, inside: np.ndarray, candidates: Candidates, settings: NoSettings
    ) -> IndirectJudge:
        if reason := self.lacks(candidates):
            raise ValueError(reason)
        shadows, inside = ordered(shadows, inside)
        neighbours = Neighbours(candidates)
        found = Moments.of(neighbours, confidences(shadows), inside)
        ridge = RIDGE * np.diag(np.diag(found.covariance)) + LEAST * np.eye(len(found.covariance))
        precision = np.linalg.inv(found.covariance + ridge)
        means = found.sides.means
        effect = shrunk(means[1] - means[0], found.sides, precision, found.noise(precision))
        return IndirectJudge(neighbours, effect @ precision, means.mean(axis=0))


PLUGIN = LiraIndirect()
