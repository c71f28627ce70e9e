"""Stage `tables`: parts of the stages before -> one public table, made by the module of its name."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from ..core.errors import PopleakError
from ..store import parquet as store
from ..store import schema


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
    made = import_module(f"popleak.tables.{settings['table']}").make(parts=parts, tables=inputs, settings=settings)
    paths = [*parts, *tables.values()]
    facts = store.provenance(stage="tables", step=step, settings=settings, code=code, inputs=paths)
    store.write(output, made, facts)
