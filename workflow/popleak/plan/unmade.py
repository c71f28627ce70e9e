"""What a run began and did not make: which jobs failed and why, and which tables, figures and pages wait for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..core import accounting
from .build import Plan
from .steps import ROOT, Step

SHOWN = 20
"""Failed jobs that are named; of more, how many there are."""
TAIL = 4096
"""Bytes at the end of a log among which its last line is looked for."""


class Failed(NamedTuple):
    """A job that was begun, and its last words; "" if there are none, as when it was killed."""

    step: Step[Any]
    log: Path
    said: str


def failed(plan: Plan) -> Iterator[Failed]:
    """Yield the jobs that have a log, all that they read, and not all of their files."""
    for step in plan.all_steps():
        log = Path(ROOT, "logs", step.stage, f"{step.id}.log")
        if not _made(step) and log.is_file() and all(Path(path).is_file() for path in _read(step)):
            said = _last(log)
            if not accounting.parse(said):  # it ended well, and its file has gone since
                yield Failed(step, log, said)


def lines(plan: Plan) -> list[str]:
    """Return a line for each job that failed, and what of the results cannot be made without them."""
    found = list(failed(plan))
    if not found:
        return []
    said = [
        f"{one.step.stage} {one.step.id} failed: {one.said.removeprefix('popleak: ')} ({one.log})"
        if one.said
        else f"{one.step.stage} {one.step.id} is not made, and its log says nothing: killed, stopped, still running, or no room for the log ({one.log})"
        for one in found[:SHOWN]
    ]
    if len(found) > SHOWN:
        said.append(f"{len(found) - SHOWN} more jobs failed")
    steps = plan.all_steps()
    made = sum(_made(step) for step in steps)
    said.append(f"not made without {'it' if len(found) == 1 else 'them'}: {_waiting(plan, found)}")
    said.append(
        f"{made} of {len(steps)} steps are made: repeat the command when the cause is gone; it makes what is missing"
    )
    return said


def _made(step: Step[Any]) -> bool:
    return all(Path(path).is_file() for path in step.outputs.values())


def _read(step: Step[Any]) -> list[str]:
    return [path for paths in step.inputs.values() for path in paths]


def _last(log: Path) -> str:
    """Return the last line of a log that says something, as one line of text."""
    try:
        with open(log, "rb") as handle:
            handle.seek(max(handle.seek(0, 2) - TAIL, 0))
            told = handle.read().decode("utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    last = next((line for line in reversed(told) if line.strip()), "")
    return "".join(letter if letter.isprintable() else " " for letter in last).strip()


def _waiting(plan: Plan, found: list[Failed]) -> str:
    """Return which public tables, figures and page depend on jobs that failed."""
    missing = {path for one in found for path in one.step.outputs.values()}
    for step in plan.all_steps():  # in the order in which steps read one another
        if missing.intersection(_read(step)):
            missing |= set(step.outputs.values())
    kinds = {
        "tables": [name for name, step in plan.tables.items() if missing.intersection(step.outputs.values())],
        "figures": [name for name, step in plan.figures.items() if missing.intersection(step.outputs.values())],
    }
    parts = [f"{kind} {', '.join(names)}" for kind, names in kinds.items() if names]
    if plan.report and missing.intersection(plan.report.outputs.values()):
        parts.append("the report")
    return "; ".join(parts) or "no table"
