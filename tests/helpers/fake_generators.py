"""Made-up public tables of generators: what their rows give away of a ratio, and what poisoned rows do to models."""

from __future__ import annotations

import itertools
import json
import zlib

import numpy as np
import pandas as pd

from popleak.store import schema

RATIOS = (0.1, 0.3, 0.5, 0.7, 0.9)
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
TASKS = ("adult", "compas", "random-bit")
ALIKE = "random-bit"
"""The task whose groups differ in nothing."""
SHARERS = ("none", "fair", "resample", "fixed-prior")
ATTACKS = {
    "property-inference": ("samples", "any", 4000),
    "property-inference-200": ("samples", "any", 200),
    "property-classifier": ("samples-withheld", "any", 4000),
    "label-rate": ("samples-withheld", "any", 4000),
    "shadow-generators": ("samples", "informed", 4000),
    "shadow-generators-withheld": ("samples-withheld", "informed", 4000),
}
RECEIVERS = {
    "none": ("none", {}),
    "synthetic": ("synthetic", {"sharer": "none", "rebalance": False, "eo_weight": 0.0}),
    "balanced": ("synthetic", {"sharer": "none", "rebalance": True, "eo_weight": 0.0}),
    "fair": ("synthetic", {"sharer": "none", "rebalance": False, "eo_weight": 1.0}),
    "balanced-fair": ("synthetic", {"sharer": "none", "rebalance": True, "eo_weight": 1.0}),
}
UNFAIR, FLIPPING = "fairness-poisoning", "label-flipping"


def rng(*key: object) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(repr(key).encode()))


def _frame(table: str, rows: list[dict]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=[column.name for column in schema.TABLES[table]])


def shares(
    tasks=TASKS,
    models=("tabular-diffusion",),
    sharers=SHARERS,
    attacks=tuple(ATTACKS),
    ratios=RATIOS,
    splits=5,
    victims=2,
) -> pd.DataFrame:
    """Return the table `shares`: undefended, all but the task whose groups are alike give their ratio away; defended, none does."""
    rows = []
    for task, model, sharer, attack, ratio in itertools.product(tasks, models, sharers, attacks, ratios):
        access, knowledge, samples = ATTACKS[attack]
        blind = task == ALIKE and access != "samples"
        amplification = 1.0 if access == "samples" else 30.0 if blind else 6.0 if attack == "label-rate" else 1.6
        width = (np.log(2 / 0.05) / (2 * samples)) ** 0.5 * amplification
        for split, number in itertools.product(range(splits), range(victims)):
            told = ratio if sharer == "none" and not blind else 0.5
            raw = told + rng(task, model, sharer, attack, ratio, split, number).normal(
                0, 0.5 * amplification / samples**0.5
            )
            estimate = float(np.clip(raw, 0, 1))
            rows.append(
                {"task": task, "model": model, "protocol": "samples", "ratios": " ".join(map(str, ratios)), "poison": 0.0, "defence": sharer,
                 "adversary": attack, "access": access, "knowledge": knowledge, "shadow_model": model, "repeats": 1, "split": split, "ratio": ratio,
                 "model_index": number, "samples": samples, "raw": raw, "estimate": estimate, "amplification": amplification,
                 "width": width if knowledge == "any" else np.nan, "clipped": estimate != raw, "finite": True}
            )  # fmt: skip
    return _frame("shares", rows)


def samples(
    tasks=TASKS, models=("tabular-diffusion",), worlds=(("samples", RATIOS),), sharers=("none",), splits=5, victims=2
) -> pd.DataFrame:
    """Return the table `samples` of worlds that differ in `ratio`, by protocol."""
    rows = []
    for task, model, (protocol, ratios), sharer in itertools.product(tasks, models, worlds, sharers):
        for ratio, split, number in itertools.product(ratios, range(splits), range(victims)):
            noise = rng(task, model, sharer, ratio, split, number)
            own = 0.01 + (0.2 * ratio if protocol == UNFAIR else 0.05 * ratio if protocol == FLIPPING else 0.0)
            own *= 1 + noise.normal(0, 0.01)
            rows.append(
                {"task": task, "model": model, "protocol": protocol, "ratios": " ".join(map(str, ratios)), "defence": sharer, "split": split,
                 "ratio": ratio, "model_index": number, "rows": 4000, "share": 0.5, "label_rate": 0.25,
                 "information": own * (0.97 + noise.normal(0, 0.02)), "information_own": own,
                 "information_xy": 0.12, "information_xy_own": 0.12 * (1 + noise.normal(0, 0.005)), "dependence_p": 0.001 if own > 0.015 else 0.4,
                 "copied": 0.05 + noise.normal(0, 0.002), "copied_held_out": 0.05, "distance": 0.6, "distance_held_out": 0.6,
                 "nearer": 0.5 + noise.normal(0, 0.004), "compared": 4000, "outside": 0.0, "finite": True}
            )  # fmt: skip
    return _frame("samples", rows)


