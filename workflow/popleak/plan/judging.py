"""The steps that judge one task's models: the stages measure and attack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..attacks.base import Attack
from ..config.resolved import ResolvedChoice, members, randomises, taught_by
from ..core import plugins
from ..core.protocols import ROLES, Role
from ..core.settings import canonical
from ..steps.arms import Held
from ..steps.attack import AttackStep, Budget, Weights
from ..steps.draw import ModelDraw
from ..steps.games import Played, Poison
from ..steps.measure import MeasureStep
from . import cost
from .asking import FILES, Answers, Arm, Asked, AskPlan, Files, all_of, arm_of, modules_of
from .budgets import TABLES as BUDGETED
from .budgets import of as budgets_of
from .games import Game, accesses, read_by
from .steps import Input, Step, add, tables_named

Judged = dict[str, list[Step[Any]]]
"""The steps whose files are combined into public tables, by `measure`, the table of a question's rows, and `placebo`."""


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


class JudgePlan(AskPlan):
    """Adds the steps that judge one task's models, and those that ask them."""

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
                    if points is None or question.table not in judged or not question.answerable(attack):
                        continue
                    faced = self._faced(cut, points, queries.arms, answers, asked[shadow.id].answers[i])
                    if faced is None and shadow is not model:
                        continue
                    faced = faced or self._facing_others(cut, points, queries.arms, answers)
                    judged[question.table].append(self._attack(model, shadow, chosen, faced))
                    if shadow is model:
                        self._budgeted(attack, model, chosen, faced, judged)

    def _faced(
        self, cut: list[Game], points: Step[Any], arms: Mapping[str, Arm], answers: Answers, of_shadows: Answers
    ) -> Faced | None:
        """Return what an attack faces whose shadows are those of the task; None where the worlds have victims alone."""
        if cut[0].question.roles != ROLES:
            return None
        inputs = {"points": points, **_answered(answers, "victim"), **_answered(of_shadows, "shadow")}
        return Faced(cut, arms, inputs, {"victim": tuple(answers), "shadow": tuple(of_shadows)})

    @staticmethod
    def _facing_others(cut: list[Game], points: Step[Any], arms: Mapping[str, Arm], answers: Answers) -> Faced:
        """Return what an attack faces whose shadows are other victims."""
        own = {name: step for name, step in answers.items() if "victim" in arms[name].roles}
        inputs = {"points": points, **_answered(own, "victim"), **_answered(own, "shadow", "victim")}
        return Faced(cut, arms, inputs, {"victim": tuple(own), "shadow": tuple(own)})

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
            "data": self.plan.data, "pools": self.plan.pools, "victim_models": all_of(victims, FILES["victim"]),
            "draw": self._drawn(cut), **(_answered(answers, "shadow") if answers else {}),
        }  # fmt: skip
        shape, scored = self.plan.shapes[model.id], sum(map(members, self.task.defences))
        return add(
            self.steps, self.plan.slug(model.id, self._named(cut)), settings, inputs,
            outputs=tables_named("models", "bounds"), modules=("popleak.stages.measure", *modules_of(model, arms)),
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
        defences, alike = whom.defences, cut[0].question.roles == ROLES
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
            aware=whom.aware if alike else {},
            beside={} if alike else self._beside(defences),
            randomised=whom.randomised,
            repeats=self._repeats(bool(whom.randomised)),
            poison=Poison(group=self.task.poison.group, label=self.task.poison.label),
            worlds=inside.worlds,
            weights=inside.weights,
            budgets=budgets,
            releases=self.task.population.releases,
            asked=faced.asked,
            labels=self.task.samples.labels if attack.of_samples else "own",
        )
        seen = 2 * self.task.query_rows * self.plan.form.outputs
        numbers = self.plan.models * max(seen, self.task.rows if "draws" in read else 0)
        names = [model.id, self._named(cut), chosen.id, *([] if shadow.id == model.id else [f"by-{shadow.id}"])]
        names += ["budgets"] if budgets else []
        count, times = sum(len(game.worlds) for game in cut), max(len(budgets), 1)
        calibrations = self.task.population.splits * count / 2 * (1 if attack.undefended_only else 1 + len(defences))
        return add(
            self.steps, self.plan.slug(*names), settings, {**faced.inputs, **inside.inputs},
            modules=(f"popleak.stages.{settings.stage}", *_judging(chosen.name, cut[0].question.name)),
            mem_mb=cost.memory(12 * numbers if alike else self._row_numbers(), self.plan.features),
            seconds=times * (count / 2 * self._attack_seconds(len(defences)) + calibrations * attack.seconds)
            if alike
            else self._rows_seconds(attack, cut[0].protocol, len(defences)),
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
            weights = Weights(model_settings=model.settings, files={role: held(of) for role, of in used.items()})
            inputs |= {f"{role}_models": all_of(used[role], FILES[role]) for role in ROLES}
        if "audits" in read:
            audited = self._audited(cut, arms)
            weights = Weights(model_settings=model.settings, files={"victim": held(audited)})
            inputs["victim_models"] = all_of(audited, FILES["victim"])
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


def _answered(answers: Answers, role: Role, of: Role | None = None) -> dict[str, Input]:
    """Return one role's files of answers, or those `of` another, arm by arm, under the name of the role's files."""
    return {FILES[role]: [(step, FILES[of or role]) for step in answers.values()]}


def _judging(attack: str, question: str) -> tuple[str, ...]:
    """Return the modules of the plugins that judge: attack, question and kinds of access."""
    seen = [plugins.modules("access")[name] for name in accesses(plugins.load("attacks", attack))]
    return plugins.modules("attacks")[attack], plugins.modules("questions")[question], *seen


def held(files: Files) -> tuple[Held, ...]:
    """Return how many files hold the models of each arm."""
    return tuple(Held(arm=name, files=len(steps)) for name, steps in files.items())
