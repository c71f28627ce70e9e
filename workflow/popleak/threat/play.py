"""The one loop of all questions: an adversary sees shadows, learns from them, and is asked about victims."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..attacks.base import Attack, Query
from ..core import plugins
from ..core.errors import PopleakError
from ..questions.base import Graded, Question, Shown, View
from ..steps.attack import AttackStep, Budget, Judging
from ..store import answers as stored
from ..store import parquet as store
from ..store import schema
from .access.base import NONE, Access
from .budget import ALL, fewer, positions
from .knowledge import Shadows, cells, levels
from .seen import Files, Seen, Source

Part = dict[str, Any]
"""Rows of a public table: for each column an array, or one value for all rows."""


def run(*, settings: AttackStep, files: Files, output: Path, step: str, code: str) -> None:
    """Play a step's games one after another and write their rows as a part of the question's public table.

    Raises PopleakError where the attack cannot be mounted on the models.
    """
    question, attack = plugins.load("questions", settings.question), plugins.load("attacks", settings.attack)
    own = attack.Settings.model_validate(settings.attack_settings)
    parts: list[Part] = []
    for number in range(len(settings.pairs)):
        source = Source(settings, number, files)
        sets = stored.read_points(files.points, source.pair.pair)
        for budget in settings.budgets or (ALL,):
            parts += play(question, attack, own, settings, source, sets, budget)
    facts = store.provenance(stage=settings.stage, step=step, settings=settings.plain(), code=code, inputs=files.all)
    store.write(output, schema.table("judged" if settings.budgets else question.table, parts), facts)


def play(
    question: Question,
    attack: Attack,
    own: Any,
    settings: Judging,
    source: Seen,
    sets: Mapping[int, stored.Points],
    budget: Budget = ALL,
) -> list[Part]:
    """Return the rows of one game: the attack under every defence and with each knowledge, split by split.

    own: the attack's settings; sets: the query sets by split; budget: what the adversary may use. Raises PopleakError where the attack
    cannot be mounted on the models.
    """
    game = source.game(attack)
    if reason := attack.refuses(game):
        raise PopleakError(f"attack {settings.attack_id}: {reason}")
    seeing, pair = Seeing(attack, source), source.pair
    constant = {
        "task": settings.task, "model": settings.model_id, "adversary": settings.attack_id, "access": seeing.access.name,
        "shadow_model": settings.shadow_model, **question.cell(pair), "poison": pair.poison, **of_budget(budget),
    }  # fmt: skip
    undefended: dict[int, Fitted] = {}  # fitted once: the undefended shadows are the same under every defence
    graded: list[Graded] = []
    for defence, repeats in cells(attack, seeing.access, settings):
        victims = seeing.victims(defence, repeats)
        if not seeing.access.offered(victims):
            continue
        for known in levels(attack, seeing.access, settings, defence, repeats):
            shadows = seeing.shadows(known)
            for split, asked in sets.items():
                here = game._replace(law=asked.law, seed=source.seed(split))
                if not attack.applies(here):
                    continue
                fitted = undefended.get(split) if known.arm == NONE else None
                if fitted is None:
                    used, query = _asked_by(attack, source, asked)
                    seen = (
                        None
                        if shadows is None
                        else fewer(shown(seeing.of_shadows, shadows, split, used), budget.shadows)
                    )
                    if budget.queries is not None:
                        at = positions(budget, query, seen, seed=source.seed(split))
                        used, query = used[at], query.at(at)
                        if shadows is not None:
                            seen = fewer(shown(seeing.of_shadows, shadows, split, used), budget.shadows)
                    view = View(attack, own, pair, query, here, asked)
                    fitted = Fitted(view, used, question.fit(view, seen))
                if known.arm == NONE:
                    undefended[split] = fitted
                found = question.grade(fitted.view, fitted.judge, shown(seeing.access, victims, split, fitted.used))
                graded.append(Graded(defence, known.knowledge, repeats, split, found))
    return [
        {**constant, "defence": one.defence, "knowledge": one.knowledge, "repeats": one.repeats, **rows}
        for one, rows in question.conclude(graded, settings.beside)
    ]


class Fitted(NamedTuple):
    """What one split's shadows gave: the view, the positions of the points that are asked (m,), and what `Question.fit` returned."""

    view: View
    used: np.ndarray
    judge: Any


def of_budget(budget: Budget) -> Part:
    """Return the columns of a budget; 0 stands for all."""
    return {"shadows": budget.shadows or 0, "queries": budget.queries or 0, "ask": budget.ask if budget.queries else ""}


class Seeing:
    """What an attack sees of victims (`access`) and of its own shadows (`of_shadows`) in one game."""

    def __init__(self, attack: Attack, source: Seen) -> None:
        self.attack, self.source = attack, source
        self.access: Access = plugins.load("access", attack.access)
        self.of_shadows: Access = plugins.load("access", attack.shadow_access or attack.access)
        self._undefended: stored.Answers | None = None

    def victims(self, defence: str, repeats: int) -> stored.Answers:
        return self.access.seen(self.source, "victim", defence, repeats, False)

    def shadows(self, known: Shadows) -> stored.Answers | None:
        """Return the stored data of the shadows; undefended ones are read once. None for an attack that learns from
        no shadows."""
        if not self.attack.shadows:
            return None
        if known.arm != NONE:
            return self._shadows(known)
        if self._undefended is None:
            self._undefended = self._shadows(known)
        return self._undefended

    def _shadows(self, known: Shadows) -> stored.Answers:
        return self.of_shadows.seen(self.source, "shadow", known.arm, known.repeats, self.access.votes)


def shown(access: Access, kept: stored.Answers, split: int, points: np.ndarray) -> Shown:
    """Return what is seen of one split's models, asked the query points at the positions `points` (m,)."""
    in_split = np.flatnonzero(kept.keys["split"] == split)
    return Shown({name: values[in_split] for name, values in kept.keys.items()}, access.outputs(kept, in_split, points))


def _asked_by(attack: Attack, source: Seen, asked: stored.Points) -> tuple[np.ndarray, Query]:
    """Return the positions of the points that an attack asks, and the query set, with the features where these are its own labelled rows."""
    used, query = query_of(asked, attack.all_points)
    if attack.of_samples:
        x, columns = source.features(asked.rows[used])
        query = query._replace(x=x, columns=columns)
    return used, query


def query_of(points: stored.Points, everywhere: bool = False) -> tuple[np.ndarray, Query]:
    """Return the positions of the points that the adversary asks (those drawn from one of the worlds, or all), and
    the query set."""
    used = np.flatnonzero((points.origin >= 0) | everywhere)
    cell = None if points.cell is None else points.cell[used]
    return used, Query(points.y[used], points.a[used], points.origin[used], cell)
