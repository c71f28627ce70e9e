"""The experiment's config: pydantic models that are the one source of defaults, option texts and the JSON Schema.

A mistake is refused before any job starts, in one line with the key's path, the value and what is allowed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from . import plugins
from .errors import PopleakError
from .messages import line, near
from .settings import Settings

Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
RESERVED = ("store", "logs", "data", "benchmarks")
Ratio = Annotated[float, Field(ge=0, le=1)]


class Choice(Settings):
    """A plugin with its settings. In YAML a bare name stands for the plugin with its default settings."""

    name: str
    """Name of the plugin: see `popleak list`."""
    id: Id | None = None
    """Name in tables and figures; by default the plugin's name. Needed where one plugin is used twice."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """The plugin's own settings."""

    @property
    def key(self) -> str:
        return self.id or self.name.replace("_", "-")


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


Choices = Annotated[tuple[Annotated[Choice, BeforeValidator(_named)], ...], Field(min_length=1)]


def _protocol(value: Any) -> Any:
    return "null" if value is None else value  # an unquoted null in YAML means None


class Worlds(Settings):
    """One pair of worlds that the adversary tells apart."""

    protocol: Annotated[Literal["pure", "ratio", "null"], BeforeValidator(_protocol)]
    """pure: one group against the other; ratio: two mixtures; null: one mixture twice, so every attack must sit at chance."""
    ratios: tuple[Ratio, Ratio] | None = None
    """P(a = 1) in world 0 and in world 1. pure: always [0, 1]; null: two equal ratios, by default [0.5, 0.5]."""

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = {"protocol": value}
        if isinstance(value, Mapping) and value.get("ratios") is None:
            default = {"pure": (0.0, 1.0), "null": (0.5, 0.5), None: (0.5, 0.5)}.get(value.get("protocol"))
            if default is not None:
                value = {**value, "ratios": default}
        return value

    @model_validator(mode="after")
    def _check(self) -> Worlds:
        if self.ratios is None:
            raise ValueError("protocol ratio needs ratios: [world 0, world 1]")
        equal = self.ratios[0] == self.ratios[1]
        if self.protocol == "pure" and self.ratios != (0.0, 1.0):
            raise ValueError("protocol pure has the ratios [0, 1]: leave them out, or use protocol ratio")
        if self.protocol == "ratio" and equal:
            raise ValueError("protocol ratio needs two different ratios: for equal ones use protocol null")
        if self.protocol == "null" and not equal:
            raise ValueError("protocol null needs two equal ratios: for different ones use protocol ratio")
        return self


class Task(Settings):
    """A dataset, a label and a sensitive attribute."""

    dataset: str
    """Name of the dataset: see `popleak list datasets`."""
    id: Id | None = None
    """Name in tables and figures; by default dataset-attribute."""
    label: str | None = None
    """What the model predicts; by default the dataset's first."""
    attribute: str | None = None
    """The sensitive attribute; by default the dataset's first."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The dataset's own options."""
    rows: int = Field(default=2000, ge=10)
    """Rows that each model is trained on, the same in both worlds."""
    query_rows: int = Field(default=1000, ge=10)
    """Query points of each group, disjoint from all training rows."""
    models: Choices | None = None
    """Instead of the experiment's models, for this task alone."""
    worlds: Annotated[tuple[Worlds, ...], Field(min_length=1)] | None = None
    """Instead of the experiment's worlds, for this task alone."""
    defences: Choices | None = None
    """Instead of the experiment's defences, for this task alone."""
    attacks: Choices | None = None
    """Instead of the experiment's attacks, for this task alone."""


