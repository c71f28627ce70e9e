"""What attacks on generators share: samples and auxiliary rows read, and a share of group 1 from counts by label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from pydantic import Field

from ..core import settings
from ..core.columns import Columns
from ..core.errors import PopleakError
from ..measures import shares
from ..measures.shares import Share
from .base import Attack, Estimator, Game, Judge, Query

GROUPED = "samples"
"""The access that shows the group of samples; the other is `samples-withheld`."""


class Samples(NamedTuple):
    """Samples of one generator: y and a (m,) int8, a None where it is withheld, and compact columns (m, c)."""

    y: np.ndarray
    a: np.ndarray | None
    compact: np.ndarray

    @classmethod
    def of(cls, outputs: np.ndarray, *, grouped: bool) -> Samples:
        """Return what `outputs` (m, 1 + c) hold, or (m, 2 + c) with the group."""
        y = (outputs[:, 0] > 0.5).astype(np.int8)
        a = (outputs[:, 1] > 0.5).astype(np.int8) if grouped else None
        return cls(y, a, outputs[:, 1 + grouped :])

    def rates(self, hits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean of `hits` (m,) over samples of label 0 and of label 1 (2,), 0 where there are none, and how many there are (2,)."""
        counts = np.bincount(self.y, minlength=2)
        return np.bincount(self.y, weights=hits, minlength=2) / np.maximum(counts, 1), counts


class Auxiliary(NamedTuple):
    """Auxiliary rows: features x (q, d), labels and groups (q,), and P(y | a) among them, `rates` (2, 2), a row for each group."""

    x: np.ndarray
    y: np.ndarray
    a: np.ndarray
    columns: Columns
    rates: np.ndarray

    @classmethod
    def of(cls, query: Query) -> Auxiliary:
        """Return the query set as auxiliary rows. Raises PopleakError if it has no features."""
        if query.x is None or query.columns is None:
            raise PopleakError("samples: auxiliary rows need features: give x and columns in the query set")
        return cls(query.x, query.y, query.a, query.columns, label_rates(query))


def label_rates(query: Query) -> np.ndarray:
    """Return P(y | a) of auxiliary rows, (2, 2), a row for each group. Raises PopleakError if a group has no rows."""
    counts = np.bincount(2 * query.a.astype(np.int64) + query.y, minlength=4).reshape(2, 2)
    if (counts.sum(axis=1) == 0).any():
        raise PopleakError("samples: a group has no auxiliary rows: ask for more query points")
    return counts / counts.sum(axis=1, keepdims=True)


class Detection(NamedTuple):
    """How often rows of group 1 (tpr) and of group 0 (fpr) are counted as group 1: over all rows, and by label (2,)."""

    tpr: float
    fpr: float
    by_label: np.ndarray
    """(2, 2): FPR by label, then TPR by label; NaN where there are no rows."""


SURE = Detection(1.0, 0.0, np.array([[0.0, 0.0], [1.0, 1.0]]))
"""Of the group itself."""


class Counting(NamedTuple):
    """From samples that are counted as group 1, or not, to P(a = 1) of the training rows. rates: P(y | a), (2, 2)."""

    game: Game
    rates: np.ndarray
    delta: float

    def whole(self, samples: Samples, hits: np.ndarray, detection: Detection) -> Share:
        """Return the share where the samples' labels, and those of the rows that `detection` is measured on, follow P(y | a)."""
        m = len(hits)
        return shares.corrected(hits.mean(), m, tpr=detection.tpr, fpr=detection.fpr, delta=self.delta)

    def labelled(self, samples: Samples, hits: np.ndarray, detection: Detection) -> Share:
        """Return the share label by label: of label-balanced draws the mean at their label rate, else Bayes' rule."""
        raw, counts = samples.rates(hits)
        fpr, tpr = detection.by_label
        if self.game.mode == "label-balanced":
            rate = self.game.label_rate
            if rate is None:
                raise PopleakError("samples: label-balanced draws need their label rate: give label_rate in the game")
            weights = np.array([1 - rate, rate])
            return shares.weighted(raw, counts, weights=weights, tpr=tpr, fpr=fpr, delta=self.delta)
        return shares.inverted(raw, counts, rates=self.rates, tpr=tpr, fpr=fpr, delta=self.delta)


class SampleEstimator(Estimator):
    """What `calibrate_many` of attacks on generators returns: `share` tells more of one generator than its estimate."""

    def share(self, outputs: np.ndarray) -> Share:
        """Return the share of group 1 in the rows behind samples `outputs` (m, 2 + c), or (m, 1 + c)."""
        raise NotImplementedError

    def estimate(self, outputs: np.ndarray) -> float:
        return self.share(outputs).estimate


class WidthSettings(settings.Settings):
    """Settings of attacks whose estimates have a width."""

    delta: float = Field(default=shares.DELTA, gt=0, lt=1)
    """Probability, at most, that an estimate is further from its mean than the width reported with it."""
    samples: int | None = Field(default=None, ge=1, le=10_000_000)
    """How many of a generator's rows the adversary has, the first ones; None: all that are released."""

    def unused(self) -> set[str]:
        return super().unused() | ({"samples"} if self.samples is None else set())


class SampleAttack(Attack):
    """Base of attacks on generators. They name one ratio among many by m samples: implement `calibrate_many`, which gets the outputs
    (S_k, m, 2 + c) of shadow generators, or (S_k, m, 1 + c), and returns a `SampleEstimator`."""

    many = True
    of_samples = True
    estimates_within: ClassVar[float | None] = 0.1
    reads: ClassVar[tuple[str, ...]] = ()
    Settings: ClassVar[type[settings.Settings]] = WidthSettings

    @property
    def grouped(self) -> bool:
        """Whether the samples show their group."""
        return self.access == GROUPED

    def calibrate(
        self, *, shadows_0: np.ndarray, shadows_1: np.ndarray, query: Query, game: Game, settings: Any
    ) -> Judge:
        """Raises PopleakError: from samples a ratio is estimated; no pair of worlds is told apart."""
        raise PopleakError(f"{self.name}: estimates one ratio among many from samples, and judges no pair of worlds")

    def calibrate_many(
        self, *, shadows: Sequence[np.ndarray], ratios: Sequence[float], query: Query, game: Game, settings: Any
    ) -> SampleEstimator:
        raise NotImplementedError
