"""Stage `query`: every model, under every defence, answers the query set of its pool split, for some pairs of worlds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from . import arrays, plugins, store
from .answers import Points, read_points
from .engine.fit import predict
from .populations import ROLES, Models
from .populations import read as read_models
from .records import Loaded
from .records import read as read_records
from .train import How

NONE = "none"


def run(
    *,
    settings: Mapping[str, Any],
    data: Path,
    points: Path,
    models: Mapping[str, Sequence[Path]],
    outputs: Mapping[str, Path],
    step: str,
    code: str,
    how: How,
) -> None:
    """Score the query sets. models: by role, the files of all defences, in the order and number that the settings give."""
    paths = [path for role in ROLES for path in models[role]]
    facts = store.provenance(
        stage="query", step=step, settings=settings, code=code, inputs=[data, points, *paths], device=how.resolved()
    )
    records = read_records(data)
    model = plugins.load("models", settings["model"])
    own = model.Settings.model_validate(settings["model_settings"])
    with ExitStack() as stack:
        writers = {role: stack.enter_context(store.Writer(outputs[role], facts)) for role in ROLES}
        for pair, *worlds in settings["pairs"]:
            sets = read_points(points, pair)
            for role in ROLES:
                at = 0
                for defence, count in settings["defences"]:
                    files = models[role][at : at + count]
                    at += count
                    for b in (0, 1):
                        from_world = worlds[b] if defence == NONE else worlds[1 - b]
                        there = read_models(files, world=worlds[b], from_world=from_world)
                        writers[role].add(_asked(model, own, there, b, pair, defence, sets, records, how))


def _asked(
    model: Any,
    own: Any,
    there: Models,
    world: int,
    pair: str,
    defence: str,
    sets: Mapping[int, Points],
    records: Loaded,
    how: How,
) -> dict[str, Any]:
    """Return the columns of one world's answers under one defence."""
    scores = np.empty((len(there.weights), len(next(iter(sets.values())).rows)), dtype=np.float32)
    for split, asked in sets.items():
        mine = there.keys["split"] == split
        if mine.any():
            scores[mine] = answer(model, own, there.weights[mine], records, asked, how)
    size = len(scores)
    kept = {name: there.keys[name] for name in ("split", "model_index", "seed", "ratio")}
    return {
        "pair": [pair] * size, "defence": [defence] * size, "world": np.full(size, world), **kept,
        "finite": there.finite, "eo_weight": there.eo_weight, "eo_vacuous": there.eo_vacuous, "scores": arrays.fixed(scores),
    }  # fmt: skip


def answer(
    model: Any, own: Any, weights: np.ndarray, records: Loaded, points: Points, how: How | None = None
) -> np.ndarray:
    """Return scores P(y = 1 | x) (K, q) of models `weights` (K, P) on the points."""
    if not model.gradient:
        return model.predict(weights, cell=records.cell, rows=points.rows, settings=own)
    how = how or How()
    build = model.architecture(records.x.shape[1], own)
    return predict(build, weights, records.x[points.rows], threads=how.threads, device=how.device)
