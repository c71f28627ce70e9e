"""Checks of models that generate."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.columns import Columns
from ..core.errors import PopleakError
from ..core.seeds import generator
from .data import frozen

ROWS = 40
TABLE = Columns((0, 1, 2), ((3,), (4, 5, 6)))
PICTURE = Columns(tuple(range(9)), ())


def _columns(model: Any, settings: Any) -> Columns:
    """Return columns that a model takes: of a table with categories, or of a picture."""
    try:
        model.parameters(TABLE, settings)
    except PopleakError:
        return PICTURE
    return TABLE


def check_generator(model: Any, settings: Any) -> None:
    """Models and rows have their shapes and types, are told by their seed alone, and one can be trained further."""
    columns, rng = _columns(model, settings), generator("contract", "generator")
    x = columns.expand(
        np.concatenate(
            [rng.random((ROWS, len(columns.numbers))), rng.integers(0, 2, (ROWS, len(columns.categories)))], 1
        )
    )
    y, a = (rng.integers(0, 2, ROWS).astype(np.int8) for _ in range(2))
    given = {"columns": columns, "rows_x": x, "y": y, "a": a, "public_x": x[:9], "settings": settings, "epochs": 2}
    for array in (x, y, a):
        frozen(array)
    weights, finite, loss = model.fit_rows(**given, seed=1)
    assert finite and np.isfinite(loss), "a short fit to few rows must be finite"
    assert weights.shape == (model.parameters(columns, settings),), "fit_rows must return `parameters` numbers"
    assert weights.dtype == np.float32, "weights must be float32"
    assert np.array_equal(weights, model.fit_rows(**given, seed=1)[0]), "fitting twice gives different weights"
    assert not np.array_equal(weights, model.fit_rows(**given, seed=2)[0]), "the seed changes nothing"
    assert not np.array_equal(weights, model.fit_rows(**given, seed=1, start=frozen(weights))[0]), (
        "training further changes nothing"
    )
    _check_rows(model, weights, columns, y, settings)
    assert model.seconds(2 * ROWS, columns, settings) > model.seconds(ROWS, columns, settings, epochs=1) > 0, (
        "more rows take longer"
    )
    assert model.sampling_seconds(2 * ROWS, columns, settings) > model.sampling_seconds(ROWS, columns, settings) > 0, (
        "more rows take longer"
    )


def _check_rows(model: Any, weights: np.ndarray, columns: Columns, y: np.ndarray, settings: Any) -> None:
    """Drawn rows have their shapes and types, and are told by their seed alone; a model carries the shares of labels that it was trained on."""
    rates = model.label_rates(weights, columns=columns, settings=settings)
    assert np.allclose(rates, np.bincount(y, minlength=2) / len(y), atol=1e-6), "label_rates must be those of the rows"
    for m in (1, ROWS):
        asked = {"columns": columns, "y": y[:m], "settings": settings}
        groups, compact = model.draw(frozen(weights), **asked, seed=3)
        assert groups.shape == (m,) and groups.dtype == np.int8 and np.isin(groups, (0, 1)).all(), (
            "groups must be (m,) int8 in {0, 1}"
        )
        width = len(columns.numbers) + len(columns.categories)
        assert compact.shape == (m, width) and compact.dtype == np.float32, "rows must be compact, (m, c) float32"
        assert np.isfinite(compact).all(), "rows must be finite"
        codes = compact[:, len(columns.numbers) :]
        assert (codes == np.rint(codes)).all() and (codes >= 0).all() and (codes < np.array(columns.levels)).all(), (
            "a code is no level"
        )
        again = model.draw(weights, **asked, seed=3)
        assert np.array_equal(groups, again[0]) and np.array_equal(compact, again[1]), (
            "drawing twice gives different rows"
        )
