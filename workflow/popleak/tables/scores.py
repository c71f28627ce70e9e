"""Public table `scores`: one row a verdict of one adversary on one victim."""

from __future__ import annotations

from .parts import concatenate as make

__all__ = ["make"]
