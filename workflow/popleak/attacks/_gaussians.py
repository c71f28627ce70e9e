"""Gaussians of what models answer on a row when they were trained on it, and when they were not."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

Variance = Literal["auto", "row", "pooled"]

ENOUGH = 16
"""Shadows on each side of a row from which on its own variances are used. Carlini et al. (S&P 2022, section VI) find one variance for all
rows better with fewer than 64 shadows, half of which hold a row. On simulated rows whose standard deviations differ by a factor of
e^0.4 both have the same AUC at 16 a side, and the row's own the larger TPR at an FPR of 1 % (0.095 against 0.058); with equal ones the
pooled variance stays ahead by 0.01, with a factor of e^0.8 the row's own is ahead from 4 a side on."""
LIMIT = 100.0
"""Largest confidence, in logits, that is told from larger ones: float32 ends at 88."""
RIDGE = 1e-4
"""What is added to each variance, as a share of the variance pooled over rows: of few shadows, or of such as agree, a row's own may be 0."""
LEAST = 1e-6
"""Least variance, in squared logits: models that all say the same."""


def settled(variance: Variance, shadows: int) -> Variance:
    """Return what `auto` comes to with this number of shadows on each side of every row; else the setting."""
    if variance != "auto":
        return variance
    return "row" if shadows >= ENOUGH else "pooled"


def confidences(outputs: np.ndarray) -> np.ndarray:
    """Return outputs as float64 logits within LIMIT, 0 where a model gave no number: p = 1/2."""
    return np.clip(np.nan_to_num(np.asarray(outputs, dtype=np.float64), posinf=LIMIT, neginf=-LIMIT), -LIMIT, LIMIT)


class Sides(NamedTuple):
    """Of n rows, the shadows without (0) and with (1) the row: counts (2, n); means (2, n, d) of the features, 0 where there is none."""

    counts: np.ndarray
    means: np.ndarray

    @property
    def both(self) -> np.ndarray:
        """(n,) bool: rows with shadows on both sides; of others nothing is known."""
        return np.asarray((self.counts > 0).all(axis=0))

    @property
    def freedom(self) -> np.ndarray:
        """(2, n): degrees of freedom of each row's variance on each side."""
        return np.maximum(self.counts - 1, 0)


def sides(features: np.ndarray, inside: np.ndarray) -> Sides:
    """Return the sides of shadows' features (S, n, d), shadow s holding row i where inside[s, i]."""
    count = inside.sum(axis=0)
    counts = np.stack([len(inside) - count, count])
    if not len(features):
        return Sides(counts, np.zeros((2, *features.shape[1:])))
    start = features[0]  # sums of differences: equal answers have an equal mean on both sides, to the last bit
    apart = features - start
    sums = np.stack([np.einsum("snd,sn->nd", apart, held) for held in _held(inside)])
    return Sides(counts, np.where(counts[..., None] > 0, start + sums / np.maximum(counts, 1)[..., None], 0.0))


def deviations(features: np.ndarray, inside: np.ndarray, found: Sides) -> np.ndarray:
    """Return features (S, n, d) less the mean of the row's shadows of the same side."""
    apart = features - found.means[0]
    # where both means are equal this is 0 to the last bit
    apart -= inside[..., None] * (found.means[1] - found.means[0])
    return apart


def pooled(features: np.ndarray, inside: np.ndarray, found: Sides, *, common: bool = False) -> np.ndarray:
    """Return the covariances (2, d, d) of features within rows, over all rows, of either side; `common`: over both sides.

    A side that has no row with two shadows takes the common one. Where neither has, scales alone are known: the diagonal matrix of the
    variances of all features.
    """
    flat, d = deviations(features, inside, found), features.shape[2]
    freedom = found.freedom.sum(axis=1)
    if not freedom.any():
        every = features.reshape(-1, d)
        return np.stack([np.diag(every.var(axis=0) if len(every) else np.ones(d))] * 2)
    if common or not freedom.all():
        every = flat.reshape(-1, d)
        return np.stack([every.T @ every / freedom.sum()] * 2)
    return np.stack([(part.T @ part) / of for part, of in zip((flat[~inside], flat[inside]), freedom, strict=True)])


class Gaussians:
    """Two Gaussians of d numbers for each of n rows, without and with the row, from shadows' features (S, n, d).

    used: `pooled`, one covariance a side for all rows, or `row`, the row's own, with weight `prior` on the pooled one in degrees of freedom.
    `auto` is `row` where every row has ENOUGH shadows on both sides.
    """

    def __init__(self, features: np.ndarray, inside: np.ndarray, *, variance: Variance, prior: float = 0.0) -> None:
        self.sides = sides(features, inside)
        self.used = settled(variance, int(self.sides.counts.min(initial=len(inside))))
        shared = pooled(features, inside, self.sides)
        covariance = shared[:, None]
        if self.used == "row":
            apart = deviations(features, inside, self.sides)
            squares = apart[..., :, None] * apart[..., None, :]
            scatter = np.stack([np.einsum("snde,sn->nde", squares, held) for held in _held(inside)])
            freedom = self.sides.freedom[..., None, None] + prior
            own = (scatter + prior * covariance) / np.maximum(freedom, 1)
            covariance = np.where(freedom > 0, own, covariance)
        diagonal = np.einsum("gdd->gd", shared)[:, None, :, None] * np.eye(features.shape[2])
        covariance = covariance + RIDGE * diagonal + LEAST * np.eye(features.shape[2])
        self.precision = np.linalg.inv(covariance)
        self.log_det = np.linalg.slogdet(covariance)[1]

    def distances(self, features: np.ndarray) -> np.ndarray:
        """Return squared Mahalanobis distances (2, n) of one model's features (n, d) from the means of both sides."""
        apart = features - self.sides.means
        return np.einsum(
            "gnd,gnde,gne->gn", apart, np.broadcast_to(self.precision, (*apart.shape, apart.shape[2])), apart
        )

    def log_ratio(self, features: np.ndarray) -> np.ndarray:
        """Return log N(features; with the row) - log N(features; without), (n,), 0 where a side has no shadow."""
        zero, one = (self.distances(features) + self.log_det) / 2
        return np.where(self.sides.both, zero - one, 0.0)


def _held(inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return weights (S, n) that count the shadows without each row, and those with it."""
    return (~inside).astype(np.float64), inside.astype(np.float64)
