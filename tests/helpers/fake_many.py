"""Made-up tables of games of many worlds (estimates, regression, confusion) and of cheap proxies."""

from __future__ import annotations

import zlib

import numpy as np
import pandas as pd

import joining

RATIOS = tuple(tenth / 10 for tenth in range(11))
NOISE = {"kl": 0.09, "meta": 0.06, "weights": 0.07, "data": 0.012}
ACCESS = {"weights": "weights", "data": "rows"}
DEFENCES = {"none": 1.0, "fft-rehearsal": 2.2}
PROXIES = {"delta_eo": 0.5, "|gap|": 0.35, "threshold advantage": 0.85, "shadow accuracy": 0.7}


def tables(tasks, models, splits, victims, ratios=RATIOS) -> dict[str, pd.DataFrame]:
    """Return the tables by name."""
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
                        out["estimates"].append(found | cell)
                        out["regression"].append(_regression(found, ratios) | cell)
                        out["confusion"].append(_confusion(found, ratios) | cell)
    return {name: joining.join(parts) for name, parts in out.items()} | {"proxies": _proxies(tasks)}


def _knowledge(adversary, defence):
    return ("any",) if adversary == "data" else ("informed",) if defence == "none" else ("unaware", "informed")


def _estimates(cell, ratios, noise, splits, victims):
    rng = np.random.default_rng(zlib.crc32(repr(sorted(cell.items())).encode()))
    worlds = np.array(ratios)
    found = np.meshgrid(np.arange(splits), worlds, np.arange(victims), indexing="ij")
    frame = dict(zip(("split", "ratio", "model_index"), (axis.ravel() for axis in found), strict=True))
    frame["estimate"] = (0.05 + 0.9 * frame["ratio"] + rng.normal(0, noise, found[0].size)).clip(0, 1)
    frame["named"] = worlds[np.abs(frame["estimate"][:, None] - worlds).argmin(axis=1)]
    return frame


def _regression(frame, ratios):
    rows = []
    for ratio in (*ratios, np.nan):
        part = {name: values[frame["ratio"] == ratio] if ratio == ratio else values for name, values in frame.items()}
        error = part["estimate"] - part["ratio"]
        mse, alone = float((error**2).mean()), ratio == ratio
        row = {
            "ratio": ratio, "victims": len(error), "splits": len(np.unique(part["split"])), "mae": float(np.abs(error).mean()),
            "mse": mse, "bias": float(error.mean()), "accuracy": float((part["named"] == part["ratio"]).mean()),
            "n_leaked": ratio * (1 - ratio) / mse if alone and 0 < ratio < 1 else np.nan,
            "mutual_information": np.nan if alone else 1.7,
        }  # fmt: skip
        for name in ("mae", "mse", "bias", "n_leaked", "accuracy", "mutual_information"):
            row |= {f"{name}_low": 0.8 * row[name], f"{name}_high": 1.25 * row[name]}
        row["accuracy_high"] = min(1.0, row["accuracy_high"])
        rows.append(row | {"fano_ceiling": np.nan if alone else 0.62, "chance": 1 / len(ratios)})
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _confusion(frame, ratios):
    worlds, size = np.array(ratios), len(ratios)
    ratio, named = (np.searchsorted(worlds, frame[name]) for name in ("ratio", "named"))
    counts = np.bincount(ratio * size + named, minlength=size * size)
    share = counts / np.repeat(counts.reshape(size, size).sum(axis=1), size)
    return {"ratio": np.repeat(worlds, size), "named": np.tile(worlds, size), "victims": counts, "share": share}


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