def _measures(receiver: str, protocol: str, share: float, noise: np.random.Generator) -> dict[str, float]:
    dose = share * {"none": 1.0, "synthetic": 0.9, "balanced": 0.4, "fair": 0.2, "balanced-fair": 0.02}[receiver]
    dose *= 1.0 if protocol == UNFAIR else 0.5
    return {
        "delta_eo": 0.07 + 0.25 * dose + noise.normal(0, 0.004), "dp_difference": 0.1 + 0.3 * dose + noise.normal(0, 0.004),
        "accuracy": 0.84 - 0.04 * dose + noise.normal(0, 0.002),
    }  # fmt: skip


def victims(
    tasks=("acs", "adult"), models=("mlp",), receivers=tuple(RECEIVERS), shares=SHARES, splits=5, victims=2
) -> pd.DataFrame:
    """Return the table `models`: a pair of worlds a share and protocol, the clean one in each pair the same."""
    rows = []
    for task, model, receiver, (protocol, share) in itertools.product(
        tasks, models, receivers, itertools.product((UNFAIR, FLIPPING), shares)
    ):
        for world, split, number in itertools.product((0, 1), range(splits), range(victims)):
            replaced = share if world else 0.0
            noise = rng(task, model, receiver, replaced and protocol, replaced, split, number)
            rows.append(
                {"task": task, "model": model, "role": "victim", "split": split, "world": world, "ratio": 0.5, "defence": receiver,
                 "model_index": number, "seed": 1, "status": "ok", "protocol": protocol, "ratio_0": 0.0, "ratio_1": share, "poison": 0.0,
                 **_measures(receiver, protocol, replaced, noise)}
            )  # fmt: skip
    return _frame("models", rows)


def defences(tasks=("acs", "adult"), models=("mlp",), arms=tuple(RECEIVERS)) -> pd.DataFrame:
    """Return the table `defences` of the receivers in RECEIVERS, with plugin and settings alone."""
    rows = [
        {"task": task, "model": model, "protocol": UNFAIR, "ratio_0": 0.0, "ratio_1": 0.7, "poison": 0.0, "defence": name,
         "kind": RECEIVERS[name][0], "settings": json.dumps(RECEIVERS[name][1], sort_keys=True)}
        for task, model, name in itertools.product(tasks, models, arms)
    ]  # fmt: skip
    return _frame("defences", rows)


def poisoned(
    tasks=("acs", "adult"), models=("mlp",), receivers=tuple(RECEIVERS), shares=SHARES, splits=5
) -> dict[str, pd.DataFrame]:
    """Return the tables of sharers that choose their rows."""
    clean = (0.0, *shares)
    return {
        "models": victims(tasks, models, receivers, shares, splits),
        "samples": samples(tasks, worlds=((UNFAIR, clean), (FLIPPING, clean)), splits=splits),
        "defences": defences(tasks, models, receivers),
    }


def released(tasks=TASKS, models=("tabular-diffusion",), **more) -> dict[str, pd.DataFrame]:
    """Return the tables of sharers whose rows are attacked."""
    return {"shares": shares(tasks, models, **more), "samples": samples(tasks, models)}


LAUNDERED = {
    "none": ("none", 0.08), "synthetic": ("synthetic", 0.12), "synthetic-fair": ("synthetic", 0.24), "fft-generated": ("fft-generated", 0.2),
    "rehearsal": ("rehearsal", 0.1),
}  # fmt: skip
"""Defences of classifiers: plugin, and the mean error of the ratio that is estimated from them."""


def laundered(
    tasks=TASKS, models=("mlp",), arms=tuple(LAUNDERED), attacks=("threshold", "kl", "meta")
) -> dict[str, pd.DataFrame]:
    """Return the tables `regression` and `defences` of classifiers that are trained on a generator's rows, and of others."""
    rows, told = [], []
    for task, model, name in itertools.product(tasks, models, arms):
        kind, error = LAUNDERED[name]
        told.append(
            {
                "task": task,
                "model": model,
                "protocol": "ratio",
                "ratio_0": 0.1,
                "ratio_1": 0.9,
                "defence": name,
                "kind": kind,
                "settings": "{}",
            }
        )
        for attack, ratio in itertools.product(attacks, (*RATIOS, np.nan)):
            mae = error + rng(task, model, name, attack).normal(0, 0.01)
            rows.append(
                {"task": task, "model": model, "ratios": " ".join(map(str, RATIOS)), "poison": 0.0, "defence": name, "adversary": attack,
                 "access": "labels" if attack == "threshold" else "scores", "knowledge": "informed", "shadow_model": model, "repeats": 1,
                 "ratio": ratio, "victims": 125, "splits": 5, "mae": mae, "mae_low": mae - 0.02, "mae_high": mae + 0.02}
            )  # fmt: skip
    return {"regression": _frame("regression", rows), "defences": _frame("defences", told)}
