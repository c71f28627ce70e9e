"""What an adversary knows of the defence: which shadows it learns from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..attacks.base import Attack
from ..steps.attack import Judging
from .access.base import NONE, Access

ANY = "any"
"""Knowledge of attacks that learn from no shadows and so do not use what they know of the defence."""


class Shadows(NamedTuple):
    """The name of the knowledge in the tables, and whose answers the attack learns from: the arm, and how many times
    each query was asked."""

    knowledge: str
    arm: str
    repeats: int


class Knowledge:
    """What is known of the defence of victims."""

    name: str

    def shadows(self, settings: Judging, access: Access, defence: str, repeats: int) -> Shadows | None:
        """Return the shadows of an adversary with this knowledge of `defence`, whose victims are asked each query
        `repeats` times. Return None if another knowledge has the same shadows, or if there are none."""
        raise NotImplementedError


class Unaware(Knowledge):
    """Nothing is known of the defence: undefended shadows."""

    name = "unaware"

    def shadows(self, settings: Judging, access: Access, defence: str, repeats: int) -> Shadows | None:
        return None if access.defended else Shadows(self.name, NONE, 1)


class Aware(Knowledge):
    """The kind of defence is known: shadows with the same defence at its default settings."""

    name = "aware"

    def shadows(self, settings: Judging, access: Access, defence: str, repeats: int) -> Shadows | None:
        if defence in settings.aware:
            return Shadows(self.name, settings.aware[defence], repeats)
        # at default settings, knowing the kind is knowing everything
        return None if INFORMED.name in settings.knowledge else INFORMED.shadows(settings, access, defence, repeats)


class Informed(Knowledge):
    """All is known: shadows with the same defence and settings."""

    name = "informed"

    def shadows(self, settings: Judging, access: Access, defence: str, repeats: int) -> Shadows | None:
        return Shadows(self.name, defence, repeats)


INFORMED = Informed()
KNOWLEDGE: dict[str, Knowledge] = {one.name: one for one in (Unaware(), Aware(), INFORMED)}


def levels(attack: Attack, access: Access, settings: Judging, defence: str, repeats: int) -> Iterator[Shadows]:
    """Yield the shadows of each distinct knowledge. Attacks without shadows have one, as have undefended victims.

    access: to the victims.
    """
    if not attack.shadows:
        yield Shadows(ANY, NONE, 1)
    elif defence == NONE:
        yield Shadows(INFORMED.name, NONE, 1)
    else:
        candidates = (KNOWLEDGE[name].shadows(settings, access, defence, repeats) for name in settings.knowledge)
        yield from (one for one in candidates if one is not None)


def cells(attack: Attack, access: Access, settings: Judging) -> Iterator[tuple[str, int]]:
    """Yield the defences that the attack judges, once for each relevant number of repeats."""
    for defence in settings.defences:
        if (attack.undefended_only and defence != NONE) or (access.defended and defence == NONE):
            continue
        asked = access.reads == "answers" and defence in settings.randomised
        yield from ((defence, one) for one in (settings.repeats if asked else (1,)))
