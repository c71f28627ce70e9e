"""Put parts together, in the order of the plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..steps.tables.base import TableStep
from ..store import parquet as store


def concatenate(*, parts: Sequence[Path], tables: Mapping[str, Any], settings: TableStep) -> pa.Table:
    """Return the rows of all parts."""
    return pa.concat_tables([store.read(path).replace_schema_metadata(None) for path in parts])
