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
from .attacks.base import Attack, Game, Query

NONE = "none"


def outputs_of(answers: stored.Answers, chosen: np.ndarray, points: np.ndarray, access: str) -> np.ndarray:
    """Return what the adversary sees (K, m) float64: scores, or hard labels 0.0 / 1.0.

    A diverged model answers not-a-number; the adversary reads that as 0.5, the answer that says nothing.
    """
    seen = np.nan_to_num(answers.scores[chosen][:, points].astype(np.float64), nan=0.5, posinf=1.0, neginf=0.0)
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


def judge_split(
    attack: Attack,
    settings: Any,
    shadows: stored.Answers,
    victims: stored.Answers,
    split: int,
    points: stored.Points,
    game: Game,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return (positions of the split's victims, scores, guesses, known ceiling or nan)."""
    used = np.flatnonzero(points.origin >= 0)
    asked = Query(
        points.y[used], points.a[used], points.origin[used], None if points.cell is None else points.cell[used]
    )
    here = game._replace(law=points.law)
    zero, one = shadows_by_world(shadows, split, used, attack.access)
    judge = attack.calibrate(shadows_0=zero, shadows_1=one, query=asked, game=here, settings=settings)
    mine = np.flatnonzero(victims.keys["split"] == split)
    seen = outputs_of(victims, mine, used, attack.access)
    scores = np.array([judge.score(row) for row in seen], dtype=np.float64)
    guesses = np.array([judge.guess(score) for score in scores], dtype=np.int64)
    known = attack.known_accuracy(game=here, query=asked)
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
    parts: list[dict[str, Any]] = []
    for defence in settings["defences"]:
        if attack.undefended_only and defence != NONE:
            continue
        victims = stored.read(answers["victim"], pair=pair["pair"], defence=defence)
        same = undefended if defence == NONE else stored.read(answers["shadow"], pair=pair["pair"], defence=defence)
        for knowledge in _knowledge(attack, settings["knowledge"], defence):
            used = undefended if knowledge == "unaware" else same
            for split, asked in sets.items():
                if not attack.applies(game._replace(law=asked.law)):
                    continue
                mine, scores, guesses, known = judge_split(attack, own, used, victims, split, asked, game)
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
