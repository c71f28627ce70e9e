"""Stage `draw`: which rows each model is trained on, and which rows the adversary queries.

There are five purposes. `base`: S_0 of every victim and shadow of some worlds. `complement`: C of the same models,
drawn from the other world of a pair, from the rows that are not in the model's own S_0 (which is drawn again from its
seed). `public`: rows of the public pool for the same models, whatever their world. `query`: the query set of each
pool split and, for each pair, the world that each point represents. `members`: the candidates of worlds whose models share them (`_candidates`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..core import needs
from ..core.errors import PopleakError
from ..core.halves import COPIES
from ..core.needs import half_up
from ..core.protocols import ROLES, Role
from ..core.seeds import derive, generator
from ..core.worlds import World
from ..steps.draw import Drawn, DrawStep, MemberDraw, ModelDraw, PointsOf, QueryDraw
from ..store import arrays
from ..store import parquet as store
from ..store.populations import clean
from ..store.records import Loaded
from ..store.records import read as read_records
from . import _candidates, _poisoned_rows, split


def members(stratum: tuple[int | None, int], y: np.ndarray, a: np.ndarray, pool: np.ndarray) -> np.ndarray:
    """Return the row ids of a stratum (y or None, a) within the boolean mask `pool` (N,)."""
    label, group = stratum
    return np.flatnonzero(pool & (a == group) & (True if label is None else y == label))


def draw_one(wanted: Mapping[tuple[int | None, int], int], strata: Mapping, rng: np.random.Generator) -> np.ndarray:
    """Return row ids: `wanted[stratum]` of `strata[stratum]` without replacement, in a random order."""
    return rng.permutation(
        np.concatenate(
            [rng.choice(strata[key], size, replace=False, shuffle=False) for key, size in wanted.items() if size]
        )
    )


def _strata(wanted: Mapping, records: Loaded, pool: np.ndarray, where: str, by: str = "") -> dict:
    strata = {key: members(key, records.y, records.a, pool) for key in wanted}
    for (label, group), size in wanted.items():
        available = len(strata[label, group])
        if size > available:
            named = records.facts["groups"][group] + ("" if label is None else f" with label {label}")
            raise PopleakError(
                f"{where}: {size} rows of group {named} are asked for{by}, but the pool holds {available}: lower the task's `rows` (or `query_rows`), "
                f"or give the pool a larger share"
            )
    return strata


def run(*, settings: DrawStep, data: Path, pools: Path, output: Path, step: str, code: str) -> None:
    """Write the draws of one purpose. Raises PopleakError if a pool holds too few rows of a group."""
    records, splits = read_records(data), split.read(pools)
    facts = store.provenance(
        stage="draw",
        step=step,
        settings=settings.plain(),
        code=code,
        inputs=[data, pools],
        label_rate=records.label_rate,
    )
    first = None if isinstance(settings, QueryDraw) else getattr(settings, "first", None)
    splits = dict(itertools.islice(splits.items(), first))
    with store.Writer(output, facts) as writer:
        if isinstance(settings, QueryDraw):
            for pair in settings.pairs:
                writer.add(_query(settings, pair, records, splits))
        elif isinstance(settings, MemberDraw):
            for points in _candidates.points(settings, records, splits):
                writer.add(points)
        elif isinstance(settings, ModelDraw):
            drawn = _public if settings.purpose == "public" else _training
            for one in settings.draws:
                writer.add(drawn(settings, one, records, splits))


class Wanted(NamedTuple):
    """Number of rows by stratum for every model of a world: its own draw, the complement if that is drawn, and the
    part of its own draw that is not replaced by the `slipped` poisoned rows."""

    own: dict[needs.Stratum, int]
    turned: dict[needs.Stratum, int] | None
    beside: dict[needs.Stratum, int]
    slipped: int

    @classmethod
    def of(cls, settings: ModelDraw, one: Drawn, label_rate: float) -> Wanted:
        """Return what a model of one world is drawn."""

        def law(world: str, rows: int) -> dict[needs.Stratum, int]:
            return needs.drawn(World.named(world), rows, settings.mode, label_rate)

        slipped = half_up(one.poison.share * settings.rows) if one.poison else 0
        turned = law(one.from_world, settings.rows) if settings.purpose == "complement" else None
        return cls(law(one.world, settings.rows), turned, law(one.world, settings.rows - slipped), slipped)

    def of_pool(self, owners: needs.Owners) -> dict[needs.Stratum, int]:
        """Return the rows that the pool must hold: no row is both in a model's own draw and in its complement, or leaves a draw and is in the
        next one."""
        turned = self.turned or {}
        return {key: size + max(turned.get(key, 0), owners.fresh(size)) for key, size in self.own.items()}


def _training(settings: ModelDraw, one: Drawn, records: Loaded, splits: Mapping[int, np.ndarray]) -> dict[str, Any]:
    if World.named(one.world).half:
        return _shared(settings, one, records, splits)
    wanted = Wanted.of(settings, one, float(records.y.mean()))
    by = " by a model's own draw and a complement that shares none of its rows" if wanted.turned else ""
    each = _each(settings, splits, one)
    columns: dict[str, list] = {name: [] for name in COLUMNS}
    rows = []
    poison = {
        number: _poison(settings, one, records, number, pool == 1, wanted.slipped) for number, pool in splits.items()
    }
    taken = np.zeros(len(records.y), dtype=bool)
    for role, pool_code in zip(ROLES, (0, 1), strict=True):
        for number, pool in splits.items():
            # a shadow must not hold both a record and its poisoned twin; a victim cannot, since its pool is another one
            inside = pool == pool_code
            inside[poison[number] - len(records.y)] = False
            strata = [
                _strata(wanted.of_pool(settings.owners), records, part, f"{settings.key}, {name} pool", by)
                for name, part in _parts(settings, role, number, inside, pool == pool_code, records)
            ]
            before: np.ndarray | None = None
            for index in range(each[role]):
                seed = _seed(settings, one, role, number, index)
                owner, release = divmod(index, settings.owners.releases)
                there = strata[owner % len(strata)]
                rng = generator(seed, "base", clean(one.world))
                before = _own(settings.owners, wanted, there, before if release else None, records, taken, rng)
                held = _held(settings, one, wanted, before, inside, records, seed, by)
                drawn, whole = _drawn(wanted, one, held, seed, there, poison[number], records, taken, rng)
                if not wanted.turned and World.named(one.world).alone:  # complements stay clean
                    whole = _poisoned_rows.tampered(
                        World.named(one.world), whole, np.flatnonzero(inside), records, seed, settings.key
                    )
                    drawn = whole % len(records.y)
                rows.append(whole)
                for name, value in zip(columns, (role, number, index, seed, records.a[drawn].mean()), strict=True):
                    columns[name].append(value)
    return _table(one, columns, rows)


def _shared(settings: ModelDraw, one: Drawn, records: Loaded, splits: Mapping[int, np.ndarray]) -> dict[str, Any]:
    """Return the rows of victims that share candidates: their halves, with the copies of targets where there are some, or complements of rows
    that are unlike all candidates."""
    wanted = Wanted.of(settings, one, float(records.y.mean()))
    columns: dict[str, list] = {name: [] for name in COLUMNS}
    rows, twins = [], _candidates.same(records)
    each = _each(settings, splits, one)["victim"]
    targets = World.named(one.world).targets
    for number, pool in splits.items():
        found = _candidates.of_split(settings, one.world, number, pool, records, twins, each)
        strata: dict = {}
        if wanted.turned:
            where = f"{settings.key}, victim pool"
            strata = _strata(
                wanted.turned, records, (pool == 0) & ~found.alike, where, " by a complement without candidates"
            )
        for index in range(each):
            seed = _seed(settings, one, "victim", number, index)
            drawn = _candidates.own(found, index, generator(seed, "base", clean(one.world)))
            if wanted.turned:
                drawn = draw_one(wanted.turned, strata, generator(seed, "complement", clean(one.from_world)))
            elif targets:
                poison = np.repeat(found.rows[:targets] + len(records.y), COPIES)
                drawn = generator(seed, "poisoned").permutation(np.concatenate([drawn, poison]))
            rows.append(drawn)
            for name, value in zip(
                columns, ("victim", number, index, seed, records.a[drawn % len(records.a)].mean()), strict=True
            ):
                columns[name].append(value)
    return _table(one, columns, rows)


def _parts(
    settings: ModelDraw, role: Role, number: int, inside: np.ndarray, pool: np.ndarray, records: Loaded
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name of each part of a pool from which models draw in turn, and its rows (N,) among those `inside`. pool (N,): the whole
    pool, which is cut whatever poison is in it."""
    if role == "victim" or settings.sub_pools == 1:
        yield split.POOLS[ROLES.index(role)], inside
        return
    for part in split.sub_pools(
        np.flatnonzero(pool), records.y, records.a, records.unit, settings.sub_pools,
        seed=settings.seed, key=settings.key, number=number,
    ):  # fmt: skip
        there = np.zeros(len(inside), dtype=bool)
        there[part] = True
        yield needs.SUB_POOL, inside & there


