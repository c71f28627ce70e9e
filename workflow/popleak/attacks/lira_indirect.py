"""Indirect LiRA: the row is never asked, its neighbours are."""

from __future__ import annotations

import numpy as np

from ..core.settings import NoSettings
from ._gaussians import LEAST, RIDGE, Sides, confidences, pooled, sides
from ._members import Candidates, MemberAttack, MemberJudge, ordered


class Neighbours:
    """Positions (n, k) of each candidate's neighbours, and signs (n, k) with which confidences on them speak of the candidate's label.

    Of two classes the confidence in the other label is -phi. Of more it is not known, and the neighbour's own label is what is asked.
    """

    def __init__(self, candidates: Candidates) -> None:
        assert candidates.near is not None
        self.at = np.asarray(candidates.near)
        same = candidates.y[self.at] == candidates.y[: candidates.n, None]
        self.sign = np.where(same | (candidates.classes > 2), 1.0, -1.0)

    def features(self, outputs: np.ndarray) -> np.ndarray:
        """Return confidences (..., n, k) from outputs (..., m)."""
        return confidences(outputs)[..., self.at] * self.sign


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


def noise_of(features: np.ndarray, inside: np.ndarray, found: Sides, precision: np.ndarray) -> float:
    """Return the expected squared distance of the difference of means from its expectation, on average over rows, in units of the
    covariance, from shadows' features (S, n, k); infinite where it cannot be told.

    Twins are looked for: what the rest of the candidates does to a neighbour has opposite signs in them, so that they differ by more than
    models drawn apart, and the noise is that of the mean of their differences. Shadows that are not all in pairs count as drawn apart.
    """
    at = {row.tobytes(): s for s, row in enumerate(inside)}
    twin = [at.get(row.tobytes(), -1) for row in ~inside]
    first = np.array([s for s, t in enumerate(twin) if s < t], dtype=np.int64)
    if len(at) < len(inside) or 2 * first.size < len(inside):
        known = found.both
        return features.shape[2] * float((1.0 / found.counts[:, known]).sum(axis=0).mean()) if known.any() else np.inf
    if first.size < 2:
        return np.inf
    sign = np.where(inside[first], 1.0, -1.0)[..., None]
    apart = sign * (features[first] - features[np.array(twin)[first]])
    apart = (apart - apart.mean(axis=0)).reshape(-1, features.shape[2])
    scatter = float(np.sum((apart @ precision) * apart))
    return scatter / (first.size * (first.size - 1) * features.shape[1])


class IndirectJudge(MemberJudge):
    def __init__(self, neighbours: Neighbours, weights: np.ndarray, middle: np.ndarray) -> None:
        self.neighbours, self.weights, self.middle = neighbours, weights, middle

    def score(self, outputs: np.ndarray) -> np.ndarray:
        return np.einsum("nk,nk->n", self.neighbours.features(outputs) - self.middle, self.weights)


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
    each = 2.8e-7
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
        features = neighbours.features(shadows)
        found = sides(features, inside)
        covariance = pooled(features, inside, found, common=True)[0]
        ridge = RIDGE * np.diag(np.diag(covariance)) + LEAST * np.eye(len(covariance))
        precision = np.linalg.inv(covariance + ridge)
        noise = noise_of(features, inside, found, precision)
        effect = shrunk(found.means[1] - found.means[0], found, precision, noise)
        return IndirectJudge(neighbours, effect @ precision, found.means.mean(axis=0))


PLUGIN = LiraIndirect()
