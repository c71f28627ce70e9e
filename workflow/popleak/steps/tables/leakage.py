"""What the job of the table `leakage` is told, and what the table is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ._adversaries import Adversaries


@dataclass(frozen=True, kw_only=True)
class Data:
    """What the table says of a task's data, by column."""

    dataset: str
    attribute: str
    rows: int
    attribute_in_features: bool
    twin_task: str | None = None


@dataclass(frozen=True, kw_only=True)
class Table(Adversaries):
    """By task: the control of each defence that has one, and the defences whose lambda was searched. margin: of the tests of
    equivalence."""

    reads: ClassVar[tuple[str, ...]] = ("scores", "models")
    controls: Mapping[str, Mapping[str, str]]
    searched: Mapping[str, tuple[str, ...]]
    data: Mapping[str, Data]
    margin: float
