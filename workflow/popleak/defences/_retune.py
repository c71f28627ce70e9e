"""Training on the mixture from a start of the defence's own: what the defences that unlearn share."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from ._mixture import mixture
from ._owner import Owner, Population
from ._settings import MixtureSettings, TuneSettings


class RetuneSettings(TuneSettings, MixtureSettings):
    """Settings of a defence that goes on training on complement and rehearsal rows."""

    rehearsal: float = Field(default=0.5, ge=0, le=1)
    """Share of the fine-tuning rows that come from the model's own draw S_0."""


def retune(owner: Owner, settings: RetuneSettings, start: np.ndarray | None, **more: Any) -> Population:
    """Go on from `start` (K, P), or from the initial weights, on complement and rehearsal rows, and return the models. more: as `Owner.train` takes it. From M_0 this is
    the defence `rehearsal` at the same settings, bit for bit."""
    return owner.train(mixture(owner, settings.rehearsal, settings.rows), start=start, **settings.steps, **more)[0]


def checkpoint(owner: Owner, epochs: int) -> Population:
    """Return M_0 as it was after so many epochs of its training, 0 to `owner.epochs`.

    A model's batches come from its own stream, so a training from the same initial weights that stops early is the beginning of
    M_0's, bit for bit, whatever the schedule of its step size.
    """
    if epochs == owner.epochs:
        return owner.population
    if epochs:
        return owner.train(owner.draw, stop=epochs)[0]
    weights, none = owner.initial(), np.zeros(len(owner.seeds))
    return Population(weights, np.isfinite(weights).all(1), none, none)
