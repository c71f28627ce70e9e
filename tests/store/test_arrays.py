"""Columns between numpy and Arrow: the same as pyarrow's own conversions, which the tests compare with."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from popleak.store import arrays
from popleak.store import parquet as store

VALUES = [
    np.arange(5), np.arange(5, dtype=np.int8), np.arange(3, dtype=np.int32), np.array([0.5, -1.0, np.inf]),
    np.array([0.5, np.nan], dtype=np.float32), np.array([True, False, True] * 5), np.array(["a", "", "é€"]),
    np.zeros(0), np.zeros(0, bool), np.array([], dtype="U1"), np.array(["x", None, "yz"], dtype=object), [1, 2], ["a", "b"],
    np.array([None, True, False], dtype=object), np.arange(10)[::3],
]  # fmt: skip


@pytest.mark.parametrize("values", VALUES, ids=lambda values: str(np.asarray(values).tolist())[:20])
def test_arrow_is_pyarrows(values):
    found, expected = arrays.arrow(values), pa.array(values)
    found.validate(full=True)
    assert found.type == expected.type or not len(values)
    assert str(found.to_pylist()) == str(expected.to_pylist())  # as text, since nan is not nan


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.array([1.0, np.nan, 2.0]), "double"), (np.array([None, 1.5], dtype=object), "double"),
        (np.arange(3, dtype=np.int8), "int64"), (np.array([True, None], dtype=object), "bool"), (np.array(["a"]), "string"),
        (np.array([None, None], dtype=object), "bool"), (np.array([None], dtype=object), "string"), (np.arange(3), "double"),
    ],
)  # fmt: skip
def test_arrow_of_a_kind(values, kind):
    found = arrays.arrow(values, kind)
    found.validate(full=True)
    assert found.equals(pa.array(values, type=pa.type_for_alias(kind), from_pandas=True))


@pytest.mark.parametrize("values", VALUES, ids=lambda values: str(np.asarray(values).tolist())[:20])
def test_numpy_is_pyarrows(values):
    column = pa.array(values)
    for one in (column, pa.chunked_array([column, column]), pa.array([*values, *values])[len(values) :]):
        found, expected = arrays.numpy(one), one.to_numpy(zero_copy_only=False)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.int64])
def test_fixed_and_matrix(dtype):
    values = np.arange(12).reshape(4, 3).astype(dtype)
    column = arrays.fixed(values)
    assert column.type == pa.list_(pa.from_numpy_dtype(dtype), 3)
    assert np.array_equal(arrays.matrix(column), values)
    assert np.array_equal(arrays.matrix(pa.chunked_array([column, column])), np.concatenate([values, values]))
    assert np.array_equal(arrays.matrix(column[1:3]), values[1:3])
    with pytest.raises(ValueError, match="expected"):
        arrays.fixed(np.arange(3))


def test_a_row_of_rows_goes_through_a_file(tmp_path):
    """Scores of several classes: (models, points, classes), in pieces and without rows, as they were."""
    scores = np.random.default_rng(0).random((7, 5, 3)).astype(np.float32)
    column = arrays.fixed(scores)
    assert str(column.type) == "fixed_size_list<item: fixed_size_list<item: float>[3]>[5]"
    assert np.array_equal(arrays.matrix(column), scores) and np.array_equal(arrays.matrix(column[2:4]), scores[2:4])
    assert column.to_pylist()[3] == scores[3].tolist()
    with store.Writer(tmp_path / "x.parquet", {}) as writer:
        for part in (slice(0, 4), slice(4, 4), slice(4, 7)):
            writer.add({"k": np.arange(7)[part], "scores": arrays.fixed(scores[part])})
    assert np.array_equal(arrays.matrix(store.read(tmp_path / "x.parquet")["scores"]), scores)
    assert np.array_equal(arrays.matrix(store.read(tmp_path / "x.parquet", where={"k": 5})["scores"]), scores[5:6])
    assert arrays.matrix(store.read(tmp_path / "x.parquet", where={"k": 9})["scores"]).shape == (0, 5, 3)


def test_odd_arrays():
    assert arrays.arrow(np.arange(3, dtype=">i4")).to_pylist() == [0, 1, 2]
    for kind in ("int64", "bool"):
        assert arrays.arrow(np.array([1.0, np.nan]), kind).to_pylist() == [1, None]
    with pytest.raises(ValueError, match="one dimension"):
        arrays.arrow(np.zeros((2, 2)))
    with pytest.raises(TypeError, match="numbers, booleans or words"):
        arrays.arrow(np.array([object()]))


def test_pandas_is_not_loaded(tmp_path):
    code = f"""
import sys, numpy as np
from popleak.store import arrays, parquet as store, schema
with store.Writer({str(tmp_path / "x.parquet")!r}, {{}}) as writer:
    for world in "ab":
        writer.add({{"world": [world] * 3, "k": np.arange(3), "w": arrays.fixed(np.ones((3, 2))), "ok": np.ones(3, bool)}})
table = store.read({str(tmp_path / "x.parquet")!r}, where={{"world": "b", "k": 1}})
assert arrays.matrix(table["w"]).shape == (1, 2)
assert [arrays.numpy(table[name])[0] for name in ("world", "k", "ok")] == ["b", 1, True]
schema.table("claims", [{{"claim": "C1", "task": "t", "verdict": "v", "statement": "s", "evidence": "e", "low": np.array([0.5]),
                         "high": np.nan, "n": 3, "kind": "witness", "source": "ours", "plain": "p", "splits": 2, "splits_needed": None, "model": None, "protocol": None, "ratio_0": np.nan, "ratio_1": np.nan, "defence": None, "allowed": np.nan}}])
print("pandas" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
