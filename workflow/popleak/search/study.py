"""One study: a sampler's trials on one task. optuna proposes, the store remembers what was trained, SQLite what was tried.

The same seed gives the same trials, however often the study was killed. Each trial has a sampler of its own, whose seed is a hash of
the study's seed and the trial's number, so a proposal depends on the trials before it and on nothing else; a trial that was begun and
not finished is finished first. Source of the sampler: TPE for several objectives (Ozaki et al., GECCO 2020), in optuna.
"""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from ..config import axes, searching
from ..config.experiment import Experiment
from ..core.errors import PopleakError
from ..core.provenance import code_digest, library_versions
from ..core.seeds import derive
from ..core.settings import digest
from ..measures import fronts
from ..plan.steps import ROOT
from . import experiments, points

if TYPE_CHECKING:
    import optuna

Sampler = Literal["tpe", "random"]
SAMPLERS: tuple[Sampler, ...] = ("tpe", "random")
DIRECTIONS: tuple[Literal["maximize", "minimize"], ...] = ("maximize", "minimize", "minimize")
MADE, VALUES, FAILURE = "made", "values", "failure"
"""What a study keeps beside what optuna does: by what it was made, and of each trial what was measured, or why nothing was."""
FLOOR = "below the accuracy floor"
"""The constraint of a trial."""


class Spec(NamedTuple):
    """Which study. task: the place of its task; seed: its number, from 1."""

    experiment: Experiment
    task: int
    sampler: Sampler
    seed: int

    def path(self, name: str) -> Path:
        """Return its file; name: the task's id."""
        return Path(ROOT, self.experiment.experiment, "search", f"{name}-{self.sampler}-{self.seed}.db")


class Trial(NamedTuple):
    """One trial. values: as `points.Found.defended`, None if it failed; failure: why; floor: the accuracy that it had to reach."""

    number: int
    point: axes.Point
    values: dict[str, float] | None
    floor: float = np.nan
    failure: str = ""

    @property
    def feasible(self) -> bool:
        return self.values is not None and self.values["accuracy"] >= self.floor


Evaluate = Callable[[axes.Point], points.Found]
Tell = Callable[[int], None]


def made_by(spec: Spec) -> dict[str, str]:
    """Return digests of what decides a study: its settings, the data and the code, that of the stages and libraries among it.

    Not among the settings: how many trials there are, and what comes after the search, so that a study can go on.
    """
    search = experiments.of(spec.experiment)
    whole = points.Job(spec.experiment, spec.task, {}, 1, spec.seed).plan()
    (data,) = whole.steps["dataset"].values()
    steps = [step for stage in whole.steps.values() for step in stage.values()]
    code = {step.code for step in steps if step.stage not in ("figures", "report")}
    settings = {
        "steps": [step.settings.plain() for step in steps if step.stage in ("split", "draw", "train", "defend", "attack")],
        "axes": [axis._asdict() for axis in search.axes()], "startup": search.startup, "floor": search.above_constant,
        "first": search.first.resolved(), "sampler": spec.sampler, "seed": spec.seed,
    }  # fmt: skip
    own = ("popleak.search.study",)
    return {
        "settings": digest(settings),
        "data": digest([data.settings.plain(), sorted(Path(path).name for path in data.inputs.get("files", ()))]),
        "code": digest([sorted(code), code_digest(*own), library_versions(*own)]),
    }


def run(spec: Spec, evaluate: Evaluate, tell: Tell = lambda done: None) -> list[Trial]:
    """Return the trials of a study, as many as the config asks for, after those that its file holds. tell: called with the number of
    finished trials after each.

    Raises PopleakError in one line for a study that was made by other code, data or settings, and for a file that is no study.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    search = experiments.of(spec.experiment)
    path = spec.path(_name(spec))
    path.parent.mkdir(parents=True, exist_ok=True)
    with _opened(path) as storage:
        study = optuna.create_study(storage=storage, study_name="search", directions=DIRECTIONS, load_if_exists=True)
        _same(study, made_by(spec), path)
        while len(done := _finished(study)) < search.trials:
            tell(len(done))
            _one(study, spec, search, evaluate)
        tell(len(done))
        return _read(study, search)[: search.trials]


def _name(spec: Spec) -> str:
    from ..config.resolve import resolve

    return resolve(spec.experiment)[spec.task].id


def again(spec: Spec, trials: Sequence[Trial]) -> bool:
    """Return whether the study, begun anew in memory with what its trials measured, proposes the same configurations."""
    import optuna

    search = experiments.of(spec.experiment)
    known = {points.identity(one.point): one for one in trials}

    def remembered(point: axes.Point) -> points.Found:
        one = known[points.identity(point)]
        if one.values is None:
            raise PopleakError(one.failure)
        return points.Found(one.values, {}, one.floor, "", 0)

    study = optuna.create_study(directions=DIRECTIONS)
    for one in trials:
        try:
            _one(study, spec, search, remembered)
        except KeyError:  # another configuration than before
            return False
        if _read(study, search)[-1].point != one.point:
            return False
    return True


def front(trials: Sequence[Trial], most: int) -> list[Trial]:
    """Return at most so many trials of the front among those that reach the accuracy floor; see `fronts.chosen`."""
    kept = [one for one in trials if one.feasible]
    if not kept:
        return []
    values = np.array([points.objectives(one.values) for one in kept if one.values is not None])
    return [kept[i] for i in fronts.chosen(*points.costs(values, kept[0].floor), most)]


def unselected(spec: Spec, trials: Sequence[Trial]) -> list[Trial]:
    """Return trials of random search that were measured, as many as the config asks for, in an order by a hash of the study's seed and the
    trial's number and by no value: what stage 1 says of them it says of what nobody chose. None of a sampler that learns."""
    if spec.sampler != "random":
        return []
    kept = [one for one in trials if one.values is not None]
    kept.sort(key=lambda one: derive(spec.experiment.seed, "search", "unselected", spec.seed, one.number))
    return kept[: experiments.of(spec.experiment).unselected]


