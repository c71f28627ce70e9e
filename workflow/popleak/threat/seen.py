"""What an adversary sees: the answers, weights or training rows of victims and shadows in one game, and its query.

Shared by the stages `attack` (two worlds) and `regress` (many).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..attacks.base import Attack, Game, Poison, Query, Records, hard_labels
from ..core import plugins
from ..core.errors import PopleakError
from ..core.protocols import Role
from ..core.seeds import derive
from ..steps.attack import AttackStep, Judging, Weights
from ..steps.games import Pair, Played
from ..store import answers as stored
from ..store import parquet as store
from ..store import populations, records, schema
from ..store.populations import known

NONE = "none"


@dataclass(frozen=True)
class Files:
    """An attack step's files: query points; victims' and shadows' answers; and for some kinds of access their models, draws and records."""

    points: Path
    victims: Path
    shadows: Path
    victim_models: Sequence[Path] = ()
    shadow_models: Sequence[Path] = ()
    draw: Sequence[Path] = ()
    data: Path | None = None

    def answers(self, role: Role) -> Path:
        """Return the file of one role's answers."""
        return self.victims if role == "victim" else self.shadows

    def models(self, role: Role) -> Sequence[Path]:
        """Return the files of one role's models."""
        return self.victim_models if role == "victim" else self.shadow_models

    @property
    def records(self) -> Path:
        """The records' table. Raises PopleakError where it is not given."""
        if self.data is None:
            raise PopleakError("--data: an adversary who sees weights or rows needs the records: give their table")
        return self.data

    @property
    def all(self) -> list[Path]:
        """All files."""
        models = [*self.victim_models, *self.shadow_models]
        return [self.points, self.victims, self.shadows, *models, *self.draw, *([self.data] if self.data else [])]


class Level(NamedTuple):
    """What an adversary knows of the defence: the name of that knowledge, and the arm and the repeats of its shadows' answers."""

    knowledge: str
    arm: str
    repeats: int


def levels(attack: Attack, settings: Judging, defence: str, repeats: int) -> Iterator[Level]:
    """Yield the levels of knowledge that differ: one for attacks without shadows, and for undefended victims."""
    if not attack.shadows:
        yield Level("any", NONE, 1)
    elif defence == NONE:
        yield Level("informed", NONE, 1)
    else:
        for wanted in settings.knowledge:
            if wanted == "informed":
                yield Level(wanted, defence, repeats)
            elif wanted == "aware" and defence in settings.aware:
                yield Level(wanted, settings.aware[defence], repeats)
            elif wanted == "aware" and "informed" not in settings.knowledge:
                yield Level(
                    "informed", defence, repeats
                )  # the settings are the default ones: to know the kind is to know all
            elif wanted == "unaware" and attack.access != "pair":  # undefended shadows have no second model
                yield Level(wanted, NONE, 1)


def cells(attack: Attack, settings: Judging) -> Iterator[tuple[str, int]]:
    """Yield the defences that the attack speaks of, once for each number of repeats that matters."""
    for defence in settings.defences:
        if (attack.undefended_only and defence != NONE) or (attack.access == "pair" and defence == NONE):
            continue
        asked = attack.access != "weights" and defence in settings.randomised
        yield from ((defence, one) for one in (settings.repeats if asked else (1,)))


def constants(attack: Attack, settings: Judging) -> dict[str, Any]:
    """Return the columns that are the same in all of a step's rows."""
    return {
        "task": settings.task, "model": settings.model_id, "adversary": settings.attack_id, "access": attack.access,
        "shadow_model": settings.shadow_model,
    }  # fmt: skip


def play(
    table: str,
    game: Callable[..., list[dict[str, Any]]],
    *,
    settings: AttackStep,
    files: Files,
    output: Path,
    step: str,
    code: str,
) -> None:
    """Play a step's games one after another and write their rows as a part of the public table `table`.

    game: called as game(attack, its settings, the step's settings, source, query sets by split); returns parts of the table.
    """
    attack = plugins.load("attacks", settings.attack)
    own = attack.Settings.model_validate(settings.attack_settings)
    parts: list[dict[str, Any]] = []
    for number in range(len(settings.pairs)):
        source = Source(settings, number, files)
        parts += game(attack, own, settings, source, stored.read_points(files.points, source.pair.pair))
    facts = store.provenance(stage=settings.stage, step=step, settings=settings.plain(), code=code, inputs=files.all)
    store.write(output, schema.table(table, parts), facts)


class Seen(Protocol):
    """What may be seen in one game, wherever it is kept."""

    pair: Pair

    def game(self, attack: Attack) -> Game:
        """Return what the adversary knows of the worlds. Raises PopleakError where the attack cannot be mounted."""

    def seed(self, split: int) -> int:
        """Return the seed of the attack's own randomness on one split."""

    def read(self, role: Role, access: str, arm: str, repeats: int, votes: bool = False) -> stored.Answers:
        """Return what `access` shows of one role's models in one arm; the field `scores` holds it, a row a model."""


