"""Made-up tables of membership: an attack with shadows and one without, all candidates, targets and cells, and ROC curves."""

from __future__ import annotations

import zlib

import numpy as np
import pandas as pd
from scipy.stats import norm

PROTOCOLS = ("membership", "membership-unseen", "membership-poisoned")
ATTACKS = {"lira": ("scores", "informed", 1.0), "loss-threshold": ("scores", "any", 0.5)}
LEAK = {"none": 0.12, "fft-rehearsal": 0.09, "rehearsal": 0.07, "scratch": 0.05}
"""AUC of `lira` above 1/2, by defence."""
RATES = tuple(float(f"{10.0**power:.2g}") for power in np.arange(-4, 0.01, 0.25))
CELLS = {(0, 0): (0.45, -0.02), (0, 1): (0.14, 0.0), (1, 0): (0.25, 0.06), (1, 1): (0.16, -0.01)}
"""Share of the candidates and further AUC of each label and group."""


def tables(tasks, models, defences, splits=2, candidates=400) -> dict[str, pd.DataFrame]:
    """Return the tables by name, of 32 victims a split; `compared_with` is `rehearsal` for `fft-rehearsal`, else `none`."""
    out: dict[str, list[dict]] = {"membership": [], "membership_roc": [], "membership_victims": []}
    for task in tasks:
        for model in models:
            for protocol in PROTOCOLS:
                for defence in defences:
                    for name, (access, knowledge, share) in ATTACKS.items():
                        fixed = {
                            "task": task, "model": model, "protocol": protocol, "ratio": 0.3, "poison": 0.0, "defence": defence,
                            "adversary": name, "access": access, "knowledge": knowledge, "shadow_model": model, "repeats": 1,
                        }  # fmt: skip
                        leak = 0.0 if protocol == "membership-unseen" else share * LEAK.get(defence, 0.03)
                        auc = 0.5 + leak + _rng(task, model, protocol, defence).normal(0, 0.004)
                        out["membership"] += [fixed | row for row in _rows(auc, defence, splits, candidates)]
                        out["membership_roc"] += [
                            fixed | row for row in _curve(auc) if row["fpr"] > 2 / candidates / splits / 32
                        ]
                        out["membership_victims"] += [
                            fixed | {"split": split, "model_index": i, "auc": auc}
                            for split in range(splits)
                            for i in range(32)
                        ]
    return {name: pd.DataFrame(rows) for name, rows in out.items()}


def _rng(*key: object) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(repr(key).encode()))


def _rows(auc, defence, splits, candidates):
    half = 16 * splits * candidates
    about = {"label": -1, "group": -1, "victims": 32 * splits, "splits": splits, "shadows": 15, "diverged": 0.0}
    compared = {} if defence == "none" else _limits("auc_vs", -0.03, 0.01) | {
        "compared_with": "rehearsal" if defence == "fft-rehearsal" else "none", **_limits("tau", 0.6, 0.1), "auc_vs_p": 0.001,
    }  # fmt: skip
    yield about | compared | {"part": "all", "members": half, "non_members": half} | _area(auc, 0.01)
    for (label, group), (share, more) in CELLS.items():
        size = int(share * half)
        row = {"part": "cell", "label": label, "group": group, "members": size, "non_members": size}
        width = 0.01 / share**0.5
        yield about | row | _area(auc + more * (auc - 0.5) / 0.12, width) | _limits("auc_like", auc, width)


def _area(auc, width):
    side = "above" if auc - width > 0.5 else "below" if auc + width < 0.5 else "cannot tell"
    return _limits("auc", auc, width) | {"against_chance": side}


def _limits(name, value, width):
    return {name: value, f"{name}_low": value - width, f"{name}_high": value + width}


def _curve(auc):
    """Yield the ROC curve of normal scores with this area."""
    for rate in RATES:
        tpr = float(norm.sf(norm.isf(rate) - 2**0.5 * norm.ppf(auc)))
        yield {"fpr": rate, "tpr": tpr, "tpr_low": tpr * 0.85, "tpr_high": min(1.0, tpr * 1.15)}
