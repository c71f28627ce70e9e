"""The table `claims` on small hand-made tables: every verdict, and what stands in its way."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import told
from popleak.core.errors import PopleakError
from popleak.measures import deciding, paired, squares, verdicts
from popleak.report import matrix, page
from popleak.store import schema
from popleak.tables import _paired, claims

pytestmark = pytest.mark.slow

GAME = {"task": "t", "model": "mlp", "protocol": "pure", "ratio_0": 0.0, "ratio_1": 1.0, "poison": 0.0}

TASKS = {"tasks": ["t"], "controls": {"t": {"fft": "finetune", "fft-rehearsal": "rehearsal"}}, "datasets": {"t": "acs-income"},
         "kinds": {"t": {n: n for n in ("none", "finetune", "rehearsal", "fft", "fft-rehearsal")}}, "searched": {}, "tau": 0.1, "seed": 1}  # fmt: skip
HOLDS, FAILS, SAME, OPEN, IDLE = verdicts.WORDS
MEASURES = (
    "accuracy",
    "auc",
    "accuracy_g0",
    "accuracy_g1",
    "tpr_g0",
    "tpr_g1",
    "fpr_g0",
    "fpr_g1",
    "delta_eo_sum",
    "dp_difference",
)
EO = ("delta_eo", "delta_eo_floor", *_paired.SQUARES)
DEFENCES = ("none", "finetune", "rehearsal", "fft", "fft-rehearsal")


def spread(mean: float, noise: float, count: int, key: int) -> np.ndarray:
    """Values about a mean: the same noise in each split, so that intervals are as wide as `noise` says."""
    return mean + noise * np.random.default_rng(key).standard_normal(count)


def tables(gap=None, eo=None, difference=None, bounds=None, noise=0.002, protocol="pure", vacuous=0.0):
    """Public tables of one task with means by defence: |gap|, Delta_EO; advantage difference to the control; bounds."""
    gap = {"none": 0.15, **dict.fromkeys(DEFENCES[1:], 0.02), **(gap or {})}
    eo = {"none": 0.2, "finetune": 0.2, "rehearsal": 0.15, "fft": 0.1, "fft-rehearsal": 0.03, **(eo or {})}
    ratios = {"pure": (0.0, 1.0), "equal": (0.5, 0.5)}[protocol]
    same = {**GAME, "protocol": protocol, "ratio_0": ratios[0], "ratio_1": ratios[1]}
    models, limits = [], []
    for number, defence in enumerate(DEFENCES):
        for split in range(5):
            for world in (0, 1):
                part = {**same, "role": "victim", "status": "ok", "defence": defence, "split": split, "world": world}
                key = 100 * split + world
                sign = 1 if world == 0 else -1
                frame = pd.DataFrame({"model_index": range(8)}).assign(**part)
                frame["eo_weight"], frame["eo_vacuous"] = float(defence.startswith("fft")), vacuous
                frame[[*MEASURES]] = np.random.default_rng(key + 1000 * number).random((8, len(MEASURES)))
                frame["small_cells"] = np.nan  # two classes
                frame["gap"] = sign * spread(gap[defence], noise, 8, key + number)
                apart = spread(eo[defence], noise, 8, key + 7 * number)
                frame["delta_eo"], frame["delta_eo_floor"] = np.abs(apart), 0.01
                frame["fpr_difference_squared"], frame["tpr_difference_squared"] = (
                    apart * np.abs(apart),
                    apart * np.abs(apart) / 9,
                )
                models.append(frame)
                fell = (bounds or {}).get("fell", -0.1) if defence.startswith("fft") else 0.0
                delta = (bounds or {}).get("delta", -0.1) if defence.startswith("fft") else 0.0
                limit = frame[["model_index", *part]].drop(columns=["role", "status"]).assign(smallest_cell=100)
                limit["adv_balanced_measured"] = spread(0.3 + fell, noise, 8, key + 3 * number)
                limit["weighted_delta"] = spread(0.3 + delta, noise, 8, key + 5 * number)
                broken = np.arange(8) < (bounds or {}).get("literal", 0)
                middle = (bounds or {}).get("literal_excess", np.where(broken, 0.03, -0.03))
                limit["literal_excess_low"], limit["literal_excess_high"] = middle - 0.01, middle + 0.01
                for form in ("literal", "balanced", "corrected", "coupling"):
                    broken = (bounds or {}).get(form, 0)
                    limit[f"{form}_holds"] = [index >= broken for index in range(8)]
                limits.append(limit)
    value, low, high, word = difference or (-0.1, -0.125, -0.075, "lower")
    best = pd.DataFrame(
        [{**same, "defence": d, "adversary": "best", "knowledge": "informed", "victims": 80, "splits": 5, "accuracy": 0.75,
          "accuracy_low": 0.7, "accuracy_high": 0.8, "difference_vs_control": value, "difference_vs_control_low": low,
          "difference_vs_control_high": high, "p_vs_control": 0.01, "p_vs_control_holm": 0.02, "verdict_vs_control": word, "reason_vs_control": None, "margin": 0.05,
          "p_equal_vs_control": 0.03, "p_equal_vs_control_holm": 0.06, "sd_vs_control": 0.5, "between_vs_control": 0.0}
         for d in ("fft", "fft-rehearsal")]
    )  # fmt: skip
    return {"models": pd.concat(models), "bounds": pd.concat(limits), "leakage": best, "scores": best.iloc[:0]}


def judge(settings=None, **parts) -> pd.DataFrame:
    made = claims.make(parts=[], tables=tables(**parts), settings=told.table("claims", {**TASKS, **(settings or {})}))
    assert made.column_names == [column.name for column in schema.CLAIMS]
    return made.to_pandas()


def verdict(found: pd.DataFrame, claim: str) -> list[str]:
    return found.loc[found["claim"] == claim, "verdict"].tolist()


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


def test_models_that_a_search_chose_carry_no_claim_on_what_the_term_does():
    """Of the other defence nothing changes. C6 takes its verdict from the table `leakage`, which says so itself."""
    usual, found = judge(), judge({"searched": {"t": ["fft"]}})
    assert verdict(usual, "C5") == [HOLDS, HOLDS] and verdict(found, "C5") == [OPEN, HOLDS]
    (evidence,) = found.loc[(found["claim"] == "C5") & (found["verdict"] == OPEN), "evidence"]
    assert evidence.endswith("; cannot tell: lambda was searched for each model")
    others = usual["claim"] != "C5"
    pd.testing.assert_frame_equal(usual[others], found[others])


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
    assert "C3" not in set(
        claims.make(parts=[], tables=parts, settings=told.table("claims", TASKS)).to_pandas()["claim"]
    )


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


def diverge(parts: dict, *defences: str) -> dict:
    """The tables where every victim under these defences diverged."""
    models, bounds = parts["models"].copy(), parts["bounds"].reset_index(drop=True)
    gone = models["defence"].isin(defences)
    models.loc[gone, "status"] = "diverged"
    models.loc[gone, [*MEASURES, "gap", *EO]] = np.nan
    unknown = bounds["defence"].isin(defences)
    for name in bounds.columns[bounds.columns.str.endswith(("_holds", "_low", "_high", "_measured", "_delta"))]:
        bounds[name] = bounds[name].astype(object).where(~unknown, None)
        if not name.endswith("_holds"):
            bounds[name] = bounds[name].astype(float)
    leakage = parts["leakage"].copy()
    lost = leakage["defence"].isin(defences)
    leakage.loc[lost, [name for name in leakage if name.startswith(("difference", "p_"))]] = np.nan
    leakage.loc[lost, "verdict_vs_control"] = OPEN
    leakage.loc[lost, "reason_vs_control"] = "no model is left: all 80 diverged"
    return {**parts, "models": models, "bounds": bounds, "leakage": leakage}


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


def test_delta_eo_is_judged_by_squares_and_shown_beside_what_chance_reads():
    """Plug-in values that differ by their floors alone decide nothing; the interval is that of the change of the root mean square."""
    parts = tables(eo={"fft": 0.0, "fft-rehearsal": 0.0, "none": 0.0})
    models = parts["models"]
    models["delta_eo"] = np.where(models["defence"] == "none", 0.2, 0.05)
    models["delta_eo_floor"] = 0.04
    found = (
        claims.make(parts=[], tables=parts, settings=told.table("claims", TASKS))
        .to_pandas()
        .set_index("claim")
        .loc["C5"]
    )
    assert found["verdict"].tolist() == [OPEN, OPEN]
    assert found["evidence"].str.contains(r"plug-in 0.050 \(0.040 without a difference\) against 0.200 \(0.040 ").all()
    below_zero = {name: -1e-4 for name in _paired.SQUARES}
    found = claims.make(
        parts=[], tables={**parts, "models": models.assign(**below_zero)}, settings=told.table("claims", TASKS)
    ).to_pandas()
    c5 = found.set_index("claim").loc["C5"]
    assert c5["verdict"].tolist() == [OPEN, OPEN] and c5["evidence"].str.contains(_paired.NOTHING).all()
    found = (
        claims.make(parts=[], tables=tables(noise=1e-4), settings=told.table("claims", TASKS))
        .to_pandas()
        .set_index("claim")
        .loc["C5"]
    )
    assert found["verdict"].tolist() == [HOLDS, HOLDS]
    np.testing.assert_allclose(found[["low", "high"]], [[-0.1, -0.1], [-0.17, -0.17]], atol=1e-3)


def changed(parts, defence, world, *, eo=None, **columns):
    """Change the victims of one defence that start from one world. eo: their Delta_EO, all alike but for little noise."""
    models = parts["models"].reset_index(drop=True)
    mine = (models["defence"] == defence) & (models["world"] == world)
    if eo is not None:
        apart = spread(eo, 1e-3, int(mine.sum()), 9)
        columns |= {name: apart * np.abs(apart) / share for name, share in zip(_paired.SQUARES, (1, 9), strict=True)}
    for name, value in columns.items():
        models.loc[mine, name] = value
    return {**parts, "models": models}


def five(parts):
    found = claims.make(parts=[], tables=parts, settings=told.table("claims", TASKS)).to_pandas()
    return found[found["claim"] == "C5"].iloc[0]


def test_two_starting_populations_that_disagree_are_decided():
    """More splits cannot settle what is settled: one population's models become less fair, and the claim fails."""
    row = five(changed(tables(noise=1e-3), "fft", 0, eo=0.3))
    assert row["verdict"] == FAILS and np.isnan(row["splits_needed"])
    assert (
        "Models that start from world 0 become less fair; models that start from world 1 become fairer." in row["plain"]
    )
    assert "The claim fails if the models of either starting population become less fair" in row["plain"]


