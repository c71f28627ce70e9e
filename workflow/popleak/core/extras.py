"""Packages that popleak installs on request alone (`pip install 'popleak[torch]'`), and what is said where one is missing."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from .errors import PopleakError

P = ParamSpec("P")
R = TypeVar("R")
OF = {"opacus": "torch", "optuna": "search", "skimage": "images", "torch": "torch"}
"""The extra in pyproject.toml that installs a module."""


@functools.cache
def lacks(module: str) -> bool:
    """Return whether a module is not installed, without importing it."""
    return importlib.util.find_spec(module) is None


def remedy(module: str) -> str:
    """Return in one line that a module is missing, and how to get it."""
    wanted = f"'popleak[{OF[module]}]'" if module in OF else module
    return f"{module} is not installed: pip install {wanted}"


def check(plugin: Any, path: str) -> None:
    """Raise PopleakError that names the config's key where a module is missing that a plugin lists in `requires`."""
    for module in getattr(plugin, "requires", ()):
        if lacks(module):
            raise PopleakError(
                f"config: {path}: {plugin.name!r} needs what is missing: {remedy(module)}, or choose another"
            )


def line(error: ModuleNotFoundError) -> str | None:
    """Return what to say of a failed import, None if no extra has the module: then it is a mistake of ours."""
    top = (error.name or "").partition(".")[0]
    return remedy(top) if top in OF else None


def told(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function with a failed import of what an extra installs raised as PopleakError."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except ModuleNotFoundError as error:
            said = line(error)
            if said is None:
                raise
            raise PopleakError(said) from error

    return wrapped
