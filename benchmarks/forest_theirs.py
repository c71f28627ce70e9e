"""ForestDiffusion: `python forest_theirs.py given.npz told.npz`, in the environment that `forest_reference.py` makes.

It imports nothing of this package. Features are given one-hot encoded, because the package's own encoding (`cat_indexes`) fails with pandas 3.
"""

from __future__ import annotations

import json
import sys
import time
import zlib
from importlib.metadata import packages_distributions, version
from typing import Any

import numpy as np


def loaded() -> Any:
    """Return the package. It is imported in here, because this file is read where it is not installed as well."""
    import ForestDiffusion

    return ForestDiffusion


def fitted(x: np.ndarray, y: np.ndarray, seed: int, settings: dict[str, Any]) -> Any:
    """Return a model of rows x (n, d) given labels y (n,), on one thread."""
    return loaded().ForestDiffusionModel(x, label_y=y, n_jobs=1, nthread=1, seed=seed, **settings)


def state() -> bytes:
    """Return numpy's global random state, to see whether anything drew from it."""
    _, key, place, *_ = np.random.get_state()  # noqa: NPY002
    return bytes(key) + place.to_bytes(8, "little")


def drawn(model: Any, m: int, seed: int) -> np.ndarray:
    """Return m rows of a model (m, d + 1), the label last. There is no argument for a seed: rows depend on numpy's global state."""
    np.random.seed(seed)  # noqa: NPY002
    return np.asarray(model.generate(batch_size=m))


def stripped(model: Any) -> list[list[bytes]]:
    """Return the boosters by label and step as UBJSON, and put others in their place that are read from it. What else of the rows the object holds
    goes too."""
    import xgboost

    raw = [[bytes(one.save_raw("ubj")) for one in row] for row in model.regr]
    model.regr = [[xgboost.Booster(model_file=bytearray(one)) for one in row] for row in raw]
    model.X1 = None
    return raw


def measured(x: np.ndarray, y: np.ndarray, m: int, seed: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Return m rows x (m, d) with labels y (m,) of a model of x (n, d) and y (n,), and what it took: see `forest_reference.Cost`."""
    loaded()  # what an import takes is no part of a fit
    before, begin = state(), time.process_time()
    model = fitted(x, y, seed + 1, settings)
    between = time.process_time()
    moved = state() != before
    rows = drawn(model, m, seed + 1)
    end = time.process_time()
    trees = sum(one.num_boosted_rounds() for row in model.regr for one in row) * x.shape[1]
    held = len(model.X1)
    raw = b"".join(one for row in stripped(model) for one in row)
    names = ("ForestDiffusion", packages_distributions()["xgboost"][0], "numpy")  # xgboost comes as xgboost-cpu too
    return {
        "x": rows[:, :-1], "y": rows[:, -1].astype(np.int64), "fit_seconds": between - begin, "sampling_seconds": end - between,
        "bytes": len(raw), "compressed": len(zlib.compress(raw)), "trees": trees, "rows_held": held,
        "same_from_bytes": np.array_equal(rows, drawn(model, m, seed + 1)), "global_state": moved,
        "versions": ", ".join(f"{name} {version(name)}" for name in names),
    }  # fmt: skip


if __name__ == "__main__":
    with np.load(sys.argv[1]) as given:
        told = measured(given["x"], given["y"], int(given["m"]), int(given["seed"]), json.loads(str(given["settings"])))
    np.savez(sys.argv[2], **told)
