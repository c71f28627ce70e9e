"""What a job of the stage `query` is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ..core.protocols import Role
from .arms import Arm
from .base import Plain, StepSettings
from .games import Played


@dataclass(frozen=True, kw_only=True)
class QueryStep(StepSettings):
    """The games, the arms that are asked by role, and how often each query is asked of those that answer at random."""

    stage: ClassVar[str] = "query"
    model: str
    model_settings: Plain
    pairs: tuple[Played, ...]
    arms: Mapping[Role, tuple[Arm, ...]]
    repeats: tuple[int, ...]
