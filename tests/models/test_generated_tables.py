"""Tables of one's own behind a generator: constant columns, identifiers, missing values, and names that hold an equals sign."""

from __future__ import annotations

import numpy as np
import pytest

import generated
import own_tables
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.store.records import Loaded, original_columns

MODEL = plugins.load("models", "tabular-diffusion")


def loaded(folder, **columns) -> Loaded:
    found = own_tables.load(own_tables.put(folder, own_tables.people(200, **columns)))
    return Loaded(found.x, found.y, found.a, np.arange(200), None, {"features": list(found.features)})


def made(records) -> tuple:
    """Return groups and rows, as features, of a generator of all records."""
    columns, settings = original_columns(records), MODEL.Settings(**generated.SMALL)
    weights, finite, _ = MODEL.fit_rows(
        columns=columns, rows_x=records.x, y=records.y, a=records.a, public_x=None, settings=settings, seed=1
    )
    assert finite
    a, rows = MODEL.draw(weights, columns=columns, y=np.resize([0, 1], 300), settings=settings, seed=2)
    return a, columns.expand(rows)


def values(records, feature) -> set:
    return set(records.x[:, list(records.facts["features"]).index(feature)].tolist())


@pytest.mark.parametrize("column", [{"age": lambda i: 40}, {"job": lambda i: "a"}])
def test_a_constant_column_is_no_feature_and_is_not_drawn(tmp_path, column):
    records = loaded(tmp_path, **column, more=lambda i: i % 7)
    assert not [name for name in records.facts["features"] if name.partition("=")[0] in column]
    _, x = made(records)
    assert x.shape == (300, records.x.shape[1]) and np.isfinite(x).all()


def test_one_that_is_constant_among_a_sharers_rows_comes_back_constant(tmp_path):
    records = loaded(tmp_path, rare=lambda i: int(i == 199))
    rows = records._replace(x=records.x[:100], y=records.y[:100], a=records.a[:100])
    _, x = made(rows)
    at = records.facts["features"].index("rare")
    assert set(x[:, at].tolist()) == set(rows.x[:, at].tolist()) and len(set(x[:, at].tolist())) == 1


def test_a_column_in_which_every_row_has_its_own_text_is_refused(tmp_path):
    with pytest.raises(
        PopleakError, match=r"column 'job': every row has its own value, like an identifier: name it in options\.drop"
    ):
        loaded(tmp_path, job=lambda i: f"p{i}")


def test_levels_of_few_rows_each_are_drawn_as_levels(tmp_path):
    records = loaded(tmp_path, job=lambda i: f"p{i % 45}")
    _, x = made(records)
    jobs = [at for at, name in enumerate(records.facts["features"]) if name.startswith("job=")]
    assert len(jobs) > 5 and (x[:, jobs].sum(axis=1) == 1).all()


def test_missing_numbers_are_filled_and_said_in_a_column_that_is_drawn_too(tmp_path):
    records = loaded(tmp_path, age=lambda i: "" if i % 9 == 0 else i % 40)
    assert "age missing" in records.facts["features"]
    _, x = made(records)
    at = records.facts["features"].index("age missing")
    assert np.isfinite(x).all() and set(x[:, at].tolist()) <= values(records, "age missing")


def test_a_missing_text_is_a_level(tmp_path):
    records = loaded(tmp_path, job=lambda i: "" if i % 9 == 0 else "ab"[i % 2])
    assert "job=missing" in records.facts["features"]
    _, x = made(records)
    jobs = [at for at, name in enumerate(records.facts["features"]) if name.startswith("job=")]
    assert (x[:, jobs].sum(axis=1) == 1).all()


@pytest.mark.parametrize(
    "columns",
    [{"a=b": lambda i: i % 13, "a=c": lambda i: i % 11}, {"a=b": lambda i: "uvw"[i % 3], "a=c": lambda i: "xyz"[i // 3 % 3]}],
    ids=["numbers", "texts"],
)  # fmt: skip
def test_columns_whose_names_hold_an_equals_sign_are_refused(tmp_path, columns):
    """Their features would be read as levels of one column, and what is drawn be another table."""
    with pytest.raises(
        PopleakError, match=r"feature 'a=.*is named as a value of a column.*rename columns whose names hold '='"
    ) as said:
        original_columns(loaded(tmp_path, **columns))
    assert "\n" not in str(said.value)


def test_a_made_up_table_comes_back_from_compact_rows():
    plugin = plugins.load("datasets", "synthetic")
    found = plugin.load(files={}, label="label", attribute="group", options=plugin.Settings(rows=500), seed=1)
    columns = original_columns(
        Loaded(found.x, found.y, found.a, np.arange(500), None, {"features": list(found.features)})
    )
    assert columns.categories and np.array_equal(columns.expand(columns.compact(found.x)), found.x)
