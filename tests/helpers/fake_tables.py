"""Made-up public tables with the shape and rough size of real ones, for the tests of figures and report.

`tables` gives plain games of two worlds; with `full`, every attack, access, kind of knowledge and axis there is.
"""

from __future__ import annotations

import functools
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

import fake_budgets
import fake_defences
import fake_many
import fake_membership
import fake_sensitivity
import joining
from popleak.config import papers
from popleak.measures import leakage as measures
from popleak.measures.verdicts import Found, against_chance
from popleak.store import parquet as store
from popleak.store import schema

TASKS = ("acs-sex", "adult-sex", "compas-race", "lsac-race")
PAIRS = (("pure", 0.0, 1.0), ("ratio", 0.3, 0.5), ("equal", 0.5, 0.5))
DEFENCES = ("none", "finetune", "rehearsal", "scratch", "fft", "fft-rehearsal")
# strength against an undefended model in pure worlds, in standard deviations between the worlds' scores
ADVERSARIES = {
    "accuracy-gap": ("labels", ("any",), 1.2),
    "loss": ("labels", ("any",), 1.4),
    "threshold": ("labels", ("unaware", "informed"), 1.8),
    "kl": ("scores", ("unaware", "informed"), 3.2),
    "meta": ("scores", ("unaware", "informed"), 3.8),
    "best": ("any", ("unaware", "informed"), 3.8),
}
# what the whole suite adds to them, with `full`
SETTINGS = ("unaware", "aware", "informed")
MORE = {
    "accuracy-gap": ("labels", ("any",), 1.2),
    "loss": ("labels", ("any",), 1.4),
    "threshold": ("labels", SETTINGS, 1.8),
    "per-point": ("scores", SETTINGS, 2.6),
    "kl": ("scores", SETTINGS, 3.2),
    "kl-label": ("labels", SETTINGS, 2.4),
    "kl-transductive": ("scores", SETTINGS, 4.0),
    "meta": ("scores", SETTINGS, 3.8),
    "meta-mlp": ("scores", SETTINGS, 3.6),
    "snap": ("scores", SETTINGS, 2.9),
    "snap-label": ("labels", SETTINGS, 2.0),
    "weights": ("weights", SETTINGS, 3.4),
    "pair": ("pair", SETTINGS, 4.2),
    "data": ("rows", ("any",), 6.0),
    "best": ("any", SETTINGS, 3.8),
}
POISONED = ("snap", "snap-label", "kl", "meta", "data")
SHARES = (0.0, 0.02, 0.05, 0.1)
STRENGTH = {"none": 1.0, "finetune": 0.55, "rehearsal": 0.35, "scratch": 0.3, "fft": 0.6, "fft-rehearsal": 0.33}
CERTIFIED = {"scratch": 0.0}
GAP = {"none": 0.13, "finetune": -0.06, "rehearsal": 0.05, "scratch": 0.045, "fft": -0.08, "fft-rehearsal": 0.03}
EO = {"none": 0.17, "finetune": 0.1, "rehearsal": 0.11, "scratch": 0.12, "fft": 0.09, "fft-rehearsal": 0.03}
CLAIMS = {
    "C1": ("ACS Income: gap about 0.15 before, under 0.04 after rehearsal FFt", ("acs-sex",), ("holds",)),
    "C2": ("The gap is below tau in the majority of runs", TASKS, ("holds", "holds", "holds", "fails")),
    "C2s": ("The gap is below tau in all settings", TASKS, ("holds", "fails", "holds", "fails")),
    "C3": ("The literal bound holds", TASKS, ("holds", "fails", "cannot tell", "holds")),
    "C4": ("The label-balanced and corrected bounds hold", TASKS, ("holds",) * 4),
    "C5": ("FFt lowers Delta_EO", TASKS, ("holds",) * 4),
    "C6": (
        "FFt lowers training-side advantage below its matched no-EO control",
        TASKS,
        ("cannot tell", "no material difference", "cannot tell", "fails"),
    ),
    "C7": ("The weighted delta falls whenever the label-balanced advantage falls", TASKS, ("holds",) * 4),
    "C8": ("The tightness witness attains its bound", ("witness",), ("holds",)),
}
KINDS = {claim.id: claim.kind for claim in papers.load("fair-finetuning").claims}


