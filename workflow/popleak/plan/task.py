"""The steps of one task: how its worlds, defences and games are cut into jobs.

What a user may add, drop or recompute separately (a defence, an attack, a model) has its own jobs. Worlds and games
share a job until it is full (`engine.job_seconds`). A world that costs more is cut into parts. The judging of models
is planned in `judging`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeVar

from ..config.resolved import ResolvedChoice, complements, members, publishes, taught_by
from ..core import plugins
from ..core.needs import ALONE
from ..core.protocols import ROLES, Role
from ..core.worlds import World
from ..defences.base import AnswersSettings
from ..engine.fit import Training
from ..steps.defend import DefendStep
from ..steps.draw import Drawn, ModelDraw, Slipped
from ..steps.games import Poison
from ..steps.models import ModelsStep
from ..steps.train import TrainStep
from . import cost, games
from .asking import FILES, Arm, arm_of
from .context import TaskContext
from .games import several, slug_of
from .judging import Judged, JudgePlan
from .steps import Input, Step, add, sane, tables_named

M = TypeVar("M", bound=ModelsStep)


class Cut(NamedTuple):
    """Draws that share a job: the worlds or directions, and the step that makes them; None if no defence of the task
    trains on them."""

    items: list[Drawn]
    step: Step[ModelDraw] | None


class Draws(NamedTuple):
    """The draws of models: S_0 by world, complements by direction, and public rows by world; and the steps that hold generators' rows, by the arms
    that train on them."""

    base: list[Cut]
    complement: list[Cut]
    public: list[Cut]
    released: Mapping[str, Sequence[Step[Any]]] = MappingProxyType({})


def made_by(defence: ResolvedChoice) -> dict[str, Any]:
    """Return the settings that decide what models a defence makes. How their answers are drawn does not, so that arms which differ in that
    alone share their models."""
    drawn = (
        set(AnswersSettings.model_fields)
        if issubclass(plugins.load("defences", defence.name).Settings, AnswersSettings)
        else set()
    )
    return {name: value for name, value in defence.settings.items() if name not in drawn}


def _samples_of(released: Sequence[Step[Any]], worlds: set[str]) -> dict[str, Input]:
    """Return the files of rows that generators of these worlds release, by role; none where no defence trains on them."""
    files = [step for step in released if worlds & {world for world, _ in step.settings.made}]
    return {f"samples_{role}s": [(step, FILES[role]) for step in files] for role in ROLES} if files else {}


def _of_worlds(cuts: list[Cut], worlds: set[str]) -> list[tuple[Step[ModelDraw], str]]:
    """Return the tables of draws for models of these worlds."""
    return [(cut.step, "table") for cut in cuts if cut.step and worlds & {item.world for item in cut.items}]


class TaskPlan(TaskContext):
    """Adds one task's steps."""

    def add(self, judged: Judged, released: Mapping[str, Sequence[Step[Any]]] = MappingProxyType({})) -> None:
        """Add all steps but those of generators; released: the steps that hold generators' rows, by the arms that train on them; append those that make parts of public tables to `judged`, by stage. If `judged` has no list
        for the stage `measure`, the models are not measured."""
        worlds = dict.fromkeys(world for game in self.games for world in game.worlds)
        items = [self._item(world, world) for world in worlds]
        base = self._draws("base", items)
        directions = [self._item(world, other) for world, other in games.directions(self.games)]
        complement = self._draws("complement", directions, made=self.task.complemented)
        public = self._draws("public", items, made=self.task.publishing)
        drawn = Draws(base, complement, public, released)
        judging = JudgePlan(self, [cut.step for cut in base if cut.step is not None])
        asked_of = {model.id: judging.asked(model, self._arms(model, drawn, ROLES)) for model in self.task.models}
        for model in self.task.shadow_models:
            if model.id not in asked_of:
                asked_of[model.id] = judging.asked(model, self._arms(model, drawn, ("shadow",)))
        for model in self.task.models:
            judging.judge(model, asked_of, judged)

    def placebos(self) -> Iterator[TaskPlan]:
        """Yield the plans of the task with its group column permuted. Their pools provide at least what the task's
        provide: groups keep their number of rows, and their label rates, which label-balanced draws need to be
        similar, become more similar."""
        for task in self.task.placebos():
            yield TaskPlan(self.experiment, task, self.steps, {}, self.raw, self.records)

    def _item(self, world: str, other: str) -> Drawn:
        """Return the settings of a draw: rows of `other` for models of `world`."""
        poison, share = self.task.poison, World.named(world).poison
        slipped = Slipped(share=share, group=poison.group, label=poison.label) if share else None
        return Drawn(world=world, from_world=other, poison=slipped)

    def _arms(self, model: ResolvedChoice, drawn: Draws, roles: Sequence[Role]) -> dict[str, Arm]:
        """Return a model's populations by name: undefended, under each defence, and shadows under its default settings."""
        trained = self._train(model, drawn.base, roles)
        arms: dict[str, Arm] = {}
        for defence in self.task.defences:
            steps: Sequence[Step[ModelsStep]] = trained
            if defence.name != "none":
                steps = self._defend(model, defence, drawn, trained, roles)
            arms[arm_of(defence)] = Arm(defence, steps, tuple(roles))
        if "aware" in self.experiment.knowledge:
            for defence in self.task.defences:
                usual = self.aware(defence)
                if usual is not None and arm_of(usual) not in arms:
                    steps = self._defend(model, usual, drawn, trained, ("shadow",))
                    arms[arm_of(usual)] = Arm(usual, steps, ("shadow",))
        return arms

    def _draws(
        self, purpose: Literal["base", "complement", "public"], items: list[Drawn], *, made: bool = True
    ) -> list[Cut]:
        """Return the draws of `items` in runs that fill a job when a typical model is trained on them; made: whether
        steps make them.

                The run does not depend on which models and defences there are, so that adding one changes no other's steps.
        """
        population = self.task.population
        found = []
        for cut in self._bundles(items):
            if not made:
                found.append(Cut(cut, None))
                continue
            victims, first = self.alike(cut[0].world)
            settings = ModelDraw(
                purpose=purpose,
                seed=self.experiment.seed,
                key=self.task.key,
                mode=self.task.ratio_mode,
                draws=tuple(cut),
                rows=self.task.rows,
                victims=victims,
                shadows=population.shadows,
                first=first,
                sub_pools=1 if purpose == "public" else population.sub_pools,
                owners=ALONE if purpose == "public" else population.owners(),
            )
            name = several([self._named(item) for item in cut])
            rows = self.models * len(cut) * self.task.rows
            # for a complement the model's own draw is made again
            seconds = (6e-8 if purpose == "complement" else 3e-8) * rows
            found.append(Cut(cut, self.draw(name, settings, seconds=seconds, mb=rows * 2.2e-6)))
        return found

    def _bundles(self, items: list[Drawn]) -> Iterator[list[Drawn]]:
        """Yield the draws that share a job. Worlds of victims alone have jobs of their own, so that adding such a question changes no other's; so
        have those whose draws hold more rows."""
        kinds = [(law.alone, law.half, law.targets) for law in (World.named(item.world) for item in items)]
        for kind in sorted(set(kinds)):
            mine = [item for item, of in zip(items, kinds, strict=True) if of == kind]
            for cut in cost.bundles([self.models * self.usual.seconds()] * len(mine), self.limit):
                yield [mine[i] for i in cut]

    @staticmethod
    def _named(item: Drawn) -> str:
        world, other = slug_of(item.world), slug_of(item.from_world)
        return world if world == other else f"{world}-from-{other}"

    def _train(self, model: ResolvedChoice, base: list[Cut], roles: Sequence[Role]) -> list[Step[TrainStep]]:
        shape = self.shapes[model.id]
        each = shape.seconds() if shape else 1e-4
        found = []
        for cuts, items, held in self._together(base, each, roles):
            worlds = tuple(item.world for item in items)
            settings = TrainStep(
                model=model.name, model_settings=model.settings, training=self._training(model),
                roles=held, part=(0, 1), poison=self._poison(worlds), worlds=worlds, held_out=self._held_out(model, None),
            )  # fmt: skip
            inputs: dict[str, Input] = {
                "data": self.data,
                "draw": [(cut.step, "table") for cut in cuts if cut.step],
            }
            found += self._parts([model.name], settings, inputs, (model,), items, each, self._imports(model))
        return found

    def _training(self, model: ResolvedChoice) -> Training | None:
        """Return how a model is trained; None for a closed form."""
        return None if self.closed(model) else Training(**self.task.training.resolved())

    def _held_out(self, model: ResolvedChoice, defence: ResolvedChoice | None) -> float:
        """Return the share of a draw that the fit of a model leaves out, or of a defended one, where `training` does not say so. One whose
        weights are counts or rates reads all of its draw, and a generator too."""
        plugin = plugins.load("models", model.name)
        fitted = plugin.tabled or (defence is not None and not plugin.gradient and not plugin.generates)
        return self.task.training.validation if fitted else 0.0

    def _imports(self, model: ResolvedChoice) -> bool:
        """Return whether a job that trains such models imports torch or, which takes as long, scikit-learn."""
        shape = self.shapes[model.id]
        return shape is not None and (shape.slower > 1 or bool(plugins.load("models", model.name).tabled))

    def _poison(self, worlds: Sequence[str]) -> Poison | None:
        """Return the group and label of the poisoned rows; None if no world is poisoned."""
        poison = self.task.poison
        return Poison(group=poison.group, label=poison.label) if any("!" in world for world in worlds) else None

    def _together(
        self, cuts: list[Cut], each: float, roles: Sequence[Role]
    ) -> list[tuple[list[Cut], list[Drawn], tuple[Role, ...]]]:
        """Return runs of neighbouring draws that fit one job at `each` seconds for each model, with everything that
        they draw, and of whom: those of `roles` that their worlds have."""
        found = []
        for alone in (False, True):
            held = tuple(role for role in roles if role == "victim" or not alone)
            mine = [cut for cut in cuts if World.named(cut.items[0].world).alone is alone] if held else []
            for group in cost.bundles([self.models * len(cut.items) * each for cut in mine], self.limit):
                together = [mine[i] for i in group]
                found.append((together, [item for cut in together for item in cut.items], held))
        return found

    def _defend(
        self,
        model: ResolvedChoice,
        defence: ResolvedChoice,
        drawn: Draws,
        trained: list[Step[TrainStep]],
        roles: Sequence[Role],
    ) -> list[Step[DefendStep]]:
        each, torch = self.tuning(model, defence)
        found = []
        for cuts, items, held in self._together(drawn.complement, each, roles):
            settings = DefendStep(
                model=model.name, model_settings=model.settings, training=self._training(model),
                roles=held, part=(0, 1), poison=self._poison([item.world for item in items]),
                defence=defence.name, defence_settings=made_by(defence), mode=self.task.ratio_mode,
                held_out=self._held_out(model, defence),
                directions=tuple((item.world, item.from_world) for item in items),
            )  # fmt: skip
            inputs = self._defended_from(defence, drawn, cuts, {item.world for item in items}, trained)
            found += self._parts([model.name, defence.name], settings, inputs, (model, defence), items, each, torch)
        return found

    def _defended_from(
        self, defence: ResolvedChoice, drawn: Draws, cuts: list[Cut], worlds: set[str], trained: list[Step[TrainStep]]
    ) -> dict[str, Input]:
        """Return the inputs of a step that defends models of these worlds; cuts: the draws of the complements."""
        files = [step for step in trained if worlds & set(step.settings.worlds)]
        return {
            "data": self.data, "draw": _of_worlds(drawn.base, worlds),
            "complement": [(cut.step, "table") for cut in cuts if cut.step] if complements(defence) else [],
            "public": _of_worlds(drawn.public, worlds) if publishes(defence) else [],
            **_samples_of(drawn.released.get(arm_of(defence), ()), worlds),
            **{f"base_{name}": [(step, name) for step in files] for name in FILES.values()},
        }  # fmt: skip

    def _parts(
        self,
        names: list[str],
        settings: M,
        inputs: Mapping[str, Input],
        plugged: Sequence[ResolvedChoice],
        items: list[Drawn],
        each: float,
        torch: bool,
    ) -> list[Step[M]]:
        """Add a step of `each` seconds for each model, or several parts of it. names, plugged: of the model and the
        defence; torch: whether torch trains, or another library whose import takes as long."""
        population = self.task.population
        shape = self.shapes[plugged[0].id]
        weights = (shape.parameters() if shape else 100) * (members(plugged[1]) if len(plugged) > 1 else 1)
        number = {"victim": self.alike(items[0].world)[0], "shadow": population.splits * population.shadows}
        sizes = [number[role] for role in settings.roles]
        kinds = zip(("models", "defences"), plugged, strict=False)
        # the size of the public pool determines these rows
        public = [self.task.population.public_share] if inputs.get("public") else []
        modules = (
            f"popleak.stages.{settings.stage}",
            *(plugins.modules(kind)[one.name] for kind, one in kinds),
            *(
                plugins.modules("defences")[one.name]
                for one in map(taught_by, plugged[1:])
                if one and one.name != "none"
            ),
        )
        # what a defence holds at once: rows of both draws, their mixture and the keys that choose it
        copies = 12 if isinstance(settings, DefendStep) else 4
        found = []
        slug = [names[0], several([self._named(item) for item in items]), *names[1:]]
        most = min(number["victim"], population.shadows)
        cut = cost.parts(sum(sizes) * len(items) * each, self.limit, most)
        sane(len(cut), self.slug(*slug), 0)
        for i, count in cut:
            models = len(items) * sum(size * (i + 1) // count - size * i // count for size in sizes)
            found.append(
                add(
                    self.steps, self.slug(*slug, *([f"part{i}of{count}"] if count > 1 else [])),
                    dataclasses.replace(settings, part=(i, count)), inputs, outputs=tables_named(*FILES.values()),
                    family=[settings.stage, settings.deciding(), *self.drawn, *public], modules=modules, models=models, seconds=models * each + torch * cost.TORCH,
                    mb=models * weights * 4e-6, mem_mb=cost.memory(self.models * (self.task.rows + weights), self.features, copies),
                )
            )  # fmt: skip
        return found
