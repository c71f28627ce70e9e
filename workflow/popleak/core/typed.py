"""Frozen dataclasses written as JSON and read back: what the plan tells a job, checked on both sides.

A field with a default is left out of the JSON where it has that value, so that a new optional field changes no digest
of what does not use it. Reading is strict: a key that is missing or unknown, or a value of another type, is refused by
its path. Understood are str, int, float, bool, None, `Literal`, tuples, `Mapping` with string keys, `Any`, unions of
these, other such dataclasses, and the pydantic models of `core.settings`.

The standard library alone: pydantic would cost 90 ms in each job of the stages that do not load it otherwise.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from .errors import PopleakError

T = TypeVar("T")
HINT = "`snakemake -n -p` shows the whole command of each step"
_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false", type(None): "null"}


class _Mismatch(Exception):
    """A value that is not what its type says: the path of keys to it, and what is wrong."""

    def __init__(self, path: tuple[str, ...], problem: str) -> None:
        super().__init__(problem)
        self.path, self.problem = path, problem


def plain(value: Any) -> Any:
    """Return a typed object as JSON values: dataclasses as dicts without the fields that have their default, tuples as lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        there = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        unset = _defaults(type(value))
        return {name: plain(one) for name, one in there.items() if name not in unset or one != unset[name]}
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value.resolved() if hasattr(value, "resolved") else value


def read(kind: type[T], value: Any, what: str, hint: str = HINT) -> T:
    """Return JSON values as an instance of the dataclass `kind`. what: what is read, hint: the remedy, both for messages.

    Raises PopleakError that names the key.
    """
    try:
        found: T = _object(kind, value, ())
    except _Mismatch as error:
        raise PopleakError(f"{what} {error.problem}: {hint}") from None
    return found


def loads(text: str) -> dict[str, Any]:
    """Return the JSON object in a text. Raises PopleakError where it is none, or has a key twice or a number that is not finite."""
    try:
        found = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise PopleakError(
            f"not valid JSON ({error}): {_start(text)}: give an object, as in '{{\"seed\": 1}}'"
        ) from None
    if not isinstance(found, dict):
        raise PopleakError(f"not a JSON object: {_start(text)}: give one, as in '{{\"seed\": 1}}'")
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for i, (key, _) in enumerate(pairs) if any(key == other for other, _ in pairs[:i]))
        raise ValueError(f"the key {twice!r} appears twice")
    return found


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is not a number in JSON")


def _start(text: str) -> str:
    return repr(text if len(text) < 40 else f"{text[:37]}...")


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    """Return the types of a dataclass's fields, by name."""
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


@functools.cache
def _defaults(kind: type) -> dict[str, Any]:
    """Return the defaults of the fields that have one, by name."""
    found = {}
    for field in dataclasses.fields(kind):
        if field.default is not dataclasses.MISSING:
            found[field.name] = field.default
        elif field.default_factory is not dataclasses.MISSING:
            found[field.name] = field.default_factory()
    return found


def _object(kind: type, value: Any, path: tuple[str, ...]) -> Any:
    if not isinstance(value, Mapping):
        raise _wrong(path, value, "an object")
    hints, unset = _hints(kind), _defaults(kind)
    for key in value:
        if key not in hints:
            named, allowed = ".".join((*path, str(key))), ", ".join(hints)
            raise _Mismatch(path, f"have an unknown key {named!r}: allowed here: {allowed or 'none'}")
    for key in hints:
        if key not in value and key not in unset:
            raise _Mismatch(path, f"lack the key {'.'.join((*path, key))!r}")
    return kind(**{key: _value(hints[key], one, (*path, key)) for key, one in value.items()})


def _value(kind: Any, value: Any, path: tuple[str, ...]) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        return _one_of(inner, value, path)
    if origin is Literal:
        return _literal(inner, value, path)
    if origin is tuple:
        return _tuple(inner, value, path)
    if origin is not None and issubclass(origin, Mapping):
        return _mapping(inner, value, path)
    if dataclasses.is_dataclass(kind):
        return _object(typing.cast(type, kind), value, path)
    if hasattr(kind, "model_validate"):
        return _model(kind, value, path)
    return _scalar(kind, value, path)


def _scalar(kind: Any, value: Any, path: tuple[str, ...]) -> Any:
    """Return a value of a type in `_WORDS`. A whole number is a float too; a float must be finite."""
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind or (kind is float and not math.isfinite(value)):
        raise _wrong(path, value, _WORDS[kind])
    return value


def _literal(allowed: tuple[Any, ...], value: Any, path: tuple[str, ...]) -> Any:
    if not any(value == one and type(value) is type(one) for one in allowed):
        raise _wrong(path, value, f"one of {', '.join(map(str, allowed))}")
    return value


def _mapping(kinds: tuple[Any, ...], value: Any, path: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _wrong(path, value, "an object")
    return {_value(kinds[0], key, path): _value(kinds[1], one, (*path, key)) for key, one in value.items()}


def _one_of(kinds: tuple[Any, ...], value: Any, path: tuple[str, ...]) -> Any:
    """Return the value as the first of some types that takes it. Of several that do not, the last one that is not None says why."""
    reason = None
    for kind in kinds:
        try:
            return _value(kind, value, path)
        except _Mismatch as error:
            if kind is not type(None):
                reason = error
    raise reason or _wrong(path, value, "null")


def _tuple(inner: tuple[Any, ...], value: Any, path: tuple[str, ...]) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise _wrong(path, value, "a list")
    kinds = [inner[0]] * len(value) if inner[-1] is Ellipsis else list(inner)
    if len(kinds) != len(value):
        raise _wrong(path, value, f"a list of {len(kinds)}")
    return tuple(_value(kind, one, (*path, str(i))) for i, (kind, one) in enumerate(zip(kinds, value, strict=True)))


def _model(kind: Any, value: Any, path: tuple[str, ...]) -> Any:
    """Return the value as a pydantic model, which is loaded where one is used."""
    from pydantic import ValidationError

    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join((*path, *map(str, first["loc"])))
        raise _Mismatch(path, f"have a wrong value at {place!r}: {first['msg'].lower()}") from None


def _wrong(path: tuple[str, ...], value: Any, wanted: str) -> _Mismatch:
    shown = json.dumps(value, default=str)
    shown = shown if len(shown) < 40 else f"{shown[:37]}..."
    if not path:
        return _Mismatch(path, f"are {shown}, not {wanted}")
    return _Mismatch(path, f"have {shown} for the key {'.'.join(path)!r}, not {wanted}")