class Population(Settings):
    """How many models, and from which pools."""

    splits: int = Field(default=5, ge=1)
    """Independent splits of the dataset into victim pool, adversary pool and query pool. Use at least 5 for intervals."""
    victims: int = Field(default=200, ge=2)
    """Victims per world and defence, over all splits; a multiple of `splits`."""
    shadows: int = Field(default=100, ge=1)
    """Shadow models per world and defence that each split's adversary trains."""
    victim_share: float = Field(default=0.4, gt=0, lt=1)
    """Share of the rows in the victim pool."""
    adversary_share: float = Field(default=0.4, gt=0, lt=1)
    """Share of the rows in the adversary pool; the rest is the query pool."""

    @model_validator(mode="after")
    def _check(self) -> Population:
        if self.victims % self.splits:
            low = self.victims // self.splits * self.splits
            near = " or ".join(str(one) for one in (low, low + self.splits) if one)
            raise ValueError(f"victims ({self.victims}) must be a multiple of splits ({self.splits}): {near}")
        if self.victim_share + self.adversary_share >= 1:
            raise ValueError(
                "victim_share + adversary_share must leave rows for the query pool: make their sum less than 1"
            )
        return self


class Train(Settings):
    """How models are trained: Adam on binary cross-entropy."""

    epochs: int = Field(default=20, ge=1)
    """Passes over the training rows."""
    batch: int = Field(default=256, ge=1)
    """Rows a step."""
    learning_rate: float = Field(default=0.003, gt=0)
    """Adam's step size."""
    weight_decay: float = Field(default=0.0, ge=0)
    """L2 penalty on all weights."""
    validation: float = Field(default=0.1, ge=0, lt=0.9)
    """Share of a model's own draw that is held out: it gives the validation loss and decides `eo_weight: auto`."""


class Engine(Settings):
    """How work is cut. None of these changes a number; another `models_per_job` means other files, so models are trained again."""

    stack: int = Field(default=32, ge=1)
    """Models trained at once."""
    models_per_job: int = Field(default=1000, ge=1)
    """Models of one world that one training job holds at most."""


class Experiment(Settings):
    """A whole experiment."""

    experiment: Id = "default"
    """Names the folder of the public tables, figures and the report: results/<experiment>/."""
    title: str = ""
    """One line for the report's head."""
    seed: int = Field(default=1, ge=0, lt=2**53)
    """Everything random follows from it."""
    data_dir: str | None = None
    """Folder of raw data files, one folder a dataset. Default: the environment variable POPLEAK_DATA; what is not there is fetched."""
    tasks: Annotated[tuple[Task, ...], Field(min_length=1)]
    """What is predicted of whom."""
    worlds: Annotated[tuple[Worlds, ...], Field(min_length=1)] = (Worlds(protocol="pure"),)
    """Pairs of worlds."""
    ratio_mode: Literal["natural", "label-balanced"] = "natural"
    """natural: P(y | a) kept, so the label rate moves with the ratio; label-balanced: P(y) equal in both worlds and groups."""
    models: Choices = (Choice(name="mlp"),)
    """Victims' and shadows' architecture."""
    defences: Choices = tuple(
        Choice(name=n) for n in ("none", "finetune", "rehearsal", "scratch", "fft", "fft-rehearsal")
    )
    """Defences; `none` must be among them."""
    attacks: Choices = tuple(Choice(name=n) for n in ("accuracy-gap", "loss", "threshold", "kl", "meta"))
    """Attacks."""
    access: Annotated[tuple[Literal["labels", "scores"], ...], Field(min_length=1)] = ("labels", "scores")
    """What adversaries may see. Attacks that need access that is not listed are left out."""
    knowledge: Annotated[tuple[Literal["unaware", "informed"], ...], Field(min_length=1)] = ("unaware", "informed")
    """unaware: undefended shadows; informed: shadows with the same defence and settings."""
    population: Population = Population()
    training: Train = Train()
    engine: Engine = Engine()
    figures: tuple[str, ...] = ("leakage", "gap", "bound", "tradeoff", "roc")
    """Figures to draw."""
    tau: float = Field(default=0.1, gt=0, lt=1)
    """The accuracy gap under which the paper calls a model safe; used by the verdicts."""

    @field_validator("defences")
    @classmethod
    def _has_none(cls, value: tuple[Choice, ...]) -> tuple[Choice, ...]:
        return _need_none(value)

    @model_validator(mode="after")
    def _task_defences(self) -> Experiment:
        for task in self.tasks:
            if task.defences is not None:
                _need_none(task.defences)
        return self


