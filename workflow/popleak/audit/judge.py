"""Judge models by their answers: the verdicts of all attacks, with intervals. Nothing is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ..core import plugins
from ..core.errors import PopleakError
from ..measures import fairness
from ..steps.tables.leakage import Table
from ..store import schema
from ..store.answers import Points
from ..tables import leakage
from ..tables._victims import MEASURES
from . import tabular
from .adversary import Adversary
from .answers import STATUS, UNKNOWN, Models, check_played, models_of, points_of
from .game import SECRET, GameFacts, of_file, of_options
from .guesses import Key, guesses_of, key_of, parts_of, unlocked
from .judgement import Judgement
from .play import Chosen, chosen, play

if TYPE_CHECKING:
    from .tabular import Source

UNMEASURED = ("eo_weight", "eo_vacuous")
"""Facts on a defence's training that no table of answers holds."""
ONE_SPLIT = "all models belong to one pool split: intervals are about that split only, and there is no verdict (docs/statistics.md)"


def judge(
    answers: Source | None = None,
    points: Source | None = None,
    *,
    attacks: Sequence[str | Mapping[str, Any] | Adversary] | None = None,
    ratios: Sequence[float] | None = None,
    controls: Mapping[str, str] | None = None,
    margin: float | None = None,
    key: Source | None = None,
    guesses: Mapping[str, Source] | None = None,
) -> Judgement:
    """Judge models by their answers: which of two worlds was each trained in?

        answers: one row for each model (path of a .csv or .parquet, a DataFrame, or a mapping of arrays). Its columns are
    `role` (victim, shadow), `world` (0, 1), `split` (a whole number) and optionally `model` (its id), `defence` and
    `status` (ok, diverged). Every other column is a query point and holds scores P(y = 1 | x) in [0, 1], or labels.
    points: one row for each query point, with `y`, `a`, `origin` (the world whose distribution it was drawn from) and
    optionally `point` (the column's name) and `split`. attacks: names, results of `attack(...)` or mappings (name,
    id, settings); by default all that these answers allow. ratios: P(a = 1) in worlds 0 and 1, for `n_leaked`.
    controls: for each defence the one that it is compared with, beside `none`. margin: smallest difference in
    accuracy that counts as material. key, guesses: for models packed by `popleak pack`, the owner's key, and
    strangers' guesses by name (columns `model`, `guess`, `score`).

    Every attack is calibrated on the shadows of a split and judges that split's victims one by one. Measures and
    intervals are those of a run (docs/statistics.md). Raises PopleakError, in one line, for an error in a table, and
    for a named attack that lacks what it needs. An attack that was not named is then skipped, and `left_out` says
    why.
    """
    _check_guesses(guesses)
    given = {"ratios": ratios, "controls": controls, "margin": margin}
    lock = None if key is None else key_of(tabular.read(key, "key"))
    if guesses and lock is None:
        raise PopleakError(
            "guesses are graded by the key that `popleak pack` wrote next to the packed folder: give it too"
        )
    if answers is not None:
        table = tabular.read(answers, "answers")
        asked = None if points is None else tabular.read(points, "points")
        return _judged(table, asked, attacks, lock, guesses, given)
    if not guesses or lock is None or points is not None or attacks is not None:
        raise PopleakError("nothing to judge: give answers, or a key and guesses")
    return _graded(lock, guesses, given)


def _check_guesses(guesses: object) -> None:
    """Raise PopleakError for guesses that do not come by name."""
    named = isinstance(guesses, Mapping) and all(one and isinstance(one, str) for one in guesses)
    if guesses is not None and not named:
        raise PopleakError("guesses: give a mapping from each stranger's name to her table")


