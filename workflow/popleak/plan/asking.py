"""The steps that ask one task's models: which games share a job, the points, and the answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ..config.resolved import ResolvedChoice, members, randomises
from ..core import plugins
from ..core.protocols import ROLES, UNSEEN, Role
from ..core.settings import digest
from ..steps.arms import Answering
from ..steps.arms import Arm as Told
from ..steps.draw import DrawStep, MemberDraw, ModelDraw, PointsOf, QueryDraw
from ..steps.models import Direction, ModelsStep
from ..steps.query import QueryStep
from ..steps.train import TrainStep
from . import cost
from .context import TaskContext
from .games import Game, several
from .judge_cost import JudgeCost
from .steps import Step, add, tables_named

FILES: dict[Role, str] = {"victim": "victims", "shadow": "shadows"}
"""The name of a role's output file, by role."""
Files = Mapping[str, Sequence[Step[ModelsStep]]]
"""The steps that hold models, by arm."""


class Arm(NamedTuple):
    """A population: the defence, the steps that hold it, and the roles that it has models of."""

    defence: ResolvedChoice
    steps: Sequence[Step[ModelsStep]]
    roles: tuple[Role, ...]


def arm_of(defence: ResolvedChoice) -> str:
    """Return the name under which a defence's models are queried. It does not depend on `id`, so renaming a defence
    trains and queries nothing again."""
    return "none" if defence.name == "none" else f"{defence.name}#{digest(defence.settings, 8)}"


Answers = Mapping[str, Step[QueryStep]]
"""The steps that hold answers, by arm."""


class Asked(NamedTuple):
    """A model's arms by name, and for each cut of games the steps that query them."""

    arms: Mapping[str, Arm]
    answers: list[Answers]