def _rng(*key: object) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(repr(key).encode()))


def _who(splits: int, victims: int) -> dict[str, np.ndarray]:
    found = np.meshgrid(np.arange(splits), np.arange(2), np.arange(victims), indexing="ij")
    return dict(zip(("split", "world", "model_index"), (axis.ravel() for axis in found), strict=True))


def _width(pair: tuple) -> float:
    return abs(pair[2] - pair[1])


def _models(task, model, pair, defence, splits, victims) -> dict:
    frame = _who(splits, victims)
    rng, n = _rng("models", task, model, pair, defence), len(frame["world"])
    shift = _rng("task", task).normal(0, 0.02, 3)
    sign = np.where(frame["world"] == 0, 1, -1)
    frame["gap"] = sign * (GAP.get(defence, 0.04) + shift[0]) * (0.2 + 0.8 * _width(pair)) + rng.normal(0, 0.022, n)
    frame["accuracy"] = (
        0.81 + 3 * shift[1] - 0.1 * EO.get(defence, 0.1) * (defence == "fft-rehearsal") + rng.normal(0, 0.008, n)
    )
    frame["delta_eo"] = np.abs(EO.get(defence, 0.1) * (0.4 + 0.6 * _width(pair)) + shift[2] + rng.normal(0, 0.02, n))
    frame["delta_eo_floor"] = 0.012 + 0.002 * frame["world"]
    frame["delta_eo_crossed"] = frame["delta_eo"] - 0.7 * frame["delta_eo_floor"]
    frame["auc"] = frame["accuracy"] + 0.06
    frame["accuracy_g0"] = frame["accuracy"] + frame["gap"] / 2
    frame["accuracy_g1"] = frame["accuracy"] - frame["gap"] / 2
    frame["tpr_g0"], frame["tpr_g1"] = 0.6, 0.6 - frame["delta_eo"]
    frame["fpr_g0"], frame["fpr_g1"] = 0.1, 0.1 + frame["delta_eo"] / 2
    for a in (0, 1):
        frame[f"accuracy_y0_g{a}"], frame[f"accuracy_y1_g{a}"] = 1 - frame[f"fpr_g{a}"], frame[f"tpr_g{a}"]
    frame["membership_auc"] = 0.5 + 0.03 * STRENGTH.get(defence, 0.5) + rng.normal(0, 0.004, n)
    frame["membership_advantage"] = 2 * frame["membership_auc"] - 1
    frame["delta_eo_sum"], frame["dp_difference"] = 1.5 * frame["delta_eo"], frame["delta_eo"]
    frame["role"], frame["status"], frame["seed"] = "victim", "ok", np.arange(n)
    frame["ratio"] = np.where(frame["world"] == 0, pair[1], pair[2])
    frame["eo_weight"] = 1.0 if defence.startswith("fft") else 0.0
    frame["eo_vacuous"] = float(defence == "fft" and pair[0] == "pure")
    frame["travel"] = np.nan if defence == "none" else 0.5
    frame["small_cells"] = np.nan  # two classes
    frame["certified_advantage"] = CERTIFIED.get(defence, np.nan)
    return frame


def _scores(task, model, pair, defence, adversary, knowledge, splits, victims) -> dict:
    frame = _who(splits, victims)
    rng = _rng("scores", task, model, pair, defence, adversary.replace("best", "meta"), knowledge)
    strength = MORE.get(adversary, ("", (), 1.0))[2] * _width(pair) ** 0.8
    strength *= {"unaware": 0.6, "aware": 0.8}.get(knowledge, 1.0) * (
        1.0 if adversary == "data" else STRENGTH.get(defence, 0.5)
    )
    frame["score"] = rng.normal((frame["world"] - 0.5) * strength, 1.0)
    frame["guess"] = (frame["score"] > 0).astype(int)
    if adversary == "accuracy-gap":
        frame["guess"][np.abs(frame["score"]) < 0.3] = -1
    return frame