def _need_none(value: tuple[Choice, ...]) -> tuple[Choice, ...]:
    if not any(choice.key == "none" for choice in value):
        raise ValueError(
            "`none` must be among the defences: the others are compared to it, and unaware shadows come from it"
        )
    return value


class ResolvedChoice(Settings):
    """A plugin with all its settings filled in."""

    id: str
    name: str
    settings: dict[str, Any]
    control: str | None = None


class ResolvedTask(Settings):
    """A task with every default filled in and every name checked."""

    id: str
    dataset: str
    label: str
    attribute: str
    options: dict[str, Any]
    rows: int
    query_rows: int
    models: tuple[ResolvedChoice, ...]
    worlds: tuple[Worlds, ...]
    defences: tuple[ResolvedChoice, ...]
    attacks: tuple[ResolvedChoice, ...]


def load(raw: Mapping[str, Any]) -> Experiment:
    """Return the validated experiment. Raises PopleakError in one line: the key's path, the value, what is allowed."""
    try:
        experiment = Experiment.model_validate(dict(raw))
    except ValidationError as error:
        raise PopleakError(line(error, Experiment, "")) from None
    resolve(experiment)
    return experiment


def read(path: str | Path) -> dict[str, Any]:
    """Return a YAML file's mapping. Raises PopleakError naming the file."""
    import yaml

    try:
        raw = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PopleakError(f"{path}: no such config file") from None
    except yaml.YAMLError as error:
        raise PopleakError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(raw, dict):
        raise PopleakError(f"{path}: expected a mapping of keys to values")
    return raw


