"""What the job of the table `placebo` is told, and what the table is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ._adversaries import Adversaries


@dataclass(frozen=True, kw_only=True)
class Copy:
    """Whose group column was permuted, and the number of the permutation."""

    task: str
    permutation: int


@dataclass(frozen=True, kw_only=True)
class Table(Adversaries):
    """copies: by a placebo's id."""

    reads: ClassVar[tuple[str, ...]] = ("leakage",)
    parts: ClassVar[tuple[str, str] | None] = ("placebo", "table")
    copies: Mapping[str, Copy]
