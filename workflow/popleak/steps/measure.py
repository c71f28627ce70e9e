"""What a job of the stage `measure` is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ..core.protocols import RatioMode
from .arms import Arm
from .base import Plain, StepSettings
from .games import Pair, Played


@dataclass(frozen=True, kw_only=True)
class MeasureStep(StepSettings):
    """The games, with their worlds in the same order; the names of arms by the defences' ids; the victims' files by arm; and the
    arms whose shadows answered, in the order of the files. validation: the share of a draw that base models were not trained on."""

    stage: ClassVar[str] = "measure"
    task: str
    model_id: str
    model: str
    model_settings: Plain
    seed: int
    key: str
    mode: RatioMode
    pairs: tuple[Pair, ...]
    worlds: tuple[Played, ...]
    defences: tuple[str, ...]
    arms: Mapping[str, str]
    victims: tuple[Arm, ...]
    asked: tuple[str, ...]
    validation: float = 0.0
