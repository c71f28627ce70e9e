"""A flipped bit, a swapped file: whatever is read, other values are never read for those that were written."""

from __future__ import annotations

import json
import random
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from popleak.core import atomic
from popleak.core.errors import PopleakError
from popleak.stages import publish
from popleak.store import arrays, seal
from popleak.store import parquet as store

FACTS = {"stage": "train", "step": "a-1", "settings": {"title": "x" * 300}}
KINDS = {
    "weights": {"k": np.arange(50), "w": arrays.fixed(np.random.default_rng(0).random((50, 70)).astype(np.float32))},
    "words": {"k": np.arange(300), "word": ["none", "fft", "finetune"] * 100, "flag": [True, False, None] * 100},
    "numbers": {"x": np.r_[np.random.default_rng(1).random(200), np.nan], "n": np.arange(201) * 7},
    "one row": {"k": np.arange(1)},
}


def flipped(data: bytes, bit: int) -> bytes:
    damaged = bytearray(data)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


@pytest.mark.parametrize("kind", KINDS)
def test_no_flip_is_read_with_other_values(tmp_path, kind):
    path = tmp_path / "whole.parquet"
    store.write(path, KINDS[kind], FACTS)
    data, rng = path.read_bytes(), random.Random(kind)
    footer = int.from_bytes(data[-8:-4], "little") + 8
    # half of them in the footer, which is small in a large file
    bits = [rng.randrange(8 * len(data)) for _ in range(150)]
    bits += [8 * len(data) - 1 - rng.randrange(8 * footer) for _ in range(150)]
    for number, bit in enumerate([*bits, 0, 8 * len(data) - 1]):
        damaged = tmp_path / f"{number}.parquet"
        damaged.write_bytes(flipped(data, bit))
        for act in (store.read, store.facts, store.schema):
            with pytest.raises(PopleakError) as error:
                act(damaged)
            assert str(damaged) in str(error.value) and "run again" in str(error.value)
            assert "\n" not in str(error.value)


def test_every_bit_of_a_small_file(tmp_path):
    path = tmp_path / "whole.parquet"
    store.write(path, {"k": np.arange(3)}, {})
    data, damaged = path.read_bytes(), tmp_path / "damaged.parquet"
    for bit in range(8 * len(data)):
        damaged.write_bytes(flipped(data, bit))
        with pytest.raises(PopleakError):
            seal._check.__wrapped__(str(damaged))


@pytest.mark.parametrize("cut", [0, 3, 11, 12, 60])
def test_short_files_are_refused(tmp_path, cut):
    path = tmp_path / "short.parquet"
    store.write(path, {"k": [1]}, {})
    path.write_bytes(path.read_bytes()[-cut:] if cut else b"")
    with pytest.raises(PopleakError, match="run again"):
        store.read(path)


def test_a_file_changed_after_it_was_read_is_read_anew(tmp_path):
    path = tmp_path / "table.parquet"
    store.write(path, {"k": [1]}, {})
    seal.check(path)
    path.write_bytes(flipped(path.read_bytes(), 50))
    with pytest.raises(PopleakError, match="damaged"):
        store.read(path)


def test_a_title_like_a_seal_changes_nothing(tmp_path):
    path = tmp_path / "table.parquet"
    facts = {"title": seal.EMPTY.decode(), "other": (seal.MARK + b"f" * 64).decode()}
    store.write(path, {"k": [1]}, facts)
    assert store.facts(path) == facts


def test_outputs_of_one_step_cannot_be_swapped(tmp_path):
    folder = tmp_path / "store" / "train"
    for name in ("victims", "shadows"):
        store.write(folder / f"a-1.{name}.parquet", {"k": [1]}, FACTS)
        assert store.facts(folder / f"a-1.{name}.parquet")["output"] == name
    shutil.copy(folder / "a-1.shadows.parquet", folder / "a-1.victims.parquet")
    for act in (store.read, store.facts):
        with pytest.raises(PopleakError, match="holds the output 'shadows' of its step, expected 'victims'"):
            act(folder / "a-1.victims.parquet")
    shutil.copy(folder / "a-1.shadows.parquet", folder / "a-1.parquet")
    with pytest.raises(PopleakError, match="expected 'table'"):
        store.read(folder / "a-1.parquet")
    (tmp_path / "store" / "defend").mkdir()
    shutil.copy(folder / "a-1.shadows.parquet", tmp_path / "store" / "defend")
    with pytest.raises(PopleakError, match="written by stage 'train', expected 'defend'"):
        store.read(tmp_path / "store" / "defend" / "a-1.shadows.parquet")


