"""The base of what the jobs of all stages are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from ..core import typed

Plain = Mapping[str, Any]
"""Settings of a plugin, whose own model checks them: as JSON, defaults filled in."""


@dataclass(frozen=True, kw_only=True)
class StepSettings:
    """What one job is told, beside its files. A field that decides nothing must be absent: a step's id digests all of them."""

    stage: ClassVar[str]

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """Return the settings in JSON values, as `plain` returns them. Raises PopleakError that names a key which is missing, unknown
        or of another type."""
        return typed.read(cls, found, "the settings")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the settings in the argument of `--settings`. Raises PopleakError as `of` does, and where it is no JSON object."""
        return cls.of(typed.loads(text))

    def plain(self) -> dict[str, Any]:
        """Return the settings as JSON values, without fields that have their default."""
        found: dict[str, Any] = typed.plain(self)
        return found
