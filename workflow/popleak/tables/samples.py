"""Public table `samples`: one row what one generator released, as data."""

from __future__ import annotations

from .parts import concatenate as make

__all__ = ["make"]
