"""Tables of models' answers (one row for each model) and of query points (one row for each point).

The columns are in docs/own-models.md. Every error in a table is reported here, in one line, before anything is
judged.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np

from ..core.errors import PopleakError
from ..store.answers import Points
from .tabular import Table, missing, whole, words

NONE = "none"
ROLES = ("victim", "shadow")
KEYS = ("role", "world", "split", "model", "defence", "status")
"""Columns that say who answered; all others are query points."""
POINT_KEYS = ("point", "split", "y", "a", "origin")
STATUS = ("ok", "diverged")
UNKNOWN = -1
"""World of a victim whose world is unknown."""


class Models(NamedTuple):
    """Models that answered, n of them: role, model (its id) and defence are words, world is 0, 1 or UNKNOWN, number
    the model's within role, split and world, the same under every defence; scores (n, q) in the order of `points`,
    NaN only for models that diverged."""

    role: np.ndarray
    world: np.ndarray
    split: np.ndarray
    model: np.ndarray
    number: np.ndarray
    defence: np.ndarray
    diverged: np.ndarray
    scores: np.ndarray
    points: tuple[str, ...]

    def of(self, role: str, defence: str | None = None) -> np.ndarray:
        """Return the positions of one role's models, under one defence or all."""
        of_role = self.role == role
        return np.flatnonzero(of_role if defence is None else of_role & (self.defence == defence))

    def defences(self, role: str) -> tuple[str, ...]:
        """Return the defences of one role's models, `none` first."""
        names = dict.fromkeys(self.defence[self.of(role)].tolist())
        return tuple(sorted(names, key=lambda name: name != NONE))

    def access(self, role: str) -> str:
        """Return the kind of answers of one role: labels if there are some and all are 0 or 1, else scores."""
        scores = self.scores[self.of(role)]
        given = scores[~np.isnan(scores)]
        return "labels" if len(given) and np.isin(given, (0.0, 1.0)).all() else "scores"

    @property
    def splits(self) -> tuple[int, ...]:
        return tuple(np.unique(self.split[self.of("victim")]).tolist())


def models_of(table: Table) -> Models:
    """Return the models in a table of answers. Raises PopleakError for the first error in it."""
    for name in ("role", "world"):
        if name not in table.columns:
            raise PopleakError(
                f"{table.name}: lacks the column {name!r}: give one row for each model, with {', '.join(KEYS[:3])} and a column for each query point"
            )
    role, defence, status = (
        _words(table, *one) for one in (("role", ROLES, None), ("defence", None, NONE), ("status", STATUS, "ok"))
    )
    victim = role == "victim"
    if not victim.any():
        raise PopleakError(f"{table.name}: no row has role 'victim': the models to be judged are the victims")
    world = whole(table, "world", (0, 1), empty=UNKNOWN)
    lost = np.flatnonzero((world == UNKNOWN) & ~victim)
    if len(lost):
        raise PopleakError(f"{table.place(int(lost[0]), 'world')}: empty: a shadow's world, 0 or 1, must be known")
    split = whole(table, "split", None) if "split" in table.columns else np.zeros(table.rows, dtype=np.int64)
    model = _ids(table, role, defence)
    points = tuple(name for name in table.columns if name not in KEYS)
    if not points:
        raise PopleakError(f"{table.name}: has no query points: every column except {', '.join(KEYS)} is one")
    diverged = status == "diverged"
    scores = _scores(table, points, diverged)
    models = Models(role, world, split, model, np.zeros(table.rows, dtype=np.int64), defence, diverged, scores, points)
    return numbered(models, table)


