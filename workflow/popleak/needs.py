"""How many rows of each kind a task's draws take from each pool, and how many the pools hold: arithmetic, no data.

The stage `draw` counts with it, the plan refuses by it what cannot be, and `rows: auto` is chosen by it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

Stratum = tuple[int | None, int]
"""(y, a); y is None where labels fall as they may."""
Pools = Mapping[tuple[str, int, int], int]
"""Rows by (pool, y, a)."""
POOLS = ("victim", "adversary", "query")
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


class Need(NamedTuple):
    """`rows` rows of a stratum that one draw takes from a pool; `key` is the task's key that asks for them."""

    key: str
    pool: str
    stratum: Stratum
    rows: int

    def covers(self, y: int, a: int) -> bool:
        """Return whether rows with label y of group a are of the stratum."""
        return self.stratum[1] == a and self.stratum[0] in (None, y)


class Draws(NamedTuple):
    """What decides how many rows are taken: ratios of all worlds, mode of the draws, share of positives in the dataset; of the
    poison the largest share and the (y, a) of its rows."""

    ratios: Sequence[float]
    mode: str
    label_rate: float
    poison: float = 0.0
    poisoned: tuple[int, int] = (0, 1)

    def needs(self, rows: int) -> Iterable[Need]:
        """Return what models of `rows` rows take, from each of the two pools they are drawn from."""
        slipped = half_up(self.poison * rows)
        if slipped:
            yield Need("poison.shares", "adversary", self.poisoned, slipped)
        for ratio in self.ratios:
            for stratum, count in counts(ratio, rows, self.mode, self.label_rate).items():
                yield Need("rows", "victim", stratum, count)
                # a shadow must not hold a record beside its poisoned twin
                aside = slipped if Need("", "", stratum, 0).covers(*self.poisoned) and count else 0
                yield Need("rows", "adversary", stratum, count + aside)


def asked(query_rows: int) -> list[Need]:
    """Return what a query set takes."""
    return [Need("query_rows", "query", (None, group), query_rows) for group in (0, 1)]


def held(cells: Sequence[Sequence[int]], shares: Mapping[str, float], fewest: bool) -> Pools:
    """Return how many rows of each (pool, y, a) a split leaves, for counts cells[y][a]: the fewest, or the most.

    A split gives each pool its share of each cell, to the next integer below or above.
    """
    cut = (lambda rows: math.floor(rows + 1e-9)) if fewest else (lambda rows: math.ceil(rows - 1e-9))
    return {(pool, y, a): cut(shares[pool] * cells[y][a]) for pool in POOLS for y in (0, 1) for a in (0, 1)}


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
    step = 10 ** max(len(str(int(value))) - 2, 0)
    return int(value) // step * step
