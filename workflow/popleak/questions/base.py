"""The question contract: which worlds there are, what one trial is, and how an answer stands in the public tables.

A question says how its worlds draw their rows, and the plan does the rest: victims and shadows are trained in these worlds, defended,
asked and measured as those of any other question. `threat.play` is the one loop for all: it makes what the adversary sees of a split's
shadows and victims, lets the question fit the attack to the former and grade its answers on the latter, and writes the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from ..attacks.base import Attack, Game, Query
from ..core.protocols import ROLES, RatioMode, Role
from ..core.settings import Settings
from ..core.worlds import World
from ..steps.games import Pair

if TYPE_CHECKING:
    from ..store.answers import Points


class Shown(NamedTuple):
    """What an adversary sees of K models of one split: outputs, a row a model (`threat.access`); keys (columns, each (K,)): split, world
    (its number in the game), model_index, finite. Of shadows keys are known to the adversary, of victims to the judge alone."""

    keys: Mapping[str, np.ndarray]
    outputs: np.ndarray

    def by_world(self, worlds: int) -> list[np.ndarray]:
        """Return the outputs of each world's models, without those that diverged where others are left."""
        found = []
        for world in range(worlds):
            there = self.keys["world"] == world
            finite = there & self.keys["finite"]
            chosen = np.flatnonzero(finite if finite.any() else there)
            together = len(chosen) > 0 and chosen[-1] - chosen[0] == len(chosen) - 1
            found.append(self.outputs[chosen[0] : chosen[-1] + 1] if together else self.outputs[chosen])
        return found


class View(NamedTuple):
    """One adversary and what it knows in one split: the attack and its settings, the game as it stands in files, the query set and
    the game as attacks know it. points: the query set as it stands in files, of which adversaries see no more than the question shows them."""

    attack: Attack
    settings: Settings
    pair: Pair
    query: Query
    game: Game
    points: Points | None = None


class Graded(NamedTuple):
    """What `Question.grade` returned for one split's victims under a defence, by an adversary with some knowledge of it."""

    defence: str
    knowledge: str
    repeats: int
    split: int
    found: Any


class Question:
    """Base of questions. Set the class attributes, implement the methods; `questions/pair.py` is one to derive from."""

    name: ClassVar[str]
    summary: ClassVar[str]
    protocols: ClassVar[tuple[str, ...]]
    """The forms that it takes: words of the config's `worlds` and of the tables' column `protocol`."""
    table: ClassVar[str]
    """The table that its rows are part of: a public one, or one of `store.schema.PARTS`, of which its `tables` are made."""
    tables: ClassVar[tuple[str, ...]] = ()
    """Public tables that are made only where this question is asked."""
    of_samples: ClassVar[bool] = False
    """True: it is asked about rows that a generator releases, not about what a classifier answers."""
    asks: ClassVar[bool] = True
    """False: no adversary is asked anything; its victims are measured, and that is all."""
    measured: ClassVar[bool] = True
    """True: utility, fairness and bounds of the victims are measured between its two worlds, for the tables `models` and `bounds`."""
    groups: ClassVar[bool] = True
    """True: `ratios` are shares of group 1, and worlds differ in nothing else. Then they are equal where the group column is permuted,
    as a task's placebos have it."""
    points_mode: ClassVar[RatioMode | None] = None
    """How the query points are drawn that stand for two worlds; None: as models' rows are in the task."""
    roles: ClassVar[tuple[Role, ...]] = ROLES
    """Whose models its worlds have. Victims alone: each is judged by an adversary whose shadows are others of them."""
    needs: ClassVar[str] = "an attack that judges two worlds"
    """What an attack must be, in words, for `answerable`."""

    def ratios(self, protocol: str, given: Sequence[float] | None) -> tuple[float, ...]:
        """Return what the worlds differ in, a number in [0, 1] for each; given: the config's, None where it leaves them out.

        Raises ValueError in one line where they do not fit the protocol.
        """
        raise NotImplementedError

    def worlds(self, protocol: str, ratios: Sequence[float]) -> tuple[World, ...]:
        """Return the worlds, without poison: two of one law have another copy each."""
        raise NotImplementedError

    def towards(self, worlds: Sequence[World], b: int) -> World:
        """Return the world that a defence of models of world b turns to, from which their complements are drawn."""
        raise NotImplementedError

    def points(self, worlds: Sequence[World]) -> tuple[World, World]:
        """Return the two worlds that query points stand for (`Query.origin`)."""
        raise NotImplementedError

    def answerable(self, attack: Attack) -> bool:
        """Return whether an attack can be put to this question."""
        raise NotImplementedError

    def known(self, ratios: Sequence[float]) -> tuple[float, float]:
        """Return `Game.ratio_0` and `Game.ratio_1`."""
        return ratios[0], ratios[1]

    def cell(self, pair: Pair) -> dict[str, Any]:
        """Return the columns of its table that name a game."""
        raise NotImplementedError

    def fit(self, view: View, shadows: Shown | None) -> Any:
        """Return the attack, fitted to one split's shadows; None: it learns from none."""
        raise NotImplementedError

    def grade(self, view: View, fitted: Any, victims: Shown) -> Any:
        """Return the columns of its table that one split's victims have, a row a trial: who was judged, the truth and the answer; or
        what `conclude` makes such columns of.

        A victim's answer must depend on its own outputs alone, unless the attack is marked `transductive`.
        """
        raise NotImplementedError

    def conclude(self, graded: Sequence[Graded], beside: Mapping[str, str]) -> Iterator[tuple[Graded, dict[str, Any]]]:
        """Yield of one game what was graded with the columns of its table: by default as `grade` returned them. beside: by the id of a
        defence that of the one whose models it is compared with."""
        yield from ((one, one.found) for one in graded)
