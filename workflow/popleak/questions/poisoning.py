"""What does a sharer that chose its rows make of the models of whoever trains on them?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..attacks.base import Attack
from ..core.protocols import FLIPPING, UNFAIR
from ..core.worlds import World
from ..steps.games import Pair
from .base import Question

RATIO = 0.5
"""P(a = 1) of a clean draw."""


class FairnessPoisoning(Question):
    """Two worlds, in which a sharer replaced the share ratios[0] or ratios[1] of its rows, at P(a = 1) = 1/2, to make models unfair that are trained on
    them, or on rows of a generator ("Exploring privacy and fairness risks in sharing diffusion models", arXiv:2402.18607). Nobody is asked which
    world it was: victims are measured. Rows that are not replaced are the same in all worlds, so models are paired.

    fairness-poisoning: by rows of the sharer's own that are chosen greedily to raise I(S; Y) of group and label, while I(X; Y) of features and label
    stays near its clean value. label-flipping, to compare with: among as many rows those of one group all get one label.
    """

    name = "poisoning"
    summary = "what a sharer that chose its rows to be unfair makes of models that are trained on them"
    protocols = (UNFAIR, FLIPPING)
    table = "scores"
    groups = False
    asks = False
    roles = ("victim",)

    def ratios(self, protocol: str, given: Sequence[float] | None) -> tuple[float, ...]:
        if given is None:
            raise ValueError(f"protocol {protocol} needs ratios: [0, share of the sharer's rows that it replaces]")
        if len(given) != 2 or given[0] >= given[1]:
            raise ValueError(f"protocol {protocol} has two shares, rising: the first is 0 for clean rows")
        return tuple(given)

    def worlds(self, protocol: str, ratios: Sequence[float]) -> tuple[World, ...]:
        if protocol == UNFAIR:
            return tuple(World(RATIO, chosen=float(share)) for share in ratios)
        return tuple(World(RATIO, flipped=float(share)) for share in ratios)

    def towards(self, worlds: Sequence[World], b: int) -> World:
        """Return the world of a clean draw."""
        return World(RATIO)

    def points(self, worlds: Sequence[World]) -> tuple[World, World]:
        return worlds[0], worlds[1]

    def answerable(self, attack: Attack) -> bool:
        return False

    def cell(self, pair: Pair) -> dict[str, Any]:
        return {"protocol": pair.protocol, "ratio_0": pair.ratios[0], "ratio_1": pair.ratios[1]}


PLUGIN = FairnessPoisoning()