def _judged(
    table: tabular.Table,
    asked: tabular.Table | None,
    attacks: Sequence[str | Mapping[str, Any] | Adversary] | None,
    lock: Key | None,
    guesses: Mapping[str, Source] | None,
    given: Mapping[str, Any],
) -> Judgement:
    """Return the verdicts of our attacks, and of strangers who guessed, on the answers in `table` to the query points
    `asked`."""
    facts, models = _facts(table, lock, given), _models(table, lock)
    _check_controls(facts, models)
    sets, known = points_of(asked, models)
    adversaries = chosen(attacks)
    parts, left_out = _played(adversaries, models, facts, sets, known)
    inputs = [one for one in (table, asked) if one is not None]
    parts += _strangers(guesses, lock, models.defences("shadow"), parts, inputs)
    if not parts:
        told = "; ".join(f"{name} {why}" for name, why in left_out.items())
        raise PopleakError(f"{table.name}: no attack can judge these answers: {told}")
    cautions = [ONE_SPLIT] if len(models.splits) == 1 else []
    references = [one.id for one in adversaries if one.attack.plugin.reference]
    scores, made, measured = _tables(parts, _measured(models, facts, sets, known), facts, references)
    return Judgement(scores, made, measured, _said(facts, inputs), inputs, left_out, cautions, _about(models, facts))


def _models(table: tabular.Table, lock: Key | None) -> Models:
    """Return the models with their worlds, which for a packed game are in the key. Raises PopleakError if a world is
    unknown."""
    models = models_of(table)
    if lock is not None:
        models = unlocked(models, lock, table.name)
    elif (models.world[models.of("victim")] == UNKNOWN).any():
        raise PopleakError(
            f"{table.name}: victims without a world: give it in the column 'world', or the owner's key; who has neither sends the owner "
            "guesses (the page beside a packed table says how)"
        )
    check_played(models, table.name)
    return models


def _about(models: Models, facts: GameFacts) -> str:
    """Return a sentence on how many models answered how many query points."""
    victims, shadows = (len(np.unique(models.model[models.of(role)])) for role in ("victim", "shadow"))
    return (
        f"{victims} victims and {shadows} shadows in {len(models.splits)} pool splits, {len(models.points)} query points from "
        f"{models.points[0]!r} to {models.points[-1]!r}, answers are {facts.access or models.access('victim')}"
    )


def _graded(lock: Key, guesses: Mapping[str, Source], given: Mapping[str, Any]) -> Judgement:
    """Grade strangers' guesses, without any answers."""
    facts = _settled(lock.facts, given, "the key")
    inputs: list[tabular.Table] = []
    parts = _strangers(guesses, lock, facts.shadows or (), [], inputs)
    models = pd.DataFrame(
        {**_game_columns(facts), "role": "victim", "defence": lock.defence, "split": lock.split, "world": lock.world}
    )
    models = models.assign(model_index=lock.number, status=np.where(lock.diverged, *STATUS[::-1]))
    models = models.assign(**dict.fromkeys((*MEASURES, *UNMEASURED), np.nan))
    cautions = [ONE_SPLIT] if len(np.unique(lock.split)) == 1 else []
    about = f"{len(lock.model)} victims in {len(np.unique(lock.split))} pool splits, graded by their key"
    scores, made, models = _tables(parts, models, facts, [])
    return Judgement(scores, made, models, _said(facts, inputs), inputs, {}, cautions, about)


def _facts(table: tabular.Table, lock: Key | None, given: Mapping[str, Any]) -> GameFacts:
    """Return the game: from the key or the file or, for the caller's own models, from the arguments."""
    facts = lock.facts if lock is not None else of_file(table)
    if facts is not None:
        return _settled(facts, given, "the packed game")
    return of_options(table.path.stem if table.path else table.name, **given)


def _check_controls(facts: GameFacts, models: Models) -> None:
    """Raise PopleakError for a control of a defence, or a control itself, that no victim has: no difference would be reported."""
    there = models.defences("victim")
    for name in (name for pair in facts.controls.items() for name in pair):
        if name not in there:
            raise PopleakError(f"controls: no victim has the defence {name!r}: choose from {', '.join(there)}")


def _settled(facts: GameFacts, given: Mapping[str, Any], where: str) -> GameFacts:
    for name, value in given.items():
        if value is not None:
            raise PopleakError(f"{name}: {where} says this already: leave it out")
    return facts


