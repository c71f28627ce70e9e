"""The whole search: studies, then what they found at higher fidelity, then what survives; on one core or several.

Nothing here depends on how many cores there are or on which job ends first: results are put together in the order in which they were
asked for.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, NamedTuple, TypeVar

from ..config import axes, resolve
from ..config.experiment import Experiment
from ..core import locks
from ..core.errors import PopleakError
from ..measures import fronts
from ..plan.estimate import duration
from ..plan.steps import ROOT
from . import experiments, points, study
from .points import Job
from .study import Sampler, Spec, Trial

T = TypeVar("T")
R = TypeVar("R")


class Studied(NamedTuple):
    """A study with its trials, those that its front and those that chance sends to stage 2 (`study.unselected`), and whether it proposes
    the same again (`study.again`)."""

    spec: Spec
    task: str
    trials: list[Trial]
    front: list[Trial]
    unselected: list[Trial]
    replayed: bool


class Measured(NamedTuple):
    """A configuration that was run in stage 2 or 3. role: front, unselected, default, curve or transfer; sampler, seed, trial: where it comes from,
    where it is a study's; before: what stage 1 said of it, where it was run there; failure: why there is no `found`."""

    task: str
    role: str
    point: axes.Point
    stage: int
    found: points.Found | None
    sampler: Sampler | str = ""
    seed: int = 0
    trial: int = -1
    before: dict[str, float] | None = None
    failure: str = ""


class Searched(NamedTuple):
    """All that a search found."""

    studies: list[Studied]
    measured: list[Measured]


def run(experiment: Experiment, cores: int = 1) -> Searched:
    """Return what the search of an experiment finds, from the store and the studies' files as far as they are there.

    Raises PopleakError for a config that cannot be searched, a study that was made by something else, and while another search makes the same.
    """
    experiments.check(experiment)
    points.check(experiment)
    search = experiments.of(experiment)
    names = [task.id for task in resolve.resolve(experiment)]
    specs = [
        Spec(experiment, task, sampler, seed)
        for task in experiments.searched(experiment)
        for seed in range(1, search.seeds + 1)
        for sampler in study.SAMPLERS
    ]
    end = locks.claim(ROOT, [str(spec.path(names[spec.task])) for spec in specs])
    try:
        return _run(experiment, names, specs, cores)
    finally:
        end()


def _run(experiment: Experiment, names: Sequence[str], specs: Sequence[Spec], cores: int) -> Searched:
    said = [f"{names[spec.task]}, {spec.sampler}, seed {spec.seed}" for spec in specs]
    studied = _each(_study, [(spec, names[spec.task]) for spec in specs], cores, "studies", said)
    second = _second(experiment, names, studied)
    measured = _measure(second, experiment, cores, "stage 2")
    third = _third(experiment, names, measured)
    measured += _measure(third, experiment, cores, "stage 3")
    return Searched(studied, measured + _measure(_transfer(experiment, names, measured), experiment, cores, "transfer"))


def _study(asked: tuple[Spec, str]) -> Studied:
    """Run one study; in a process of its own where there are several cores."""
    spec, task = asked
    search = experiments.of(spec.experiment)
    began, first = time.monotonic(), -1

    def evaluate(point: axes.Point) -> points.Found:
        return points.evaluate(Job(spec.experiment, spec.task, point, 1, spec.seed))

    def tell(done: int) -> None:
        nonlocal first
        first = done if first < 0 else first
        left = (time.monotonic() - began) / max(1, done - first) * (search.trials - done)
        guess = f", about {duration(left)} left in it" if first < done < search.trials else ""
        _say(f"{task}, {spec.sampler}, seed {spec.seed}: {done} of {search.trials} trials{guess}")

    trials = study.run(spec, evaluate, tell)
    by_chance = study.unselected(spec, trials)
    return Studied(spec, task, trials, study.front(trials, search.front), by_chance, study.again(spec, trials))


def _second(experiment: Experiment, names: Sequence[str], studied: Sequence[Studied]) -> list[Measured]:
    """Return what stage 2 is asked: the default and its curve for each searched task, then of every study its
    front and what chance drew."""
    found = []
    for task in experiments.searched(experiment):
        found.append(Measured(names[task], "default", {}, 2, None))
        found += [
            Measured(names[task], "curve", {"eo_weight": one}, 2, None) for one in experiments.of(experiment).curve
        ]
    return found + [
        Measured(one.task, role, trial.point, 2, None, one.spec.sampler, one.spec.seed, trial.number, trial.values)
        for one in studied
        for role, trials in (("front", one.front), ("unselected", one.unselected))
        for trial in trials
    ]


