"""Made-up tables of games of many worlds (estimates, regression, confusion) and of cheap proxies."""

from __future__ import annotations

import zlib

import numpy as np
import pandas as pd

RATIOS = tuple(tenth / 10 for tenth in range(11))
NOISE = {"kl": 0.09, "meta": 0.06, "weights": 0.07, "data": 0.012}
ACCESS = {"weights": "weights", "data": "rows"}
DEFENCES = {"none": 1.0, "fft-rehearsal": 2.2}
PROXIES = {"delta_eo": 0.5, "|gap|": 0.35, "threshold advantage": 0.85, "shadow accuracy": 0.7}


def tables(tasks, models, splits, victims, ratios=RATIOS) -> dict[str, list[pd.DataFrame]]:
    """Return parts of the tables by name."""
    out = {name: [] for name in ("estimates", "regression", "confusion")}
    for task in tasks:
        for model in models:
            for defence, blur in DEFENCES.items():
                for adversary, noise in NOISE.items():
                    for known in _knowledge(adversary, defence):
                        if adversary == "data" and defence != "none":
                            continue
                        cell = {
                            "task": task, "model": model, "ratios": " ".join(f"{r:g}" for r in ratios), "poison": 0.0,
                            "defence": defence, "adversary": adversary, "access": ACCESS.get(adversary, "scores"),
                            "knowledge": known, "shadow_model": model, "repeats": 1,
                        }  # fmt: skip
                        found = _estimates(
                            cell, ratios, noise * blur * (2.0 if known == "unaware" else 1.0), splits, victims
                        )
                        out["estimates"].append(found.assign(**cell))
                        out["regression"].append(_regression(found, ratios).assign(**cell))
                        out["confusion"].append(_confusion(found, ratios).assign(**cell))
    out["proxies"] = [_proxies(tasks)]
    return out


def _knowledge(adversary, defence):
    return ("any",) if adversary == "data" else ("informed",) if defence == "none" else ("unaware", "informed")


def _estimates(cell, ratios, noise, splits, victims):
    rng = np.random.default_rng(zlib.crc32(repr(sorted(cell.items())).encode()))
    index = pd.MultiIndex.from_product([range(splits), ratios, range(victims)], names=["split", "ratio", "model_index"])
    frame = index.to_frame(index=False)
    frame["estimate"] = (0.05 + 0.9 * frame["ratio"] + rng.normal(0, noise, len(frame))).clip(0, 1)
    worlds = np.array(ratios)
    frame["named"] = worlds[np.abs(frame["estimate"].to_numpy()[:, None] - worlds).argmin(axis=1)]
    return frame


def _regression(frame, ratios):
    rows = []
    for ratio, part in [*frame.groupby("ratio"), (np.nan, frame)]:
        error = part["estimate"] - part["ratio"]
        mse, alone = float((error**2).mean()), ratio == ratio
        row = {
            "ratio": ratio, "victims": len(part), "splits": part["split"].nunique(), "mae": float(error.abs().mean()),
            "mse": mse, "bias": float(error.mean()), "accuracy": float((part["named"] == part["ratio"]).mean()),
            "n_leaked": ratio * (1 - ratio) / mse if alone and 0 < ratio < 1 else np.nan,
            "mutual_information": np.nan if alone else 1.7,
        }  # fmt: skip
        for name in ("mae", "mse", "bias", "n_leaked", "accuracy", "mutual_information"):
            row |= {f"{name}_low": 0.8 * row[name], f"{name}_high": 1.25 * row[name]}
        row["accuracy_high"] = min(1.0, row["accuracy_high"])
        rows.append(row | {"fano_ceiling": np.nan if alone else 0.62, "chance": 1 / len(ratios)})
    return pd.DataFrame(rows)


def _confusion(frame, ratios):
    counts = pd.crosstab(frame["ratio"], frame["named"]).reindex(index=list(ratios), columns=list(ratios), fill_value=0)
    long = counts.stack().rename("victims").reset_index()
    long["share"] = long["victims"] / long.groupby("ratio")["victims"].transform("sum")
    return long


def _proxies(tasks):
    rng, rows = np.random.default_rng(5), []
    for proxy, strength in PROXIES.items():
        for scope in ("all", *tasks):
            near = strength if scope == "all" else float(np.clip(strength + rng.normal(0, 0.15), -1, 1))
            half = 0.08 if scope == "all" else 0.25
            rows.append(
                {
                    "proxy": proxy, "scope": scope, "cells": 18 * (len(tasks) if scope == "all" else 1),
                    "tasks": len(tasks) if scope == "all" else 1, "rank_correlation": near,
                    "low": max(-1.0, near - half),
                    "high": min(1.0, near + half),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)
