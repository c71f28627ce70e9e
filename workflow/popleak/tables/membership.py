"""Public table `membership`: what each adversary learns about single rows, of all candidates, of the targets, and by label and group."""

from __future__ import annotations

from .parts import of_kind as make

__all__ = ["make"]