def test_one_starting_population_that_changes_too_little_is_named():
    parts = tables(noise=1e-3)
    models = parts["models"].reset_index(drop=True)
    mine, raw = (models[(models["defence"] == name) & (models["world"] == 1)] for name in ("fft", "none"))
    wobble = spread(0.0, 2e-3, len(raw), 3)
    for name in _paired.SQUARES:
        models.loc[mine.index, name] = raw[name].to_numpy() + wobble - wobble.mean() - 1e-4
    row = five({**parts, "models": models})
    assert row["verdict"] == OPEN and row["splits_needed"] > 5
    assert (
        "start from world 0 become fairer; models that start from world 1 change by too little to be told"
        in row["plain"]
    )
    assert "pool splits would decide it" in row["plain"]


def test_two_measures_that_point_apart_are_settled_by_no_number_of_splits():
    parts = tables(noise=1e-4)
    fair, noise = parts["models"]["defence"] == "fft", spread(0.0, 1e-4, len(parts["models"]), 1)
    parts["models"]["fpr_difference_squared"] = np.where(fair, 0.035, 0.04) + noise
    parts["models"]["tpr_difference_squared"] = np.where(fair, 0.03, 0.0)
    row = five(parts)
    assert row["verdict"] == OPEN and np.isnan(row["splits_needed"])
    assert (
        "The models of both starting populations become fairer by one of two measures and less fair by the other."
        in row["plain"]
    )
    assert f"What stands in the way: {_paired.APART}. More models" in row["plain"]


