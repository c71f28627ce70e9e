"""What the job of the table `shares` is told, and what the table is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .base import TableStep


@dataclass(frozen=True, kw_only=True)
class Table(TableStep):
    """The parts, put together."""

    parts: ClassVar[tuple[str, str] | None] = ("shares", "table")
