"""The games of one task's adversaries (a question in two or more worlds, clean or poisoned), and which attacks can
play them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..attacks.base import Attack
from ..attacks.base import Game as Known
from ..config.resolved import ResolvedChoice, ResolvedTask, SettledTask, access_of, members
from ..core import plugins
from ..core.errors import PopleakError
from ..core.halves import TARGETS
from ..core.protocols import POISONED
from ..core.worlds import World
from ..questions.base import Question
from ..steps.games import Pair, Played


class Game(NamedTuple):
    """The worlds of a question, and the number in which each differs from the others."""

    question: Question
    protocol: str
    ratios: tuple[float, ...]
    worlds: tuple[str, ...]
    poison: float = 0.0

    @classmethod
    def of(cls, protocol: str, ratios: Sequence[float], poison: float = 0.0) -> Game:
        """Return the game. Raises PopleakError if no question has this protocol."""
        question: Question = plugins.question(protocol)
        worlds = (world._replace(poison=poison) for world in question.worlds(protocol, ratios))
        return cls(question, protocol, tuple(ratios), tuple(world.name for world in worlds), poison)

    @property
    def key(self) -> str:
        """The game's name in stored tables."""
        name = " ".join([self.protocol, *(repr(ratio) for ratio in self.ratios)])
        return f"{name} poison {self.poison!r}" if self.poison else name

    @property
    def slug(self) -> str:
        """The game's name as it stands in steps' ids."""
        shown = self.ratios if len(self.ratios) < 4 else (self.ratios[0], "to", self.ratios[-1])
        name = "-".join([self.protocol, *(f"{one:g}" if isinstance(one, float) else one for one in shown)])
        return (f"{name}-poison-{self.poison:g}" if self.poison else name).replace(".", "p")

    @property
    def laws(self) -> list[World]:
        """The worlds themselves."""
        return [World.named(name) for name in self.worlds]

    @property
    def directions(self) -> list[tuple[str, str]]:
        """For each world its name, and that of the world which a defence of its models turns to."""
        return [(name, self.question.towards(self.laws, b).name) for b, name in enumerate(self.worlds)]

    def described(self) -> Pair:
        """Return its description for the stages that judge."""
        return Pair(pair=self.key, protocol=self.protocol, ratios=self.ratios, poison=self.poison)

    def played(self) -> Played:
        """Return its description for the stages that read models."""
        return Played(pair=self.key, worlds=self.worlds, towards=tuple(other for _, other in self.directions))


def slug_of(world: str) -> str:
    """Return a world's name for use in ids: 0.5#0 becomes 0p5, and its second copy 0.5#1 becomes 0p5b."""
    plain = world.replace("#0", "").replace("#1", "b").replace(".", "p")
    return plain.replace("~", "-").replace("!", "-poison-")


def several(names: Sequence[str]) -> str:
    """Return the only name, or the first one and the number of others."""
    return names[0] if len(names) == 1 else f"{names[0]}-and-{len(names) - 1}-more"


def games_of(task: ResolvedTask) -> list[Game]:
    """Return a task's games: its worlds, for each share of poison."""
    return [Game.of(one.protocol, one.ratios or (), share) for share in task.poison.shares for one in task.worlds]


def directions(games: Sequence[Game]) -> list[tuple[str, str]]:
    """Return each world with the world that a defence turns its models to, without duplicates: two games may share
    both worlds."""
    return list(dict.fromkeys(one for game in games for one in game.directions))


def turned(games: Sequence[Game]) -> list[tuple[World, World]]:
    """Return the starting worlds of `directions`; they determine how much poison is in S_0."""
    return [(World.named(own), World.named(other)) for own, other in directions(games)]


def check(task: SettledTask, knowledge: Sequence[str], n_features: int) -> None:
    """Raise PopleakError in one line if an attack lacks what it needs."""
    for one in task.attacks:
        _check_models(task, one, n_features)
        if access_of(one).defended:
            _check_defended(task, one, knowledge)
        if access_of(one).several and task.population.releases < 2:
            raise PopleakError(
                f"config: tasks: {task.id}: attack {one.id!r} sees all models that an owner releases: set population.releases to 2 or more, or "
                f"leave it out"
            )
    _check_questions(task)
    told = [worlds.protocol for worlds in task.worlds if not worlds.question.asks]
    if told and max(task.poison.shares) > 0:
        raise PopleakError(
            f"config: tasks: {task.id}: worlds of protocol {told[0]}: a sharer replaces rows, and no adversary slips any in: set poison.shares to [0]"
        )
    if any(world.half for game in games_of(task) for world in game.laws):
        _check_rows(task)


FEWEST = 4
"""Models that share candidates at least: a victim and its twin leave two shadows then, of which one holds each candidate."""


def _check_rows(task: SettledTask) -> None:
    """Raise PopleakError in one line if a question about rows cannot be asked of the task's models."""
    population, where = task.population, f"config: tasks: {task.id}: worlds of protocol membership"
    each, _ = population.halved()
    if each % 2 or each < FEWEST:
        raise PopleakError(
            f"{where}: each split's models come in pairs that hold complementary halves of the candidates, {FEWEST} at least: {each} models a split "
            f"will not do: set population.halves to an even number, {FEWEST} or more"
        )
    if population.releases > 1:
        raise PopleakError(f"{where}: each owner has one model: set population.releases to 1")
    if max(task.poison.shares) > 0:
        raise PopleakError(f"{where}: draws hold halves of the candidates and no poison: set poison.shares to [0]")
    if task.training.validation > 0:
        raise PopleakError(
            f"{where}: rows that are held out are drawn but not trained on, so that they are members of nothing: set training.validation to 0"
        )
    _check_points(task)


