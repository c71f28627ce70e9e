"""What a job of the stage `sample` is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from ..core.protocols import Role
from .base import Plain, StepSettings
from .models import Direction


@dataclass(frozen=True, kw_only=True)
class SampleStep(StepSettings):
    """The generators that rows are drawn from: their directions and roles, as the step that made them has them. rows: of each; labels: P(y) of
    these rows, the generator's own or even; group_share: P(a = 1) among them where they are chosen so, else None."""

    stage: ClassVar[str] = "sample"
    model: str
    model_settings: Plain
    made: tuple[Direction, ...]
    roles: tuple[Role, ...]
    rows: int
    labels: Literal["own", "even"] = "own"
    group_share: float | None = None