def _one(study: optuna.Study, spec: Spec, search: searching.Search, evaluate: Evaluate) -> None:
    """Run the next trial, or the one that was begun and not finished."""
    import optuna

    begun = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,))
    number = begun[0].number if begun else len(study.get_trials(deepcopy=False))
    study.sampler = _sampler(spec, search, number)
    trial = optuna.Trial(study, begun[0]._trial_id) if begun else study.ask()
    point = {axis.name: _suggested(trial, axis) for axis in search.axes()}
    try:
        found = evaluate(point)
    except PopleakError as error:
        trial.set_user_attr(FAILURE, str(error))
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        return
    trial.set_user_attr(VALUES, {"floor": found.floor, **found.defended})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it was killed after this line: what was set there stays
        trial.set_constraint(FLOOR, found.floor - found.defended["accuracy"])
    study.tell(trial, [float(one) for one in points.objectives(found.defended)])


def _sampler(spec: Spec, search: searching.Search, number: int) -> optuna.samplers.BaseSampler:
    import optuna

    seed = derive(spec.experiment.seed, "search", "sampler", spec.sampler, spec.seed, number) % 2**32
    if spec.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=search.startup, constant_liar=False)


def _suggested(trial: optuna.Trial, axis: axes.Axis) -> Any:
    """Return a trial's value on an axis. optuna is asked for the place of a value, so that none is rounded on its way."""
    if axis.ordered:
        return axis.values[trial.suggest_int(axis.name, 0, len(axis.values) - 1)]
    return axis.values[trial.suggest_categorical(axis.name, range(len(axis.values)))]


def _finished(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    return [one for one in study.get_trials(deepcopy=False) if one.state.is_finished()]


def _read(study: optuna.Study, search: searching.Search) -> list[Trial]:
    found = []
    for one in _finished(study):
        point = {axis.name: axis.values[one.params[axis.name]] for axis in search.axes()}
        values: dict[str, float] | None = dict(one.user_attrs[VALUES]) if VALUES in one.user_attrs else None
        floor = np.nan if values is None else values.pop("floor")
        found.append(Trial(one.number, point, values, floor, one.user_attrs.get(FAILURE, "")))
    return found


def _same(study: optuna.Study, made: Mapping[str, str], path: Path) -> None:
    """Enter by what a new study is made; raise PopleakError for one that was made by something else."""
    before = study.user_attrs.get(MADE)
    if before is None and not study.get_trials(deepcopy=False):
        study.set_user_attr(MADE, dict(made))
        return
    other = [name for name, one in made.items() if not isinstance(before, dict) or before.get(name) != one]
    if other:
        raise PopleakError(
            f"{path}: this study was made by other {' and '.join(other)}, so its trials cannot be gone on with: delete it, or give "
            "`experiment` another name; models that are still the same are not trained again"
        )


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[optuna.storages.RDBStorage]:
    """Give a study's file. Raises PopleakError for one that is none."""
    import optuna
    import sqlalchemy.exc

    try:
        storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    except (sqlalchemy.exc.DatabaseError, RuntimeError) as error:
        raise PopleakError(f"{path}: is no study ({_short(error)}): delete it and search again") from error
    try:
        yield storage
    except (sqlalchemy.exc.DatabaseError, optuna.exceptions.StorageInternalError, json.JSONDecodeError) as error:
        raise PopleakError(f"{path}: cannot be read or written ({_short(error)})") from error
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:100]
