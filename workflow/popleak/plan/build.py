"""The plan: config -> steps. It starts no job. The only data it reads are a user's own files: their digests, and what
`sizes` counts. The Snakefile and `popleak plan` ask it.

A step's id is a readable slug and a digest of its settings, its code and the ids of the steps it reads, so it stands for
all that its result depends on. What people open, `results/<experiment>/`, are copies of such files under plain names.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..config import papers
from ..config import resolve as config
from ..config.experiment import Budgets, Experiment
from ..config.resolved import ResolvedTask, SettledTask
from ..core import extras, plugins, provenance
from ..core.errors import PopleakError
from ..core.settings import canonical
from ..steps import STAGES
from ..steps.advise import AdviseStep
from ..steps.figures import FiguresStep
from ..steps.report import DESCRIBED, ReportStep, named, papers_of
from ..steps.tables.base import TableStep, of_table
from ..store.schema import BUDGETED, GENERATED, MANY, ON_REQUEST, PERMUTED, ROWS, SWEPT, TABLES
from ..store.schema.search import SEARCHED
from . import advice, games, generating, searches, sizes
from .budgets import of as budgets_of
from .generating import GeneratorPlan
from .judging import Judged
from .known import Known, swept
from .rawfiles import AbsentError
from .steps import ROOT, Input, Step, Steps, add
from .task import TaskPlan

OPENED = ("pdf", "png", "csv")
"""The files of a figure that people open, by their endings."""
FIGURE = {kind: f".{kind}" for kind in (*OPENED, "sha256")}


@dataclass
class Plan:
    """All steps of an experiment, by stage and id, and the raw files to fetch, by path.

    tables, figures: the steps that make them, by the name of the table or figure.
    """

    experiment: Experiment
    tasks: tuple[SettledTask, ...]
    steps: Steps = field(default_factory=lambda: {stage: {} for stage in STAGES})
    fetches: dict[str, tuple[str, Any]] = field(default_factory=dict)
    tables: dict[str, Step[TableStep]] = field(default_factory=dict)
    figures: dict[str, Step[FiguresStep]] = field(default_factory=dict)
    report: Step[ReportStep] | None = None
    advice: Step[AdviseStep] | None = None
    """The page for whoever decides on a release, where the config asks for it."""
    chosen: list[str] = field(default_factory=list)
    """For datasets that can read one of several raw files: which one each task uses and why, a line each."""
    records: dict[str, str] = field(default_factory=dict)
    """Ids of the steps that make the tasks' tables, by task."""
    placebos: set[str] = field(default_factory=set)
    """Ids of the steps that only placebos need."""
    absent: list[str] = field(default_factory=list)
    """Tasks and figures that are skipped because a raw file is missing, and how to get it, a line each."""
    seconds: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    """CPU seconds on the reference core by task, model and defence."""
    cautions: list[str] = field(default_factory=list)
    """Settings that have no effect on this many rows, and tasks whose draws nearly exhaust a pool, with the remedy, a
    line each."""

    def __getitem__(self, key: tuple[str, str]) -> Step[Any]:
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
        """Return what a user must know before a run, a line each: which data were chosen, which models see the
        attribute, what is skipped and what needs caution."""
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
                for ending in OPENED
            },
            "report": {
                "report.html": self.report.outputs["html"],
                **({f"audit.{kind}": self.advice.outputs[kind] for kind in advice.OPENED} if self.advice else {}),
                **{f"tables/{file}": self.report.outputs[file] for file in papers_of(self.tables)},
                **{name: self.report.outputs[file] for name, file in DESCRIBED.items()},
            }
            if self.report
            else {},
        }
        return {
            f"{self.folder()}/{path}": origin
            for part in ([kind] if kind else found)
            for path, origin in found[part].items()
        }

    def all_steps(self) -> list[Step[Any]]:
        return [step for stage in STAGES for step in self.steps[stage].values()]


@extras.told
def build(experiment: Experiment) -> Plan:
    """Return the plan of a validated experiment. Raises PopleakError if the config asks for something impossible.

    A task whose raw file is missing and cannot be downloaded is skipped, unless it is the only task.
    """
    plan = Plan(experiment, ())
    parts: Judged = {
        "measure": [],
        "scores": [],
        "estimates": [],
        "placebo": [],
        "budgets": [],
        "trials": [],
        "shares": [],
        "samples": [],
    }
    tasks, given = [], []
    for task, raw in zip(config.resolve(experiment), experiment.resolved()["tasks"], strict=True):
        try:
            one = TaskPlan(experiment, task, plan.steps, plan.fetches)
        except AbsentError as error:
            plan.absent.append(str(error))
            given.append(raw)
            continue
        one.add(parts, generating.released(one.task, GeneratorPlan(one).share(parts)))
        plan.seconds[one.task.id] = one.prices()
        plan.records[one.task.id] = one.data.id
        before = {step.id for step in plan.all_steps()}
        for copy in one.placebos():  # judged separately: they appear only in the table `placebo`
            copy.add({"scores": parts["placebo"]})
        plan.placebos |= {step.id for step in plan.all_steps()} - before
        tasks.append(one.task)
        plan.cautions += searches.cautions(one.task, one.task.training.validation, one.cells)
        plan.cautions += games.unread(one.task)
        if crowded := sizes.crowded(one.task, one.cells):
            plan.cautions.append(f"{task.id}: {crowded}")
        if experiment.audit is not None and (thin := sizes.thin(one.task, one.cells)):
            plan.cautions.append(f"{task.id}: {thin}")
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