def _played(
    attacks: Sequence[Chosen], models: Models, facts: GameFacts, sets: Mapping[int, Points], known: Sequence[str]
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return the verdicts of all attacks, and the reasons for those that were skipped."""
    parts: list[dict[str, Any]] = []
    left_out = {}
    for one in attacks:
        try:
            parts += play(one, models, facts, sets, known)
        except PopleakError as error:
            if one.named:
                raise
            left_out[one.id] = str(error).removeprefix(f"attack {one.id!r} ")
    return parts, left_out


def _strangers(
    guesses: Mapping[str, Source] | None,
    lock: Key | None,
    shadows: Sequence[str],
    parts: Sequence[Mapping[str, Any]],
    inputs: list[tabular.Table],
) -> list[dict[str, Any]]:
    """Return strangers' guesses as verdicts, and add their tables to the inputs."""
    found: list[dict[str, Any]] = []
    if lock is None:  # there are no guesses then: `judge` refuses them
        return found
    taken = {part["adversary"] for part in parts} | {leakage.BEST}
    for name, source in (guesses or {}).items():
        if name in taken:
            raise PopleakError(f"guesses {name!r}: an adversary of that name is in the tables already: rename the file")
        taken.add(name)
        inputs.append(tabular.read(source, f"guesses {name!r}"))
        found += parts_of(guesses_of(inputs[-1], lock, name), lock, shadows)
    return found


def _game_columns(facts: GameFacts) -> dict[str, Any]:
    return {
        "task": facts.task, "model": facts.model, "protocol": facts.protocol, "ratio_0": facts.ratios[0],
        "ratio_1": facts.ratios[1], "poison": facts.poison,
    }  # fmt: skip


def _measured(models: Models, facts: GameFacts, sets: Mapping[int, Points], known: Sequence[str]) -> pd.DataFrame:
    """Return utility and fairness of the victims on the query points, in columns of the table `models`; NaN if
    unknown."""
    victims = models.of("victim")
    columns = {name: np.full(len(models.role), np.nan) for name in (*MEASURES, *UNMEASURED)}
    for split, asked in sets.items():
        in_split = victims[(models.split[victims] == split) & ~models.diverged[victims]]
        if "y" not in known or not len(in_split):
            continue
        scores = models.scores[in_split]
        right = (scores >= fairness.THRESHOLD) == asked.y
        columns["accuracy"][in_split], columns["auc"][in_split] = right.mean(axis=1), fairness.auc(scores, asked.y)
        if "origin" in known:
            zero, one = (right[:, asked.origin == world].mean(axis=1) for world in (0, 1))
            columns["gap"][in_split] = zero - one
        if "a" in known:
            rates = fairness.rates(scores, asked.y, asked.a)
            for name in MEASURES:
                if name not in ("accuracy", "auc", "gap"):
                    columns[name][in_split] = getattr(rates, name)
    told = {name: getattr(models, name)[victims] for name in ("role", "defence", "split", "world")}
    status = np.where(models.diverged[victims], *STATUS[::-1])
    measured = {name: values[victims] for name, values in columns.items()}
    return pd.DataFrame(
        {**_game_columns(facts), **told, "model_index": models.number[victims], "status": status, **measured}
    )


def _tables(
    parts: list[dict[str, Any]], models: pd.DataFrame, facts: GameFacts, references: Sequence[str]
) -> tuple[pa.Table, pa.Table, pd.DataFrame]:
    """Return the tables `scores` and `leakage`, computed as in a run, and the models."""
    scores, task = schema.table("scores", parts), facts.task
    white_box = {part["adversary"] for part in parts if not plugins.load("access", part["access"]).black_box}
    settings = Table(
        table="leakage", controls={task: facts.controls}, references={task: tuple(references)},
        white_box={task: tuple(sorted(white_box))}, data={} if facts.data is None else {task: facts.data}, margin=facts.margin,
        searched={task: facts.searched},
    )  # fmt: skip
    made = leakage.make(parts=[], tables={"scores": scores.to_pandas(), "models": models}, settings=settings)
    return scores, made, models


def _said(facts: GameFacts, inputs: Sequence[tabular.Table]) -> dict[str, Any]:
    """Return the facts on what was judged for the tables' metadata."""
    return {"game": facts.model_dump(mode="json", exclude=SECRET), "content": [one.digest() for one in inputs]}
