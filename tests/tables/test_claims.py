"""The table `claims` on small hand-made tables: every verdict, and what stands in its way."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import told
from claimed import DEFENCES, EO, FAILS, HOLDS, IDLE, MEASURES, OPEN, SAME, TASKS, diverge, judge, tables, verdict
from popleak.core.errors import PopleakError
from popleak.report import matrix, page
from popleak.tables import _paired, claims

pytestmark = pytest.mark.slow


def test_all_hold():
    found = judge()
    assert set(found["claim"]) == {"C1", "C2", "C2s", "C3", "C4", "C5", "C6", "C7", "C8"}
    assert set(found["verdict"]) == {HOLDS}
    assert (found["n"] > 0).all()
    assert (found["low"] <= found["high"]).all()
    assert not found["evidence"].str.contains("nan").any()


@pytest.mark.parametrize(
    ("claim", "parts", "expected"),
    [
        ("C1", {"gap": {"fft-rehearsal": 0.06}}, [FAILS]),
        ("C1", {"gap": {"none": 0.3}}, [FAILS]),
        ("C1", {"gap": {"none": 0.05}}, [FAILS]),
        ("C1", {"gap": {"fft-rehearsal": 0.04}, "noise": 0.02}, [OPEN]),
        ("C2", {"gap": {"fft-rehearsal": 0.2}}, [FAILS]),
        ("C2", {"gap": {"fft-rehearsal": 0.1}, "noise": 0.05}, [OPEN]),
        ("C2s", {"gap": {"fft-rehearsal": 0.2}}, [FAILS]),
        ("C2s", {"gap": {"fft-rehearsal": 0.1}, "noise": 0.05}, [OPEN]),
        ("C3", {"bounds": {"literal": 8}}, [FAILS]),
        ("C3", {"bounds": {"balanced": 8}}, [HOLDS]),
        ("C3", {"bounds": {"literal_excess": 0.0}}, [OPEN]),
        ("C4", {"bounds": {"balanced": 8}}, [FAILS]),
        ("C4", {"bounds": {"coupling": 8}}, [FAILS]),
        ("C4", {"bounds": {"literal": 8}}, [HOLDS]),
        ("C5", {"eo": {"fft": 0.3, "fft-rehearsal": 0.3}}, [FAILS, FAILS]),
        ("C5", {"eo": {"fft": 0.3}}, [FAILS, HOLDS]),
        ("C5", {"eo": {"fft": 0.2, "fft-rehearsal": 0.2}, "noise": 0.05}, [OPEN, OPEN]),
        ("C6", {"difference": (0.1, 0.05, 0.15, "higher")}, [FAILS, FAILS]),
        ("C6", {"difference": (-0.05, -0.1, 0.04, "cannot tell")}, [OPEN, OPEN]),
        ("C6", {"difference": (0.1, 0.05, 0.15, "cannot tell")}, [OPEN, OPEN]),
        ("C6", {"difference": (0.02, 0.01, 0.03, "no material difference")}, [SAME, SAME]),
        ("C6", {"difference": (0.0, np.nan, np.nan, "not applicable"), "vacuous": 1.0}, [IDLE, IDLE]),
        ("C7", {"bounds": {"fell": -0.1, "delta": 0.1}}, [FAILS]),
        ("C7", {"bounds": {"fell": 0.1, "delta": 0.1}}, [OPEN]),
        ("C7", {"bounds": {"fell": -0.2, "delta": 0.0}, "noise": 0.05}, [OPEN]),
    ],
)
def test_verdicts(claim, parts, expected):
    assert verdict(judge(**parts), claim) == expected


def test_two_variants_of_a_defence_keep_their_own_verdicts():
    """Statements name the defence, so that the page of results has a row of each; once the last variant stood for both."""
    parts = tables()
    for name in ("models", "bounds"):
        mine = parts[name][parts[name]["defence"] == "fft-rehearsal"].assign(defence="strong")
        if name == "models":
            mine["gap"] += np.sign(mine["gap"]) * 0.3
        parts[name] = pd.concat([parts[name], mine])
    kinds = {"t": {**TASKS["kinds"]["t"], "strong": "fft-rehearsal"}}
    found = claims.make(parts=[], tables=parts, settings=told.table("claims", {**TASKS, "kinds": kinds})).to_pandas()
    lines = page.verdicts(found).splitlines()
    for claim in ("C1", "C2", "C2s"):
        assert verdict(found, claim) == [HOLDS, FAILS]
        mild, strong = (line for line in lines if line.startswith(f"| {claim} |"))
        assert "(fft-rehearsal)" in mild and f"| {HOLDS} " in mild
        assert "(strong)" in strong and f"| {FAILS} " in strong
    with pytest.raises(PopleakError, match="two verdicts of C1 on task 't'"):
        page.verdicts(pd.concat([found, found]))


def test_the_page_marks_verdicts_of_useless_models_and_says_what_intervals_are_of():
    found = judge()
    found.loc[found["claim"] == "C1", "statement"] = "a | b\nc"
    fair = found[(found["claim"] == "C6") & (found["defence"] == "fft-rehearsal")].iloc[0]
    shown = page.verdicts(found, {tuple(fair[matrix.KEYS])}).splitlines()
    rows = {line.split(" | ")[1]: line for line in shown if line.startswith("| C")}
    marked = {text for text, line in rows.items() if page.MARK in line}
    assert marked == {
        one
        for one in rows
        if "fft-rehearsal" in one and found.loc[found["statement"] == one, "kind"].iloc[0] in matrix.PAID
    }
    assert shown[-1].endswith(f"{page.MARK}: most of these models give all records one label.")
    assert page.MARK not in page.verdicts(found)
    assert f"| {fair['statement']} | change in advantage, twice that in accuracy |" in "\n".join(shown)
    assert all(
        line.count(" | ") == shown[0].count(" | ") for line in shown[:-2] if "a \\|" not in line
    ) and "| a \\| b c |" in "\n".join(shown)


def test_tau_is_the_configs():
    assert verdict(judge(gap={"fft-rehearsal": 0.12}), "C2s") == [FAILS]
    found = judge({"tau": 0.2}, gap={"fft-rehearsal": 0.12})
    assert verdict(found, "C2s") == verdict(found, "C2") == [HOLDS]
    assert "below 0.2" in found.loc[found["claim"] == "C2", "statement"].iloc[0]


def test_what_the_experiment_cannot_speak_to_is_left_out():
    assert verdict(judge({"datasets": {"t": "adult"}}), "C1") == []
    only = {"kinds": {"t": {"none": "none"}}, "controls": {"t": {}}}
    assert set(judge(only)["claim"]) == {"C3", "C4", "C8"}
    assert set(judge(protocol="equal")["claim"]) == {"C8"}


def test_both_directions_count():
    parts = tables()
    wrong = (parts["models"]["defence"] == "fft-rehearsal") & (parts["models"]["world"] == 1)
    parts["models"].loc[wrong, "gap"] -= 0.3
    found = claims.make(parts=[], tables=parts, settings=told.table("claims", TASKS)).to_pandas()
    assert verdict(found, "C1") == verdict(found, "C2s") == [FAILS]


def test_shadows_and_diverged_models_do_not_count():
    parts = tables()
    extra = parts["models"].copy()
    extra["gap"], extra["delta_eo"], extra["model_index"] = 0.9, 0.9, extra["model_index"] + 100
    half = len(extra) // 2
    extra["role"] = np.where(np.arange(len(extra)) < half, "shadow", "victim")
    extra["status"] = np.where(np.arange(len(extra)) < half, "ok", "diverged")
    before = claims.make(parts=[], tables=parts, settings=told.table("claims", TASKS))
    after = claims.make(
        parts=[], tables={**parts, "models": pd.concat([parts["models"], extra])}, settings=told.table("claims", TASKS)
    )
    assert before.drop(["evidence"]).equals(after.drop(["evidence"]))
    c2 = after.to_pandas().set_index("claim").loc["C2s", "evidence"]
    diverged = (extra["status"] == "diverged") & (extra["defence"] == "fft-rehearsal")
    assert c2.endswith(f"({diverged.sum()} diverged victims left out)")


def test_small_cells_are_weak_evidence():
    parts = tables(bounds={"literal": 8})
    parts["bounds"]["smallest_cell"] = 10
    found = claims.make(parts=[], tables=parts, settings=told.table("claims", TASKS)).to_pandas()
    for claim in ("C3", "C4"):
        (row,) = found[found["claim"] == claim].to_dict("records")
        assert row["verdict"] == IDLE and "fewer than 30 rows" in row["evidence"] and row["low"] != row["low"]


def test_bounds_that_are_not_known_are_left_out():
    """A query set with an empty (y, a) cell leaves rates, and so bounds, without a value."""
    parts = tables()
    first = parts["bounds"].index == 0
    parts["bounds"]["literal_holds"] = parts["bounds"]["literal_holds"].astype(object)
    unknown = ["adv_balanced_measured", "weighted_delta", "literal_excess_low", "literal_excess_high"]
    parts["bounds"].loc[first, unknown] = np.nan
    parts["bounds"].loc[first, "literal_holds"] = None
    found = claims.make(parts=[], tables=parts, settings=told.table("claims", TASKS)).to_pandas()
    assert verdict(found, "C7") == verdict(found, "C3") == [HOLDS]


@pytest.mark.parametrize(
    ("gone", "untold"),
    [
        (("fft",), {"C5": [OPEN, HOLDS], "C6": [OPEN, HOLDS], "C7": [HOLDS]}),
        (("fft-rehearsal",), {"C1": [OPEN], "C2": [OPEN], "C2s": [OPEN], "C5": [HOLDS, OPEN], "C6": [HOLDS, OPEN]}),
        (("none",), {"C1": [OPEN], "C2": [HOLDS], "C5": [OPEN, OPEN], "C7": [OPEN]}),
        (
            DEFENCES,
            {claim: [OPEN] for claim in ("C1", "C2", "C2s", "C3", "C4", "C7")} | {"C5": [OPEN] * 2, "C6": [OPEN] * 2},
        ),
    ],
)
def test_where_all_models_of_a_defence_diverge_nobody_can_tell(gone, untold):
    found = claims.make(parts=[], tables=diverge(tables(), *gone), settings=told.table("claims", TASKS)).to_pandas()
    assert set(found["claim"]) == {"C1", "C2", "C2s", "C3", "C4", "C5", "C6", "C7", "C8"}, "every claim has its row"
    for claim, words in untold.items():
        assert verdict(found, claim) == words, claim
    unsure = found[found["verdict"] == OPEN]
    assert unsure["evidence"].str.contains(r"\b(?:8|16|40|80|160|400) diverged").all()
    assert not found["evidence"].str.contains("nan").any()
    assert (found["low"].notna() == found["high"].notna()).all()


@pytest.mark.parametrize(("splits", "each"), [(1, 8), (2, 1), (5, 0)])
def test_too_few_models_carry_no_verdict(splits, each):
    """One split, or two victims of a world, are no ground for a verdict however narrow an interval comes out."""
    parts = tables()
    for name in ("models", "bounds"):
        parts[name] = parts[name][(parts[name]["split"] < splits) & (parts[name]["model_index"] < each)]
    parts["leakage"] = parts["leakage"].assign(splits=splits, victims=2 * splits * each, verdict_vs_control=OPEN)
    if not each:
        parts["leakage"] = parts["leakage"].iloc[:0]
    found = claims.make(parts=[], tables=parts, settings=told.table("claims", TASKS)).to_pandas()
    found = found[found["claim"] != "C8"]
    assert set(found["verdict"]) <= {OPEN}
    reason = "from one pool split" if splits == 1 else "models are too few"
    assert found.loc[~found["claim"].isin(["C2", "C3", "C4", "C6"]), "evidence"].str.contains(reason).all()


def test_equal_values_decide_nothing_when_they_are_few():
    """Two victims a world that agree: once `0.200 [0.200, 0.200]`, which failed a limit of 0.1."""
    parts = tables()
    few = parts["models"][(parts["models"]["split"] < 2) & (parts["models"]["model_index"] < 2)]
    parts["models"] = few.assign(gap=0.9 - 0.7, fpr_difference_squared=np.where(few["defence"] == "none", 0.04, 0.01))
    found = claims.make(parts=[], tables=parts, settings=told.table("claims", TASKS)).to_pandas()
    for claim in ("C1", "C2s", "C5"):
        assert set(verdict(found, claim)) == {OPEN}, claim
    assert "0.200 [0.000, 1.000]" in found.set_index("claim").loc["C2s", "evidence"]


def test_limits_are_possible():
    parts = tables(noise=0.4)
    parts["models"]["gap"] = parts["models"]["gap"].clip(-1, 1)
    for name in ("delta_eo", *_paired.SQUARES):
        parts["models"][name] = parts["models"][name].clip(-0.5, 1)
    parts["bounds"] = parts["bounds"].assign(
        adv_balanced_measured=parts["bounds"]["adv_balanced_measured"].clip(-1, 1), weighted_delta=parts["bounds"]["weighted_delta"].clip(-1, 1)
    )  # fmt: skip
    few = {
        name: parts[name][(parts[name]["split"] < 2) & (parts[name]["model_index"] < 2)]
        for name in ("models", "bounds")
    }
    found = claims.make(parts=[], tables={**parts, **few}, settings=told.table("claims", TASKS)).to_pandas()
    assert not (found["low"] < -1).any() and not (found["high"] > 1).any()
    assert (found.loc[found["claim"].isin(["C1", "C2", "C2s", "C3", "C4"]), "low"] >= 0).all()


def test_a_model_that_is_none_of_its_own_is_not_applicable():
    """No epoch of fine-tuning: the models are those of `none`, and there is no change of Delta_EO to speak of."""
    parts = tables()
    models = parts["models"].set_index("defence")
    for name in ("gap", *EO, *MEASURES):
        models.loc["fft", name] = models.loc["none", name].to_numpy()
    found = claims.make(
        parts=[], tables={**parts, "models": models.reset_index()}, settings=told.table("claims", TASKS)
    ).to_pandas()
    assert verdict(found, "C5") == [IDLE, HOLDS]
    assert "the models are those of none" in found.set_index("claim").loc["C5", "evidence"].iloc[0]


def test_what_lies_outside_the_papers_figures_is_named():
    row = judge(gap={"none": 0.3}).set_index("claim").loc["C1"]
    assert (
        "the gap before, of models that start from world 0, is 30.0 points, where the paper's figure is read as 10 to 20"
        in row["plain"]
    )
    assert "the gap after" not in row["plain"]
    row = judge(gap={"fft-rehearsal": 0.06}).set_index("claim").loc["C1"]
    assert (
        "the gap after, of models that start from world 1, is 6.0 points, where the paper's figure is read as below 4"
        in row["plain"]
    )


def test_every_verdict_is_explained_in_whole_sentences():
    found = judge()
    assert (
        found["plain"].str.fullmatch(r"[A-Z].*\.").all()
        and not found["plain"].str.contains(r"nan|\{", regex=True).any()
    )
    one = judge(noise=0.0)  # what is equal in all splits
    assert not one["plain"].str.contains("nan").any()
