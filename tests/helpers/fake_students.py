"""Made-up public tables of teachers and students: membership, defences and the ratio's leakage."""

from __future__ import annotations

import itertools
import json
import zlib

import numpy as np
import pandas as pd

from popleak.measures.verdicts import ABOVE, OPEN
from popleak.store import schema

TASKS = ("acs", "acs-100", "adult", "adult-100", "compas", "compas-100")
FAIR = {"epochs": 20, "learning_rate": 0.001, "rehearsal": 0.5, "eo_weight": 1.0, "penalty": "absolute", "eo_reference": "batch"}  # fmt: skip
TRAINED = {"epochs": 20, "learning_rate": 0.001}
SOFT = {**TRAINED, "labels": "soft", "temperature": 1.0}
ARMS = {
    "none": ("none", {}, None),
    "rehearsal": ("rehearsal", {**TRAINED, "rehearsal": 0.5}, "none"),
    "fft-rehearsal": ("fft-rehearsal", FAIR, "rehearsal"),
    "plain": ("distillation", SOFT, "none"),
    "cool": ("distillation", SOFT | {"temperature": 4.0}, "none"),
    "hard": ("distillation", {**TRAINED, "labels": "hard"}, "none"),
    "same-rows": ("distillation", SOFT | {"rows": "own"}, "none"),
    "tenth": ("distillation", SOFT | {"near": 0.1}, "none"),
    "half": ("distillation", SOFT | {"near": 0.5}, "none"),
    "whole": ("distillation", SOFT | {"near": 1.0}, "none"),
    "fair-taught": ("distillation", SOFT | {"teacher": "fft-rehearsal", "teacher_settings": FAIR}, "fft-rehearsal"),
    "of-many": ("distillation", SOFT | {"teacher": "ensemble", "parts": 4}, "none"),
}
"""Of each defence: its plugin, its settings, and whom its models are compared with. Ids say nothing of the plugin."""
STUDENTS = tuple(name for name, (kind, *_) in ARMS.items() if kind == "distillation")
KEPT = {"plain": 0.55, "cool": 0.5, "hard": 0.2, "same-rows": 0.85, "tenth": 0.6, "half": 0.7, "whole": 0.8, "fair-taught": 0.4,
        "of-many": 0.3, "rehearsal": 0.9, "fft-rehearsal": 0.95, "none": 1.0}  # fmt: skip


def _limits(name: str, value: float, half: float) -> dict[str, float]:
    return {name: value, f"{name}_low": value - half, f"{name}_high": value + half}


def _frame(table: str, rows: list[dict]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=[column.name for column in schema.TABLES[table]])


def tables(
    tasks=TASKS, models=("mlp",), arms=tuple(ARMS), attacks=("loss-threshold", "lira"), spread=0.1
) -> dict[str, pd.DataFrame]:
    """Return the three tables; spread: half of the intervals of tau."""
    rows: dict[str, list[dict]] = {"membership": [], "defences": [], "leakage": []}
    for task, model, name in itertools.product(tasks, models, arms):
        rng = np.random.default_rng(zlib.crc32(repr((task, model, name)).encode()))
        kind, settings, other = ARMS[name]
        tau, at = KEPT[name] + rng.normal(0, 0.05), {"task": task, "model": model, "defence": name, "poison": 0.0}
        for attack, protocol in itertools.product(attacks, ("membership", "membership-unseen")):
            seen = protocol == "membership"
            beside = {"compared_with": other, **_limits("tau", tau, spread)} if other in arms and seen else {}
            rows["membership"].append(
                {**at, "protocol": protocol, "ratio": 0.3, "adversary": attack, "access": "scores", "shadow_model": model, "repeats": 1,
                 "knowledge": "any" if attack == "loss-threshold" else "informed", "part": "all", "label": -1, "group": -1,
                 "victims": 256, "splits": 2, **_limits("auc", 0.5 + 0.1 * tau * seen * (attack == "lira"), 0.01), **beside}
            )  # fmt: skip
        pure = {**at, "protocol": "pure", "ratio_0": 0.0, "ratio_1": 1.0}
        named = 0.6 if kind == "fft-rehearsal" or name == "fair-taught" else 0.95 - 0.4 * (name == "hard")
        named += rng.normal(0, 0.01)
        rows["defences"].append(
            {**pure, "kind": kind, "settings": json.dumps(settings, sort_keys=True), "victims": 256, "splits": 2}
        )
        rows["leakage"].append(
            {**pure, "adversary": "best", "access": "any", "knowledge": "informed", "shadow_model": model, "repeats": 1, "victims": 256,
             "splits": 2, "diverged": 0, **_limits("accuracy", named, 0.03), "against_chance": ABOVE if named > 0.53 else OPEN}
        )  # fmt: skip
    return {table: _frame(table, found) for table, found in rows.items()}
