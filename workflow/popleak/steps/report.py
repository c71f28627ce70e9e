"""What the job of the stage `report` is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .base import Plain, StepSettings


@dataclass(frozen=True, kw_only=True)
class ReportStep(StepSettings):
    """The config as it is shown, the figures in the order of `--figures`, and a line for each thing left out and each to be careful
    with."""

    stage: ClassVar[str] = "report"
    experiment: Plain
    figures: tuple[str, ...]
    absent: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
