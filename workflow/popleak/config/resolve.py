"""Read, check and resolve an experiment's config.

A mistake is refused before any job starts, in one line with the key's path, the value and what is allowed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from ..core import extras, plugins
from ..core.errors import PopleakError
from ..core.settings import Settings
from ..engine.schedule import fits
from . import generating, grids
from .entries import Choice, Id
from .experiment import Experiment, Train
from .messages import line, near, real
from .reading import check_texts
from .reading import merge as merge
from .reading import read as read
from .resolved import ResolvedChoice, ResolvedTask, access_of, alone, different, publishes
from .tasks import Task, Worlds

_ID = TypeAdapter(Id)
S = TypeVar("S", bound=Settings)

PLACEBOS = 3
"""Permutations that `placebo: auto` takes for a user's own table."""
RESERVED = ("store", "logs", "data", "benchmarks")


def load(raw: Mapping[str, Any]) -> Experiment:
    """Return the validated experiment. Raises PopleakError in one line: the key's path, the value, what is allowed."""
    check_texts(raw, "config")
    try:
        experiment = Experiment.model_validate(dict(raw))
    except ValidationError as error:
        raise PopleakError(line(error, Experiment, "")) from None
    resolve(experiment)
    return experiment


def is_id(name: str) -> bool:
    """Return whether an experiment, a task or a plugin can have this name, which stands in names of files."""
    try:
        _ID.validate_python(name)
    except ValidationError:
        return False
    return True


def data_dir(experiment: Experiment) -> Path | None:
    """Return the folder of raw data: the config's `data_dir`, else POPLEAK_DATA, else None."""
    name = experiment.data_dir or os.environ.get("POPLEAK_DATA")
    return Path(name) if name else None


def resolve(experiment: Experiment) -> tuple[ResolvedTask, ...]:
    """Return the tasks with every plugin's settings checked and filled in. Raises PopleakError as `load` does."""
    for i, name in enumerate(experiment.access or ()):
        _known("access", name, f"access.{i}")
    tasks = tuple(_task(experiment, i, task) for i, task in enumerate(experiment.tasks))
    _unique("tasks", [task.id for task in tasks])
    if experiment.experiment in RESERVED:
        raise PopleakError(
            f"config: experiment: {experiment.experiment!r} is reserved: results/ has a folder of that name: choose another name"
        )
    for i, name in enumerate(experiment.figures):
        _known("figures", name, f"figures.{i}")
    if experiment.audit is not None:
        _released(experiment.audit.defence, tasks)
    return tasks


def _released(defence: str, tasks: tuple[ResolvedTask, ...]) -> None:
    """Raise PopleakError unless each task has the defence that models are to be released with."""
    for task in tasks:
        if defence not in (known := [one.id for one in task.defences]):
            raise PopleakError(
                f"config: audit.defence: {defence!r} is no defence of task {task.id!r}: choose from {', '.join(known)}"
            )


def _task(experiment: Experiment, i: int, task: Task) -> ResolvedTask:
    path = f"tasks.{i}"
    population = _over(experiment.population, task.population, f"{path}.population")
    training = _over(experiment.training, task.training, f"{path}.training")
    if population.adversary_from and "auto" in (task.rows, task.query_rows):
        raise PopleakError(
            f"config: {path}.rows: 'auto' counts rows whose pools are alike, and population.adversary_from makes them differ: give numbers"
        )
    owners = population.shadows // population.releases
    if above := [one for one in experiment.budgets.shadows if one > owners]:
        what = "shadows" if population.releases == 1 else "owners of shadows"
        raise PopleakError(
            f"config: budgets.shadows: {above[0]} is more than the {what} of task {i}, {owners}: lower it, or raise population.shadows"
        )
    experiment = experiment.model_copy(update={"population": population, "training": training})
    dataset = _known("datasets", task.dataset, f"{path}.dataset")
    options = _validated(dataset.Settings, task.options, lambda key: f"{path}.options")
    label = _one_of(task.label, dataset.labels, f"{path}.label")
    attribute = _one_of(task.attribute, dataset.attributes, f"{path}.attribute")
    worlds = task.worlds or experiment.worlds
    _worlds_once(worlds, "worlds" if task.worlds is None else f"{path}.worlds")
    models = _choices("models", experiment, task, i)
    defences = _choices("defences", experiment, task, i)
    shadow_models = _choices("shadow_models", experiment, task, i)
    attacks = _attacks(experiment, task, i)
    generators = _choices("generators", experiment, task, i)
    sharers = _choices("sharers", experiment, task, i)
    _trainable((*models, *shadow_models), defences, path)
    resolved = ResolvedTask(
        id=task.id or _task_id(f"{dataset.name}-{attribute}", "-in" if task.attribute_in_features else ""),
        dataset=dataset.name,
        label=label,
        attribute=attribute,
        attribute_in_features=task.attribute_in_features,
        options=options.resolved(),
        rows=task.rows,
        query_rows=task.query_rows,
        models=models,
        worlds=worlds,
        ratio_mode=task.ratio_mode or experiment.ratio_mode,
        defences=defences,
        attacks=attacks,
        shadow_models=shadow_models,
        poison=experiment.poison if task.poison is None else task.poison,
        population=population,
        training=training,
        generators=generators,
        sharers=sharers,
        samples=experiment.samples,
        placebo=_placebo(task.placebo, dataset, worlds, attacks, f"{path}.placebo"),
        public_pool=_with_public_rows(experiment, defences, path),
    )
    generating.check(resolved, path)
    return resolved


