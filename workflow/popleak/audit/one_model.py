"""What adversaries say of one model of the owner's: each is calibrated on a run's shadows, and the run says how often it is right.

Of one model there is no accuracy: a guess is right or wrong. How often such guesses are right is what the fresh victims of the run tell, which
were trained as the shadows were.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..core import atomic, plugins
from ..core.errors import PopleakError
from ..core.protocols import Role
from ..measures import roc
from ..plan.build import Plan
from ..plan.games import accesses
from ..plan.steps import Step
from ..steps.attack import AttackStep
from ..store import parquet as store
from ..store.answers import Answers, Points
from ..threat.play import play
from ..threat.seen import Files, Source
from . import tabular
from .answers import NONE
from .query_rows import Asked, points_at, points_of

VERSION = 1
"""Of the JSON file."""
NEAR = 0.02
"""How near the owner's ratio must be to a world's to be called the same."""
COLUMNS = (
    "protocol", "ratio_0", "ratio_1", "attack", "guess", "guessed_ratio", "splits", "agreeing", "score", "rate", "rate_low",
    "rate_high", "right",
)  # fmt: skip
ONE = (
    "one model gives no accuracy: a guess is right or wrong, and `rate` says how often this adversary is right about fresh victims of the run, asked "
    "by one split's adversary"
)
UNSEEN = "this holds for a model that was not trained on the query rows; `popleak queries` lists them"

UNLEARNT = (
    "adversaries have learned from models that do better, so their guesses may mean nothing; does the model take the encoded features, scaled and in the "
    "order of the table `dataset`, or your own columns (--takes), is --positive right, and are the rows in their order?"
)
ONE_SIDED = 1.645
"""Standard errors by which an AUC is shown to be above one half, at 95 % on one side."""


class Owned(Source):
    """A run's shadows, and the owner's model as the only victim of every split."""

    def __init__(
        self, settings: AttackStep, number: int, files: Files, victims: np.ndarray, splits: Sequence[int]
    ) -> None:
        """victims (S, q) or (S, q, C): the model's answers to each split's query points."""
        super().__init__(settings, number, files)
        self.victims, self.splits = victims, np.asarray(splits)

    def answers(self, role: Role, arm: str, repeats: int, votes: bool) -> Answers:
        if role == "shadow":
            return super().answers(role, arm, repeats, votes)
        nobody = np.zeros(len(self.splits), dtype=np.int64)
        keys = {
            "split": self.splits, "world": nobody, "seed": nobody, "finite": nobody == 0,
            "model_index": nobody + self.releases - 1,
        }  # fmt: skip
        return Answers(keys, self.victims)


class Verdict:
    """What adversaries say of one model. rows: a DataFrame with the columns COLUMNS, a row for each pair of worlds and attack; left_out: the
    reason for each attack that was skipped; cautions: what a guess rests on; ratio: the owner's own share of group 1, if it was told; group: the name of
    group 1, where it has one."""

    def __init__(
        self,
        rows: pd.DataFrame,
        left_out: Mapping[str, str],
        model: str,
        ratio: float | None,
        cautions: Sequence[str],
        group: str = "",
    ) -> None:
        self.rows, self.left_out, self.model, self.ratio, self.group = rows, dict(left_out), model, ratio, group
        self.cautions = [UNSEEN, *cautions]

    def summary(self) -> str:
        """Return the verdict in words, a line for each pair of worlds and attack."""
        named = [f"P(a = 1) is the share of {self.group} among the training rows"] if self.group else []
        lines = [f"{self.model}: {ONE}", *named, *(_said(row) for row in self.rows.to_dict("records"))]
        return "\n".join(
            [
                *lines,
                *(f"caution: {line}" for line in self.cautions),
                *(f"left out: {name} {why}" for name, why in self.left_out.items()),
            ]
        )

    __str__ = summary

    def told(self) -> dict[str, Any]:
        """Return the verdict as JSON values."""
        rows = [{key: _json(value) for key, value in row.items()} for row in self.rows.to_dict("records")]
        return {
            "version": VERSION, "model": self.model, "own_ratio": self.ratio, "group_1": self.group, "notes": [ONE], "cautions": self.cautions, "verdicts": rows, "left_out": self.left_out,
        }  # fmt: skip

    def write(self, path: Path) -> None:
        """Write a file, .json or .csv, whole or not at all. Raises PopleakError for another ending."""
        if path.suffix.lower() not in (".json", ".csv"):
            raise PopleakError(f"{path}: a verdict is written as .json or .csv: name such a file")
        table = self.rows.to_csv(index=False)
        text = table if path.suffix.lower() == ".csv" else json.dumps(self.told(), indent=2, allow_nan=False) + "\n"
        atomic.write(path, text.encode())


def verdict(
    plan: Plan,
    asked: Asked,
    scores: np.ndarray,
    *,
    model: str,
    ratio: float | None = None,
    cautions: Sequence[str] = (),
    labels: bool = False,
) -> Verdict:
    """Return what the run's adversaries say of a model that answered `scores` (q,), or (q, C), to the records `asked.rows`.

    model: its name in sentences; ratio: P(a = 1) of its training rows, if the owner knows it; cautions: to be said beside it; labels:
    whether answers of 0 and 1 alone are hard labels, as in a table that another program wrote, and not a sure model's probabilities. Raises
    PopleakError if the run is not finished.
    """
    check_ratio(ratio)
    loaded = asked.loaded()
    cautions = [*cautions, *doubts(loaded.y[asked.rows], scores)]
    labels = labels and bool(np.isin(scores, (0, 1)).all())
    rates = _rates(plan)
    rows: list[dict[str, Any]] = []
    left_out: dict[str, str] = {}
    for step in asked.steps:
        if why := _unfit(step, labels):
            left_out[step.settings.attack_id] = why
            continue
        for number in range(len(step.settings.pairs)):
            rows += [_row(step, number, found, rates, ratio) for found in _guesses(step, number, asked, scores)]
    if not rows:
        told = "; ".join(f"{name} {why}" for name, why in left_out.items())
        raise PopleakError(
            f"no attack of the config can judge one model: {told}: add {'threshold' if labels else 'kl, threshold or meta'} to `attacks`"
        )
    return Verdict(pd.DataFrame(rows)[list(COLUMNS)], left_out, model, ratio, cautions, str(loaded.facts["groups"][1]))


def check_ratio(ratio: float | None) -> None:
    """Raise PopleakError for what is no share."""
    if ratio is not None and not 0 <= ratio <= 1:
        raise PopleakError(f"--ratio {ratio:g}: give the share of group 1 among the model's training rows, 0 to 1")


def doubts(y: np.ndarray, scores: np.ndarray) -> list[str]:
    """Return why answers (q,), or (q, C), to rows of labels y (q,) may be no model's of this label. Raises PopleakError for answers that are all one."""
    if (scores == scores[:1]).all():
        raise PopleakError(
            f"all {len(scores)} answers are the same, so they say nothing of any training set: give the model's own answers to the rows of `popleak queries`"
        )
    said = (scores >= 0.5).astype(y.dtype) if scores.ndim == 1 else scores.argmax(axis=1)
    right, constant = float((said == y).mean()), float(np.bincount(y).max() / len(y))
    if right < constant:
        return [
            f"the answers are right for {100 * right:.0f} % of the query rows, where always saying the more frequent label is for {100 * constant:.0f} %: "
            f"{UNLEARNT}"
        ]
    if (
        scores.ndim > 1 or np.bincount(y, minlength=2).min() < 2
    ):  # an AUC of two classes, with rows enough for its error
        return []
    area, variance = roc.delong(scores, y)
    error = float(np.sqrt(variance))
    if area - ONE_SIDED * error > 0.5:
        return []
    return [
        f"the answers tell the labels of the query rows apart no better than chance may (AUC {area:.2f}, standard error {error:.2f}): {UNLEARNT}"
    ]


