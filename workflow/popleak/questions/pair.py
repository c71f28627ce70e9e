"""Which of two worlds was the victim trained in?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..attacks.base import Attack, Judge, TransductiveJudge
from ..core.protocols import EQUAL, MANY, PURE, RATIO
from ..core.worlds import World
from ..steps.games import Pair
from .base import Question, Shown, View


class PairOfWorlds(Question):
    """Two worlds, P(a = 1) = ratios[0] or ratios[1]. A trial is a victim; the answer is a score, higher for world 1, and a guess.

    pure: one group against the other; ratio: two mixtures; equal: one mixture twice, so that every attack must sit at chance.
    """

    name = "pair"
    summary = "which of two worlds, which differ in the share of group 1, was the victim trained in"
    protocols = (PURE, RATIO, EQUAL)
    table = "scores"

    def ratios(self, protocol: str, given: Sequence[float] | None) -> tuple[float, ...]:
        given = {PURE: (0.0, 1.0), EQUAL: (0.5, 0.5)}.get(protocol) if given is None else given
        if given is None:
            raise ValueError(f"protocol {protocol} needs ratios: [world 0, world 1, ...]")
        if len(given) != 2:
            raise ValueError(f"protocol {protocol} has two ratios: for more use protocol {MANY}")
        zero, one = given
        if protocol == PURE and (zero, one) != (0.0, 1.0):
            raise ValueError("protocol pure has the ratios [0, 1]: leave them out, or use protocol ratio")
        if protocol == RATIO and zero == one:
            raise ValueError("protocol ratio needs two different ratios: for equal ones use protocol equal")
        if protocol == EQUAL and zero != one:
            raise ValueError("protocol equal needs two equal ratios: for different ones use protocol ratio")
        return zero, one

    def worlds(self, protocol: str, ratios: Sequence[float]) -> tuple[World, ...]:
        return World(ratios[0]), World(ratios[1], copy=int(protocol == EQUAL))

    def towards(self, worlds: Sequence[World], b: int) -> World:
        """Return the other world."""
        return worlds[1 - b]

    def points(self, worlds: Sequence[World]) -> tuple[World, World]:
        return worlds[0], worlds[1]

    def answerable(self, attack: Attack) -> bool:
        return not attack.rows and not attack.of_samples

    def cell(self, pair: Pair) -> dict[str, Any]:
        return {"protocol": pair.protocol, "ratio_0": pair.ratios[0], "ratio_1": pair.ratios[1]}

    def fit(self, view: View, shadows: Shown | None) -> Judge:
        zero, one = [np.empty((0, len(view.query.y)))] * 2 if shadows is None else shadows.by_world(2)
        return view.attack.calibrate(
            shadows_0=zero, shadows_1=one, query=view.query, game=view.game, settings=view.settings
        )

    def grade(self, view: View, fitted: Any, victims: Shown) -> dict[str, Any]:
        if isinstance(fitted, TransductiveJudge):
            scores = np.asarray(fitted.score_all(victims.outputs), dtype=np.float64)
        else:
            scores = np.array([fitted.score(row) for row in victims.outputs], dtype=np.float64)
        known = view.attack.known_accuracy(game=view.game, query=view.query)
        return {
            **{name: victims.keys[name] for name in ("split", "world", "model_index")},
            "score": scores,
            "guess": np.array([fitted.guess(score) for score in scores], dtype=np.int64),
            "known_ceiling": np.nan if known is None else known[0],
        }


PLUGIN = PairOfWorlds()
