"""Was this record among the training rows of this model?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..attacks.base import Attack
from ..core.halves import TARGETS
from ..core.protocols import MEMBERSHIP, POISONED, UNSEEN
from ..core.worlds import World
from ..steps.games import Pair
from .base import Graded, Question, Shown, View

if TYPE_CHECKING:
    from . import _trials


class Trained(NamedTuple):
    """Shadows as an attack on rows sees them: outputs (M, w), by the number of the model."""

    outputs: np.ndarray


class Membership(Question):
    """One world, P(a = 1) = ratios[0], whose M models share candidates, each in exactly half of them. A trial is a victim and a candidate; the
    answer is a score, higher for members (Carlini et al., S&P 2022; Jagielski et al., NeurIPS 2023, arXiv:2303.03446). Defences turn to the
    complementary ratio, 1 - ratios[0].

    membership: of the candidates; membership-unseen: of rows that no model was trained on, so that every attack must sit at an AUC of 1/2.
    membership-poisoned: of the candidates, where every model was also trained on copies of some of them, the targets, with their label flipped
    (Tramer et al., "Truth serum", CCS 2022).
    """

    name = "membership"
    summary = "was this record among the training rows of this model"
    protocols = (MEMBERSHIP, UNSEEN, POISONED)
    table = "trials"
    tables = ("membership", "membership_victims", "membership_roc")
    measured = False
    roles = ("victim",)
    needs = "an attack on rows"

    def ratios(self, protocol: str, given: Sequence[float] | None) -> tuple[float, ...]:
        if given is None:
            return (0.5,)
        if len(given) != 1:
            raise ValueError(f"protocol {protocol} has one ratio, that of the training rows")
        return tuple(given)

    def worlds(self, protocol: str, ratios: Sequence[float]) -> tuple[World, ...]:
        return (World(ratios[0], half=True, targets=TARGETS if protocol == POISONED else 0),)

    def towards(self, worlds: Sequence[World], b: int) -> World:
        """Return the world of the complementary ratio, from which each model draws for itself."""
        return World(round(1 - worlds[b].ratio, 12))

    def points(self, worlds: Sequence[World]) -> tuple[World, World]:
        return worlds[0], worlds[0]

    def known(self, ratios: Sequence[float]) -> tuple[float, float]:
        return ratios[0], ratios[0]

    def answerable(self, attack: Attack) -> bool:
        return attack.rows

    def cell(self, pair: Pair) -> dict[str, Any]:
        return {"protocol": pair.protocol, "ratio": pair.ratios[0]}

    def fit(self, view: View, shadows: Shown | None) -> Trained | None:
        """Return all models' outputs: which of them are a victim's shadows depends on the victim. None: the attack has no shadows."""
        from . import _trials  # here, and below: the plan reads every plugin

        return None if shadows is None else Trained(_trials.confidences(view, shadows))

    def grade(self, view: View, fitted: Trained | None, victims: Shown) -> _trials.Trials:
        from . import _trials

        outputs = _trials.confidences(view, victims)
        return _trials.trials(view, outputs if fitted is None else fitted.outputs, outputs, victims.keys["finite"])

    def conclude(self, graded: Sequence[Graded], beside: Mapping[str, str]) -> Iterator[tuple[Graded, dict[str, Any]]]:
        """Yield for each defence and knowledge a row for all candidates and one for each label and group, over all splits."""
        from . import _trials

        yield from _trials.conclude(graded, beside)


PLUGIN = Membership()
