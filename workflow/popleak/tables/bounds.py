"""Public table `bounds`: one row a victim under one defence, with both sides of every form of the bound."""

from __future__ import annotations

from .parts import concatenate as make

__all__ = ["make"]
