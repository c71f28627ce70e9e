"""Stage `measure`: utility, fairness and bounds of every model of one pair of worlds: parts of two public tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import answers as stored
from . import schema, store
from .measures import bounds, bounds_finer, fairness
from .seeds import generator

DRAWS = 400
"""Bootstrap draws of a model's bounds."""


class Worlds:
    """The two worlds' joint laws P(y, a) (2, 2), from the dataset's own rates, and the natural share of group 1."""

    def __init__(self, ratios: Sequence[float], mode: str, facts: Mapping[str, Any]) -> None:
        rates = np.array(facts["group_label_rates"])
        self.share = facts["group_share"]
        self.joints = [
            bounds.world_cells(ratio=ratio, mode=mode, rates=rates, label_rate=facts["label_rate"]) for ratio in ratios
        ]

    def accuracies(self, positives: np.ndarray) -> np.ndarray:
        """Return the accuracy (2, K) in each world of models with P(yhat = 1 | y, a) = positives (K, 2, 2)."""
        right = np.stack([1 - positives[:, 0], positives[:, 1]], 1)
        return np.stack([np.einsum("ya,kya->k", joint, right) for joint in self.joints])


def run(
    *,
    settings: Mapping[str, Any],
    data: Path,
    points: Path,
    answers: Mapping[str, Path],
    outputs: Mapping[str, Path],
    step: str,
    code: str,
) -> None:
    """Write the parts of `models` (victims and shadows) and of `bounds` (victims). answers: by role, the file of answers."""
    dataset = store.facts(data)
    models: list[dict[str, np.ndarray]] = []
    bound_parts: list[dict[str, np.ndarray]] = []
    for pair in settings["pairs"]:
        worlds = Worlds(pair["ratios"], settings["mode"], dataset)
        sets = stored.read_points(points, pair["pair"])
        _pair(settings, pair, worlds, sets, answers, models, bound_parts)
    facts = store.provenance(
        stage="measure", step=step, settings=settings, code=code, inputs=[data, points, *answers.values()]
    )
    store.write(outputs["models"], schema.table("models", models), facts)
    store.write(outputs["bounds"], schema.table("bounds", bound_parts), facts)


def _pair(
    settings: Mapping[str, Any],
    pair: Mapping[str, Any],
    worlds: Worlds,
    sets: Mapping[int, stored.Points],
    answers: Mapping[str, Path],
    models: list[dict[str, np.ndarray]],
    bound_parts: list[dict[str, np.ndarray]],
) -> None:
    """Append the parts of some pairs of worlds."""
    constant = {
        "task": settings["task"], "model": settings["model_id"], "protocol": pair["protocol"],
        "ratio_0": pair["ratios"][0], "ratio_1": pair["ratios"][1], "poison": pair["poison"],
    }  # fmt: skip
    for defence in settings["defences"]:
        for role, path in answers.items():
            there = stored.read(path, pair=pair["pair"], arm=settings["arms"][defence])
            for split, asked in sets.items():
                mine = np.flatnonzero(there.keys["split"] == split)
                keys = {name: there.keys[name][mine] for name in there.keys}
                scores = there.scores[mine]
                models.append(
                    {
                        **constant,
                        "role": role,
                        "defence": defence,
                        **keys,
                        **fair(scores, keys["finite"], asked, worlds),
                    }
                )
                if role == "victim":
                    rng = stream(settings, pair, defence, split)
                    bound_parts.append({**constant, "defence": defence, **keys, **bound(scores, asked, worlds, rng)})


def stream(settings: Mapping[str, Any], pair: Mapping[str, Any], defence: str, split: int) -> np.random.Generator:
    """Return the bootstrap's own generator of one file of victims: pairs of worlds and poisons share no draws."""
    return generator(
        settings["seed"], "bootstrap", settings["task"], settings["model_id"], pair["pair"], defence, split
    )


def fair(scores: np.ndarray, finite: np.ndarray, asked: stored.Points, worlds: Worlds) -> dict[str, np.ndarray]:
    """Return the measures of K models with scores (K, q): columns of `models`, each (K,)."""
    rates = fairness.rates(scores, asked.y, asked.a, share=worlds.share)
    accuracy = worlds.accuracies(rates.positives)
    share = np.where(asked.a == 1, worlds.share, 1 - worlds.share)
    weights = share / np.where(asked.a == 1, (asked.a == 1).mean(), (asked.a == 0).mean())
    named = (
        "accuracy", "accuracy_g0", "accuracy_g1", "tpr_g0", "tpr_g1", "fpr_g0", "fpr_g1",
        "delta_eo", "delta_eo_sum", "dp_difference",
    )  # fmt: skip
    return {
        **{name: getattr(rates, name) for name in named},
        "auc": fairness.auc(scores, asked.y, weights=weights),
        "gap": accuracy[0] - accuracy[1],
        "status": fairness.status(scores, finite),
    }


