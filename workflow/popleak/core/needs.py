"""How many rows of each kind a task's draws take from each pool, and how many the pools hold: arithmetic, no data.

The stage `draw` counts with it, the plan refuses by it what cannot be, and `rows: auto` is chosen by it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .errors import PopleakError
from .worlds import World

Stratum = tuple[int | None, int]
"""(y, a); y is None where labels fall as they may."""
Pools = Mapping[tuple[str, int, int], int]
"""Rows by (pool, y, a)."""
POOLS = ("victim", "adversary", "query", "public")
"""The pools that records are split into, in the order of their numbers."""
SUB_POOL = "adversary sub"
"""A part of the adversary pool from which shadows draw, as messages name it."""
USUAL_ROWS, USUAL_QUERY_ROWS = 2000, 1000
"""What `auto` takes where the pools hold enough."""
SCORES = 1 << 24
"""Scores that the stage `measure` holds at once, unless one model's are more."""
LEAST = 10
"""The fewest rows that a config may ask for."""


def half_up(value: float) -> int:
    """Return `value` rounded to the nearest integer, halves up: the same on every platform and for every parity."""
    return math.floor(value + 0.5)


def counts(ratio: float, rows: int, mode: str, label_rate: float) -> dict[Stratum, int]:
    """Return how many rows a draw takes from each stratum.

    natural: round(ratio * rows) rows of group 1, whatever their labels, so P(y | a) is the pool's and the label rate moves with
    the ratio. label-balanced: the same number of positives in every draw, round(label_rate * rows), and within it group 1 has
    its share; so no world differs from another by even one label.
    """
    ones = half_up(ratio * rows)
    if mode == "natural":
        return {(None, 0): rows - ones, (None, 1): ones}
    positives = half_up(label_rate * rows)
    both = min(half_up(ratio * positives), ones)
    return {(0, 0): rows - positives - (ones - both), (1, 0): positives - both, (0, 1): ones - both, (1, 1): both}


def drawn(world: World, rows: int, mode: str, label_rate: float) -> dict[Stratum, int]:
    """Return how many rows a draw in a world takes from each stratum, in a task with this mode and a dataset with this label rate."""
    ratio, mode, label_rate = world.drawn(mode, label_rate)
    return counts(ratio, rows, mode, label_rate)