def _unfit(step: Step[AttackStep], labels: bool = False) -> str | None:
    """Return why an attack cannot judge one undefended model by its answers; None if it can. labels: whether these are hard labels."""
    attack = plugins.load("attacks", step.settings.attack)
    seen = [plugins.load("access", name) for name in accesses(attack)]
    if any(one.reads != "answers" for one in seen):
        return "sees more than answers"
    if labels and attack.access != "labels":
        return "needs scores, and all answers are 0 or 1"
    if any(one.defended or one.several for one in seen):
        return "sees several models of one owner"
    if attack.transductive:
        return "judges victims by each other"
    return None if NONE in step.settings.arms else "judges defended models alone: add `none` to `defences`"


def _guesses(step: Step[AttackStep], number: int, asked: Asked, scores: np.ndarray) -> list[dict[str, np.ndarray]]:
    """Return the attack's scores and guesses in one game, by split; nothing where it has nothing to say."""
    settings, points = step.settings, points_of(step)
    sets = points_at(points, settings.pairs[number].pair)
    victims = np.stack([scores[_places(asked, one)] for one in sets.values()]).astype(np.float32)
    told = dataclasses.replace(settings, defences=(NONE,), randomised=())
    files = [Path(path) for path in step.inputs.get("shadows", ())]
    if missing := [path for path in files if not path.is_file()]:
        raise PopleakError(
            f"{missing[0]}: missing, so the shadows are not trained: run snakemake with this config first"
        )
    source = Owned(told, number, Files(points, shadows=files, data=asked.data), victims, list(sets))
    attack = plugins.load("attacks", settings.attack)
    own = attack.Settings.model_validate(settings.attack_settings)
    parts = play(plugins.load("questions", settings.question), attack, own, told, source, sets)
    names = ("split", "score", "guess")
    return [{name: np.concatenate([np.atleast_1d(one[name]) for one in parts]) for name in names}] if parts else []


