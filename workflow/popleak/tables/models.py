"""Public table `models`: one row a model, victim or shadow, under one defence."""

from __future__ import annotations

from .parts import concatenate as make

__all__ = ["make"]