def _check_points(task: SettledTask) -> None:
    """Raise PopleakError in one line if there are too few candidates for targets, or no public rows for an attack that asks them."""
    if any(world.targets for game in games_of(task) for world in game.laws) and 2 * task.rows < 4 * TARGETS:
        raise PopleakError(
            f"config: tasks: {task.id}: worlds of protocol {POISONED}: {TARGETS} targets stand among {2 * task.rows} candidates, {4 * TARGETS} at least "
            f"are needed: set rows to {2 * TARGETS} or more"
        )
    for one in task.attacks:
        attack = plugins.load("attacks", one.name)
        if attack.rows and (attack.needs_public or not attack.direct) and not task.publishing:
            raise PopleakError(
                f"config: tasks: {task.id}: attack {one.id!r} asks public rows, and no defence has any: add one that trains on public rows "
                f"(distillation, say), or leave it out"
            )


def accesses(attack: Attack) -> tuple[str, ...]:
    """Return the kinds of access that an attack has to victims and to shadows."""
    return tuple(dict.fromkeys((attack.access, attack.shadow_access or attack.access)))


def read_by(attack: Attack) -> set[str]:
    """Return what an attack sees of victims and shadows: answers, models or draws."""
    return {plugins.load("access", name).reads for name in accesses(attack)}


def unread(task: SettledTask) -> list[str]:
    """Return a line for each attack that reads a model's weights, if releases of some defences hold several models: it leaves these out."""
    several = [one.id for one in task.defences if members(one) > 1]
    reading = [one.id for one in task.attacks if "models" in read_by(plugins.load("attacks", one.name))]
    return [
        f"{task.id}: attack {attack!r} reads the weights of one model, and a release of {', '.join(several)} holds several: it judges the other "
        f"defences alone"
        for attack in (reading if several else ())
    ]


def _check_models(task: SettledTask, one: ResolvedChoice, n_features: int) -> None:
    """Raise PopleakError if an attack does not apply to one of the task's models."""
    attack = plugins.load("attacks", one.name)
    for model in task.models:
        plugin = plugins.load("models", model.name)
        settings = plugin.Settings.model_validate(model.settings)
        sides = plugin.sides(n_features, settings) if plugin.gradient else None
        reason = attack.refuses(Known(0.0, 1.0, task.rows, "natural", model.name, sides=sides))
        if reason:
            raise PopleakError(
                f"config: tasks: {task.id}: attack {one.id!r} does not apply to model {model.id!r}: {reason}: give the task its own "
                f"`attacks` or `models`"
            )


def _check_defended(task: SettledTask, one: ResolvedChoice, knowledge: Sequence[str]) -> None:
    """Raise PopleakError if an attack on defended models has no such models, or no shadows with the same defence."""
    if not {"aware", "informed"} & set(knowledge):
        raise PopleakError(
            f"config: knowledge: attack {one.id!r} of task {task.id} needs shadows with the defence: add aware or informed, or leave it out"
        )
    if len(task.defences) == 1:
        raise PopleakError(
            f"config: tasks: {task.id}: attack {one.id!r} compares a base model with a defended one: add a defence, or leave it out"
        )


def _check_questions(task: SettledTask) -> None:
    """Raise PopleakError if no attack of the task can answer one of its questions, or if no question has its models
    measured."""
    asked = [worlds for worlds in task.worlds if worlds.question.asks]
    for worlds in asked:
        question = worlds.question
        if not any(question.answerable(plugins.load("attacks", one.name)) for one in task.attacks):
            able = [name for name in plugins.names("attacks") if question.answerable(plugins.load("attacks", name))]
            raise PopleakError(
                f"config: tasks: {task.id}: worlds of protocol {worlds.protocol} need {question.needs}: add one of {', '.join(able)}"
            )
    for one in task.attacks if asked else ():  # where nobody asks, attacks are left out
        attack = plugins.load("attacks", one.name)
        if not any(worlds.question.answerable(attack) for worlds in asked):
            raise PopleakError(f"config: tasks: {task.id}: attack {one.id!r} {_unasked(attack)}, say, or leave it out")
    if not any(worlds.question.measured for worlds in task.worlds):
        raise PopleakError(
            f"config: tasks: {task.id}: worlds of protocol {task.worlds[0].protocol} need a pair of worlds as well, on which models are measured: "
            f"add one"
        )


def _unasked(attack: Attack) -> str:
    """Return what an attack does that no worlds of a task ask for, and which worlds would."""
    if attack.rows:
        return "judges rows, and no worlds of the task ask about them: add worlds of protocol membership"
    if attack.of_samples:
        return "judges rows of a generator, and no worlds of the task ask about them: add worlds of protocol samples"
    return "tells worlds apart, and the task has none to tell apart: add worlds of protocol pure"
