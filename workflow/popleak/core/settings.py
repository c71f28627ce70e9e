"""The base of every settings model: unknown keys are errors, values cannot change after they were read."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

MOST = 2**53
"""Beyond this, readers that use floats cannot distinguish neighbouring whole numbers."""
NUMBER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:[eE][-+]?[0-9]{1,3})?", re.ASCII)


class Settings(BaseModel):
    """Base of all settings. `resolved()` is the JSON form, defaults filled in, that a digest is taken of.

    Where a setting has no effect beside the values of others, name it in `unused`: a change of it then re-runs nothing.
    Where a number is meant, true and false are refused, which Python counts as 1 and 0. Text is a number where it is written
    as one: `--config` on Snakemake's command line gives all values below the top level as text, and YAML reads 1e-3 for text.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _numbers(cls, value: Any, info: ValidationInfo) -> Any:
        return _numbered(value, _kinds(cls, info.field_name))

    def unused(self) -> set[str]:
        """Return the names of settings that have no effect beside the others; `resolved()` leaves them out."""
        return set()

    def resolved(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude=self.unused())


class NoSettings(Settings):
    """A plugin without settings."""


@functools.cache
def _kinds(model: type[Settings], name: str) -> frozenset[type]:
    """Return the plain types of a field's values, those in lists among them; of literals, the types of their values."""

    def of(annotation: Any) -> set[type]:
        if get_origin(annotation) is Literal:
            return {type(one) for one in get_args(annotation) if not isinstance(one, str)}
        if annotation in (bool, int, float, str, Any):
            return {annotation}
        if get_origin(annotation) is dict:
            return set()
        return {kind for one in get_args(annotation) for kind in of(one)}

    return frozenset(of(model.model_fields[name].annotation))


def _numbered(value: Any, kinds: frozenset[type]) -> Any:
    """Return `value` with text that is a number as a number. Raises ValueError for what only looks like one."""
    if not kinds & {int, float} or kinds & {str, Any}:
        return value
    if isinstance(value, (list, tuple)):
        return type(value)(_numbered(one, kinds) for one in value) if type(value) in (list, tuple) else value
    if isinstance(value, bool) and bool not in kinds:
        raise ValueError(f"{str(value).lower()} is not a number: write one")
    if isinstance(value, int) and float not in kinds and abs(value) > MOST:
        raise ValueError(f"no number here may be larger than {MOST:,}")
    return _of_text(value) if isinstance(value, str) else value


def _of_text(text: str) -> int | float | str:
    """Return a text that is a number as a number, another as it is. Raises ValueError for what Python alone takes for a number."""
    if NUMBER.fullmatch(text):
        found = float(text)
        return int(text) if text.lstrip("+-").isdigit() and abs(found) <= MOST else found
    if _is_float(text):
        raise ValueError("a number is written with digits, a point and an exponent: 10, 0.5, 1.0e-3")
    return text


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def canonical(value: Any) -> str:
    """Return `value` as JSON with sorted keys and no spaces: equal meaning, equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Any, length: int = 12) -> str:
    """Return the first `length` hex digits of the SHA-256 of `canonical(value)`."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:length]
