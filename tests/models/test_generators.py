"""The plugins that generate: whose rows scales are fitted to, what is refused, and that samples look like the rows."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from popleak.core import plugins
from popleak.core.columns import Columns
from popleak.core.errors import PopleakError
from popleak.core.seeds import generator
from popleak.testing.contracts import check_model

TABLE, PIXELS = plugins.load("models", "tabular-diffusion"), plugins.load("models", "pixel-diffusion")
COLUMNS = Columns((0,), ((1,), (2, 3, 4)))
QUICK = {"width": 32, "depth": 1, "epochs": 30, "batch": 64}


def rows(n, shift=0.0):
    """Return features, labels and groups of rows in which the group tells the middle category."""
    rng = generator("rows", n)
    y, a = rng.integers(0, 2, n), rng.integers(0, 2, n)
    compact = np.stack([rng.standard_normal(n) + shift, a, rng.integers(0, 3, n)], 1)
    return {"rows_x": COLUMNS.expand(compact), "y": y, "a": a, "columns": COLUMNS, "public_x": None}


@pytest.mark.parametrize("name", ["tabular-diffusion", "pixel-diffusion"])
def test_contract(name):
    model = plugins.load("models", name)
    assert model.generates and not plugins.load("models", "mlp").generates
    check_model(model, settings=model.Settings(width=16, batch=16))


def test_group_and_category_stay_together():
    settings, given = TABLE.Settings(**QUICK), rows(2000)
    weights, finite, loss = TABLE.fit_rows(**given, settings=settings, seed=1)
    groups, compact = TABLE.draw(weights, columns=COLUMNS, y=given["y"], settings=settings, seed=2)
    assert finite and 0 < loss < 3
    assert (groups == compact[:, 1]).mean() > 0.93
    assert set(compact[:, 2]) == {0, 1, 2}


def test_transforms_are_fitted_to_public_rows_where_told():
    own, public = TABLE.Settings(**QUICK), TABLE.Settings(**QUICK, fitted_on="public")
    given, others = rows(100), rows(60, shift=50)["rows_x"]
    kept = 2 * own.knots + 1

    def transform(settings, **more):
        weights = TABLE.fit_rows(**{**given, **more}, settings=settings, seed=1, epochs=0)[0]
        return weights[-kept - 2 : -2]  # the last two are the label's rates

    assert transform(own, public_x=others)[0] == given["rows_x"][:, 0].min()
    assert transform(public, public_x=others)[0] == others[:, 0].min()
    # a model that is trained further keeps its own, and needs no public rows
    start = TABLE.fit_rows(**{**given, "public_x": others}, settings=public, seed=1, epochs=0)[0]
    assert np.array_equal(transform(public, start=start), start[-kept - 2 : -2])
    with pytest.raises(PopleakError, match="needs public rows"):
        transform(public)


def test_what_does_not_fit_is_refused_in_one_line():
    given = rows(20)
    weights = TABLE.fit_rows(**given, settings=TABLE.Settings(**QUICK), seed=1, epochs=0)[0]
    with pytest.raises(PopleakError, match="model tabular-diffusion: a model here has"):
        TABLE.draw(weights[1:], columns=COLUMNS, y=given["y"], settings=TABLE.Settings(**QUICK), seed=1)
    with pytest.raises(PopleakError, match=r"a label must lie in 0 \.\. 1"):
        TABLE.fit_rows(**{**given, "y": given["y"] + 1}, settings=TABLE.Settings(**QUICK), seed=1)
    with pytest.raises(PopleakError, match="a picture has numbers alone"):
        PIXELS.fit_rows(**given, settings=PIXELS.Settings(), seed=1)


def test_pixels_are_values_of_their_grid():
    rng, columns = generator("pixels"), Columns(tuple(range(4)), ())
    settings = PIXELS.Settings(**QUICK, low=0, high=4, values=5)
    y = rng.integers(0, 2, 500)
    x = (4 * (np.arange(4) % 2 == y[:, None])).astype(np.float32)
    weights = PIXELS.fit_rows(columns=columns, rows_x=x, y=y, a=1 - y, public_x=None, settings=settings, seed=1)[0]
    groups, drawn = PIXELS.draw(weights, columns=columns, y=y, settings=settings, seed=2)
    assert np.isin(drawn, np.arange(5)).all()
    assert np.abs(drawn - x).mean() < 0.4 and (groups == 1 - y).mean() > 0.95


@pytest.mark.parametrize(
    "name, given",
    [
        ("tabular-diffusion", {"width": 0}), ("tabular-diffusion", {"steps": 1}), ("tabular-diffusion", {"ema": 1}),
        ("tabular-diffusion", {"learning_rate": 0}), ("tabular-diffusion", {"knots": 1}), ("tabular-diffusion", {"fitted_on": "others"}),
        ("tabular-diffusion", {"low": 0}), ("pixel-diffusion", {"low": 2, "high": 1}), ("pixel-diffusion", {"values": 1}),
    ],
)  # fmt: skip
def test_bad_settings_are_refused(name, given):
    with pytest.raises(ValueError):
        plugins.load("models", name).Settings(**given)
