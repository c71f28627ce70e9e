"""Put parts together, in the order of the plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ..steps.tables.base import TableStep
from ..store import parquet as store
from ..store import schema


def concatenate(*, parts: Sequence[Path], tables: Mapping[str, Any], settings: TableStep) -> pa.Table:
    """Return the rows of all parts; where nothing makes any, a table without rows."""
    if not parts:
        return schema.table(settings.table, [])
    return pa.concat_tables([store.read(path).replace_schema_metadata(None) for path in parts])


def of_kind(*, parts: Sequence[Path], tables: Mapping[str, Any], settings: TableStep) -> pa.Table:
    """Return the rows of all parts whose `part` is one of the table's `rows_of`, with the table's columns."""
    whole = concatenate(parts=parts, tables=tables, settings=settings)
    kinds = pa.array(settings.rows_of)
    chosen = whole.filter(pc.is_in(whole["part"], value_set=kinds))
    return chosen.select([column.name for column in schema.TABLES[settings.table]])
