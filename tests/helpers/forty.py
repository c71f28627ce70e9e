"""Forty scikit-learn models of two worlds, their answers as `popleak judge` reads them."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

SPLITS, POINTS = 5, 60


def people(rng: np.random.Generator, rows: int, share: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features, labels and groups of `rows` people, a share of whom is of group 1."""
    a = (rng.random(rows) < share).astype(int)
    x = rng.normal(size=(rows, 3)) + a[:, None]
    return x, (x.sum(axis=1) + rng.normal(size=rows) > 2 * a).astype(int), a


@functools.cache
def _made(ratios: tuple[float, float]) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(7)
    halves = [people(rng, POINTS // 2, ratio) for ratio in ratios]
    x, y, a = (np.concatenate(parts) for parts in zip(*halves, strict=True))
    rows = []
    for split in range(SPLITS):
        for world in (0, 1):
            for role in ("victim", "victim", "shadow", "shadow"):
                fitted = LogisticRegression().fit(*people(rng, 300, ratios[world])[:2])
                who = {"role": role, "world": world, "split": split, "model": f"m{len(rows)}"}
                rows.append(who | {f"q{i}": p for i, p in enumerate(fitted.predict_proba(x)[:, 1])})
    points = pd.DataFrame(
        {"point": [f"q{i}" for i in range(POINTS)], "y": y, "a": a, "origin": np.repeat([0, 1], POINTS // 2)}
    )
    return pd.DataFrame(rows), points


def made(ratios: tuple[float, float] = (0.1, 0.9)) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the answers and the query points, to be changed at will."""
    answers, points = _made(ratios)
    return answers.copy(), points.copy()
