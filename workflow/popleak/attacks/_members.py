"""The contract of attacks on rows: was this record among the training rows of this model?

A trial is a victim and a candidate row. The adversary has shadows, models of the same law that were trained on other halves of the
candidates, and knows of each shadow which candidates it holds. It never sees the victim before it judges it, nor the victim's twin, the
model that was trained on the other half. Of every candidate as many shadows hold it as do not, whatever the victim holds, so that
counts say nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .base import Attack, Judge


class Candidates(NamedTuple):
    """The points that every model is asked, m of them: n candidates first, then m - n public rows, which no base model was trained on; a student may be.

    y, a (m,) int8: label and group; n: candidates; near (n, k) int32 or None: positions, among all m points, of the k public rows nearest to each
    candidate, none of them equal to it; classes: of the label.
    """

    y: np.ndarray
    a: np.ndarray
    n: int
    near: np.ndarray | None = None
    classes: int = 2


class MemberJudge:
    """What calibration on shadows returns. `score` must depend on its argument and the calibration alone, of a row on its own
    answer and those to public rows alone."""

    def score(self, outputs: np.ndarray) -> np.ndarray:
        """Return evidence (n,) that each candidate is a member, finite, from one victim's outputs, which are as those of a shadow in
        `MemberAttack.calibrate_members`."""
        raise NotImplementedError


class MemberAttack(Attack):
    """Base of attacks on rows. Set the class attributes of `Attack`, implement `calibrate_members`.

    What is seen of a model is a row of confidences: phi = log p_y - log(1 - p_y), p_y being what the model gives to the point's own label
    (Carlini et al., "Membership inference attacks from first principles", S&P 2022, section IV). Access `scores` shows (m,), access `pair`
    (2m,), the base model's first; access `labels` (m,) 1.0 where the hard label is right, else 0.0.
    """

    rows: ClassVar[bool] = True
    direct: ClassVar[bool] = True
    """False: the candidate itself is never asked."""
    needs_public: ClassVar[bool] = False
    """True: the attack asks public rows too; where there are none, `lacks` says so and `calibrate_members` raises ValueError."""

    each: ClassVar[float] = 1e-7
    """CPU seconds that a calibration takes for each shadow and candidate, on the reference core."""

    def lacks(self, candidates: Candidates) -> str | None:
        """Return what these points lack for the attack to be mounted, for a config to refuse it in one line; None if nothing."""
        if self.needs_public and len(candidates.y) == candidates.n:
            return f"{self.name} compares candidates with public rows, of which there are none"
        if not self.direct and candidates.near is None:
            return f"{self.name} asks the public rows near a candidate, which are not given"
        return None

    def settle(self, settings: Any, shadows: int) -> Any:
        """Return the settings with everything decided that depends on how many shadows there are on each side of a row.

        Scores of one victim by all shadows and by those outside a fold are then on one scale: both calibrations choose alike.
        """
        return settings

    def calibrate_members(
        self, *, shadows: np.ndarray, inside: np.ndarray, candidates: Candidates, settings: Any
    ) -> MemberJudge:
        """Return a judge fitted to the outputs (S, m), or (S, 2m), of shadows, which hold the candidates `inside` (S, n) bool.

        Sound with two shadows, one of which holds each candidate, with constant outputs, where no shadow holds a candidate, and, which
        tells nothing, without shadows. The order of shadows changes no bit of a score: `ordered` sees to that. Raises ValueError
        with what `lacks` says.
        """
        raise NotImplementedError

    def calibrate(self, **_: Any) -> Judge:
        raise NotImplementedError("an attack on rows judges no worlds")


def ordered(shadows: np.ndarray, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both, (S, w) and (S, n), with shadows in the order of their contents, as float64 and bool.

    A sum of floats depends in its last bits on the order of terms, and two rows' scores may tie but for these bits.
    """
    shadows, inside = np.asarray(shadows, dtype=np.float64), np.asarray(inside, dtype=bool)
    order = sorted(range(len(shadows)), key=lambda s: (shadows[s].tobytes(), inside[s].tobytes()))
    return shadows[order], inside[order]


def scorer(
    attack: MemberAttack,
    *,
    outputs: np.ndarray,
    inside: np.ndarray,
    candidates: Candidates,
    settings: Any,
    victims: np.ndarray | None = None,
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Return the function that `measures.trials.score` asks for: of the positions of shadows and of victims among all models, with
    outputs (M, m) or (M, 2m) and `inside` (M, n), the scores (victims, n) that one calibration on these shadows gives. What `settle`
    decides is decided for M - 2 shadows, all but victim and twin. victims: the outputs of those who are judged, where they are not those of
    shadows."""
    judged = outputs if victims is None else victims
    chosen = attack.settle(settings, max(0, len(outputs) - 2) // 2)

    def of(shadows: np.ndarray, asked: np.ndarray) -> np.ndarray:
        judge = attack.calibrate_members(
            shadows=outputs[shadows], inside=inside[shadows], candidates=candidates, settings=chosen
        )
        return np.stack([judge.score(judged[victim]) for victim in asked])

    return of