@pytest.mark.parametrize("constant", [True, False])
def test_models_that_became_equal_by_one_answer_are_called_so(constant):
    parts = tables()
    for world in (0, 1):
        accuracy = parts["models"].loc[parts["models"]["defence"] == "none", "accuracy"].mean() - 0.2
        parts = changed(parts, "fft", world, accuracy=accuracy, status="constant" if constant else "ok")
    row = five(parts)
    assert row["verdict"] == HOLDS and "accuracy falls by 20.0 points." in row["plain"]
    said = "But all of these models give every record one label and accuracy falls by" in row["plain"]
    assert said == constant == ("They became equal by giving one answer" in row["plain"])


def test_what_lies_outside_the_papers_figures_is_named():
    row = judge(gap={"none": 0.3}).set_index("claim").loc["C1"]
    assert (
        "the gap before, of models that start from world 0, is 30.0 points, where the paper has 10 to 20"
        in row["plain"]
    )
    assert "the gap after" not in row["plain"]
    row = judge(gap={"fft-rehearsal": 0.06}).set_index("claim").loc["C1"]
    assert (
        "the gap after, of models that start from world 1, is 6.0 points, where the paper has below 4" in row["plain"]
    )


def test_an_interval_without_0_that_decides_nothing_says_why():
    row = judge(difference=(0.05, 0.012, 0.088, OPEN)).set_index("claim").loc["C6"].iloc[0]
    assert (
        "The interval leaves out 0, but the difference is not significant after correction for 2 comparisons (p = 0.02)."
        in row["plain"]
    )
    assert "+1.2 to +8.8 points of accuracy" in row["plain"]
    row = judge(difference=(0.05, -0.012, 0.088, OPEN)).set_index("claim").loc["C6"].iloc[0]
    assert "leaves out 0" not in row["plain"]