class AskPlan(JudgeCost):
    """Adds the steps that ask one task's models. `task`: the context of the task; `draws`: the steps that draw S_0."""

    def __init__(self, task: TaskContext, draws: Sequence[Step[ModelDraw]]) -> None:
        super().__init__(task)
        self.draws, self.experiment, self.steps = draws, task.experiment, task.steps
        self.cuts: list[list[Game]] = list(self._cuts(task.games, task.limit))
        self.points = [self._points(cut) for cut in self.cuts]

    def _cuts(self, games: Sequence[Game], limit: float) -> Iterator[list[Game]]:
        """Yield the games that share a job, question by question. Pairs of worlds fill a job; a game of more worlds
        has one of its own."""
        for question in sorted(
            {game.question.name: game.question for game in games}.values(), key=lambda one: not one.measured
        ):
            asked = [game for game in games if game.question is question]
            pairs = [game for game in asked if len(game.worlds) == 2]
            for cut in cost.bundles([self._usual_pair()] * len(pairs), limit):
                yield [pairs[i] for i in cut]
            yield from ([game] for game in asked if len(game.worlds) != 2)

    def _points(self, cut: list[Game]) -> Step[DrawStep] | None:
        if not cut[0].question.asks:
            return None
        if cut[0].question.roles != ROLES:
            return self._candidates(cut[0])
        settings = QueryDraw(
            purpose="query",
            seed=self.experiment.seed,
            key=self.task.key,
            mode=cut[0].question.points_mode or self.task.ratio_mode,
            pairs=tuple(PointsOf(pair=game.key, worlds=self._stood_for(game)) for game in cut),
            query_rows=self.task.query_rows,
            splits=self.task.population.splits,
        )
        return self.plan.draw(self._named(cut), settings)

    def _candidates(self, game: Game) -> Step[DrawStep]:
        """Add the step that draws the points of the question of membership."""
        victims, first = self.plan.alike(game.worlds[0])
        settings = MemberDraw(
            purpose="members", seed=self.experiment.seed, key=self.task.key, mode=self.task.ratio_mode, pair=game.key,
            world=game.worlds[0], rows=self.task.rows, victims=victims, first=first, unseen=game.protocol == UNSEEN,
        )  # fmt: skip
        return self.plan.draw(self._named([game]), settings)

    @staticmethod
    def _stood_for(game: Game) -> tuple[str, str]:
        """Return the distributions that query points represent. Poison and copies concern only the rows of models."""
        zero, one = game.question.points(game.laws)
        return zero.law.name, one.law.name

    @staticmethod
    def _named(cut: list[Game]) -> str:
        return several([game.slug for game in cut])

    def asked(self, model: ResolvedChoice, arms: Mapping[str, Arm]) -> Asked:
        """Add the steps that query a model's populations, one for each cut of games and arm: a defence that is added has its own models
        asked, and no others."""
        found: list[Answers] = []
        for cut, points in zip(self.cuts, self.points, strict=True):
            if points is None:  # where nobody asks there are no answers
                found.append({})
                continue
            found.append({name: self._query(model, {name: arm}, cut, points) for name, arm in arms.items()})
        return Asked(arms, found)

    def _query(
        self, model: ResolvedChoice, arms: Mapping[str, Arm], cut: list[Game], points: Step[DrawStep]
    ) -> Step[QueryStep]:
        """Add the step that queries the one arm in `arms`."""
        each, used = self._asked_points(cut) * self.plan.form.outputs, self._files(cut, arms)
        numbers = self.plan.models * (each + self._read(model))
        named = next(iter(arms.values())).defence.name
        settings = QueryStep(
            model=model.name,
            model_settings=model.settings,
            pairs=tuple(game.played() for game in cut),
            arms={role: self._answering(arms, files) for role, files in used.items()},
            repeats=self._repeats(any(randomises(one.defence) for one in arms.values())),
        )
        inputs = {f"{role}_models": all_of(used[role], FILES[role]) for role in FILES}
        worlds = sum(len(game.worlds) for game in cut)
        asked = self.plan.models * len(arms) * worlds
        held = [members(one.defence) for one in arms.values()]
        most, asked_of = max(held), sum(held)
        return add(
            self.steps, self.plan.slug(model.name, self._named(cut), named), settings,
            {"data": self.plan.data, "points": points, **inputs}, outputs=tables_named(*FILES.values()),
            modules=("popleak.stages.query", *modules_of(model, arms)), models=asked,
            mem_mb=cost.memory(numbers * max(1 + max(settings.repeats) // 8, most), self.plan.features),
            seconds=worlds / 2 * self._query_seconds(self.plan.shapes[model.id], asked_of),
            mb=asked * each * 3.2e-6,
        )  # fmt: skip

    def _read(self, model: ResolvedChoice) -> int:
        """Return how many numbers are read of a model, where they are many: all its answers, to give some."""
        shape = self.plan.shapes[model.id]
        return shape.parameters() if isinstance(shape, cost.Plugged) else 0

    @staticmethod
    def _answering(arms: Mapping[str, Arm], files: Files) -> tuple[Told, ...]:
        """Return the description of the arms that a step queries, with the number of files of each."""

        def answering(one: ResolvedChoice) -> Answering | None:
            plugin = plugins.load("defences", one.name)
            if not plugin.answers:
                return None
            return Answering(defence=one.name, settings=one.settings, randomised=randomises(one))

        chosen = {name: arms[name].defence for name in files}
        return tuple(
            Told(arm=name, files=len(files[name]), base=one.name == "none", answers=answering(one))
            for name, one in chosen.items()
        )

    def _repeats(self, random: bool) -> tuple[int, ...]:
        """Return how many times each query is asked; random: whether a defence answers at random."""
        return tuple(sorted(self.experiment.repeats)) if random else (1,)

    def _files(self, cut: list[Game], arms: Mapping[str, Arm]) -> dict[Role, Files]:
        """Return the steps that hold models of the games' worlds, by role and arm."""
        worlds = {world for game in cut for world in game.worlds}
        directions = {one for game in cut for one in game.directions}
        return {
            role: {
                name: [step for step in arm.steps if _holds(step, worlds, directions)]
                for name, arm in arms.items()
                if role in arm.roles and role in cut[0].question.roles
            }
            for role in ROLES
        }


def _holds(step: Step[ModelsStep], worlds: set[str], directions: set[Direction]) -> bool:
    """Return whether a step of the stages train or defend holds models of these worlds, or defended in these directions."""
    if isinstance(step.settings, TrainStep):
        return bool(set(step.settings.worlds) & worlds)
    return bool(set(step.settings.made) & (directions | {(world, world) for world in worlds}))


def modules_of(model: ResolvedChoice, arms: Mapping[str, Arm]) -> tuple[str, ...]:
    """Return the modules of the plugins that answer queries: the model's, and those of defences that change its
    answers."""
    names = {arm.defence.name for arm in arms.values() if plugins.load("defences", arm.defence.name).answers}
    return plugins.modules("models")[model.name], *sorted(plugins.modules("defences")[name] for name in names)


def all_of(files: Files, output: str) -> list[tuple[Step[ModelsStep], str]]:
    """Return one output of the steps of all arms, arm by arm."""
    return [(step, output) for steps in files.values() for step in steps]
