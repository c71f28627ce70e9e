"""What a job of the stage `train` is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .models import Direction, ModelsStep


@dataclass(frozen=True, kw_only=True)
class TrainStep(ModelsStep):
    """The worlds whose base models are trained."""

    stage: ClassVar[str] = "train"
    worlds: tuple[str, ...]

    @property
    def made(self) -> tuple[Direction, ...]:
        return tuple((world, world) for world in self.worlds)
