"""No string of a column that names people is in anything that a run leaves: D3, on a made-up table and on the names of COMPAS."""

from __future__ import annotations

import base64
import gzip
import html
import io
import json
import lzma
import re
import zipfile
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
ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
EMBEDDED = re.compile(rb"data:[a-z]+/([a-z]+)[a-z+;=0-9-]*;base64,([A-Za-z0-9+/=]+)")
STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.S)


def content(path: Path) -> Iterator[bytes]:
    """Yield the name and the bytes of a file, and what else they hold in other writing."""
    yield path.name.encode()
    yield from within(path.read_bytes(), path.suffix)


def within(raw: bytes, suffix: str) -> Iterator[bytes]:
    """Yield bytes, and what is packed in them: a table's values and facts, the streams of a PDF, a picture's words, escapes of JSON and entities
    of HTML, and files within files."""
    yield raw
    if suffix == ".parquet":
        yield from stored(raw)
    elif suffix == ".pdf":
        yield from filter(None, map(inflated, STREAM.findall(raw)))
    elif suffix == ".png":
        yield from filter(None, (inflated(text) for text in words_of(raw)))
    elif suffix in (".gz", ".xz", ".zip"):
        yield from unpacked(raw, suffix)
    else:
        text = raw.decode(errors="replace")
        plain = html.unescape(ESCAPE.sub(lambda one: chr(int(one[1], 16)), text))
        yield plain.encode(errors="replace")
        for kind, coded in EMBEDDED.findall(raw):
            yield from within(base64.b64decode(coded), f".{kind.decode()}")


def stored(raw: bytes) -> Iterator[bytes]:
    table = pq.read_table(io.BytesIO(raw))
    for key, value in (table.schema.metadata or {}).items():
        yield key
        yield from within(value, ".json")
    for column in table.columns:
        for chunk in column.chunks:
            values = chunk.dictionary if hasattr(chunk, "dictionary") else chunk
            for buffer in filter(None, values.buffers()):
                yield from within(buffer.to_pybytes(), ".json") if of_text(values.type) else (buffer.to_pybytes(),)


def of_text(kind) -> bool:
    while hasattr(kind, "value_type"):
        kind = kind.value_type
    return str(kind) in ("string", "large_string")


def inflated(one: bytes) -> bytes:
    try:
        return zlib.decompress(one)
    except zlib.error:
        return b""


def words_of(raw: bytes) -> Iterator[bytes]:
    """Yield what is compressed in the texts of a PNG: behind a keyword, its end, and one byte or more on how."""
    place = 8
    while place + 8 <= len(raw):
        size, kind = int.from_bytes(raw[place : place + 4], "big"), raw[place + 4 : place + 8]
        _, _, text = raw[place + 8 : place + 8 + size].partition(b"\0")
        if kind in (b"zTXt", b"iTXt"):
            yield from (text[start:] for start in range(min(len(text), 64)))
        place += 12 + size


def unpacked(raw: bytes, suffix: str) -> Iterator[bytes]:
    if suffix == ".zip":
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            for name in archive.namelist():
                yield name.encode()
                yield from within(archive.read(name), Path(name).suffix)
    else:
        yield from within({".gz": gzip.decompress, ".xz": lzma.decompress}[suffix](raw), "")


def found(files: Iterable[Path], words: set[bytes]) -> list[str]:
    """Return the files in which one of the words is, in small letters or as it is written."""
    pattern = re.compile(b"|".join(sorted(map(re.escape, words), key=len, reverse=True)), re.I)
    return [str(path) for path in files if path.is_file() and any(pattern.search(one) for one in content(path))]


def png(words: str) -> bytes:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    told, out = PngInfo(), io.BytesIO()
    told.add_itxt("Title", words, zip=True)
    Image.new("L", (4, 4)).save(out, "png", pnginfo=told)
    return out.getvalue()


def parquet(table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd")
    return out.getvalue()


def zipped(raw: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside.log", raw)
    return out.getvalue()


NAME = "Änna <Zyx>"
"""A name that JSON and HTML may write otherwise."""


def test_the_scan_finds_what_is_hidden(tmp_path):
    import pyarrow as pa

    texts = pa.array(["x", NAME])
    hidden = {
        "t.parquet": parquet(pa.table({"a": texts})),
        "coded.parquet": parquet(pa.table({"a": texts.dictionary_encode()})),
        "lists.parquet": parquet(pa.table({"a": [["x", NAME]]})),
        "facts.parquet": parquet(pa.table({"a": [1]}).replace_schema_metadata({"facts": json.dumps([NAME])})),
        "f.pdf": b"stream\n" + zlib.compress(NAME.encode()) + b"\nendstream",
        "p.png": png(NAME),
        "page.html": b"&Auml;nna &lt;Zyx&gt;",
        "picture.html": b'<img src="data:image/png;base64,' + base64.b64encode(png(NAME)) + b'">',
        "facts.json": json.dumps({"a": NAME}).encode(),
        "plain.log": f"... {NAME.replace('nna', 'NNA')} ...".encode(),
        "old.log.gz": gzip.compress(NAME.encode()),
        "packed.zip": zipped(NAME.encode()),
    }
    open_ = {"none.log": b"Anna Zyx", "none.parquet": parquet(pa.table({"a": ["Zyx"]})), "none.png": png("Zyx")}
    for name, raw in (hidden | open_).items():
        (tmp_path / name).write_bytes(raw)
    assert {Path(one).name for one in found(tmp_path.iterdir(), {NAME.encode()})} == set(hidden)


@pytest.mark.dag
def test_no_identifier_is_in_any_output_or_log(tmp_path):
    """A whole run of Snakemake on a table with a name for each person, by its card and by `drop`, with figures, report and logs."""
    folder = runs.copy(tmp_path)
    (folder / "mine").mkdir()
    put(
        folder / "mine",
        people(
            400,
            person=lambda i: f"Zyxanna Qwo{i:04d}",
            case=lambda i: f"CASE-{i:05d}-ZQ",
            nick=lambda i: f"Änq&{i:04d}<x>",
        ),
    )
    raw = tiny.raw(
        tasks=[{"dataset": "table", "id": "loans", "placebo": 1, **SMALL,
                "options": {**LOANS, "path": "mine/loans.csv", "drop": ["person", "case", "nick"]}}],
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
    assert found([*made, folder / "mine" / "card.json"], {b"Zyxanna", b"Qwo0", b"CASE-0", "Änq&0".encode()}) == []
    assert "Zyxanna" not in printed and "CASE-0" not in printed
    assert json.loads((folder / "mine" / "card.json").read_text())["popleak:directIdentifiers"] == [
        "person",
        "case",
        "nick",
    ]


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
