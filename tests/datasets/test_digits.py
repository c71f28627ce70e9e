"""The digits: the records of scikit-learn's copy, four cells of enough rows, and what the card and the plan say of them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import sklearn.datasets

import tiny
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.datasets import _tables, digits
from popleak.store import records as stored
from popleak.testing.contracts import check_records

PLUGIN = plugins.load("datasets", "digits")
TASKS = [("even", "large"), ("even", "loop"), ("large", "loop")]
EDGE = (0, 32, 39)
"""Pixels that are 0 in every picture."""


def load(label, attribute):
    return PLUGIN.load(files={}, label=label, attribute=attribute, options=PLUGIN.Settings(), seed=0)


@pytest.mark.parametrize(("label", "attribute"), TASKS)
def test_the_contract_the_card_and_the_cells(label, attribute):
    records = load(label, attribute)
    assert records.x.shape == (1797, 64) == (1797, np.prod(PLUGIN.shape(None)))
    # the shared check refuses constant features, which pictures may have at their edge
    inner = np.delete(records.x, EDGE, axis=1)
    names = tuple(np.delete(records.features, EDGE))
    check_records(dataclasses.replace(records, x=inner, features=names))
    assert len(set(records.features)) == 64
    card = PLUGIN.card_of(label, None)
    group = records.a.astype(int)
    _tables.check(card=card, attribute=attribute, file="digits", y=records.y, group=group)
    assert records.groups == card.attributes[attribute].groups
    cells = PLUGIN.cells(files={}, label=label, attribute=attribute, options=None)
    assert cells.exact
    assert cells == type(cells).of(records.y, records.a, exact=True)
    assert min(map(min, cells.counts)) >= 150


def test_pixels_lie_where_the_names_say():
    pixels = sklearn.datasets.load_digits().images
    records = load("even", "large")
    assert records.x.mean() == pytest.approx(0, abs=1e-3) and records.x.std() == pytest.approx(1, abs=1e-3)
    place = records.features.index("pixel 2,5")
    assert records.x[:, place] * digits.SPREAD + digits.MEAN == pytest.approx(pixels[:, 2, 5], abs=1e-5)
    assert (np.ptp(records.x, axis=0) == 0).nonzero()[0].tolist() == list(EDGE)


def test_labels_and_groups_are_those_of_the_digit():
    digit = sklearn.datasets.load_digits().target
    assert np.array_equal(load("even", "large").y, digit % 2 == 0)
    assert np.array_equal(load("even", "large").a, digit >= 5)
    assert np.array_equal(load("large", "loop").y, digit >= 5)
    assert np.array_equal(load("large", "loop").a, np.isin(digit, (0, 6, 8, 9)))


@pytest.mark.parametrize(
    ("label", "attribute", "message"),
    [
        ("large", "large", "attribute 'large' is the label: choose loop"),
        ("zzz", "large", "label 'zzz' is unknown"),
        ("even", "even", "attribute 'even' is unknown"),
    ],
)
def test_what_there_is_not_is_refused_before_a_run_and_in_it(label, attribute, message):
    with pytest.raises(PopleakError, match=message):
        load(label, attribute)
    with pytest.raises(PopleakError, match=message):
        PLUGIN.cells(files={}, label=label, attribute=attribute, options=None)


@pytest.mark.parametrize("change", ["rows", "digits", "pixels"])
def test_another_set_of_that_name_is_refused(change, monkeypatch):
    pixels, digit = sklearn.datasets.load_digits(return_X_y=True)
    other = {
        "rows": (pixels[1:], digit[1:]),
        "digits": (pixels, np.where(np.arange(1797) == 0, 1, digit)),
        "pixels": (pixels + 1, digit),
    }[change]
    monkeypatch.setattr(sklearn.datasets, "load_digits", lambda **_: other)
    with pytest.raises(PopleakError, match=r"load_digits.*install scikit-learn"):
        load("even", "large")


def test_the_table_has_a_shape(tmp_path):
    plan = tiny.build(tasks=[{"dataset": "digits", "rows": 60, "query_rows": 30}])
    (step,) = plan.steps["dataset"].values()
    records = stored.read(tiny.run_stage(step, tmp_path))
    assert records.facts["shape"] == [1, 8, 8] and records.x.shape == (1797, 64)
    assert records.facts["groups"] == ["0 to 4", "5 to 9"]
