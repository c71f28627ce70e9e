"""Features of one-hot columns and back."""

from __future__ import annotations

import numpy as np

from popleak.core.columns import Columns
from popleak.datasets import _encode

RNG = np.random.default_rng(0)


def encoded():
    blocks = (
        _encode.categorical(name="colour", values=RNG.choice(["blue", "green", "red"], 50)),
        _encode.numeric(name="age", values=RNG.normal(size=50)),
        _encode.categorical(name="own", values=RNG.choice(["no", "yes"], 50)),
        _encode.numeric(name="hours", values=RNG.integers(0, 9, 50)),
    )
    return _encode.stack(blocks=blocks)


def test_features_become_columns_and_features_again():
    x, names = encoded()
    columns = Columns.named(names, x.shape[1])
    assert columns == Columns((3, 5), ((0, 1, 2), (4,))) and columns.levels == (3, 2) and columns.width == 6
    rows = columns.compact(x)
    assert rows.shape == (50, 4) and set(rows[:, 2]) == {0, 1, 2} and set(rows[:, 3]) == {0, 1}
    assert np.array_equal(columns.expand(rows), x)
    assert np.array_equal(columns.expand(rows.reshape(5, 10, 4)), x.reshape(5, 10, -1))


def test_features_without_names_are_numbers():
    x = RNG.normal(size=(4, 3)).astype(np.float32)
    columns = Columns.named((), 3)
    assert columns == Columns((0, 1, 2), ()) and np.array_equal(columns.expand(columns.compact(x)), x)
