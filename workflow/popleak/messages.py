"""A pydantic error as one line: the key's path, the value, what is allowed."""

from __future__ import annotations

import difflib
import math
from typing import Any, get_args

from pydantic import ValidationError

from .settings import Settings


def near(name: Any, allowed: tuple[str, ...] | list[str]) -> str:
    near = difflib.get_close_matches(str(name), list(allowed), 1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def line(error: ValidationError, model: type[Settings], prefix: str) -> str:
    found = error.errors()
    # a list whose items fail is also called too short: only the items' own errors help
    real = [one for one in found if one["type"] != "too_short" or one["input"] in ((), [])] or found
    first, rest = real[0], len(real) - 1
    path = ".".join([*([prefix] if prefix else []), *(str(part) for part in first["loc"])]) or "(top level)"
    value = first["input"]
    if first["type"] == "extra_forbidden":
        allowed = fields(model, first["loc"][:-1])
        text = f"unknown key{near(first['loc'][-1], allowed)}: allowed here: {', '.join(allowed)}"
    elif first["type"] == "missing":
        text = "missing: give it a value"
    else:
        message = first["msg"].removeprefix("Value error, ")
        shown = repr(value) if not isinstance(value, float) or math.isfinite(value) else str(value)
        text = f"{message[0].lower()}{message[1:]} (found {shown if len(shown) < 80 else shown[:77] + '...'})"
    return f"config: {path}: {text}" + (f" [and {rest} more]" if rest else "")


def fields(model: type[Settings], loc: tuple[Any, ...]) -> list[str]:
    """Return the keys allowed at `loc`, by walking the models' annotations."""
    here: Any = model
    for part in loc:
        if isinstance(part, int):
            continue
        here = (
            inner(here.model_fields[part].annotation)
            if hasattr(here, "model_fields") and part in here.model_fields
            else here
        )
    return sorted(here.model_fields) if hasattr(here, "model_fields") else []


def inner(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return annotation
    for argument in get_args(annotation):
        found = inner(argument)
        if found is not None:
            return found
    return None
