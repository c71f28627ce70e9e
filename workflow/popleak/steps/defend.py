"""What a job of the stage `defend` is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..core.protocols import RatioMode
from .base import Plain
from .models import Direction, ModelsStep


@dataclass(frozen=True, kw_only=True)
class DefendStep(ModelsStep):
    """A defence, and the directions in which models are defended. held_out: the share of a draw that a model in closed form leaves
    out; of others `training` says it."""

    stage: ClassVar[str] = "defend"
    decide: ClassVar[tuple[str, ...]] = (*ModelsStep.decide, "held_out", "defence", "defence_settings", "mode")
    defence: str
    defence_settings: Plain
    mode: RatioMode
    held_out: float = 0.0
    directions: tuple[Direction, ...]

    @property
    def validation(self) -> float:
        return self.training.validation if self.training is not None else self.held_out

    @property
    def made(self) -> tuple[Direction, ...]:
        return self.directions
