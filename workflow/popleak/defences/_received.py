"""Settings of defences that train on rows of a generator: whose rows they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError, model_validator

from ..core import plugins
from ..core.settings import Settings as AnySettings


class ReceivedSettings(AnySettings):
    """A generator that was trained on S_0, and what its sharer does. Rows of it are drawn as the config's `samples` says."""

    generator: str = "tabular-diffusion"
    """The generator, a model that generates rows."""
    generator_settings: dict[str, Any] = {}
    """Its settings; its defaults for those left out."""
    sharer: str = "none"
    """What its sharer does against what the rows give away: a defence that applies to generators."""
    sharer_settings: dict[str, Any] = {}
    """Settings of the sharer's defence; its defaults for those left out."""

    def unused(self) -> set[str]:
        return super().unused() | ({"sharer_settings"} if self.sharer == "none" else set())

    @property
    def whose(self) -> tuple[tuple[str, dict[str, Any]], tuple[str, dict[str, Any]]]:
        """Names and settings of the generator and of what its sharer does."""
        return (self.generator, self.generator_settings), (self.sharer, self.sharer_settings)

    @model_validator(mode="before")
    @classmethod
    def _whose(cls, given: Any) -> Any:
        """Fill in the settings of both plugins. Raises ValueError for one that is not of its kind, or settings that it refuses."""
        if not isinstance(given, Mapping):
            return given
        filled: dict[str, Any] = {}
        for key, kind in (("generator", "models"), ("sharer", "defences")):
            name = str(given.get(key, cls.model_fields[key].default))
            if name not in able(kind):
                raise ValueError(f"{key}: {name!r} is none: choose from {', '.join(able(kind))}")
            try:
                settings = plugins.load(kind, name).Settings.model_validate(given.get(f"{key}_settings") or {})
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join([f"{key}_settings", *map(str, first["loc"])])
                raise ValueError(f"{where}: {first['msg']}") from None
            filled |= {key: name, f"{key}_settings": settings.resolved()}
        return {**given, **filled}


def able(kind: str) -> list[str]:
    """Return the models that generate, or the defences that apply to them."""
    of = {"models": "generates", "defences": "generators"}[kind]
    return [name for name in plugins.names(kind) if getattr(plugins.load(kind, name), of)]
