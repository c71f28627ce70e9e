"""Where the workflow is that belongs to this package: the checkout around it, or the copy that an installed wheel holds.

The build (`setup.py`) reads this file by its path, so it imports nothing but the standard library.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

PARTS = (
    "Snakefile",
    "config.yaml",
    "workflow/Snakefile",
    "workflow/experiments",
    "workflow/profiles",
    "workflow/report",
    "workflow/rules",
    "workflow/schemas",
)
"""Files and folders of a checkout that a run needs beside the package. A wheel holds them below `INSIDE`, under the same names."""
INSIDE = "_workflow"
PROFILES = "profiles"
"""A link in a checkout: Snakemake looks for profiles there, and so do the scripts that a profile names."""


def root(package: Path = Path(__file__).parents[1]) -> Path:
    """Return the folder that holds `PARTS`; package: the folder of the package."""
    inside = package / INSIDE
    return inside if inside.is_dir() else package.parents[1]


def files(origin: Path) -> Iterator[Path]:
    """Yield the files of `PARTS` below `origin`, relative to it, sorted within each part."""
    for part in PARTS:
        place = origin / part
        found = sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
        yield from (path.relative_to(origin) for path in found)


def copy(origin: Path, folder: Path) -> int:
    """Copy `PARTS` of `origin` into `folder`, with their permissions; return the number of files."""
    count = 0
    for path in files(origin):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(origin / path, target)
        count += 1
    return count


def bases() -> list[Path]:
    """Return the files that a config starts from, each laid over the one before, as Snakemake reads them.

    In a folder with a workflow of its own (a checkout, a copy of it, a deployed workflow) that is its config alone. In any other folder
    it is the default experiment of this package, with a config.yaml that lies there over it.
    """
    own = [path for path in (Path("config.yaml"), Path("config/config.yaml")) if path.is_file()][:1]
    if has_workflow() and own:
        return own
    return [root() / "config.yaml", *own]


def has_workflow() -> bool:
    """Return whether the current folder has a workflow of its own, which `snakemake` finds."""
    return any(Path(name).is_file() for name in ("Snakefile", "workflow/Snakefile"))


def experiments() -> list[Path]:
    """Return the experiments that are at hand: those of the current folder's workflow, else those of this package."""
    origin = Path() if has_workflow() else root()
    return sorted((origin / "workflow" / "experiments").glob("*.yaml"))


def overlay(path: Path) -> Path:
    """Return the file that `--configfile` means: `path`, or if there is none, the package's experiment of that name (`smoke`, `smoke.yaml`)."""
    known = {one.stem: one for one in experiments()}
    named = path.suffix in ("", ".yaml") and path.parent in (Path(), Path("workflow/experiments"))
    return path if path.exists() or not named else known.get(path.stem, path)
