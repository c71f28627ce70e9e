"""The plan: config -> steps. It starts no job, and of data it reads only a user's own files: their digests, and what `sizes` counts.
The Snakefile and `popleak plan` ask it.

A step's id is a readable slug and a digest of its settings, its code and the ids of the steps it reads, so it stands for
all that its result depends on. What people open, `results/<experiment>/`, are copies of such files under plain names.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..attacks.base import BLACK_BOX
from ..config import resolve as config
from ..config.experiment import Experiment
from ..config.resolve import ResolvedChoice, ResolvedTask
from ..core import plugins, provenance
from ..core.errors import PopleakError
from ..core.settings import canonical
from ..defences.base import TuneSettings
from ..store.schema import MANY, ON_REQUEST, PERMUTED, SWEPT, TABLES
from . import searches, sizes
from .rawfiles import AbsentError
from .steps import ROOT, Step, add
from .task import TaskPlan

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
    placebos: set[str] = field(default_factory=set)
    """Ids of the steps that placebos alone need."""
    absent: list[str] = field(default_factory=list)
    """Tasks and figures that are left out since a raw file is not here, and how to get it, a line each."""
    cautions: list[str] = field(default_factory=list)
    """Settings that cannot do what they seem to on so many rows, and tasks whose draws nearly use up a pool, with the remedy, a line each."""

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
        """Return what a user must know before a run, a line each: what data were chosen and which models see the attribute, what is left
        out, what to be careful with."""
        seen = [
            f"{task.id}: {sizes.attribute_name(task)} is among the features"
            for task in self.tasks
            if task.attribute_in_features
        ]
        kinds = {"data": [*self.chosen, *seen], "left out": self.absent, "caution": self.cautions}
        return [f"{kind}: {line}" for kind, lines in kinds.items() for line in lines]

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
    parts: dict[str, list[Step]] = {"measure": [], "attack": [], "regress": [], "placebo": []}
    tasks, given = [], []
    for task, raw in zip(config.resolve(experiment), experiment.resolved()["tasks"], strict=True):
        try:
            one = TaskPlan(experiment, task, plan.steps, plan.fetches)
        except AbsentError as error:
            plan.absent.append(str(error))
            given.append(raw)
            continue
        one.add(parts)
        before = {step.id for step in plan.all_steps()}
        for copy in one.placebos():  # judged apart: they are in no table but their own
            copy.add({"attack": parts["placebo"]})
        plan.placebos |= {step.id for step in plan.all_steps()} - before
        tasks.append(one.task)
        plan.cautions += searches.cautions(one.task, experiment.training.validation, one.cells)
        if crowded := sizes.crowded(experiment, one.task, one.cells):
            plan.cautions.append(f"{task.id}: {crowded}")
        if one.raw.note:
            plan.chosen.append(f"{task.id}: {one.raw.note}")
            raw = {**raw, "options": one.raw.options}  # the report's settings give the same data on another machine
        given.append(raw)
    if not tasks:
        raise PopleakError(f"config: tasks: {plan.absent[0]}")
    plan.tasks = tuple(tasks)
    _finish(plan, parts, given)
    provenance.keep()
    return plan


def _data_of(task: ResolvedTask, twins: Mapping[str, str]) -> dict[str, Any]:
    """Return what the table `leakage` says of a task's data, by column."""
    return {
        "dataset": task.dataset, "attribute": sizes.attribute_name(task), "rows": task.rows,
        "attribute_in_features": task.attribute_in_features, "twin_task": twins.get(task.id),
    }  # fmt: skip


def _makes(table: str, experiment: Experiment, tasks: Sequence[ResolvedTask]) -> bool:
    """Return whether these tasks make a table: most are always made."""
    if table in MANY:
        return any(pair.protocol == "k-ary" for task in tasks for pair in task.worlds)
    if table in SWEPT:
        return any(_swept(_arms(experiment, task)) for task in tasks)
    if table in PERMUTED:
        return any(task.placebo for task in tasks)
    return True


def _swept(arms: Mapping[str, Mapping[str, Any]]) -> bool:
    kinds = [arm["kind"] for arm in arms.values()]
    return len(set(kinds)) < len(kinds)


