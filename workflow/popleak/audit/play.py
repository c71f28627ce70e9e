"""Our attacks on a table of answers, with the loop of `threat.play`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from ..attacks.base import Attack, Game, Poison
from ..core import plugins
from ..core.errors import PopleakError
from ..core.protocols import Role
from ..core.seeds import derive
from ..steps.attack import Judging
from ..steps.games import Pair
from ..store.answers import Answers, Points
from ..tables.leakage import BEST
from ..threat.play import play as judged
from .adversary import Adversary, accesses, list_attacks
from .answers import NONE, Models
from .game import GameFacts


class Chosen(NamedTuple):
    """An attack to judge with: its name in the tables, the attack, and whether it was named by the caller."""

    id: str
    attack: Adversary
    named: bool


def chosen(attacks: Sequence[str | Mapping[str, Any] | Adversary] | None) -> list[Chosen]:
    """Return the named attacks, or all attacks that see answers except reference lines.

    attacks: names, `attack(...)`s, or mappings with `name`, `settings` and `id`, as in a config. Raises PopleakError
    for an unknown attack, for two with the same id, and for an empty list.
    """
    if attacks is None:
        return _all_able()
    if isinstance(attacks, (str, Mapping, Adversary)) or not isinstance(attacks, Iterable):
        raise PopleakError(f"attacks: give a list of attacks, as in ['kl'], not {attacks!r}")
    chosen: dict[str, Chosen] = {}
    for given in attacks:
        attack = _given(given)
        if attack.id in chosen:
            raise PopleakError(f"attacks: {attack.id!r} appears twice: give one of them another id")
        if attack.id == BEST:
            raise PopleakError(f"attacks: {BEST!r} is the name of the best attack in the tables: choose another id")
        chosen[attack.id] = attack
    if not chosen:
        raise PopleakError("attacks: the list is empty: name an attack, or leave it out for all that the answers allow")
    return list(chosen.values())


def _all_able() -> list[Chosen]:
    """Return all attacks that see answers except reference lines."""
    every = [Adversary(name) for name in list_attacks()]
    able = [attack for attack in every if accesses(attack.plugin)[0].shown_by and not attack.plugin.reference]
    return [Chosen(attack.name, attack, False) for attack in able]


def _given(given: str | Mapping[str, Any] | Adversary) -> Chosen:
    """Return an attack as the caller named it."""
    if isinstance(given, Adversary):
        return Chosen(given.name, given, True)
    told: object = {"name": given} if isinstance(given, str) else given
    if not isinstance(told, Mapping):
        raise PopleakError(f"attacks: {given!r}: an attack is a name, `attack(...)`, or a mapping with a name")
    if "name" not in told or set(told) - {"name", "id", "settings"}:
        raise PopleakError(f"attacks: {dict(told)}: an attack has a name, and may have an id and settings")
    return Chosen(str(told.get("id", told["name"])), Adversary(told["name"], told.get("settings")), True)


class TableSource:
    """Victims and shadows in a table of answers, as `threat.seen.Source` gives those of a run."""

    releases = 1  # a table does not say whose models they are

    def __init__(self, models: Models, facts: GameFacts, attack_id: str) -> None:
        self.table, self.facts, self.attack_id = models, facts, attack_id
        self.question = plugins.question(facts.protocol)
        self.draw = np.unique(models.model, return_inverse=True)[1]
        """(n,) a number for each model, the same under every defence; it takes the place of a run's seed."""
        self.pair = Pair(pair=facts.pair, protocol=facts.protocol, ratios=facts.ratios, poison=facts.poison)

    def game(self, attack: Attack) -> Game:
        """Return what the adversary knows of the worlds."""
        facts = self.facts
        zero, one = self.question.known(facts.ratios)
        return Game(
            zero, one, facts.rows or 0, facts.mode, facts.model,
            groups=self.question.groups, label_rate=facts.label_rate,
            poison=Poison(facts.poison, facts.poison_group, facts.poison_label),
        )  # fmt: skip

    def seed(self, split: int) -> int:
        """Return the seed of the attack's own randomness on one split. For a run's models with their key it is that
        of the run."""
        facts = self.facts
        origin = ["judge"] if facts.seed is None else [facts.seed, str(facts.seed_key)]
        return derive(*origin, "attack", self.attack_id, facts.pair, split)

    def answers(self, role: Role, arm: str, repeats: int, votes: bool) -> Answers:
        """Return what one role's models with the defence `arm` answered."""
        models = self.table
        chosen = models.of(role, arm)
        keys = {
            "split": models.split[chosen], "world": models.world[chosen], "model_index": models.number[chosen],
            "finite": ~models.diverged[chosen], "seed": self.draw[chosen],
        }  # fmt: skip
        return Answers(keys, models.scores[chosen])

    def models(self, role: Role, arm: str) -> Answers:
        raise PopleakError(f"attack {self.attack_id!r} sees weights, which no table of answers holds: leave it out")

    def audits(self, role: Role, arm: str) -> Answers:
        raise PopleakError(f"attack {self.attack_id!r} sees audits of trainings, which no table of answers holds")

    def samples(self, role: Role, arm: str) -> Answers:
        raise PopleakError(f"attack {self.attack_id!r} sees rows of a generator, which no table of answers holds")

    def features(self, rows: np.ndarray) -> Any:
        raise PopleakError(f"attack {self.attack_id!r} needs auxiliary rows, which no table of answers holds")

    def architecture(self) -> Any:
        raise PopleakError(f"attack {self.attack_id!r} sees weights, which no table of answers holds")

    def draws(self, role: Role) -> Answers:
        raise PopleakError(
            f"attack {self.attack_id!r} sees training rows, which no table of answers holds: leave it out"
        )


