"""Stage `query`: every model of one pair of worlds under one defence answers the query set of its pool split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import plugins, store
from .answers import Points, read_points
from .populations import ROLES
from .populations import read as read_models
from .records import Loaded
from .records import read as read_records


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
            there = read_models(path)
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
