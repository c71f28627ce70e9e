"""A paper's claims, read from its file: one that comes with the package, or a user's own."""

from __future__ import annotations

import functools
from pathlib import Path

from ..core import plugins, typed
from ..core.errors import PopleakError
from ..steps import papers
from ..steps.papers import Paper
from . import reading

FOLDER = Path(__file__).parent.parent / "papers"
ENDINGS = (".yaml", ".yml", ".json")
HINT = f"see the file of a paper in {FOLDER} for an example"


def names() -> list[str]:
    """Return the papers that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name: str) -> Paper:
    """Return the paper of this name, or of this file if the name ends in .yaml, .yml or .json.

    Raises PopleakError that names the file, the claim and what is wrong with it.
    """
    own = name.endswith(ENDINGS)
    if not own and name not in names():
        raise PopleakError(
            f"paper: {name!r} is none of {', '.join(names())}: choose one, or name a file of claims that ends in .yaml"
        )
    path = Path(name) if own else FOLDER / f"{name}.yaml"
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        raise PopleakError(f"paper: {path}: cannot be read ({error.strerror}): name an existing file") from None
    return _load(path, changed)


@functools.lru_cache(maxsize=8)
def _load(path: Path, changed: int) -> Paper:
    raw = reading.read(path)
    paper = papers.check(typed.read(Paper, raw, f"{path}: the claims", HINT), str(path))
    if paper.statistic and plugins.find("attacks", paper.statistic) is None:
        raise PopleakError(f"{path}: statistic: no attack {paper.statistic!r}: `popleak list attacks` names them")
    return paper
