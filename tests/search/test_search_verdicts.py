"""What is said of a search by rule, on made-up tables: verdicts where intervals decide, and reasons where nothing can be told."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from popleak.measures.verdicts import FAILS, HOLDS, IDLE, OPEN
from popleak.report import searched
from popleak.search import checks, dominance, points, study
from popleak.store.schema.search import SEARCHED


def made(**rows):
    """Return a table `search` of stages 2 and 3 with the default, its undefended models and two configurations, by name."""
    usual = {
        "task": "t", "sampler": None, "study_seed": None, "settings": "{}", "feasible": True, "failure": None, "victims": 80, "accuracy_floor": 0.6,
        "optimism_accuracy": np.nan, "optimism_delta_eo": np.nan, "optimism_advantage": np.nan,
    }  # fmt: skip
    found = []
    for name, values in rows.items():
        point, stage = name.split("_")
        role = point if point in ("default", "undefended") else "front"
        each = dict(zip(points.OBJECTIVES, values, strict=True))
        limits = {
            f"{one}{end}": value + sign * 0.02
            for one, value in each.items()
            for end, sign in (("_low", -1), ("_high", 1))
        }
        found.append(usual | {"role": role, "point": point, "stage": int(stage)} | each | limits)
    return pd.DataFrame(found)


def verdict_of(search, role="default"):
    found = pd.DataFrame(dominance.judged(search))
    (verdict,) = set(found[found["subject"].str.endswith(role)]["verdict"])
    return verdict


DEFAULTS = {
    "default_2": (0.8, 0.2, 0.8),
    "undefended_2": (0.9, 0.3, 1.0),
    "default_3": (0.8, 0.2, 0.8),
    "undefended_3": (0.9, 0.3, 1.0),
}


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ({"a_2": (0.85, 0.1, 0.5), "a_3": (0.85, 0.1, 0.5)}, HOLDS),
        ({"a_2": (0.85, 0.1, 0.5), "a_3": (0.81, 0.1, 0.5)}, HOLDS),  # two of three intervals are disjoint
        ({"a_2": (0.85, 0.1, 0.5), "a_3": (0.81, 0.19, 0.5)}, OPEN),  # one is
        ({"a_2": (0.85, 0.1, 0.5), "a_3": (0.75, 0.1, 0.5)}, FAILS),  # it did not survive
        ({"a_2": (0.85, 0.1, 0.5), "a_3": (0.79, 0.1, 0.5)}, OPEN),  # it did not, by less than intervals tell
        ({"a_2": (0.75, 0.1, 0.5)}, FAILS),  # stage 2 shows that it does not
        ({"a_2": (0.79, 0.1, 0.5), "a_3": (0.85, 0.1, 0.5)}, OPEN),  # stage 2 did not pick it, and does not decide
        ({"a_2": (0.85, 0.1, 0.5)}, OPEN),  # picked, and not tried again
    ],
)
def test_a_configuration_must_beat_the_default_twice(rows, verdict):
    assert verdict_of(made(**DEFAULTS, **rows)) == verdict
    assert verdict_of(made(**DEFAULTS, **rows), "undefended") == FAILS


def evidence_of(search, role="default"):
    rows = pd.DataFrame(dominance.judged(search))
    return rows[rows["subject"].str.endswith(role)].iloc[0]["evidence"]


def test_one_that_cannot_be_told_from_the_default_leaves_it_open():
    rows = {"a_2": (0.7, 0.1, 0.5), "b_2": (0.8, 0.2, 0.8)}
    assert verdict_of(made(**DEFAULTS, a_2=rows["a_2"])) == FAILS
    assert verdict_of(made(**DEFAULTS, **rows)) == OPEN


@pytest.mark.parametrize("advantage", [0.0, -0.1, -0.5])
def test_a_default_at_chance_cannot_be_beaten_and_does_not_fail_the_check(advantage):
    """Luck below 0 is no merit, of the default neither."""
    defaults = DEFAULTS | {"default_2": (0.8, 0.2, advantage), "default_3": (0.8, 0.2, advantage)}
    search = made(**defaults, a_2=(0.85, 0.1, -0.6), a_3=(0.85, 0.1, -0.6))
    assert verdict_of(search) == OPEN
    assert "its own advantage is not above 0, where nothing can be better" in evidence_of(search)
    assert verdict_of(made(**defaults, a_2=(0.85, 0.1, 0.5), a_3=(0.85, 0.1, 0.5))) == FAILS, (
        "it leaks, and the default does not"
    )


@pytest.mark.parametrize(("floor", "verdict"), [(0.9, FAILS), (0.86, OPEN)])
def test_a_configuration_below_the_floor_beats_nothing(floor, verdict):
    search = made(**DEFAULTS, a_2=(0.85, 0.1, 0.5), a_3=(0.85, 0.1, 0.5))
    search.loc[search["role"] == "front", ["feasible", "accuracy_floor"]] = False, floor
    assert verdict_of(search) == verdict


def without(search, **where):
    """Return the table with the rows of a role and stage as those of a job that failed."""
    lost = np.logical_and.reduce([search[name] == value for name, value in where.items()])
    measures = [f"{name}{end}" for name in points.OBJECTIVES for end in ("", "_low", "_high")]
    search.loc[lost, measures] = np.nan
    search.loc[lost, "feasible"] = False
    return search


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ({"role": "default", "stage": 2}, "it was not measured in stage 2"),
        ({"role": "default", "stage": 3}, "it was not measured in stage 3"),
        ({"role": "front", "stage": 2}, "no configuration of a front was measured in stage 2"),
        ({"role": "front", "stage": 3}, "the 0 of these that were tried again"),
        ({"role": "front"}, "no configuration of a front"),
    ],
)
def test_where_nothing_was_compared_nothing_fails(lost, said):
    search = without(made(**DEFAULTS, a_2=(0.85, 0.1, 0.5), a_3=(0.85, 0.1, 0.5)), **lost)
    assert verdict_of(search) == OPEN and said in evidence_of(search)


def test_without_a_front_or_a_default_of_stage_3_nothing_fails():
    assert verdict_of(made(**DEFAULTS)) == OPEN
    some = {name: one for name, one in DEFAULTS.items() if name != "default_3"}
    assert verdict_of(made(**some, a_2=(0.5, 0.4, 1.0))) == OPEN


def test_one_that_failed_leaves_it_open():
    search = made(**DEFAULTS, a_2=(0.7, 0.3, 0.9), b_2=(0.7, 0.3, 0.9))
    assert verdict_of(search) == FAILS
    assert verdict_of(without(search, point="b")) == OPEN


def test_what_is_shown_is_the_first_that_stage_2_put_forward_and_not_the_best_of_stage_3():
    again = {"a_2": (0.85, 0.1, 0.5), "b_2": (0.85, 0.1, 0.5), "a_3": (0.81, 0.19, 0.75), "b_3": (0.81, 0.19, 0.5)}
    search = made(**DEFAULTS, **again)
    rows = pd.DataFrame(dominance.judged(search))
    shown = rows[rows["subject"] == "advantage, default"].iloc[0]
    assert shown["value"] == pytest.approx(-0.05) and shown["n"] == 2


def row(**values):
    columns = {column.name: None for column in SEARCHED["search"]}
    limits = {f"{name}{end}": 0.5 for name in points.OBJECTIVES for end in ("", "_low", "_high")}
    return (
        columns | {"task": "t", "stage": 2, "settings": "{}", "feasible": True, "accuracy_floor": 0.1} | limits | values
    )


def judged(rows, *names):
    """Return the rows of some checks on made-up rows of the table `search`."""
    search = pd.DataFrame(rows, columns=[column.name for column in SEARCHED["search"]])
    studies = pd.DataFrame(columns=[column.name for column in SEARCHED["search_studies"]])
    found = checks.frame(search, studies)
    return found[found["check"].isin(names)]


NOT = {f"{name}{end}": np.nan for name in points.OBJECTIVES for end in ("", "_low", "_high")}


def curve(weights, lost=()):
    return [row(role="default", point="d")] + [
        row(role="curve", point=str(one), settings=json.dumps({"eo_weight": one}), **(NOT if one in lost else {}))
        for one in weights
    ]


@pytest.mark.parametrize(
    ("weights", "lost", "verdict", "said"),
    [
        ([0, 1, 4], [], HOLDS, "of 3 weights"),
        ([0, 1, 4], [1], FAILS, "of 2 weights"),
        ([0, 1, 4], [0, 1, 4], OPEN, "at none of them was anything measured"),
        ([0, 1], [], IDLE, "asks for 2, and a curve has 3 at least"),
        ([], [], IDLE, "asks for 0"),
    ],
)
def test_a_curve_is_drawn_of_what_was_measured(weights, lost, verdict, said):
    found = judged(curve(weights, lost), "C5")
    assert list(found["verdict"]) == [verdict] * 3 and found["evidence"].str.contains(said).all()
    assert set(found["n"]) == {len(weights) - len(lost)}


def moved(tau, *, failed=False):
    """Return rows of a first task in both stages, those of stage 2 in the other order, and of a task that was not searched."""
    rows = [row(role="default", point="d")]
    for i in range(8):
        up = {name: i / 10 for name in points.OBJECTIVES}
        down = {name: (7 - i) / 10 for name in points.OBJECTIVES}
        rows += [row(role="front", point=str(i), stage=stage, **(up if stage == 3 else down)) for stage in (2, 3)]
        rows.append(row(role="transfer", task="far", point=str(i), **(NOT if failed else up if tau > 0 else down)))
    return rows


@pytest.mark.parametrize(("tau", "verdict"), [(1, HOLDS), (-1, FAILS)])
def test_the_order_elsewhere_is_compared_with_that_of_stage_3(tau, verdict):
    found = judged(moved(tau), "C6")
    assert list(found["verdict"]) == [verdict] * 3 and list(found["value"]) == [tau] * 3


def test_without_an_order_elsewhere_the_check_says_why():
    found = judged(moved(1, failed=True), "C6")
    assert list(found["verdict"]) == [OPEN] * 3 and set(found["task"]) == {"far"} and set(found["n"]) == {0}
    (only,) = judged(curve([]), "C6").to_dict("records")
    assert only["verdict"] == OPEN and "no configuration was run on another task" in only["evidence"]


def optimism(chosen, unselected):
    """Return rows of stage 2 with their optimism in each objective, by study (studies, configurations)."""
    columns = list(checks.OPTIMISM)
    return [row(role="default", point="d")] + [
        row(role=role, sampler="random", study_seed=i + 1, point=f"{role}{i}{j}", **dict.fromkeys(columns, float(one)))
        for role, arm in (("front", chosen), ("unselected", unselected))
        for i, study_of in enumerate(arm)
        for j, one in enumerate(study_of)
    ]


def told(rows):
    found = judged(rows, "C4")
    return found[found["subject"] == "optimism in accuracy"].iloc[0]


def test_stage_1_flatters_only_by_more_than_what_nobody_chose():
    rng = np.random.default_rng(4)
    noise = rng.normal(0, 0.01, (2, 5, 6))
    assert told(optimism(0.1 + noise[0], noise[1]))["verdict"] == HOLDS
    assert told(optimism(noise[0], 0.1 + noise[1]))["verdict"] == FAILS
    # the split and the fidelity of stage 2 shift both alike
    for shift in (0.2, -0.2):
        both = told(optimism(shift + noise[0], shift + noise[1]))
        assert both["verdict"] == OPEN and both["n"] == 5 and abs(both["value"]) < 0.02
    alone = told(optimism(0.1 + noise[0], []))
    assert alone["verdict"] == OPEN and alone["n"] == 0 and "no study has both" in alone["evidence"]


def test_a_split_that_all_studies_share_gives_no_verdict_more_often_than_it_should():
    """Simulated without flattery: each study's split and the one of stage 2 shift all configurations of the two stages."""
    rng, wrong, runs = np.random.default_rng(7), 0, 300
    for _ in range(runs):
        shift = rng.normal(0, 0.02, (5, 1)) - rng.normal(0, 0.02)
        arms = [shift + rng.normal(0, 0.02, (5, n)) for n in (12, 5)]
        wrong += told(optimism(*arms))["verdict"] != OPEN
    assert wrong / runs < 0.08


