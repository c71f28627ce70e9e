"""A third question, one file: which of two label rates did the victim's rows have? Half of them are of each group in both worlds."""

from __future__ import annotations

from collections.abc import Sequence

from popleak.core.worlds import World
from popleak.questions.pair import PairOfWorlds


class LabelRate(PairOfWorlds):
    """Two worlds, P(y = 1) = ratios[0] or ratios[1] in both groups."""

    name = "label-rate"
    summary = "which of two label rates did the victim's rows have"
    protocols = ("label-rate",)
    groups = False

    def ratios(self, protocol: str, given: Sequence[float] | None) -> tuple[float, ...]:
        if given is None or len(given) != 2:
            raise ValueError("protocol label-rate has two label rates: ratios: [world 0, world 1]")
        return tuple(given)

    def worlds(self, protocol: str, ratios: Sequence[float]) -> tuple[World, ...]:
        zero, one = ratios
        return World(0.5, label_rate=zero), World(0.5, label_rate=one, copy=int(zero == one))


PLUGIN = LabelRate()
