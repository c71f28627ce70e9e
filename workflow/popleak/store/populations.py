"""Draws and stored models, a world or direction at a time: what `train`, `defend` and `query` read and write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from . import arrays
from . import parquet as store
from .records import Loaded, with_twins
from .records import read as read_records

KEYS = ("world", "from_world", "split", "model_index", "seed", "ratio")


FOUND = ("finite", "eo_weight", "eo_vacuous", "travel")
"""What is stored of a model beside its keys and weights, by column."""
CERTIFIED = ("certified", "worst_case")
"""What files hold of models under a defence with a certificate, by column; no others have these."""


def known(data: Path, worlds: Sequence[str]) -> Loaded:
    """Return the records that draws of these worlds point into: with their poisoned twins where a world has some."""
    records = read_records(data)
    return with_twins(records) if any(map(poisoned, worlds)) else records


class Models(NamedTuple):
    """Models of one role: keys (columns `KEYS`, each (K,)), weights (K, P), finite (K,), eo_weight, eo_vacuous (K,). A release may hold several
    models (`defences.base.Defence.members`): weights (K, M * P).

    travel (K,): L2 distance of the weights from those of M_0, in units of the norm of M_0's, the mean over the models of a release; NaN where
    there was no way to go: of base models and of closed forms. state (K, S): what a defence keeps with each model beside its weights,
    (K, 0) for most.
    certified (K,): the advantage that no adversary exceeds; NaN where there is no certificate, or a condition of it was not met.
    worst_case (K,): the log-likelihood ratio for the truth in the audit of a victim; NaN where there was none.
    """

    keys: dict[str, np.ndarray]
    weights: np.ndarray
    finite: np.ndarray
    eo_weight: np.ndarray
    eo_vacuous: np.ndarray
    travel: np.ndarray
    state: np.ndarray
    certified: np.ndarray
    worst_case: np.ndarray

    @classmethod
    def of(cls, keys: dict[str, np.ndarray], columns: Mapping[str, np.ndarray]) -> Models:
        """Return models of their columns by name: `weights`, FOUND, and what some defences keep beside these."""
        size = len(columns["weights"])
        more = {"state": columns.get("state", np.empty((size, 0)))}
        more |= {name: columns.get(name, np.full(size, np.nan)) for name in CERTIFIED}
        return cls(keys=keys, weights=columns["weights"], **{name: columns[name] for name in FOUND}, **more)


def poisoned(world: str) -> bool:
    """Return whether draws of a world hold poisoned rows, which are numbered beyond the records (`records.with_twins`)."""
    return "!" in world


def clean(world: str) -> str:
    """Return a world's name without its poison: what seeds are made of, so that poisoned models are paired with clean ones."""
    return world.partition("!")[0]


def empty(keys: dict[str, np.ndarray]) -> Models:
    """Return no models, with the columns that `keys` has."""
    none = np.empty(0)
    keys = {name: values[:0] for name, values in keys.items()}
    found: dict[str, np.ndarray] = {name: none for name in FOUND}
    found |= {"weights": np.empty((0, 1), np.float32), "finite": none.astype(bool)}
    return Models.of(keys, found)


def draws_of(paths: Iterable[Path], world: str, from_world: str) -> Any:
    """Return the rows of draw tables for one world (`from_world` is then the world itself) or one direction."""
    found = [store.read(path, stage="draw", where={"world": world, "from_world": from_world}) for path in paths]
    return pa.concat_tables(table.replace_schema_metadata(None) for table in found if table.num_rows)


def of_role(draws: Any, role: str, part: tuple[int, int]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the keys and the rows (K, n) of a draw table's models of `role`: the i-th of n equal parts, part = (i, n)."""
    column = {name: arrays.numpy(draws[name]) for name in ("role", *KEYS)}
    mine = np.flatnonzero(column["role"] == role)
    chosen = mine[len(mine) * part[0] // part[1] : len(mine) * (part[0] + 1) // part[1]]
    return {name: column[name][chosen] for name in KEYS}, arrays.matrix(draws["rows"])[chosen]


def write(writer: store.Writer, models: Models, made_of: np.ndarray, **more: np.ndarray) -> None:
    """Append models of one role. made_of (K, WIDTH): their keys in the sense of `reuse`, the column `key`. A file whose models have no
    state has no such column."""
    found = {name: getattr(models, name) for name in FOUND}
    if models.state.shape[1]:
        found["state"] = arrays.fixed(models.state)
    named = {**models.keys, **found, **more, "key": arrays.fixed(made_of)}
    writer.add({**named, "weights": arrays.fixed(models.weights.astype(np.float32))})


def read(paths: Iterable[str | Path], *, world: str, from_world: str | None = None) -> Models:
    """Return the models of one world, or of one direction, in files of one role written by `train` or `defend`."""
    where = {"world": world} if from_world is None else {"world": world, "from_world": from_world}
    found = [table for path in paths if (table := store.read(path, where=where)).num_rows]
    column = {name: np.concatenate([arrays.numpy(table[name]) for table in found]) for name in (*KEYS, *FOUND)}
    weights = np.concatenate([arrays.matrix(table["weights"]) for table in found])
    state = [arrays.matrix(table["state"]) for table in found if "state" in table.column_names]
    made = {name: column[name] for name in FOUND} | {"weights": weights}
    if state:
        made["state"] = np.concatenate(state)
    made |= {name: np.concatenate([_numbers(table, name) for table in found]) for name in CERTIFIED}
    return Models.of({name: column[name] for name in KEYS}, made)


def _numbers(table: Any, name: str) -> np.ndarray:
    """Return a column of numbers (K,), NaN where the table has no such column."""
    return arrays.numpy(table[name]) if name in table.column_names else np.full(table.num_rows, np.nan)


def matching(models: Models, seeds: np.ndarray) -> Models | None:
    """Return the models with these seeds (K,), in this order; None if one of them is not there."""
    order = np.argsort(models.keys["seed"])
    place = np.searchsorted(models.keys["seed"], seeds, sorter=order)
    if len(order) == 0 or place.max(initial=0) >= len(order):
        return None
    chosen = order[place]
    if not np.array_equal(models.keys["seed"][chosen], seeds):
        return None
    return Models(
        {name: values[chosen] for name, values in models.keys.items()}, *(part[chosen] for part in models[1:])
    )
