"""The contract of datasets: records of the right shapes, the same at each reading, that are what the card says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..core.settings import Settings
from ..datasets.base import Card, Dataset, Records
from .plugin import check_imports, check_names


def check_records(records: Records, classes: int = 2) -> None:
    """Raise AssertionError unless shapes, types and ranges are those of the contract; classes: of the label."""
    n = len(records.y)
    assert records.x.shape == (n, len(records.features)), "x must have a column a feature and a row a label"
    assert records.x.dtype == np.float32, f"x must be float32, not {records.x.dtype}"
    assert np.isfinite(records.x).all(), "x must be finite"
    for name, values, several in (("y", records.y, classes), ("a", records.a, 2)):
        assert values.dtype == np.int8 and values.shape == (n,), f"{name} must be int8, one a record"
        assert set(np.unique(values)) == set(range(several)), f"{name} must hold 0 to {several - 1}, each at least once"
    assert len(set(records.features)) == len(records.features), "two features have one name"
    assert not (records.x == records.x[0]).all(axis=0).any(), "a constant feature"
    _check_extras(records)
    _check_facts(records, classes)


def _check_extras(records: Records) -> None:
    """Units, cells and a second attribute, where there are some, have their types."""
    if records.unit is not None:
        assert records.unit.dtype == np.int64, "unit must be int64"
    if records.cell is not None:
        assert records.cell.dtype == np.int16, "cell must be int16"
    if records.subgroup is not None:
        assert records.subgroup.dtype == np.int8 and records.subgroup.shape == records.y.shape, (
            "subgroup must be int8, one a record"
        )
        assert set(records.subgroup) == set(range(len(records.facts["subgroups"])))
        assert records.facts["second_attribute"]


def _check_facts(records: Records, classes: int) -> None:
    """The facts are JSON, and the counts and rates among them are those of the records."""
    json.dumps(dict(records.facts))
    assert records.facts["rows"] == len(records.y), "facts: rows"
    assert records.facts["group_rows"] == [int((records.a == g).sum()) for g in (0, 1)], "facts: group_rows"
    if classes > 2:
        rates = [[float((records.y[records.a == g] == y).mean()) for y in range(classes)] for g in (0, 1)]
        assert records.facts["group_class_rates"] == rates, "facts: group_class_rates"
        return
    ones = [float(records.y[records.a == g].mean()) for g in (0, 1)]
    assert records.facts["group_rates"] == ones, "facts: group_rates"


def check_dataset(
    dataset: Dataset, *, files: Mapping[str, Path] | None = None, options: Settings | None = None
) -> None:
    """Raise AssertionError naming what was broken, if `dataset` breaks the contract.

    files: the raw files, by `Source.file`; none for a generated dataset. options: by default the plugin's own.
    """
    check_names(dataset)
    check_imports(dataset)
    own = dataset.Settings() if options is None else options
    files = {} if files is None else files
    assert {source.file for source in dataset.sources(own)} <= files.keys(), "give the path of each file of `sources`"
    for label in dataset.labels or ("",):
        card = dataset.card_of(label, own)
        _check_card(card)
        for attribute in dataset.attributes or ("",):
            assert not dataset.attributes or attribute in card.attributes, f"the card does not know {attribute!r}"
            first, again = (
                dataset.load(files=files, label=label, attribute=attribute, options=own, seed=1) for _ in range(2)
            )
            check_records(first, len(dataset.classes(own)))
            for name in ("x", "y", "a"):
                assert np.array_equal(getattr(first, name), getattr(again, name)), f"{name} differs when loaded again"
            width = dataset.width(own)
            assert width in (None, first.x.shape[1]), f"width says {width}, and a record has {first.x.shape[1]} numbers"


def _check_card(card: Card) -> None:
    for name in ("title", "source", "licence", "citation", "label"):
        assert getattr(card, name), f"card: {name} is empty"
    for name, attribute in card.attributes.items():
        assert len(set(attribute.groups)) == 2 and attribute.recorded, (
            f"card: attribute {name}: two groups, and who recorded them"
        )
