"""The page of an audit of made-up tables, with lights of every colour."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import a_report
import fake_tables
from popleak.report import advice
from popleak.steps.advise import AdviseStep, Asked

TASK = "adult-sex"
VICTIMS = 120
STRENGTH = {"pure": 0.8, "ratio": 0.0}
"""By how much more than half of the victims are named, times two: strongly in pure worlds, and not at all between mixtures."""


def write(folder: Path, margin: float = 0.25, **more) -> Path:
    """Write the page below `folder`, and return its path. In pure worlds all is named; between mixtures labels say nothing, and scores are left open."""
    frames = fake_tables.tables(tasks=(TASK,), victims=VICTIMS)
    frames["scores"] = _decided(frames["scores"][frames["scores"]["adversary"] != "best"])  # which no run writes there
    needed = {name: frames[name] for name in advice.NEEDED}
    asked = Asked(
        attribute="sex",
        groups=("Male", "Female"),
        rows=500,
        query_rows=300,
        splits=5,
        victims=5 * VICTIMS,
        shadows=30,
        learning=("kl", "meta", "threshold"),
    )
    settings = AdviseStep(
        experiment=a_report.EXPERIMENT, margin=margin, defence="none", references={}, tasks={TASK: asked}, untried=("Run `popleak list defences`.",),
        cautions=("a made-up caution",), **more,
    )  # fmt: skip
    return advice.write(
        settings=settings, tables=fake_tables.write(folder, needed), placebos=(), cards=[a_report.CARD], sizes={TASK: 5000}, shares={TASK: 0.33}, references={},
        made={"Step of this page": "demo"}, code="c0de", output=folder / "audit.html",
    )  # fmt: skip


def _decided(scores):
    """Return verdicts that leave no doubt in pure worlds, say nothing between mixtures for labels, and vary by split for scores."""
    rng = np.random.default_rng(4)
    rate = 0.5 + scores["protocol"].map(STRENGTH).fillna(0.0) / 2
    mixed = (scores["protocol"] == "ratio") & (scores["access"] == "scores")
    rate = rate.where(~mixed, 0.58 + 0.1 * (scores["split"] - 2))
    right = rng.random(len(scores)) < rate
    score = np.where(right, 1.0, -1.0) * np.where(scores["world"] == 1, 1.0, -1.0)
    return scores.assign(score=score, guess=(score > 0).astype(int))
