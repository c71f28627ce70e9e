"""What a job of the stage `figures` is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .base import StepSettings


@dataclass(frozen=True, kw_only=True)
class FiguresStep(StepSettings):
    """The figure's name, and the largest accuracy gap that counts as none."""

    stage: ClassVar[str] = "figures"
    figure: str
    tau: float
