"""What entries of a config have in common: ids, numbers that may be `auto`, and plugins with their settings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema, WrapValidator

from ..core.settings import Settings

MISTAKEN = frozenset(("na", "nan", "null", "true", "false", "inf", "infinity"))
"""Words that readers of CSV take for a missing value, a truth value or a number."""
DEVICES = frozenset(("con", "prn", "aux", "nul", *(f"{port}{i}" for port in ("com", "lpt") for i in range(1, 10))))
"""Names that no file may have on Windows, whereto results may be copied."""


def usable(name: str) -> str:
    """Return an id that is read back from tables and file names as it is. Raises ValueError for any other."""
    if name in MISTAKEN or re.fullmatch(r"[0-9]+(e[0-9]+)?", name):
        raise ValueError(
            f"{name!r} is not a valid id: readers of a table would take it for a number or a missing value: write id-{name}"
        )
    if name in DEVICES:
        raise ValueError(f"{name!r} is not a valid id: Windows does not allow a file of this name: write id-{name}")
    return name


LONGEST_ID = 40
Id = Annotated[str, Field(pattern=rf"^[a-z0-9][a-z0-9-]{{0,{LONGEST_ID - 1}}}$"), AfterValidator(usable)]


def _or_auto(least: int, most: int) -> Any:
    """Return the type of a number, or `auto`. No union, whose errors would name its parts and not the key."""
    return Annotated[
        int,
        Field(ge=least, le=most),
        WrapValidator(lambda value, number: value if value == "auto" else number(value)),
        PlainSerializer(lambda value: value),
        WithJsonSchema({"anyOf": [{"type": "integer", "minimum": least, "maximum": most}, {"const": "auto"}]}),
    ]


if TYPE_CHECKING:
    Rows = int | Literal["auto"]
    Placebos = int | Literal["auto"]
else:
    Rows = _or_auto(10, 10_000_000)
    Placebos = _or_auto(0, 1000)

Counts = tuple[Annotated[int, Field(ge=1, le=1_000_000)], ...]
Ratio = Annotated[float, Field(ge=0, le=1)]
RatioMode = Literal["natural", "label-balanced"]


class Choice(Settings):
    """A plugin with its settings. In YAML, a name without settings means the default settings."""

    name: str
    """Name of the plugin: see `popleak list models`, and likewise for defences, attacks and figures."""
    id: Id | None = None
    """Name in tables and figures; by default the plugin's name. Needed if a plugin is used twice."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """The plugin's own settings."""
    grid: dict[str, Annotated[tuple[Any, ...], Field(min_length=1)]] = Field(default_factory=dict)
    """Settings with several values each, in addition to `settings`: the choice stands for one plugin for every combination. An id is made of the
    name, or `id`, and the values: `fft-rehearsal-e10-r0p001-s0p5-w1` for epochs 10, learning_rate 0.001, rehearsal 0.5 and eo_weight 1; other
    settings appear with their full name. At most 200 combinations."""

    @property
    def key(self) -> str:
        return self.id or self.name.replace("_", "-")


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


Choices = Annotated[tuple[Annotated[Choice, BeforeValidator(_named)], ...], Field(min_length=1)]
Others = tuple[Annotated[Choice, BeforeValidator(_named)], ...]


def each_once(value: tuple) -> tuple:
    if len(set(value)) < len(value):
        raise ValueError("each value may appear once")
    return value
