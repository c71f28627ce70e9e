"""The steps that judge one task's models: the stages query, measure and attack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..attacks.base import Attack
from ..config.resolved import ResolvedChoice, members, randomises, taught_by
from ..core import needs, plugins
from ..core.protocols import ROLES, UNSEEN, Role
from ..core.settings import canonical, digest
from ..steps.arms import Answering, Held
from ..steps.arms import Arm as Told
from ..steps.attack import AttackStep, Budget, Weights
from ..steps.draw import DrawStep, MemberDraw, ModelDraw, PointsOf, QueryDraw
from ..steps.games import Played, Poison
from ..steps.measure import MeasureStep
from ..steps.models import Direction, ModelsStep
from ..steps.query import QueryStep
from ..steps.train import TrainStep
from . import cost
from .budgets import TABLES as BUDGETED
from .budgets import of as budgets_of
from .context import TaskContext
from .games import Game, accesses, read_by, several
from .steps import Input, Step, add, tables_named

FILES: dict[Role, str] = {"victim": "victims", "shadow": "shadows"}
"""The name of a role's output file, by role."""
USUAL_DEFENCES = 6
DEAREST_ATTACK = 4
"""Cost of the most expensive attack, relative to the mean."""


Files = Mapping[str, Sequence[Step[ModelsStep]]]
"""The steps that hold models, by arm."""
Judged = dict[str, list[Step[Any]]]
"""The steps whose files are combined into public tables, by `measure`, the table of a question's rows, and `placebo`."""


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


class Faced(NamedTuple):
    """What an attack faces: the games, the victims' arms, the files that it is given, and whose answers they are by role."""

    cut: list[Game]
    arms: Mapping[str, Arm]
    inputs: Mapping[str, Input]
    asked: Mapping[Role, tuple[str, ...]]


class Inside(NamedTuple):
    """What an attack sees of models beside their answers: the worlds, the files of weights, and what its step reads."""

    worlds: tuple[Played, ...]
    weights: Weights | None
    inputs: Mapping[str, Input]


class Whom(NamedTuple):
    """Whom an attack judges: the ids of defences; the arms, and their names by the ids of defences and of those at default settings (`aware`,
    by the id of the defence); and which defences answer at random."""

    defences: tuple[str, ...]
    arms: Mapping[str, Arm]
    named: Mapping[str, str]
    aware: Mapping[str, str]
    randomised: tuple[str, ...]