def _arms(experiment: Experiment, task: ResolvedTask) -> dict[str, dict[str, Any]]:
    """Return the settings of a task's fine-tuning defences by id, those filled in that are left to the training. What rehearses
    nothing has the share 0, what has no EO term the weight 0."""
    found = {}
    for defence in task.defences:
        if issubclass(plugins.load("defences", defence.name).Settings, TuneSettings):
            settings = config.effective(defence.settings, experiment.training)
            known = {name: settings.get(name, 0.0) for name in ("epochs", "learning_rate", "rehearsal", "eo_weight")}
            found[defence.id] = {"kind": defence.name, "control": defence.control, **known}
    return found


def _kind(defence: ResolvedChoice) -> str:
    """Return what a defence is by its method: `fft-rehearsal` that rehearses nothing is `fft`, and no claim on rehearsal is of it."""
    bare = defence.name == "fft-rehearsal" and defence.settings["rehearsal"] == 0
    return "fft" if bare else defence.name


def _finish(plan: Plan, parts: Mapping[str, list[Step]], given: list[dict[str, Any]]) -> None:
    experiment = plan.experiment
    order = {
        "tasks": [task.id for task in plan.tasks],
        "controls": {
            task.id: {defence.id: defence.control for defence in task.defences if defence.control}
            for task in plan.tasks
        },
        "kinds": {task.id: {defence.id: _kind(defence) for defence in task.defences} for task in plan.tasks},
        "searched": {
            task.id: [defence.id for defence in task.defences if searches.searched(defence)] for task in plan.tasks
        },
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
        "copies": {copy.id: [task.id, copy.permutation] for task in plan.tasks for copy in task.placebos()},
        "data": {task.id: _data_of(task, config.unseen(plan.tasks)) for task in plan.tasks},
        "tau": experiment.tau,
        "margin": experiment.margin,
        "seed": experiment.seed,
        "arms": {task.id: _arms(experiment, task) for task in plan.tasks},
        "ratio_modes": {task.id: task.ratio_mode for task in plan.tasks},
        "balanced": config.balanced(plan.tasks),
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
        "placebo": lambda: {"parts": [(step, "table") for step in parts["placebo"]], "leakage": made["leakage"]},
        "sensitivity": lambda: {name: made[name] for name in ("models", "leakage", "bounds", "claims")},
    }
    needs = {
        "leakage": ("controls", "references", "white_box", "data", "margin", "searched"),
        "claims": ("tasks", "controls", "kinds", "searched", "datasets", "tau", "seed"),
        "proxies": ("tasks", "seed"),
        "placebo": ("copies", "references", "white_box"),
        "sensitivity": ("arms", "ratio_modes", "balanced", "tau"),
    }
    for name in TABLES:
        if not _makes(name, experiment, plan.tasks):
            continue
        plan.tables[name] = add(
            plan.steps, "tables", name, {"table": name, **{key: order[key] for key in needs.get(name, ())}}, pieces[name](),
            modules=("popleak.stages.tables", f"popleak.tables.{name}"), mem_mb=6000,
        )  # fmt: skip
    for name in experiment.figures:
        figure = plugins.load("figures", name)
        absent = [table for table in figure.tables if table not in plan.tables]
        if absent and _makes(absent[0], experiment, config.resolve(experiment)):
            plan.absent.append(f"figure {name}: no task that is left makes the table `{absent[0]}`, which it shows")
            continue
        if absent:
            raise PopleakError(
                f"config: figures: {name!r} shows the table `{absent[0]}`, which only {ON_REQUEST[absent[0]]} make: add such, or leave the "
                f"figure out"
            )
        plan.figures[name] = add(
            plan.steps, "figures", name, {"figure": name, "tau": experiment.tau},
            {table: plan.tables[table] for table in figure.reads(plan.tables)}, outputs=FIGURE,
            modules=("popleak.stages.figures", plugins.modules("figures")[name]), mem_mb=3000,
        )  # fmt: skip
    # what is cut how, and where raw files lie, decides no result: a change of it must not make the report anew
    shown = {key: value for key, value in experiment.resolved().items() if key not in ("engine", "data_dir")}
    shown["tasks"] = given
    plan.report = add(
        plan.steps, "report", experiment.experiment,
        {"experiment": shown, "figures": list(plan.figures), "absent": plan.absent, "cautions": plan.cautions},
        {
            **plan.tables,
            "figures": [(step, "png") for step in plan.figures.values()],
            "cards": [(step, "table") for step in plan.steps["dataset"].values() if "placebo" not in step.settings],
        },
        outputs=REPORT,
        modules=("popleak.report.build", *(plugins.modules("figures")[name] for name in plan.figures)), mem_mb=3000,
    )  # fmt: skip
