"""The ground plan: which room may import which, and no circle of modules. `python tests/core/test_rooms.py` prints it."""

from __future__ import annotations

import graphlib
import re
from collections import Counter
from pathlib import Path

from popleak.core import provenance

PACKAGE = Path(provenance.__file__).parents[1]
LEVELS = (
    ("core",),
    ("measures", "engine"),
    ("steps",),
    ("config", "store", "models"),
    ("datasets", "defences", "attacks"),
    ("questions",),
    ("plan", "threat", "tables", "figures"),
    ("report",),
    ("stages",),
    ("audit", "search", "testing"),
    ("cli",),
)
"""Rooms from the ground up: a room imports those below it, never one beside it or above."""
DOORS = ("__init__", "__main__", "contracts", "errors", "seeds", "settings")
"""Modules of the package itself: its version, the command, and old names that point to where things are now."""


def modules() -> list[str]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return found


def arrows() -> dict[str, set[str]]:
    """Return the modules that each module of the package imports, anywhere in it."""
    known = set(modules())
    return {name: (provenance._imported(name) & known) - {name} for name in known}


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def between_rooms() -> Counter[tuple[str, str]]:
    """Count the imports from one room in another."""
    found = ((room(one), room(other)) for one, others in arrows().items() for other in others)
    return Counter((one, other) for one, other in found if one != other and not {one, other} & set(DOORS))


def test_every_module_has_a_room():
    rooms = {name for level in LEVELS for name in level}
    assert {room(name) for name in modules()} == rooms | set(DOORS)


def test_the_map_shows_these_levels():
    """docs/architecture.md, a row or several a level."""
    page = (PACKAGE.parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
    told = [
        (room, int(level))
        for level, names in re.findall(r"(?m)^\| (\d+) \| (`.*?`) \|", page)
        for room in re.findall("`(.*?)`", names)
    ]
    assert sorted(told) == sorted((room, i) for i, level in enumerate(LEVELS, start=1) for room in level)


def test_no_arrow_points_upwards():
    height = {name: i for i, level in enumerate(LEVELS) for name in level}
    wrong = [f"{one} -> {other}" for one, other in between_rooms() if height[other] >= height[one]]
    assert not wrong


def test_no_circle():
    """A package's own module runs before what is in it, and is no circle if it asks for one of them."""
    graph = {one: {other for other in others if not one.startswith(f"{other}.")} for one, others in arrows().items()}
    list(graphlib.TopologicalSorter(graph).static_order())


if __name__ == "__main__":
    for level in LEVELS:
        for one in level:
            told = sorted((other, many) for (who, other), many in between_rooms().items() if who == one)
            files = sum(room(name) == one for name in modules())
            print(f"{one} ({files} modules) -> {', '.join(f'{other} {many}' for other, many in told) or 'nothing'}")
    print(f"{len(modules())} modules, {sum(map(len, arrows().values()))} imports between them")
