"""What the job of the stage `report` is told."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from .base import Plain, StepSettings
from .papers import Paper

PAPER = tuple(
    f"{table}.{ending}"
    for table in ("summary", "verdicts", "leakage", "models", "bounds", "placebo")
    for ending in ("csv", "tex")
)
"""The report's tables as files for a paper, published beside the Parquet files."""


DESCRIBED = {"config.json": "config.json", "ro-crate-metadata.json": "crate.json"}
"""What describes the run as a whole: the names of these files where they are published, and in the store."""


def papers_of(tables: Collection[str]) -> tuple[str, ...]:
    """Return those of `PAPER` that a run with these public tables has."""
    return tuple(file for file in PAPER if not file.startswith("placebo.") or "placebo" in tables)


def named(value: Any) -> Any:
    """Return the name of a file for its absolute path, as it is shown and published; anything else as it is."""
    if isinstance(value, str) and Path(value).is_absolute() and len(Path(value).parts) > 2:
        return Path(value).name
    return value


@dataclass(frozen=True, kw_only=True)
class ReportStep(StepSettings):
    """The config as it is shown, the figures in the order of `--figures`, and a line for each thing left out and each to be careful
    with. paper: whose claims are judged. controls, kinds: of each defence, by task. downloads: files that are published beside the page, by their paths from there."""

    stage: ClassVar[str] = "report"
    experiment: Plain
    figures: tuple[str, ...]
    absent: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    paper: Paper | None = None
    controls: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    kinds: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    downloads: tuple[str, ...] = ()
