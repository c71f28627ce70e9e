"""Which share of group 1 did the rows have that a generator was trained on?"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..attacks.base import Attack
from ..core.protocols import SAMPLES
from ..core.worlds import World
from ..steps.games import Pair
from . import many
from .base import Shown, View


class Samples(many.ManyWorlds):
    """Two or more worlds, P(a = 1) = ratios[b], rising. A trial is a generator, of whom the adversary has the rows that were drawn from it; the answer is
    an estimate of the ratio (property inference: "Exploring privacy and fairness risks in sharing diffusion models", arXiv:2402.18607).

    The query points are labelled rows of the adversary's own, as many of each group, that no generator was trained on.
    """

    name = "samples"
    summary = "which share of group 1 did the rows have that a generator was trained on"
    protocols = (SAMPLES,)
    table = "shares"
    tables = ("shares",)
    of_samples = True
    needs = "an attack on samples of a generator"

    def ratios(self, protocol: str, given: Sequence[float] | None) -> tuple[float, ...]:
        if given is None:
            raise ValueError(f"protocol {protocol} needs ratios: [world 0, world 1, ...]")
        if len(given) < 2 or any(after <= before for before, after in itertools.pairwise(given)):
            raise ValueError(f"protocol {protocol} needs two or more ratios, rising")
        return tuple(given)

    def towards(self, worlds: Sequence[World], b: int) -> World:
        """Return the world of the complementary ratio, so that a mixture in equal parts has the ratio 1/2."""
        return super().towards(worlds, b)

    def answerable(self, attack: Attack) -> bool:
        return attack.many and attack.of_samples

    def cell(self, pair: Pair) -> dict[str, Any]:
        return {**super().cell(pair), "protocol": pair.protocol}

    def fit(self, view: View, shadows: Shown | None) -> Any:
        return super().fit(view, None if shadows is None else _few(view, shadows))

    def grade(self, view: View, fitted: Any, victims: Shown) -> dict[str, Any]:
        """Return the columns of `shares` that one split's victims have."""
        ratios = np.array(view.pair.ratios)
        victims = _few(view, victims)
        found = [fitted.share(one) for one in victims.outputs]
        return {
            **{name: victims.keys[name] for name in ("split", "model_index")},
            "ratio": ratios[victims.keys["world"]],
            **{
                name: np.array([getattr(one, name) for one in found], np.float64)
                for name in ("raw", "estimate", "amplification", "width")
            },
            "clipped": np.array([one.clipped for one in found]),
            "finite": victims.keys["finite"],
            "samples": np.full(len(found), victims.outputs.shape[1]),
        }


def _few(view: View, shown: Shown) -> Shown:
    """Return what an adversary sees of generators that has as many of their rows as its settings say, the first ones: rows are drawn one by one."""
    return shown._replace(outputs=shown.outputs[:, : getattr(view.settings, "samples", None)])


PLUGIN = Samples()
