"""A small experiment run from its data to its tables in one process, stage by stage, as the rules' shell lines would."""

from __future__ import annotations

from popleak.cli import stages
from popleak.plan.build import Plan
from popleak.plan.steps import Step

STAGES = ("dataset", "split", "draw", "train", "defend", "query", "measure", "attack")
OPTIONS = {"table": "output", "html": "output"}
BASE = {"victims": "base-victims", "shadows": "base-shadows"}
"""Of the stage `defend`, whose inputs are named as its outputs are."""


def run(plan: Plan, *tables: str) -> None:
    """Make these public tables of a plan, and all that comes before, below the current folder."""
    for stage in STAGES:
        for step in plan.steps[stage].values():
            make(step)
    for name in tables:
        make(plan.tables[name])


def make(step: Step) -> None:
    """Run one step."""
    words = [step.stage, "--step", step.id, "--settings", step.params, "--code", step.code]
    for name, paths in step.inputs.items():
        option = BASE.get(name, name) if step.stage == "defend" else name
        words += [f"--{option.replace('_', '-')}", *paths] if paths else []
    if step.stage == "figures":
        words += ["--stem", step.outputs["pdf"].removesuffix(".pdf")]
    for name, path in step.outputs.items() if step.stage != "figures" else ():
        if name == "sha256":
            continue
        words += [f"--{OPTIONS.get(name, name)}", path]
    assert stages.main(words) == 0, step.id
