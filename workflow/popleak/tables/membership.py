"""Public table `membership`: what each adversary learns about single rows, of all candidates and by label and group."""

from __future__ import annotations

from .parts import concatenate as make

__all__ = ["make"]
