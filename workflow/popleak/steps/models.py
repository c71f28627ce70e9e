"""What jobs that make models are told, in the stages `train` and `defend` alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..core import typed
from ..core.protocols import Role
from ..engine.fit import Training
from .base import Plain, StepSettings
from .games import Poison

Direction = tuple[str, str]
"""The world of a model's own draw, and the world that its defence turns to; the same world twice for a base model."""


@dataclass(frozen=True, kw_only=True)
class ModelsStep(StepSettings):
    """training: None for a model in closed form; held_out: the share of a draw that such a model leaves out, of others `training` says
    it; part: (i, n), the i-th of n equal parts of each world's models; poison: where a world is poisoned."""

    decide: ClassVar[tuple[str, ...]] = ("model", "model_settings", "training", "held_out")
    """Fields that decide each single model, whatever else the job makes."""
    model: str
    model_settings: Plain
    training: Training | None = None
    roles: tuple[Role, ...]
    part: tuple[int, int]
    held_out: float = 0.0
    poison: Poison | None = None

    @property
    def made(self) -> tuple[Direction, ...]:
        """What the job makes models of."""
        raise NotImplementedError

    @property
    def validation(self) -> float:
        """The share of a draw that is held out of training."""
        return self.training.validation if self.training is not None else self.held_out

    @property
    def own_worlds(self) -> tuple[str, ...]:
        """The worlds of the models' own draws, one for each of `made`."""
        return tuple(world for world, _ in self.made)

    def deciding(self) -> dict[str, Any]:
        """Return, as JSON values, what decides each model beside its seed and its rows."""
        return {name: typed.plain(getattr(self, name)) for name in self.decide}
