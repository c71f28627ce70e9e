"""Our attacks on answers in a table: the loop of the stage `attack`, its victims and shadows read from there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from ..attacks.base import BLACK_BOX, Attack, Game, Poison
from ..core import plugins
from ..core.errors import PopleakError
from ..core.seeds import derive
from ..stages.attack import judge_pair
from ..steps.attack import Judging
from ..steps.games import Pair
from ..store.answers import Answers, Points
from .adversary import Adversary
from .answers import NONE, Models
from .game import GameFacts

SEEN = (*BLACK_BOX, "pair")
"""Access that a table of answers gives."""


class Chosen(NamedTuple):
    """An attack to judge with: its name in the tables, itself, and whether somebody named it."""

    id: str
    attack: Adversary
    named: bool


def chosen(attacks: Sequence[str | Mapping[str, Any] | Adversary] | None) -> list[Chosen]:
    """Return the attacks that are named, or all that see answers but for reference lines.

    attacks: names, `attack(...)`s, or mappings with `name`, `settings` and `id`, as in a config. Raises PopleakError for one that is not known, and for
    two of one id.
    """
    if attacks is None:
        every = [Adversary(name) for name in plugins.names("attacks")]
        return [Chosen(one.name, one, False) for one in every if one.plugin.access in SEEN and not one.plugin.reference]
    found: dict[str, Chosen] = {}
    for given in attacks:
        told: Mapping[str, Any] | Adversary = {"name": given} if isinstance(given, str) else given
        if isinstance(told, Adversary):
            one = Chosen(told.name, told, True)
        else:
            odd = sorted(set(told) - {"name", "id", "settings"})
            if odd or "name" not in told:
                raise PopleakError(f"attacks: {dict(told)}: an attack has a name, and may have an id and settings")
            one = Chosen(str(told.get("id", told["name"])), Adversary(told["name"], told.get("settings")), True)
        if one.id in found:
            raise PopleakError(f"attacks: {one.id!r} appears twice: give one of them another id")
        found[one.id] = one
    return list(found.values())


class TableSource:
    """Victims and shadows in a table of answers, as `threat.seen.Source` gives those of a run."""

    def __init__(self, models: Models, facts: GameFacts, attack_id: str) -> None:
        self.models, self.facts, self.attack_id = models, facts, attack_id
        self.pair = Pair(pair=facts.pair, protocol=facts.protocol, ratios=facts.ratios, poison=facts.poison)

    def game(self, attack: Attack) -> Game:
        """Return what the adversary knows of the worlds."""
        facts = self.facts
        return Game(
            *facts.ratios, facts.rows or 0, facts.mode, facts.model, label_rate=facts.label_rate,
            poison=Poison(facts.poison, facts.poison_group, facts.poison_label),
        )  # fmt: skip

    def seed(self, split: int) -> int:
        """Return the seed of the attack's own randomness on one split: of a run's models that of the run, where the key is at hand."""
        facts = self.facts
        origin = ["judge"] if facts.seed is None else [facts.seed, str(facts.seed_key)]
        return derive(*origin, "attack", self.attack_id, facts.pair, split)

    def read(self, role: str, access: str, arm: str, repeats: int, votes: bool = False) -> Answers:
        """Return what one role's models with the defence `arm` answered; for access `pair` the answers of the base models before."""
        models = self.models
        mine = models.of(role, arm)
        keys = {
            "split": models.split[mine], "world": models.world[mine], "model_index": models.number[mine],
            "finite": ~models.diverged[mine],
        }  # fmt: skip
        scores = models.scores[mine]
        if access == "pair":
            base = models.of(role, NONE)
            place = dict(zip(models.model[base].tolist(), base.tolist(), strict=True))
            scores = np.concatenate([models.scores[[place[name] for name in models.model[mine]]], scores], axis=1)
        return Answers(keys, scores)


def lacking(attack: Attack, models: Models, facts: GameFacts, known: Sequence[str]) -> str | None:
    """Return why an attack cannot be mounted on these answers; None if it can. known: the fields that are known of the query points."""
    needs = attack.shadow_access or attack.access
    if not {attack.access, needs} <= set(SEEN):
        return f"sees {attack.access if attack.access not in SEEN else needs}, which no table of answers holds"
    if attack.access != "labels" and (facts.access or models.access("victim")) == "labels":
        return "sees scores, and the victims' answers are labels"
    if attack.shadows and not models.defences("shadow"):
        return "learns from shadow models, and there are none"
    if attack.shadows and needs != "labels" and models.access("shadow") == "labels":
        return "learns from shadows' scores, and theirs are labels"
    unknown = [name for name in attack.reads if name not in known]
    if unknown:
        return f"reads {' and '.join(unknown)} of the query points, which were not given"
    if attack.access == "pair":
        for role in ("victim", "shadow"):
            if set(models.defences(role)) <= {NONE}:
                return f"compares a base model with a defended one, and no {role} has a defence"
            base = set(models.model[models.of(role, NONE)].tolist())
            if not base or not set(models.model[models.of(role)].tolist()) <= base:
                return f"compares each {role} with the same model without a defence, and not all are there"
    return attack.refuses(TableSource(models, facts, "").game(attack))


def play(
    one: Chosen, models: Models, facts: GameFacts, sets: Mapping[int, Points], known: Sequence[str]
) -> list[dict[str, Any]]:
    """Return an attack's verdicts as parts of the table `scores`. Raises PopleakError where it cannot be mounted."""
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
            parts += judge_pair(attack, one.attack.settings, settings, source, sets)
        reason = None if parts else "does not apply to these models"
    if reason:
        raise PopleakError(f"attack {one.id!r} {reason}")
    return parts


def _by_knowledge(attack: Attack, models: Models) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Yield the victims' defences with what an adversary may know of them, by the shadows that there are; those of equal knowledge together."""
    there = set(models.defences("shadow"))
    levels = {}
    for defence in models.defences("victim"):
        arms = {"unaware": NONE, "informed": defence}
        knowledge = tuple(name for name, arm in arms.items() if arm in there or not attack.shadows)
        if knowledge and not (attack.access == "pair" and "informed" not in knowledge):
            levels[defence] = knowledge
    for knowledge, group in groupby(levels, key=levels.__getitem__):
        yield knowledge, tuple(group)
