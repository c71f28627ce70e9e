"""The table `sensitivity`: where it is made, and that its rows are what the other tables say of each setting."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest

import tiny
import told
from popleak.config import resolve as config
from popleak.config import twins
from popleak.core.errors import PopleakError
from popleak.measures import intervals
from popleak.store import schema
from popleak.tables import sensitivity

PURE = {"model": "mlp", "protocol": "pure", "ratio_0": 0.0, "ratio_1": 1.0}
EQUAL = {**PURE, "protocol": "equal", "ratio_0": 0.5, "ratio_1": 0.5}
TASKS = ("nat", "bal")
ARMS = {
    "tuned": {"kind": "rehearsal", "control": None, "epochs": 5, "learning_rate": 0.01, "rehearsal": 0.5, "eo_weight": 0.0},
    "fair": {"kind": "fft-rehearsal", "control": "tuned", "epochs": 5, "learning_rate": 0.01, "rehearsal": 0.5, "eo_weight": "auto"},
}  # fmt: skip
SETTINGS = {"arms": dict.fromkeys(TASKS, ARMS), "ratio_modes": {"nat": "natural", "bal": "label-balanced"},
            "balanced": {"nat": "bal"}, "tau": 0.1}  # fmt: skip
DIFFERENCE = {"nat": (0.2, 0.1, 0.3), "bal": (0.04, -0.06, 0.14)}

KINDS = {"C2": "gap-small", "C5": "eo-falls", "C6": "less-than-control"}


def tables() -> dict[str, pd.DataFrame]:
    """Return small tables of two tasks: an arm with the EO term, its control, and `none`, in pure worlds and in equal ones."""
    models, bounds, leakage, claims = [], [], [], []
    for task, game, (number, defence) in itertools.product(TASKS, (PURE, EQUAL), enumerate(("none", "tuned", "fair"))):
        cell = {"task": task, **game, "poison": 0.0, "defence": defence}
        for split, world, index in itertools.product(range(3), range(2), range(2)):
            lost = defence == "fair" and (split, world, index) == (0, 0, 0)
            who = {**cell, "split": split, "world": world, "model_index": index}
            seen = {"accuracy": 0.7 + 0.01 * split, "delta_eo": 0.1 * number, "delta_eo_crossed": 0.1 * number - 0.02,
                    "gap": (-1) ** world * (0.05 + 0.1 * index), "travel": float(number)}  # fmt: skip
            status = "diverged" if lost else "constant" if index else "ok"
            row = {
                **who,
                **({name: np.nan for name in seen} if lost else seen),
                "status": status,
                "eo_weight": 2.0 + index,
            }
            models += [{**row, "role": role} for role in ("victim", "shadow")]
            excess = 0.05 if defence == "fair" else -0.05
            bounds.append(
                {
                    **who,
                    "smallest_cell": 100 if task == "nat" else 3,
                    "literal_excess_low": excess - 0.01,
                    "literal_excess_high": excess + 0.01,
                }
            )
        limits = dict(zip(sensitivity.DIFFERENCE, DIFFERENCE[task], strict=True)) if defence == "fair" else {}
        for knowledge, adversary in itertools.product(("unaware", "informed"), ("best", "kl")):
            named = 0.8 if (knowledge, adversary) == ("informed", "best") else 0.6
            leakage.append(
                {**cell, "adversary": adversary, "knowledge": knowledge, "shadow_model": "mlp", "repeats": 1, "accuracy": named,
                 "accuracy_low": named - 0.1, "accuracy_high": named + 0.1, "verdict_vs_control": "no material difference" if limits else None,
                 "p_vs_control": 0.01, "p_vs_control_holm": 0.5, **limits}
            )  # fmt: skip
        if defence == "fair" and game is PURE:
            claims += [{"claim": name, "kind": KINDS[name], "task": task, **game, "defence": defence, "verdict": word}
                       for name, word in (("C2", "fails"), ("C5", "holds"), ("C6", "no material difference"))]  # fmt: skip
    claims += [{"claim": "C3", "kind": "literal-bound", "task": task, "verdict": "fails"} for task in TASKS]
    found = {"models": models, "bounds": bounds, "leakage": leakage, "claims": claims}
    frames = {name: pd.DataFrame(rows) for name, rows in found.items()}
    frames["leakage"] = (
        frames["leakage"]
        .reindex(columns=[*frames["leakage"].columns, *sensitivity.DIFFERENCE])
        .loc[:, lambda frame: ~frame.columns.duplicated()]
    )
    return frames


def made(**changes) -> pd.DataFrame:
    found = sensitivity.make(parts=[], tables={**tables(), **changes}, settings=told.table("sensitivity", SETTINGS))
    assert found.column_names == [column.name for column in schema.SENSITIVITY]
    return found.to_pandas().set_index(["task", "defence"])


def test_rows_are_what_the_other_tables_say():
    found = made()
    assert list(found.index) == [(task, defence) for task in TASKS for defence in ("tuned", "fair")]
    assert set(found["protocol"]) == {"pure"}
    fair, tuned = found.loc[("nat", "fair")], found.loc[("nat", "tuned")]
    assert (fair["kind"], fair["control"], fair["ratio_mode"]) == ("fft-rehearsal", "tuned", "natural")
    assert (fair["epochs"], fair["learning_rate"], fair["rehearsal"]) == (5, 0.01, 0.5)
    assert (fair["victims"], fair["diverged"], fair["splits"]) == (11, 1, 3)
    assert fair["constant"] == pytest.approx(6 / 11)
    assert fair["below_tau"] == pytest.approx(5 / 11)
    assert fair["gap"] == pytest.approx((5 * 0.05 + 6 * 0.15) / 11)
    assert (fair["travel"], fair["delta_eo"], fair["delta_eo_crossed"]) == pytest.approx((2.0, 0.2, 0.18))
    assert fair["model_accuracy_low"] < fair["model_accuracy"] < fair["model_accuracy_high"]
    assert (fair["named"], fair["named_low"], fair["named_high"]) == pytest.approx((0.8, 0.7, 0.9))
    assert tuple(fair[sensitivity.DIFFERENCE]) == DIFFERENCE["nat"]
    assert (fair["p_vs_control"], fair["p_vs_control_holm"]) == (0.01, 0.5)
    assert (fair["c2"], fair["c5"], fair["c6"]) == ("fails", "holds", "no material difference")
    assert fair["verdict_vs_control"] == "no material difference"
    assert tuned[["c2", "c5", "c6", "control", "verdict_vs_control"]].isna().all()
    assert np.isnan(tuned["difference_vs_control"])


def test_lambda_is_the_setting_or_the_median_of_what_was_chosen():
    found = made()
    assert found.loc[("nat", "fair"), "eo_chosen"] and found.loc[("nat", "fair"), "eo_weight"] == 2.5
    assert not found.loc[("nat", "tuned"), "eo_chosen"] and found.loc[("nat", "tuned"), "eo_weight"] == 0.0


def test_the_bound_is_judged_on_each_rows_own_models():
    """All of `fair` break it, all of `tuned` keep it; where cells are small nothing is said."""
    found = made()
    assert found.loc[("nat", "fair"), "c3"] == "fails"
    assert found.loc[("nat", "tuned"), "c3"] in ("holds", "cannot tell")
    assert found.loc["bal"]["c3"].isna().all()


def test_excess_over_the_task_with_equal_label_rates():
    """By hand: 0.2 - 0.04, and the root of 0.1^2 + 0.1^2 to either side."""
    row = made().loc[("nat", "fair")]
    reach = np.sqrt(0.02)
    assert (row["excess"], row["excess_low"], row["excess_high"]) == pytest.approx((0.16, 0.16 - reach, 0.16 + reach))
    assert row["verdict_excess"] == "higher" and row["balanced_task"] == "bal"
    other = made().loc[("bal", "fair")]
    assert other[["balanced_task", "excess", "verdict_excess"]].isna().all()


def test_where_a_claim_does_not_speak_of_a_defence_its_word_is_null():
    """C2 is on rehearsal: of an arm without there is no row."""
    claims = tables()["claims"]
    found = made(claims=claims[~((claims["claim"] == "C2") & (claims["task"] == "nat"))])
    assert pd.isna(found.loc[("nat", "fair"), "c2"]) and found.loc[("nat", "fair"), "c5"] == "holds"
    assert found.loc[("bal", "fair"), "c2"] == "fails"


def test_a_column_that_is_missing_is_an_error():
    with pytest.raises(KeyError, match="travel"):
        made(models=tables()["models"].drop(columns="travel"))


@pytest.mark.parametrize("lean", [0.0, 0.5])
def test_limits_of_a_difference_of_estimates_cover(lean):
    """Ten splits, differences of 0.1 and 0.02; where splits lean together the interval is too wide, not too narrow."""
    rng, inside, runs = np.random.default_rng(4), 0, 600
    splits = np.repeat(np.arange(10), 8)
    for _ in range(runs):
        shared = lean * rng.normal(0, 0.05, 10)
        pair = [
            intervals.mean((shared + rng.normal(centre, 0.05, 10))[splits] + rng.normal(0, 0.2, 80), splits)
            for centre in (0.1, 0.02)
        ]
        found = intervals.apart(*pair)
        inside += found.low <= 0.08 <= found.high
    assert inside / runs >= 0.94


# What the plan makes of a config.

GRID = {"name": "fft-rehearsal", "grid": {"epochs": [1, 2], "eo_weight": [1, "auto"]}}


def step(**changes):
    return tiny.build(**changes).tables.get("sensitivity")


def test_made_only_where_a_defence_has_several_settings():
    assert step() is None
    assert step(defences=["none", "finetune", "rehearsal", "fft", "fft-rehearsal"]) is None
    assert step(defences=["none", {"name": "answer-noise", "grid": {"sd": [1, 2]}}]) is None
    assert step(defences=["none", GRID]) is not None
    assert step(defences=["none", "fft", {"name": "fft", "id": "far", "settings": {"eo_weight": 9.0}}]) is not None


def test_the_figure_needs_the_table():
    with pytest.raises(
        PopleakError,
        match="shows the table `sensitivity`, which exists only with two settings of a fine-tuning defence",
    ):
        tiny.build(figures=["sensitivity"])
    assert "sensitivity" in tiny.build(figures=["sensitivity"], defences=["none", GRID]).figures


def test_the_table_knows_each_defences_settings():
    """What is left to `training` is filled in; controls and kinds are the config's; the undefended model is no arm."""
    task = {**tiny.raw()["tasks"][0], "id": "plain"}
    tasks = [
        task,
        {**task, "id": "twin", "ratio_mode": "label-balanced"},
        {**task, "id": "other", "rows": 70, "ratio_mode": "label-balanced"},
    ]
    found = step(
        tasks=tasks, defences=["none", "scratch", {"name": "finetune", "settings": {"epochs": 2}}, "fft", GRID]
    ).settings
    arms = found.arms["plain"]
    assert set(arms) == {
        "finetune",
        "fft",
        "fft-rehearsal-e1-w1",
        "fft-rehearsal-e1-wauto",
        "fft-rehearsal-e2-w1",
        "fft-rehearsal-e2-wauto",
    }
    assert dataclasses.asdict(arms["fft"]) | {"eo_weight": None} == {
        "kind": "fft", "control": "finetune", "epochs": 2, "learning_rate": 0.003, "rehearsal": 0.0, "eo_weight": None,
    }  # fmt: skip
    assert arms["finetune"].eo_weight == 0.0 and arms["fft-rehearsal-e1-wauto"].eo_weight == "auto"
    assert arms["fft-rehearsal-e1-w1"].rehearsal == 0.5
    assert found.ratio_modes == {"plain": "natural", "twin": "label-balanced", "other": "label-balanced"}
    assert found.balanced == {"plain": "twin"}


