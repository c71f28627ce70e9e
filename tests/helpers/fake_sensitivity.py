"""A made-up table of every setting of fine-tuning, in tasks as they are and in twins of equal label rates."""

from __future__ import annotations

import itertools
import zlib

import numpy as np
import pandas as pd

STRENGTHS = ((5, 0.001), (5, 0.003), (20, 0.001), (20, 0.003))
SHARES = (0.0, 0.1, 0.5)
WEIGHTS = (0.0, 0.25, 1.0, 4.0)
USUAL = ((20, 0.003), (0.5, 2.0, 8.0, "auto"))
"""What the usual strength is tried with besides."""


def arms() -> list[dict]:
    """Return the settings of each arm."""
    found = []
    for (epochs, rate), share in itertools.product(STRENGTHS, SHARES):
        for weight in (*WEIGHTS, *(USUAL[1] if (epochs, rate) == USUAL[0] else ())):
            name = f"e{epochs}-r{rate:g}-s{share:g}".replace(".", "p")
            kind = "fft-rehearsal" if weight else "rehearsal"
            found.append(
                {"defence": f"{kind}-{name}" + (f"-w{weight}".replace(".", "p") if weight else ""), "kind": kind,
                 "control": f"rehearsal-{name}" if weight else None, "epochs": epochs, "learning_rate": rate, "rehearsal": share,
                 "eo_weight": 1.5 if weight == "auto" else weight, "eo_chosen": weight == "auto"}
            )  # fmt: skip
    return found


def table(tasks, models, pairs, victims: int = 40) -> pd.DataFrame:
    """Return the table of `tasks` and a twin of equal label rates of the first."""
    rows = []
    for task, model, pair in itertools.product((*tasks, f"{tasks[0]}-twin"), models, pairs):
        twin = task.endswith("-twin")
        for arm in arms():
            if pair[0] == "equal" or (twin and arm["rehearsal"]):
                continue
            rng = np.random.default_rng(zlib.crc32(repr((task, model, pair, arm)).encode()))
            travel = (arm["epochs"] * arm["learning_rate"] / 0.06) ** 0.6 * (1 + 0.1 * arm["eo_weight"]) + rng.normal(
                0, 0.03
            )
            added = 0.1 * (arm["eo_weight"] > 0) * (arm["rehearsal"] == 0) * (0.1 if twin else 1.0)
            middle = {"named": np.clip(0.97 - 0.3 * travel * (0.4 + arm["rehearsal"]) + added + rng.normal(0, 0.02), 0.5, 1.0),
                      "delta_eo_crossed": 0.18 / (1 + arm["eo_weight"]) + rng.normal(0, 0.01),
                      "model_accuracy": 0.82 - 0.01 * arm["eo_weight"] * travel + rng.normal(0, 0.003),
                      "difference_vs_control": added + rng.normal(0, 0.02) if arm["control"] else np.nan,
                      "excess": 0.9 * added if arm["control"] and not twin and task == tasks[0] else np.nan}  # fmt: skip
            half = {
                "named": 0.05,
                "delta_eo_crossed": 0.02,
                "model_accuracy": 0.005,
                "difference_vs_control": 0.04,
                "excess": 0.06,
            }
            spans = {
                f"{name}{end}": middle[name] + sign * half[name]
                for name in middle
                for end, sign in (("_low", -1), ("_high", 1))
            }
            word = "higher" if added > 0.05 else "cannot tell"
            rows.append(
                {"task": task, "model": model, **dict(zip(("protocol", "ratio_0", "ratio_1"), pair, strict=True)),
                 "ratio_mode": "label-balanced" if twin else "natural", **arm, "victims": victims, "splits": 5, "diverged": 0,
                 "constant": 0.1, "travel": travel, "delta_eo": middle["delta_eo_crossed"] + 0.02, "gap": 0.05, "below_tau": 0.8,
                 **middle, **spans, "p_vs_control": 0.01, "p_vs_control_holm": 0.04, "verdict_vs_control": word if arm["control"] else None,
                 "c2": "holds" if arm["control"] else None, "c3": "fails", "c5": "holds" if arm["control"] else None,
                 "c6": {"higher": "fails"}.get(word, word) if arm["control"] else None,
                 "balanced_task": f"{task}-twin" if task == tasks[0] else None,
                 "verdict_excess": ("higher" if added > 0.07 else "cannot tell") if np.isfinite(middle["excess"]) else None}
            )  # fmt: skip
    return pd.DataFrame(rows)
