"""What an owner enters into its ledger: each training, as it really was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..engine.convex import Descent


@dataclass(frozen=True)
class Trained:
    """A training by `Owner.train` of the models `part` (k,), by position.

    rows (k, n): all that were handed to it, before validation holds some out at random; start (k, P): the weights that it
    went on from, None for initial ones; plain: the records' own labels, all rows alike; beside: rows beside these entered; end (k, P):
    the weights that came of it.
    """

    part: np.ndarray
    rows: np.ndarray
    start: np.ndarray | None
    plain: bool
    beside: bool
    end: np.ndarray


@dataclass(frozen=True)
class Descended:
    """A chain of `Owner.descend`, of all models. rows (K, n); how: as it was asked for; trunk (K, P): the weights whose last layer was
    left out, None where the model has no other layer; begun (K, p): where the chain started; low, high, step, drawn (K,):
    m, M, eta, and the root mean square of the noise that was added; streams (K,): the seeds of the noise; end (K, P): the weights
    that came of it, float32."""

    rows: np.ndarray
    how: Descent
    trunk: np.ndarray | None
    begun: np.ndarray
    low: np.ndarray
    high: np.ndarray
    step: np.ndarray
    drawn: np.ndarray
    streams: np.ndarray
    end: np.ndarray


@dataclass(frozen=True)
class Restarted:
    """A start that `Owner.restart` made, of all models. public, made (K, P): the weights it is near to, and the start; shrink, radius, noise:
    as asked for; drawn (K,): the root mean square of the noise that was added; kept (K,): how far the start was from `public` before it;
    streams (K,): the seeds of the noise."""

    public: np.ndarray
    made: np.ndarray
    shrink: float
    radius: float
    noise: float
    drawn: np.ndarray
    kept: np.ndarray
    streams: np.ndarray


Entry = Trained | Descended | Restarted
