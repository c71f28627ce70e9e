"""What a job of the stage `inspect` is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from .arms import Held
from .base import StepSettings
from .games import Pair, Played


@dataclass(frozen=True, kw_only=True)
class InspectStep(StepSettings):
    """The games whose victims' rows are looked at, with their worlds in the same order; the names of arms by the ids of the sharers' defences, those of
    them that train on the complement, too, and how many of the files hold what is released in each arm."""

    stage: ClassVar[str] = "inspect"
    task: str
    model_id: str
    seed: int
    key: str
    pairs: tuple[Pair, ...]
    worlds: tuple[Played, ...]
    defences: tuple[str, ...]
    arms: Mapping[str, str]
    complemented: tuple[str, ...]
    files: tuple[Held, ...]
