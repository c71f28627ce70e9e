"""The attack contract: calibrate on shadows, then judge one victim alone.

`calibrate` sees shadow outputs of both worlds and the query set; it never sees a victim. The judge it returns scores
ONE victim's outputs, so no scale, threshold or rank can come from other victims. Higher = more like world 1.
"""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple

import numpy as np

from ..settings import NoSettings, Settings


class Query(NamedTuple):
    """The adversary's query points, m of them, from the query pool (disjoint from every training row).

    y, a (m,) int8: label and group; origin (m,) int8: the world whose distribution the point was drawn from;
    cell (m,) int16 or None: the discrete feature, where the dataset has one.
    """

    y: np.ndarray
    a: np.ndarray
    origin: np.ndarray
    cell: np.ndarray | None = None


class Game(NamedTuple):
    """What the adversary knows of the two worlds.

    ratio_0, ratio_1: P(a = 1) in each world; rows: training rows of each model; mode: natural or label-balanced;
    model: the victim's model name; law (2, cells, 2) int64 or None: number of rows of the training pool by group, cell and
    label; label_rate: P(y = 1) over the whole dataset, which label-balanced draws keep. The law is given only where the generator publishes it (synthetic data); only `ceiling` may use it.
    """

    ratio_0: float
    ratio_1: float
    rows: int
    mode: str
    model: str
    law: np.ndarray | None = None
    label_rate: float | None = None


class Judge:
    """What calibration returns. `score` must depend on its argument and the calibration alone."""

    def score(self, outputs: np.ndarray) -> float:
        """Return the evidence for world 1 in one victim's `outputs` (m,), finite, 0 being the threshold."""
        raise NotImplementedError

    def guess(self, score: float) -> int:
        """Return the world, 0 or 1, or -1 to abstain (counted as a coin flip). A score of exactly 0 abstains."""
        return -1 if score == 0 else int(score > 0)


class Attack:
    """Base of attacks. Set the class attributes, implement `calibrate`."""

    name: ClassVar[str]
    summary: ClassVar[str]
    access: ClassVar[Literal["labels", "scores"]]
    """What `outputs` are: hard labels 0.0 / 1.0, or scores P(y = 1 | x) in [0, 1]."""
    shadows: ClassVar[bool] = True
    """False: the attack uses no shadows, `calibrate` gets none, (0, m), and knowledge of the defence is all one."""
    undefended_only: ClassVar[bool] = False
    """True: the attack speaks of undefended victims only."""
    Settings: ClassVar[type[Settings]] = NoSettings

    def known_accuracy(self, *, game: Game, query: Query) -> tuple[float, float] | None:
        """Return the accuracy of the best possible adversary and its standard error, where it is known; else None."""
        return None

    def applies(self, game: Game) -> bool:
        """Return False where the attack cannot be mounted (no law for `ceiling`, say)."""
        return True

    def calibrate(
        self, *, shadows_0: np.ndarray, shadows_1: np.ndarray, query: Query, game: Game, settings: Settings
    ) -> Judge:
        """Return a judge fitted to the outputs (S0, m) and (S1, m) of shadows trained in world 0 and in world 1.

        Sound with one shadow a world, with constant outputs and with scores of exactly 0 and 1.
        """
        raise NotImplementedError
