"""The games that one task's adversaries play: pairs of worlds, or many, clean or poisoned; and which attacks can play them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..attacks.base import Game as Known
from ..config.resolve import ResolvedTask, SettledTask
from ..core import plugins
from ..core.errors import PopleakError
from ..core.protocols import EQUAL, MANY
from ..steps.games import Pair, Played


class Game(NamedTuple):
    """Worlds to tell apart, a ratio and a name for each; two worlds of one ratio are told apart by their copy."""

    protocol: str
    ratios: tuple[float, ...]
    worlds: tuple[str, ...]
    poison: float = 0.0

    @classmethod
    def of(cls, protocol: str, ratios: Sequence[float], poison: float = 0.0) -> Game:
        """Return the game; protocol equal draws each of its two equal worlds afresh."""
        return cls(
            protocol,
            tuple(ratios),
            tuple(world(ratio, int(protocol == EQUAL and b == 1), poison) for b, ratio in enumerate(ratios)),
            poison,
        )

    @property
    def many(self) -> bool:
        """Return whether one ratio among many is named."""
        return self.protocol == MANY

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

    def towards(self, b: int) -> tuple[str, float]:
        """Return the name and the ratio of the world that a defence of models of world b turns to.

        In a pair that is the other world; among many it is that of the complementary ratio, 1 - r, which in pure worlds is
        the other one too.
        """
        if self.many:
            ratio = round(1 - self.ratios[b], 12)
            return world(ratio, 0, 0.0), ratio
        return self.worlds[1 - b], self.ratios[1 - b]

    def described(self) -> Pair:
        """Return what those who judge are told of it."""
        return Pair(pair=self.key, protocol=self.protocol, ratios=self.ratios, poison=self.poison)

    def played(self) -> Played:
        """Return what those who read models are told of it."""
        towards = tuple(self.towards(b)[0] for b in range(len(self.worlds)))
        return Played(pair=self.key, worlds=self.worlds, towards=towards)


def world(ratio: float, copy: int, poison: float) -> str:
    """Return a world's name: 0.5#0, its second copy 0.5#1, and 0.5#0!0.01 with a hundredth of poisoned rows."""
    return f"{ratio!r}#{copy}" + (f"!{poison!r}" if poison else "")


def slug_of(world: str) -> str:
    """Return a world's name as it stands in ids: 0.5#0 is 0p5, its second copy 0.5#1 is 0p5b."""
    return world.replace("#0", "").replace("#1", "b").replace(".", "p").replace("!", "-poison-")


def several(names: Sequence[str]) -> str:
    """Return the name of one thing, or of the first and how many more there are."""
    return names[0] if len(names) == 1 else f"{names[0]}-and-{len(names) - 1}-more"


def games_of(task: ResolvedTask) -> list[Game]:
    """Return a task's games: its worlds, once for each share of poison."""
    return [Game.of(one.protocol, one.ratios or (), share) for share in task.poison.shares for one in task.worlds]


def directions(games: Sequence[Game]) -> dict[tuple[str, str], tuple[float, float, float]]:
    """Return by (world, world that a defence of its models turns to) the two ratios, and the share of poison in the former.

    Two games may hold the same two worlds.
    """
    return {
        (game.worlds[b], game.towards(b)[0]): (game.ratios[b], game.towards(b)[1], game.poison)
        for game in games
        for b in range(len(game.worlds))
    }


def check(task: SettledTask, knowledge: Sequence[str], n_features: int) -> None:
    """Raise PopleakError in one line where an attack cannot be mounted on what there is."""
    attacks = [(one.id, plugins.load("attacks", one.name)) for one in task.attacks]
    for name, attack in attacks:
        for model in task.models:
            plugin = plugins.load("models", model.name)
            own = plugin.Settings.model_validate(model.settings)
            sides = plugin.sides(n_features, own) if plugin.gradient else None
            reason = attack.refuses(Known(0.0, 1.0, task.rows, "natural", model.name, sides=sides))
            if reason:
                raise PopleakError(
                    f"config: tasks: {task.id}: attack {name!r} does not apply to model {model.id!r}: {reason}: give the task its own "
                    f"`attacks` or `models`"
                )
        if attack.access == "pair" and not {"aware", "informed"} & set(knowledge):
            raise PopleakError(
                f"config: knowledge: attack {name!r} of task {task.id} needs shadows with the defence: add aware or informed, or leave it out"
            )
        if attack.access == "pair" and len(task.defences) == 1:
            raise PopleakError(
                f"config: tasks: {task.id}: attack {name!r} compares a base model with a defended one: add a defence, or leave it out"
            )
    if any(one.protocol == MANY for one in task.worlds) and not any(attack.many for _, attack in attacks):
        able = ", ".join(name for name in plugins.names("attacks") if plugins.load("attacks", name).many)
        raise PopleakError(
            f"config: tasks: {task.id}: worlds of protocol k-ary need an attack that names one ratio among many: add one of {able}"
        )
    if all(one.protocol == MANY for one in task.worlds):
        raise PopleakError(
            f"config: tasks: {task.id}: worlds of protocol k-ary need a pair of worlds as well, on which models are measured: add one"
        )
