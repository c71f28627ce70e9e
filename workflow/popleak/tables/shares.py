"""Public table `shares`: one row an adversary's estimate of the ratio behind one generator's rows."""

from __future__ import annotations

from .parts import concatenate as make

__all__ = ["make"]
