"""The command `new`: writes a plugin that works and its test, from the templates beside this file."""

from __future__ import annotations

import argparse
import keyword
import re
from pathlib import Path
from typing import NamedTuple

from ..core import atomic, plugins
from ..core.errors import PopleakError

KINDS = {
    "attack": "attacks", "defence": "defences", "dataset": "datasets", "model": "models", "question": "questions", "figure": "figures",
    "access": "access",
}  # fmt: skip
"""Kinds of plugins as the command names them, and as their folders and entry points are named."""
TEMPLATES = Path(__file__).with_name("templates")
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class Place(NamedTuple):
    """Where a plugin and its test go, and the name of the plugin's module."""

    plugin: Path
    test: Path
    module: str


def add(commands) -> None:
    """Add the command to a parser's subparsers."""
    parser = commands.add_parser(
        "new", help="write a plugin that works, and its test, to begin with: an attack, a defence, a dataset ..."
    )
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("name", help="name of the plugin: lower case, words joined by hyphens")
    parser.add_argument(
        "--folder",
        type=Path,
        help="folder for both files; by default the package and its tests in a checkout, elsewhere this folder",
    )
    parser.set_defaults(run=_new)


def _new(arguments: argparse.Namespace) -> None:
    print(write(arguments.kind, arguments.name, arguments.folder))


def write(kind: str, name: str, folder: Path | None = None) -> str:
    """Write a plugin and its test; return what to do next.

    Raises PopleakError for a name that no plugin may have or that one has, and where one of the files exists. Then nothing is written.
    """
    group = KINDS[kind]
    _check(group, name)
    place = _place(group, name, folder)
    for path in (place.plugin, place.test):
        if path.exists():
            raise PopleakError(f"{path}: exists and is kept: choose another name, or remove it")
    atomic.write(place.plugin, _filled(f"{kind}.txt", name, place.module).encode())
    atomic.write(place.test, _filled(f"{kind}.test.txt", name, place.module).encode())
    lines = [f"{place.plugin}", f"{place.test}", f"Check it: python -m pytest {place.test}"]
    if "." not in place.module:
        lines += [
            "Make it known, in the pyproject.toml of your package, and install that:",
            f'[project.entry-points."popleak.{group}"]',
            f'{name} = "{place.module}:PLUGIN"',
        ]
    return "\n".join(lines)


def _check(group: str, name: str) -> None:
    module = name.replace("-", "_")
    if not NAME.fullmatch(name):
        plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789")
        raise PopleakError(
            f"{name!r} is no name of a plugin: lower case, words joined by hyphens, for example {plain or 'mine'!r}"
        )
    if keyword.iskeyword(module) or module == "base" or module.startswith("test_"):
        raise PopleakError(f"{name!r} cannot be the name of a plugin's file: choose another")
    if name in plugins.names(group):
        raise PopleakError(f"{name!r} is the name of a plugin that exists (`popleak list {group}`): choose another")


def _place(group: str, name: str, folder: Path | None) -> Place:
    module = name.replace("-", "_")
    if folder is None and Path("workflow/popleak/core/plugins.py").is_file():
        package = plugins.PACKAGES.get(group, f"popleak.{group}")
        parts = package.split(".")
        tests = Path("tests", parts[1], f"test_{module}.py")
        return Place(Path("workflow", *parts, f"{module}.py"), tests, f"{package}.{module}")
    folder = Path() if folder is None else folder
    return Place(folder / f"{module}.py", folder / f"test_{module}.py", module)


def _filled(template: str, name: str, module: str) -> str:
    text = (TEMPLATES / template).read_text(encoding="utf-8")
    title = "".join(word.capitalize() for word in name.split("-"))
    return text.replace("MODULE", module).replace("my-plugin", name).replace("MyPlugin", title)
