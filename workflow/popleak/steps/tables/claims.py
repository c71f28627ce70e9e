"""What the job of the table `claims` is told, and what the table is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from .base import TableStep


@dataclass(frozen=True, kw_only=True)
class Table(TableStep):
    """By task: the control and the kind of each defence, the defences whose lambda was searched, and the dataset. seed: of the
    witness of claim C8."""

    reads: ClassVar[tuple[str, ...]] = ("models", "leakage", "bounds")
    tasks: tuple[str, ...]
    controls: Mapping[str, Mapping[str, str]]
    kinds: Mapping[str, Mapping[str, str]]
    searched: Mapping[str, tuple[str, ...]]
    datasets: Mapping[str, str]
    tau: float
    seed: int
