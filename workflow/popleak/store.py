"""Parquet in and out: whole or not at all, and never another run's file by mistake."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from . import accounting, arrays
from .errors import PopleakError

KEY = b"popleak"
FORMAT = 1


@accounting.part("store")
def file_digest(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def provenance(
    *,
    stage: str,
    step: str,
    settings: Mapping[str, Any],
    code: str,
    inputs: Iterable[str | Path],
    device: str = "cpu",
    **more: Any,
) -> dict[str, Any]:
    """Return the facts that a step's file carries. Nothing volatile (time, host, user, absolute path) is among them.

    stage: the stage's name; step: the step's id, which ends in the digest of its settings; code: digest of the code.
    """
    return {
        "format": FORMAT,
        "stage": stage,
        "step": step,
        "settings": settings,
        "code": code,
        "inputs": {f"{Path(path).parent.name}/{Path(path).name}": file_digest(path)[:16] for path in inputs},
        "versions": {
            "python": platform.python_version(),
            **{
                name: metadata.version(name)
                for name in ("popleak", "torch", "numba", "numpy", "pandas", "pyarrow", "scikit-learn")
            },
        },
        "device": device,
        **more,
    }


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
        self.path, self.facts = Path(path), facts
        self.partial = self.path.with_name(f".{self.path.name}.{os.getpid()}.partial")
        self.file: pq.ParquetWriter | None = None

    def __enter__(self) -> Writer:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return self

    @accounting.part("store")
    def add(self, piece: pa.Table | Mapping[str, Any]) -> None:
        """Append a piece with the columns of the first."""
        table = piece
        if not isinstance(piece, pa.Table):
            made = {
                name: value if isinstance(value, pa.Array) else arrays.arrow(value) for name, value in piece.items()
            }
            table = pa.Table.from_arrays(list(made.values()), names=list(made))
        if self.file is None:
            stored = {KEY: json.dumps(self.facts, sort_keys=True).encode()}
            schema = table.schema.with_metadata(stored)
            self.file = pq.ParquetWriter(self.partial, schema, compression="zstd", **_encodings(schema))
        self.file.write_table(table.replace_schema_metadata(self.file.schema.metadata), max(table.num_rows, 1))

    @accounting.part("store")
    def __exit__(self, kind: type | None, *_: object) -> None:
        try:
            if self.file is not None:
                self.file.close()
            if kind is None:
                if self.file is None:
                    raise ValueError(f"{self.path}: nothing was added")
                with open(self.partial, "rb") as handle:
                    os.fsync(handle.fileno())
                os.replace(self.partial, self.path)
        finally:
            self.partial.unlink(missing_ok=True)


def _encodings(schema: pa.Schema) -> dict[str, list[str]]:
    """Return how columns are encoded: a dictionary for words and keys; floats, and lists of numbers wider than a byte, byte
    by byte, which zstd compresses better.

    A dictionary of a column of weights or scores, all different, costs more time and room than the column.
    """
    words, split = [], []
    for field in schema:
        nested = pa.types.is_fixed_size_list(field.type)
        kind = field.type.value_type if nested else field.type
        if not nested and not pa.types.is_floating(kind):
            words.append(field.name)
        elif kind.bit_width > 8:
            split.append(f"{field.name}.list.element" if nested else field.name)
    return {"use_dictionary": words, "use_byte_stream_split": split}


@accounting.part("store")
def facts(path: str | Path) -> dict[str, Any]:
    """Return what `write` stored beside the table. Raises PopleakError for a truncated or foreign file."""
    return _open(path)[1]


def schema(path: str | Path) -> pa.Schema:
    """Return the columns of a table of ours. Raises PopleakError as `facts` does."""
    return _open(path)[0].schema_arrow


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
    handle, found = _open(path)
    if Path(path).parent.parent.name == "store":  # a step's file bears the step's id: another step's file is refused
        step = step or Path(path).name.split(".")[0]
    for key, wanted in (("stage", stage), ("step", step)):
        if wanted is not None and found.get(key) != wanted:
            raise PopleakError(
                f"{path}: written by {key} {found.get(key)!r}, expected {wanted!r}: delete the file and run again"
            )
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
    try:
        handle = pq.ParquetFile(path)
    except FileNotFoundError as error:
        raise PopleakError(f"{path}: no such file: run the step that makes it") from error
    except (OSError, pa.ArrowException) as error:
        raise PopleakError(
            f"{path}: truncated or not Parquet ({_short(error)}): delete the file and run again"
        ) from error
    stored = (handle.schema_arrow.metadata or {}).get(KEY)
    if stored is None:
        raise PopleakError(f"{path}: not written by popleak (no popleak metadata): move it away and run again")
    return handle, json.loads(stored)


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:100]
