"""What adversaries may see in one game of a run, read from its files."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..attacks.base import Attack, Game, Poison, Records
from ..core import plugins
from ..core.columns import Columns
from ..core.errors import PopleakError
from ..core.protocols import Role
from ..core.seeds import derive
from ..steps.arms import with_files
from ..steps.attack import AttackStep, Weights
from ..steps.games import Pair, Played
from ..store import answers as stored
from ..store import parquet as store
from ..store import populations, records, samples
from ..store.populations import known
from ..store.records import Loaded
from .access import base as access


@dataclass(frozen=True)
class Files:
    """An attack step's files: query points; victims' and shadows' answers, a file for each arm; and for some kinds of access their models, or what generators
    release, draws and records."""

    points: Path
    victims: Sequence[Path] = ()
    shadows: Sequence[Path] = ()
    victim_models: Sequence[Path] = ()
    shadow_models: Sequence[Path] = ()
    draw: Sequence[Path] = ()
    data: Path | None = None

    def answers(self, role: Role) -> Sequence[Path]:
        """Return the files of one role's answers."""
        return self.victims if role == "victim" else self.shadows

    def models(self, role: Role) -> Sequence[Path]:
        """Return the files of one role's models."""
        return self.victim_models if role == "victim" else self.shadow_models

    @property
    def records(self) -> Path:
        """The table of records. Raises PopleakError if it is not given."""
        if self.data is None:
            raise PopleakError("--data: an adversary who sees weights or rows needs the records: give their table")
        return self.data

    @property
    def all(self) -> list[Path]:
        """All files."""
        models = [*self.victim_models, *self.shadow_models]
        return [self.points, *self.victims, *self.shadows, *models, *self.draw, *([self.data] if self.data else [])]


class Seen(access.Source, Protocol):
    """What may be seen in one game, from any source, and what the adversary knows of it."""

    pair: Pair

    def game(self, attack: Attack) -> Game:
        """Return what the adversary knows of the worlds. Raises PopleakError where the attack cannot be mounted."""

    def seed(self, split: int) -> int:
        """Return the seed of the attack's own randomness on one split."""


