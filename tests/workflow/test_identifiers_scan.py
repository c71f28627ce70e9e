"""No string of a column that names people is in anything that a run leaves: D3, on a made-up table and on the names of COMPAS."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

import runs
import tiny
import whole
from own_tables import LOANS, people, put
from popleak.config import resolve as config
from popleak.core import plugins
from popleak.datasets import _cards
from popleak.datasets._fetch import locate
from popleak.plan.build import build

SMALL = {"rows": 20, "query_rows": 10}
DATA = config.data_dir(config.load(tiny.raw()))
STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.S)


def content(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file, and what is compressed in it: a table's values and facts, the streams of a PDF."""
    raw = path.read_bytes()
    yield path.name.encode()
    yield raw
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        yield from (value for pair in (table.schema.metadata or {}).items() for value in pair)
        for column in table.columns:
            for chunk in column.chunks:
                yield from (buffer.to_pybytes() for buffer in chunk.buffers() if buffer is not None)
    if path.suffix == ".pdf":
        for stream in STREAM.findall(raw):
            try:
                yield zlib.decompress(stream)
            except zlib.error:
                continue


def found(files: Iterable[Path], words: set[bytes]) -> list[str]:
    """Return the files in which one of the words is, in small letters or as it is written."""
    pattern = re.compile(b"|".join(sorted(map(re.escape, words), key=len, reverse=True)), re.I)
    return [str(path) for path in files if path.is_file() and any(pattern.search(one) for one in content(path))]


def test_the_scan_finds_what_is_hidden(tmp_path):
    import pyarrow as pa

    pq.write_table(pa.table({"a": ["x", "Anna Zyx"]}), tmp_path / "t.parquet", compression="zstd")
    (tmp_path / "f.pdf").write_bytes(b"stream\n" + zlib.compress(b"anna zyx") + b"\nendstream")
    (tmp_path / "plain.log").write_text("... ANNA ZYX ...")
    (tmp_path / "none.log").write_text("Anna")
    assert sorted(Path(one).name for one in found(tmp_path.iterdir(), {b"Anna Zyx"})) == [
        "f.pdf",
        "plain.log",
        "t.parquet",
    ]


@pytest.mark.dag
def test_no_identifier_is_in_any_output_or_log(tmp_path):
    """A whole run of Snakemake on a table with a name for each person, by its card and by `drop`, with figures, report and logs."""
    folder = runs.copy(tmp_path)
    (folder / "mine").mkdir()
    put(folder / "mine", people(400, person=lambda i: f"Zyxanna Qwo{i:04d}", case=lambda i: f"CASE-{i:05d}-ZQ"))
    raw = tiny.raw(
        tasks=[{"dataset": "table", "id": "loans", "placebo": 1, **SMALL,
                "options": {**LOANS, "path": "mine/loans.csv", "drop": ["person", "case"]}}],
        models=["logistic"], defences=["none"], attacks=["kl"], figures=["leakage"],
    )  # fmt: skip
    (folder / "loans.yaml").write_text(yaml.safe_dump(raw))
    said = tiny.command(
        "popleak", "card", "--configfile", "loans.yaml", "--output", "mine/card.json", cwd=folder, path=folder / "workflow"
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    raw["tasks"][0]["options"]["card"] = "mine/card.json"
    (folder / "loans.yaml").write_text(yaml.safe_dump(raw))
    printed = runs.snakemake(folder, "--cores", "1", "--configfile", "loans.yaml")
    made = [path for top in ("results", ".snakemake") for path in (folder / top).rglob("*")]
    assert {path.suffix for path in made} >= {".parquet", ".log", ".html", ".pdf", ".json", ".csv"}
    assert found([*made, folder / "mine" / "card.json"], {b"Zyxanna", b"Qwo0", b"CASE-0"}) == []
    assert "Zyxanna" not in printed and "CASE-0" not in printed
    assert json.loads((folder / "mine" / "card.json").read_text())["popleak:directIdentifiers"] == ["person", "case"]


TOKENS = re.compile(rb"(?=\b([a-z'-]+ [a-z'-]+|[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}[a-z]{2}[0-9]{2}[a-z])\b)")
"""Two words, a date, a case number: what tens of thousands of identifiers are looked up among."""


def tokens(one: bytes) -> set[bytes]:
    return set(TOKENS.findall(one.lower()))


@pytest.mark.slow
def test_no_name_of_compas_is_in_any_output(tmp_path, capsys):
    (source,) = plugins.load("datasets", "compas").sources(None)
    if (path := locate("compas", source, DATA)) is None:
        pytest.skip("POPLEAK_DATA does not point to a folder with the file")
    import pandas as pd

    people_in = pd.read_csv(path, usecols=["name", "dob", "c_case_number", "r_case_number"], dtype=str)
    assert set(people_in) < set(_cards.packaged("compas").identifiers())
    every = {value.lower().encode() for column in people_in for value in people_in[column].dropna()}
    words = {value for value in every if value in tokens(value)}
    assert len(words) > 10_000 and len(words) > 0.9 * len(every)
    plan = build(
        config.load(
            tiny.raw(
                tasks=[{"dataset": "compas", **SMALL}], models=["logistic"], defences=["none"], attacks=["kl"], knowledge=["informed"],
                figures=["leakage"],
            )
        )
    )  # fmt: skip
    whole.run_all(plan, tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 20
    for path in files:
        assert not any(tokens(one) & words for one in content(path)), path
    assert not tokens("".join(capsys.readouterr()).encode()) & words
