"""The KL test as published, each pair of shadows scaled over the victims of the call: kept only to reproduce decisions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from pydantic import Field

from ..core import settings
from ._kl import Shadows, divergence, prepare
from ._shadows import CLIP, DECIMALS, clipped
from .base import Attack, Game, Query, TransductiveJudge

TIE = 10.0**-DECIMALS
"""Score of a victim whose mean is exactly 1/2, which names world 1 as published; 0 is for one of whom nothing is known."""


class PairsJudge(TransductiveJudge):
    """sets: of each set of query points the positions, and on them the shadows of world 0 and of world 1 in their order."""

    def __init__(self, sets: Sequence[tuple[np.ndarray, Shadows, Shadows]], clip: float) -> None:
        self.sets, self.clip = sets, clip

    def score(self, outputs: np.ndarray) -> float:
        """Return 0: alone, a victim is its own smallest and largest."""
        return float(self.score_all(outputs[None])[0])

    def score_all(self, outputs: np.ndarray) -> np.ndarray:
        """Return the mean of the scaled columns less 1/2 (V,) of outputs (V, m); all 0 where no column has a width."""
        victims = clipped(outputs, clip=self.clip)
        total, columns = np.zeros(len(victims)), 0
        for differences in self._columns(victims):
            low = differences.min(axis=1, keepdims=True)
            width = differences.max(axis=1, keepdims=True) - low
            wide = np.round(width[:, 0], DECIMALS - 1) > 0  # less is the rounding of two divergences
            total += ((differences[wide] - low[wide]) / width[wide]).sum(axis=0)
            columns += int(wide.sum())
        if not columns:
            return total
        found = np.round(total / columns - 0.5, DECIMALS)
        return np.where(found == 0, TIE, found)

    def _columns(self, victims: np.ndarray) -> Iterator[np.ndarray]:
        """Yield for each set of points and each shadow i of world 0 the differences (pairs, V) to the shadows j > i of world 1.

        A difference is one of two divergences, so no array is larger than shadows x victims.
        """
        for points, zero, one in self.sets:
            kl_0, kl_1 = divergence(zero, victims[:, points]), divergence(one, victims[:, points])
            for i in range(min(len(kl_0), len(kl_1) - 1)):
                yield kl_0[i] - kl_1[i + 1 :]


class KLTransductive(Attack):
    """score = mean of the columns - 1/2, a column being KL(shadow0_i || victim) - KL(shadow1_j || victim) on the points of
    ONE world's distribution, min-max scaled to [0, 1] over ALL victims of the call; one for each pair i < j and each world's points.

    KL is the Bernoulli divergence in nats, averaged over those points, of scores clipped to [clip, 1 - clip]. A mean of at
    least 1/2 names world 1. A call is the victims of one pool split, of both worlds.

    Two things no adversary of the game has or wants. Scale and threshold come from the other victims: one alone scores 0,
    and in other company another world may be named. And of the pairs of shadows those with i < j alone are used, i and j
    being places in a list: shadows are taken in the order they are stored in, by number, and in reverse order
    other victims are named. Kept only to reproduce published decisions; compare with `kl`.

    A column without width, in which the published form divides 0 by 0 and then names world 0 for every victim, says nothing
    here and is left out. Where none is left (one victim, or one shadow a world) the score is 0: abstained. All pairs
    i < j are used; the public code can draw a share of them at random. Diverged shadows are not among them.
    Source: the KL attack of Suri et al., "Dissecting Distribution Inference", SaTML 2023, and its public code.
    """

    name = "kl-transductive"
    summary = (
        "kl as published: scaled pair by pair over the other victims, pairs by the order of shadows; kept only to reproduce "
        "published decisions"
    )
    access = "scores"
    reads = ("origin",)
    transductive = True
    reference = True
    ignores_shadow_order = False
    reaches = 0.98

    class Settings(settings.Settings):
        clip: float = Field(default=CLIP, gt=0, lt=0.5)
        """Scores are clipped to [clip, 1 - clip] before logarithms are taken."""

    def calibrate(
        self, *, shadows_0: np.ndarray, shadows_1: np.ndarray, query: Query, game: Game, settings: Settings
    ) -> TransductiveJudge:
        """Return a judge fitted to scores (S0, m) and (S1, m), in the order given."""
        sets = []
        for world in (0, 1):
            points = np.flatnonzero(query.origin == world)
            if len(points):
                # without what judges one after another need: judges of all splits are kept
                nothing = np.empty((0, len(points)))
                zero, one = (
                    prepare(shadows[:, points], clip=settings.clip, ordered=True)._replace(seen=nothing, logits=nothing)
                    for shadows in (shadows_0, shadows_1)
                )
                sets.append((points, zero, one))
        return PairsJudge(sets, settings.clip)


PLUGIN = KLTransductive()
