"""The steps of one task's generators: their training, their sharers' defences, the rows that they release, and the attacks on these.

Generators are trained once for each world, split and number, whatever is asked of them: by adversaries who see their rows, and by
defences of classifiers that train on these (`receivers`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..config.resolved import ResolvedChoice, ResolvedTask, complements, received
from ..core import plugins
from ..core.columns import Columns
from ..core.protocols import ROLES, Role
from ..steps.attack import Weights
from ..steps.draw import Drawn
from ..steps.inspect import InspectStep
from ..steps.models import ModelsStep
from ..steps.sample import SampleStep
from . import cost, games
from .asking import FILES, Arm, arm_of
from .judging import Faced, Judged, JudgePlan, held
from .steps import Input, Step, add, tables_named
from .task import Cut, Draws, TaskPlan


class Shared(NamedTuple):
    """What a sharer releases: the generator, and the steps that draw from it, by what the sharer does."""

    generator: ResolvedChoice
    arms: Mapping[str, Arm]


class GeneratorPlan(TaskPlan):
    """Adds the steps of one task's generators; task: the plan of all else of it."""

    def __init__(self, task: TaskPlan) -> None:
        vars(self).update(vars(task))
        whole = task.task
        asked = [game for game in games.games_of(whole) if game.question.of_samples]
        self.games = [*asked, *(task.games if whole.receivers else ())]
        received, own = whole.receivers, whole.sharers if whole.generators else ()
        changed = {
            "models": _with(whole.generators, [one.generator for one in received]),
            "defences": _with(own, [one.sharer for one in received]),
            "attacks": tuple(one for one in whole.attacks if plugins.load("attacks", one.name).of_samples),
            "shadow_models": (),
        }
        self.task = whole.model_copy(update=changed)
        self.defences = tuple(one.id for one in self.task.defences)
        self.shapes = {model.id: self._generated(model) for model in self.task.models}

    def _generated(self, model: ResolvedChoice) -> cost.Plugged:
        plugin = plugins.load("models", model.name)
        own, columns = plugin.Settings.model_validate(model.settings), Columns(tuple(range(self.features)), ())
        each = plugin.seconds(self.task.rows, columns, own, 1)
        return cost.Plugged(
            self.task.rows,
            own.batch,
            own.epochs,
            None,
            each=each,
            numbers=plugin.parameters(columns, own, self.form.classes),
        )

    def _of(self, model: ResolvedChoice) -> cost.Shape:
        shape = self.shapes[model.id]
        assert shape is not None  # no generator is in closed form
        return shape

    def tuning(self, model: ResolvedChoice, defence: ResolvedChoice, *, reference: bool = False) -> tuple[float, bool]:
        plugin, shape = plugins.load("defences", defence.name), self._of(model)
        return shape.seconds(plugin.epochs(shape.epochs, plugin.Settings.model_validate(defence.settings))), True

    def _together(
        self, cuts: list[Cut], each: float, roles: Sequence[Role]
    ) -> list[tuple[list[Cut], list[Drawn], tuple[Role, ...]]]:
        """Return the same with the worlds of a draw apart where its generators fill several jobs."""
        found = []
        for together, items, whose in super()._together(cuts, each, roles):
            spent = [self.models * each] * len(items)
            found += [(together, [items[i] for i in part], whose) for part in cost.bundles(spent, self.limit)]
        return found

    def share(self, judged: Judged) -> list[Shared]:
        """Add all steps, and return what is released of each generator."""
        worlds = dict.fromkeys(world for game in self.games for world in game.worlds)
        items = [self._item(world, world) for world in worlds]
        base = self._draws("base", items)
        directions = [self._item(world, other) for world, other in games.directions(self.games)]
        drawn = Draws(base, self._draws("complement", directions, made=self.task.complemented), [])
        found = [Shared(model, self._arms(model, drawn, ROLES)) for model in self.task.models]
        if "shares" in judged:
            plan = SamplesPlan(self, [cut.step for cut in base if cut.step is not None], drawn.complement)
            for one in found:
                plan.judge_samples(one, judged)
        return found

    def _arms(self, model: ResolvedChoice, drawn: Draws, roles: Sequence[Role]) -> dict[str, Arm]:
        """Return what is released of a generator, by what its sharer does."""
        trained = self._train(model, drawn.base, roles)
        arms: dict[str, Arm] = {}
        for sharer in self.task.defences:
            plugin = plugins.load("defences", sharer.name)
            share = plugin.group_share(plugin.Settings.model_validate(sharer.settings))
            steps: Sequence[Step[ModelsStep]] = trained
            if sharer.name != "none" and share is None:
                steps = self._defend(model, sharer, drawn, trained, roles)
            released: list[Step[Any]] = [self._sample(model, one, share) for one in steps]
            arms[arm_of(sharer)] = Arm(sharer, released, tuple(roles))
        return arms

    def _sample(self, model: ResolvedChoice, made: Step[ModelsStep], share: float | None) -> Step[SampleStep]:
        """Add the step that draws from the generators of another."""
        plugin, told = plugins.load("models", model.name), self.task.samples
        rows = told.rows or self.task.rows
        settings = SampleStep(
            model=model.name, model_settings=model.settings, made=made.settings.made, roles=made.settings.roles, rows=rows,
            labels=told.labels, group_share=share,
        )  # fmt: skip
        own, columns = plugin.Settings.model_validate(model.settings), Columns(tuple(range(self.features)), ())
        several = 1 if share is None else 3
        return add(
            self.steps, made.id.rsplit("-", 2)[0] + ("-chosen" if share is not None else ""), settings,
            {"data": self.data, **{f"{role}_models": [(made, FILES[role])] for role in ROLES}}, outputs=tables_named(*FILES.values()),
            modules=("popleak.stages.sample", plugins.modules("models")[model.name]), models=made.models,
            seconds=made.models * plugin.sampling_seconds(several * rows, columns, own) + cost.TORCH,
            mb=made.models * rows * self.features * 4e-7,
            mem_mb=cost.memory(made.models * (rows * self.features + self._of(model).parameters()), self.features),
        )  # fmt: skip


