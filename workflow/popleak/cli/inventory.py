"""What lies in `results/`: whether it is whole and of a config, and what no config needs any more."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ..core.errors import PopleakError
from ..plan.build import Plan
from ..plan.steps import ROOT, Step
from ..stages import publish
from ..store import parquet as store
from ..store import seal


class Found(NamedTuple):
    """Files of a plan that are there and whole, files that are not there, and a line for each that is not what it should be."""

    whole: int
    absent: int
    problems: list[str]


def verify(plan: Plan) -> Found:
    """Read every file of a plan that is there: its seal or digest, whose file it is, and whether published ones are copies."""
    whole, absent, problems = 0, 0, []
    for step in plan.all_steps():
        for path in step.outputs.values():
            if not Path(path).is_file():
                absent += 1
                continue
            try:
                _check(step, path)
                whole += 1
            except PopleakError as error:
                problems.append(str(error))
    stale = publish.stale(plan)
    current = len(publish.current(plan))
    problems += [
        f"{path}: not of this config, or changed: repeat the command of the run, which copies it again"
        for path in stale
    ]
    return Found(whole + current, absent + len(plan.public()) - current - len(stale), problems)


def _check(step: Step, path: str) -> None:
    if path.endswith(".parquet"):
        store.facts(path)
    elif not path.endswith(".sha256"):
        seal.check_by(step.outputs["sha256"], path)


def unused(plans: Iterable[Plan]) -> list[Path]:
    """Return the files of the store, and the logs of its steps, that none of the plans needs, sorted."""
    needed = {Path(path) for plan in plans for step in plan.all_steps() for path in step.outputs.values()}
    ids = {(step.stage, step.id) for plan in plans for step in plan.all_steps()}
    files = [path for path in Path(ROOT, "store").glob("*/*") if path.is_file() and path not in needed]
    logs = [
        path for path in Path(ROOT, "logs").glob("*/*") if path.is_file() and (path.parent.name, path.stem) not in ids
    ]
    return sorted([*files, *logs])