MLP = [{"name": "mlp", "id": "mlp", "settings": {"widths": [8]}}]
FEWER = ["none", "finetune", {"name": "fft-rehearsal", "grid": {"epochs": [1], "eo_weight": [1, "auto"]}}]
ARM = {"name": "fft", "id": "arm", "settings": {"eo_weight": 2.0}}


@pytest.mark.parametrize(
    ("changes", "is_one"),
    [
        ({}, True),
        ({"placebo": 2}, True),
        ({"defences": FEWER}, True),
        ({"defences": [*FEWER, "scratch"]}, False),  # one that the natural task lacks
        ({"defences": ["none", {**ARM, "settings": {"eo_weight": 3.0}}]}, False),  # other settings under the same id
        ({"models": [{**MLP[0], "settings": {"widths": [9]}}]}, False),
        ({"attacks": ["loss"]}, False),
        ({"poison": {"shares": [0, 0.1]}}, False),
        ({"attribute_in_features": True}, False),
        ({"query_rows": 29}, False),
    ],
    ids=lambda one: "-".join(one) if isinstance(one, dict) else str(one),
)
def test_a_twin_with_equal_label_rates_agrees_in_all_else(changes, is_one):
    task = tiny.raw()["tasks"][0]
    tasks = [{**task, "id": "plain"}, {**task, "id": "twin", "ratio_mode": "label-balanced", **changes}]
    found = step(tasks=tasks, models=MLP, defences=["none", "finetune", ARM, GRID]).settings
    assert found.balanced == ({"plain": "twin"} if is_one else {})


