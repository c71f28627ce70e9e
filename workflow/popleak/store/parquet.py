"""Parquet in and out: whole or not at all, undamaged, and never another run's file by mistake."""

from __future__ import annotations

import contextlib
import json
import platform
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..core import accounting, atomic, uses
from ..core.errors import PopleakError
from . import arrays, seal

KEY = b"popleak"
FORMAT = 2
MOST = 16_000_000
"""Bytes of facts in one file at most. Those of the largest experiments take a tenth."""
STORE = "store"
"""Name of the folder whose files are called `<stage>/<step>.parquet`, or `<stage>/<step>.<output>.parquet`."""
BESIDE = ("tables",)
"""Stages whose files have data of several cards side by side. In those of other stages they would meet in one model or judgement."""


def provenance(
    *,
    stage: str,
    step: str,
    settings: Mapping[str, Any],
    code: str,
    inputs: Iterable[str | Path],
    files: Iterable[str | Path] = (),
    device: str = "cpu",
    **more: Any,
) -> dict[str, Any]:
    """Return the facts that a step's file carries. Nothing volatile (time, host, user, absolute path) is among them.

    stage: the stage's name; step: the step's id, which ends in the digest of all that decides it; code: digest of the
    code; inputs: our own files, known by the step that wrote them; files: raw ones, known by folder and name.
    The labels of the inputs' cards (`core/uses.py`) are handed on, as `cards`, unless `more` has those of raw files.
    Raises PopleakError for an input that is damaged, and for inputs whose cards forbid that they are joined.
    """
    read = {path: facts(path) for path in inputs}
    cards = _labels(read.values())
    if stage not in BESIDE:
        uses.join(cards, f"{stage} {step}")
    if cards:
        more = {"cards": cards, **more}
    return {
        "format": FORMAT,
        "stage": stage,
        "step": step,
        "settings": settings,
        "code": code,
        "inputs": {
            **{f"{Path(path).parent.name}/{Path(path).name}": seal.file_digest(path)[:16] for path in files},
            **{_name(found): seal.check(path)[:16] for path, found in read.items()},
        },
        "versions": _versions(),
        "device": device,
        **more,
    }


def labels(paths: Iterable[str | Path]) -> dict[str, Any]:
    """Return the labels (`core/uses.py`) of the cards of all data behind these files, by the digest of each card."""
    return _labels(facts(path) for path in paths)


