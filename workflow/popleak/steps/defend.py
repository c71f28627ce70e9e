"""What a job of the stage `defend` is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..core.protocols import RatioMode
from .base import Plain
from .models import Direction, ModelsStep


@dataclass(frozen=True, kw_only=True)
class DefendStep(ModelsStep):
    """A defence, and the directions in which models are defended."""

    stage: ClassVar[str] = "defend"
    decide: ClassVar[tuple[str, ...]] = (*ModelsStep.decide, "defence", "defence_settings", "mode")
    defence: str
    defence_settings: Plain
    mode: RatioMode
    directions: tuple[Direction, ...]

    @property
    def made(self) -> tuple[Direction, ...]:
        return self.directions