def lacking(attack: Attack, models: Models, facts: GameFacts, known: Sequence[str]) -> str | None:
    """Return why an attack cannot be mounted on these answers; None if it can. known: the known fields of the query
    points."""
    if unseen := _unseen(attack, models, facts):
        return unseen
    unknown = [name for name in attack.reads if name not in known]
    if unknown:
        return f"reads {' and '.join(unknown)} of the query points, which were not given"
    if accesses(attack)[0].defended and (unpaired := _unpaired(models)):
        return unpaired
    return attack.refuses(TableSource(models, facts, "").game(attack))


def _unseen(attack: Attack, models: Models, facts: GameFacts) -> str | None:
    """Return what an attack needs to see of victims or shadows but cannot; None if it sees everything."""
    access, of_shadows = accesses(attack)
    hidden = [one.name for one in (access, of_shadows) if not one.shown_by]
    if hidden:
        return f"sees {hidden[0]}, which no table of answers holds"
    if (facts.access or models.access("victim")) not in access.shown_by:
        return "sees scores, but the victims' answers are labels"
    if attack.shadows and not models.defences("shadow"):
        return "learns from shadow models, and there are none"
    if attack.shadows and models.access("shadow") not in of_shadows.shown_by:
        return "learns from shadows' scores, but theirs are labels"
    return None


def _unpaired(models: Models) -> str | None:
    """Return why base models cannot be compared with defended ones; None if they can."""
    for role in ("victim", "shadow"):
        if set(models.defences(role)) <= {NONE}:
            return f"compares a base model with a defended one, and no {role} has a defence"
        base = set(models.model[models.of(role, NONE)].tolist())
        if not base or not set(models.model[models.of(role)].tolist()) <= base:
            return f"compares each {role} with the same model without a defence, and some of these are missing"
    return None


def play(
    one: Chosen, models: Models, facts: GameFacts, sets: Mapping[int, Points], known: Sequence[str]
) -> list[dict[str, Any]]:
    """Return an attack's verdicts as parts of the table `scores`. Raises PopleakError if it cannot be mounted."""
    attack = one.attack.plugin
    reason = lacking(attack, models, facts, known)
    parts: list[dict[str, Any]] = []
    if reason is None:
        source = TableSource(models, facts, one.id)
        for knowledge, defences in _by_knowledge(attack, models):
            settings = Judging(
                task=facts.task, model_id=facts.model, shadow_model=facts.model, attack_id=one.id, defences=defences,
                knowledge=knowledge, aware={}, randomised=(), repeats=(1,),
            )  # fmt: skip
            parts += judged(source.question, attack, one.attack.settings, settings, source, sets)
        reason = None if parts else "does not apply to these models"
    if reason:
        raise PopleakError(f"attack {one.id!r} {reason}")
    return parts


def _by_knowledge(attack: Attack, models: Models) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Yield the victims' defences with the possible knowledge of them, given the available shadows. Defences of equal
    knowledge are together."""
    available = set(models.defences("shadow"))
    levels = {}
    for defence in models.defences("victim"):
        arms = {"unaware": NONE, "informed": defence}
        knowledge = tuple(name for name, arm in arms.items() if arm in available or not attack.shadows)
        if knowledge and not (accesses(attack)[0].defended and "informed" not in knowledge):
            levels[defence] = knowledge
    for knowledge, group in groupby(levels, key=levels.__getitem__):
        yield knowledge, tuple(group)
