"""Stage `report`: combines public tables, figures and the cards of datasets into one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import __version__
from ..core import trouble
from ..core.errors import PopleakError
from ..core.provenance import commit
from ..report import build
from ..report.cards import MADE
from ..steps.report import ReportStep
from ..store import parquet as store


def run(
    *,
    settings: ReportStep,
    tables: Mapping[str, Path],
    figures: Sequence[Path] = (),
    cards: Sequence[Path] = (),
    output: Path,
    step: str,
    code: str,
) -> None:
    """Write the page. figures: PNGs, in the order of the settings; cards: files of the stage `dataset`.

    Raises PopleakError if a table is missing, or if the tables are not from one run.
    """
    build.write(
        experiment=settings.experiment,
        tables=tables,
        figures=trouble.paired(settings.figures, figures, "figures"),
        absent=settings.absent,
        cautions=settings.cautions,
        cards=[_card(path) for path in cards],
        versions=store.facts(tables["models"])["versions"] if "models" in tables else {},
        paper=settings.paper,
        controls=settings.controls,
        kinds=settings.kinds,
        downloads=settings.downloads,
        made=_made(step, code),
        output=output,
    )


def _made(step: str, code: str) -> dict[str, str]:
    """Return what made the page. The commit is not in the step's id: the digest of the code decides what is current."""
    return {
        "Step of this page": step,
        "Code digest of this page": code,
        "popleak": __version__,
        "Last commit of the package": commit() or "unknown: the package is not part of a checkout of git",
    }


def _card(path: Path) -> dict[str, Any]:
    facts = store.facts(path)
    if facts.get("stage") != "dataset":
        raise PopleakError(f"{path}: not a file of the stage `dataset`: pass those files to --cards")
    settings = facts["settings"]
    made = {name: settings.get(name) for name in ("dataset", *MADE)}
    return {**facts["card"], **facts["facts"], **made}