def test_the_larger_label_and_both_must_agree_on_delta_eo():
    """One label falls and the other rises to just below it: the largest difference fell, the sum of squares rose."""
    parts = tables(noise=1e-4)
    fair, noise = parts["models"]["defence"] == "fft", spread(0.0, 1e-4, len(parts["models"]), 1)
    parts["models"]["fpr_difference_squared"] = np.where(fair, 0.035, 0.04) + noise
    parts["models"]["tpr_difference_squared"] = np.where(fair, 0.03, 0.0)
    found = claims.make(parts=[], tables=parts, settings=told.table("claims", TASKS)).to_pandas()
    assert verdict(found, "C5")[0] == OPEN
    parts["models"]["tpr_difference_squared"] = 0.0
    assert (
        verdict(claims.make(parts=[], tables=parts, settings=told.table("claims", TASKS)).to_pandas(), "C5")[0] == HOLDS
    )


@pytest.mark.parametrize("shared", [True, False], ids=["noise of a split", "noise of a victim"])
def test_noise_of_rates_alone_lowers_no_delta_eo(shared):
    """Both defences differ by 0.03 between the groups, one at rates near 0 and 1, one at 1/2, whose noise is three times as large:
    where the sign is chosen on other rows, the noisier reads less, and 15 to 100 of 100 runs said that Delta_EO fell."""
    rng = np.random.default_rng(5)
    rates = {"none": [[0.02, 0.02], [0.95, 0.98]], "fft": [[0.5, 0.5], [0.5, 0.53]]}
    counts, unseen = np.full((2, 2), 600), np.full((2, 2), 1_000_000)
    words = []
    for _ in range(100):
        frames = []
        for name, rate in rates.items():
            drawn = rng.binomial(600, np.broadcast_to(rate, (12, 1 if shared else 8, 2, 2))) + np.zeros((12, 8, 1, 1))
            found = squares.squared_differences(drawn.reshape(-1, 2, 2), counts, unseen)
            frame = pd.DataFrame(found, columns=list(_paired.SQUARES)).assign(
                defence=name, status="ok", world=0, **GAME
            )
            frame["split"], frame["model_index"] = np.repeat(np.arange(12), 8), np.tile(np.arange(8), 12)
            frames.append(frame.assign(protocol="pure", ratio_0=0.0, ratio_1=1.0))
        words.append(_paired.lower_eo(pd.concat(frames, ignore_index=True), "fft", "none")[0].word)
    assert words.count(HOLDS) <= 7 and words.count(FAILS) <= 7


def test_settings_that_could_not_be_judged_are_counted_beside_those_that_were():
    """Once a claim on 160 models that did not diverge gave `no model is left` as its reason."""
    once = {"fft": ({"fell": 0.1}, OPEN), "none": ({"fell": 0.1}, OPEN), "fft-rehearsal": ({"fell": -0.1}, HOLDS)}
    for gone, (limits, word) in once.items():
        found = claims.make(
            parts=[], tables=diverge(tables(bounds=limits), gone), settings=told.table("claims", TASKS)
        ).to_pandas()
        row = found.set_index("claim").loc["C7"]
        assert row["verdict"] == word
        everything = gone == "none"
        assert ("2 of 4 settings could not be judged" in row["evidence"]) != everything
        assert ("no model is left" in row["evidence"]) == everything
        assert ("no setting could be judged" in row["evidence"]) == everything


def test_reasons_are_given():
    found = judge(difference=(0.0, np.nan, np.nan, IDLE), vacuous=1.0).set_index("claim")
    assert (
        found.loc["C6", "evidence"]
        .str.contains("models are those of (?:finetune|rehearsal): every EO term was vacuous")
        .all()
    )
    assert found.loc["C6", ["low", "high"]].isna().all(axis=None)
    assert found.loc["C5", "plain"].str.contains("the fairness term never acts on these models").all()
    assert not judge().set_index("claim").loc["C5", "plain"].str.contains("never acts").any()
    found = judge(difference=(0.05, 0.012, 0.088, OPEN)).set_index("claim").loc["C6"]
    assert (
        found["evidence"]
        .str.contains(
            r"0.050 \[0.012, 0.088\], twice that in advantage: 0.100 \[0.024, 0.176\]; test of no difference: p = 0.01, Holm-corrected 0.02;"
        )
        .all()
    )
    assert found["low"].tolist() == pytest.approx([0.024] * 2)
    assert found["evidence"].str.contains("test of equivalence, margin 0.05: p = 0.03, Holm-corrected 0.06").all()


