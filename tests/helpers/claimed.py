"""Hand-made public tables of one task with means by defence, and the claims judged on them."""

from __future__ import annotations

import numpy as np
import pandas as pd

import told
from popleak.measures import verdicts
from popleak.store import schema
from popleak.tables import _paired, claims

GAME = {"task": "t", "model": "mlp", "protocol": "pure", "ratio_0": 0.0, "ratio_1": 1.0, "poison": 0.0}

TASKS = {"tasks": ["t"], "controls": {"t": {"fft": "finetune", "fft-rehearsal": "rehearsal"}}, "datasets": {"t": "acs-income"},
         "kinds": {"t": {n: n for n in ("none", "finetune", "rehearsal", "fft", "fft-rehearsal")}}, "searched": {}, "tau": 0.1, "seed": 1}  # fmt: skip
HOLDS, FAILS, SAME, OPEN, IDLE = verdicts.WORDS
MEASURES = (
    "accuracy",
    "auc",
    "accuracy_g0",
    "accuracy_g1",
    "tpr_g0",
    "tpr_g1",
    "fpr_g0",
    "fpr_g1",
    "delta_eo_sum",
    "dp_difference",
)
EO = ("delta_eo", "delta_eo_floor", *_paired.SQUARES)
DEFENCES = ("none", "finetune", "rehearsal", "fft", "fft-rehearsal")


def spread(mean: float, noise: float, count: int, key: int) -> np.ndarray:
    """Values about a mean: the same noise in each split, so that intervals are as wide as `noise` says."""
    return mean + noise * np.random.default_rng(key).standard_normal(count)


def tables(gap=None, eo=None, difference=None, bounds=None, noise=0.002, protocol="pure", vacuous=0.0):
    """Public tables of one task with means by defence: |gap|, Delta_EO; advantage difference to the control; bounds."""
    gap = {"none": 0.15, **dict.fromkeys(DEFENCES[1:], 0.02), **(gap or {})}
    eo = {"none": 0.2, "finetune": 0.2, "rehearsal": 0.15, "fft": 0.1, "fft-rehearsal": 0.03, **(eo or {})}
    ratios = {"pure": (0.0, 1.0), "equal": (0.5, 0.5)}[protocol]
    same = {**GAME, "protocol": protocol, "ratio_0": ratios[0], "ratio_1": ratios[1]}
    models, limits = [], []
    for number, defence in enumerate(DEFENCES):
        for split in range(5):
            for world in (0, 1):
                part = {**same, "role": "victim", "status": "ok", "defence": defence, "split": split, "world": world}
                key = 100 * split + world
                sign = 1 if world == 0 else -1
                # columns are put together before they are a frame: pandas takes a second to insert a thousand of them one by one
                frame = {"model_index": np.arange(8), **part}
                frame |= {"eo_weight": float(defence.startswith("fft")), "eo_vacuous": vacuous}
                frame |= zip(
                    MEASURES, np.random.default_rng(key + 1000 * number).random((8, len(MEASURES))).T, strict=True
                )
                apart = spread(eo[defence], noise, 8, key + 7 * number)
                frame |= {
                    "small_cells": np.nan,  # two classes
                    "gap": sign * spread(gap[defence], noise, 8, key + number),
                    "delta_eo": np.abs(apart),
                    "delta_eo_floor": 0.01,
                    "fpr_difference_squared": apart * np.abs(apart),
                    "tpr_difference_squared": apart * np.abs(apart) / 9,
                }
                models.append(pd.DataFrame(frame))
                fell = (bounds or {}).get("fell", -0.1) if defence.startswith("fft") else 0.0
                delta = (bounds or {}).get("delta", -0.1) if defence.startswith("fft") else 0.0
                broken = np.arange(8) < (bounds or {}).get("literal", 0)
                middle = (bounds or {}).get("literal_excess", np.where(broken, 0.03, -0.03))
                limit = {name: frame[name] for name in ("model_index", *part) if name not in ("role", "status")}
                limit |= {
                    "smallest_cell": 100,
                    "adv_balanced_measured": spread(0.3 + fell, noise, 8, key + 3 * number),
                    "weighted_delta": spread(0.3 + delta, noise, 8, key + 5 * number),
                    "literal_excess_low": middle - 0.01,
                    "literal_excess_high": middle + 0.01,
                }
                for form in ("literal", "balanced", "corrected", "coupling"):
                    limit[f"{form}_holds"] = np.arange(8) >= (bounds or {}).get(form, 0)
                limits.append(pd.DataFrame(limit))
    value, low, high, word = difference or (-0.1, -0.125, -0.075, "lower")
    best = pd.DataFrame(
        [{**same, "defence": d, "adversary": "best", "access": "any", "knowledge": "informed", "certified_advantage": np.nan, "victims": 80, "splits": 5, "accuracy": 0.75,
          "accuracy_low": 0.7, "accuracy_high": 0.8, "difference_vs_control": value, "difference_vs_control_low": low,
          "difference_vs_control_high": high, "p_vs_control": 0.01, "p_vs_control_holm": 0.02, "verdict_vs_control": word, "reason_vs_control": None, "margin": 0.05,
          "p_equal_vs_control": 0.03, "p_equal_vs_control_holm": 0.06, "sd_vs_control": 0.5, "between_vs_control": 0.0}
         for d in ("fft", "fft-rehearsal")]
    )  # fmt: skip
    return {"models": pd.concat(models), "bounds": pd.concat(limits), "leakage": best, "scores": best.iloc[:0]}


def judge(settings=None, **parts) -> pd.DataFrame:
    made = claims.make(parts=[], tables=tables(**parts), settings=told.table("claims", {**TASKS, **(settings or {})}))
    assert made.column_names == [column.name for column in schema.CLAIMS]
    return made.to_pandas()


def verdict(found: pd.DataFrame, claim: str) -> list[str]:
    return found.loc[found["claim"] == claim, "verdict"].tolist()


def diverge(parts: dict, *defences: str) -> dict:
    """The tables where every victim under these defences diverged."""
    models, bounds = parts["models"].copy(), parts["bounds"].reset_index(drop=True)
    gone = models["defence"].isin(defences)
    models.loc[gone, "status"] = "diverged"
    models.loc[gone, [*MEASURES, "gap", *EO]] = np.nan
    unknown = bounds["defence"].isin(defences)
    for name in bounds.columns[bounds.columns.str.endswith(("_holds", "_low", "_high", "_measured", "_delta"))]:
        bounds[name] = bounds[name].astype(object).where(~unknown, None)
        if not name.endswith("_holds"):
            bounds[name] = bounds[name].astype(float)
    leakage = parts["leakage"].copy()
    lost = leakage["defence"].isin(defences)
    leakage.loc[lost, [name for name in leakage if name.startswith(("difference", "p_"))]] = np.nan
    leakage.loc[lost, "verdict_vs_control"] = OPEN
    leakage.loc[lost, "reason_vs_control"] = "no model is left: all 80 diverged"
    return {**parts, "models": models, "bounds": bounds, "leakage": leakage}


def changed(parts, defence, world, *, eo=None, **columns):
    """Change the victims of one defence that start from one world. eo: their Delta_EO, all alike but for little noise."""
    models = parts["models"].reset_index(drop=True)
    mine = (models["defence"] == defence) & (models["world"] == world)
    if eo is not None:
        apart = spread(eo, 1e-3, int(mine.sum()), 9)
        columns |= {name: apart * np.abs(apart) / share for name, share in zip(_paired.SQUARES, (1, 9), strict=True)}
    for name, value in columns.items():
        models.loc[mine, name] = value
    return {**parts, "models": models}
