"""Find plugins by name: one file each in this package, or an entry point of another distribution.

`attacks/kl.py` is the attack `kl`; `defences/fft_rehearsal.py` is the defence `fft-rehearsal`. The file's
`PLUGIN` is an instance of the kind's base class. A third party registers `name = "package.module:PLUGIN"` under the
entry point group `popleak.attacks` (`popleak.datasets`, ...), and needs no fork.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import importlib.util
import pkgutil
from typing import Any

from . import accounting
from .errors import PopleakError

KINDS = ("datasets", "models", "defences", "attacks", "questions", "access", "figures")
PACKAGES = {"access": "popleak.threat.access"}
"""Where plugins of a kind are that has no room of its own."""


@functools.cache
def modules(kind: str) -> dict[str, str]:
    """Map each plugin's name to the module that holds it, without importing any."""
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {KINDS}, not {kind!r}")
    package = PACKAGES.get(kind, f"popleak.{kind}")
    spec = importlib.util.find_spec(package)
    places = spec.submodule_search_locations if spec is not None else None
    found = {
        info.name.replace("_", "-"): f"{package}.{info.name}"
        for info in pkgutil.iter_modules(places or [])
        if not info.name.startswith("_") and info.name != "base"
    }
    for point in importlib.metadata.entry_points(group=f"popleak.{kind}"):
        if point.name in found:
            raise PopleakError(
                f"entry point popleak.{kind}: {point.name!r} ({point.value}) takes the name of a plugin that exists: rename it"
            )
        found[point.name] = point.module
    return dict(sorted(found.items()))


def names(kind: str) -> tuple[str, ...]:
    """Return the sorted names of all plugins of `kind`."""
    return tuple(modules(kind))


@functools.cache
@accounting.part("start")
def load(kind: str, name: str) -> Any:
    """Return the plugin `name`. Raises PopleakError with the allowed names if there is none."""
    known = modules(kind)
    if name not in known:
        raise PopleakError(f"{kind}: {name!r} is unknown: choose from {', '.join(known)}")
    try:
        plugin = importlib.import_module(known[name]).PLUGIN
    except PopleakError:
        raise
    except Exception as error:  # whatever a stranger's file raises where it is read: names that are not there, syntax
        what = "" if isinstance(error, (ImportError, AttributeError)) else f"{type(error).__name__}: "
        raise PopleakError(f"{kind}: {name!r} ({known[name]}) cannot be loaded: {what}{error}") from error
    if plugin.name != name:
        raise PopleakError(
            f"{kind}: {known[name]} calls itself {plugin.name!r} but is registered as {name!r}: make them equal"
        )
    return plugin


def find(kind: str, name: str) -> Any:
    """Return the plugin `name`, None if there is none: for words read from a table that another installation made."""
    return load(kind, name) if name in modules(kind) else None


def protocols() -> dict[str, Any]:
    """Map each protocol, a word of `worlds` in a config, to the question that is asked in such worlds."""
    found: dict[str, Any] = {}
    for name in names("questions"):
        for protocol in load("questions", name).protocols:
            if protocol in found:
                raise PopleakError(
                    f"questions: {found[protocol].name!r} and {name!r} both have the protocol {protocol!r}: rename one"
                )
            found[protocol] = load("questions", name)
    return found


def question(protocol: str) -> Any:
    """Return the question that is asked in worlds of a protocol. Raises PopleakError with the known protocols if there is none."""
    known = protocols()
    if protocol not in known:
        raise PopleakError(f"protocol {protocol!r} is unknown: choose from {', '.join(sorted(known))}")
    return known[protocol]
