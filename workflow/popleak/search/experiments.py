"""The experiments of a search: what it is asked for, and the ordinary experiment that a configuration is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ..config import axes, resolve, searching
from ..config.experiment import Experiment
from ..core import plugins
from ..core.errors import PopleakError
from ..core.seeds import derive


def of(experiment: Experiment) -> searching.Search:
    """Return the search of an experiment. Raises PopleakError if there is none."""
    if experiment.search is None:
        raise PopleakError("config: search: missing: `popleak pareto` needs it; see workflow/experiments/pareto.yaml")
    return experiment.search


def check(experiment: Experiment) -> None:
    """Raise PopleakError if the search of an experiment cannot be run."""
    search, tasks = of(experiment), resolve.resolve(experiment)
    ids = [task.id for task in tasks]
    if unknown := [name for name in search.transfer if name not in ids]:
        raise PopleakError(f"config: search.transfer: no task {unknown[0]!r}: choose from {', '.join(ids)}")
    if set(search.transfer) >= set(ids):
        raise PopleakError("config: search.transfer: names every task: leave one to be searched")
    for task in tasks:
        dataset = plugins.load("datasets", task.dataset)
        if len(dataset.classes(dataset.Settings.model_validate(task.options))) > 2:
            raise PopleakError(
                f"config: tasks: a search needs labels of two classes, and those of {task.id!r} have more"
            )
        if [len(one.ratios or ()) for one in task.worlds] != [2]:
            raise PopleakError(f"config: worlds: a search needs one pair of worlds, and task {task.id!r} has others")
    for axis in search.axes():
        for value in axis.values:  # what a plugin refuses is refused here, and not after an hour
            with naming(f"search.space.{axis.name}"):
                at(experiment, 0, {axes.WIDTH: 8, axis.name: value}, 1, 0)


@contextlib.contextmanager
def naming(key: str) -> Iterator[None]:
    """Name a key of the config in a PopleakError that is raised of what it asks for."""
    try:
        yield
    except PopleakError as error:
        raise PopleakError(f"config: {key}: {str(error).removeprefix('config: ')}") from error


def searched(experiment: Experiment) -> list[int]:
    """Return the places of the tasks that are searched; the others are in `transfer`."""
    there = () if experiment.search is None else experiment.search.transfer
    return [i for i, task in enumerate(resolve.resolve(experiment)) if task.id not in there]


def at(experiment: Experiment, task: int, point: axes.Point, stage: searching.Stage, seed: int) -> Experiment:
    """Return the ordinary experiment that trains and judges one configuration: one task, undefended and with the defence, informed
    adversaries. The experiment's seed follows from its own, the stage and the study's `seed`, so that stages share no pool split."""
    if experiment.search is None:
        raise ValueError("the experiment has no search")
    fidelity, own = experiment.search.fidelity(stage).model_dump(), axes.settings(point)
    raw = experiment.model_dump(mode="json", exclude={"search"})
    only = raw["tasks"][task]
    only |= {"models": None, "defences": None, "shadow_models": None, "placebo": 0}
    only |= {"population": only["population"] | fidelity, "training": only["training"] | own["training"]}
    return resolve.load(
        raw
        | {
            "seed": derive(experiment.seed, "search", stage, seed) >> 11,
            "tasks": [only],
            "models": [{"name": axes.MODEL, "settings": own["model"]}],
            "defences": ["none", {"name": axes.DEFENCE, "settings": own["defence"]}],
            "shadow_models": [],
            "knowledge": ["informed"],
            "population": raw["population"] | fidelity,
            "training": raw["training"] | own["training"],
            "figures": [],
        }
    )