def numbered(models: Models, table: Table) -> Models:
    """Return the models with their numbers. An id that appears under several defences is one draw, in one split and
    world."""
    number, seen = np.zeros(len(models.role), dtype=np.int64), {}
    count: Counter[tuple] = Counter()
    for i, (role, model, split, world) in enumerate(
        zip(models.role.tolist(), models.model.tolist(), models.split.tolist(), models.world.tolist(), strict=True)
    ):
        place = (role, split, world)
        if (role, model) not in seen:
            seen[role, model] = (place, count[place])
            count[place] += 1
        where, number[i] = seen[role, model]
        if where != place:
            raise PopleakError(
                f"{table.place(i, 'model')}: {model!r} is in another split or world than in an earlier row: an id stands for one draw of rows"
            )
    return models._replace(number=number)


def check_played(models: Models, name: str) -> None:
    """Raise PopleakError unless every split has equally many victims of both worlds and, if it has shadows, shadows
    of both.

    Only with equal numbers is an adversary who always names the same world right for exactly one half.
    """
    for defence in models.defences("victim"):
        victims = models.of("victim", defence)
        for split in models.splits:
            in_split = victims[models.split[victims] == split]
            counts = [int((models.world[in_split] == world).sum()) for world in (0, 1)]
            if counts[0] != counts[1]:
                raise PopleakError(
                    f"{name}: split {split}, defence {defence!r}: {counts[0]} victims of world 0 and {counts[1]} of world 1: give equally many, "
                    f"otherwise an adversary who always names one world would be right too often"
                )
    for defence in models.defences("shadow"):
        shadows = models.of("shadow", defence)
        for split in models.splits:
            for world in (0, 1):
                if not ((models.split[shadows] == split) & (models.world[shadows] == world)).any():
                    raise PopleakError(
                        f"{name}: split {split} has no shadow of world {world} with defence {defence!r}: give each split its own shadows of "
                        f"both worlds, or leave out all shadows with that defence"
                    )


def points_of(table: Table | None, models: Models) -> tuple[dict[int, Points], tuple[str, ...]]:
    """Return the query set of each split, and which of y, a and origin are known of it.

    table: one row for each query point, or for each split and query point; None if nothing is known. Raises
    PopleakError for errors in it, and if its points differ from those that the models were asked.
    """
    if table is None:
        return dict.fromkeys(models.splits, _blank(len(models.points))), ()
    known = _known(table)
    column = {name: whole(table, name, (0, 1)) for name in known if name != "origin"}
    if "origin" in known:
        column["origin"] = whole(table, "origin", (-1, 0, 1), empty=-1)
    split = whole(table, "split", None) if "split" in table.columns else None
    sets = {}
    for number in models.splits:
        rows = np.arange(table.rows) if split is None else np.flatnonzero(split == number)
        rows = rows[_order(table, rows, models.points, None if split is None else number)]
        fields = {name: values[rows].astype(np.int8) for name, values in column.items()}
        if "origin" in known and set(fields["origin"].tolist()) - {-1} != {0, 1}:
            raise PopleakError(
                f"{table.name}: split {number}: the query points must come from both worlds: origin 0 and origin 1"
            )
        sets[number] = _blank(len(rows))._replace(**fields)
    return sets, known


def _blank(width: int) -> Points:
    """Return query points of which nothing is known."""
    unknown, nowhere = np.full(width, UNKNOWN, dtype=np.int8), np.zeros(width, dtype=np.int8)
    return Points(np.arange(width), unknown, unknown, nowhere, None, None)


def _known(table: Table) -> tuple[str, ...]:
    """Return which of y, a and origin a table of query points has. Raises PopleakError if it has none of them, or
    another column."""
    odd = [name for name in table.columns if name not in POINT_KEYS]
    if odd:
        raise PopleakError(
            f"{table.name}: unknown column {odd[0]!r}: a table of query points has {', '.join(POINT_KEYS)}"
        )
    known = tuple(name for name in ("y", "a", "origin") if name in table.columns)
    if not known:
        raise PopleakError(f"{table.name}: says nothing about the query points: give y, a or origin")
    return known


