"""What a job of the stage `split` is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .base import StepSettings


@dataclass(frozen=True, kw_only=True)
class SplitStep(StepSettings):
    """seed, key: the experiment's seed and the records' key; splits: how many; shares: of the records, the rest is queried; public_share:
    0 where no defence trains on public rows; adversary_from: values of the second attribute whose rows are the adversary pool; none: of
    all rows a share."""

    stage: ClassVar[str] = "split"
    seed: int
    key: str
    splits: int
    victim_share: float
    adversary_share: float
    public_share: float = 0.0
    adversary_from: tuple[str, ...] = ()
