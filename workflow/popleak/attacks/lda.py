"""Linear discriminant analysis: the likelihood ratio of all answers at once, as a joint Gaussian with shrunk covariance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field

from ._left_out import UNKNOWN, Moments, Scale, scale_of
from ._profile import Profile, Reading
from .base import Attack, Game, Judge, Query

LARGEST = 1e6
"""Largest penalty, as a share of the mean variance: that of shadows whose covariance is all noise."""


class Axes:
    """The shadows' deviations from their world's mean, along their principal axes: what the covariance adds to a penalty.

    With W the sum of squares and products of the deviations Z (n, m) and A = W + penalty I, all that is asked of the
    inverse of A follows from the inner products Z Z^T (n, n), n being far below m:
    A^-1 = (I - Z^T (penalty I + Z Z^T)^-1 Z) / penalty.
    """

    def __init__(self, deviations: np.ndarray, difference: np.ndarray) -> None:
        """deviations (n, m); difference (m,) of the worlds' means."""
        self.deviations, self.difference = deviations, difference
        gram = deviations @ deviations.T
        values, self.vectors = np.linalg.eigh(gram)
        self.values = np.maximum(values, 0.0)
        self.lengths = np.diag(gram).copy()
        self.along = self.vectors.T @ (deviations @ difference)
        self.square = float(difference @ difference)

    def inverse(self, penalty: float) -> tuple[float, np.ndarray, np.ndarray]:
        """Return d A^-1 d, z_i A^-1 d (n,) and z_i A^-1 z_i (n,), d the difference and z_i the deviations."""
        shrunk = self.along / (self.values + penalty)
        return (
            (self.square - float(self.along @ shrunk)) / penalty,
            self.vectors @ shrunk,
            self.vectors**2 @ (self.values / (self.values + penalty)),
        )

    def weights(self, penalty: float) -> np.ndarray:
        """Return A^-1 d (m,)."""
        inside = self.vectors @ (self.along / (self.values + penalty))
        return (self.difference - inside @ self.deviations) / penalty

    def left_out(self, sizes: tuple[int, int], penalty: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the raw scores (S0,) and (S1,) of the shadows, each judged by all others, S0 and S1 at least 2.

        Without shadow i of a world of n its mean moves by -z_i / (n - 1), W by -n / (n - 1) z_i z_i^T (Sherman and
        Morrison give the inverse), and the shadow lies z_i n / (n - 1) from the mean. Exact, with no refit.
        """
        square, across, own = self.inverse(penalty)
        sign, n = np.repeat([-1.0, 1.0], sizes), np.repeat(np.array(sizes, dtype=np.float64), sizes)
        moved = sign / (n - 1)  # the difference becomes d - moved z_i
        far = 1 + 1 / (2 * (n - 1))  # the shadow lies sign d / 2 + far z_i from midway between the means
        plain = sign / 2 * square - sign / 2 * moved * across + far * across - far * moved * own
        here, there = sign / 2 * across + far * own, across - moved * own
        gain = n / (n - 1)
        raw = plain + gain * here * there / np.maximum(1 - gain * own, 1e-12)
        return raw[: sizes[0]], raw[sizes[0] :]


def ledoit_wolf(axes: Axes) -> float:
    """Return the penalty of Ledoit & Wolf (2004) on the sum of squares, from the inner products of n centred rows."""
    n, m = axes.deviations.shape
    mean = axes.values.sum() / (n * m)
    square = float(np.sum(axes.values**2)) / n**2
    off = square - m * mean**2  # squared distance of the covariance from mean times identity
    error = (float(np.sum(axes.lengths**2)) / n - square) / n
    share = 1.0 if off <= 0 else min(error / off, 1.0)
    return n * mean * min(share / max(1 - share, 1 / LARGEST), LARGEST)


class Chosen(NamedTuple):
    penalty: float
    scale: Scale


def by_left_out(axes: Axes, sizes: tuple[int, int], penalties: Sequence[float]) -> Chosen:
    """Return the penalty with the largest distance of the worlds' mean left-out scores, in units of their pooled standard
    deviation (to 9 decimals; of equals the largest penalty), with threshold and scale."""
    tried = []
    for penalty in sorted(penalties, reverse=True):
        low, high = axes.left_out(sizes, penalty)
        scale = scale_of(low, high)
        tried.append((round((float(high.mean()) - float(low.mean())) / scale.scale, 9), Chosen(penalty, scale)))
    return max(tried, key=lambda one: one[0])[1]


class LdaJudge(Judge):
    """score = ((logit(clipped outputs) - middle) . weights - threshold) / scale, middle and weights (m,) on the logits."""

    def __init__(
        self, *, profile: Profile, middle: np.ndarray, weights: np.ndarray, scale: Scale, penalty: float
    ) -> None:
        self.profile, self.middle, self.weights, self.scale, self.penalty = profile, middle, weights, scale, penalty

    def score(self, outputs: np.ndarray) -> float:
        logits = self.profile(outputs)
        return self.scale(float((logits - self.middle) @ self.weights))


class Lda(Attack):
    """score = (log-likelihood ratio of all logits, as a joint Gaussian with one covariance - threshold) / scale.

    The ratio is (x - middle) . A^-1 (mean_1 - mean_0), with A the covariance within worlds, pooled, plus a penalty on the
    diagonal, since there are more query points than shadows. Columns are in units of their standard deviation within
    worlds first, so that the penalty means the same for all. The penalty is the one whose left-out scores tell the
    worlds apart best; or that of Ledoit & Wolf; or a number, in units of the mean variance. Left-out scores
    are exact, by updates of the inverse. Threshold: midway between the means of the two worlds' left-out scores; scale:
    their pooled standard deviation. With one shadow in a world, where nothing is left: penalty 1, threshold 0, scale 1.
    Of C > 2 classes a query point has a column for each class but the first.
    Source: Fisher, "The Use of Multiple Measurements in Taxonomic Problems", Annals of Eugenics 1936; Friedman,
    "Regularized Discriminant Analysis", JASA 1989; Ledoit & Wolf, "A well-conditioned estimator for large-dimensional
    covariance matrices", JMVA 2004.
    """

    name = "lda"
    summary = "joint Gaussian log-likelihood ratio of all answers, with a covariance that is shrunk"
    access = "scores"
    classes = None
    reads = ()
    reaches = 0.98

    class Settings(Reading):
        spread: float = Field(default=0.02, gt=0)
        """Least standard deviation of a column within worlds, in logits."""
        shrinkage: Literal["leave-one-out", "ledoit-wolf"] | Annotated[float, Field(gt=0, le=1e9)] = "leave-one-out"
        """How the penalty is found, or the penalty itself, in units of the mean variance."""
        penalties: tuple[Annotated[float, Field(gt=0, le=1e9)], ...] = Field(
            default=(1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3, 1e4), min_length=1
        )
        """Penalties to choose from by left-out scores."""

        def unused(self) -> set[str]:
            return set() if self.shrinkage == "leave-one-out" else {"penalties"}

    def calibrate(
        self, *, shadows_0: np.ndarray, shadows_1: np.ndarray, query: Query, game: Game, settings: Settings
    ) -> Judge:
        """Return a judge fitted to scores (S0, m) and (S1, m), S0 and S1 at least 1."""
        profile, worlds = Profile.of((shadows_0, shadows_1), settings)
        moments = Moments.of(worlds)
        freedom = max(sum(moments.sizes) - 2, 1)
        spread = np.maximum(np.sqrt(moments.squares / freedom), settings.spread)
        zero, one = moments.means
        deviations = np.concatenate([world - mean for world, mean in zip(worlds, moments.means, strict=True)])
        axes = Axes(deviations / spread, (one - zero) / spread)
        penalty, scale = self._shrunk(axes, moments.sizes, settings)
        # freedom makes the raw score that of the covariance, and not of the sum of squares
        weights = axes.weights(penalty) / spread * freedom
        scale = Scale(scale.threshold * freedom, scale.scale * freedom) if scale is not UNKNOWN else scale
        return LdaJudge(profile=profile, middle=(zero + one) / 2, weights=weights, scale=scale, penalty=penalty)

    def _shrunk(self, axes: Axes, sizes: tuple[int, int], settings: Settings) -> Chosen:
        """Return the penalty on the sum of squares, with threshold and scale of raw scores."""
        unit = float(axes.values.sum()) / axes.deviations.shape[1] or 1.0
        several = min(sizes) > 1
        if settings.shrinkage == "leave-one-out":
            penalties = [penalty * unit for penalty in settings.penalties]
            return by_left_out(axes, sizes, penalties) if several else Chosen(unit, UNKNOWN)
        if settings.shrinkage == "ledoit-wolf":
            penalty = ledoit_wolf(axes) or unit
        else:
            penalty = settings.shrinkage * unit
        return Chosen(penalty, scale_of(*axes.left_out(sizes, penalty)) if several else UNKNOWN)


PLUGIN = Lda()
