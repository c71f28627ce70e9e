"""Stage `tables`: makes one public table from parts of earlier stages, with the module of its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module, metadata
from pathlib import Path

from ..core import machine
from ..steps.tables.base import TableStep
from ..store import parquet as store


def run(
    *,
    settings: TableStep,
    parts: Sequence[Path] = (),
    tables: Mapping[str, Path],
    output: Path,
    step: str,
    code: str,
) -> None:
    """Write one public table. Its metadata also say on which machine it was made, and the version of Snakemake. parts: files to combine; tables: public tables that this one is computed from.

    Raises PopleakError if those tables are not from one run.
    """
    store.agree(tables)
    inputs = {name: store.read(path, stage="tables").to_pandas() for name, path in tables.items()}
    made = import_module(f"popleak.tables.{settings.table}").make(parts=parts, tables=inputs, settings=settings)
    paths = [*parts, *tables.values()]
    facts = store.provenance(
        stage="tables", step=step, settings=settings.plain(), code=code, inputs=paths,
        machine=machine.facts(), snakemake=metadata.version("snakemake"),
    )  # fmt: skip
    store.write(output, made, facts)
