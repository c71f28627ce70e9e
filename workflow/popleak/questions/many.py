"""Which of many worlds was the victim trained in, and what was its ratio?"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..attacks.base import Attack, Estimator
from ..core.protocols import MANY
from ..core.worlds import World
from ..steps.games import Pair
from .base import Question, Shown, View


class ManyWorlds(Question):
    """Three or more worlds, P(a = 1) = ratios[b], rising. A trial is a victim; the answer is an estimate of its ratio and the ratio named.

    Query points stand for groups, as in pure worlds.
    """

    name = "many"
    summary = (
        "which of many worlds, which differ in the share of group 1, was the victim trained in, and what is that share"
    )
    protocols = (MANY,)
    table = "estimates"
    tables: ClassVar[tuple[str, ...]] = ("estimates", "regression", "confusion")
    measured = False
    points_mode = "natural"
    needs = "an attack that names one ratio among many"

    def ratios(self, protocol: str, given: Sequence[float] | None) -> tuple[float, ...]:
        if given is None:
            raise ValueError(f"protocol {protocol} needs ratios: [world 0, world 1, ...]")
        if len(given) < 3 or any(after <= before for before, after in itertools.pairwise(given)):
            raise ValueError("protocol k-ary needs three or more ratios, rising: for two use protocol ratio")
        return tuple(given)

    def worlds(self, protocol: str, ratios: Sequence[float]) -> tuple[World, ...]:
        return tuple(World(ratio) for ratio in ratios)

    def towards(self, worlds: Sequence[World], b: int) -> World:
        """Return the world of the complementary ratio, 1 - r, which in pure worlds is the other one."""
        return World(round(1 - worlds[b].ratio, 12))

    def points(self, worlds: Sequence[World]) -> tuple[World, World]:
        return World(0.0), World(1.0)

    def answerable(self, attack: Attack) -> bool:
        return attack.many and not attack.of_samples

    def known(self, ratios: Sequence[float]) -> tuple[float, float]:
        return min(ratios), max(ratios)

    def cell(self, pair: Pair) -> dict[str, Any]:
        return {"ratios": pair.listed}

    def fit(self, view: View, shadows: Shown | None) -> Estimator:
        ratios = view.pair.ratios
        none = [np.empty((0, len(view.query.y)))] * len(ratios)
        return view.attack.calibrate_many(
            shadows=none if shadows is None else shadows.by_world(len(ratios)),
            ratios=ratios, query=view.query, game=view.game, settings=view.settings,
        )  # fmt: skip

    def grade(self, view: View, fitted: Any, victims: Shown) -> dict[str, Any]:
        ratios = np.array(view.pair.ratios)
        return {
            **{name: victims.keys[name] for name in ("split", "model_index")},
            "ratio": ratios[victims.keys["world"]],
            "estimate": np.array([fitted.estimate(row) for row in victims.outputs]),
            "named": ratios[[fitted.name(row) for row in victims.outputs]],
        }


PLUGIN = ManyWorlds()
