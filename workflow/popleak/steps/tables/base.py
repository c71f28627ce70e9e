"""The base of what the jobs of the stage `tables` are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Self, cast

from ...core import typed
from ...core.errors import PopleakError
from ..base import StepSettings


@dataclass(frozen=True, kw_only=True)
class TableStep(StepSettings):
    """The table's name. Other fields name what the table must know of the experiment (`plan.known`), so a change of that, and of
    nothing else, makes the table anew."""

    stage: ClassVar[str] = "tables"
    reads: ClassVar[tuple[str, ...]] = ()
    """Public tables that it is made of."""
    parts: ClassVar[tuple[str, str] | None] = None
    """Files that it is put together from: of which steps (`plan.task`), and which of their outputs."""
    rows_of: ClassVar[tuple[str, ...]] = ()
    """The rows of these parts that are the table's, by their column `part`; none: all."""
    table: str

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """Return the settings of the table that `table` names. Raises PopleakError for one that is none."""
        if cls is not TableStep:
            return super().of(found)
        name = found.get("table")
        kind: Any = of_table(name) if name is not None else TableStep
        chosen: Self = typed.read(kind, found, "the settings")
        return chosen

    @classmethod
    def knowing(cls, table: str, known: object) -> Self:
        """Return what the table's job is told by a plan that knows, as attributes of `known`, all that tables ask for."""
        asked = [field.name for field in fields(cls) if field.name != "table"]
        return cls(table=table, **{name: getattr(known, name) for name in asked})


def of_table(name: str) -> type[TableStep]:
    """Return the class of a table's settings. Raises PopleakError if there is no such table."""
    known = sorted(
        path.stem for path in Path(__file__).parent.glob("*.py") if path.stem != "base" and path.stem[0] != "_"
    )
    if name not in known:
        raise PopleakError(f"tables: {name!r} is no public table: choose from {', '.join(known)}")
    return cast(type[TableStep], import_module(f"{__package__}.{name}").Table)