def _places(asked: Asked, one: Points) -> np.ndarray:
    return np.searchsorted(asked.rows, one.rows)


def _row(
    step: Step[AttackStep], number: int, found: Mapping[str, np.ndarray], rates: pd.DataFrame, ratio: float | None
) -> dict[str, Any]:
    """Return a row of the verdict: the guess of most splits' adversaries, and how often one is right."""
    settings, pair = step.settings, step.settings.pairs[number]
    votes = [int((found["guess"] == world).sum()) for world in (0, 1)]
    guess = -1 if 2 * max(votes) <= len(found["split"]) else int(votes[1] > votes[0])
    same = (
        (rates["task"] == settings.task) & (rates["model"] == settings.model_id) & (rates["adversary"] == settings.attack_id)
        & (rates["protocol"] == pair.protocol) & (rates["ratio_0"] == pair.ratios[0]) & (rates["ratio_1"] == pair.ratios[1])
        & (rates["poison"] == pair.poison) & (rates["shadow_model"] == settings.shadow_model)
    )  # fmt: skip
    there = rates[same]
    named = dict(zip(("rate", "rate_low", "rate_high"), ("accuracy", "accuracy_low", "accuracy_high"), strict=True))
    known = {name: float(there[column].iloc[0]) if len(there) else float("nan") for name, column in named.items()}
    return {
        "protocol": pair.protocol, "ratio_0": pair.ratios[0], "ratio_1": pair.ratios[1], "attack": settings.attack_id, "guess": guess,
        "guessed_ratio": float("nan") if guess < 0 else pair.ratios[guess], "splits": len(found["split"]),
        "agreeing": max(votes), "score": float(found["score"].mean()), **known,
        "right": _right(guess, pair.ratios, ratio),
    }  # fmt: skip


def _right(guess: int, ratios: Sequence[float], own: float | None) -> str:
    """Return whether a guess was right: yes, no, or why that cannot be said."""
    if own is None or ratios[0] == ratios[1]:
        return "unknown" if own is None else "worlds are equal"
    if guess < 0:
        return "no guess"
    away = [abs(own - one) for one in ratios]
    if min(away) > NEAR:
        return f"neither world: nearer to {ratios[int(away[1] < away[0])]:g}"
    return "yes" if guess == int(away[1] < away[0]) else "no"


