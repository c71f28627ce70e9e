"""A paper's claims, read from its file: one that comes with the package, or a user's own."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..core import plugins, typed
from ..core.errors import PopleakError
from ..steps import papers
from ..steps.papers import Paper
from . import reading
from .messages import near, shown

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
            f"paper: {shown(name)} is none of {', '.join(names())}{near(name, names())}: choose one, or name a file of claims that ends "
            "in .yaml"
        )
    path = Path(name) if own else FOLDER / f"{name}.yaml"
    try:
        changed = path.stat().st_mtime_ns
    except (OSError, ValueError) as error:  # ValueError: a NUL, or half a character
        said = error.strerror if isinstance(error, OSError) else error
        raise PopleakError(f"paper: {shown(name)}: cannot be read ({said}): name an existing file") from None
    return _load(path, changed)


@functools.lru_cache(maxsize=8)
def _load(path: Path, changed: int) -> Paper:
    raw = reading.read(path)
    paper = papers.check(_spelt(typed.read(Paper, raw, f"{path}: the claims", HINT)), str(path))
    for problem in _unknown(paper):
        raise PopleakError(f"{path}: {problem}")
    return paper


def _spelt(paper: Paper) -> Paper:
    """Return the paper with plugins' names as the plugins spell them: as in a config, `acs_income` is `acs-income`."""

    def spelt(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name.replace("_", "-") for name in names)

    claims = (replace(one, datasets=spelt(one.datasets), defences=spelt(one.defences)) for one in paper.claims)
    return replace(paper, statistic=paper.statistic.replace("_", "-"), claims=tuple(claims))


def _unknown(paper: Paper) -> Iterator[str]:
    """Yield a line for each name that no plugin has, those of other distributions among them: a claim on it would never be judged."""
    named = [("attacks", "statistic", paper.statistic)] if paper.statistic else []
    for claim in paper.claims:
        named += [("datasets", f"claim {claim.id}: datasets", name) for name in claim.datasets]
        named += [("defences", f"claim {claim.id}: defences", name) for name in claim.defences]
    for kind, where, name in named:
        known = plugins.names(kind)
        if name not in known:
            yield f"{where}: no {kind[:-1]} {shown(name)}{near(name, known)}: `popleak list {kind}` names them"
    for claim in paper.claims:
        for name in claim.defences if claim.kind == "less-than-control" else ():
            if (found := plugins.find("defences", name)) is not None and found.control is None:
                yield f"claim {claim.id}: defences: {name} has no control, so it cannot be compared with one: leave it out"
