"""A stranger's files: whatever stands in the metadata of a Parquet file, under a seal that is right, nothing is run, and what is refused is
one short line."""

from __future__ import annotations

import base64
import json
import os
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from popleak.audit import tabular
from popleak.core.errors import PopleakError
from popleak.store import parquet as store
from popleak.store import reuse, seal

pytestmark = pytest.mark.slow
BASE = {"stage": "train", "step": "x-000000000000"}
MARKER = "/tmp/popleak-test-was-run"
FACTS = {
    "no JSON": (b"\x80\x04cposix\nsystem\n(Vtouch " + MARKER.encode() + b"\ntR.", "not written by popleak"),
    "YAML": (f"!!python/object/apply:os.system ['touch {MARKER}']".encode(), "not written by popleak"),
    "a list": (b"[]", "facts that are no mapping"),
    "nested lists": (b"[" * 200_000, "facts nested too deeply"),
    "nested mappings": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "facts nested too deeply"),
    "very many digits": (b'{"stage": ' + b"9" * 6000 + b"}", "not written by popleak"),
    "50 MB": (json.dumps({**BASE, "junk": "x" * 50_000_000}).encode(), "50 MB of facts"),
    "50 MB of mappings": (b'{"stage": "train", "junk": [' + b"{}," * 16_666_666 + b"{}]}", "50 MB of facts"),
    "inputs in a list": (json.dumps({**BASE, "inputs": ["a"]}).encode(), "facts of another form"),
    "inputs in inputs": (json.dumps({**BASE, "inputs": {"a": {"b": "c"}}}).encode(), "facts of another form"),
    "a stage that is no text": (json.dumps({**BASE, "stage": ["train"]}).encode(), "facts of another form"),
    "not a number": (b'{"stage": NaN, "step": Infinity}', "facts of another form"),
    "another stage": (json.dumps({**BASE, "stage": "train\npopleak: all is well\x1b[2J"}).encode(), "written by stage"),
    "a long step": (json.dumps({**BASE, "step": "x" * 10_000_000}).encode(), "written by step"),
    "half a character": (b'{"stage": "train", "step": "\\ud800"}', "written by step"),
    "another output": (json.dumps({**BASE, "output": "../../../etc/passwd"}).encode(), "holds the output"),
}  # fmt: skip


@pytest.fixture
def path(tmp_path):
    found = tmp_path / "store" / "train" / "x-000000000000.parquet"
    found.parent.mkdir(parents=True)
    return found


def crafted(path, facts: bytes, table: pa.Table | None = None, **more: bytes) -> None:
    """Write a table with these facts and a seal of its own, as `store.write` would."""
    table = pa.table({"k": [1, 2]}) if table is None else table
    stored = {store.KEY: facts, **{key.encode(): value for key, value in more.items()}}
    schema = table.schema.with_metadata(stored)
    with pq.ParquetWriter(path, schema) as writer:
        writer.add_key_value_metadata({seal.KEY: seal.EMPTY})
        writer.write_table(table.replace_schema_metadata(stored))
    seal.close(path)


@pytest.mark.parametrize("kind", FACTS)
def test_facts_that_we_never_write_are_refused(path, kind):
    facts, message = FACTS[kind]
    crafted(path, facts)
    begin = time.process_time()
    others = (store.read, store.named, lambda path: store.agree({"scores": path}))
    for act in (store.facts, *(others if "50 MB" not in kind else ())):
        with pytest.raises(PopleakError) as error:
            act(path)
        said = str(error.value)
        assert said.startswith(f"{path}: ") and message in said and len(said) < 700
        assert said.isprintable()
    assert time.process_time() - begin < 5
    assert reuse.glance(path, ["k"]) is None or message.startswith(("written", "holds"))
    assert not os.path.lexists(MARKER)


@pytest.mark.parametrize(
    "kind", [kind for kind, (_, message) in FACTS.items() if "facts" in message and kind != "50 MB"]
)
def test_so_they_are_in_a_table_to_judge(path, kind):
    crafted(path, FACTS[kind][0])
    with pytest.raises(PopleakError, match=FACTS[kind][1]):
        tabular.read(path, "answers")


def test_what_stands_there_is_never_unpickled(path):
    """Older versions of pyarrow unpickled types of extensions (CVE-2023-47248); pandas has a place for the types of columns."""
    payload = b"\x80\x04cposix\nsystem\n(Vtouch " + MARKER.encode() + b"\ntR."
    field = pa.field(
        "k",
        pa.int64(),
        metadata={"ARROW:extension:name": "arrow.py_extension_type", "ARROW:extension:metadata": payload},
    )
    column = {"name": "k", "field_name": "k", "pandas_type": "object", "numpy_type": "object",
              "metadata": {"pickle": base64.b64encode(payload).decode()}}  # fmt: skip
    told = {"index_columns": ["k"], "column_indexes": [column], "columns": [column], "pandas_version": "99"}
    table = pa.table([pa.array([1, 2])], schema=pa.schema([field]))
    crafted(path, json.dumps(BASE).encode(), table, pandas=json.dumps(told).encode())
    try:
        store.read(path).to_pandas()
        tabular.read(path, "answers")
    except (PopleakError, pa.ArrowException, KeyError, TypeError, ValueError):
        pass
    assert not os.path.lexists(MARKER)
