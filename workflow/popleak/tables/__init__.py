"""Stage `tables`: parts of the stages before -> the public tables, one module each."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import PopleakError
from ..store import parquet as store
from ..store import schema

if TYPE_CHECKING:
    import pandas as pd


def run(
    *,
    settings: Mapping[str, Any],
    parts: list[Path],
    tables: Mapping[str, Path],
    output: Path,
    step: str,
    code: str,
) -> None:
    """Write one public table. parts: files to put together; tables: public tables that this one is made of.

    Raises PopleakError if those tables are not of one run.
    """
    if settings["table"] not in schema.TABLES:
        raise PopleakError(f"tables: {settings['table']!r} is no public table: choose from {', '.join(schema.TABLES)}")
    store.agree(tables)
    inputs = {name: store.read(path, stage="tables").to_pandas() for name, path in tables.items()}
    made = import_module(f".{settings['table']}", __name__).make(parts=parts, tables=inputs, settings=settings)
    paths = [*parts, *tables.values()]
    facts = store.provenance(stage="tables", step=step, settings=settings, code=code, inputs=paths)
    store.write(output, made, facts)


def as_arrow(name: str, frame: pd.DataFrame):
    """Return a frame as the public table `name`: its columns, in its order, with its types."""
    import pyarrow as pa

    columns = [pa.array(frame[c.name], type=pa.type_for_alias(c.type), from_pandas=True) for c in schema.TABLES[name]]
    return pa.table(columns, names=[c.name for c in schema.TABLES[name]])
