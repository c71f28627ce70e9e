"""What the tests of datasets share: options for plugins that need some, and the contract of their records."""

from __future__ import annotations

import json

import numpy as np

from popleak.datasets.base import Records

TABLE = {"path": "t.csv", "label": "y", "positive": 1, "negative": "rest", "attribute": "g", "groups": ["u", "v"]}
EXAMPLES = {"acs-income": {"format": "parquet"}, "table": TABLE}
REAL = ("acs-income", "adult", "compas", "german", "lsac")


def check_records(records: Records) -> None:
    """Shapes, types and ranges of the contract."""
    n = len(records.y)
    assert records.x.shape == (n, len(records.features))
    assert records.x.dtype == np.float32
    assert np.isfinite(records.x).all()
    for values in (records.y, records.a):
        assert values.dtype == np.int8
        assert values.shape == (n,)
        assert set(np.unique(values)) == {0, 1}
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
    assert records.facts["group_rates"] == [float(records.y[records.a == g].mean()) for g in (0, 1)]