def _order(table: Table, rows: np.ndarray, points: tuple[str, ...], split: int | None) -> np.ndarray:
    """Return the position of each query point among `rows`."""
    where = "" if split is None else f" of split {split}"
    if len(rows) != len(points):
        raise PopleakError(
            f"{table.name}: {len(rows)} query points{where}, but the models answered {len(points)}: give one row for each"
        )
    if "point" not in table.columns:
        return np.arange(len(points))
    names = words(table.columns["point"])[rows].tolist()
    place = {name: i for i, name in enumerate(names)}
    if len(place) != len(names):
        twice = next(name for name, many in Counter(names).items() if many > 1)
        raise PopleakError(f"{table.name}: query point {twice!r}{where} appears twice: give one row for each")
    lacking = [name for name in points if name not in place]
    if lacking:
        odd = next(name for name in names if name not in set(points))
        raise PopleakError(
            f"{table.name}: query point {odd!r}{where} is not a column of the answers, and their {lacking[0]!r} is not here: use the same names"
        )
    return np.array([place[name] for name in points])


def _words(table: Table, name: str, allowed: tuple[str, ...] | None, default: str | None) -> np.ndarray:
    """Return a column of words (n,), with `default` for empty cells or a missing column."""
    if name not in table.columns:
        return np.full(table.rows, default, dtype=object)
    column = words(table.columns[name])
    for i, value in enumerate(column.tolist()):
        if value is None and default is not None:
            column[i] = default
        elif value is None or (allowed and value not in allowed):
            told = "empty" if value is None else repr(value)
            raise PopleakError(f"{table.place(i, name)}: {told}: give {' or '.join(allowed or ('a name',))}")
    return column


def _ids(table: Table, role: np.ndarray, defence: np.ndarray) -> np.ndarray:
    """Return the models' ids (n,): as given, or the row numbers."""
    if "model" not in table.columns:
        if len(set(defence.tolist())) > 1:
            raise PopleakError(
                f"{table.name}: has several defences and no column 'model': give the models of one draw the same id"
            )
        return np.array([f"row {i + table.first}" for i in range(table.rows)], dtype=object)
    ids = words(table.columns["model"])
    seen: dict[tuple[str, str, str], int] = {}
    for i, key in enumerate(zip(role.tolist(), defence.tolist(), ids.tolist(), strict=True)):
        if key[2] is None:
            raise PopleakError(f"{table.place(i, 'model')}: empty: give every model an id, or leave the column out")
        if key in seen:
            before = f"{'line' if table.first == 2 else 'row'} {seen[key] + table.first}"
            raise PopleakError(
                f"{table.place(i, 'model')}: {key[2]!r} is in {before} already: give one row for each model and defence"
            )
        seen[key] = i
    return ids


def _scores(table: Table, points: tuple[str, ...], diverged: np.ndarray) -> np.ndarray:
    """Return the answers (n, q) as they are given."""
    scores = np.column_stack([_numbers(table, name) for name in points])
    scores = scores if scores.dtype in (np.float32, np.float64) else scores.astype(np.float64)
    gone = np.isnan(scores)
    for wrong, told in (
        (gone & ~diverged[:, None], "no score: give one, or say 'diverged' in the column 'status'"),
        (~gone & ~((scores >= 0) & (scores <= 1)), "no score in [0, 1]: give P(y = 1 | x), or labels 0 and 1"),
    ):
        if wrong.any():
            i, j = np.argwhere(wrong)[0].tolist()
            value = "" if gone[i, j] else f"{float(scores[i, j]):g} is "
            raise PopleakError(f"{table.place(i, points[j])}: {value}{told}")
    return scores


def _numbers(table: Table, name: str) -> np.ndarray:
    """Return a column (n,) of numbers, NaN for empty cells."""
    values = table.columns[name]
    if values.dtype != object:
        return values
    numbers = np.full(len(values), np.nan)
    for i in np.flatnonzero(~missing(values)).tolist():
        try:
            numbers[i] = float(values[i])
        except (TypeError, ValueError, OverflowError):
            raise PopleakError(
                f"{table.place(i, name)}: {values[i]!r} is not a number: columns other than {', '.join(KEYS)} are query points"
            ) from None
    return numbers
