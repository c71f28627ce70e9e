"""What the tests of datasets share: options for plugins that need some, and the contract of their records."""

from __future__ import annotations

import json

import numpy as np

from popleak.datasets.base import Records

TABLE = {"path": "t.csv", "label": "y", "positive": 1, "negative": "rest", "attribute": "g", "groups": ["u", "v"]}
EXAMPLES = {"acs-income": {"format": "parquet"}, "bias-in-bios": {"tables": "extract"}, "table": TABLE}
REAL = ("acs-income", "adult", "compas", "german", "lsac")


def check_records(records: Records, classes: int = 2) -> None:
    """Shapes, types and ranges of the contract; classes: of the label."""
    n = len(records.y)
    assert records.x.shape == (n, len(records.features))
    assert records.x.dtype == np.float32
    assert np.isfinite(records.x).all()
    for values, several in ((records.y, classes), (records.a, 2)):
        assert values.dtype == np.int8
        assert values.shape == (n,)
        assert set(np.unique(values)) == set(range(several))
    assert len(set(records.features)) == len(records.features)
    assert not (records.x == records.x[0]).all(axis=0).any(), "a constant feature"
    if records.unit is not None:
        assert records.unit.dtype == np.int64
    if records.cell is not None:
        assert records.cell.dtype == np.int16
    if records.subgroup is not None:
        assert records.subgroup.dtype == np.int8
        assert records.subgroup.shape == (n,)
        assert set(records.subgroup) == set(range(len(records.facts["subgroups"])))
        assert records.facts["second_attribute"]
    json.dumps(dict(records.facts))
    assert records.facts["rows"] == n
    assert records.facts["group_rows"] == [int((records.a == g).sum()) for g in (0, 1)]
    if classes > 2:
        rates = [[float((records.y[records.a == g] == y).mean()) for y in range(classes)] for g in (0, 1)]
        assert records.facts["group_class_rates"] == rates
        return
    assert records.facts["group_rates"] == [float(records.y[records.a == g].mean()) for g in (0, 1)]