def _over(usual: S, changed: Mapping[str, Any], path: str) -> S:
    """Return settings with the values that a task changes. Raises PopleakError that names the task's key."""
    if not changed:
        return usual
    return cast("S", _validated(type(usual), {**usual.model_dump(), **changed}, lambda key: path))


def _worlds_once(worlds: tuple[Worlds, ...], where: str) -> None:
    """Raise PopleakError if the same worlds appear twice."""
    for pair in worlds:
        if worlds.count(pair) > 1:
            raise PopleakError(
                f"config: {where}: {pair.protocol} {list(pair.ratios or ())} appears {worlds.count(pair)} times: keep one"
            )


def _trainable(models: tuple[ResolvedChoice, ...], defences: tuple[ResolvedChoice, ...], path: str) -> None:
    """Raise PopleakError if two of a task's models (including those of the shadows) share an id, or if a defence
    cannot be applied to one."""
    for one in models:
        if sum(other.id == one.id and other != one for other in models):
            raise PopleakError(
                f"config: shadow_models: the id {one.id!r} is also that of another model: give each its own `id`"
            )
    for model in models:
        plugin = plugins.load("models", model.name)
        if not plugin.gradient and not plugin.generates:  # generators are refused below, whatever the defences
            for defence in defences:
                if not plugins.load("defences", defence.name).closed_form:
                    raise PopleakError(
                        f"config: {path}: defence {defence.id!r} cannot be applied to model {model.id!r}, which is not trained by gradient "
                        f"steps: give the task its own `defences` ({', '.join(_closed_forms())}) or `models`"
                    )


def _closed_forms() -> list[str]:
    """Return the defences of models that are not trained by gradient steps."""
    return [name for name in plugins.names("defences") if plugins.load("defences", name).closed_form]


def _with_public_rows(experiment: Experiment, defences: tuple[ResolvedChoice, ...], path: str) -> bool:
    """Return whether a defence needs a public pool. Raises PopleakError if it would leave no rows for the query pool."""
    public = [defence.id for defence in defences if publishes(defence)]
    shares = experiment.population
    if public and shares.victim_share + shares.adversary_share + shares.public_share >= 1:
        raise PopleakError(
            f"config: population.public_share: defence {public[0]!r} of {path} needs a public pool, and victim_share + adversary_share + "
            f"public_share must leave rows for the query pool: make their sum less than 1"
        )
    return bool(public)


def _placebo(
    asked: int | Literal["auto"],
    dataset: Any,
    worlds: tuple[Worlds, ...],
    attacks: tuple[ResolvedChoice, ...],
    path: str,
) -> int:
    """Return how many permutations of its group column a task is run with. Raises PopleakError if they could show
    nothing."""
    lacking = (
        "worlds of protocol pure or ratio" if not different(worlds)
        else "an attack that needs no defence" if not alone(attacks)
        else ""
    )  # fmt: skip
    if asked == "auto":
        return PLACEBOS if dataset.own and not lacking else 0
    if asked and lacking:
        raise PopleakError(
            f"config: {path}: {asked} asked for, but the task lacks {lacking}: add one, or leave placebo out"
        )
    return asked


