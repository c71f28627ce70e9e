"""Public table `estimates`: one row an adversary's estimate of one victim's ratio."""

from __future__ import annotations

from .parts import concatenate as make

__all__ = ["make"]
