"""What jobs are told, from plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from popleak.steps.tables.base import TableStep, of_table


def table(name: str, settings: Mapping[str, Any] | None = None) -> TableStep:
    """Return what the job of a table is told, of settings that may be those of several tables."""
    known = {"table": name, **(settings or {})}
    kind = of_table(name)
    return kind.of({field.name: known[field.name] for field in fields(kind) if field.name in known})
