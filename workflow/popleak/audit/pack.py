"""Pack a finished run's models for a stranger to attack: answers of victims without their worlds, shadows with
theirs, and a key.

The folder does not contain the experiment's seed, nor steps or their digests: with the seed, the config and the data,
one could train the same models again and look the worlds up. The ids of victims come from the operating system's
randomness, unlike anything else here, since a small seed could be guessed. The grade does not depend on them.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pyarrow as pa
from pyarrow import csv

from ..core import atomic, plugins, protocols
from ..core.errors import PopleakError
from ..core.provenance import code_digest
from ..plan.build import Plan
from ..plan.steps import Step
from ..steps.attack import AttackStep
from ..steps.games import Pair
from ..steps.tables.leakage import Table
from ..store import answers as stored
from ..store import arrays
from ..store import parquet as store
from .answers import NONE, ROLES, STATUS
from .game import FACTS, SECRET, GameFacts
from .guesses import GUESS_COLUMNS, KEY_COLUMNS

ANSWERS, POINTS, GUESSES, README = "answers", "points", "guesses.csv", "README.md"

EXAMPLE = """import pandas as pd

answers, guesses = pd.READER("ANSWERS"), pd.read_csv("guesses.csv")
points = [name for name in answers if name[0] == "q" and name[1:].isdigit()]
victims, shadows = (answers[answers["role"] == role].fillna({name: 0.5 for name in points}) for role in ("victim", "shadow"))
mean = shadows.groupby(["split", "world"])[points].mean()
away = [((victims[points] - mean.xs(world, level="world").loc[victims["split"]].values) ** 2).sum(axis=1) for world in (0, 1)]
found = dict(zip(victims["model"], (away[1] < away[0]).astype(int)))
guesses["guess"] = guesses["model"].map(found)
guesses.to_csv("guesses.csv", index=False)
"""
"""The nearer mean of the shadows' answers: shown to whoever is given a packed table."""


class Game(NamedTuple):
    """One game of a finished run: the attack step whose files hold it, the pair of worlds, and the defences that are packed."""

    step: Step[AttackStep]
    pair: Pair
    defences: tuple[str, ...]

    @property
    def settings(self) -> AttackStep:
        return self.step.settings


def find(
    plan: Plan,
    *,
    task: str | None = None,
    model: str | None = None,
    pair: str | None = None,
    defences: Sequence[str] = (),
) -> Game:
    """Return the selected game. task, model and pair may each be omitted if there is only one.

    pair: two ratios, as in "0.0 1.0", preceded by the protocol if they are ambiguous. Raises PopleakError that lists
    the known names.
    """
    steps = named(own_attacks(plan), "task", task, lambda step: [step.settings.task])
    steps = named(steps, "model", model, lambda step: [step.settings.model_id])
    steps = named(steps, "pair", pair, lambda step: [one.pair for one in step.settings.pairs])
    known = {one.pair: (step, one) for step in reversed(steps) for one in step.settings.pairs}
    step, chosen = next(known[name] for name in known if pair in (None, *_names(name)))
    if odd := [name for name in defences if name not in step.settings.defences]:
        raise PopleakError(f"--defence {odd[0]!r}: not in this task: choose from {', '.join(step.settings.defences)}")
    packed = tuple(name for name in step.settings.defences if not defences or name in defences)
    return Game(step, chosen, packed)


def own_attacks(plan: Plan) -> list[Step[AttackStep]]:
    """Return the steps that tell two worlds of the experiment's own models apart, with shadows of the victims' architecture."""
    return [
        step
        for step in plan.steps["attack"].values()
        if step.id not in plan.placebos
        and step.settings.shadow_model == step.settings.model_id
        and plugins.load("questions", step.settings.question).table == "scores"
    ]


def _names(pair: str) -> tuple[str, str]:
    return pair, pair.partition(" ")[2]