def _own(
    owners: needs.Owners,
    wanted: Wanted,
    strata: Mapping,
    before: np.ndarray | None,
    records: Loaded,
    taken: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return the clean rows of one model's own draw; before: those of the same owner's release before it; taken (N,): all False, before
    and after."""
    if before is None or not owners.kept:
        return draw_one(wanted.own, strata, rng)
    y, a = records.y[before], records.a[before]
    held = {key: before[members(key, y, a, np.ones(len(before), dtype=bool))] for key in wanted.own}
    fresh = {key: owners.fresh(size) for key, size in wanted.own.items()}
    stay = draw_one({key: size - fresh[key] for key, size in wanted.own.items()}, held, rng)
    return rng.permutation(np.concatenate([stay, draw_one(fresh, _without(strata, before, taken), rng)]))


def _drawn(
    wanted: Wanted,
    one: Drawn,
    drawn: np.ndarray,
    seed: int,
    strata: Mapping,
    poison: np.ndarray,
    records: Loaded,
    taken: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Return one model's clean rows, and all its rows, given those of its own draw (n,); taken (N,): all False, before and after; rng: goes
    on from that draw."""
    if wanted.turned:  # complements stay clean
        left = _without(strata, drawn, taken)
        drawn = draw_one(wanted.turned, left, generator(seed, "complement", clean(one.from_world)))
    elif len(poison):  # in place of rows of the clean draw; the rest, in random order, has the world's ratio
        drawn = _first(drawn, wanted.beside, records)
        return drawn, rng.permutation(np.concatenate([drawn, poison]))
    return drawn, drawn


def _public(settings: ModelDraw, one: Drawn, records: Loaded, splits: Mapping[int, np.ndarray]) -> dict[str, Any]:
    """Return public rows for each model of a world, drawn without replacement from the whole pool, whatever their
    group and label."""
    columns: dict[str, list] = {name: [] for name in COLUMNS}
    rows = []
    each = _each(settings, splits, one)
    for role in ROLES[:1] if World.named(one.world).alone else ROLES:
        for number, pool in splits.items():
            available = np.flatnonzero(pool == split.POOLS.index("public"))
            if len(available) < settings.rows:
                raise PopleakError(
                    f"{settings.key}, public pool: {settings.rows} rows are asked for, but the pool holds {len(available)}: lower the task's `rows`, "
                    f"or raise population.public_share"
                )
            for index in range(each[role]):
                seed = _seed(settings, one, role, number, index)
                drawn = generator(seed, "public").choice(available, settings.rows, replace=False)
                rows.append(drawn)
                for name, value in zip(COLUMNS, (role, number, index, seed, records.a[drawn].mean()), strict=True):
                    columns[name].append(value)
    return _table(one, columns, rows)


COLUMNS = ("role", "split", "model_index", "seed", "ratio")
"""What is stored of each model beside its worlds and rows."""


def _each(settings: ModelDraw, splits: Mapping[int, np.ndarray], one: Drawn) -> dict[Role, int]:
    """Return the number of models of a world in each split, by role."""
    return {
        "victim": settings.victims // len(splits),
        "shadow": 0 if World.named(one.world).alone else settings.shadows,
    }


def _held(
    settings: ModelDraw,
    one: Drawn,
    wanted: Wanted,
    own: np.ndarray,
    inside: np.ndarray,
    records: Loaded,
    seed: int,
    by: str,
) -> np.ndarray:
    """Return the rows of a model's own draw (n,), for a complement with those beside that its sharer chose: it shares none of either. Raises
    PopleakError where the pool, rows `inside` (N,), has too few others."""
    world = World.named(one.world)
    if not wanted.turned or not world.chosen:
        return own
    found = np.union1d(own, _poisoned_rows.tampered(world, own, np.flatnonzero(inside), records, seed, settings.key))
    free = inside.copy()
    free[found] = False
    _strata(wanted.turned, records, free, f"{settings.key}, victim pool, beside rows that a sharer chose", by)
    return found


def _seed(settings: ModelDraw, one: Drawn, role: Role, split: int, index: int) -> int:
    """Return a model's seed. It is that of the base model for every purpose, so draw, defence and control of one
    model are paired."""
    return derive(settings.seed, settings.key, "model", role, split, clean(one.world), index)


def _table(one: Drawn, columns: Mapping[str, list], rows: list[np.ndarray]) -> dict[str, Any]:
    return {
        "world": [one.world] * len(rows),
        "from_world": [one.from_world] * len(rows),
        **{name: np.array(values) for name, values in columns.items()},
        "rows": arrays.fixed(np.array(rows, dtype=np.int32)),
    }


def _without(strata: Mapping, drawn: np.ndarray, taken: np.ndarray) -> dict:
    """Return the strata without the rows `drawn` (n,); taken (N,): all False, before and after."""
    taken[drawn] = True
    left = {key: there[~taken[there]] for key, there in strata.items()}
    taken[drawn] = False
    return left


def _first(drawn: np.ndarray, wanted: Mapping[tuple[int | None, int], int], records: Loaded) -> np.ndarray:
    """Return of `drawn` row ids (n,) the first `wanted[stratum]` of each stratum."""
    y, a = records.y[drawn], records.a[drawn]
    kept = [drawn[members(key, y, a, np.ones(len(drawn), dtype=bool))[:size]] for key, size in wanted.items()]
    return np.concatenate(kept)


def _poison(settings: ModelDraw, one: Drawn, records: Loaded, split: int, pool: np.ndarray, count: int) -> np.ndarray:
    """Return the `count` rows that one split's adversary inserts into every draw, numbered as the records' poisoned
    twins.

    They come from the adversary's own pool. Those of a smaller share are a subset of those of a larger one.
    """
    if not count or one.poison is None:
        return np.empty(0, dtype=np.int64)
    group, label = one.poison.group, one.poison.label
    candidates = members((label, group), records.y, records.a, pool)
    if count > len(candidates):
        raise PopleakError(
            f"{settings.key}, adversary pool: poison: {count} rows of group {records.facts['groups'][group]} with label {label} are asked "
            f"for, and the pool holds {len(candidates)}: lower the shares"
        )
    rng = generator(settings.seed, settings.key, "poison", split)
    return rng.permutation(candidates)[:count] + len(records.y)


def _query(settings: QueryDraw, one: PointsOf, records: Loaded, splits: Mapping[int, np.ndarray]) -> dict[str, Any]:
    take, size = settings.query_rows, 2 * settings.query_rows
    shape = (len(splits), size)
    rows, origin = np.empty(shape, dtype=np.int32), np.full(shape, -1, dtype=np.int8)
    laws = []
    for i, (number, pool) in enumerate(splits.items()):
        wanted = {(None, 0): take, (None, 1): take}
        strata = _strata(wanted, records, pool == 2, f"{settings.key}, query pool (query_rows)")
        rng = generator(settings.seed, settings.key, "query", number)
        rows[i] = np.concatenate([rng.choice(strata[key], take, replace=False) for key in wanted])
        worlds = (World.named(one.worlds[0]), World.named(one.worlds[1]))
        origin[i] = origins(records.y[rows[i]], records.a[rows[i]], worlds, settings.mode, float(records.y.mean()))
        if records.cell is not None and records.classes == 2:
            inside = pool == 0
            law = np.zeros((2, int(records.cell.max()) + 1, 2), dtype=np.int64)
            np.add.at(law, (records.a[inside], records.cell[inside], records.y[inside]), 1)
            laws.append(law.reshape(-1))
    columns = {
        "pair": [one.pair] * len(splits),
        "split": np.array(list(splits)),
        "rows": arrays.fixed(rows),
        "y": arrays.fixed(records.y[rows]),
        "a": arrays.fixed(records.a[rows]),
        "origin": arrays.fixed(origin),
    }
    if records.cell is not None:
        columns["cell"] = arrays.fixed(records.cell[rows])
    if laws:
        columns["law"] = arrays.fixed(np.array(laws))
    return columns


def origins(y: np.ndarray, a: np.ndarray, worlds: tuple[World, World], mode: str, label_rate: float) -> np.ndarray:
    """Return the world that each point (m,) represents: 0, 1, or -1 for neither.

        The two worlds' sets are disjoint, equally large, and as large as the points allow at exact rates; points are taken in the order
    given, which is random.
    """
    mode_counts = [lambda size, world=world: needs.drawn(world, size, mode, label_rate) for world in worlds]
    strata = {key: members(key, y, a, np.ones(len(y), dtype=bool)) for key in mode_counts[0](len(y))}
    size = len(y)
    while size and any(mode_counts[0](size)[key] + mode_counts[1](size)[key] > len(strata[key]) for key in strata):
        size -= 1
    origin = np.full(len(y), -1, dtype=np.int8)
    for key, points in strata.items():
        first, second = mode_counts[0](size)[key], mode_counts[1](size)[key]
        origin[points[:first]] = 0
        origin[points[first : first + second]] = 1
    return origin