def merge(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `overlay` over it, as Snakemake merges --configfile: mappings merge, all else is replaced."""
    merged = dict(base)
    for key, value in overlay.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def data_dir(experiment: Experiment) -> Path | None:
    """Return the folder of raw data: the config's `data_dir`, else POPLEAK_DATA, else None."""
    name = experiment.data_dir or os.environ.get("POPLEAK_DATA")
    return Path(name) if name else None


def resolve(experiment: Experiment) -> tuple[ResolvedTask, ...]:
    """Return the tasks with every plugin's settings checked and filled in. Raises PopleakError as `load` does."""
    tasks = tuple(_task(experiment, i, task) for i, task in enumerate(experiment.tasks))
    _unique("tasks", [task.id for task in tasks])
    if experiment.experiment in RESERVED:
        raise PopleakError(
            f"config: experiment: {experiment.experiment!r} is a folder of its own in results/: choose another name"
        )
    for i, name in enumerate(experiment.figures):
        _known("figures", name, f"figures.{i}")
    return tasks


def _task(experiment: Experiment, i: int, task: Task) -> ResolvedTask:
    path = f"tasks.{i}"
    dataset = _known("datasets", task.dataset, f"{path}.dataset")
    options = _settings(dataset.Settings, task.options, f"{path}.options")
    label = _one_of(task.label, dataset.labels, f"{path}.label")
    attribute = _one_of(task.attribute, dataset.attributes, f"{path}.attribute")
    worlds = task.worlds or experiment.worlds
    for pair in worlds:
        if worlds.count(pair) > 1:
            where = "worlds" if task.worlds is None else f"{path}.worlds"
            raise PopleakError(
                f"config: {where}: {pair.protocol} {list(pair.ratios)} is there {worlds.count(pair)} times: leave it in once"
            )
    models = _choices("models", experiment, task, i)
    defences = _choices("defences", experiment, task, i)
    for model in models:
        if not plugins.load("models", model.name).gradient:
            for defence in defences:
                if not plugins.load("defences", defence.name).closed_form:
                    raise PopleakError(
                        f"config: {path}: defence {defence.id!r} cannot be applied to model {model.id!r}, which is not trained by gradient "
                        f"steps: give the task its own `defences` (none, scratch) or `models`"
                    )
    return ResolvedTask(
        id=task.id or re.sub(r"[^a-z0-9]+", "-", f"{dataset.name}-{attribute}".lower())[:40].strip("-"),
        dataset=dataset.name,
        label=label,
        attribute=attribute,
        options=options.resolved(),
        rows=task.rows,
        query_rows=task.query_rows,
        models=models,
        worlds=worlds,
        defences=defences,
        attacks=_attacks(experiment, task, i),
    )


def _attacks(experiment: Experiment, task: Task, i: int) -> tuple[ResolvedChoice, ...]:
    chosen = _choices("attacks", experiment, task, i)
    allowed = tuple(one for one in chosen if plugins.load("attacks", one.name).access in experiment.access)
    if not allowed:
        raise PopleakError(f"config: access: {list(experiment.access)} leaves no attack of task {i}: allow another access or attack")
    return allowed


def _choices(kind: str, experiment: Experiment, task: Task, i: int) -> tuple[ResolvedChoice, ...]:
    own = getattr(task, kind)
    path = kind if own is None else f"tasks.{i}.{kind}"
    resolved = []
    for j, choice in enumerate(getattr(experiment, kind) if own is None else own):
        plugin = _known(kind, choice.name, f"{path}.{j}.name")
        if kind == "attacks" and choice.key == "best":
            raise PopleakError(
                f"config: {path}.{j}.id: 'best' is the name of the best attack in the tables: choose another"
            )
        if choice.key == "none" and choice.name != "none":
            raise PopleakError(f"config: {path}.{j}.id: 'none' is the name of the undefended model: choose another")
        settings = _settings(plugin.Settings, choice.settings, f"{path}.{j}.settings")
        if getattr(settings, "eo_weight", None) == "auto" and not experiment.training.validation:
            raise PopleakError(
                f"config: {path}.{j}.settings.eo_weight: 'auto' chooses on held-out rows, and training.validation is 0: raise it, or "
                f"give a number"
            )
        control = getattr(plugin, "control", None)
        resolved.append(ResolvedChoice(id=choice.key, name=plugin.name, settings=settings.resolved(), control=control))
    _unique(path, [choice.id for choice in resolved])
    return tuple(_with_controls(resolved))


def _with_controls(choices: list[ResolvedChoice]) -> list[ResolvedChoice]:
    """Replace each defence's control, a plugin's name, by the id of the one present that shares its settings."""
    matched = []
    for choice in choices:
        candidates = [other for other in choices if other.name == choice.control]
        agree = [
            other
            for other in candidates
            if all(choice.settings.get(key) == value for key, value in other.settings.items() if key in choice.settings)
        ]
        matched.append(choice.model_copy(update={"control": agree[0].id if agree else None}))
    return matched


def _known(kind: str, name: str, path: str) -> Any:
    known = plugins.names(kind)
    name = name.replace("_", "-")
    if name not in known:
        raise PopleakError(f"config: {path}: {name!r} is unknown{near(name, known)}: choose from {', '.join(known)}")
    return plugins.load(kind, name)


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


def _settings(model: type[Settings], raw: Mapping[str, Any], path: str) -> Settings:
    try:
        return model.model_validate(dict(raw))
    except ValidationError as error:
        raise PopleakError(line(error, model, path)) from None


def _unique(path: str, ids: list[str]) -> None:
    for name in ids:
        if ids.count(name) > 1:
            raise PopleakError(
                f"config: {path}: the id {name!r} is used {ids.count(name)} times: give each its own `id`"
            )


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the config. Plugin names are examples and no enumeration, since third parties add their own."""
    document = Experiment.model_json_schema()
    known = {kind: list(plugins.names(kind)) for kind in plugins.KINDS}
    chosen = sorted({name for kind in ("models", "defences", "attacks") for name in known[kind]})
    document["$defs"]["Task"]["properties"]["dataset"]["examples"] = known["datasets"]
    document["$defs"]["Choice"]["properties"]["name"]["examples"] = chosen
    document["properties"]["figures"]["items"]["examples"] = known["figures"]
    document["title"] = "popleak experiment"
    document["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return document