def _leakage(scores: dict, pair: tuple, access: str) -> dict:
    splits = len(np.unique(scores["split"]))
    right = np.where(scores["guess"] < 0, 0.5, scores["guess"] == scores["world"])
    n, accuracy = len(right), float(np.mean(right))
    leaked = [measures.n_leaked(w, *pair[1:]) if pair[0] == "ratio" else np.nan for w in (accuracy, 0.0, 1.0)]
    leaked[1:] = [max(0.0, 0.6 * leaked[0]), 1.6 * leaked[0]] if np.isfinite(leaked[0]) else [3.0, leaked[0]]
    half = 2.2 * np.sqrt(max(accuracy * (1 - accuracy), 0.5 / n) / n)
    one, zero = (scores["score"][scores["world"] == world] for world in (1, 0))
    auc = float(np.mean(one[:, None] > zero))
    return {
        "access": access, "victims": n, "splits": splits, "accuracy": accuracy, "auc": auc,
        "accuracy_low": max(0.0, accuracy - half), "accuracy_high": min(1.0, accuracy + half),
        "advantage": 2 * accuracy - 1,
        "advantage_low": max(-1.0, 2 * (accuracy - half) - 1), "advantage_high": min(1.0, 2 * (accuracy + half) - 1),
        "auc_low": max(0.0, auc - half), "auc_high": min(1.0, auc + half), "tpr_at_fpr_05": 0.3, "tpr_at_fpr_01": 0.1,
        **dict(zip(("n_leaked", "n_leaked_low", "n_leaked_high"), leaked, strict=True)),
        "detectable_advantage": 0.14, "p_vs_none": 0.001,
        "p_vs_control": 0.3, "p_vs_none_holm": 0.02, "p_vs_control_holm": 1.0, "difference_vs_control": -0.01,
        "difference_vs_control_low": -0.05, "difference_vs_control_high": 0.03, "known_ceiling": np.nan,
        "abstained": float(np.mean(scores["guess"] < 0)), "diverged": 0, "verdict_vs_control": "cannot tell",
        "verdict_vs_none": "lower", "margin": 0.05, "family": "secondary", "p_equal_vs_control": 0.2, "p_equal_vs_control_holm": 0.6,
        "reason_vs_control": None, "sd_vs_control": 0.5, "between_vs_control": 0.02, "p_equal_vs_none": 1.0, "p_equal_vs_none_holm": 1.0,
        "reason_vs_none": None, "sd_vs_none": 0.5, "between_vs_none": 0.02, "against_chance": against_chance(Found(accuracy, accuracy - half, accuracy + half, np.nan, n, splits), 0.5),
    }  # fmt: skip


def _bounds(models: dict, pair: tuple) -> dict:
    frame = {name: models[name] for name in ("split", "world", "model_index", "delta_eo")}
    frame["w"], frame["beta"], frame["gap"] = _width(pair), 0.03, np.abs(models["gap"])
    frame["rhs_literal"] = frame["delta_eo"] * frame["w"]
    frame["rhs_corrected"] = frame["rhs_literal"] + 0.05
    frame["adv_balanced"], frame["rhs_balanced"] = 0.7 * frame["rhs_literal"], frame["rhs_literal"]
    frame["adv"], frame["rhs_coupling"] = frame["gap"], frame["rhs_literal"] + 0.2
    excess = frame["gap"] - frame["rhs_literal"]
    frame["literal_excess_low"], frame["literal_excess_high"] = excess - 0.03, excess + 0.03
    frame["literal_holds"] = frame["literal_excess_low"] <= 0
    frame["corrected_holds"] = frame["balanced_holds"] = frame["coupling_holds"] = True
    frame["smallest_cell"] = 120
    frame["queries_to_detect"] = 2.6 / frame["gap"] ** 2
    frame["delta_eo_scores"], frame["adv_scores"] = 1.9 * frame["delta_eo"], 1.5 * frame["rhs_literal"]
    frame["rhs_scores"] = 1.9 * frame["rhs_literal"]
    frame["scores_excess_low"] = 0.5 * frame["rhs_literal"] - 0.03
    frame["scores_exceed_literal"] = frame["scores_excess_low"] > 0
    frame["delta_eo_groups"], frame["delta_eo_groups_measured"] = 2.2 * frame["delta_eo"], 1.6 * frame["delta_eo"]
    frame["adv_groups"], frame["rhs_groups"] = 0.8 * frame["rhs_literal"], 2.2 * frame["rhs_literal"]
    frame["scores_holds"] = frame["groups_holds"] = True
    frame["smallest_group_cell"] = 40
    return frame


