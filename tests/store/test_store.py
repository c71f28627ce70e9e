"""Parquet in and out: whole or not at all, and never another step's file."""

from __future__ import annotations

import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tiny
from popleak.core.errors import PopleakError
from popleak.store import arrays, seal
from popleak.store import parquet as store

COLUMNS = {"k": np.arange(200), "w": arrays.fixed(np.random.default_rng(0).random((200, 7)).astype(np.float32))}
FACTS = {"stage": "train", "step": "a-1"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "table.parquet"


def one_line(error) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def test_round_trip(path):
    store.write(path, COLUMNS, FACTS)
    table = store.read(path, stage="train", step="a-1")
    assert table["k"].to_pylist() == list(range(200))
    assert np.array_equal(arrays.matrix(table["w"]), arrays.matrix(COLUMNS["w"]))
    assert arrays.matrix(table["w"]).dtype == np.float32
    assert store.facts(path) == FACTS
    assert store.read(path, columns=["k"]).column_names == ["k"]


@pytest.mark.parametrize("shape", [(5, 1), (0, 3), (1, 4)])
def test_matrix_shapes(path, shape):
    values = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    store.write(path, {"w": arrays.fixed(values)}, FACTS)
    assert arrays.matrix(store.read(path)["w"]).shape == shape


def test_matrix_of_slices_and_chunks():
    values = np.arange(12.0).reshape(6, 2)
    column = arrays.fixed(values)
    assert np.array_equal(arrays.matrix(column[2:5]), values[2:5])
    chunked = pa.chunked_array([column[:2], column[2:]])
    assert np.array_equal(arrays.matrix(chunked), values)
    assert np.array_equal(arrays.matrix(chunked.filter(pa.array([True, False] * 3))), values[::2])


def test_fixed_wants_two_dimensions():
    with pytest.raises(ValueError, match="rows, width"):
        arrays.fixed(np.arange(3))


def test_same_bytes(tmp_path):
    for name in ("a", "b"):
        store.write(tmp_path / name, COLUMNS, FACTS)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert seal.check(tmp_path / "a") == seal.check(tmp_path / "b")


@pytest.mark.parametrize("there", [False, True], ids=["new", "over another"])
@pytest.mark.parametrize("moment", ["write", "replace"])
def test_whole_or_not_at_all(path, monkeypatch, there, moment):
    if there:
        store.write(path, {"k": np.arange(3)}, FACTS)
    path.parent.mkdir(exist_ok=True)
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}

    def half(where, schema, **more):
        where.write_bytes(b"PAR1 half a file")
        raise KeyboardInterrupt

    def never(one, other):
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        if moment == "write":
            patch.setattr(store.pq, "ParquetWriter", half)
        else:
            patch.setattr(store.atomic.os, "replace", never)
        with pytest.raises((KeyboardInterrupt, OSError)):
            store.write(path, COLUMNS, FACTS)
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before


def test_killed_outright(path):
    """SIGKILL while the file is written: no file under the name, and the next write is not in its way."""
    code = (
        "import os, signal, sys; import popleak.store.parquet as s\n"
        "def half(where, schema, **more):\n"
        "    where.write_bytes(b'PAR1 half'); os.kill(os.getpid(), signal.SIGKILL)\n"
        f"s.pq.ParquetWriter = half; s.write({str(path)!r}, {{'k': [1]}}, {{}})\n"
    )
    (path.parent.parent / "killed.py").write_text(code)
    done = tiny.command("killed", cwd=path.parent.parent)
    assert done.returncode == -9, done.stderr
    assert not path.exists() and len(list(path.parent.iterdir())) == 1
    store.write(path, COLUMNS, FACTS)
    assert store.read(path).num_rows == 200
    assert list(path.parent.iterdir()) == [path], "what was left is gone"


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_truncated_is_named_and_refused(path, share):
    store.write(path, COLUMNS, FACTS)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    for act in (store.read, store.facts):
        with pytest.raises(PopleakError) as error:
            act(path)
        assert re.search(rf"^{re.escape(str(path))}: truncated or not Parquet: delete the file", one_line(error))


