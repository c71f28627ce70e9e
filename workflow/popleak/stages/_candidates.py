"""Draws of worlds whose models share candidates (`core.worlds.World.half`), and the points that the question of membership asks.

A candidate stands for itself alone: no other candidate, no row of a complement and no public or query row is of its unit or has its
features, since the membership of one would be that of the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..core import needs
from ..core.errors import PopleakError
from ..core.halves import halves
from ..core.seeds import generator
from ..core.worlds import World
from ..steps.draw import MemberDraw, ModelDraw
from ..store import arrays
from ..store.populations import clean
from ..store.records import Loaded

CANDIDATE, PUBLIC = 0, 1
"""What a point is, in the column `origin`."""
BLOCK = 256
"""Candidates whose distances to public rows are in memory at once."""


class Candidates(NamedTuple):
    """One split's candidates: rows (n,), and which models hold them, (models, n) bool; alike (N,) bool: the rows of the records that are of a
    candidate's unit or have its features, candidates included."""

    rows: np.ndarray
    inside: np.ndarray
    alike: np.ndarray


def same(records: Loaded) -> np.ndarray:
    """Return for each row (N,) a number that rows with the same features share."""
    x = np.ascontiguousarray(records.x)
    whole = x.view(np.dtype((np.void, x.dtype.itemsize * x.shape[1]))).reshape(-1)
    return np.unique(whole, return_inverse=True)[1].reshape(-1)


def _first(order: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Return of the rows `order` (m,) the first with each key; key (N,)."""
    kept = np.unique(key[order], return_index=True)[1]
    return order[np.sort(kept)]


def of_split(
    settings: ModelDraw | MemberDraw,
    world: str,
    number: int,
    pool: np.ndarray,
    records: Loaded,
    twins: np.ndarray,
    models: int,
) -> Candidates:
    """Return one split's candidates and halves. pool (N,): the pool of each row; twins (N,): `same`; models: how many share them.

    Raises PopleakError if the pool holds too few rows that are unlike each other and unlike public and query rows.
    """
    law = World.named(world)
    wanted = needs.drawn(law, settings.rows, settings.mode, float(records.y.mean()))
    rng = generator(settings.seed, settings.key, "candidates", number, clean(world))
    elsewhere = np.zeros(twins.max(initial=-1) + 1, dtype=bool)
    elsewhere[twins[pool > 1]] = True
    order = rng.permutation(np.flatnonzero((pool == 0) & ~elsewhere[twins]))
    order = _first(_first(order, records.unit), twins)
    parts = []
    for (label, group), size in wanted.items():
        there = order[(records.a[order] == group) & (True if label is None else records.y[order] == label)]
        if len(there) < 2 * size:
            named = records.facts["groups"][group] + ("" if label is None else f" with label {label}")
            raise PopleakError(
                f"{settings.key}, victim pool: {2 * size} candidates of group {named} are asked for by protocol membership, two for each row of a "
                f"model, and the pool holds {len(there)} that are unlike all others: lower the task's `rows`, or give the pool a larger share"
            )
        parts.append(there[: 2 * size])
    rows = np.concatenate(parts)
    blocks = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    _, cells = np.unique(np.stack([blocks, records.y[rows], records.a[rows]]), axis=1, return_inverse=True)
    inside = halves(
        cells.reshape(-1), blocks, models,
        lambda pair: generator(settings.seed, settings.key, "half", number, clean(world), pair),
    )  # fmt: skip
    shuffled = rng.permutation(len(rows))
    of_unit = np.isin(records.unit, records.unit[rows])
    return Candidates(rows[shuffled], inside[:, shuffled], of_unit | np.isin(twins, twins[rows]))


def own(found: Candidates, model: int, rng: np.random.Generator) -> np.ndarray:
    """Return the rows that a model holds, in a random order."""
    held: np.ndarray = rng.permutation(found.rows[found.inside[model]])
    return held


def points(settings: MemberDraw, records: Loaded, splits: Mapping[int, np.ndarray]) -> Iterator[dict[str, Any]]:
    """Yield the columns of each split's points: candidates, then public rows, with what only the judge knows of the candidates, `inside`."""
    twins = same(records)
    # as many in each split, so that their columns are one
    asked = min(settings.rows, *(int((pool == 3).sum()) for pool in splits.values()))
    unlike = {number: _unlike(settings, number, pool, records, twins) for number, pool in splits.items()}
    fewest = min(2 * settings.rows, *(len(rows) // 2 * 2 for rows in unlike.values()))
    for number, pool in splits.items():
        held = of_split(settings, settings.world, number, pool, records, twins, settings.victims // len(splits))
        if settings.unseen:
            rows = unlike[number][:fewest]
            inside = _unseen(settings, number, rows, records, len(held.inside))
        else:
            rows, inside = held.rows, held.inside
        public = _public(settings, number, pool)[:asked]
        every = np.concatenate([rows, public])
        origin = np.repeat(np.array([CANDIDATE, PUBLIC], dtype=np.int8), [len(rows), len(public)])
        columns = {
            "rows": every.astype(np.int32), "y": records.y[every], "a": records.a[every], "origin": origin,
            "inside": np.packbits(inside, axis=1).reshape(-1),
        }  # fmt: skip
        if len(public) and settings.near:
            near = nearest(records.x[rows], records.x[public], min(settings.near, len(public)))
            columns["near"] = (len(rows) + near).reshape(-1)
        yield {
            "pair": [settings.pair], "split": np.array([number]),
            **{name: arrays.fixed(values[None]) for name, values in columns.items()},
        }  # fmt: skip


def _unlike(settings: MemberDraw, number: int, pool: np.ndarray, records: Loaded, twins: np.ndarray) -> np.ndarray:
    """Return rows of the query pool, unlike each other, in a random order; no model was trained on any."""
    rng = generator(settings.seed, settings.key, "unseen", number)
    return _first(_first(rng.permutation(np.flatnonzero(pool == 2)), records.unit), twins)


def _unseen(settings: MemberDraw, number: int, rows: np.ndarray, records: Loaded, models: int) -> np.ndarray:
    """Return halves (models, n) of rows that no model was trained on, so that they mean nothing."""
    cells = np.unique(np.stack([records.y[rows], records.a[rows]]), axis=1, return_inverse=True)[1].reshape(-1)
    return halves(
        cells, np.zeros(len(rows), dtype=np.int64), models,
        lambda pair: generator(settings.seed, settings.key, "unseen", number, pair),
    )  # fmt: skip


def _public(settings: MemberDraw, number: int, pool: np.ndarray) -> np.ndarray:
    """Return public rows in a random order; none where there is no public pool."""
    rng = generator(settings.seed, settings.key, "asked public rows", number)
    return rng.permutation(np.flatnonzero(pool == 3))


def nearest(x: np.ndarray, public: np.ndarray, many: int) -> np.ndarray:
    """Return the positions (n, many) int32 of the public rows nearest to each row of x (n, d) by Euclidean distance, of equals the first."""
    found = np.empty((len(x), many), dtype=np.int32)
    lengths = np.einsum("ij,ij->i", public, public, dtype=np.float64)
    for start in range(0, len(x), BLOCK):
        part = x[start : start + BLOCK]
        distance = lengths - 2.0 * (part @ public.T)
        found[start : start + len(part)] = np.argsort(distance, axis=1, kind="stable")[:, :many]
    return found