class Mixing(NamedTuple):
    """What the rows of a defended model are mixed from: S_0, drawn from a world, and a complement, drawn from another, of
    `rows` rows each.

    ratios: of the two worlds; mode: of the draws; label_rate: share of positives in the dataset; label_rates: of the two worlds, where
    they have their own. Of S_0 in a poisoned world
    `slipped` rows are poisoned, of the stratum with the (y, a) `poisoned`, y being the flipped label. replaced: whether the sharer of S_0 replaced
    rows by others whose strata the law does not know; `own` is then what S_0 had before.
    """

    ratios: tuple[float, float]
    rows: int
    mode: str
    label_rate: float
    slipped: int = 0
    poisoned: tuple[int, int] = (1, 1)
    label_rates: tuple[float, float] | None = None
    replaced: bool = False

    @classmethod
    def of(
        cls,
        worlds: tuple[World, World],
        rows: int,
        mode: str,
        label_rate: float,
        slipped: int,
        poisoned: tuple[int, int],
    ) -> Mixing:
        """Return what models of the first world, defended towards the second, are mixed from."""
        own, other = worlds
        rates = None if own.label_rate is None or other.label_rate is None else (own.label_rate, other.label_rate)
        replaced = bool(own.chosen or own.flipped)
        return cls((own.ratio, other.ratio), rows, mode, label_rate, slipped, poisoned, rates, replaced)

    @property
    def own(self) -> dict[Stratum, int]:
        """How many rows of each stratum S_0 has, its poisoned ones too."""
        found = self._counts(1.0, self.rows - self.slipped)
        found[self._slip] += self.slipped
        return found

    def _counts(self, share: float, rows: int) -> dict[Stratum, int]:
        """Return the counts of a draw of which a share has the law of S_0's world and the rest that of the other."""
        between = None if self.label_rates is None else _between(share, self.label_rates)
        return drawn(World(_between(share, self.ratios), between), rows, self.mode, self.label_rate)

    @property
    def turned(self) -> Mixing:
        """What models of the other world, defended towards this one, are mixed from."""
        rates = None if self.label_rates is None else (self.label_rates[1], self.label_rates[0])
        return self._replace(ratios=(self.ratios[1], self.ratios[0]), label_rates=rates)

    @property
    def other(self) -> dict[Stratum, int]:
        """How many rows of each stratum the complement has."""
        return self._counts(0.0, self.rows)

    def at(self, ratio: float, rows: int) -> dict[Stratum, int]:
        """Return how many rows of each stratum `rows` rows have at another ratio, labels being as those of S_0 are."""
        return drawn(
            World(ratio, None if self.label_rates is None else self.label_rates[0]), rows, self.mode, self.label_rate
        )

    @property
    def _slip(self) -> Stratum:
        """The stratum that poisoned rows are counted in."""
        label, group = self.poisoned
        return None if self.mode == "natural" and self.label_rates is None else label, group

    def parts(self, rehearsal: float, share: float = 1.0) -> tuple[dict[Stratum, int], dict[Stratum, int]]:
        """Return how many rows of each stratum a mixture takes: from S_0, a share `rehearsal`, and from the complement. It has
        `share` times `rows` rows.

        The whole has the counts of one draw at the ratio in between, so at one half the same ones whichever world S_0 is from. S_0
        gives what a draw of its share has at its own ratio, the complement the rest; where the complement would have to give fewer
        than no rows, or more than it holds, S_0's part moves by as many, one or two. Of the poisoned rows the share
        `rehearsal` comes on top of a mixture that is smaller by as many. Raises PopleakError where no whole numbers fit, which can
        only be if labels are balanced and a draw has hardly a row of a stratum.
        """
        slipped = half_up(rehearsal * share * self.slipped)
        total_rows = half_up(share * self.rows)
        size = total_rows - slipped
        whole, wished, own, other = (
            self._counts(part, rows)
            for part, rows in (
                (rehearsal, size),
                (1.0, half_up(rehearsal * total_rows) - slipped),
                (1.0, self.rows - self.slipped),
                (0.0, self.rows),
            )
        )
        rehearsed = {}
        for key, total in whole.items():
            low, high = max(0, total - other[key]), min(total, own[key])
            if low > high:
                raise PopleakError(
                    f"rehearsal: a share of {rehearsal:g} of {total_rows} rows at the ratios {self.ratios[0]:g} and {self.ratios[1]:g} cannot be "
                    f"made of whole rows by label and group: raise the task's `rows`, or change the share"
                )
            rehearsed[key] = min(max(wished[key], low), high)
        rest = {key: total - rehearsed[key] for key, total in whole.items()}
        if slipped:
            rehearsed[self._slip] += slipped
        return rehearsed, rest

    def shared(self, share: float = 1.0) -> dict[Stratum, int] | None:
        """Return how many rows of each stratum a mixture at one half has, if models of both worlds have as many; None if they
        do not, or where S_0 holds poisoned rows."""
        if self.slipped:
            return None
        whole, other = (
            {key: rehearsed[key] + rest[key] for key in rest}
            for rehearsed, rest in (self.parts(0.5, share), self.turned.parts(0.5, share))
        )
        return whole if whole == other else None


def _between(share: float, ends: tuple[float, float]) -> float:
    return ends[0] if share == 1 else ends[1] if share == 0 else round(share * ends[0] + (1 - share) * ends[1], 12)


class Need(NamedTuple):
    """`rows` rows of a stratum (y, a), either of which is None where it does not matter, that one model takes from a pool; `key` is the
    task's key that asks for them, `by` what takes them."""

    key: str
    pool: str
    stratum: tuple[int | None, int | None]
    rows: int
    by: str = ""

    def covers(self, y: int, a: int) -> bool:
        """Return whether rows with label y of group a are of the stratum."""
        return self.stratum[1] in (None, a) and self.stratum[0] in (None, y)


@dataclass(frozen=True, kw_only=True)
class Owners:
    """releases: models of one owner; kept: share of its rows that stay from one to the next."""

    releases: int = 1
    kept: float = 0.0

    def fresh(self, rows: int) -> int:
        """Return how many of the rows of a stratum the next release replaces by rows that were not among them."""
        return rows - half_up(self.kept * rows) if self.kept else 0


ALONE = Owners()
"""Of owners with one model each."""


