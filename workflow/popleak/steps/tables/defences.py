"""What the job of the table `defences` is told, and what the table is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ._adversaries import Adversaries


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a defence before anything is measured, by column. settings: as JSON, with those inherited from the training
    filled in."""

    kind: str
    control: str | None = None
    settings: str
    access: str | None = None
    needs: str
    rows_own: float
    rows_complement: float
    rows_public: float


@dataclass(frozen=True, kw_only=True)
class Table(Adversaries):
    """By task: facts by defence; CPU seconds by model and defence, as `plan.cost` has them; and the ids of the attack that decides as the
    paper does."""

    reads: ClassVar[tuple[str, ...]] = ("scores", "models", "leakage")
    facts: Mapping[str, Mapping[str, Facts]]
    seconds: Mapping[str, Mapping[str, Mapping[str, float]]]
    statistic: Mapping[str, tuple[str, ...]]