@pytest.mark.parametrize(
    ("by", "said", "not_said"),
    [
        (0.1, "stage 1 flattered what it chose", "cannot be told"),
        (-0.1, "stage 1 did not flatter what it chose", "it looked better"),
        (0.0, "Whether stage 1 flattered what it chose on t cannot be told", "looked"),
    ],
)
def test_the_sentence_on_the_optimism_is_its_verdict(by, said, not_said):
    noise = np.random.default_rng(4).normal(0, 0.01, (2, 5, 6))
    (text,) = searched._optimism(judged(optimism(by + noise[0], noise[1]), "C4"))
    assert said in text and not_said not in text


def test_sentences_say_why_there_is_no_figure():
    lost = judged([*curve([0, 1, 4], [0, 1, 4]), *moved(1, failed=True)[1:]], "C4", "C5", "C6")
    assert "at none of them" in searched._changes(lost, "C5", "{what}")[0]
    assert searched._changes(lost, "C6", "{what}")[0].startswith(
        "C6 cannot tell on far (accuracy, Delta_EO and advantage): "
    )
    assert "no study has both" in searched._optimism(lost)[0]
    (nowhere,) = searched._changes(judged(curve([]), "C6"), "C6", "{what}")
    assert nowhere.startswith("C6 cannot tell (order): no configuration")


