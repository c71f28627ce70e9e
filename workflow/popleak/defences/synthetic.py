"""Training on synthetic rows alone: what a receiver makes of rows that a generator releases."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import Field

from ..core.seeds import generator
from ._price import Used
from ._received import ReceivedSettings
from .base import Defence, Owner, Population, TrainSettings

CELLS = 4
"""(label, group) of two labels."""


class Synthetic(Defence):
    """A model, from the same initial weights as M_0, is trained on rows of a generator that was trained on S_0, and released in its place: the chain of
    sharer and receiver ("Exploring privacy and fairness risks in sharing diffusion models", arXiv:2402.18607).

    What a receiver may do against rows that a sharer made unfair: `rebalance` brings the four cells of label and group to one size; with
    `eo_weight` the model goes on training on the same rows under an Equalized Odds term, as fair fine-tuning does on the complement; both can be
    combined. A cell that the generator never draws cannot be repeated: the others are brought to one size.
    """

    name = "synthetic"
    summary = "trained on rows of a generator of S_0 alone, as a receiver does"
    access = "training"
    complement = False

    class Settings(ReceivedSettings, TrainSettings):
        rebalance: bool = False
        """Repeat or leave out rows so that all cells of label and group are of one size."""
        eo_weight: Annotated[float, Field(ge=0)] = 0.0
        """Lambda of the Equalized Odds term of a fine-tuning on the same rows; 0: there is none."""
        fair_epochs: Annotated[int, Field(ge=1, le=100_000)] | None = None
        """Epochs of that fine-tuning; None: as many as the model is trained for."""

        def unused(self) -> set[str]:
            return super().unused() | (set() if self.eo_weight else {"fair_epochs"})

    def received(self, settings: Synthetic.Settings) -> Any:
        return settings.whose

    def used(self, settings: Synthetic.Settings, held_out: float = 0.0) -> Used:
        return Used(1.0, 0.0, 0.0)

    def epochs(self, base: int, settings: Synthetic.Settings) -> float:
        own = settings.epochs or base
        return own + ((settings.fair_epochs or own) if settings.eo_weight else 0)

    def apply(self, owner: Owner, settings: Synthetic.Settings) -> Population:
        rows = balanced(owner) if settings.rebalance else owner.samples
        trained = owner.train(rows, **settings.steps)[0]
        if not settings.eo_weight:
            return trained
        from ..engine.eo import Penalty

        steps = settings.steps | {"epochs": settings.fair_epochs or settings.epochs}
        return owner.train(rows, start=trained.weights, **steps, penalty=Penalty(settings.eo_weight))[0]


def balanced(owner: Owner) -> np.ndarray:
    """Return the rows (K, m) of each model brought to cells of one size, give or take a row: in random order, repeated as evenly as can be."""
    rows = owner.samples
    found = np.empty_like(rows)
    for k, (mine, seed) in enumerate(zip(rows, owner.seeds, strict=True)):
        rng = generator(int(seed), "rebalance")
        cell = 2 * owner.y[mine].astype(np.int64) + owner.a[mine]
        there = [rng.permutation(mine[cell == number]) for number in range(CELLS) if (cell == number).any()]
        ends = np.linspace(0, len(mine), len(there) + 1).round().astype(int)
        sizes = np.diff(ends)
        found[k] = rng.permutation(
            np.concatenate([np.resize(one, size) for one, size in zip(there, sizes, strict=True)])
        )
    return found


PLUGIN = Synthetic()
