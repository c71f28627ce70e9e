"""What the job of the table `membership_roc` is told, and what the table is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .base import TableStep


@dataclass(frozen=True, kw_only=True)
class Table(TableStep):
    """Some rows and columns of the parts."""

    parts: ClassVar[tuple[str, str] | None] = ("trials", "table")
    rows_of: ClassVar[tuple[str, ...]] = ("curve",)
