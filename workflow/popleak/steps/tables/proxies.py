"""What the job of the table `proxies` is told, and what the table is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .base import TableStep


@dataclass(frozen=True, kw_only=True)
class Table(TableStep):
    """Made of other tables alone."""

    reads: ClassVar[tuple[str, ...]] = ("models", "leakage", "bounds")