class Source:
    """Reads what may be seen in one game from a run's files."""

    def __init__(self, settings: AttackStep, number: int, files: Files) -> None:
        self.settings, self.files = settings, files
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
        settings, ratios = self.settings, self.pair.ratios
        game = Game(
            min(ratios) if len(ratios) > 2 else ratios[0], max(ratios) if len(ratios) > 2 else ratios[1],
            settings.rows, settings.mode, settings.model,
            label_rate=store.facts(self.files.points)["label_rate"],
            poison=Poison(self.pair.poison, settings.poison.group, settings.poison.label),
        )  # fmt: skip
        if "weights" in (attack.access, attack.shadow_access):
            plugin = plugins.load("models", settings.model)
            own = plugin.Settings.model_validate(self.weights.model_settings)
            game = game._replace(sides=plugin.sides(records.width(self.files.records), own))
        if attack.access == "rows":
            there = known(self.files.records, self.worlds.worlds)
            game = game._replace(records=Records(there.x, there.y))
        return game

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

    def read(self, role: Role, access: str, arm: str, repeats: int, votes: bool = False) -> stored.Answers:
        """Return what `access` shows of one role's models in one arm; the field `scores` holds it, a row a model.

        arm: the id of a defence, or another name among `arms` of the step's settings.
        votes: where a query is asked repeatedly, its score is the share of answers with label 1 and not their mean, so that the label
        that follows from a shadow's score is the one that a victim shows, which is given most often.
        """
        path, pair, arm = self.files.answers(role), self.pair.pair, self.settings.arms[arm]
        if access in ("labels", "scores"):
            return stored.read(path, pair=pair, arm=arm, repeats=repeats, labels=votes or access == "labels")
        if access == "pair":
            own = stored.read(path, pair=pair, arm=arm, repeats=repeats)
            base = stored.read(path, pair=pair, arm=NONE)
            order = np.argsort(base.keys["seed"])
            place = order[np.searchsorted(base.keys["seed"], own.keys["seed"], sorter=order)]
            return stored.Answers(own.keys, np.concatenate([base.scores[place], own.scores], axis=1))
        found = [self._models(role, access, arm, b) for b in range(len(self.worlds.worlds))]
        keys = {name: np.concatenate([one.keys[name] for one in found]) for name in found[0].keys}
        return stored.Answers(keys, np.concatenate([one.scores for one in found]))

    def _models(self, role: Role, access: str, arm: str, b: int) -> stored.Answers:
        """Return the weights, or the training rows, of the models of world b."""
        world, from_world = self.worlds.direction(b, base=arm == NONE)
        if access == "rows":
            keys, rows = populations.of_role(populations.draws_of(self.files.draw, world, world), role, (0, 1))
            return stored.Answers({**keys, "world": np.full(len(rows), b), "finite": np.ones(len(rows), bool)}, rows)
        at = 0
        files: Sequence[Path] = ()
        for held in self.weights.files[role]:
            if held.arm == arm:
                files = self.files.models(role)[at : at + held.files]
            at += held.files
        there = populations.read(files, world=world, from_world=from_world)
        keys = {**there.keys, "world": np.full(len(there.weights), b), "finite": there.finite}
        return stored.Answers(keys, there.weights)


def outputs_of(answers: stored.Answers, chosen: np.ndarray, points: np.ndarray, access: str) -> np.ndarray:
    """Return what the adversary sees of the chosen models, a row each: float64, and row ids as they are (`attacks.base`).

    points: positions of the query points that are asked. A diverged model answers not-a-number; the adversary reads that as
    0.5, or 1 / C for each of C classes, the answer that says nothing, and a weight that is none as 0.
    """
    seen: np.ndarray = answers.scores[chosen]
    if access == "rows":
        return seen
    several = seen.ndim == 3
    half = seen.shape[1] // 2 if access == "pair" else seen.shape[1]
    if access != "weights" and not np.array_equal(points, np.arange(half)):  # most query sets are asked whole
        seen = seen[:, np.concatenate([points, points + half]) if access == "pair" else points]
    finite = np.isfinite(seen).all()
    seen = seen.astype(np.float64)
    if not finite and access == "weights":
        seen[~np.isfinite(seen)] = 0.0
    elif not finite and several:
        seen[~np.isfinite(seen).all(axis=2)] = 1 / seen.shape[2]
    elif not finite:
        np.nan_to_num(seen, copy=False, nan=0.5, posinf=1.0, neginf=0.0)
    return hard_labels(seen, classes=seen.shape[2] if several else 2) if access == "labels" else seen


def shadows_by_world(
    answers: stored.Answers, split: int, points: np.ndarray, access: str, worlds: int = 2
) -> list[np.ndarray]:
    """Return the outputs of one split's finite shadows, world by world."""
    keys = answers.keys
    found = []
    for world in range(worlds):
        mine = (keys["split"] == split) & (keys["world"] == world)
        finite = mine & keys["finite"]
        found.append(outputs_of(answers, finite if finite.any() else mine, points, access))
    return found


def query_of(points: stored.Points, everywhere: bool = False) -> tuple[np.ndarray, Query]:
    """Return the positions of the points that the adversary asks, those drawn from one of the worlds or all, and the query."""
    used = np.flatnonzero((points.origin >= 0) | everywhere)
    cell = None if points.cell is None else points.cell[used]
    return used, Query(points.y[used], points.a[used], points.origin[used], cell)