def test_damaged_inside_is_refused(path):
    store.write(path, COLUMNS, FACTS)
    whole = bytearray(path.read_bytes())
    whole[20 : len(whole) // 2] = b"\x00" * (len(whole) // 2 - 20)  # the footer is whole, the data is not
    path.write_bytes(whole)
    with pytest.raises(PopleakError, match="damaged") as error:
        store.read(path)
    assert str(path) in one_line(error)


def test_foreign_parquet_is_refused(path):
    path.parent.mkdir()
    pq.write_table(pa.table({"k": [1]}), path)
    with pytest.raises(PopleakError, match="not written by this version of popleak") as error:
        store.read(path)
    assert str(path) in one_line(error)


@pytest.mark.parametrize(("key", "wanted"), [("stage", "draw"), ("step", "a-2")])
def test_another_steps_file_is_refused(path, key, wanted):
    store.write(path, COLUMNS, FACTS)
    with pytest.raises(PopleakError, match=f"written by {key} '{FACTS[key]}', expected '{wanted}'") as error:
        store.read(path, **{key: wanted})
    assert str(path) in one_line(error)


def test_missing_is_named(path):
    with pytest.raises(PopleakError, match="no such file") as error:
        store.read(path)
    assert str(path) in one_line(error)


def test_provenance_holds_nothing_volatile(tmp_path):
    found = []
    for folder in ("one", "two"):
        (tmp_path / folder / "draw").mkdir(parents=True)
        (tmp_path / folder / "draw" / "in.parquet").write_bytes(b"abc")
        found.append(
            store.provenance(
                stage="s",
                step="x",
                settings={"a": 1},
                code="c",
                inputs=[],
                files=[tmp_path / folder / "draw" / "in.parquet"],
            )
        )
    assert found[0] == found[1]
    assert found[0]["inputs"] == {"draw/in.parquet": "ba7816bf8f01cfea"}
    assert {"python", "torch", "popleak"} <= set(found[0]["versions"])
    assert found[0]["settings"] == {"a": 1} and found[0]["code"] == "c" and found[0]["device"] == "cpu"
    text = json.dumps(found[0])
    assert str(tmp_path) not in text


def test_provenance_of_two_inputs_of_one_name(tmp_path):
    paths = []
    for i, folder in enumerate(("one", "two")):
        (tmp_path / folder).mkdir()
        paths.append(tmp_path / folder / "in.parquet")
        paths[-1].write_bytes(bytes([i]))
    assert len(store.provenance(stage="s", step="x", settings={}, code="c", inputs=[], files=paths)["inputs"]) == 2


def test_nothing_is_pickled_or_evaluated():
    """A stranger's results and configs are safe to open: no module of the package can load a pickle, run a text, or let YAML make objects."""
    forbidden = re.compile(
        r"\bimport (pickle|joblib|dill|shelve)|allow_pickle=True|torch\.(load|save)|read_pickle"
        r"|(?<![.\w])(eval|exec)\(|yaml\.(load|load_all|full_load|unsafe_load)\(|shell=True"
    )
    files = list((tiny.ROOT / "workflow" / "popleak").rglob("*.py"))
    assert len(files) > 40
    assert [str(file) for file in files if forbidden.search(file.read_text(encoding="utf-8"))] == []


def test_objects_are_refused(path):
    with pytest.raises(TypeError, match="numbers, booleans or words"):
        store.write(path, {"k": [object()]}, FACTS)
    assert not path.exists()


def test_where_reads_the_rows_asked_for_and_skips_other_pieces(path, monkeypatch):
    with store.Writer(path, FACTS) as writer:
        for world, start in (("a", 0), ("b", 10), ("a", 20)):
            writer.add({"world": [world] * 4, "half": [0, 0, 1, 1], "k": np.arange(start, start + 4)})
    opened = []
    original = store.pq.ParquetFile.read_row_groups
    monkeypatch.setattr(
        store.pq.ParquetFile,
        "read_row_groups",
        lambda self, groups, **more: opened.append(groups) or original(self, groups, **more),
    )
    assert store.read(path, where={"world": "a"})["k"].to_pylist() == [0, 1, 2, 3, 20, 21, 22, 23]
    assert store.read(path, where={"world": "b", "half": 1})["k"].to_pylist() == [12, 13]
    found = store.read(path, where={"world": "b", "half": 1}, columns=["k"])
    assert found.column_names == ["k"] and found["k"].to_pylist() == [12, 13]
    assert store.read(path, where={"world": "c"}).num_rows == 0
    assert opened == [[0, 2], [1], [1], []]
    assert store.read(path).num_rows == 12


def test_a_writer_that_raises_leaves_nothing(path):
    store.write(path, {"k": [1]}, FACTS)
    with pytest.raises(RuntimeError), store.Writer(path, FACTS) as writer:
        writer.add({"k": [2]})
        raise RuntimeError
    assert store.read(path)["k"].to_pylist() == [1]
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    with pytest.raises(ValueError, match="nothing was added"), store.Writer(path, FACTS):
        pass
