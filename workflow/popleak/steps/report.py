"""What the job of the stage `report` is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .base import Plain, StepSettings

PAPER = ("summary.csv", "summary.tex", "verdicts.csv", "verdicts.tex", "leakage.csv", "models.csv", "bounds.csv")
"""The report's tables as files for a paper, published beside the Parquet files. Leakage, models and bounds have hundreds of rows, which no
page holds, so that they are CSV alone."""


@dataclass(frozen=True, kw_only=True)
class ReportStep(StepSettings):
    """The config as it is shown, the figures in the order of `--figures`, and a line for each thing left out and each to be careful
    with."""

    stage: ClassVar[str] = "report"
    experiment: Plain
    figures: tuple[str, ...]
    absent: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
