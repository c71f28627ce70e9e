"""Stage `query`: every model of one pair of worlds under one defence answers the query set of its pool split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from . import plugins, store, train
from .draw import ROLES
from .records import Loaded
from .records import read as read_records


class Points(NamedTuple):
    """The query set of one pool split, q points: rows, y, a, origin (q,); cell (q,) and law (2, cells, 2), or None."""

    rows: np.ndarray
    y: np.ndarray
    a: np.ndarray
    origin: np.ndarray
    cell: np.ndarray | None
    law: np.ndarray | None


class Answers(NamedTuple):
    """What models answered: columns world, split, model_index, seed, ratio, finite, eo_weight, eo_vacuous (K,); scores (K, q)."""

    keys: dict[str, np.ndarray]
    scores: np.ndarray


def read_points(path: str | Path) -> dict[int, Points]:
    """Return the query sets by pool split, from a draw table of purpose `query`."""
    table = store.read(path, stage="draw")
    there = {name: store.matrix(table[name]) for name in table.column_names if name != "split"}
    found = {}
    for i, split in enumerate(table["split"].to_pylist()):
        cell = there["cell"][i] if "cell" in there else None
        law = there["law"][i].reshape(2, -1, 2) if "law" in there else None
        found[split] = Points(*(there[name][i] for name in ("rows", "y", "a", "origin")), cell, law)
    return found


def run(
    *,
    settings: Mapping[str, Any],
    data: Path,
    points: Path,
    models: Mapping[str, Sequence[tuple[int, Path]]],
    outputs: Mapping[str, Path],
    step: str,
    code: str,
) -> None:
    """Score the query set. models: by role, the files of models with the world (0 or 1) in which their base was trained."""
    records, sets = read_records(data), read_points(points)
    model = plugins.load("models", settings["model"])
    own = model.Settings.model_validate(settings["model_settings"])
    paths = [path for role in ROLES for _, path in models[role]]
    facts = store.provenance(stage="query", step=step, settings=settings, code=code, inputs=[data, points, *paths])
    for role in ROLES:
        keys: dict[str, list[np.ndarray]] = {}
        scores = []
        for world, path in models[role]:
            there = train.read(path)
            answers = np.empty((len(there.weights), len(next(iter(sets.values())).rows)), dtype=np.float32)
            for split, asked in sets.items():
                mine = there.keys["split"] == split
                if mine.any():
                    answers[mine] = answer(model, own, there.weights[mine], records, asked)
            scores.append(answers)
            columns = {"world": np.full(len(answers), world), **there.keys, "finite": there.finite,
                       "eo_weight": there.eo_weight, "eo_vacuous": there.eo_vacuous}  # fmt: skip
            for name, values in columns.items():
                keys.setdefault(name, []).append(values)
        merged = {name: np.concatenate(values) for name, values in keys.items()}
        store.write(outputs[role], {**merged, "scores": store.fixed(np.concatenate(scores))}, facts)


def answer(model: Any, own: Any, weights: np.ndarray, records: Loaded, points: Points) -> np.ndarray:
    """Return scores P(y = 1 | x) (K, q) of models `weights` (K, P) on the points."""
    if not model.gradient:
        return model.predict(weights, cell=records.cell, rows=points.rows, settings=own)
    import torch

    from .engine.fit import predict

    return predict(lambda: model.build(records.x.shape[1], own), weights, torch.from_numpy(records.x[points.rows]))


def read(path: str | Path) -> Answers:
    """Read what one role's models answered."""
    table = store.read(path, stage="query")
    keys = {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names if name != "scores"}
    return Answers(keys, store.matrix(table["scores"]))
