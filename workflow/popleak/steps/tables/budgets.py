"""What the job of the table `budgets` is told, and what the table is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ._adversaries import Adversaries


@dataclass(frozen=True, kw_only=True)
class Table(Adversaries):
    """The settings of the table."""

    parts: ClassVar[tuple[str, str] | None] = ("budgets", "table")
