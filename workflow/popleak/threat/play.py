"""The one loop of all questions: an adversary sees shadows, learns from them, and is asked about victims."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..attacks.base import Attack, Query
from ..core import plugins
from ..core.errors import PopleakError
from ..questions.base import Question, Shown, View
from ..steps.attack import AttackStep, Judging
from ..store import answers as stored
from ..store import parquet as store
from ..store import schema
from .access.base import NONE, Access
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
        parts += play(question, attack, own, settings, source, stored.read_points(files.points, source.pair.pair))
    facts = store.provenance(stage=settings.stage, step=step, settings=settings.plain(), code=code, inputs=files.all)
    store.write(output, schema.table(question.table, parts), facts)


def play(
    question: Question, attack: Attack, own: Any, settings: Judging, source: Seen, sets: Mapping[int, stored.Points]
) -> list[Part]:
    """Return the rows of one game: the attack under every defence and with each knowledge, split by split.

    own: the attack's settings; sets: the query sets by split. Raises PopleakError where the attack cannot be mounted on the models.
    """
    game = source.game(attack)
    if reason := attack.refuses(game):
        raise PopleakError(f"attack {settings.attack_id}: {reason}")
    seeing, pair = Seeing(attack, source), source.pair
    constant = {
        "task": settings.task, "model": settings.model_id, "adversary": settings.attack_id, "access": seeing.access.name,
        "shadow_model": settings.shadow_model, **question.cell(pair), "poison": pair.poison,
    }  # fmt: skip
    undefended: dict[int, Any] = {}  # fitted once: the undefended shadows are the same under every defence
    parts: list[Part] = []
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
                used, query = query_of(asked, attack.all_points)
                view = View(attack, own, pair, query, here)
                fitted = undefended.get(split) if known.arm == NONE else None
                if fitted is None:
                    fitted = question.fit(
                        view, None if shadows is None else shown(seeing.of_shadows, shadows, split, used)
                    )
                if known.arm == NONE:
                    undefended[split] = fitted
                rows = question.grade(view, fitted, shown(seeing.access, victims, split, used))
                parts.append({**constant, "defence": defence, "knowledge": known.knowledge, "repeats": repeats, **rows})
    return parts


class Seeing:
    """What an attack sees of victims (`access`) and of its own shadows (`of_shadows`) in one game."""

    def __init__(self, attack: Attack, source: Seen) -> None:
        self.attack, self.source = attack, source
        self.access: Access = plugins.load("access", attack.access)
        self.of_shadows: Access = plugins.load("access", attack.shadow_access or attack.access)
        self._undefended: stored.Answers | None = None

    def victims(self, defence: str, repeats: int) -> stored.Answers:
        return self.access.read(self.source, "victim", defence, repeats, False)

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
        return self.of_shadows.read(self.source, "shadow", known.arm, known.repeats, self.access.votes)


def shown(access: Access, kept: stored.Answers, split: int, points: np.ndarray) -> Shown:
    """Return what is seen of one split's models, asked the query points at the positions `points` (m,)."""
    in_split = np.flatnonzero(kept.keys["split"] == split)
    return Shown({name: values[in_split] for name, values in kept.keys.items()}, access.outputs(kept, in_split, points))


def query_of(points: stored.Points, everywhere: bool = False) -> tuple[np.ndarray, Query]:
    """Return the positions of the points that the adversary asks (those drawn from one of the worlds, or all), and
    the query set."""
    used = np.flatnonzero((points.origin >= 0) | everywhere)
    cell = None if points.cell is None else points.cell[used]
    return used, Query(points.y[used], points.a[used], points.origin[used], cell)
