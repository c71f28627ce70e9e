"""Public table `membership_roc`: how many members each adversary names at a false positive rate."""

from __future__ import annotations

from .parts import of_kind as make

__all__ = ["make"]
