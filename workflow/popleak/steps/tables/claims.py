"""What the job of the table `claims` is told, and what the table is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ..papers import Paper
from .base import TableStep


@dataclass(frozen=True, kw_only=True)
class Table(TableStep):
    """By task: the control and the kind of each defence, the defences whose lambda was searched, and the dataset. paper: the claims.
    seed: of the tightness witness."""

    reads: ClassVar[tuple[str, ...]] = ("models", "leakage", "bounds")
    tasks: tuple[str, ...]
    controls: Mapping[str, Mapping[str, str]]
    kinds: Mapping[str, Mapping[str, str]]
    searched: Mapping[str, tuple[str, ...]]
    datasets: Mapping[str, str]
    paper: Paper
    tau: float
    margin: float
    seed: int