def test_studies_in_which_neither_found_anything_are_not_compared():
    rows = [
        {"task": "t", "sampler": sampler, "study_seed": seed, "hypervolume": 0.3 * (seed == 1 and sampler == "tpe")}
        for seed in range(1, 6)
        for sampler in study.SAMPLERS
    ]
    (only,) = checks._volume(pd.DataFrame(rows))
    assert only["verdict"] == OPEN and only["n"] == 1


@pytest.mark.parametrize(("won", "verdict"), [(5, HOLDS), (4, HOLDS), (3, OPEN), (1, FAILS), (0, FAILS)])
def test_the_sampler_must_do_as_well_in_four_of_five(won, verdict):
    rows = [
        {
            "task": "t",
            "sampler": sampler,
            "study_seed": seed,
            "hypervolume": 0.5 + (sampler == "tpe") * (0.1 if seed <= won else -0.1),
        }
        for seed in range(1, 6)
        for sampler in study.SAMPLERS
    ]
    (only,) = checks._volume(pd.DataFrame(rows))
    assert only["verdict"] == verdict and only["n"] == 5
    assert only["low"] <= only["value"] <= only["high"]


def test_a_study_that_proposes_something_else_fails_c1():
    rows = [{"task": "t", "replayed": True}, {"task": "t", "replayed": False}]
    (only,) = checks._same(pd.DataFrame(rows))
    assert only["verdict"] == FAILS and only["value"] == 1