def _rates(plan: Plan) -> pd.DataFrame:
    """Return how often the run's adversaries are right about undefended victims. Raises PopleakError if the run is not finished."""
    path = Path(plan.tables["leakage"].outputs["table"])
    if not path.is_file():
        raise PopleakError(f"{path}: missing, so the run is not finished: run snakemake with this config first")
    table = store.read(path, stage="tables", where={"defence": NONE}).to_pandas()
    return table[table["repeats"] == 1]


def _said(row: Mapping[Any, Any]) -> str:
    """Return one row in words."""
    worlds = f"P(a = 1) = {row['ratio_0']:g} or {row['ratio_1']:g}, {row['attack']}:"
    if row["guess"] < 0:
        return f"{worlds} no guess, as the {row['splits']} splits' adversaries do not agree"
    said = f"{worlds} {row['guessed_ratio']:g}, say {row['agreeing']} of {row['splits']} splits' adversaries"
    if row["rate"] == row["rate"]:
        limits = f" ({row['rate_low']:.2f} to {row['rate_high']:.2f})" if row["rate_low"] == row["rate_low"] else ""
        said += f"; such a guess is right for {row['rate']:.2f}{limits} of fresh victims"
        said += "" if row["rate_low"] > 0.5 else ", which chance may give"
    truth = {"yes": "; here it is right", "no": "; here it is wrong", "unknown": ""}
    return said + truth.get(row["right"], f" ({row['right']})")


def _json(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    return None if value != value else value


def scores_of(source: tabular.Source, asked: Asked, classes: int) -> np.ndarray:
    """Return the answers (q,), or (q, C), in a table of `row` and `score` (`score_0` ... of more than two classes), in the order of
    `asked.rows`. Raises PopleakError for rows that are missing, appear twice or have no probability."""
    table = tabular.read(source, "answers")
    names = ["score"] if classes == 2 else [f"score_{i}" for i in range(classes)]
    if lacking := [name for name in ("row", *names) if name not in table.columns]:
        raise PopleakError(
            f"{table.name}: lacks the column {lacking[0]!r}: give row, {', '.join(names)}, a line for each query row"
        )
    rows = tabular.whole(table, "row", None)
    order = np.argsort(rows, kind="stable")
    twice = np.flatnonzero(np.diff(rows[order]) == 0)
    if len(twice):
        raise PopleakError(
            f"{table.place(int(order[twice[0] + 1]), 'row')}: {rows[order][twice[0]]} appears twice: give one line for each"
        )
    place = np.minimum(np.searchsorted(rows[order], asked.rows), len(rows) - 1)
    absent = asked.rows[rows[order][place] != asked.rows]
    if len(absent):
        raise PopleakError(
            f"{table.name}: has no answer to query row {absent[0]} ({len(absent)} of {len(asked.rows)} are missing): `popleak queries` lists them all"
        )
    chosen = order[place]
    found = np.stack([_numbers(table, name, chosen) for name in names], axis=1)
    if classes > 2 and np.abs(found.sum(1) - 1).max() > 1e-3:
        raise PopleakError(f"{table.name}: the scores of a row must sum to 1: give P(y | x) of all {classes} classes")
    return found[:, 0] if classes == 2 else found


def _numbers(table: tabular.Table, name: str, chosen: np.ndarray) -> np.ndarray:
    """Return a column of probabilities at the positions `chosen`."""
    values = table.columns[name]
    found = values[chosen].astype(np.float64) if values.dtype != object else np.full(len(chosen), np.nan)
    wrong = np.flatnonzero(~((found >= 0) & (found <= 1)))
    if len(wrong):
        i = int(chosen[wrong[0]])
        value = values[i].item() if isinstance(values[i], np.generic) else values[i]
        raise PopleakError(f"{table.place(i, name)}: {value!r} is no probability: give P(y = 1 | x), 0 to 1")
    return found