def _third(experiment: Experiment, names: Sequence[str], measured: Sequence[Measured]) -> list[Measured]:
    """Return what stage 3 is asked: for each searched task the default, then what beat it, or its undefended models, in all objectives of
    stage 2, then other configurations that reached the floor, front by front, as many as the config allows. Of each kind those that
    add most to the hypervolume come first."""
    found: list[Measured] = []
    for name in (names[task] for task in experiments.searched(experiment)):
        mine = [one for one in measured if one.task == name]
        default = next(one for one in mine if one.role == "default")
        found += [default, *_tried(_distinct(mine), default, experiments.of(experiment).survivors)]
    return [one._replace(stage=3, found=None, before=None, failure="") for one in found]


def _tried(every: Sequence[Measured], default: Measured, most: int) -> list[Measured]:
    """Return at most so many configurations: those that beat a default, then others."""
    bases = () if default.found is None else (default.found.defended, default.found.undefended)
    beating = [one for one in every if one.found and any(beats(one.found.defended, other) for other in bases)]
    rest = [one for one in every if one not in beating]
    tried = [beating[i] for i in _order(beating, most)]
    return [*tried, *(rest[i] for i in _order(rest, most - len(tried)))]


def _distinct(measured: Sequence[Measured]) -> list[Measured]:
    """Return the configurations of fronts that reach the floor, each once."""
    found: dict[str, Measured] = {}
    for one in measured:
        if one.role == "front" and one.found is not None and one.found.feasible:
            found.setdefault(points.identity(one.point), one)
    return list(found.values())


def beats(values: dict[str, float], other: dict[str, float]) -> bool:
    """Return whether a configuration is better than another in all three objectives, those below 0 counting as 0."""
    first, second = points.objectives(values), points.objectives(other)
    return bool(first[0] > second[0] and (first[1:] < second[1:]).all())


def _transfer(experiment: Experiment, names: Sequence[str], measured: Sequence[Measured]) -> list[Measured]:
    """Return what the tasks of `transfer` are asked: the first of the first searched task's configurations that stage 3 measured."""
    search = experiments.of(experiment)
    first = names[experiments.searched(experiment)[0]]
    front = [one for one in measured if one.task == first and one.role == "front" and one.stage == 3 and one.found]
    return [
        Measured(name, "transfer", one.point, 2, None, one.sampler, one.seed, one.trial)
        for name in search.transfer
        for one in front[: search.transferred]
    ]


def _order(measured: Sequence[Measured], most: int) -> list[int]:
    """Return the places of at most so many configurations, front by front, in each those first that add most to the hypervolume."""
    import numpy as np

    known = [one.found for one in measured if one.found is not None]
    if not known:
        return []
    values, reference = points.costs(np.array([points.objectives(one.defended) for one in known]), known[0].floor)
    left, found = list(range(len(known))), list[int]()
    while left and len(found) < most:
        chosen = fronts.chosen(values[left], reference, most - len(found))
        found += [left[i] for i in chosen]
        left = [one for one in left if one not in found]
    return found


def _measure(asked: Sequence[Measured], experiment: Experiment, cores: int, what: str) -> list[Measured]:
    """Return the same with what was found of each. A configuration that is asked for twice is run once."""
    place = {task.id: i for i, task in enumerate(resolve.resolve(experiment))}
    jobs = {
        (one.task, points.said(one.point), one.stage): Job(experiment, place[one.task], one.point, one.stage)  # type: ignore[arg-type]
        for one in asked
    }
    said = [f"{task}, {points.identity(job.point)}" for (task, _, _), job in jobs.items()]
    found = dict(zip(jobs, _each(_evaluated, list(jobs.values()), cores, what, said), strict=True))
    done = []
    for one in asked:
        value, failure = found[one.task, points.said(one.point), one.stage]
        done.append(one._replace(found=value, failure=failure))
    return done


def _evaluated(job: Job) -> tuple[points.Found | None, str]:
    """Return what was found, or why nothing was."""
    try:
        return points.evaluate(job), ""
    except PopleakError as error:
        return None, str(error)


def _each(function: Callable[[T], R], asked: Sequence[T], cores: int, what: str, said: Sequence[str]) -> list[R]:
    """Return function(one) for each, in their order; on several cores in processes of their own. Says how far it is."""
    began, found = time.monotonic(), dict[int, R]()

    def tell(place: int) -> None:
        left = (time.monotonic() - began) / len(found) * (len(asked) - len(found))
        guess = f", about {duration(left)} left" if len(found) < len(asked) else ""
        _say(f"{what}: {len(found)} of {len(asked)} done ({said[place]}){guess}")

    if cores == 1 or len(asked) < 2:
        for place, one in enumerate(asked):
            found[place] = function(one)
            tell(place)
    else:
        # not forked: a fork would copy threads of numerical libraries that hold locks
        with ProcessPoolExecutor(cores, mp_context=multiprocessing.get_context("spawn")) as pool:
            begun: dict[Any, int] = {pool.submit(function, one): place for place, one in enumerate(asked)}
            try:
                for one_done in as_completed(begun):
                    found[begun[one_done]] = one_done.result()
                    tell(begun[one_done])
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    return [found[place] for place in range(len(asked))]


def _say(text: str) -> None:
    print(f"popleak: {text}", file=sys.stderr, flush=True)
