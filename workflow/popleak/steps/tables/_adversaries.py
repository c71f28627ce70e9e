"""Which attacks are no candidates for the pseudo-adversary `best`: what `leakage` and `placebo` are both told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .base import TableStep


@dataclass(frozen=True, kw_only=True)
class Adversaries(TableStep):
    """By task the ids of attacks that are reference lines, of those that see more than answers, of those that see nothing of the
    model, and of those that see what no certificate is about."""

    references: Mapping[str, tuple[str, ...]]
    white_box: Mapping[str, tuple[str, ...]]
    without_models: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    uncovered: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
