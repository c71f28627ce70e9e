"""A small experiment run from its data to its tables in one process, stage by stage, as the rules' shell lines would."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import runs
import tiny
from popleak.cli import stages
from popleak.config import resolve as config
from popleak.plan.build import Plan, build
from popleak.plan.steps import Step
from popleak.store import parquet as store

STAGES = ("dataset", "split", "draw", "train", "defend", "sample", "query", "measure", "attack", "inspect")
OPTIONS = {"table": "output", "html": "output"}
MACHINE = ("--threads", "--stack", "--device", "--backend")


def run(plan: Plan, *tables: str) -> None:
    """Make these public tables of a plan, and all that comes before, below the current folder."""
    for step in in_order(plan):
        make(step)
    for name in tables:
        make(plan.tables[name])


def in_order(plan: Plan) -> list[Step]:
    """Return the steps before the tables, each after those that make what it reads: a sharer's generators are defended before they are sampled, and
    who trains on the samples is defended after that."""
    left, found, made = [step for stage in STAGES for step in plan.steps[stage].values()], [], set()
    others = {path for step in left for path in step.outputs.values()}
    while left:
        ready = [
            step for step in left if not {path for paths in step.inputs.values() for path in paths} & others - made
        ]
        found += ready
        made |= {path for step in ready for path in step.outputs.values()}
        left = [step for step in left if step not in ready]
    return found


def run_all(plan: Plan, folder: Path) -> None:
    """Make all tables of a plan, its figures and its report, below `folder`."""
    with contextlib.chdir(folder):
        run(plan, *plan.tables)
        for step in (*plan.figures.values(), *plan.steps["advise"].values(), plan.report):
            make(step)


class Ran:
    """A finished run of a config laid over the default one: its folder and its plan."""

    def __init__(self, raw: Mapping[str, Any], folder: Path) -> None:
        self.folder = folder
        self.plan = build(config.load(config.merge(config.read(tiny.ROOT / "config.yaml"), dict(raw))))
        run_all(self.plan, folder)

    def table(self, name: str):
        return store.read(self.folder / self.plan.tables[name].outputs["table"]).to_pandas()


def make(step: Step) -> None:
    """Run one step."""
    assert stages.main(words(step)) == 0, step.id


def words(step: Step) -> list[str]:
    """Return the command of one step, without what a rule adds on the machine: threads, device, stack."""
    words = [step.stage, "--step", step.id, "--settings", step.params, "--code", step.code]
    for name, paths in step.inputs.items():
        words += [f"--{name.replace('_', '-')}", *paths] if paths else []
    if step.stage == "figures":
        words += ["--stem", step.outputs["pdf"].removesuffix(".pdf")]
    for name, path in step.outputs.items() if step.stage != "figures" else ():
        if name == "sha256" or (
            step.stage in ("advise", "report") and name != "html"
        ):  # what lies beside its one named file
            continue
        words += [f"--{OPTIONS.get(name, name)}", path]
    return words


def check_rules(plan: Plan, folder: Path, *config: str) -> None:
    """Raise AssertionError unless Snakemake, in a copy in which nothing is made, would run the command of every step of a plan."""
    said = runs.snakemake(folder, "--dry-run", "--printshellcmds", "--workflow-profile", "none", "all", *config)
    lines = re.findall(r"python -m popleak (\w+ --step .*) 2>&1 \| tee ", said)
    shown = [_options(shlex.split(line)) for line in lines]
    stages = [step for steps in plan.steps.values() for step in steps.values()]
    steps = [*stages, *plan.tables.values(), *plan.figures.values(), plan.report]
    wanted = {step.id: _options(words(step)) for step in steps}
    assert {found["--step"][0]: found for found in shown} == wanted and len(shown) == len(wanted)


def _options(words: list[str]) -> dict[str, list[str]]:
    """Return the values of each option of a command, but for what the machine decides; that of no name is the stage."""
    found: dict[str, list[str]] = {"": []}
    option = ""
    for word in words:
        if word.startswith("--"):
            option = word
        found.setdefault(option, [])
        if word != option:
            found[option].append(word)
    return {name: values for name, values in found.items() if values and name not in MACHINE}
