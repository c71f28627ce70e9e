"""Public table `membership_victims`: the AUC of each victim, for comparisons of one model under two defences."""

from __future__ import annotations

from .parts import of_kind as make

__all__ = ["make"]
