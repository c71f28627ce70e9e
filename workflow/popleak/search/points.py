"""What one configuration is worth: the ordinary experiment that it is, run step by step on the experiments' own store."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..config import axes, resolve, searching
from ..config.experiment import Experiment
from ..core.errors import PopleakError
from ..core.settings import canonical, digest
from ..measures.verdicts import MOSTLY
from ..plan import build as plan
from ..plan.steps import ROOT
from ..store import parquet as store
from . import experiments, running

TAKEN = {
    **{
        f"{name}{end}": f"{column}{end}"
        for name, column in (
            ("accuracy", "accuracy"), ("delta_eo", "delta_eo"), ("delta_eo_crossed", "delta_eo_crossed"), ("advantage", "informed_advantage"),
        )
        for end in ("", "_low", "_high")
    },
    **{name: name for name in ("delta_eo_floor", "constant", "diverged", "victims", "splits")},
    "seconds": "seconds_reference",
}  # fmt: skip
"""What is taken of a row of the table `defences`, by name here."""
OBJECTIVES = ("accuracy", "delta_eo_crossed", "advantage")
WORST = {"delta_eo": 0.5, "advantage": 1.0}
"""Where the hypervolume ends; in accuracy at the floor."""


class Job(NamedTuple):
    """One configuration to evaluate. experiment: that of the search; task: the place of its task; seed: the study whose pool split stage
    1 is run on, 0 in later stages, which share theirs."""

    experiment: Experiment
    task: int
    point: axes.Point
    stage: searching.Stage
    seed: int = 0

    def plan(self) -> plan.Plan:
        """Return the plan of the ordinary experiment that this is."""
        return plan.build(experiments.at(self.experiment, self.task, self.point, self.stage, self.seed))


class Found(NamedTuple):
    """What was measured. defended, undefended: by the names in TAKEN; floor: accuracy that a configuration must reach; file: the table
    `defences` that says so; ran: steps that were run, 0 if all were there."""

    defended: dict[str, float]
    undefended: dict[str, float]
    floor: float
    file: str
    ran: int

    @property
    def feasible(self) -> bool:
        """Whether the configuration reaches the floor."""
        return self.defended["accuracy"] >= self.floor


def check(experiment: Experiment) -> None:
    """Raise PopleakError, with the key that asks for it, for what the plan or the data refuse of a search, before anything is trained: each
    stage, searched task, weight of the curve, value of `space` and task of `transfer`. Rows are drawn here, since only the pools tell
    whether there are as many; the search draws the same ones."""
    search, names = experiments.of(experiment), [task.id for task in resolve.resolve(experiment)]
    numbered: tuple[tuple[str, searching.Stage], ...] = (("first", 1), ("second", 2), ("third", 3))
    drawn: list[tuple[str, Job]] = []
    asked: list[tuple[str, Job]] = []
    for task in experiments.searched(experiment):
        for name, stage in numbered:
            seeds = range(1, search.seeds + 1) if stage == 1 else (0,)
            drawn += [(name, Job(experiment, task, {}, stage, seed)) for seed in seeds]
        asked += [("curve", Job(experiment, task, {"eo_weight": one}, 2)) for one in search.curve]
        asked += [
            (f"space.{name}", Job(experiment, task, {axes.WIDTH: 8, name: value}, 1, 1))
            for name, values in search.space.items()
            for value in values
        ]
    drawn += [("transfer", Job(experiment, names.index(name), {}, 2)) for name in search.transfer]
    for key, job in asked:
        with experiments.naming(f"search.{key}: task {names[job.task]!r}"):
            job.plan()
    plans: list[tuple[str, plan.Plan]] = []
    for key, job in drawn:
        with experiments.naming(f"search.{key}: task {names[job.task]!r}"):
            plans.append((f"search.{key}: task {names[job.task]!r}", job.plan()))
    for key, whole in plans:
        with experiments.naming(key), _quiet(Path(ROOT, "logs", "pareto", "draws.log")):
            for step in whole.steps["draw"].values():
                running.make(whole, step)


def identity(point: axes.Point) -> str:
    """Return a configuration's name: a digest of its values."""
    return digest(dict(point), 8)


def said(point: axes.Point) -> str:
    """Return a configuration as JSON."""
    return canonical(dict(point))


def evaluate(job: Job) -> Found:
    """Return what a configuration is worth, from files of the store where they are there. Raises PopleakError as the plan and the stages
    do, and where no victim gives finite answers."""
    whole = job.plan()
    target = whole.tables["defences"]
    with _quiet(Path(ROOT, "logs", "pareto", f"{target.id}.log")):
        ran = running.make(whole, target)
    table = store.read(target.outputs["table"], stage="tables").to_pandas().set_index("defence")
    (data,) = whole.steps["dataset"].values()
    rate = float(store.facts(data.outputs["table"])["label_rate"])
    search = job.experiment.search
    if search is None:
        raise ValueError("the experiment has no search")
    defended, undefended = (
        {name: float(table.at[row, column]) for name, column in TAKEN.items()} for row in (axes.DEFENCE, "none")
    )
    if not np.isfinite(objectives(defended)).all() or defended["diverged"] > MOSTLY:
        raise PopleakError(f"{defended['diverged']:.0%} of {defended['victims']:.0f} victims diverged")
    return Found(defended, undefended, max(rate, 1 - rate) + search.above_constant, target.outputs["table"], ran)


def objectives(values: dict[str, float]) -> np.ndarray:
    """Return (3,) accuracy, Delta_EO and advantage as the search compares them. Delta_EO is the crossed estimate, whose mean is 0 where
    there is no difference; one below 0, like an advantage below 0, is chance and counts as 0, lest the luckiest looks best."""
    found = np.array([values[name] for name in OBJECTIVES])
    found[1:] = np.where(np.isnan(found[1:]), np.nan, np.maximum(found[1:], 0.0))
    return found


def costs(values: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """Return objectives (n, 3) as costs between 0, the best possible, and 1, and the reference (3,) of the hypervolume, all 1."""
    accuracy, delta, advantage = np.asarray(values, dtype=float).reshape(-1, 3).T
    found = np.column_stack(
        [(1.0 - accuracy) / (1.0 - floor), delta / WORST["delta_eo"], advantage / WORST["advantage"]]
    )
    return found, np.ones(3)


@contextlib.contextmanager
def _quiet(path: Path) -> Iterator[None]:
    """Write what the stages say to a log: a line for each job would hide the search's own progress."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as log, contextlib.redirect_stderr(log):
        yield
    sys.stderr.flush()
