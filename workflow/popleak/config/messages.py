"""A pydantic error as one line: the key's path, the value, what is allowed."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterator
from datetime import date
from typing import Any, get_args

from pydantic import ValidationError

from ..core.settings import Settings

LONGEST = 80
_SHORT = (
    reprlib.Repr()
)  # of a value that is far larger than it looks, such as a list of lists of lists, only the beginning
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 2 * LONGEST


def near(name: Any, allowed: tuple[str, ...] | list[str]) -> str:
    """Return the one of `allowed` that was probably meant, in brackets; capitals do not count."""
    small = {one.casefold(): one for one in allowed}
    near = difflib.get_close_matches(str(name).casefold(), list(small), 1)
    return f" (did you mean {small[near[0]]!r}?)" if near else ""


def real(error: ValidationError) -> list[Any]:
    """Return the errors that help: a list whose items fail is also called too short, of which the items' own errors say more."""
    found = error.errors()
    return [one for one in found if one["type"] != "too_short" or one["input"] in ((), [])] or found


def line(error: ValidationError, model: type[Settings], prefix: str) -> str:
    """Return a config's error. prefix: where the model stands in the config."""
    place, text = said(error, model)
    path = ".".join(part for part in (prefix, place) if part) or "(top level)"
    return f"config: {path}: {text}"


def said(error: ValidationError, model: type[Settings]) -> tuple[str, str]:
    """Return where an error is, as a path of keys, and what it is. model: what was read, or what the items of a list are that was read."""
    first, *rest = real(error)
    if first["type"] == "extra_forbidden":
        allowed = fields(model, first["loc"][:-1])
        key = first["loc"][-1]
        text = f"unknown key{_place(key, model) or near(key, allowed)}: allowed here: {', '.join(allowed)}"
    elif first["type"] == "missing":
        text = "missing: give it a value"
    elif first["type"] in ("model_type", "model_attributes_type"):
        text = f"has keys of its own (found {shown(first['input'])}): allowed here: {', '.join(fields(model, first['loc']))}"
    else:
        message = first["msg"].removeprefix("Value error, ")
        text = f"{message[0].lower()}{message[1:]} (found {shown(first['input'])}){_remedy(first)}"
    place = ".".join(str(part) for part in first["loc"])
    return place, text + (f" [and {len(rest)} more]" if rest else "")


def shown(value: Any) -> str:
    """Return a value as it stands in a config, shortened."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (float, date)):
        return str(value)
    text = _SHORT.repr(value)
    return text if len(text) < LONGEST else text[: LONGEST - 3] + "..."


def _remedy(error: Any) -> str:
    value = error["input"]
    if error["type"] == "string_type" and isinstance(value, (bool, int, float, date)):
        return ": quote it if it is text"
    if value is None:
        return ": give it a value, or leave the key out"
    return ""


def _place(key: Any, model: type[Settings]) -> str:
    """Return where a key belongs that stands at the wrong level, or is written as a path."""
    *above, last = str(key).replace(":", ".").replace("/", ".").split(".")
    for group, inside in _groups(model):
        if last in inside.model_fields and (above in ([], [group])) and (above or last not in model.model_fields):
            return f" (it belongs to {group!r}; on the command line: --config '{group}={{{last}: ...}}')"
    return ""


def _groups(model: type[Settings]) -> Iterator[tuple[str, type[Settings]]]:
    """Yield the keys of `model` that hold keys, and not a list, with what they hold."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Settings):
            yield name, field.annotation


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