def _makes(table: str, tasks: Sequence[ResolvedTask], budgets: Budgets) -> bool:
    """Return whether these tasks produce a table; most tables are always produced. budgets: the experiment's."""
    if table == "samples":  # of whatever releases rows
        return any(task.generators or task.receivers for task in tasks)
    if table in (*MANY, *ROWS, *GENERATED):
        return any(table in worlds.question.tables for task in tasks for worlds in task.worlds)
    if table in SWEPT:
        return any(swept(task) for task in tasks)
    if table in PERMUTED:
        return any(task.placebo for task in tasks)
    if table in BUDGETED:
        return any(budgets_of(budgets, plugins.load("attacks", one.name)) for task in tasks for one in task.attacks)
    return True


def _finish(plan: Plan, parts: Judged, given: list[dict[str, Any]]) -> None:
    """Add the steps that combine all tasks. given: the tasks' settings, as the report shows them."""
    _add_tables(plan, parts)
    # figures and the report use the names of the kinds of access and of the questions
    words = [module for kind in ("access", "questions") for module in plugins.modules(kind).values()]
    for name in plan.experiment.figures:
        if _can_draw(plan, name):
            _add_figure(plan, name, words)
    shown = _shown(plan, given)
    if plan.experiment.audit is not None:
        plan.advice = advice.add_to(
            plan.steps, plan.experiment, plan.tasks, plan.tables, shown=shown, placebos=parts["placebo"], placebo_ids=plan.placebos,
            records=plan.records, words=words, absent=plan.absent, cautions=plan.cautions,
        )  # fmt: skip
    _add_report(plan, shown, words)


def _add_tables(plan: Plan, parts: Judged) -> None:
    known = Known(plan.experiment, plan.tasks, plan.seconds)
    for name in TABLES:
        if not _makes(name, plan.tasks, plan.experiment.budgets):
            continue
        settings = of_table(name).knowing(name, known)
        inputs: dict[str, Input] = {table: plan.tables[table] for table in settings.reads}
        if settings.parts is not None:
            kind, output = settings.parts
            inputs = {"parts": [(step, output) for step in parts[kind]], **inputs}
        plan.tables[name] = add(
            plan.steps, name, settings, inputs,
            modules=("popleak.stages.tables", f"popleak.tables.{name}"), mem_mb=6000,
        )  # fmt: skip


def _can_draw(plan: Plan, name: str) -> bool:
    """Return whether the tables that a figure shows are produced. If a skipped task would have produced one, add a
    notice. Raises PopleakError if no task of the config produces it."""
    absent = [table for table in plugins.load("figures", name).tables if table not in plan.tables]
    if not absent:
        return True
    if absent[0] in SEARCHED:
        raise PopleakError(
            f"config: figures: {name!r} shows the table `{absent[0]}`, which `popleak pareto` makes and draws: remove the figure"
        )
    if not _makes(absent[0], config.resolve(plan.experiment), plan.experiment.budgets):
        raise PopleakError(
            f"config: figures: {name!r} shows the table `{absent[0]}`, which exists only with {ON_REQUEST[absent[0]]}: add them, or remove the figure"
        )
    plan.absent.append(f"figure {name}: no remaining task makes the table `{absent[0]}`, which it shows")
    return False


def _add_figure(plan: Plan, name: str, words: Sequence[str]) -> None:
    plan.figures[name] = add(
        plan.steps, name, FiguresStep(figure=name, tau=plan.experiment.tau),
        {table: plan.tables[table] for table in plugins.load("figures", name).reads(plan.tables)}, outputs=FIGURE,
        modules=("popleak.stages.figures", plugins.modules("figures")[name], *words), mem_mb=3000,
    )  # fmt: skip


def _beside(plan: Plan) -> list[str]:
    """Return the files that are published with the report, by their paths from there."""
    paths = [path.removeprefix(f"{plan.folder()}/") for kind in ("tables", "figures") for path in plan.public(kind)]
    return [*paths, *(f"tables/{file}" for file in papers_of(plan.tables))]


def _shown(plan: Plan, given: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the config as pages show it."""
    experiment = plan.experiment
    # how jobs are cut, where raw files lie and what `popleak pareto` is to do affects no result, so it must not cause a new report
    shown = {key: value for key, value in experiment.resolved().items() if key not in ("engine", "data_dir", "search")}
    # and the folders of a user's own files are nobody's business when the report is shared
    shown["tasks"] = [
        {**task, "options": {key: named(value) for key, value in task["options"].items()}} for task in given
    ]
    shown["paper"] = named(experiment.paper)
    return shown


def _add_report(plan: Plan, shown: dict[str, Any], words: Sequence[str]) -> None:
    experiment = plan.experiment
    plan.report = add(
        plan.steps, experiment.experiment,
        ReportStep(
            experiment=shown, figures=tuple(plan.figures), absent=tuple(plan.absent), cautions=tuple(plan.cautions),
            paper=papers.load(experiment.paper),
            controls=Known(experiment, plan.tasks).controls, kinds=Known(experiment, plan.tasks).kinds,
            downloads=tuple(_beside(plan)),
        ),
        {
            **plan.tables,
            "figures": [(step, "png") for step in plan.figures.values()],
            "cards": [(step, "table") for step in plan.steps["dataset"].values() if step.id not in plan.placebos],
            **({"advice": [(plan.advice, kind) for kind in advice.OPENED]} if plan.advice else {}),
        },
        outputs={kind: f".{kind}" for kind in ("html", "sha256", *papers_of(plan.tables), *DESCRIBED.values())},
        modules=("popleak.stages.report", *(plugins.modules("figures")[name] for name in plan.figures), *words), mem_mb=3000,
    )  # fmt: skip