class Source:
    """Reads what may be seen in one game from a run's files."""

    def __init__(self, settings: AttackStep, number: int, files: Files) -> None:
        self.settings, self.files, self.releases = settings, files, settings.releases
        self.pair = settings.pairs[number]
        self.played = settings.worlds[number] if settings.worlds else None

    @property
    def worlds(self) -> Played:
        """The game's worlds. Raises PopleakError where the settings do not name them."""
        if self.played is None:
            raise PopleakError("the settings lack the key 'worlds': an adversary who sees weights or rows needs them")
        return self.played

    def game(self, attack: Attack) -> Game:
        """Return what the adversary knows of the worlds. Raises PopleakError where the attack cannot be mounted."""
        settings, question = self.settings, plugins.load("questions", self.settings.question)
        zero, one = question.known(self.pair.ratios)
        game = Game(
            zero, one, settings.rows, settings.mode, settings.model, groups=question.groups,
            label_rate=store.facts(self.files.points)["label_rate"],
            poison=Poison(self.pair.poison, settings.poison.group, settings.poison.label), labels=settings.labels,
        )  # fmt: skip
        read = {plugins.load("access", name).reads for name in (attack.access, attack.shadow_access) if name}
        if "models" in read:
            plugin = plugins.load("models", settings.model)
            model_settings = plugin.Settings.model_validate(self.weights.model_settings)
            game = game._replace(sides=plugin.sides(records.width(self.files.records), model_settings))
        if "draws" in read:
            there = self._known
            game = game._replace(records=Records(there.x, there.y))
        return game

    @functools.cached_property
    def _known(self) -> Loaded:
        """The records that the worlds' draws point into, read once."""
        return known(self.files.records, self.worlds.worlds)

    @property
    def weights(self) -> Weights:
        """What an adversary who sees weights is told. Raises PopleakError where the settings do not say it."""
        if self.settings.weights is None:
            raise PopleakError("the settings lack the key 'weights': an adversary who sees weights needs it")
        return self.settings.weights

    def seed(self, split: int) -> int:
        """Return the seed of the attack's own randomness on one split."""
        settings = self.settings
        return derive(settings.seed, settings.key, "attack", settings.attack_id, self.pair.pair, split)

    def answers(self, role: Role, arm: str, repeats: int, votes: bool) -> stored.Answers:
        """Return what one role's models answered. arm: the id of a defence, or another name among `arms` of the step's settings.

        votes: the score of a repeated query is the share of answers with label 1, not their mean. So the label that
        follows from a shadow's score is its most frequent one, which is what a victim shows.
        """
        arm = self.settings.arms[arm]
        file = self.files.answers(role)[self.settings.asked[role].index(arm)]
        return stored.read(file, pair=self.pair.pair, arm=arm, repeats=repeats, labels=votes)

    def models(self, role: Role, arm: str) -> stored.Answers:
        """Return the weights of one role's models in one arm."""
        arm = self.settings.arms[arm]
        files, parts = self._of_arm(role, arm), []
        for b in range(len(self.worlds.worlds)):
            world, from_world = self.worlds.direction(b, base=arm == access.NONE)
            population = populations.read(files, world=world, from_world=from_world)
            parts.append(_of_world(b, population.keys, population.weights, population.finite))
        return _together(parts)

    def samples(self, role: Role, arm: str) -> stored.Answers:
        """Return what one role's generators release in one arm: label, group and compact columns of each row."""
        files, parts = self._of_arm(role, self.settings.arms[arm]), []
        for b, (world, towards) in enumerate(zip(self.worlds.worlds, self.worlds.towards, strict=True)):
            there = samples.read(files, world=world, towards=towards)
            rows = np.concatenate([there.y[..., None], there.a[..., None], there.rows], axis=2, dtype=np.float32)
            parts.append(_of_world(b, there.keys, rows, there.finite))
        return _together(parts)

    def features(self, rows: np.ndarray) -> tuple[np.ndarray, Columns]:
        """Return the features of these records, and the columns that they make."""
        there = self._known
        return there.x[rows], Columns.named(there.facts.get("features", ()), there.x.shape[1])

    def _of_arm(self, role: Role, arm: str) -> Sequence[Path]:
        """Return the files of one role's models in one arm."""
        told = with_files(self.weights.files.get(role, ()), self.files.models(role))
        return next((files for held, files in told if held.arm == arm), ())

    def audits(self, role: Role, arm: str) -> stored.Answers:
        """Return evidence (K, 1) for world 1 from the audit of one role's models in one arm. What is stored is evidence for the truth: which
        end of the chain stands for which world is a matter of names, and for a victim of world 1 it is world 1's end."""
        files, parts = self._of_arm(role, self.settings.arms[arm]), []
        for b in range(len(self.worlds.worlds) if files else 0):
            world, from_world = self.worlds.direction(b, base=False)
            found = populations.read(files, world=world, from_world=from_world)
            evidence = found.worst_case if b else -found.worst_case
            parts.append(_of_world(b, found.keys, evidence[:, None], found.finite))
        return _together(parts) if parts else stored.Answers({}, np.empty((0, 1)))

    def architecture(self) -> Any:
        """Return what builds a victim or shadow untrained."""
        plugin, data = plugins.load("models", self.settings.model), self.files.records
        settings = plugin.Settings.model_validate(self.weights.model_settings)
        return plugin.architecture(records.width(data), settings, records.classes(data))

    def draws(self, role: Role) -> stored.Answers:
        """Return the training rows of one role's base models."""
        parts = []
        for b, world in enumerate(self.worlds.worlds):
            keys, rows = populations.of_role(populations.draws_of(self.files.draw, world, world), role, (0, 1))
            parts.append(_of_world(b, keys, rows, np.ones(len(rows), dtype=bool)))
        return _together(parts)


def _of_world(b: int, keys: dict[str, np.ndarray], kept: np.ndarray, finite: np.ndarray) -> stored.Answers:
    return stored.Answers({**keys, "world": np.full(len(kept), b), "finite": finite}, kept)


def _together(found: Sequence[stored.Answers]) -> stored.Answers:
    keys = {name: np.concatenate([one.keys[name] for one in found]) for name in found[0].keys}
    return stored.Answers(keys, np.concatenate([one.scores for one in found]))
