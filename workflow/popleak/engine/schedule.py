"""How models are trained, and the step size of each epoch, for both backends."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from ..core.errors import PopleakError
from ..core.settings import Settings

if TYPE_CHECKING:
    import numpy as np

Schedule = Literal["constant", "linear", "cosine", "restarts"]


def without_effect(schedule: Schedule | None) -> set[str]:
    """Return which of `schedule` and `cycles` have no effect where the default is to have no schedule of one's own."""
    return {"restarts": set(), "linear": {"cycles"}, "cosine": {"cycles"}}.get(
        schedule or "constant", {"schedule", "cycles"}
    )


def fits(schedule: Schedule | None, cycles: int, epochs: int) -> bool:
    """Return whether a training of so many epochs has room for the cycles of its schedule."""
    return schedule != "restarts" or cycles <= epochs


def rates(schedule: Schedule, learning_rate: float, epochs: int, cycles: int = 1) -> np.ndarray:
    """Return the step size of each epoch (epochs,), float64. All start at `learning_rate` and none reaches 0 within training.

    With t the share of epochs that are over: `constant`; `linear`, times 1 - t; `cosine`, times (1 + cos(pi t)) / 2; `restarts`, the cosine
    over each of `cycles` equal parts of the training (SGDR, Loshchilov & Hutter 2017, with a step size an epoch and parts of one length;
    Adam's moments go on). Raises PopleakError for more cycles than epochs.
    """
    import numpy as np

    if schedule == "constant":
        return np.full(epochs, float(learning_rate))
    if not fits(schedule, cycles, epochs):
        raise PopleakError(f"config: cycles: {cycles} cycles of the learning rate do not fit {epochs} epochs: lower it")
    turns = cycles if schedule == "restarts" else 1
    # whole numbers until the division: a restart is exact, whatever number of epochs there is
    over = [epoch * turns % epochs / epochs for epoch in range(epochs)]
    if schedule == "linear":
        return np.array([learning_rate * (1 - share) for share in over])
    return np.array([learning_rate * (1 + math.cos(math.pi * share)) / 2 for share in over])


class Training(Settings):
    """How a model is trained: Adam on cross-entropy."""

    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float = 0.0
    validation: float = 0.1
    schedule: Schedule = "constant"
    cycles: int = 1
    stop: int | None = None

    def unused(self) -> set[str]:
        return without_effect(self.schedule) | ({"stop"} if self.stop is None else set())

    def rates(self) -> np.ndarray:
        """Return the step size of each epoch that is trained: of the first `stop` of them, all (epochs,) by default."""
        return rates(self.schedule, self.learning_rate, self.epochs, self.cycles)[: self.stop]
