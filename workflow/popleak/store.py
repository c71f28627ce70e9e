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

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from . import accounting
from .errors import PopleakError

KEY = b"popleak"
FORMAT = 1


def fixed(values: np.ndarray) -> pa.Array:
    """Return a 2-D array (rows, width) as an Arrow column of fixed-size lists: one list a row, no copy of the data."""
    values = np.ascontiguousarray(values)
    if values.ndim != 2:
        raise ValueError(f"expected (rows, width), got shape {values.shape}")
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])


def matrix(column: pa.ChunkedArray) -> np.ndarray:
    """Return a column of fixed-size lists as an array (rows, width)."""
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks)
    width = column.type.list_size
    return column.flatten().to_numpy(zero_copy_only=False).reshape(-1, width)


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
                for name in ("popleak", "torch", "numpy", "pandas", "pyarrow", "scikit-learn")
            },
        },
        "device": device,
        **more,
    }


@accounting.part("store")
def write(path: str | Path, table: pa.Table | Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Write `table` with `facts` in its metadata. The file appears whole, under its name, or not at all."""
    path = Path(path)
    if not isinstance(table, pa.Table):
        table = pa.table(dict(table))
    table = table.replace_schema_metadata({KEY: json.dumps(facts, sort_keys=True).encode()})
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        pq.write_table(table, partial, compression="zstd")
        with open(partial, "rb") as handle:
            os.fsync(handle.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@accounting.part("store")
def facts(path: str | Path) -> dict[str, Any]:
    """Return what `write` stored beside the table. Raises PopleakError for a truncated or foreign file."""
    return _open(path)[1]


@accounting.part("store")
def read(
    path: str | Path, *, stage: str | None = None, step: str | None = None, columns: list[str] | None = None
) -> pa.Table:
    """Read a table of ours. With `stage` or `step`, a file that another stage or step wrote is refused by name."""
    handle, found = _open(path)
    if Path(path).parent.parent.name == "store":  # a step's file bears the step's id: another step's file is refused
        step = step or Path(path).name.split(".")[0]
    for key, wanted in (("stage", stage), ("step", step)):
        if wanted is not None and found.get(key) != wanted:
            raise PopleakError(
                f"{path}: written by {key} {found.get(key)!r}, expected {wanted!r}: delete the file and run again"
            )
    try:
        return handle.read(columns=columns)
    except (OSError, pa.ArrowException) as error:
        raise PopleakError(f"{path}: damaged ({_short(error)}): delete the file and run again") from error


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
