"""What a job of the stage `regress` is told: as a job of `attack`, of games among many worlds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .attack import AttackStep


@dataclass(frozen=True, kw_only=True)
class RegressStep(AttackStep):
    """One attack that names one ratio among many."""

    stage: ClassVar[str] = "regress"
