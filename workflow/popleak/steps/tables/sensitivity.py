"""What the job of the table `sensitivity` is told, and what the table is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from .base import TableStep


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """A fine-tuning defence: its kind, its control and its settings, by column. eo_weight: `auto` where lambda was searched."""

    kind: str
    control: str | None = None
    epochs: int
    learning_rate: float
    rehearsal: float
    eo_weight: float | Literal["auto"]


@dataclass(frozen=True, kw_only=True)
class Table(TableStep):
    """By task: its fine-tuning defences by id, how its ratios are drawn, and the same task with equal label rates, where there is
    one. literal_share: of models that may break the literal bound."""

    reads: ClassVar[tuple[str, ...]] = ("models", "leakage", "bounds", "claims")
    arms: Mapping[str, Mapping[str, Tuning]]
    ratio_modes: Mapping[str, str]
    balanced: Mapping[str, str]
    literal_share: float
    tau: float
