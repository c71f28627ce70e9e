"""The public tables: one module each, made of parts that the stages wrote or of other tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..store import schema

if TYPE_CHECKING:
    import pandas as pd


def as_arrow(name: str, frame: pd.DataFrame, columns: Sequence[schema.Column] | None = None):
    """Return a frame as the public table `name`: its columns, in its order, with its types; columns: those of a table that no plan makes."""
    import pyarrow as pa

    wanted = schema.TABLES[name] if columns is None else columns
    columns = [pa.array(frame[c.name], type=pa.type_for_alias(c.type), from_pandas=True) for c in wanted]
    return pa.table(columns, names=[c.name for c in wanted])