class Draws(NamedTuple):
    """What decides how many rows are taken: the laws of all worlds, mode of the draws, share of positives in the dataset; of the
    poison the largest share and the (y, a) of its rows; directions: the laws of S_0 and of the complement, which share no row; public:
    whether as many public rows are drawn; shadows_from: the pool that shadows draw from, of which poison may take no rows; owners: what the
    releases of one owner share."""

    worlds: Sequence[World]
    mode: str
    label_rate: float
    poison: float = 0.0
    poisoned: tuple[int, int] = (0, 1)
    directions: Sequence[tuple[World, World]] = ()
    public: bool = False
    shadows_from: str = "adversary"
    owners: Owners = ALONE

    def needs(self, rows: int) -> Iterable[Need]:
        """Return what models of `rows` rows take, from each of the pools they are drawn from."""
        slipped = half_up(self.poison * rows)
        if slipped:
            yield Need("poison.shares", "adversary", self.poisoned, slipped)
        if self.public:
            yield Need("rows", "public", (None, None), rows, " by a defence that trains on public rows")
        for own, *other in (*((world,) for world in self.worlds), *self.directions):
            yield from self._shared(own, other, rows) if own.half else self._alone(own, other, rows, slipped)

    def _alone(self, own: World, other: Sequence[World], rows: int, slipped: int) -> Iterable[Need]:
        """Return what one model of a world takes, and its complement from another."""
        taken = [drawn(world, rows, self.mode, self.label_rate) for world in (own, *other)]
        by = f" by S_0 at the ratio {own} and a disjoint complement at {other[0]}" if other else ""
        if not other and self.owners.kept:
            taken.append({key: self.owners.fresh(size) for key, size in taken[0].items()})
            by = " by a release and the rows that the next one takes in their place"
        for stratum in taken[0]:
            count = sum(one[stratum] for one in taken)
            yield Need("rows", "victim", stratum, count, by)
            # a shadow must not hold a record beside its poisoned twin
            aside = slipped if Need("", "", stratum, 0).covers(*self.poisoned) and count else 0
            yield Need("rows", self.shadows_from, stratum, count + aside, by)

    def _shared(self, own: World, other: Sequence[World], rows: int) -> Iterable[Need]:
        """Return what victims that share candidates take, two for each row of a model, and a complement."""
        by = " by the candidates of membership, two for each row of a model" + (", and a complement" if other else "")
        taken = [drawn(world, rows, self.mode, self.label_rate) for world in (own, *other)]
        for stratum, size in taken[0].items():
            yield Need("rows", "victim", stratum, size + sum(one[stratum] for one in taken), by)


def asked(query_rows: int) -> list[Need]:
    """Return what a query set takes."""
    return [Need("query_rows", "query", (None, group), query_rows) for group in (0, 1)]


def held(cells: Sequence[Sequence[int]], shares: Mapping[str, float], fewest: bool) -> Pools:
    """Return how many rows of each (pool, y, a) a split leaves, for counts cells[y][a]: the fewest, or the most.

    A split gives each pool its share of each cell, to the next integer below or above.
    """

    def cut(rows: float) -> int:
        return math.floor(rows + 1e-9) if fewest else math.ceil(rows - 1e-9)

    return {(pool, y, a): cut(shares[pool] * cells[y][a]) for pool in shares for y in range(len(cells)) for a in (0, 1)}


def room(need: Need, pools: Pools) -> int:
    """Return how many rows a pool holds of a need's stratum."""
    return sum(many for (pool, y, a), many in pools.items() if pool == need.pool and need.covers(y, a))


def largest_rows(draws: Draws, pools: Pools) -> int:
    """Return the most rows of a model that the pools can give, 0 if none."""
    low, high = 0, sum(pools.values())
    while low < high:  # what is needed grows with the rows
        middle = (low + high + 1) // 2
        if all(need.rows <= room(need, pools) for need in draws.needs(middle)):
            low = middle
        else:
            high = middle - 1
    return low


def largest_query_rows(pools: Pools) -> int:
    """Return the most query points of each group that the query pool can give."""
    return min(room(need, pools) for need in asked(0))


def rounded(value: float) -> int:
    """Return `value` cut to two digits, as a person would choose it."""
    step: int = 10 ** max(len(str(int(value))) - 2, 0)
    return int(value) // step * step