class JudgePlan:
    """Adds the steps that judge one task's models. `task`: the context of the task; `draws`: the steps that draw S_0."""

    def __init__(self, task: TaskContext, draws: Sequence[Step[ModelDraw]]) -> None:
        self.plan, self.draws = task, draws
        self.task, self.experiment, self.steps = task.task, task.experiment, task.steps
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

    def _points(self, cut: list[Game]) -> Step[DrawStep]:
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
        settings = MemberDraw(
            purpose="members", seed=self.experiment.seed, key=self.task.key, mode=self.task.ratio_mode, pair=game.key,
            world=game.worlds[0], rows=self.task.rows, victims=self.task.population.victims, unseen=game.protocol == UNSEEN,
        )  # fmt: skip
        return self.plan.draw(self._named([game]), settings)

    def _asked_points(self, cut: list[Game]) -> int:
        """Return how many points each model is asked: a query set, or candidates and public rows."""
        return 2 * self.task.query_rows if cut[0].question.roles == ROLES else 3 * self.task.rows

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
        parts = zip(self.cuts, self.points, strict=True)
        return Asked(
            arms, [{name: self._query(model, {name: arm}, *part) for name, arm in arms.items()} for part in parts]
        )

    def _query(
        self, model: ResolvedChoice, arms: Mapping[str, Arm], cut: list[Game], points: Step[DrawStep]
    ) -> Step[QueryStep]:
        """Add the step that queries the one arm in `arms`."""
        each, used = self._asked_points(cut) * self.plan.form.outputs, self._files(cut, arms)
        numbers = self.plan.models * each
        named = next(iter(arms.values())).defence.name
        settings = QueryStep(
            model=model.name,
            model_settings=model.settings,
            pairs=tuple(game.played() for game in cut),
            arms={role: self._answering(arms, files) for role, files in used.items()},
            repeats=self._repeats(any(randomises(one.defence) for one in arms.values())),
        )
        inputs = {f"{role}_models": _all_of(used[role], FILES[role]) for role in FILES}
        worlds = sum(len(game.worlds) for game in cut)
        asked = self.plan.models * len(arms) * worlds
        held = [members(one.defence) for one in arms.values()]
        most, asked_of = max(held), sum(held)
        return add(
            self.steps, self.plan.slug(model.name, self._named(cut), named), settings,
            {"data": self.plan.data, "points": points, **inputs}, outputs=tables_named(*FILES.values()),
            modules=("popleak.stages.query", *_modules(model, arms)), models=asked,
            mem_mb=cost.memory(numbers * max(1 + max(settings.repeats) // 8, most), self.plan.features),
            seconds=worlds / 2 * self._query_seconds(self.plan.shapes[model.id], asked_of),
            mb=asked * each * 3.2e-6,
        )  # fmt: skip

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

    def judge(self, model: ResolvedChoice, asked: Mapping[str, Asked], judged: Judged) -> None:
        """Add the steps that measure and attack a model. asked: the queries of each model that shadows may have, by
        id."""
        queries = asked[model.id]
        parts = list(zip(self.cuts, self.points, queries.answers, strict=True))
        for cut, _, answers in parts:
            if "measure" in judged and cut[0].question.measured:
                judged["measure"].append(self._measure(model, cut, queries.arms, answers))
        # attack by attack, so that the order of rows in public tables does not depend on the cut
        for chosen in self.task.attacks:
            attack = plugins.load("attacks", chosen.name)
            for shadow in (model, *self._other_shadows(model, attack)):
                for i, (cut, points, answers) in enumerate(parts):
                    question = cut[0].question
                    if question.table not in judged or not question.answerable(attack):
                        continue
                    # whose worlds have victims alone learns from others of them
                    alone = question.roles != ROLES
                    if alone and shadow is not model:
                        continue
                    of_shadows = asked[shadow.id].answers[i]
                    if alone:
                        answers = of_shadows = {
                            name: step for name, step in answers.items() if "victim" in queries.arms[name].roles
                        }
                    inputs = {
                        "points": points, **_answered(answers, "victim"),
                        **_answered(of_shadows, "shadow", "victim" if alone else "shadow"),
                    }  # fmt: skip
                    faced = Faced(cut, queries.arms, inputs, {"victim": tuple(answers), "shadow": tuple(of_shadows)})
                    judged[question.table].append(self._attack(model, shadow, chosen, faced))
                    if shadow is model:
                        self._budgeted(attack, model, chosen, faced, judged)

    def _other_shadows(self, model: ResolvedChoice, attack: Attack) -> list[ResolvedChoice]:
        """Return the architectures of shadows beside the victim's own from which the attack can learn."""
        if not attack.shadows or read_by(attack) != {"answers"}:
            return []
        return [one for one in self.task.shadow_models if one.id != model.id]

    def _budgeted(
        self,
        attack: Attack,
        model: ResolvedChoice,
        chosen: ResolvedChoice,
        faced: Faced,
        judged: Judged,
    ) -> None:
        """Add the step of one attack with less than all shadows and query points, where the config asks for it."""
        budgets = budgets_of(self.experiment.budgets, attack)
        if budgets and "budgets" in judged and faced.cut[0].question.table in BUDGETED:
            judged["budgets"].append(self._attack(model, model, chosen, faced, budgets))

    def _measure(
        self, model: ResolvedChoice, cut: list[Game], arms: Mapping[str, Arm], answers: Answers
    ) -> Step[MeasureStep]:
        defences = self.plan.defences
        victims = self._files(cut, arms)["victim"]
        settings = MeasureStep(
            task=self.task.id,
            model_id=model.id,
            model=model.name,
            model_settings=model.settings,
            seed=self.experiment.seed,
            key=self.task.key,
            mode=self.task.ratio_mode,
            pairs=tuple(game.described() for game in cut),
            worlds=tuple(game.played() for game in cut),
            defences=defences,
            arms=self._arms_by_id(),
            victims=self._answering(arms, victims),
            asked=tuple(answers),
            validation=self.task.training.validation if self.plan.shapes[model.id] is not None else 0.0,
        )
        inputs: dict[str, Input] = {
            "data": self.plan.data, "pools": self.plan.pools, "victim_models": _all_of(victims, FILES["victim"]),
            "draw": self._drawn(cut), **_answered(answers, "shadow"),
        }  # fmt: skip
        shape, scored = self.plan.shapes[model.id], sum(map(members, self.task.defences))
        return add(
            self.steps, self.plan.slug(model.id, self._named(cut)), settings, inputs,
            outputs=tables_named("models", "bounds"), modules=("popleak.stages.measure", *_modules(model, arms)),
            mem_mb=cost.memory(self._measure_numbers(shape, arms), self.plan.features),
            seconds=len(cut)
            * (self._measure_seconds(shape, scored) + self._membership_seconds(shape, scored)),
            mb=2 * self.plan.models * len(defences) * len(cut) * 1e-4,
        )  # fmt: skip

    def _attack(
        self,
        model: ResolvedChoice,
        shadow: ResolvedChoice,
        chosen: ResolvedChoice,
        faced: Faced,
        budgets: tuple[Budget, ...] = (),
    ) -> Step[AttackStep]:
        """Add the step of one attack on a victim model, with shadows of one architecture, with these budgets instead of all."""
        attack, cut, arms = plugins.load("attacks", chosen.name), faced.cut, faced.arms
        read = read_by(attack)
        whom = self._whom(read, arms)
        defences = whom.defences
        inside = self._inside(read, model, cut, whom.arms)
        settings = AttackStep(
            task=self.task.id,
            question=cut[0].question.name,
            model_id=model.id,
            model=model.name,
            shadow_model=shadow.id,
            attack=chosen.name,
            attack_id=chosen.id,
            attack_settings=chosen.settings,
            seed=self.experiment.seed,
            key=self.task.key,
            mode=self.task.ratio_mode,
            rows=self.task.rows,
            pairs=tuple(game.described() for game in cut),
            defences=defences,
            arms=whom.named,
            knowledge=tuple(self.experiment.knowledge),
            aware=whom.aware if cut[0].question.roles == ROLES else {},
            beside=self._beside(defences) if cut[0].question.roles != ROLES else {},
            randomised=whom.randomised,
            repeats=self._repeats(bool(whom.randomised)),
            poison=Poison(group=self.task.poison.group, label=self.task.poison.label),
            worlds=inside.worlds,
            weights=inside.weights,
            budgets=budgets,
            releases=self.task.population.releases,
            asked=faced.asked,
        )
        seen = 2 * self.task.query_rows * self.plan.form.outputs
        numbers = self.plan.models * max(seen, self.task.rows if "draws" in read else 0)
        names = [model.id, self._named(cut), chosen.id, *([] if shadow.id == model.id else [f"by-{shadow.id}"])]
        names += ["budgets"] if budgets else []
        count = sum(len(game.worlds) for game in cut)
        times = max(len(budgets), 1)
        calibrations = self.task.population.splits * count / 2 * (1 if attack.undefended_only else 1 + len(defences))
        return add(
            self.steps, self.plan.slug(*names), settings, {**faced.inputs, **inside.inputs},
            modules=(f"popleak.stages.{settings.stage}", *_judging(chosen.name, cut[0].question.name)),
            mem_mb=cost.memory(12 * numbers, self.plan.features),
            seconds=times * (count / 2 * self._attack_seconds(len(defences)) + calibrations * attack.seconds),
            mb=times * 2 * self.plan.models * len(defences) * count * 1e-5,
        )  # fmt: skip

    def _beside(self, defences: Sequence[str]) -> dict[str, str]:
        """Return whom a defence's models are compared with: the teachers of students, else controls, as far as they are judged too."""
        judged = [one for one in self.task.defences if one.id in defences]
        by_what = {(one.name, canonical(one.settings)): one.id for one in judged}
        found = {one.id: one.control for one in judged if one.control in defences}
        for one in judged:
            teacher = taught_by(one)
            other = by_what.get((teacher.name, canonical(teacher.settings))) if teacher else None
            found |= {one.id: other} if other else {}
        return {one: other for one, other in found.items() if other}

    def _whom(self, read: set[str], arms: Mapping[str, Arm]) -> Whom:
        """Return whom an attack judges; read: what it is shown. Who reads weights takes them for those of one model, so releases that
        hold several are left out."""
        if "models" in read:
            arms = {name: arm for name, arm in arms.items() if members(arm.defence) == 1}
        judged = {one.id: one for one in self.task.defences if arm_of(one) in arms}
        aware = {one: other for one, other in self._aware(arms).items() if one in judged}
        random = tuple(one for one, defence in judged.items() if randomises(defence))
        named = {one.id: arm_of(one) for one in (*judged.values(), *aware.values())}
        return Whom(tuple(judged), arms, named, {one: other.id for one, other in aware.items()}, random)

    def _aware(self, arms: Mapping[str, Arm]) -> dict[str, ResolvedChoice]:
        """Return, for each defence, the one at default settings whose shadows an aware adversary uses; empty if no
        adversary is aware."""
        if "aware" not in self.experiment.knowledge:
            return {}
        usual = {one.id: self.plan.aware(one) for one in self.task.defences}
        return {one: other for one, other in usual.items() if other is not None and arm_of(other) in arms}

    def _inside(self, read: set[str], model: ResolvedChoice, cut: list[Game], arms: Mapping[str, Arm]) -> Inside:
        """Return what an attack sees beside answers; read: what it is shown, see `read_by`."""
        if not read & {"models", "draws", "audits"}:
            return Inside((), None, {})
        weights, inputs = None, dict[str, Input](data=self.plan.data)
        if "models" in read:
            used = self._files(cut, arms)
            weights = Weights(model_settings=model.settings, files={role: _held(of) for role, of in used.items()})
            inputs |= {f"{role}_models": _all_of(used[role], FILES[role]) for role in ROLES}
        if "audits" in read:
            audited = self._audited(cut, arms)
            weights = Weights(model_settings=model.settings, files={"victim": _held(audited)})
            inputs["victim_models"] = _all_of(audited, FILES["victim"])
        if "draws" in read:
            inputs["draw"] = self._drawn(cut)
        return Inside(tuple(game.played() for game in cut), weights, inputs)

    def _drawn(self, cut: list[Game]) -> list[tuple[Step[ModelDraw], str]]:
        """Return the tables of the draws S_0 of the games' worlds."""
        wanted = {world for game in cut for world in game.worlds}
        return [(step, "table") for step in self.draws if wanted & {item.world for item in step.settings.draws}]

    def _audited(self, cut: list[Game], arms: Mapping[str, Arm]) -> Files:
        """Return the steps that hold victims whose training was audited, by arm."""
        files = self._files(cut, arms)["victim"]
        return {
            name: steps for name, steps in files.items() if plugins.load("defences", arms[name].defence.name).audited
        }

    def _arms_by_id(self) -> dict[str, str]:
        """Return the names of arms by the ids in the config. What was trained and queried is named by its settings."""
        return {defence.id: arm_of(defence) for defence in self.task.defences}

    def _usual_pair(self) -> float:
        """Return the CPU seconds of the most expensive judging job for one pair, for a typical model and typical
        defences. It decides which pairs share a job, whatever models, defences and attacks there are."""
        query = self._query_seconds(self.plan.usual, USUAL_DEFENCES)
        measure = self._measure_seconds(self.plan.usual, USUAL_DEFENCES)
        return max(query, measure, DEAREST_ATTACK * self._attack_seconds(USUAL_DEFENCES))

    def _query_seconds(self, shape: cost.Shape | None, defences: int) -> float:
        return 2 * self.plan.models * defences * (shape.score(2 * self.task.query_rows) if shape else 1e-5)

    def _measure_seconds(self, shape: cost.Shape | None, defences: int) -> float:
        """Return the CPU seconds of one pair: victims on all rows of the pool, and reading the shadows' answers."""
        victims = 2 * self.task.population.victims * defences
        shadows = 2 * self.plan.models * defences - victims
        scored = shape.score(self.plan.pool_rows) if shape else 1e-5
        return victims * (scored + 2e-4 + 2e-8 * self.plan.pool_rows) + shadows * 3e-8 * 2 * self.task.query_rows

    def _membership_seconds(self, shape: cost.Shape | None, defences: int) -> float:
        """Return the CPU seconds of one pair for membership: victims on their own rows, ranked among those of the pool. They do not count
        in which pairs share a job: half as long again, such a job is still cheaper than two."""
        scored = shape.score(self.task.rows) if shape else 1e-5
        return 2 * self.task.population.victims * defences * (scored + 6e-8 * (self.plan.pool_rows + self.task.rows))

    def _measure_numbers(self, shape: cost.Shape | None, arms: Mapping[str, Arm]) -> int:
        """Return how many numbers are in memory at once: the scores of one split's victims of a world, or of as many
        as are scored at once, and the shadows' answers."""
        population, most = self.task.population, max(members(one.defence) for one in arms.values())
        weights = most * self.plan.models * (shape.parameters() if shape else 100)
        scored = max(
            most * self.plan.pool_rows,
            min(most * population.victims * self.plan.pool_rows // population.splits, needs.SCORES),
        )
        return 3 * scored + weights + 4 * population.splits * population.shadows * 2 * self.task.query_rows

    def _attack_seconds(self, defences: int) -> float:
        """Return the CPU seconds of an average attack on one pair."""
        calibrations = self.task.population.splits * (1 + defences)
        shadows = 2 * self.task.population.shadows
        return calibrations * (0.003 + 1e-8 * shadows * 2 * self.task.query_rows) + 2.5e-5 * self.plan.models * defences


def _holds(step: Step[ModelsStep], worlds: set[str], directions: set[Direction]) -> bool:
    """Return whether a step of the stages train or defend holds models of these worlds, or defended in these directions."""
    if isinstance(step.settings, TrainStep):
        return bool(set(step.settings.worlds) & worlds)
    return bool(set(step.settings.made) & directions)


def _answered(answers: Answers, role: Role, of: Role | None = None) -> dict[str, Input]:
    """Return one role's files of answers, or those `of` another, arm by arm, under the name of the role's files."""
    return {FILES[role]: [(step, FILES[of or role]) for step in answers.values()]}


def _modules(model: ResolvedChoice, arms: Mapping[str, Arm]) -> tuple[str, ...]:
    """Return the modules of the plugins that answer queries: the model's, and those of defences that change its
    answers."""
    names = {arm.defence.name for arm in arms.values() if plugins.load("defences", arm.defence.name).answers}
    return plugins.modules("models")[model.name], *sorted(plugins.modules("defences")[name] for name in names)


def _judging(attack: str, question: str) -> tuple[str, ...]:
    """Return the modules of the plugins that judge: attack, question and kinds of access."""
    seen = [plugins.modules("access")[name] for name in accesses(plugins.load("attacks", attack))]
    return plugins.modules("attacks")[attack], plugins.modules("questions")[question], *seen


def _held(files: Files) -> tuple[Held, ...]:
    """Return how many files hold the models of each arm."""
    return tuple(Held(arm=name, files=len(steps)) for name, steps in files.items())


def _all_of(files: Files, output: str) -> list[tuple[Step[ModelsStep], str]]:
    """Return one output of the steps of all arms, arm by arm."""
    return [(step, output) for steps in files.values() for step in steps]