def _with(chosen: Sequence[ResolvedChoice], others: Sequence[ResolvedChoice]) -> tuple[ResolvedChoice, ...]:
    """Return what is chosen, and those of the others that are not among it, each once."""
    found = list(chosen)
    for other in others:
        if not any(_same(other, one) for one in found):
            found.append(other)
    return tuple(found)


def _same(one: ResolvedChoice, other: ResolvedChoice) -> bool:
    return (one.name, one.settings) == (other.name, other.settings)


def released(task: ResolvedTask, shared: Sequence[Shared]) -> dict[str, Sequence[Step[Any]]]:
    """Return the steps that hold the rows which each defence of classifiers trains on, by the name of its arm."""
    found = {}
    for defence in task.defences:
        if wanted := received(defence):
            one = next(
                one for one in shared if _same(one.generator, wanted.generator)
            )  # two may differ in their ids alone
            found[arm_of(defence)] = one.arms[arm_of(wanted.sharer)].steps
    return found


class SamplesPlan(JudgePlan):
    """Adds the steps that judge what is released of generators."""

    def __init__(self, plan: GeneratorPlan, draws: Sequence[Any], complement: Sequence[Cut]) -> None:
        whole, self.complement = plan.games, complement
        # points are drawn for what is asked about samples
        mine = [game for game in whole if game.question.of_samples or not game.question.asks]
        plan.games = mine or whole  # where no such thing is asked, rows are looked at in the classifiers' games
        try:
            super().__init__(plan, draws)
        finally:
            plan.games = whole

    def judge_samples(self, shared: Shared, judged: Judged) -> None:
        """Add the steps that attack a generator's rows, and the one that looks at them as data."""
        asked = zip(self.cuts, self.points, strict=True) if shared.generator in self.task.generators else ()
        known = [(cut, points) for cut, points in asked if points is not None]
        for chosen in self.task.attacks:
            for cut, points in known:
                faced = Faced(cut, shared.arms, {"points": points}, {role: () for role in ROLES})
                judged["shares"].append(self._attack(shared.generator, shared.generator, chosen, faced))
        for cut in self.cuts:
            judged["samples"].append(self._inspect(shared, cut))

    def _inside(self, read: set[str], model: ResolvedChoice, cut: list[games.Game], arms: Mapping[str, Arm]) -> Any:
        files = self._files(cut, arms)
        found = super()._inside(set(), model, cut, arms)
        weights = Weights(model_settings=model.settings, files={role: held(of) for role, of in files.items()})
        inputs: dict[str, Input] = {
            "data": self.plan.data,
            **{f"{role}_models": _released(files[role], role) for role in ROLES},
        }
        return found._replace(worlds=tuple(game.played() for game in cut), weights=weights, inputs=inputs)

    def _further(self, cut: list[games.Game]) -> list[tuple[Step[Any], str]]:
        """Return the tables of the complements that the games' models are turned by."""
        turned = set(games.directions(cut))
        return [
            (one.step, "table")
            for one in self.complement
            if one.step and turned & {(item.world, item.from_world) for item in one.items}
        ]

    def _inspect(self, shared: Shared, cut: list[games.Game]) -> Step[InspectStep]:
        """Add the step that looks at victims' rows as data."""
        files = self._files(cut, shared.arms)["victim"]
        further = [
            arm.defence for arm in shared.arms.values() if arm.defence.name != "none" and complements(arm.defence)
        ]
        settings = InspectStep(
            task=self.task.id, model_id=shared.generator.id, seed=self.experiment.seed, key=self.task.key,
            pairs=tuple(game.described() for game in cut), worlds=tuple(game.played() for game in cut),
            defences=tuple(arm.defence.id for arm in shared.arms.values()), arms={arm.defence.id: name for name, arm in shared.arms.items()},
            complemented=tuple(one.id for one in further), files=held(files),
        )  # fmt: skip
        inputs: dict[str, Input] = {
            "data": self.plan.data,
            "pools": self.plan.pools,
            "draw": self._drawn(cut),
            "complement": self._further(cut) if further else [],
            "samples": _released(files, "victim"),
        }  # fmt: skip
        rows = self.task.samples.rows or self.task.rows
        victims = self.task.population.victims * sum(len(game.worlds) for game in cut) * len(shared.arms)
        return add(
            self.steps, self.plan.slug(shared.generator.id, self._named(cut)), settings, inputs, modules=("popleak.stages.inspect",),
            seconds=victims * rows * self.task.rows * self.plan.features * 1e-10, mem_mb=cost.memory(victims * rows * self.plan.features, self.plan.features),
        )  # fmt: skip


def _released(files: Mapping[str, Sequence[Step[Any]]], role: Role) -> list[tuple[Step[Any], str]]:
    return [(step, FILES[role]) for steps in files.values() for step in steps]