def test_what_a_design_finds_is_said_beside_what_it_did_not():
    """80 victims in five splits that differ by nothing but their victims: as `popleak power` has it."""
    found = judge(difference=(0.05, 0.012, 0.088, OPEN)).set_index("claim").loc["C6"]
    least = paired.detectable(victims=80, splits=5, spread=paired.Spread(0.5, 0.0))
    assert (
        found["evidence"]
        .str.contains(f"found with power 0.8 before correction: {least:.3f}, in advantage {2 * least:.3f}")
        .all()
    )
    assert least > 0.1


def test_the_reason_is_the_tables():
    parts = tables(difference=(0.065, 0.01, 0.12, OPEN))
    parts["leakage"]["reason_vs_control"] = verdicts.UNTOLD
    found = (
        claims.make(parts=[], tables=parts, settings=told.table("claims", TASKS))
        .to_pandas()
        .set_index("claim")
        .loc["C6"]
    )
    assert set(found["verdict"]) == {OPEN}
    assert found["evidence"].str.endswith("; cannot tell: neither is told from chance").all()
    assert found["splits_needed"].isna().all()
    assert (
        found["plain"]
        .str.contains("What stands in the way: neither accuracy is told from guessing, so that", regex=False)
        .all()
    )


def certify(accuracy: float, half: float, certificate: float = 0.0, task: str = "t") -> pd.DataFrame:
    parts = tables()
    row = (
        parts["leakage"]
        .iloc[[0]]
        .assign(
            defence="scratch",
            accuracy=accuracy,
            accuracy_low=accuracy - half,
            accuracy_high=accuracy + half,
            verdict_vs_control=None,
        )
    )
    parts["leakage"] = pd.concat([parts["leakage"], row])
    parts["models"] = pd.concat(
        [parts["models"], parts["models"][parts["models"]["defence"] == "none"].assign(defence="scratch")]
    )
    told_ = told.table("claims", {**TASKS, "certificates": {"t": {"scratch": certificate}}})
    found = claims.make(parts=[], tables=parts, settings=told_).to_pandas()
    return found[found["claim"] == "C9"]


@pytest.mark.parametrize(
    ("accuracy", "half", "certificate", "expected"),
    [
        (0.5, 0.03, 0.0, HOLDS), (0.52, 0.06, 0.0, OPEN), (0.6, 0.03, 0.0, FAILS), (0.6, 0.03, 0.2, HOLDS),
        (0.44, 0.02, 0.0, HOLDS),
    ],
)  # fmt: skip
def test_a_certificate_is_held_to_what_adversaries_achieve(accuracy, half, certificate, expected):
    (row,) = certify(accuracy, half, certificate).to_dict("records")
    assert row["verdict"] == expected
    assert (row["splits_needed"] > 5) == (expected == OPEN)
    if expected == OPEN:  # as many as narrow the half width from 0.06 to the margin of 0.05 around what is allowed
        assert row["splits_needed"] == np.ceil(5 * deciding.SCALE * (half / 0.05) ** 2)
    assert row["defence"] == "scratch" and row["allowed"] == (1 + certificate) / 2
    assert f"{certificate:g}" in row["statement"] and f"{100 * accuracy:.1f} %" in row["plain"]


def test_no_certificate_no_claim():
    assert "C9" not in set(judge()["claim"])


def test_what_is_undecided_says_how_many_splits_would_decide():
    undecided = judge(gap={"fft-rehearsal": 0.1}, noise=0.05, difference=(-0.05, -0.1, 0.04, "cannot tell"))
    row = undecided[(undecided["claim"] == "C6")].iloc[0]
    assert row["splits"] == 5 and row["splits_needed"] > 5
    assert f"about {row['splits_needed']:.0f} pool splits would decide it, where 5 were run" in row["plain"]
    told_ = undecided[undecided["verdict"] != OPEN]
    assert told_["splits_needed"].isna().all() and not told_["plain"].str.contains("would decide").any()


def test_every_verdict_is_explained_in_whole_sentences():
    found = judge()
    assert (
        found["plain"].str.fullmatch(r"[A-Z].*\.").all()
        and not found["plain"].str.contains(r"nan|\{", regex=True).any()
    )
    one = judge(noise=0.0)  # what is equal in all splits
    assert not one["plain"].str.contains("nan").any()
