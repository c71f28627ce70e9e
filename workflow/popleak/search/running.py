"""Runs steps of a plan in this process: what the rules of the stages would run, without a start of Python for each."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from ..plan.build import Plan
from ..plan.estimate import is_there
from ..plan.steps import Step
from ..store.schema import TABLES


def needed(plan: Plan, target: Step[Any]) -> list[Step[Any]]:
    """Return the steps that `target` depends on, itself last, each after those it reads."""
    wanted, found = {target.id}, []
    for step in reversed(plan.all_steps()):  # in the order in which steps read one another
        outputs = set(step.outputs.values())
        if step.id in wanted or outputs & wanted:
            wanted |= {path for paths in step.inputs.values() for path in paths}
            found.append(step)
    return found[::-1]


def make(plan: Plan, target: Step[Any]) -> int:
    """Make the file of `target`, and whatever it needs that is not there; return how many steps were run.

    A file that is there has the name of exactly this config and code, so it is not made again. Raises PopleakError as the
    stages do.
    """
    todo = [step for step in needed(plan, target) if not is_there(step)]
    for step in todo:
        import_module(f"popleak.stages.{step.stage}").run(**_told(plan, step))
    return len(todo)


def _told(plan: Plan, step: Step[Any]) -> dict[str, Any]:
    """Return the arguments of a step's `run`, as the rule of its stage gives them on the command line."""
    outputs = {"output" if name == "table" else name: Path(path) for name, path in step.outputs.items()}
    known = {
        "settings": step.settings,
        "step": step.id,
        "code": step.code,
        **plan.experiment.engine.resolved(),
        **outputs,
    }
    return _filled(import_module(f"popleak.stages.{step.stage}").run, known, step)


def _filled(taken: Any, known: Mapping[str, Any], step: Step[Any]) -> dict[str, Any]:
    """Return what a function, or a dataclass among its parameters, takes of what is `known` and of a step's input files."""
    found: dict[str, Any] = {}
    for name, kind in typing.get_type_hints(taken).items():
        paths = [Path(path) for path in step.inputs.get(name, ())]
        if name in known:
            found[name] = known[name]
        elif dataclasses.is_dataclass(kind):
            found[name] = typing.cast(Any, kind)(**_filled(kind, known, step))
        elif typing.get_origin(kind) is Mapping:
            found[name] = {table: Path(files[0]) for table, files in step.inputs.items() if table in TABLES}
        elif typing.get_origin(kind) is Sequence and paths:
            found[name] = paths
        elif paths:
            found[name] = paths[0]
    return found
