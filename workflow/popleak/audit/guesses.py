"""A stranger's guesses about packed models, and the key that grades them."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core.errors import PopleakError
from .answers import NONE, STATUS, Models
from .game import GameFacts, of_file
from .tabular import Table, missing, whole, words

KEY_COLUMNS = ("model", "defence", "split", "world", "model_index", "status")
GUESS_COLUMNS = ("model", "guess", "score")


class Key(NamedTuple):
    """The world of each victim: arrays (n,), as in `answers.Models`; facts: the game, including what only the owner
    may know."""

    model: np.ndarray
    defence: np.ndarray
    split: np.ndarray
    world: np.ndarray
    number: np.ndarray
    diverged: np.ndarray
    facts: GameFacts


def key_of(table: Table) -> Key:
    """Return the key that `popleak pack` wrote. Raises PopleakError for any other file."""
    facts = of_file(table)
    if facts is None or set(table.columns) != set(KEY_COLUMNS):
        raise PopleakError(f"{table.name}: not a key: `popleak pack` writes one next to the folder that it packs")
    number = {
        name: whole(table, name, (0, 1) if name == "world" else None) for name in ("split", "world", "model_index")
    }
    text = {name: words(table.columns[name]) for name in ("model", "defence", "status")}
    wrong = [name for name, column in text.items() if any(one is None for one in column.tolist())]
    worlds = Counter(zip(text["defence"].tolist(), number["split"].tolist(), number["world"].tolist(), strict=True))
    uneven = any(worlds[defence, split, 1 - world] != count for (defence, split, world), count in worlds.items())
    if wrong or uneven or len(set(text["model"].tolist())) < table.rows:
        raise PopleakError(f"{table.name}: not the key as `popleak pack` wrote it: give the file that it wrote")
    return Key(
        text["model"], text["defence"], number["split"], number["world"], number["model_index"],
        text["status"] == STATUS[1], facts,
    )  # fmt: skip


def unlocked(models: Models, key: Key, name: str) -> Models:
    """Return the models with each victim's world and number, victims in the order of the run.

    Raises PopleakError unless the victims are those of the key.
    """
    place = {one: i for i, one in enumerate(key.model.tolist())}
    victims = models.of("victim")
    told = models.model[victims].tolist()
    odd = [one for one in told if one not in place]
    if odd or len(told) != len(place):
        what = f"{odd[0]!r} is not in the key" if odd else f"{len(told)} victims, and {len(place)} in the key"
        raise PopleakError(f"{name}: {what}: give the key that was written with these answers")
    mine = np.array([place[one] for one in told])
    if (
        not np.array_equal(key.split[mine], models.split[victims])
        or (key.defence[mine] != models.defence[victims]).any()
    ):
        raise PopleakError(
            f"{name}: a victim's split or defence is not the key's: give the key that was written with these answers"
        )
    world, number, model = models.world.copy(), models.number.copy(), models.model.copy()
    world[victims], number[victims] = key.world[mine], key.number[mine]
    # the same draw has the same name under every defence
    model[victims] = [
        f"{s} {w} {i}" for s, w, i in zip(key.split[mine], key.world[mine], key.number[mine], strict=True)
    ]
    shadows = models.of("shadow")
    order = np.concatenate([victims[np.argsort(mine, kind="stable")], shadows])
    found = models._replace(world=world, number=number, model=model)
    return found._replace(**{name: getattr(found, name)[order] for name in Models._fields if name != "points"})


class Guesses(NamedTuple):
    """Guesses in the order of the key: guess (n,) 0, 1 or -1; score (n,), higher means more like world 1; name: of
    the stranger."""

    name: str
    guess: np.ndarray
    score: np.ndarray


def guesses_of(table: Table, key: Key, name: str) -> Guesses:
    """Return one stranger's guesses. Without scores, the guess is the score: 1 for world 1, -1 for world 0, 0 for an
    abstention.

        Raises PopleakError unless there is one guess for every victim of the key.
    """
    for column in GUESS_COLUMNS[:2]:
        if column not in table.columns:
            raise PopleakError(
                f"{table.name}: lacks the column {column!r}: guesses have the columns model, guess and, if you like, score"
            )
    odd = [column for column in table.columns if column not in GUESS_COLUMNS]
    if odd:
        raise PopleakError(
            f"{table.name}: unknown column {odd[0]!r}: guesses have the columns model, guess and, if you like, score"
        )
    place = {one: i for i, one in enumerate(key.model.tolist())}
    position = np.full(len(place), -1)
    for i, one in enumerate(words(table.columns["model"]).tolist()):
        if one not in place:
            raise PopleakError(
                f"{table.place(i, 'model')}: {one!r} is not a victim in the key: use the ids from the packed answers"
            )
        if position[place[one]] >= 0:
            raise PopleakError(f"{table.place(i, 'model')}: {one!r} has a guess already: give one row for each victim")
        position[place[one]] = i
    lost = np.flatnonzero(position < 0)
    if len(lost):
        raise PopleakError(
            f"{table.name}: {len(lost)} of {len(position)} victims have no guess, {key.model[lost[0]]!r} is the first: guess -1 to abstain"
        )
    guess = whole(table, "guess", (-1, 0, 1))[position]
    score = np.where(guess < 0, 0.0, 2.0 * guess - 1.0)
    if "score" in table.columns and not missing(table.columns["score"]).all():
        score = _scores(table)[position]
    return Guesses(name, guess, score)


def _scores(table: Table) -> np.ndarray:
    values = table.columns["score"]
    numbers = np.full(len(values), np.nan)
    for i, value in enumerate(values.tolist()):
        with contextlib.suppress(TypeError, ValueError, OverflowError):
            numbers[i] = float(value)
        if not np.isfinite(numbers[i]):
            raise PopleakError(
                f"{table.place(i, 'score')}: {value!r}: give a finite number for every victim, higher for world 1, or no scores"
            )
    return numbers


def parts_of(guesses: Guesses, key: Key, shadows: Sequence[str]) -> list[dict[str, Any]]:
    """Return the guesses as parts of the table `scores`. shadows: the defences of the shadows that the stranger
    received."""
    facts = key.facts
    common = {
        "task": facts.task, "model": facts.model, "adversary": guesses.name, "access": facts.access or "scores",
        "shadow_model": facts.model, "protocol": facts.protocol, "ratio_0": facts.ratios[0], "ratio_1": facts.ratios[1],
        "poison": facts.poison, "repeats": 1, "known_ceiling": np.nan,
    }  # fmt: skip
    parts = []
    for defence in dict.fromkeys(key.defence.tolist()):
        chosen = np.flatnonzero(key.defence == defence)
        informed = defence == NONE or defence in shadows
        parts.append(
            {
                **common, "defence": defence, "knowledge": "informed" if informed else "unaware",
                "split": key.split[chosen], "world": key.world[chosen], "model_index": key.number[chosen],
                "score": guesses.score[chosen], "guess": guesses.guess[chosen],
            }
        )  # fmt: skip
    return parts
