"""Public table `proxies`: does a number that is cheaper to come by rank cells as the best informed adversary does?

A cell is a task, a model, a pair of worlds that differ, and a defence; nobody is poisoned. Cells of one task and model whose pairs of
worlds have a world in common share its models: such cells are one block of the interval (`measures.ranks`). A scope of one block has
the interval for independent cells, which is too narrow. The tasks are held fixed: the interval says nothing of a task that is not in the table. An adversary that is a proxy here may be the very one that `best` chose, so
that a correlation of `kl`, `loss` or `threshold` is in part one with itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from ..measures import ranks
from ..steps.tables.proxies import Table
from ..store import schema
from ..store.plain import alive, by_group
from . import as_arrow

CELL = ["task", "model", *(column.name for column in schema.PAIR), "defence"]
ATTACKS = ("kl", "loss", "threshold")
KNOWLEDGE = ("unaware", "informed", "any")
"""The cheapest first. Shadows of undefended models are called informed where the victim is undefended."""


def make(*, parts: Sequence[Path], tables: Mapping[str, pd.DataFrame], settings: Table) -> pa.Table:
    """Return the table from `models`, `leakage` and `bounds`; a proxy without a cell is left out."""
    found = dict(_values(tables))
    target = found.pop("best")
    rows = []
    for name, values in found.items():
        both = pd.concat({"proxy": values, "best": target}, axis=1, join="inner").dropna().reset_index()
        for scope in ("all", *dict.fromkeys(both["task"])):
            part = both if scope == "all" else both[both["task"] == scope]
            if part.empty:
                continue
            got = ranks.spearman(part["proxy"].to_numpy(), part["best"].to_numpy(), blocks(part))
            rows.append(
                {
                    "proxy": name, "scope": scope, "cells": len(part), "tasks": part["task"].nunique(),
                    "rank_correlation": got.value, "low": got.low, "high": got.high,
                }
            )  # fmt: skip
    return as_arrow("proxies", pd.DataFrame(rows, columns=[column.name for column in schema.PROXIES]))


def _values(tables: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, pd.Series]]:
    """Yield the target `best` and the proxies, each a value by cell."""
    leakage = alive(_worlds(tables["leakage"]))
    leakage = leakage[(leakage["shadow_model"] == leakage["model"]) & (leakage["repeats"] == 1)]
    yield "best", _advantage(leakage[leakage["adversary"] == "best"], ("informed", "any"))
    victims = _worlds(tables["models"])
    victims = victims[(victims["role"] == "victim") & (victims["status"] != "diverged")]
    bounds = _worlds(tables["bounds"])
    yield "accuracy-gap", victims["gap"].abs().groupby([victims[name] for name in CELL]).mean()
    yield "delta-eo-w", (bounds["delta_eo"] * bounds["w"]).groupby([bounds[name] for name in CELL]).mean()
    yield "delta-eo", victims.groupby(CELL)["delta_eo"].mean()
    for name in ATTACKS:
        yield name, _advantage(leakage[leakage["adversary"] == name], KNOWLEDGE)


def blocks(cells: pd.DataFrame) -> np.ndarray:
    """Return the number of each cell's block (n,): cells of one task and model, linked by worlds in common."""
    names = list(zip(cells["task"], cells["model"], strict=True))
    ends = [[(*name, ratio) for name, ratio in zip(names, cells[side], strict=True)] for side in ("ratio_0", "ratio_1")]
    block: dict[tuple, tuple] = {}

    def root(world: tuple) -> tuple:
        while block.setdefault(world, world) != world:
            world = block[world]
        return world

    for one, other in zip(*ends, strict=True):
        block[root(one)] = root(other)
    return pd.factorize(pd.Series([root(one) for one in ends[0]], dtype=object))[0]


def _worlds(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of worlds that differ, where nobody is poisoned."""
    return by_group(table[table["poison"] == 0])


def _advantage(rows: pd.DataFrame, knowledge: tuple[str, ...]) -> pd.Series:
    """Return the advantage by cell at the first of the kinds of knowledge that the cell has."""
    order = rows["knowledge"].map({name: place for place, name in enumerate(knowledge)})
    rows = rows[order.notna()].assign(place=order[order.notna()]).sort_values("place", kind="stable")
    return rows.drop_duplicates(CELL).set_index(CELL)["advantage"].astype(np.float64)
