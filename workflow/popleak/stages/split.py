"""Stage `split`: every row goes to the victim pool, the adversary pool or the query pool, once for each pool split.

Stratified by (y, a), so all pools have the dataset's label rates by group. Rows that share a unit share a pool.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ..core.errors import PopleakError
from ..core.needs import POOLS
from ..core.seeds import generator
from ..steps.split import SplitStep
from ..store import arrays
from ..store import parquet as store
from ..store.records import Loaded
from ..store.records import read as read_records


def assign(
    y: np.ndarray,
    a: np.ndarray,
    unit: np.ndarray,
    shares: tuple[float, float],
    rng: np.random.Generator,
    public: float = 0.0,
) -> np.ndarray:
    """Return the pool (N,) int8 of each row: 0 victim, 1 adversary, 2 query, 3 public.

    y, a, unit (N,); shares: of the victim and the adversary pool; public: of the public pool, which is taken from the
    query pool and does not change the other two. Units are cut within strata; a unit's stratum is the set of (y, a)
    cells of its rows with their counts, which for a unit of one row is its (y, a) cell.
    """
    index, order, place, edge = _placed(y, a, unit, rng)
    first, second = shares[0] * edge, (shares[0] + shares[1]) * edge
    pool_of_unit = np.empty(len(order), dtype=np.int8)
    pool_of_unit[order] = (place >= first).astype(np.int8) + (place >= second).astype(np.int8)
    if public:
        pool_of_unit[order[place >= (1 - public) * edge]] = POOLS.index("public")
    return pool_of_unit[index]


def sub_pools(
    adversary: np.ndarray,
    y: np.ndarray,
    a: np.ndarray,
    unit: np.ndarray,
    parts: int,
    *,
    seed: int,
    key: str,
    number: int,
) -> list[np.ndarray]:
    """Return the row ids of each of `parts` parts of equal shares, from which shadows draw in turn: those of split `number`'s adversary pool
    (k,), cut as `assign` cuts all rows. y, a, unit (N,); seed: the experiment's; key: the task's."""
    rng = generator(seed, key, "sub-pools", number)
    index, order, place, edge = _placed(y[adversary], a[adversary], unit[adversary], rng)
    part_of_unit = np.empty(len(order), dtype=np.int64)
    # the offset takes the last ones round
    part_of_unit[order] = np.floor(place * parts / edge).astype(np.int64) % parts
    return [adversary[part_of_unit[index] == part] for part in range(parts)]


def _placed(
    y: np.ndarray, a: np.ndarray, unit: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the number (N,) of each row's unit; then of U units, in an order that is random within strata: which unit it is, its place in
    its stratum, and how many units that has."""
    _, index = np.unique(unit, return_inverse=True)
    counts = np.zeros((index.max() + 1, 2 * max(int(y.max(initial=0)) + 1, 2)), dtype=np.int64)
    np.add.at(counts, (index, 2 * y.astype(int) + a), 1)
    _, stratum = np.unique(counts, axis=0, return_inverse=True)
    stratum = stratum.reshape(-1)
    order = rng.permutation(len(counts))
    order = order[np.argsort(stratum[order], kind="stable")]
    size = np.bincount(stratum)
    place = np.arange(len(order)) - np.repeat(np.cumsum(size) - size, size)
    # a random offset for each stratum, so that strata of one or two units reach every pool with its share
    return index, order, place + np.repeat(rng.random(len(size)), size), np.repeat(size, size)


def pools_of(
    y: np.ndarray, a: np.ndarray, unit: np.ndarray, settings: SplitStep, elsewhere: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Yield the pool (N,) of each row, split by split.

    elsewhere (N,) bool: rows from which the adversary pool is made, together with all that share a unit with one of them, and no other
    rows; the other pools divide the rest in proportion to their shares.
    """
    shares = settings.victim_share, settings.adversary_share
    for split in range(settings.splits):
        rng = generator(settings.seed, settings.key, "split", split)
        if elsewhere is None:
            yield assign(y, a, unit, shares, rng, settings.public_share)
            continue
        whole = 1 - settings.adversary_share
        here = ~np.isin(unit, unit[elsewhere])
        pool = np.full(len(y), POOLS.index("adversary"), dtype=np.int8)
        pool[here] = assign(
            y[here], a[here], unit[here], (settings.victim_share / whole, 0.0), rng, settings.public_share / whole
        )
        yield pool


def elsewhere_of(records: Loaded, names: Sequence[str]) -> np.ndarray | None:
    """Return which rows (N,) have one of these values of the second attribute; None without names.

    Raises PopleakError if there is no second attribute or no such value, and if all rows or none have one of them.
    """
    if not names:
        return None
    if records.subgroup is None:
        raise PopleakError("population.adversary_from: the records have no second attribute: leave it out")
    told = records.facts["facts"]
    known = list(told["subgroups"])
    if unknown := [name for name in names if name not in known]:
        what = told["second_attribute"]
        raise PopleakError(
            f"population.adversary_from: {unknown[0]!r} is no value of {what}: choose from {', '.join(map(repr, known))}"
        )
    found = np.isin(records.subgroup, [known.index(name) for name in names])
    if found.all() or not found.any():
        which = "all rows have" if found.all() else "no row has"
        raise PopleakError(f"population.adversary_from: {which} one of these values: name others")
    return found


def run(*, settings: SplitStep, data: Path, output: Path, step: str, code: str) -> None:
    """Write the pools (N rows; columns row, pool_0, pool_1, ...) and check on row ids that they are disjoint and complete."""
    records = read_records(data)
    rows = np.arange(len(records.y))
    columns = {"row": rows}
    elsewhere = elsewhere_of(records, settings.adversary_from)
    for split, pool in enumerate(pools_of(records.y, records.a, records.unit, settings, elsewhere)):
        check_disjoint({name: rows[pool == i] for i, name in enumerate(POOLS)}, len(rows))
        columns[f"pool_{split}"] = pool
    store.write(
        output, columns, store.provenance(stage="split", step=step, settings=settings.plain(), code=code, inputs=[data])
    )


def check_disjoint(pools: Mapping[str, np.ndarray], total: int) -> None:
    """Raise PopleakError if two pools share a row id, or if the pools together do not hold `total` rows."""
    names = list(pools)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            shared = np.intersect1d(pools[one], pools[other])
            if len(shared):
                raise PopleakError(f"split: row {shared[0]} is in the {one} pool and in the {other} pool")
    if sum(len(rows) for rows in pools.values()) != total:
        raise PopleakError(f"split: the pools hold {sum(map(len, pools.values()))} of {total} rows")


def read(path: str | Path) -> dict[int, np.ndarray]:
    """Return the pool (N,) int8 of each row, by split."""
    table = store.read(path, stage="split")
    return {int(name.removeprefix("pool_")): arrays.numpy(table[name]) for name in table.column_names if name != "row"}