def task_id(task: Mapping[str, Any]) -> str:
    """Return the id of an entry of `tasks`, as it is given or as it is made."""
    if task.get("id"):
        return str(task["id"])
    dataset = plugins.load("datasets", str(task["dataset"]).replace("_", "-"))
    attribute = task.get("attribute") or dataset.attributes[0]
    return _task_id(f"{dataset.name}-{attribute}", "-in" if task.get("attribute_in_features") else "")


def _task_id(name: str, ending: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower())[: 40 - len(ending)].strip("-") + ending


def _attacks(experiment: Experiment, task: Task, i: int) -> tuple[ResolvedChoice, ...]:
    chosen = _choices("attacks", experiment, task, i)
    if experiment.access is None:
        return chosen
    allowed = tuple(one for one in chosen if access_of(one).name in experiment.access)
    if not allowed:
        raise PopleakError(
            f"config: access: {list(experiment.access)} leaves no attack of task {i}: allow another access or attack"
        )
    return allowed


def _choices(key: str, experiment: Experiment, task: Task, i: int) -> tuple[ResolvedChoice, ...]:
    kind = {"shadow_models": "models", "generators": "models", "sharers": "defences"}.get(key, key)
    own = getattr(task, key)
    path = key if own is None else f"tasks.{i}.{key}"
    resolved = []
    for j, choice in enumerate(getattr(experiment, key) if own is None else own):
        plugin = _known(kind, choice.name, f"{path}.{j}.name")
        if kind == "attacks" and choice.key == "best":
            raise PopleakError(
                f"config: {path}.{j}.id: 'best' is the name of the best attack in the tables: choose another"
            )
        if kind == "defences" and choice.name == "none" and choice.key != "none":
            raise PopleakError(
                f"config: {path}.{j}.id: the undefended model is called 'none' in all tables: leave its id out"
            )
        if choice.key == "none" and choice.name != "none":
            raise PopleakError(f"config: {path}.{j}.id: 'none' is the name of the undefended model: choose another")
        if choice.id is None:
            _usable(choice.key, f"{path}.{j}")
        resolved += _plain_choices(experiment, plugin, choice, f"{path}.{j}", kind)
    _unique(path, [choice.id for choice in resolved])
    return tuple(_with_controls(resolved, experiment.training))


def _plain_choices(experiment: Experiment, plugin: Any, choice: Choice, path: str, kind: str) -> list[ResolvedChoice]:
    """Return the choice itself or, if it has a grid, one choice for each combination."""
    found: list[ResolvedChoice] = []
    for values in grids.combinations(choice, path):
        settings = _settings(plugin.Settings, choice.settings | values, path, values)
        if getattr(settings, "eo_weight", None) == "auto" and not experiment.training.validation:
            where = "grid" if "eo_weight" in values else "settings"
            raise PopleakError(
                f"config: {path}.{where}.eo_weight: 'auto' chooses on held-out rows, and training.validation is 0: raise it, or "
                f"give a number"
            )
        if kind == "defences":
            _check_cycles(settings, experiment.training, f"{path}.{'grid' if values else 'settings'}")
        name = grids.named(choice.key, {key: getattr(settings, key) for key in values}, path) if values else choice.key
        if any(name == one.id for one in found):
            raise PopleakError(
                f"config: {path}.grid: two combinations have the id {name!r}: leave out the duplicate value"
            )
        control = plugin.control_of(settings) if kind == "defences" else None
        found.append(ResolvedChoice(id=name, name=plugin.name, settings=settings.resolved(), control=control))
    return found


def _check_cycles(settings: Settings, training: Train, path: str) -> None:
    """Raise PopleakError unless a defence's epochs, if it has them, have room for the cycles of its schedule."""
    own = {name: getattr(settings, name, None) for name in ("schedule", "epochs", "cycles")}
    if own["schedule"] is None:
        own["cycles"] = None
    used = effective(own, training)
    if not fits(used["schedule"], used["cycles"], used["epochs"]):
        raise PopleakError(
            f"config: {path}.cycles: {used['cycles']} cycles of the learning rate do not fit {used['epochs']} epochs: lower it, or raise `epochs`"
        )


