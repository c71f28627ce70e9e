"""The base of every settings model: unknown keys are errors, values cannot change after they were read."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Base of all settings. `resolved()` is the JSON form, defaults filled in, that a digest is taken of.

    Where a setting has no effect beside the values of others, name it in `unused`: a change of it then re-runs nothing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)

    def unused(self) -> set[str]:
        """Return the names of settings that have no effect beside the others; `resolved()` leaves them out."""
        return set()

    def resolved(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude=self.unused())


class NoSettings(Settings):
    """A plugin without settings."""


def canonical(value: Any) -> str:
    """Return `value` as JSON with sorted keys and no spaces: equal meaning, equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Any, length: int = 12) -> str:
    """Return the first `length` hex digits of the SHA-256 of `canonical(value)`."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:length]
