"""Checks of any plugin."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import subprocess
import sys
from typing import Any

import pydantic

from ..core.settings import Settings

HEAVY = ("torch", "pandas", "scipy", "sklearn", "pyarrow", "numba", "opacus", "matplotlib")


def check_names(plugin: Any) -> None:
    """Name, summary and, where the plugin has some, settings are those that lists, tables and the config need."""
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]*", plugin.name), f"name {plugin.name!r} must be lower case with hyphens"
    assert plugin.summary and "\n" not in plugin.summary, "summary must be one line"
    if not hasattr(plugin, "Settings"):
        return
    assert issubclass(plugin.Settings, Settings), "Settings must derive from popleak.core.settings.Settings"
    plugin.Settings().resolved()
    for name, field in plugin.Settings.model_fields.items():
        assert field.description, f"setting {name} needs a docstring"
    try:
        plugin.Settings.model_validate({"no_such_setting": 1})
    except pydantic.ValidationError:
        return
    raise AssertionError("Settings must refuse unknown keys")


FRESH = """
import importlib.util, sys
name, file, heavy = sys.argv[1], sys.argv[2], sys.argv[3:]
try:
    spec = importlib.util.find_spec(name)
except ModuleNotFoundError:  # of its package
    spec = None
spec = spec or importlib.util.spec_from_file_location(name.rpartition(".")[2], file)
module = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = module
spec.loader.exec_module(module)
print(*[one for one in heavy if one in sys.modules])
"""
"""Imports a module by its name or, where it has one that only the running interpreter knows, as test runners give, from its file."""


@functools.cache
def heavy_imports(module: str, file: str) -> tuple[str, ...]:
    """Return which of HEAVY a fresh interpreter has loaded after importing `module`, which is in `file`."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    words = [sys.executable, "-c", FRESH, module, file, *HEAVY]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{module} cannot be imported: {done.stderr.strip()[-500:]}"
    return tuple(done.stdout.split())


def check_imports(plugin: object) -> None:
    """Importing the plugin's file loads nothing heavy: the plan reads every plugin each time it is made."""
    module = type(plugin).__module__
    spec = None if module == "__main__" else importlib.util.find_spec(module)
    if spec is not None:  # a script has none to be found
        heavy = heavy_imports(module, spec.origin or "")
        assert not heavy, f"{module} imports {', '.join(heavy)} at its top: import inside the functions that need it"