def named(steps: list[Step[AttackStep]], what: str, wanted: str | None, names: Any) -> list[Step[AttackStep]]:
    """Return the steps with this name, or those of the only name."""
    choices = dict.fromkeys(name for step in steps for name in names(step))
    alike = [name for name in choices if wanted is None or wanted in (_names(name) if what == "pair" else (name,))]
    if len(alike) != 1:
        missing = (
            f"which of {len(choices)}?"
            if wanted is None
            else f"{wanted!r} is {'not clear' if alike else 'not in the experiment'}"
        )
        told = ", ".join(repr(name) for name in choices) or "none: no attack judges two worlds here"
        raise PopleakError(f"--{what}: {missing}: choose from {told}")
    return [step for step in steps if alike[0] in names(step)]


def write(plan: Plan, game: Game, folder: Path, key: Path, *, labels: bool = False, text: bool = False) -> list[str]:
    """Write the folder for the stranger and the owner's key; return what was written, a line each.

    labels: hand out only the hard labels of victims; text: write CSV and not Parquet. Folder and key are written as a
    whole or not at all. Raises PopleakError if one of them exists, or if the run is not finished.
    """
    for path in (folder, key):
        if path.exists():
            raise PopleakError(f"{path}: exists already: name another place, or move it away")
    if folder.resolve() in key.resolve().parents:
        raise PopleakError(f"{key}: is in the folder that is handed out: name another place for the key")
    packed, kind = _Packed(plan, game, labels), ".csv" if text else ".parquet"
    try:
        with atomic.folder(folder) as partial:
            for name, columns in ((ANSWERS, packed.answers()), (POINTS, packed.points())):
                _table(partial / f"{name}{kind}", columns, packed.facts(name))
            template = {"model": packed.ids, **dict.fromkeys(GUESS_COLUMNS[1:], np.full(len(packed.ids), None))}
            _table(partial / GUESSES, template, {})
            page = packed.readme(f"{ANSWERS}{kind}", f"{POINTS}{kind}")
            (partial / README).write_text(page, encoding="utf-8")
            _table(key, packed.key(), packed.facts("key"))
    except BaseException:
        key.unlink(missing_ok=True)  # neither is of use without the other
        raise
    return [
        f"{folder}: {len(packed.ids)} victims without their worlds, {packed.shadows} shadows with theirs, {len(packed.width)} query points: "
        f"hand this out",
        f"{key}: the key: keep it; it grades guesses (popleak judge --guesses FILE --key {key})",
        "caution: who has this config and its data can train the same models again and look up their worlds: keep the seed secret",
    ]