@functools.cache
def tables(
    tasks=TASKS, pairs=PAIRS, extra=(), victims=40, splits=5, models=("mlp",), full=False
) -> dict[str, pd.DataFrame]:
    """Return all public tables; `extra` names a third party's defences and adversaries; `full` adds all axes.

    Copy a table before a change."""
    known = MORE if full else ADVERSARIES
    out: dict[str, list[dict]] = {name: [] for name in ("models", "bounds", "scores", "leakage")}
    for task in tasks:
        for model in models:
            for pair in pairs:
                for defence in (*DEFENCES, *extra):
                    fixed = {
                        "task": task,
                        "model": model,
                        **dict(zip(("protocol", "ratio_0", "ratio_1"), pair, strict=True)),
                    }
                    fixed |= {"defence": defence, "poison": 0.0}
                    data = {
                        **dict(zip(("dataset", "attribute"), task.rpartition("-")[::2], strict=True)),
                        "rows": 2000,
                        "attribute_in_features": False,
                        "twin_task": None,
                    }
                    found = _models(task, model, pair, defence, splits, victims)
                    out["models"].append(found | fixed)
                    out["bounds"].append(_bounds(found, pair) | fixed)
                    for adversary in (*known, *extra):
                        access, knowledge, _ = known.get(adversary, ("scores", ("unaware", "informed"), 1.0))
                        if adversary in ("data", "pair") and (adversary == "data") != (defence == "none"):
                            continue  # rows are those of undefended victims; a pair needs a defence
                        for level in knowledge if defence != "none" else knowledge[-1:]:
                            scores = _scores(task, model, pair, defence, adversary, level, splits, victims)
                            for axes in _axes(adversary, model, level, defence, full):
                                who = {**fixed, "adversary": adversary, "access": access, "knowledge": level, **axes}
                                judged = _weaker(scores, axes)
                                row = who | data | _leakage(judged, pair, access)
                                row["certified_advantage"] = (
                                    np.nan if access == "pair" else CERTIFIED.get(defence, np.nan)
                                )
                                plain = axes == {"poison": 0.0, "shadow_model": model, "repeats": 1}
                                if adversary == "best" and level == "informed" and pair[0] != "equal" and plain:
                                    row["family"] = "primary"
                                elif adversary == "data":
                                    row["family"] = None
                                out["leakage"].append(row)
                                out["scores"].append(judged | who)
                    if full and pair[0] != "equal":
                        for share in SHARES[1:]:
                            axes = {"poison": share, "gap": 0.9}
                            out["models"].append(found | fixed | axes | {"accuracy": 0.5})
                            out["bounds"].append(_bounds(found, pair) | fixed | axes)
    claims = [
        {"claim": claim, "task": task, "verdict": verdict, "statement": statement,
         "evidence": f"measured on {task}: 0.071",
         "low": 0.05, "high": 0.09, "n": 400, "kind": KINDS[claim], "source": "paper", "plain": f"In plain words, on {task}.",
         "splits": 5, "splits_needed": 40 if verdict == "cannot tell" else None}
        for claim, (statement, where, verdicts) in CLAIMS.items()
        for task, verdict in zip(where, verdicts, strict=True) if task in (*tasks, "witness")
    ]  # fmt: skip
    joined = {name: joining.join(out[name]) for name in ("models", "bounds", "scores")}
    joined |= {"claims": pd.DataFrame(claims), "leakage": pd.DataFrame(out["leakage"])}
    joined |= fake_many.tables(tasks, models, splits, victims)
    joined |= fake_membership.tables(tasks, models, (*DEFENCES, *extra))
    joined["placebo"] = _placebo(joined["leakage"])
    joined["budgets"] = fake_budgets.table(joined["leakage"])
    joined["defences"] = fake_defences.table(tasks, models, pairs, extra, victims)
    joined["sensitivity"] = fake_sensitivity.table(tasks, models, pairs, victims)
    return {name: frame.reindex(columns=names(name)) for name, frame in joined.items()}


