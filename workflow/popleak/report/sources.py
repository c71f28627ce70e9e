"""What a page says of where it comes from: the cards of its datasets, and what made it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import __version__
from ..core.errors import PopleakError
from ..core.provenance import commit
from ..steps.report import named
from ..store import parquet as store
from .cards import MADE


def dataset_of(path: Path) -> dict[str, Any]:
    """Return the metadata of a file of the stage `dataset`. Raises PopleakError for another one."""
    facts = store.facts(path)
    if facts.get("stage") != "dataset":
        raise PopleakError(f"{path}: not a file of the stage `dataset`: pass those files to --cards")
    return facts


def card_of(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the card that such metadata hold, with how the records were made of the dataset."""
    settings = facts["settings"]
    made = {name: settings.get(name) for name in ("dataset", *MADE)}
    made["options"] = {key: named(value) for key, value in (made["options"] or {}).items()}
    sheet = {"datasheet": facts.get("datasheet"), "digest": next(iter(facts.get("cards", ())), "")}
    return {**facts["card"], **facts["facts"], **made, **sheet}


def made_by(step: str, code: str) -> dict[str, str]:
    """Return what made a page. The commit is not in the step's id: the digest of the code decides what is current."""
    last = commit()
    return {
        "Step of this page": step,
        "Code digest of this page": code,
        "popleak": __version__,
        "Last commit of the package": str(last) if last else "unknown: the package is not part of a checkout of git",
    }