class _Packed:
    """What is written of one game."""

    def __init__(self, plan: Plan, game: Game, labels: bool) -> None:
        self.game, self.labels = game, labels
        self.plan, settings = plan, game.settings
        at = {one: settings.arms[one] for one in game.defences}
        files: dict[tuple[protocols.Role, str], Path] = {
            (role, one): Path(game.step.inputs[f"{role}s"][settings.asked[role].index(arm)])
            for role in protocols.ROLES
            for one, arm in at.items()
        }
        points = Path(game.step.inputs["points"][0])
        table = Path(plan.tables["models"].outputs["table"])
        for path in (*files.values(), points, table):
            if not path.is_file():
                raise PopleakError(f"{path}: missing, so the run is not finished: run snakemake with this config first")
        self.inputs = [*files.values(), points, table]
        self.sets = stored.read_points(points, game.pair.pair)
        self.label_rate = store.facts(points)["label_rate"]
        self.width = [f"q{i}" for i in range(len(next(iter(self.sets.values())).rows))]
        self.by = {
            (role, defence): stored.read(path, pair=game.pair.pair, arm=at[defence])
            for (role, defence), path in files.items()
        }
        if next(iter(self.by.values())).scores.ndim > 2:
            raise PopleakError(
                f"task {settings.task}: its label has more than two classes, and a packed file has one column a query point: pack another task"
            )
        self.diverged = self._diverged(table)
        sizes = [len(self.by["victim", defence].scores) for defence in game.defences]
        self.shadows = sum(len(self.by["shadow", defence].scores) for defence in game.defences)
        names = [f"v{secrets.token_hex(5)}" for _ in range(sum(sizes))]
        if len(set(names)) < len(names):
            raise PopleakError("two ids are the same, which happens once in a billion times: run this again")
        self.named = dict(
            zip(game.defences, np.split(np.array(names, dtype=object), np.cumsum(sizes)[:-1]), strict=True)
        )
        self.ids = np.array(sorted(names), dtype=object)

    def _diverged(self, table: Path) -> set[tuple]:
        """Return the victims (defence, split, world, model_index) of this game that diverged."""
        settings, pair = self.game.settings, self.game.pair
        where = {
            "task": settings.task, "model": settings.model_id, "role": "victim", "protocol": pair.protocol,
            "ratio_0": pair.ratios[0], "ratio_1": pair.ratios[1], "poison": pair.poison, "status": STATUS[1],
        }  # fmt: skip
        rows = store.read(table, stage="tables", where=where)
        return set(zip(*(rows[name].to_pylist() for name in ("defence", "split", "world", "model_index")), strict=True))

    def _victims(self) -> dict[str, np.ndarray]:
        """Return the key's columns on the victims, in the order of the run."""
        parts = []
        for defence in self.game.defences:
            keys = self.by["victim", defence].keys
            who = [
                (defence, *(int(keys[name][i]) for name in ("split", "world", "model_index")))
                for i in range(len(keys["split"]))
            ]
            parts += [
                (name, *one, STATUS[one in self.diverged]) for name, one in zip(self.named[defence], who, strict=True)
            ]
        columns = ("model", "defence", "split", "world", "model_index", "status")
        return {name: _column(values) for name, values in zip(columns, zip(*parts, strict=True), strict=True)}

    def key(self) -> dict[str, np.ndarray]:
        return {name: self._victims()[name] for name in KEY_COLUMNS}

    def answers(self) -> dict[str, np.ndarray]:
        """Return the columns that are handed out: victims by their random ids, then shadows in the order of the run."""
        victims = self._victims()
        order = np.argsort(victims["model"])
        shown = np.concatenate([_answered(self.by["victim", one].scores) for one in self.game.defences])[order]
        shown = (shown >= 0.5).astype(shown.dtype) if self.labels else shown
        worlds, rest = (
            [np.full(len(order), None)],
            {name: [victims[name][order]] for name in ("split", "model", "defence", "status")},
        )
        scores = [shown]
        for defence in self.game.defences:
            shadows = self.by["shadow", defence]
            keys, count = shadows.keys, len(shadows.scores)
            worlds.append(keys["world"].astype(object))
            rest["split"].append(keys["split"])
            name = [f"s{s}-{w}-{i}" for s, w, i in zip(keys["split"], keys["world"], keys["model_index"], strict=True)]
            rest["model"].append(_column(name))
            rest["defence"].append(np.full(count, defence, dtype=object))
            rest["status"].append(_column([STATUS[not finite] for finite in keys["finite"]]))
            scores.append(_answered(shadows.scores))
        role = np.repeat(np.array(ROLES, dtype=object), [len(order), sum(map(len, worlds[1:]))])
        columns = {
            "role": role,
            "world": np.concatenate(worlds),
            **{name: np.concatenate(parts) for name, parts in rest.items()},
        }
        whole = np.concatenate(scores)
        return {**columns, **{name: whole[:, i] for i, name in enumerate(self.width)}}

    def points(self) -> dict[str, np.ndarray]:
        """Return label, group and world of origin of every query point, split by split. Nothing else of the data is
        handed out."""
        split = np.repeat(list(self.sets), len(self.width))
        fields = {
            name: np.concatenate([getattr(one, name) for one in self.sets.values()]) for name in ("y", "a", "origin")
        }
        return {"split": split, "point": np.array(self.width * len(self.sets), dtype=object), **fields}

    def facts(self, name: str) -> dict[str, Any]:
        """Return the metadata of one file: the game and, in the key only, the seed and the origin of the models."""
        secret = name == "key"
        code = code_digest("popleak.audit.pack")
        game: dict[str, Any] = {FACTS: self._game().model_dump(mode="json", exclude=set() if secret else SECRET)}
        inputs = self.inputs if secret else ()
        # whoever is given the game is bound by the cards of the data behind it, and is not told which files it was made of
        game["cards"] = store.labels(self.inputs)
        return store.provenance(stage="pack", step=name, settings={}, code=code, inputs=inputs, **game)

    def _game(self) -> GameFacts:
        settings, pair = self.game.settings, self.game.pair
        task, table = settings.task, cast(Table, self.plan.tables["leakage"].settings)
        controls = table.controls.get(task, {})
        return GameFacts(
            task=task, model=settings.model_id, pair=pair.pair, protocol=pair.protocol, ratios=pair.ratios,
            poison=pair.poison, poison_group=settings.poison.group, poison_label=settings.poison.label,
            rows=settings.rows, mode=settings.mode, label_rate=self.label_rate,
            controls={name: other for name, other in controls.items() if {name, other} <= set(self.game.defences)},
            searched=[name for name in table.searched.get(task, ()) if name in self.game.defences],
            margin=table.margin, data=table.data[task], access="labels" if self.labels else "scores",
            shadows=self.game.defences, seed=settings.seed, seed_key=settings.key,
        )  # fmt: skip

    def readme(self, answers: str, points: str) -> str:
        """Return the page that explains the game to a stranger."""
        game, defences = self._game(), ", ".join(f"`{name}`" for name in self.game.defences)
        told = "hard labels (1.0 or 0.0)" if self.labels else "scores P(y = 1 | x)"
        return f"""# Which world was each model trained in?

Every model here is a classifier `{game.model}` trained on {game.rows} rows from one of two worlds. In world 0 the share of group 1 is {game.ratios[0]:g}, in world 1 it is {game.ratios[1]:g}.
Task: `{game.task}`. Defences: {defences} (`{NONE}` is a model without one).

- `{answers}`: one row a model. Rows of role `shadow` are yours to learn from: their `world` is given. Of rows of role `victim` it is not. `split`: models and query
  points of one pool split belong together, and splits share no rows. The columns q0, q1, ... are the model's answers to the query points of its split: {told} of victims, scores of shadows.
- `{points}`: one row a split and query point: label `y`, group `a`, and `origin`, the world whose distribution the point was drawn from (-1: neither).
- `{GUESSES}`: to be filled in, one row a victim: `guess` is 0, 1, or -1 where you abstain, which counts one half. `score` may stay empty; if you give it, higher means world 1.

Judge every victim by itself: a rule that ranks or counts victims uses what no adversary has who meets one model. Send the filled-in `{GUESSES}` back to the owner, who holds the key.

A simple attack, which fills in `{GUESSES}` (Python with pandas, run in this folder):

```python
{EXAMPLE.replace("ANSWERS", answers).replace("READER", "read_csv" if answers.endswith(".csv") else "read_parquet")}```

popleak's own attacks (`popleak judge`) grade what they find, so they run where the key is: without it `judge` refuses this table.
"""


def _answered(scores: np.ndarray) -> np.ndarray:
    """Return scores as an adversary reads them: 0.5 for every answer of a model that diverged."""
    return np.nan_to_num(scores, nan=0.5, posinf=1.0, neginf=0.0)


def _column(values: Sequence[Any]) -> np.ndarray:
    kind = object if isinstance(values[0], str) else None
    return np.array(values, dtype=kind)


def _table(path: Path, columns: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
    """Write a table as CSV or as sealed Parquet, depending on the file's suffix. Numbers in CSV are read back
    exactly."""
    made = {}
    for name, values in columns.items():
        empty = values.dtype == object and all(value is None for value in values)
        words = values.dtype == object and not empty and any(isinstance(value, str) for value in values)
        made[name] = arrays.arrow(values, "string" if words else "int64" if values.dtype == object else None)
        if empty:
            made[name] = pa.nulls(len(values), pa.int64())
    if path.suffix == ".csv":
        wide = [one.cast(pa.float64()) if pa.types.is_floating(one.type) else one for one in made.values()]
        csv.write_csv(pa.table(wide, names=list(made)), path)
    else:
        store.write(path, pa.table(list(made.values()), names=list(made)), facts)
