"""Stage `attack`: one attack on the victims of some pairs of worlds, under every defence and with each knowledge.

For each pool split the attack is calibrated on that split's shadows and judges that split's victims, one at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from . import answers as stored
from . import plugins, schema, store
from .attacks.base import Attack, Game, Judge, Query

NONE = "none"


def outputs_of(answers: stored.Answers, chosen: np.ndarray, points: np.ndarray, access: str) -> np.ndarray:
    """Return what the adversary sees (K, m) float64: scores, or hard labels 0.0 / 1.0.

    A diverged model answers not-a-number; the adversary reads that as 0.5, the answer that says nothing.
    """
    seen = answers.scores[chosen]
    if not np.array_equal(points, np.arange(seen.shape[1])):  # most query sets are asked whole
        seen = seen[:, points]
    finite = np.isfinite(seen).all()
    seen = seen.astype(np.float64)
    if not finite:
        np.nan_to_num(seen, copy=False, nan=0.5, posinf=1.0, neginf=0.0)
    return (seen >= 0.5).astype(np.float64) if access == "labels" else seen


def shadows_by_world(answers: stored.Answers, split: int, points: np.ndarray, access: str) -> list[np.ndarray]:
    """Return the outputs of one split's finite shadows of world 0 and of world 1."""
    keys = answers.keys
    found = []
    for world in (0, 1):
        mine = (keys["split"] == split) & (keys["world"] == world)
        finite = mine & keys["finite"]
        found.append(outputs_of(answers, finite if finite.any() else mine, points, access))
    return found


def query_of(points: stored.Points) -> tuple[np.ndarray, Query]:
    """Return the positions of the points that the adversary asks, those drawn from one of the worlds, and the query."""
    used = np.flatnonzero(points.origin >= 0)
    cell = None if points.cell is None else points.cell[used]
    return used, Query(points.y[used], points.a[used], points.origin[used], cell)


def calibrated(
    attack: Attack, settings: Any, shadows: stored.Answers, split: int, points: stored.Points, game: Game
) -> Judge:
    """Return the judge calibrated on one split's shadows; an attack without shadows is given none, (0, m)."""
    used, asked = query_of(points)
    zero, one = (
        shadows_by_world(shadows, split, used, attack.access) if attack.shadows else [np.empty((0, len(used)))] * 2
    )
    return attack.calibrate(
        shadows_0=zero, shadows_1=one, query=asked, game=game._replace(law=points.law), settings=settings
    )


def judge_split(
    attack: Attack,
    settings: Any,
    shadows: stored.Answers,
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
    judge = None if judges is None else judges.get(split)
    if judge is None:
        judge = calibrated(attack, settings, shadows, split, points, game)
    if judges is not None:
        judges[split] = judge
    used, asked = query_of(points)
    mine = np.flatnonzero(victims.keys["split"] == split)
    seen = outputs_of(victims, mine, used, attack.access)
    scores = np.array([judge.score(row) for row in seen], dtype=np.float64)
    guesses = np.array([judge.guess(score) for score in scores], dtype=np.int64)
    known = attack.known_accuracy(game=game._replace(law=points.law), query=asked)
    return mine, scores, guesses, np.nan if known is None else known[0]


def run(
    *,
    settings: Mapping[str, Any],
    points: Path,
    answers: Mapping[str, Path],
    output: Path,
    step: str,
    code: str,
) -> None:
    """Write one row a verdict. answers: by role, the file of answers."""
    attack = plugins.load("attacks", settings["attack"])
    own = attack.Settings.model_validate(settings["attack_settings"])
    label_rate = store.facts(points)["label_rate"]
    parts: list[dict[str, Any]] = []
    for pair in settings["pairs"]:
        game = Game(*pair["ratios"], settings["rows"], settings["mode"], settings["model"], label_rate=label_rate)
        parts += _pair(attack, own, settings, pair, game, stored.read_points(points, pair["pair"]), answers)
    facts = store.provenance(
        stage="attack", step=step, settings=settings, code=code, inputs=[points, *answers.values()]
    )
    store.write(output, schema.table("scores", parts), facts)


def _pair(
    attack: Attack,
    own: Any,
    settings: Mapping[str, Any],
    pair: Mapping[str, Any],
    game: Game,
    sets: Mapping[int, stored.Points],
    answers: Mapping[str, Path],
) -> list[dict[str, Any]]:
    """Return the verdicts on one pair of worlds: the attack under every defence and with each knowledge."""
    undefended = stored.read(answers["shadow"], pair=pair["pair"], defence=NONE)
    unaware: dict[int, Judge] = {}  # calibrated once: the undefended shadows are the same under every defence
    parts: list[dict[str, Any]] = []
    for defence in settings["defences"]:
        if attack.undefended_only and defence != NONE:
            continue
        victims = stored.read(answers["victim"], pair=pair["pair"], defence=defence)
        same = undefended if defence == NONE else stored.read(answers["shadow"], pair=pair["pair"], defence=defence)
        for knowledge in _knowledge(attack, settings["knowledge"], defence):
            used = undefended if knowledge == "unaware" else same
            judges = unaware if attack.shadows and used is undefended else None
            for split, asked in sets.items():
                if not attack.applies(game._replace(law=asked.law)):
                    continue
                mine, scores, guesses, known = judge_split(attack, own, used, victims, split, asked, game, judges)
                parts.append(
                    {
                        "task": settings["task"], "model": settings["model_id"], "protocol": pair["protocol"],
                        "ratio_0": pair["ratios"][0], "ratio_1": pair["ratios"][1], "defence": defence,
                        "adversary": settings["attack_id"], "access": attack.access, "knowledge": knowledge,
                        **{name: victims.keys[name][mine] for name in ("split", "world", "model_index")},
                        "score": scores, "guess": guesses, "known_ceiling": known,
                    }
                )  # fmt: skip
    return parts


def _knowledge(attack: Attack, wanted: list[str], defence: str) -> list[str]:
    """Return the knowledge levels that differ: one for attacks without shadows, and for undefended victims."""
    if not attack.shadows:
        return ["any"]
    return ["informed"] if defence == NONE else list(wanted)