@pytest.mark.parametrize("text", [b"{", b"[1]", b"\xff"])
def test_metadata_that_is_none_of_ours_is_one_line(tmp_path, text):
    path = tmp_path / "table.parquet"
    table = pa.table({"k": [1]}).replace_schema_metadata({store.KEY: text})
    with pq.ParquetWriter(path, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({seal.KEY: seal.EMPTY})
    seal.close(path)
    with pytest.raises(PopleakError, match="not written by popleak") as error:
        store.read(path)
    assert "\n" not in str(error.value)


def test_tables_of_two_runs_are_refused_together(tmp_path):
    paths = {}
    for run in "ab":
        scores, leakage = tmp_path / run / "scores.parquet", tmp_path / run / "leakage.parquet"
        facts = {"stage": "tables", "settings": {}, "code": "c"}
        store.write(scores, {"k": [ord(run)]}, {**facts, "step": f"scores-{run}"})
        made = store.provenance(stage="tables", step=f"leakage-{run}", settings={}, code="c", inputs=[scores])
        store.write(leakage, {"k": [1]}, made)
        paths[run] = {"scores": scores, "leakage": leakage}
    store.agree(paths["a"])
    store.agree({"leakage": paths["b"]["leakage"]})
    with pytest.raises(PopleakError, match="was made from tables/scores-b, not from the given tables/scores-a"):
        store.agree({"scores": paths["a"]["scores"], "leakage": paths["b"]["leakage"]})


def test_manifest(tmp_path):
    for name in ("a.png", "a.csv"):
        (tmp_path / name).write_bytes(name.encode() * 20)
    seal.write_manifest(tmp_path / "a.sha256", [tmp_path / "a.png", tmp_path / "a.csv"])
    assert seal.check_by(tmp_path / "a.sha256", tmp_path / "a.png") == b"a.png" * 20
    publish.run(files=[tmp_path / "a.csv"], outputs=[tmp_path / "out" / "x.csv"])
    assert (tmp_path / "out" / "x.csv").read_bytes() == b"a.csv" * 20
    data, digests = (tmp_path / "a.png").read_bytes(), (tmp_path / "a.sha256").read_bytes()
    rng = random.Random(0)
    for _ in range(200):
        (tmp_path / "a.png").write_bytes(flipped(data, rng.randrange(8 * len(data))))
        with pytest.raises(PopleakError, match="damaged"):
            seal.check_by(tmp_path / "a.sha256", tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes(data)
    line = 8 * (digests.index(b"\n") + 1)
    for bit in rng.sample(range(line), 100):
        (tmp_path / "a.sha256").write_bytes(flipped(digests, bit))
        with pytest.raises(PopleakError, match="damaged"):
            seal.check_by(tmp_path / "a.sha256", tmp_path / "a.png")


def test_nothing_damaged_is_published(tmp_path):
    table, other = tmp_path / "t.parquet", tmp_path / "x.csv"
    store.write(table, {"k": [1]}, {})
    other.write_text("a,b\n")
    with pytest.raises(PopleakError, match=r"x\.sha256: no such file"):
        publish.run(files=[table, other], outputs=[tmp_path / "out.parquet", tmp_path / "out.csv"])
    table.write_bytes(flipped(table.read_bytes(), 100))
    with pytest.raises(PopleakError, match="damaged"):
        publish.run(files=[table], outputs=[tmp_path / "out.parquet"])
    assert not (tmp_path / "out.parquet").exists() and not (tmp_path / "out.csv").exists()


def test_replacing_is_whole_or_not_at_all(tmp_path):
    path = tmp_path / "deep" / "file"
    atomic.write(path, b"one")
    with pytest.raises(RuntimeError), atomic.replacing(path) as partial:
        partial.write_bytes(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"one"
    assert json.dumps([file.name for file in path.parent.iterdir()]) == '["file"]'
