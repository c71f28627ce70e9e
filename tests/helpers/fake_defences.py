"""A made-up table `defences`: six defences at their defaults, and fair fine-tuning with one setting moved at a time."""

from __future__ import annotations

import itertools
import json
import zlib

import numpy as np
import pandas as pd

TUNED = {"epochs": 20, "learning_rate": 0.001, "rehearsal": 0.5}
FAIR = {**TUNED, "eo_weight": 1.0, "penalty": "absolute"}
MOVED = {"rehearsal": (0.0, 0.1, 0.2), "learning_rate": (0.003, 0.01), "epochs": (5, 60), "rows": (0.25, 0.05)}
DEFAULTS = {
    "none": {}, "finetune": {"epochs": 20, "learning_rate": 0.001}, "rehearsal": TUNED, "scratch": {"rehearsal": 0.5},
    "fft": {"epochs": 20, "learning_rate": 0.001, "eo_weight": 1.0, "penalty": "absolute"}, "fft-rehearsal": FAIR,
}  # fmt: skip
CONTROLS = {"fft": "finetune", "fft-rehearsal": "rehearsal"}
LEAK = {"none": 0.95, "finetune": 0.5, "rehearsal": 0.3, "scratch": 0.02, "fft": 0.55, "fft-rehearsal": 0.3}
EO = {"none": 0.17, "finetune": 0.1, "rehearsal": 0.11, "scratch": 0.12, "fft": 0.09, "fft-rehearsal": 0.03}


def arms() -> list[dict]:
    """Return id, kind, control and settings of each arm."""
    found = [
        {"defence": name, "kind": name, "control": CONTROLS.get(name), "settings": settings}
        for name, settings in DEFAULTS.items()
    ]
    for kind in ("rehearsal", "fft-rehearsal"):
        for key, values in MOVED.items():
            for value in values:
                at = f"-{key.replace('_', '-')}-{value:g}".replace(".", "p")
                control = f"rehearsal{at}" if kind == "fft-rehearsal" else None
                settings = DEFAULTS[kind] | {key: value}
                found.append({"defence": f"{kind}{at}", "kind": kind, "control": control, "settings": settings})
    for weight in (0.25, 4.0):
        name = f"fft-rehearsal-eo-{weight:g}".replace(".", "p")
        found.append(
            {"defence": name, "kind": "fft-rehearsal", "control": "rehearsal", "settings": FAIR | {"eo_weight": weight}}
        )
    return found


def _spread(name: str, value: float, half: float, low: float = -1.0) -> dict[str, float]:
    return {name: value, f"{name}_low": max(low, value - half), f"{name}_high": min(1.0, value + half)}


def table(tasks, models, pairs, extra=(), victims: int = 40) -> pd.DataFrame:
    """Return the table; extra: a third party's defences."""
    rows = []
    more = [{"defence": name, "kind": name, "control": None, "settings": {}} for name in extra]
    for task, model, pair, arm in itertools.product(tasks, models, pairs, [*arms(), *more]):
        rng = np.random.default_rng(zlib.crc32(repr((task, model, pair, arm["defence"])).encode()))
        kind, own = arm["kind"], arm["settings"]
        width = abs(pair[2] - pair[1])
        travel = (own.get("epochs", 20) * own.get("learning_rate", 0.001) / 0.02) ** 0.3
        mixed = 0.6 + 0.8 * abs(own.get("rehearsal", 0.5) - 0.5) if "rehearsal" in own else 1.0
        leak = float(np.clip(LEAK.get(kind, 0.4) * mixed / travel * width + rng.normal(0, 0.02), -0.1, 1.0))
        eo = abs(EO.get(kind, 0.1) / (1 + 0.3 * own.get("eo_weight", 0.0)) + rng.normal(0, 0.005))
        accuracy = 0.83 - 0.004 * own.get("eo_weight", 0.0) - 0.01 * (1 - own.get("rows", 1.0)) + rng.normal(0, 0.002)
        half = 0.1
        none = kind == "none"
        rows.append(
            {
                "task": task, "model": model, **dict(zip(("protocol", "ratio_0", "ratio_1"), pair, strict=True)), "poison": 0.0,
                **arm, "settings": json.dumps(own, sort_keys=True), "victims": victims, "splits": 5,
                **_spread("statistic_advantage", 0.3 * leak, half), "gap": 0.02 + 0.1 * leak,
                **_spread("unaware_advantage", 0.7 * leak, half), **_spread("informed_advantage", leak, half),
                "uncertified": len(arms()) - 2 + len(more), "informed_advantage_low_all": leak - 2 * half, "informed_advantage_high_all": leak + 2 * half,
                "against_chance": "above" if leak > half else "cannot tell", "repeats": 1,
                **_spread("difference_vs_none", np.nan if none else (leak - 0.95) / 2, 0.05),
                "verdict_vs_none": None if none else "lower", "verdict_vs_control": "cannot tell" if arm["control"] else None,
                "certified_advantage": 0.0 if kind == "scratch" else np.nan,
                **_spread("accuracy", accuracy, 0.004, 0.0), **_spread("accuracy_vs_none", np.nan if none else accuracy - 0.83, 0.003),
                "auc": accuracy + 0.05, **_spread("worst_group", accuracy - 0.04, 0.005, 0.0),
                **{f"accuracy_y{y}_g{a}": 0.9 - 0.3 * y - 0.02 * a for y in (0, 1) for a in (0, 1)},
                **_spread("delta_eo", eo, 0.01, 0.0), "delta_eo_floor": 0.012, **_spread("delta_eo_crossed", eo - 0.008, 0.01),
                "dp_difference": 0.8 * eo, **_spread("membership_auc", 0.515 + 0.01 * none, 0.004, 0.0), "membership_advantage": 0.02,
                "access": None if none else "training" if kind == "scratch" else "post-hoc", "needs": "nothing" if none else "rows of S_0",
                "rows_own": own.get("rehearsal", 0.0) * own.get("rows", 1.0), "rows_complement": 0.5, "rows_public": 0.0,
                "seconds_base": 0.01,
                "seconds_reference": 0.01 * (1 if none or kind == "scratch" else 1 + own.get("epochs", 20) * own.get("rows", 1.0) / 20),
                "diverged": 0.0, "constant": 0.0, "sd_accuracy": 0.003, "sd_advantage": 0.08,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)