def test_a_twin_is_that_of_all_tasks_that_agree_with_it_and_none_of_two():
    task = tiny.raw()["tasks"][0]
    plain = [{**task, "id": name} for name in ("one", "two")]
    twins = [{**task, "id": name, "ratio_mode": "label-balanced"} for name in ("three", "four")]

    def found(*tasks):
        return step(tasks=tasks, defences=["none", GRID]).settings.balanced

    assert found(*plain, twins[0]) == {"one": "three", "two": "three"}
    assert found(*plain, *twins) == {}


def test_every_natural_task_of_the_shipped_experiment_has_its_twin():
    experiment = config.load(config.read(tiny.ROOT / "workflow" / "experiments" / "sensitivity.yaml"))
    names = ("adult-sex", "compas-race", "acs-income-sex", "lsac-race")
    assert twins.balanced(config.resolve(experiment)) == {name: f"{name}-balanced" for name in names}


def test_what_rehearses_nothing_is_another_kind_to_the_claims():
    """C1, C2 and C2s are on fair fine-tuning with rehearsal; in the table the kind is the plugin still."""
    built = tiny.build(defences=["none", "fft", {"name": "fft-rehearsal", "grid": {"rehearsal": [0, 0.5]}}]).tables
    (kinds,) = built["claims"].settings.kinds.values()
    assert kinds["fft-rehearsal-s0"] == kinds["fft"] == "fft" and kinds["fft-rehearsal-s0p5"] == "fft-rehearsal"
    (arms,) = built["sensitivity"].settings.arms.values()
    assert arms["fft-rehearsal-s0"].kind == "fft-rehearsal"
