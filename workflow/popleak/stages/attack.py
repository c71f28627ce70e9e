"""Stage `attack`: one attack on the victims of some pairs of worlds, under every defence and with each knowledge.

For each pool split the attack is calibrated on that split's shadows and judges that split's victims, one at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..attacks.base import Attack, Game, Judge, TransductiveJudge
from ..core.errors import PopleakError
from ..steps.attack import AttackStep, Judging
from ..store import answers as stored
from ..threat import seen
from ..threat.seen import NONE, Files, Seen, outputs_of, query_of, shadows_by_world


def calibrated(
    attack: Attack, settings: Any, shadows: stored.Answers | None, split: int, points: stored.Points, game: Game
) -> Judge:
    """Return the judge calibrated on one split's shadows; an attack without shadows is given none, (0, m)."""
    used, asked = query_of(points, attack.all_points)
    zero, one = (
        shadows_by_world(shadows, split, used, attack.shadow_access or attack.access)
        if attack.shadows and shadows is not None
        else [np.empty((0, len(used)))] * 2
    )
    return attack.calibrate(shadows_0=zero, shadows_1=one, query=asked, game=game, settings=settings)


def judge_split(
    attack: Attack,
    settings: Any,
    shadows: stored.Answers | None,
    victims: stored.Answers,
    split: int,
    points: stored.Points,
    game: Game,
    judges: dict[int, Judge] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return (positions of the split's victims, scores, guesses, known ceiling or nan).

    judges: those calibrated on these shadows so far, by split; a new one is added. None: no other victims of this split
    meet these shadows, and the judge, which may be large, is not kept.
    """
    game = game._replace(law=points.law)
    judge = None if judges is None else judges.get(split)
    if judge is None:
        judge = calibrated(attack, settings, shadows, split, points, game)
    if judges is not None:
        judges[split] = judge
    used, asked = query_of(points, attack.all_points)
    mine = np.flatnonzero(victims.keys["split"] == split)
    outputs = outputs_of(victims, mine, used, attack.access)
    if isinstance(judge, TransductiveJudge):
        scores = np.asarray(judge.score_all(outputs), dtype=np.float64)
    else:
        scores = np.array([judge.score(row) for row in outputs], dtype=np.float64)
    guesses = np.array([judge.guess(score) for score in scores], dtype=np.int64)
    known = attack.known_accuracy(game=game, query=asked)
    return mine, scores, guesses, np.nan if known is None else known[0]


def run(*, settings: AttackStep, files: Files, output: Path, step: str, code: str) -> None:
    """Write one row a verdict. Raises PopleakError where the attack cannot be mounted on the models."""
    seen.play("scores", judge_pair, settings=settings, files=files, output=output, step=step, code=code)


def judge_pair(
    attack: Attack, own: Any, settings: Judging, source: Seen, sets: Mapping[int, stored.Points]
) -> list[dict[str, Any]]:
    """Return the verdicts on one pair of worlds: the attack under every defence and with each knowledge."""
    game, pair = source.game(attack), source.pair
    if reason := attack.refuses(game):
        raise PopleakError(f"attack {settings.attack_id}: {reason}")
    access = attack.shadow_access or attack.access
    undefended = source.read("shadow", access, NONE, 1) if attack.shadows and attack.access != "pair" else None
    unaware: dict[int, Judge] = {}  # calibrated once: the undefended shadows are the same under every defence
    parts: list[dict[str, Any]] = []
    for defence, repeats in seen.cells(attack, settings):
        victims = source.read("victim", attack.access, defence, repeats)
        for level in seen.levels(attack, settings, defence, repeats):
            usual = not attack.shadows or level.arm == NONE
            shadows = (
                undefended
                if usual
                else source.read("shadow", access, level.arm, level.repeats, attack.access == "labels")
            )
            for split, asked in sets.items():
                if not attack.applies(game._replace(law=asked.law)):
                    continue
                mine, scores, guesses, known = judge_split(
                    attack, own, shadows, victims, split, asked, game._replace(seed=source.seed(split)),
                    unaware if usual and attack.shadows else None,
                )  # fmt: skip
                parts.append(
                    {
                        **seen.constants(attack, settings), "protocol": pair.protocol,
                        "ratio_0": pair.ratios[0], "ratio_1": pair.ratios[1], "poison": pair.poison,
                        "defence": defence, "knowledge": level.knowledge, "repeats": repeats,
                        **{name: victims.keys[name][mine] for name in ("split", "world", "model_index")},
                        "score": scores, "guess": guesses, "known_ceiling": known,
                    }
                )  # fmt: skip
    return parts