def _labels(read: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {digest: label for found in read for digest, label in found.get("cards", {}).items()}


def _versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that are here: torch may not be."""
    found = {"python": platform.python_version()}
    for name in ("popleak", "torch", "numba", "numpy", "pandas", "pyarrow", "scikit-learn"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def named(path: str | Path) -> str:
    """Return the name of what one of our files holds: stage, step and, where a step writes several files, which it is."""
    return _name(facts(path))


def _name(found: Mapping[str, Any]) -> str:
    return "/".join(str(found[key]) for key in ("stage", "step", "output") if key in found)


def agree(tables: Mapping[str, str | Path]) -> None:
    """Raise PopleakError unless public tables (paths by name) are of one run: each that was made from another given one was
    made from that very file."""
    given = {named(path): seal.check(path)[:16] for path in tables.values()}
    kinds = {name.rpartition("-")[0]: name for name in given}
    for path in tables.values():
        for name, digest in facts(path).get("inputs", {}).items():
            kind = name.rpartition("-")[0]
            if kind in kinds and given.get(name) != digest:
                raise PopleakError(
                    f"{path}: was made from {name}, not from the given {kinds[kind]}: give the tables of one run, or run again"
                )


def output_of(path: str | Path) -> str | None:
    """Return which of its step's outputs a file is by its name, `<step>.<output>.parquet`; None for a step's only one."""
    parts = Path(path).name.split(".")
    return parts[-2] if len(parts) > 2 else None


@accounting.part("store")
def write(path: str | Path, table: pa.Table | Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Write `table` with `facts` in its metadata. The file appears whole, under its name, or not at all."""
    with Writer(path, facts) as writer:
        writer.add(table)


class Writer:
    """Writes a file piece by piece, so that only one piece is in memory; what `read(where=...)` skips is never decoded.

    The file appears under its name when the `with` block ends, whole; not at all if the block raises.
    """

    def __init__(self, path: str | Path, facts: Mapping[str, Any]) -> None:
        self.path = Path(path)
        output = output_of(path)
        self.facts = {**facts, **({"output": output} if output else {})}
        self.file: pq.ParquetWriter | None = None

    def __enter__(self) -> Writer:
        self.whole = atomic.replacing(self.path)
        self.partial = self.whole.__enter__()
        return self

    @accounting.part("store")
    def add(self, piece: pa.Table | Mapping[str, Any]) -> None:
        """Append a piece with the columns of the first."""
        if isinstance(piece, Mapping):
            made = {
                name: value if isinstance(value, pa.Array) else arrays.arrow(value) for name, value in piece.items()
            }
            table = pa.Table.from_arrays(list(made.values()), names=list(made))
        else:
            table = piece
        if self.file is None:
            stored = {KEY: json.dumps(self.facts, sort_keys=True).encode()}
            schema = table.schema.with_metadata(stored)
            self.file = pq.ParquetWriter(self.partial, schema, compression="zstd", **_encodings(schema))
            # in the footer alone: what is in the schema's metadata is stored twice
            self.file.add_key_value_metadata({seal.KEY: seal.EMPTY})
        self.file.write_table(table.replace_schema_metadata(self.file.schema.metadata), max(table.num_rows, 1))

    @accounting.part("store")
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.ExitStack() as whole:
            whole.push(self.whole)
            if self.file is not None:
                self.file.close()
            if error is not None:
                raise error
            if self.file is None:
                raise ValueError(f"{self.path}: nothing was added")
            seal.close(self.partial)


def _encodings(schema: pa.Schema) -> dict[str, list[str]]:
    """Return how columns are encoded: a dictionary for words and keys; floats, and lists of numbers wider than a byte, byte
    by byte, which zstd compresses better.

    A dictionary of a column of weights or scores, all different, costs more time and room than the column.
    """
    words, split = [], []
    for field in schema:
        kind, place = field.type, field.name
        while pa.types.is_fixed_size_list(kind):
            kind, place = kind.value_type, f"{place}.list.element"
        if kind == field.type and not pa.types.is_floating(kind):
            words.append(field.name)
        elif kind.bit_width > 8:
            split.append(place)
    return {"use_dictionary": words, "use_byte_stream_split": split}


@accounting.part("store")
def facts(path: str | Path) -> dict[str, Any]:
    """Return what `write` stored beside the table. Raises PopleakError for a damaged or foreign file, and for another step's."""
    return _checked(path)[1]


def schema(path: str | Path) -> pa.Schema:
    """Return the columns of a table of ours. Raises PopleakError as `facts` does."""
    return _checked(path)[0].schema_arrow


def _checked(
    path: str | Path, stage: str | None = None, step: str | None = None
) -> tuple[pq.ParquetFile, dict[str, Any]]:
    """Return a table of ours, opened, and its facts. Raises PopleakError if it is damaged, or not what its place, `stage` or
    `step` say."""
    handle, found = _open(path)
    expected = {"stage": stage, "step": step}
    place = Path(path)
    if place.parent.parent.name == STORE:  # its name says what it must hold: another step's file is refused
        expected = {"stage": stage or place.parent.name, "step": step or place.name.split(".")[0]}
        if found.get("output") != output_of(path):
            raise PopleakError(
                f"{path}: holds the output {_said(found.get('output') or 'table')} of its step, expected {output_of(path) or 'table'!r}: "
                "delete the file and run again"
            )
    for key, wanted in expected.items():
        if wanted is not None and found.get(key) != wanted:
            raise PopleakError(
                f"{path}: written by {key} {_said(found.get(key))}, expected {wanted!r}: delete the file and run again"
            )
    return handle, found


@accounting.part("store")
def read(
    path: str | Path,
    *,
    stage: str | None = None,
    step: str | None = None,
    columns: list[str] | None = None,
    where: Mapping[str, Any] | None = None,
) -> pa.Table:
    """Read a table of ours, or its rows in which each column of `where` has the value given there.

    With `stage` or `step`, a file that another stage or step wrote is refused by name.
    """
    handle, _ = _checked(path, stage, step)
    try:
        return handle.read(columns=columns) if where is None else _rows(handle, where, columns)
    except (OSError, pa.ArrowException) as error:
        raise PopleakError(f"{path}: damaged ({_short(error)}): delete the file and run again") from error


def _rows(handle: pq.ParquetFile, where: Mapping[str, Any], columns: list[str] | None) -> pa.Table:
    place = {name: handle.schema_arrow.names.index(name) for name in where}
    groups = []
    for number in range(handle.num_row_groups):
        pieces = [(handle.metadata.row_group(number).column(place[name]).statistics, where[name]) for name in where]
        if all(found is None or not found.has_min_max or found.min <= value <= found.max for found, value in pieces):
            groups.append(number)
    wanted = None if columns is None else [*columns, *(name for name in where if name not in columns)]
    table = handle.read_row_groups(groups, columns=wanted)
    for name, value in where.items():
        there = arrays.numpy(table[name]) == value
        if not there.all():
            table = table.filter(arrays.arrow(there))
    return table if columns is None else table.select(columns)


def _open(path: str | Path) -> tuple[pq.ParquetFile, dict[str, Any]]:
    seal.check(path)
    try:
        handle = pq.ParquetFile(path)
        return handle, told(handle)
    except (OSError, pa.ArrowException, ValueError) as error:
        raise PopleakError(f"{path}: not written by popleak ({_short(error)}): move it away and run again") from error


def told(handle: pq.ParquetFile) -> dict[str, Any]:
    """Return the facts in an opened file's metadata. Raises ValueError for what `write` never stores: a stranger's file may hold anything."""
    stored = (handle.schema_arrow.metadata or {}).get(KEY)
    if stored is None:
        raise ValueError("it has no facts")
    if len(stored) > MOST:
        raise ValueError(f"{len(stored) / 1e6:.0f} MB of facts")
    try:
        found = json.loads(stored)
    except RecursionError as error:
        raise ValueError("facts nested too deeply") from error
    if not isinstance(found, dict):
        raise ValueError("facts that are no mapping")
    inputs = found.get("inputs", {})
    texts = [found.get(key, "") for key in ("stage", "step", "output")]
    if not isinstance(inputs, dict) or not all(isinstance(one, str) for one in (*texts, *inputs.values())):
        raise ValueError("facts of another form")
    return found


def _short(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:100]


def _said(value: object) -> str:
    """Return a value as a message shows it."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