def _placebo(leakage: pd.DataFrame) -> pd.DataFrame:
    """Return three placebos of each cell of undefended victims in worlds that differ, and their row of all."""
    own = leakage[(leakage["defence"] == "none") & (leakage["poison"] == 0) & (leakage["repeats"] == 1)]
    own = own[(own["shadow_model"] == own["model"]) & (own["protocol"] != "equal")]
    values = (0.47, 0.5, 0.55)
    parts = [
        own.assign(
            permutation=number,
            accuracy=value,
            accuracy_low=value - 0.08,
            accuracy_high=value + 0.08,
            against_chance="cannot tell",
        )
        for number, value in enumerate(values, 1)
    ]
    told = {f"task_{name}": own[name] for name in ("accuracy", "accuracy_low", "accuracy_high", "against_chance")}
    every = own.assign(
        **told, permutation=np.nan, permutations=3, away_from_chance=0, sd=np.std(values, ddof=1), lowest=values[0], highest=values[2],
        accuracy=np.mean(values), accuracy_low=np.nan, accuracy_high=np.nan, against_chance=None,
    )  # fmt: skip
    return pd.concat([*parts, every], ignore_index=True)


def names(table: str) -> list[str]:
    """Return a public table's columns, and in `leakage` the limits of n_leaked, which a table may lack."""
    found = [column.name for column in schema.TABLES[table]]
    return [*dict.fromkeys([*found, "n_leaked_low", "n_leaked_high"])] if table == "leakage" else found


def _axes(adversary, model, knowledge, defence, full):
    """Yield the plain game, then with `full` one axis at a time: poison, other shadows, more answers."""
    plain = {"poison": 0.0, "shadow_model": model, "repeats": 1}
    yield plain
    if full and adversary in POISONED and knowledge in ("informed", "any"):
        yield from (plain | {"poison": share} for share in SHARES[1:])
    if full and adversary in ("kl", "meta") and knowledge == "informed":
        yield plain | {"shadow_model": "logistic" if model != "logistic" else "mlp"}
        if defence == "fft":
            yield plain | {"repeats": 10}


def _weaker(scores, axes):
    """Change verdicts a little by axis, so that a mixed-up cell shows."""
    lean = 12 * axes["poison"] + (axes["repeats"] > 1) - (axes["shadow_model"] == "logistic")
    score = scores["score"] + 0.4 * lean * (scores["world"] - 0.5)
    return scores | {"score": score, "guess": np.where(scores["guess"] < 0, -1, score > 0)} if lean else scores


def empty() -> dict[str, pd.DataFrame]:
    """Return all public tables without a row."""
    return {name: _arrow(name, None).to_pandas() for name in schema.TABLES}


def write(folder: Path, frames: dict[str, pd.DataFrame]) -> dict[str, Path]:
    """Write `frames` as the public tables below `folder`; return their paths by name."""
    paths = {name: Path(folder) / f"{name}.parquet" for name in frames}
    for name, frame in frames.items():
        store.write(paths[name], _arrow(name, frame), {"stage": "tables", "step": "fake"})
    return paths


def _arrow(name: str, frame: pd.DataFrame | None) -> pa.Table:
    types = pa.schema([(c.name, "float64" if c.type == "double" else c.type) for c in schema.TABLES[name]])
    return types.empty_table() if frame is None else pa.Table.from_pandas(frame, schema=types, preserve_index=False)
