"""What the planners of one task share: the task with its sizes, its records and pools, and the cost of models and
draws."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Literal, TypeVar

from ..config import resolve as config
from ..config.experiment import Experiment
from ..config.resolved import ResolvedChoice, ResolvedTask
from ..core import plugins
from ..core.errors import PopleakError
from ..core.worlds import World
from ..engine.architecture import ConvNet, Dense
from ..engine.objective import Backend
from ..steps.dataset import DatasetStep, Placebo
from ..steps.draw import DrawStep
from ..steps.split import SplitStep
from . import carded, cost, forms, games, rawfiles, searches, sizes
from .steps import Step, Steps, add

D = TypeVar("D", bound=DrawStep)


class TaskContext:
    """One task, with its steps of the stages `dataset` and `split`, which all its other steps read."""

    def __init__(
        self,
        experiment: Experiment,
        task: ResolvedTask,
        steps: Steps,
        fetches: dict[str, tuple[str, Any]],
        raw: rawfiles.Raw | None = None,
        records: int | None = None,
    ) -> None:
        """raw: the raw files, if they are known already; the task's options and sizes are then final. records: how many there are then."""
        self.form = forms.of_task(task)
        self.features = self.form.features
        forms.check(task, self.form)
        games.check(sizes.provisional(task), experiment.knowledge, self.features)
        self.raw = raw or rawfiles.find(task, config.data_dir(experiment))
        fetches |= self.raw.fetches
        self.card = carded.of(task, self.raw)
        self.cells = None
        self.task = sizes.provisional(task)
        if raw is None:
            self.task, self.cells = sizes.settled(experiment, task.model_copy(update={"options": self.raw.options}))
        task = self.task
        self.experiment, self.steps = experiment, steps
        self.pool_rows = sizes.pool_rows(task, self.cells)
        self.records = self._counted() if records is None else records
        population = self.task.population
        # beside a world's name, this determines the rows of a model with a given number
        self.drawn = [
            experiment.seed, task.key, task.ratio_mode, population.victim_share, population.adversary_share, self.task.rows,
            *population.adversary_from, *population.shared(),
        ]  # fmt: skip
        self.limit = experiment.engine.job_seconds
        self.models = population.victims + population.splits * population.shadows
        self.defences = tuple(defence.id for defence in task.defences)
        self.games = [game for game in games.games_of(task) if not game.question.of_samples]
        self.shapes = {model.id: self._shape(model) for model in (*task.models, *task.shadow_models)}
        self.usual = self._shape_of((self.features, 32, 16, 1))
        self.data = self._dataset()
        pools = SplitStep(
            seed=experiment.seed, key=task.key, splits=population.splits,
            victim_share=population.victim_share, adversary_share=population.adversary_share,
            public_share=sizes.shares_of(task)["public"], adversary_from=population.adversary_from,
        )  # fmt: skip
        self.pools = add(steps, self.slug(), pools, {"data": self.data}, modules=("popleak.stages.split",))

    def _shape(self, model: ResolvedChoice) -> cost.Shape | None:
        plugin = plugins.load("models", model.name)
        settings = plugin.Settings.model_validate(model.settings)
        if plugin.tabled:
            return self._tabled(model, settings)
        if not plugin.gradient:
            return None
        try:
            sides = plugin.sides(self.features, settings, **self.form.keywords(plugin))
            shaped = plugin.shape(self.features, settings) is not None
            net = plugin.net(self.features, settings, self.form.classes)
            return self._shape_of(sides, self.experiment.engine.backend, shaped, net)
        except (PopleakError, ValueError) as error:
            raise PopleakError(f"config: tasks: {self.task.id}: model {model.id!r}: {error}") from None

    def _counted(self) -> int:
        """Return how many records there are, as counted or as the dataset states it; else an assumed number."""
        if self.cells is not None:
            return sum(map(sum, self.cells.counts))
        plugin = plugins.load("datasets", self.task.dataset)
        stated: int | None = plugin.card(plugin.Settings.model_validate(self.task.options)).rows
        return stated or cost.RECORDS

    def _tabled(self, model: ResolvedChoice, settings: Any) -> cost.Plugged:
        plugin, rows = plugins.load("models", model.name), self._kept
        if reason := plugin.refuses(rows, settings):
            raise PopleakError(
                f"config: tasks: {self.task.id}: model {model.id!r}: {reason}: change its settings or `rows`"
            )
        each = plugin.seconds(rows, self.features, settings, self.records, self.form.classes)
        return cost.Plugged(rows, rows, 1, None, each=each, numbers=self.records * self.form.outputs)

    def closed(self, model: ResolvedChoice) -> bool:
        """Return whether a model's fit is told nothing of `training` but the share that is held out."""
        return not plugins.load("models", model.name).gradient

    def _shape_of(
        self,
        sides: tuple[int, ...] | None,
        backend: Backend = "auto",
        shaped: bool = False,
        net: ConvNet | Dense | None = None,
    ) -> cost.Shape:
        training, rows = self.task.training, self._kept
        slower = cost.factor(sides, backend, place=self._place, shaped=shaped, net=net)
        return cost.Shape(rows, training.batch, training.epochs, sides, slower, shaped, net)

    @property
    def _kept(self) -> int:
        """Rows of a draw that validation leaves."""
        return round(self.task.rows * (1 - self.task.training.validation))

    @property
    def _place(self) -> Literal["cpu", "cuda"]:
        return "cuda" if self.experiment.engine.device == "cuda" else "cpu"

    def tuning(self, model: ResolvedChoice, defence: ResolvedChoice, *, reference: bool = False) -> tuple[float, bool]:
        """Return the CPU seconds that defending one model takes, and whether torch does it. Each lambda that `auto`
        may try is a separate training. torch trains whatever the compiled loops do not support. reference: on the reference core,
        whatever the config asks of the engine. Raises PopleakError if the model cannot be trained."""
        plugin, shape = plugins.load("defences", defence.name), self.shapes[model.id]
        own = plugin.Settings.model_validate(defence.settings)
        wants = plugin.asks(own)
        if shape is None:
            return 1e-4, False
        if isinstance(shape, cost.Plugged):
            spent = plugin.cost(self.task.rows, self.features, own)
            return (shape.seconds(), True) if spent is None else (float(spent) + 1e-4, False)
        try:
            slower = self._slower(shape, wants, reference)
            torch = cost.by_torch(shape.sides, self.experiment.engine.backend, wants, self._place, shape.net)
        except (PopleakError, ValueError) as error:
            raise PopleakError(
                f"config: tasks: {self.task.id}: defence {defence.id!r} of model {model.id!r}: {error}"
            ) from None
        self._fits(plugin, shape, f"config: tasks: {self.task.id}: defence {defence.id!r} is for", model)
        spent = plugin.cost(self.task.rows, shape.sides[-2] if shape.sides else self.features, own)
        if spent is not None:
            return float(spent) + 1e-4, False
        tries = (1 + len(defence.settings["eo_grid"])) / 2 if searches.searched(defence) else 1.0
        epochs = (plugin.paid if reference else plugin.epochs)(shape.epochs, own)
        return tries * dataclasses.replace(shape, slower=slower).seconds(epochs), torch

    @staticmethod
    def _fits(plugin: Any, shape: cost.Shape, where: str, model: ResolvedChoice) -> None:
        """Raise PopleakError if a defence does not know where such a model's numbers are."""
        if plugin.chains_only and (shape.sides is None or shape.sides[-1] != 1):
            raise PopleakError(
                f"{where} chains of Linear and ReLU with one logit, and model {model.id!r} is none: leave it out, or choose the model "
                "logistic, or mlp with ReLU and neither layer norm nor dropout"
            )
        if plugin.mlps_only and shape.sides is None and not isinstance(shape.net, Dense):
            raise PopleakError(
                f"{where} MLPs, and model {model.id!r} is none: leave it out, or choose the model logistic or mlp"
            )

    def prices(self) -> dict[str, dict[str, float]]:
        """Return the CPU seconds on the reference core of each defence, by model; of `none` those of the model's training."""
        found: dict[str, dict[str, float]] = {}
        for model in self.task.models:
            shape = self.shapes[model.id]
            base = dataclasses.replace(shape, slower=self._slower(shape, (), True)).seconds() if shape else 1e-4
            found[model.id] = {
                one.id: base if one.name == "none" else self.tuning(model, one, reference=True)[0]
                for one in self.task.defences
            }
        return found

    def _slower(self, shape: cost.Shape, wants: tuple[str, ...], reference: bool) -> float:
        """Return the slowdown of a training against the compiled loops, with the config's engine or with the usual one on a CPU."""
        backend: Backend = "auto" if reference else self.experiment.engine.backend
        place: Literal["cpu", "cuda"] = "cpu" if reference else self._place
        return cost.factor(shape.sides, backend, wants, place, shape.shaped, shape.net)

    def slug(self, *parts: str) -> str:
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", f"{self.task.dataset}-{self.task.attribute}")[:40]
        which = [f"placebo{self.task.permutation}"] if self.task.permutation else []
        return "-".join([name, *which, *parts])

    def alike(self, world: str) -> tuple[int, int | None]:
        """Return how many victims a world has, and in how many splits, the first ones; None: in all."""
        population = self.task.population
        if not World.named(world).half:
            return population.victims, None
        models, splits = population.halved()
        return models * splits, splits if splits < population.splits else None

    def aware(self, defence: ResolvedChoice) -> ResolvedChoice | None:
        """Return the defence at its default settings, which an adversary who knows only its kind would use. Return
        None if its settings are the default ones; that adversary is then the informed one."""
        usual = plugins.load("defences", defence.name).Settings().resolved()
        if usual == defence.settings:
            return None
        same = (one for one in self.task.defences if one.name == defence.name and one.settings == usual)
        return next(same, ResolvedChoice(id=f"{defence.name}_as_usual", name=defence.name, settings=usual))

    def _dataset(self) -> Step[DatasetStep]:
        task = self.task
        settings = DatasetStep(
            dataset=task.dataset,
            label=task.label,
            attribute=task.attribute,
            options=self.raw.told,
            files=self.raw.names,
            attribute_in_features=task.attribute_in_features,
            seed=None if self.raw.names else self.experiment.seed,
            # the content of raw files is part of a result's identity, their location is not
            content=self.raw.content,
            card=self.card.digest,
            placebo=Placebo(**task.permuting(self.experiment.seed)) if task.permutation else None,
        )
        step = add(
            self.steps, self.slug(), settings, {},
            modules=("popleak.stages.dataset", plugins.modules("datasets")[task.dataset]), mem_mb=4000,
        )  # fmt: skip
        step.inputs["files"] = self.raw.paths
        return step

    def draw(self, slug: str, settings: D, **more: Any) -> Step[D]:
        return add(
            self.steps, self.slug(settings.purpose, slug), settings,
            {"data": self.data, "pools": self.pools}, modules=("popleak.stages.draw",),
            mem_mb=cost.memory(3 * self.models * self.task.rows, self.features), **more,
        )  # fmt: skip
