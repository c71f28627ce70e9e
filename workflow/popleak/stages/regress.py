"""Stage `regress`: one attack names the ratio of each victim among many worlds, and estimates it.

The shadows are those of the pairs of worlds: a world's models are trained once, whatever games they play.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..attacks.base import Attack, Estimator
from ..steps.regress import RegressStep
from ..store import answers as stored
from ..threat import seen
from ..threat.seen import NONE, Files, Source, outputs_of, query_of, shadows_by_world


def run(*, settings: RegressStep, files: Files, output: Path, step: str, code: str) -> None:
    """Write one row a victim: estimate and named ratio."""
    seen.play("estimates", _game, settings=settings, files=files, output=output, step=step, code=code)


def _game(
    attack: Attack, own: Any, settings: RegressStep, source: Source, sets: Mapping[int, stored.Points]
) -> list[dict[str, Any]]:
    game, ratios = source.game(attack), np.array(source.pair.ratios)
    access = attack.shadow_access or attack.access
    votes = attack.access == "labels"
    undefended = source.read("shadow", access, NONE, 1, votes)  # once: the same under every defence
    unaware: dict[int, Estimator] = {}
    parts: list[dict[str, Any]] = []
    for defence, repeats in seen.cells(attack, settings):
        victims = source.read("victim", attack.access, defence, repeats)
        for level in seen.levels(attack, settings, defence, repeats):
            shadows = undefended
            if level.arm != NONE:
                shadows = source.read("shadow", access, level.arm, level.repeats, votes)
            for split, points in sets.items():
                used, asked = query_of(points, attack.all_points)
                judge = unaware.get(split) if level.arm == NONE else None
                if judge is None:
                    judge = attack.calibrate_many(
                        shadows=shadows_by_world(shadows, split, used, access, len(ratios)), ratios=source.pair.ratios, query=asked,
                        game=game._replace(law=points.law, seed=source.seed(split)), settings=own,
                    )  # fmt: skip
                if level.arm == NONE:
                    unaware[split] = judge
                mine = np.flatnonzero(victims.keys["split"] == split)
                outputs = outputs_of(victims, mine, used, attack.access)
                parts.append(
                    {
                        **seen.constants(attack, settings), "ratios": " ".join(str(float(ratio)).removesuffix(".0") for ratio in ratios),
                        "poison": source.pair.poison, "defence": defence, "knowledge": level.knowledge, "repeats": repeats,
                        "split": victims.keys["split"][mine], "model_index": victims.keys["model_index"][mine],
                        "ratio": ratios[victims.keys["world"][mine]],
                        "estimate": np.array([judge.estimate(row) for row in outputs]),
                        "named": ratios[[judge.name(row) for row in outputs]],
                    }
                )  # fmt: skip
    return parts