def effective(settings: Mapping[str, Any], training: Train) -> dict[str, Any]:
    """Return a defence's settings; those that are None (epochs, learning rate) are taken from `training`."""
    usual = training.model_dump(mode="json")
    return {key: usual.get(key) if value is None else value for key, value in settings.items()}


def _with_controls(choices: list[ResolvedChoice], training: Train) -> list[ResolvedChoice]:
    """Replace the control of each defence, a plugin's name, by the id of the defence of that plugin in the task that
    has equal values for all shared settings, except those in which the control differs by declaration (`control_at`)."""
    matched = []
    for choice in choices:
        agree = []
        if choice.control:
            differs = plugins.load("defences", choice.name).control_at
            mine = _shown(choice, training) | effective(differs, training)
            agree = [
                other
                for other in choices
                if other.name == choice.control
                and other is not choice
                and all(mine[key] == value for key, value in _shown(other, training).items() if key in mine)
            ]
        matched.append(choice.model_copy(update={"control": agree[0].id if agree else None}))
    return matched


SHARED = ("rows", "schedule", "cycles", "epochs", "learning_rate", "weight_decay")
"""Settings that a defence and its control agree in also where they are left out at their defaults."""


def _shown(choice: ResolvedChoice, training: Train) -> dict[str, Any]:
    """Return a defence's settings as controls are matched by: those of `SHARED` are among them."""
    fields = plugins.load("defences", choice.name).Settings.model_fields
    usual = {name: fields[name].default for name in SHARED if name in fields}
    return effective(usual | dict(choice.settings), training)


def _known(kind: str, name: str, path: str) -> Any:
    known = plugins.names(kind)
    name = name.replace("_", "-")
    if name not in known:
        raise PopleakError(f"config: {path}: {name!r} is unknown{near(name, known)}: choose from {', '.join(known)}")
    plugin = plugins.load(kind, name)
    extras.check(plugin, path)
    return plugin


def _one_of(value: str | None, allowed: tuple[str, ...], path: str) -> str:
    if not allowed:  # the dataset's options name it
        return value or "custom"
    if value is None:
        return allowed[0]
    if value not in allowed:
        raise PopleakError(
            f"config: {path}: {value!r} is unknown{near(value, allowed)}: choose from {', '.join(allowed)}"
        )
    return value


def _settings(model: type[Settings], raw: Mapping[str, Any], path: str, grid: Mapping[str, Any]) -> Settings:
    return _validated(model, raw, lambda key: f"{path}.{'grid' if key in grid else 'settings'}")


def _validated(model: type[Settings], raw: Mapping[str, Any], place: Callable[[Any], str]) -> Settings:
    """Return the validated settings. place: gives the path, in the config, of the mapping that holds a key."""
    try:
        return model.model_validate(dict(raw))
    except ValidationError as error:
        at = real(error)[0]["loc"][:1]
        raise PopleakError(line(error, model, place(at[0] if at else None))) from None


def _usable(name: str, path: str) -> None:
    """Raise PopleakError if a plugin's name is not a valid id. Names of third-party plugins may be any text."""
    if not is_id(name):
        raise PopleakError(f"config: {path}: the plugin's name {name!r} is not a valid id: give it one with `id`")


def _unique(path: str, ids: list[str]) -> None:
    for name in ids:
        if ids.count(name) > 1:
            raise PopleakError(
                f"config: {path}: the id {name!r} is used {ids.count(name)} times: give each its own `id`"
            )


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the config. Plugin names are examples and not an enumeration, since third parties add
    their own."""
    document = Experiment.model_json_schema()
    known = {kind: list(plugins.names(kind)) for kind in plugins.KINDS}
    chosen = sorted({name for kind in ("models", "defences", "attacks") for name in known[kind]})
    document["$defs"]["Task"]["properties"]["dataset"]["examples"] = known["datasets"]
    document["$defs"]["Choice"]["properties"]["name"]["examples"] = chosen
    document["properties"]["figures"]["items"]["examples"] = known["figures"]
    document["properties"]["access"]["anyOf"][0]["items"]["examples"] = known["access"]
    document["$defs"]["Worlds"]["properties"]["protocol"]["examples"] = sorted(plugins.protocols())
    document["title"] = "popleak experiment"
    document["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return document
