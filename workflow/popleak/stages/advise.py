"""Stage `advise`: public tables and verdicts on placebos -> the page and the file by which an owner decides on a release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core import seeds
from ..measures import learnt
from ..report import advice
from ..report.sources import card_of, dataset_of, made_by
from ..steps.advise import AdviseStep, Asked
from ..store import records


def run(
    *,
    settings: AdviseStep,
    tables: Mapping[str, Path],
    cards: Sequence[Path] = (),
    placebos: Sequence[Path] = (),
    output: Path,
    step: str,
    code: str,
) -> None:
    """Write `output`, an HTML page, and beside it the file for programs (.json) and the digests of both (.sha256).

    cards: files of the stage `dataset`; placebos: verdicts on placebos' victims. Raises PopleakError if a table is missing, or if no light can be made.
    """
    datasets = [dataset_of(path) for path in cards]
    advice.write(
        settings=settings,
        tables=tables,
        placebos=placebos,
        cards=[card_of(facts) for facts in datasets],
        sizes=_sizes(settings, datasets),
        shares=_shares(settings, datasets),
        references=_references(settings, dict(zip((str(facts["step"]) for facts in datasets), cards, strict=True))),
        made=made_by(step, code),
        code=code,
        output=output,
    )


def _references(settings: AdviseStep, files: Mapping[str, Path]) -> dict[tuple[str, float, float], learnt.Reference]:
    """Return what logistic regressions of as many rows reach, by task and pair of worlds. files: of the stage `dataset`, by step."""
    found: dict[tuple[str, float, float], learnt.Reference] = {}
    for path in dict.fromkeys(files[one.records] for one in settings.tasks.values() if one.records in files):
        table = records.read(path)
        for task, one in settings.tasks.items():
            if files.get(one.records) == path:
                found |= {
                    (task, pair[0], pair[1]): _reached(table, task, one, pair, settings.seed) for pair in one.pairs
                }
    return found


def _reached(table: records.Loaded, task: str, asked: Asked, pair: tuple[float, float], seed: int) -> learnt.Reference:
    rng = seeds.generator(seed, task, "reference", *(repr(ratio) for ratio in pair))
    return learnt.reference(table.x, table.y, table.a, rows=asked.rows, ratios=pair, balanced=asked.balanced, rng=rng)


def _sizes(settings: AdviseStep, datasets: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return the rows of each task's records, where a run has one table alone, so that it is known whose they are."""
    if len(datasets) != 1 or len(settings.tasks) != 1:
        return {}
    return dict.fromkeys(settings.tasks, int(datasets[0]["rows"]))


def _shares(settings: AdviseStep, datasets: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the share of group 1 in each task's records, likewise."""
    if not _sizes(settings, datasets):
        return {}
    rows = card_of(datasets[0]).get("group_rows", ())
    return dict.fromkeys(settings.tasks, float(rows[1] / sum(rows))) if len(rows) == 2 else {}
