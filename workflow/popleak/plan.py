"""The plan: config -> steps. It starts no job, and of data it reads only a user's own files: their digests, and what `sizes` counts.
The Snakefile and `popleak plan` ask it.

A step's id is a readable slug and a digest of its settings, its code and the ids of the steps it reads, so it stands for
all that its result depends on. What people open, `results/<experiment>/`, are copies of such files under plain names.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import config, plugins
from .attacks.base import BLACK_BOX
from .config import ResolvedTask
from .errors import PopleakError
from .experiment import Experiment
from .rawfiles import AbsentError
from .schema import MANY, TABLES
from .settings import canonical
from .steps import ROOT, Step, add
from .taskplan import TaskPlan

STAGES = (
    "dataset", "split", "draw", "train", "defend", "query", "measure", "attack", "regress", "tables", "figures", "report",
)  # fmt: skip
FIGURE = {kind: f".{kind}" for kind in ("pdf", "png", "csv", "sha256")}
REPORT = {kind: f".{kind}" for kind in ("html", "sha256")}


@dataclass
class Plan:
    """All steps of an experiment, by stage and id, and the raw files to fetch, by path.

    tables, figures: the steps that make them, by the name of the table or figure.
    """

    experiment: Experiment
    tasks: tuple[ResolvedTask, ...]
    steps: dict[str, dict[str, Step]] = field(default_factory=lambda: {stage: {} for stage in STAGES})
    fetches: dict[str, tuple[str, Any]] = field(default_factory=dict)
    tables: dict[str, Step] = field(default_factory=dict)
    figures: dict[str, Step] = field(default_factory=dict)
    report: Step | None = None
    chosen: list[str] = field(default_factory=list)
    """Which raw files a task has where its dataset could take one of several, and why, a line each."""
    absent: list[str] = field(default_factory=list)
    """Tasks and figures that are left out since a raw file is not here, and how to get it, a line each."""

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
        jobs = len(self.all_steps())
        models = sum(step.models for stage in ("train", "defend") for step in self.steps[stage].values())
        return f"experiment {self.experiment.experiment!r}: {len(self.tasks)} tasks, {models:,} models to train, {jobs} steps in all"

    def notices(self) -> list[str]:
        """Return what a user must know of the data before a run, a line each: what was chosen, and what is left out."""
        return [*(f"data: {line}" for line in self.chosen), *(f"left out: {line}" for line in self.absent)]

    def targets(self) -> list[str]:
        """Return the files that the default target asks for."""
        return list(self.public())

    def public(self, kind: str | None = None) -> dict[str, str]:
        """Return the file in the store of which each file in the experiment's folder is a copy, by path.

        kind: `tables`, `figures` or `report`, for those alone.
        """
        found = {
            "tables": {f"tables/{name}.parquet": step.outputs["table"] for name, step in self.tables.items()},
            "figures": {
                f"figures/{name}.{ending}": step.outputs[ending]
                for name, step in self.figures.items()
                for ending in ("pdf", "png", "csv")
            },
            "report": {"report.html": self.report.outputs["html"]},
        }
        return {
            f"{self.folder()}/{path}": origin
            for part in ([kind] if kind else found)
            for path, origin in found[part].items()
        }

    def all_steps(self) -> list[Step]:
        return [step for stage in STAGES for step in self.steps[stage].values()]


def build(experiment: Experiment) -> Plan:
    """Return the plan of a validated experiment. Raises PopleakError where the config asks for what cannot be.

    A task whose raw file is neither here nor served by a publisher is left out, unless it is the only one.
    """
    plan = Plan(experiment, ())
    parts: dict[str, list[Step]] = {"measure": [], "attack": [], "regress": []}
    tasks, given = [], []
    for task, raw in zip(config.resolve(experiment), experiment.resolved()["tasks"], strict=True):
        try:
            one = TaskPlan(experiment, task, plan.steps, plan.fetches)
        except AbsentError as error:
            plan.absent.append(str(error))
            given.append(raw)
            continue
        one.add(parts)
        tasks.append(one.task)
        if one.raw.note:
            plan.chosen.append(f"{task.id}: {one.raw.note}")
            raw = {**raw, "options": one.raw.options}  # the report's settings give the same data on another machine
        given.append(raw)
    if not tasks:
        raise PopleakError(f"config: tasks: {plan.absent[0]}")
    plan.tasks = tuple(tasks)
    _finish(plan, parts, given)
    return plan


def _many_left_out(plan: Plan) -> bool:
    """Return whether a task that was left out has worlds of protocol k-ary."""
    there = {task.id for task in plan.tasks}
    gone = [task for task in config.resolve(plan.experiment) if task.id not in there]
    return any(pair.protocol == "k-ary" for task in gone for pair in task.worlds)


def _finish(plan: Plan, parts: Mapping[str, list[Step]], given: list[dict[str, Any]]) -> None:
    experiment = plan.experiment
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
        "margin": experiment.margin,
        "seed": experiment.seed,
    }
    made = plan.tables
    pieces: dict[str, Callable[[], dict[str, Any]]] = {
        "models": lambda: {"parts": [(step, "models") for step in parts["measure"]]},
        "bounds": lambda: {"parts": [(step, "bounds") for step in parts["measure"]]},
        "scores": lambda: {"parts": [(step, "table") for step in parts["attack"]]},
        "leakage": lambda: {name: made[name] for name in ("scores", "models")},
        "claims": lambda: {name: made[name] for name in ("models", "leakage", "bounds")},
        "proxies": lambda: {name: made[name] for name in ("models", "leakage", "bounds")},
        "estimates": lambda: {"parts": [(step, "table") for step in parts["regress"]]},
        "regression": lambda: {"estimates": made["estimates"]},
        "confusion": lambda: {"estimates": made["estimates"]},
    }
    needs = {
        "leakage": ("controls", "references", "white_box", "margin"),
        "claims": ("tasks", "controls", "kinds", "datasets", "tau", "seed"),
        "proxies": ("tasks", "seed"),
    }
    for name in TABLES:
        if name in MANY and not parts["regress"]:
            continue
        plan.tables[name] = add(
            plan.steps, "tables", name, {"table": name, **{key: order[key] for key in needs.get(name, ())}}, pieces[name](),
            modules=(f"popleak.tables.{name}",), mem_mb=6000,
        )  # fmt: skip
    for name in experiment.figures:
        figure = plugins.load("figures", name)
        absent = [table for table in figure.tables if table not in plan.tables]
        if absent and _many_left_out(plan):
            plan.absent.append(f"figure {name}: no task that is left makes the table `{absent[0]}`, which it shows")
            continue
        if absent:
            raise PopleakError(
                f"config: figures: {name!r} shows the table `{absent[0]}`, which only worlds of protocol k-ary make: add such worlds, or "
                f"leave the figure out"
            )
        plan.figures[name] = add(
            plan.steps, "figures", name, {"figure": name, "tau": experiment.tau},
            {table: plan.tables[table] for table in figure.tables}, outputs=FIGURE,
            modules=("popleak.figure", plugins.modules("figures")[name]), mem_mb=3000,
        )  # fmt: skip
    # what is cut how, and where raw files lie, decides no result: a change of it must not make the report anew
    shown = {key: value for key, value in experiment.resolved().items() if key not in ("engine", "data_dir")}
    shown["tasks"] = given
    plan.report = add(
        plan.steps, "report", experiment.experiment,
        {"experiment": shown, "figures": list(plan.figures), "absent": plan.absent},
        {
            **plan.tables,
            "figures": [(step, "png") for step in plan.figures.values()],
            "cards": [(step, "table") for step in plan.steps["dataset"].values()],
        },
        outputs=REPORT,
        modules=("popleak.report", *(plugins.modules("figures")[name] for name in plan.figures)), mem_mb=3000,
    )  # fmt: skip
