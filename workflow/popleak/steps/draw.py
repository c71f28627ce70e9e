"""What a job of the stage `draw` is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from ..core import typed
from ..core.needs import ALONE, Owners
from ..core.protocols import RatioMode
from .base import StepSettings
from .games import Poison


@dataclass(frozen=True, kw_only=True)
class Slipped(Poison):
    """Poisoned rows of a draw, which are this share of it."""

    share: float


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Rows of `from_world`, for models of `world` (`core.worlds`); the two differ where the draw is a complement."""

    world: str
    from_world: str
    poison: Slipped | None = None


@dataclass(frozen=True, kw_only=True)
class PointsOf:
    """A game's name, and the two worlds that its query points stand for."""

    pair: str
    worlds: tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class DrawStep(StepSettings):
    """What both kinds of draws are told: the experiment's seed, the records' key, and how a ratio is drawn."""

    stage: ClassVar[str] = "draw"
    seed: int
    key: str
    mode: RatioMode
    purpose: Literal["base", "complement", "public", "query", "members"]

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """Return the settings of the kind that the purpose names."""
        if cls is not DrawStep:
            return super().of(found)
        kinds: dict[Any, Any] = {"query": QueryDraw, "members": MemberDraw}
        kind = kinds.get(found.get("purpose"), ModelDraw)
        chosen: Self = typed.read(kind, found, "the settings")
        return chosen


@dataclass(frozen=True, kw_only=True)
class ModelDraw(DrawStep):
    """Rows for models: S_0 (`base`), C (`complement`) or public rows (`public`), `rows` rows each; victims: of all splits; shadows: of
    each; first: the first so many splits alone; sub_pools: parts of the adversary pool from which the owners of shadows draw in turn;
    owners: whose models they are."""

    purpose: Literal["base", "complement", "public"]
    draws: tuple[Drawn, ...]
    rows: int
    victims: int
    shadows: int
    first: int | None = None
    sub_pools: int = 1
    owners: Owners = ALONE


@dataclass(frozen=True, kw_only=True)
class QueryDraw(DrawStep):
    """Query sets: `query_rows` rows of each group in each split, and which of them stand for which world of a game."""

    purpose: Literal["query"]
    pairs: tuple[PointsOf, ...]
    query_rows: int
    splits: int


@dataclass(frozen=True, kw_only=True)
class MemberDraw(DrawStep):
    """The points of the question of membership: the candidates that models of `world` share, `rows` for each model and so twice as many,
    and public rows; or, unseen, rows that no model was trained on in place of the candidates. victims: of all splits; first: the first so many
    splits alone; near: public rows that are found for each candidate."""

    purpose: Literal["members"]
    pair: str
    world: str
    rows: int
    victims: int
    first: int | None = None
    unseen: bool = False
    near: int = 10
