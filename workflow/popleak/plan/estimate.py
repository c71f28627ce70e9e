"""What remains to be done in a run, and what it costs on this machine: CPU time, wall time and disk.

The costs of steps are those of a reference core (`cost`). Starting a job, and a second or two of the engine's work,
show how this machine compares with it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import plugins
from ..engine.objective import in_words, not_in_numba
from . import cost, forms
from .build import Plan
from .steps import Step

if TYPE_CHECKING:
    from .stock import Stock

ENGINE = ("train", "defend", "sample", "query", "measure")
"""Stages whose work is done by the engine."""
REFERENCE_START = 0.22
"""CPU seconds that Python takes to start and import a stage on the reference core."""


@dataclass(frozen=True)
class Speed:
    """How much slower this machine is than the reference core: for imports and other Python code, and for training."""

    start: float
    engine: float


def calibrate() -> Speed:
    """Measure this machine: the best of three starts of a stage, and of three rounds of training."""
    starts = [_start() for _ in range(3)]
    from ..engine.fit import Chain, Table, Training, fit

    sides = (50, 32, 16, 1)
    shape = cost.Shape(1000, 100, 5, sides)
    training = Training(epochs=shape.epochs, batch=shape.batch, learning_rate=1e-3, validation=0.0)
    rng = np.random.default_rng(0)
    table = Table.of(rng.normal(size=(2000, 50)), rng.random(2000) < 0.5, rng.random(2000) < 0.5)
    rows = np.stack([rng.permutation(2000)[: shape.rows] for _ in range(64)])
    fit(Chain(sides), table, rows[:1, :10], np.arange(1), training)
    rounds = []
    for _ in range(3):
        begin = time.process_time()
        fit(Chain(sides), table, rows, np.arange(len(rows)), training)
        rounds.append(time.process_time() - begin)
    return Speed(min(starts) / REFERENCE_START, min(rounds) / (len(rows) * shape.seconds()))


def _start() -> float:
    """Return the CPU seconds of a Python process that only imports a stage."""
    before = os.times()
    subprocess.run([sys.executable, "-c", "import popleak.stages.attack"], check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


@dataclass(frozen=True)
class Stage:
    """One line of the estimate: jobs, finished jobs, models to train, models to copy from other files of the store,
    remaining CPU seconds and megabytes."""

    name: str
    jobs: int
    there: int
    models: int
    reused: int
    seconds: float
    mb: float
    longest: float


def is_there(step: Step[Any]) -> bool:
    """Return whether all files of a step exist. Snakemake may still consider them out of date."""
    return all(Path(path).exists() for path in step.outputs.values())


def stages(plan: Plan, speed: Speed, steps: Sequence[Step[Any]] | None = None) -> list[Stage]:
    """Return the estimate by stage, of all steps of a plan or of some."""
    from .stock import Stock

    stock = Stock(plan)
    found: dict[str, list[Step[Any]]] = {}
    for step in plan.all_steps() if steps is None else steps:
        found.setdefault(step.stage, []).append(step)
    return [_stage(name, steps, speed, stock) for name, steps in found.items()]


def step_seconds(plan: Plan, speed: Speed) -> dict[tuple[str, str], float]:
    """Return the CPU seconds of each step on this machine, less those of models that are copied, by stage and id."""
    from .stock import Stock

    stock = Stock(plan)
    return {(step.stage, step.id): _seconds(step, speed, stock.count(step)) for step in plan.all_steps()}


def _seconds(step: Step[Any], speed: Speed, held: int) -> float:
    """Return the CPU seconds of a step. held: how many of its models are copied from other files."""
    factor = speed.engine if step.stage in ENGINE else speed.start
    return cost.START[step.stage] * speed.start + step.seconds * factor * (1 - held / max(step.models, 1))


def _stage(name: str, steps: list[Step[Any]], speed: Speed, stock: Stock) -> Stage:
    todo = [step for step in steps if not is_there(step)]
    held = [stock.count(step) for step in todo]
    each = [_seconds(step, speed, reused) for step, reused in zip(todo, held, strict=True)]
    models = sum(step.models for step in todo) - sum(held) if name in ("train", "defend") else 0
    mb = sum(step.mb for step in todo)
    return Stage(name, len(steps), len(steps) - len(todo), models, sum(held), sum(each), mb, max(each, default=0.0))


def wall_seconds(found: list[Stage], cores: int, speed: Speed) -> float:
    """Return the wall seconds on `cores` cores: all work shared equally or, if that takes longer, the longest job of
    each stage one after another; plus Snakemake itself."""
    total = sum(stage.seconds for stage in found)
    once, each = cost.SNAKEMAKE
    jobs = sum(stage.jobs - stage.there for stage in found)
    start_up = speed.start * (once + each * jobs) if jobs else speed.start * once
    return max(total / cores, sum(stage.longest for stage in found)) + start_up


def slower(plan: Plan) -> dict[tuple[str, float], list[str]]:
    """Return the ids of models and defences that the engine's compiled loops cannot train, by the reason in words and
    the slowdown."""
    slow: dict[tuple[str, float], dict[str, None]] = {}
    backend = plan.experiment.engine.backend
    for task in plan.tasks:
        form = forms.of_task(task)
        for model in (*task.models, *task.shadow_models):
            plugin = plugins.load("models", model.name)
            if not plugin.gradient:
                continue
            settings = plugin.Settings.model_validate(model.settings)
            sides = plugin.sides(form.features, settings, **form.keywords(plugin))
            shaped = plugin.shape(form.features, settings) is not None
            net = plugin.net(form.features, settings, form.classes)
            if (usual := cost.factor(sides, backend, shaped=shaped, net=net)) > 1:
                reason = not_in_numba(sides, net=net) or "engine.backend is torch"
                slow.setdefault((reason, usual), {})[model.id] = None
            for defence in task.defences:
                plugin = plugins.load("defences", defence.name)
                wants = plugin.asks(plugin.Settings.model_validate(defence.settings))
                factor = cost.factor(sides, backend, wants, shaped=shaped, net=net)
                if factor > usual and cost.by_torch(sides, backend, wants, net=net):
                    reason = in_words(wants) or ""  # what the defence adds
                    slow.setdefault((reason, factor), {})[defence.id] = None
    return {key: list(names) for key, names in slow.items()}


def lines(plan: Plan, speed: Speed, cores: int) -> list[str]:
    """Return the estimate as lines of text."""
    estimates = stages(plan, speed)
    total = _all(estimates)
    text = [f"{'stage':<9}{'jobs':>6}{'there':>7}{'models':>10}{'re-used':>10}{'CPU':>10}{'disk':>10}"]
    text += [*(_row(stage) for stage in (*estimates, total)), *_for_placebos(plan, speed)]
    if total.jobs == total.there:
        return [*text, "all files exist; `snakemake -n` shows whether any of them is out of date"]
    wall = duration(wall_seconds(estimates, cores, speed))
    return [
        *text,
        *_slow(plan),
        f"about {wall} on {cores} {'core' if cores == 1 else 'cores'} that do nothing else "
        f"(this machine takes {speed.engine:.2g} times as long as the reference core to train)",
    ]


def _all(found: list[Stage]) -> Stage:
    """Return the sums over all stages."""
    sums = {
        name: sum(getattr(stage, name) for stage in found)
        for name in ("jobs", "there", "models", "reused", "seconds", "mb")
    }
    return Stage("all", longest=max((stage.longest for stage in found), default=0.0), **sums)


def _row(stage: Stage) -> str:
    numbers = f"{stage.models or '':>10}{stage.reused or '':>10}{duration(stage.seconds):>10}{_size(stage.mb):>10}"
    return f"{stage.name:<9}{stage.jobs:>6}{stage.there:>7}{numbers}"


def _for_placebos(plan: Plan, speed: Speed) -> list[str]:
    """Return a line with the share of the work that only placebos need, if there is any."""
    extra = [step for step in plan.all_steps() if step.id in plan.placebos and not is_there(step)]
    if not extra:
        return []
    trained = sum(step.models for step in extra if step.stage == "train")
    seconds = sum(stage.seconds for stage in stages(plan, speed, extra))
    return [f"of these for placebos: {len(extra)} jobs, {trained:,} models, {duration(seconds)} CPU"]


def _slow(plan: Plan) -> list[str]:
    """Return what trains slower than it could, or on a device that the times do not describe, a line each."""
    lines = [
        f"{', '.join(names)}: {reason}, trained one at a time by torch, about {factor:.0f} times slower"
        for (reason, factor), names in slower(plan).items()
    ]
    if plan.experiment.engine.device != "cpu":
        lines.append(f"engine.device is {plan.experiment.engine.device}; the times are those of a CPU")
    return lines


def duration(seconds: float) -> str:
    if seconds <= 0:
        return "-"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5970 else f"{seconds / 3600:.1f} h"


def _size(mb: float) -> str:
    if mb <= 0:
        return "-"
    return f"{mb / 1000:.1f} GB" if mb >= 999.5 else f"{max(mb, 1):.0f} MB"