def bound(scores: np.ndarray, asked: stored.Points, worlds: Worlds, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return both sides of every form of the bound for K models with scores (K, q): columns of `bounds`, each (K,)."""
    positives, counts = fairness.cell_positives(scores, asked.y, asked.a)
    with np.errstate(invalid="ignore"):  # an empty cell has no rate: 0 / 0
        rates = positives / counts
    found = bounds.terms(rates, *worlds.joints)
    over = bounds.bootstrap(positives, counts, *worlds.joints, draws=DRAWS, rng=rng)
    size = len(scores)
    sides = (
        "delta_eo", "gap", "rhs_literal", "rhs_corrected", "adv_balanced", "rhs_balanced", "adv", "rhs_coupling",
    )  # fmt: skip
    return {
        **{name: getattr(found, name) for name in sides},
        "w": np.full(size, found.w),
        "beta": np.full(size, found.beta),
        **{f"{form}_holds": _holds(getattr(over, form)[0]) for form in over._fields},
        "smallest_cell": np.full(size, counts.min()),
        "literal_excess_low": over.literal[0],
        "literal_excess_high": over.literal[1],
        **_halves(scores, asked, found),
        "queries_to_detect": bounds.queries_to_detect(found.gap, accuracy=worlds.accuracies(rates).mean(axis=0)),
        **_by_scores(scores, asked, worlds, rng),
        **_by_groups(scores, asked, worlds),
    }


def _by_scores(
    scores: np.ndarray, asked: stored.Points, worlds: Worlds, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Return what an adversary gains who sees a record's score, and whether the bound on labels says anything of it."""
    cells = bounds_finer.score_cells(scores, asked.y, asked.a)
    found = bounds_finer.of_scores(cells, *worlds.joints, draws=DRAWS, rng=rng)
    low = found.excess_literal[0]
    return {
        "adv_scores": found.adv,
        "delta_eo_scores": found.delta_eo,
        "rhs_scores": found.rhs,
        "scores_holds": _holds(found.excess[0]),
        "scores_excess_low": low,
        "scores_exceed_literal": np.where(np.isnan(low), None, low > 0),
    }


def _by_groups(scores: np.ndarray, asked: stored.Points, worlds: Worlds) -> dict[str, np.ndarray]:
    """Return the bound over intersections with the second attribute; null where the dataset knows none."""
    size = len(scores)
    if asked.subgroup is None:
        numbers = ("adv_groups", "delta_eo_groups", "delta_eo_groups_measured", "rhs_groups")
        unknown = {name: np.full(size, None) for name in ("groups_holds", "smallest_group_cell")}
        return {**{name: np.full(size, np.nan) for name in numbers}, **unknown}
    cells = bounds_finer.group_cells(scores, asked.y, asked.a, asked.subgroup)
    found = bounds_finer.of_groups(*cells, *worlds.joints)
    return {
        "adv_groups": found.adv,
        "delta_eo_groups": found.delta_eo,
        "delta_eo_groups_measured": found.delta_eo_measured,
        "rhs_groups": found.rhs,
        "groups_holds": _holds(found.excess[0]),
        "smallest_group_cell": np.full(size, found.smallest),
    }


def _holds(low: np.ndarray) -> np.ndarray:
    """Return True where the lower limit (K,) of left minus right side is not above 0; None where it is not known."""
    return np.where(np.isnan(low), None, ~(low > 0))


def _halves(scores: np.ndarray, asked: stored.Points, found: bounds.Bound) -> dict[str, np.ndarray]:
    """Return the weighted delta on half of the points and the advantage, on the other half, of the rule that is best there.

    Measured on the same points the two would be equal by algebra, and the claim that they move together could not fail.
    """
    differences = []
    for part in (slice(0, None, 2), slice(1, None, 2)):
        positives, counts = fairness.cell_positives(scores[:, part], asked.y[part], asked.a[part])
        with np.errstate(invalid="ignore"):
            rates = positives / counts
        differences.append(rates[:, :, 1] - rates[:, :, 0])
    weight = found.pi * found.w_y
    counted = [np.where(weight > 0, one, 0) for one in differences]  # a label that weighs nothing may lack a rate
    return {
        "weighted_delta": np.abs(counted[0]) @ weight,
        "adv_balanced_measured": (np.sign(counted[0]) * counted[1]) @ weight,
    }
