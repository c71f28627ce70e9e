"""The plan: config -> steps. It starts no job, and of data it reads a user's own table alone (`sizes`); the Snakefile and
`popleak plan` ask it.

A step's id is a readable slug and a digest of its settings and of the ids of the steps it reads, so it stands for all
that its result depends on but code; the digest of the code goes into the rule's params.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import config, plugins
from .attacks.base import BLACK_BOX
from .config import ResolvedTask
from .errors import PopleakError
from .experiment import Experiment
from .schema import MANY, TABLES
from .settings import canonical
from .steps import ROOT, Step
from .taskplan import TaskPlan

STAGES = ("dataset", "split", "draw", "train", "defend", "query", "measure", "attack", "regress")


@dataclass
class Plan:
    """All steps of an experiment, by stage and id, and the raw files to fetch, by path."""

    experiment: Experiment
    tasks: tuple[ResolvedTask, ...]
    steps: dict[str, dict[str, Step]] = field(default_factory=lambda: {stage: {} for stage in STAGES})
    fetches: dict[str, tuple[str, Any]] = field(default_factory=dict)
    tables: dict[str, Step] = field(default_factory=dict)
    figures: dict[str, Step] = field(default_factory=dict)
    report: Step | None = None

    def __getitem__(self, key: tuple[str, str]) -> Step:
        stage, name = key
        try:
            return self.steps[stage][name]
        except KeyError:
            raise PopleakError(
                f"results/store/{stage}/{name}: not a step of experiment {self.experiment.experiment!r}"
            ) from None

    def folder(self) -> str:
        return f"{ROOT}/{self.experiment.experiment}"

    def source(self, path: str) -> str:
        """Return the source of a raw file to fetch, as JSON. Raises PopleakError if the file is not one of the experiment's."""
        if path not in self.fetches:
            raise PopleakError(f"{path}: not a raw file of experiment {self.experiment.experiment!r}")
        return canonical(dataclasses.asdict(self.fetches[path][1]))

    def describe(self) -> str:
        """Return one line on the size of the experiment."""
        jobs = sum(len(steps) for steps in self.steps.values()) + len(self.tables) + len(self.figures) + 1
        models = sum(step.models for stage in ("train", "defend") for step in self.steps[stage].values())
        return f"experiment {self.experiment.experiment!r}: {len(self.tasks)} tasks, {models:,} models to train, {jobs} steps in all"

    def targets(self) -> list[str]:
        """Return the files that the default target asks for."""
        return [
            *(path for step in self.tables.values() for path in step.outputs.values()),
            *(path for step in self.figures.values() for path in step.outputs.values()),
            *self.report.outputs.values(),
        ]

    def all_steps(self) -> list[Step]:
        return [
            *(step for stage in STAGES for step in self.steps[stage].values()),
            *self.tables.values(),
            *self.figures.values(),
            self.report,
        ]


def build(experiment: Experiment) -> Plan:
    """Return the plan of a validated experiment. Raises PopleakError where the config asks for what cannot be."""
    plan = Plan(experiment, config.resolve(experiment))
    parts: dict[str, list[Step]] = {"measure": [], "attack": [], "regress": []}
    for task in plan.tasks:
        TaskPlan(experiment, task, plan.steps, plan.fetches).add(parts)
    _finish(plan, parts)
    return plan


def _finish(plan: Plan, parts: Mapping[str, list[Step]]) -> None:
    experiment, folder = plan.experiment, plan.folder()
    order = {
        "tasks": [task.id for task in plan.tasks],
        "controls": {
            task.id: {defence.id: defence.control for defence in task.defences if defence.control}
            for task in plan.tasks
        },
        "kinds": {task.id: {defence.id: defence.name for defence in task.defences} for task in plan.tasks},
        "datasets": {task.id: task.dataset for task in plan.tasks},
        "references": {
            task.id: [attack.id for attack in task.attacks if plugins.load("attacks", attack.name).reference]
            for task in plan.tasks
        },
        "white_box": {
            task.id: [
                attack.id for attack in task.attacks if plugins.load("attacks", attack.name).access not in BLACK_BOX
            ]
            for task in plan.tasks
        },
        "tau": experiment.tau,
        "seed": experiment.seed,
    }
    pieces = {
        "models": {"parts": [step.outputs["models"] for step in parts["measure"]]},
        "bounds": {"parts": [step.outputs["bounds"] for step in parts["measure"]]},
        "scores": {"parts": [step.outputs["table"] for step in parts["attack"]]},
        "leakage": {"scores": [f"{folder}/tables/scores.parquet"]},
        "claims": {name: [f"{folder}/tables/{name}.parquet"] for name in ("models", "leakage", "bounds")},
        "proxies": {name: [f"{folder}/tables/{name}.parquet"] for name in ("models", "leakage", "bounds")},
        "estimates": {"parts": [step.outputs["table"] for step in parts["regress"]]},
        "regression": {"estimates": [f"{folder}/tables/estimates.parquet"]},
        "confusion": {"estimates": [f"{folder}/tables/estimates.parquet"]},
    }
    needs = {
        "leakage": ("controls", "references", "white_box"),
        "claims": ("tasks", "controls", "kinds", "datasets", "tau", "seed"),
        "proxies": ("tasks", "seed"),
    }
    for name in TABLES:
        if name in MANY and not parts["regress"]:
            continue
        plan.tables[name] = Step(
            "tables", name, {key: order[key] for key in needs.get(name, ())},
            {key: tuple(value) for key, value in pieces[name].items()}, {"table": f"{folder}/tables/{name}.parquet"},
            (f"popleak.tables.{name}",), mem_mb=6000,
        )  # fmt: skip
    for name in experiment.figures:
        figure = plugins.load("figures", name)
        absent = [table for table in figure.tables if table not in plan.tables]
        if absent:
            raise PopleakError(
                f"config: figures: {name!r} shows the table `{absent[0]}`, which only worlds of protocol k-ary make: add such worlds, or "
                f"leave the figure out"
            )
        stem = f"{folder}/figures/{name}"
        plan.figures[name] = Step(
            "figures", name, {"figure": name, "tau": experiment.tau}, {table: (f"{folder}/tables/{table}.parquet",) for table in figure.tables},
            {kind: f"{stem}.{kind}" for kind in ("pdf", "png", "csv")},
            ("popleak.figure", plugins.modules("figures")[name]), mem_mb=3000,
        )  # fmt: skip
    # what is cut how, and where raw files lie, decides no result: a change of it must not make the report anew
    shown = {key: value for key, value in experiment.resolved().items() if key not in ("engine", "data_dir")}
    plan.report = Step(
        "report", experiment.experiment, {"experiment": shown, "figures": list(experiment.figures)},
        {
            **{name: tuple(step.outputs.values()) for name, step in plan.tables.items()},
            "figures": tuple(step.outputs["png"] for step in plan.figures.values()),
            "cards": tuple(dict.fromkeys(step.outputs["table"] for step in plan.steps["dataset"].values())),
        },
        {"html": f"{folder}/report.html"},
        ("popleak.report", *(plugins.modules("figures")[name] for name in experiment.figures)), mem_mb=3000,
    )  # fmt: skip
