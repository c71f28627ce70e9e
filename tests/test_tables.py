"""The tables `leakage` and `claims` on small hand-made scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from popleak import schema
from popleak.measures import intervals
from popleak.tables import claims, leakage

GAME = {"task": "t", "model": "mlp", "protocol": "pure", "ratio_0": 0.0, "ratio_1": 1.0, "poison": 0.0}


def verdicts(adversary, defence, guesses, knowledge="informed", access="scores", **game) -> pd.DataFrame:
    """Verdicts of one adversary: guesses by split, each a list for world 0 and a list for world 1."""
    rows = []
    for split, worlds in enumerate(guesses):
        for world, values in enumerate(worlds):
            for index, guess in enumerate(values):
                rows.append({**GAME, "shadow_model": "mlp", "repeats": 1, **game, "defence": defence, "adversary": adversary, "access": access,
                             "knowledge": knowledge, "split": split, "world": world, "model_index": index,
                             "score": 0.0 if guess == -1 else 2.0 * guess - 1, "guess": guess, "known_ceiling": np.nan})  # fmt: skip
    return pd.DataFrame(rows)


def make(*frames, controls=None, references=()) -> pd.DataFrame:
    settings = {
        "tasks": ["t"],
        "controls": {"t": controls or {}},
        "references": {"t": list(references)},
        "white_box": {},
    }
    table = leakage.make(parts=[], tables={"scores": pd.concat(frames, ignore_index=True)}, settings=settings)
    assert table.column_names == [column.name for column in schema.LEAKAGE]
    return table.to_pandas()


def row(table, adversary, defence="none", **keys) -> pd.Series:
    found = table[(table["adversary"] == adversary) & (table["defence"] == defence)]
    for name, value in keys.items():
        found = found[found[name] == value]
    assert len(found) == 1
    return found.iloc[0]


# Two splits, four victims each: 3 of 4 and 4 of 4 named rightly.
GOOD = [([0, 0], [1, 0]), ([0, 0], [1, 1])]
BAD = [([1, 0], [1, 0]), ([0, 1], [1, 0])]
RIGHT = [([0, 0], [1, 1])] * 2
WRONG = [([1, 1], [0, 0])] * 2
ABSTAINS = [([-1, -1], [-1, 1]), ([0, -1], [-1, -1])]


def test_accuracy_by_hand():
    found = row(make(verdicts("kl", "none", GOOD)), "kl")
    assert found["victims"] == 8
    assert found["splits"] == 2
    assert found["accuracy"] == 7 / 8
    # world 1 named 3 times in 4 in world 1, never in world 0
    assert found["advantage"] == pytest.approx(0.75)
    assert found["accuracy_low"] < 7 / 8 < found["accuracy_high"]
    assert found["advantage_low"] < 0.75 < found["advantage_high"]
    # AUC by split: (2 x 1 + 2 x 1/2) / 4 = 0.75 and 1
    assert found["auc"] == pytest.approx(0.875)
    assert found["abstained"] == 0
    assert np.isnan(found["n_leaked"]), "0 against 1: one sample settles it"
    assert np.isnan(found["p_vs_none"]) and np.isnan(found["p_vs_control"])


def test_interval_is_that_of_the_measure():
    found = row(make(verdicts("kl", "none", GOOD)), "kl")
    expected = intervals.proportion(np.array([3.0, 4.0]), np.array([4.0, 4.0]))
    assert (found["accuracy_low"], found["accuracy_high"]) == pytest.approx((expected.low, expected.high))


def test_an_abstention_is_half_right():
    found = row(make(verdicts("gap", "none", ABSTAINS)), "gap")
    # 6 abstentions, 2 right
    assert found["accuracy"] == (6 * 0.5 + 2) / 8
    assert found["abstained"] == 6 / 8
    assert row(make(verdicts("gap", "none", [([-1], [-1])] * 2)), "gap")["accuracy"] == 0.5


def test_n_leaked_of_ratio_worlds_only():
    ratio = {"protocol": "ratio", "ratio_0": 0.3, "ratio_1": 0.5}
    found = row(make(verdicts("kl", "none", GOOD, **ratio)), "kl")
    # rho* = max(0.3 / 0.5, 0.5 / 0.7)
    assert found["n_leaked"] == pytest.approx(np.log(4 * 0.875 * 0.125) / np.log(0.5 / 0.7))
    equal = {"protocol": "equal", "ratio_0": 0.5, "ratio_1": 0.5}
    assert np.isnan(row(make(verdicts("kl", "none", BAD, **equal)), "kl")["n_leaked"])


def test_paired_difference_to_control_and_none():
    defended = [([0, 0], [0, 0]), ([0, 0], [0, 1])]  # right: 2 of 4, 3 of 4
    control = [([0, 0], [1, 0]), ([0, 1], [0, 1])]  # right: 3 of 4, 2 of 4
    table = make(
        verdicts("kl", "none", RIGHT), verdicts("kl", "rehearsal", control), verdicts("kl", "fft-rehearsal", defended),
        controls={"fft-rehearsal": "rehearsal"},
    )  # fmt: skip
    found = row(table, "kl", "fft-rehearsal")
    # right minus right, victim by victim: split 0: 0 0 | -1 0; split 1: 0 +1 | 0 0
    values, split = np.array([0, 0, -1, 0, 0, 1, 0, 0]), np.repeat([0, 1], 4)
    expected = intervals.paired_test((values > 0) * 1.0, (values < 0) * 1.0, split)
    assert found["difference_vs_control"] == expected.value == 0
    assert found["difference_vs_control_low"] == pytest.approx(expected.low)
    assert found["difference_vs_control_high"] == pytest.approx(expected.high)
    assert found["p_vs_control"] == pytest.approx(expected.p)
    assert found["p_vs_none"] < 1
    lost = intervals.paired_test(np.array([1, 1, 0, 0, 1, 1, 0, 1.0]), np.ones(8), split)
    assert [found[f"difference_vs_none{end}"] for end in ("", "_low", "_high")] == pytest.approx(lost[:3])
    for name in ("rehearsal", "none"):
        assert np.isnan(row(table, "kl", name)["difference_vs_control"])
    assert np.isnan(row(table, "kl", "none")["p_vs_none"])
    assert np.isnan(row(table, "kl", "none")["difference_vs_none"])
    assert row(table, "kl", "rehearsal")["p_vs_none"] == pytest.approx(
        intervals.paired_test(np.array([1, 1, 1, 0, 1, 0, 0, 1.0]), np.ones(8), split).p
    )


def test_pairs_follow_the_victims_not_the_order_of_rows():
    parts = [verdicts("kl", "none", RIGHT), verdicts("kl", "fft", GOOD)]
    shuffled = [part.sample(frac=1, random_state=3) for part in parts]
    one, other = (row(make(*frames, controls={"fft": "none"}), "kl", "fft") for frames in (parts, shuffled))
    assert one["difference_vs_control"] == other["difference_vs_control"] == -1 / 8
    assert one["p_vs_none"] == other["p_vs_none"]


def test_unaware_is_compared_with_the_same_attack():
    table = make(
        verdicts("kl", "none", RIGHT),
        verdicts("kl", "finetune", GOOD, "informed"), verdicts("kl", "finetune", BAD, "unaware"),
        verdicts("kl", "fft", WRONG, "informed"), verdicts("kl", "fft", RIGHT, "unaware"),
        controls={"fft": "finetune"},
    )  # fmt: skip
    assert row(table, "kl", "fft", knowledge="informed")["difference_vs_control"] == -7 / 8
    assert row(table, "kl", "fft", knowledge="unaware")["difference_vs_control"] == 1 / 2


def test_holm_over_the_table():
    table = make(
        verdicts("kl", "none", RIGHT), verdicts("kl", "fft", BAD), verdicts("kl", "scratch", GOOD),
        verdicts("loss", "none", GOOD, "any"), verdicts("loss", "fft", BAD, "any"), verdicts("loss", "scratch", RIGHT, "any"),
    )  # fmt: skip
    expected = intervals.holm(table["p_vs_none"].to_numpy())
    assert np.array_equal(table["p_vs_none_holm"], expected, equal_nan=True)
    assert (table["p_vs_none_holm"].dropna() >= table["p_vs_none"].dropna()).all()


def test_reference_lines_are_no_part_of_holms_family():
    parts = [verdicts("kl", "none", RIGHT), verdicts("kl", "fft", BAD), verdicts("data", "none", RIGHT, "any")]
    table = make(*parts, verdicts("data", "fft", GOOD, "any"), references=["data"])
    found = row(table, "data", "fft", knowledge="any")
    assert np.isfinite(found["p_vs_none"]) and np.isnan(found["p_vs_none_holm"])
    assert row(table, "kl", "fft")["p_vs_none_holm"] == row(make(*parts[:2]), "kl", "fft")["p_vs_none_holm"]


def test_best_is_chosen_on_the_other_splits():
    # `a` is right on split 0 and wrong on split 1; `b` is the other way round: whoever chooses on the split that is
    # reported gets 1, whoever chooses on the other gets 0
    a = [([0, 0], [1, 1]), ([1, 1], [0, 0])]
    b = [([1, 1], [0, 0]), ([0, 0], [1, 1])]
    table = make(verdicts("a", "none", a), verdicts("b", "none", b))
    assert row(table, "best")["accuracy"] == 0
    assert row(table, "a")["accuracy"] == row(table, "b")["accuracy"] == 0.5


def test_best_takes_the_better_attack_of_its_knowledge():
    table = make(
        verdicts("kl", "none", RIGHT), verdicts("loss", "none", GOOD, "any", "labels"),
        verdicts("kl", "fft", BAD, "informed"), verdicts("kl", "fft", WRONG, "unaware"),
        verdicts("loss", "fft", GOOD, "any", "labels"),
    )  # fmt: skip
    assert row(table, "best")["accuracy"] == 1
    for knowledge in ("informed", "unaware"):
        assert row(table, "best", "fft", knowledge=knowledge)["accuracy"] == 7 / 8  # loss
    assert set(table.loc[table["adversary"] == "best", "access"]) == {"any"}


def test_reference_lines_are_no_candidates():
    table = make(verdicts("oracle", "none", RIGHT), verdicts("kl", "none", BAD), references=["oracle"])
    assert row(table, "oracle")["accuracy"] == 1
    assert row(table, "best")["accuracy"] == 0.5


def test_known_ceiling():
    oracle = verdicts("ceiling", "none", RIGHT)
    oracle["known_ceiling"] = np.where(oracle["split"] == 0, 0.9, 0.8)
    table = make(oracle, verdicts("kl", "none", GOOD), verdicts("kl", "fft", GOOD), references=["ceiling"])
    assert row(table, "kl")["known_ceiling"] == pytest.approx(0.85)
    assert np.isnan(row(table, "kl", "fft")["known_ceiling"])


def test_tasks_and_pairs_do_not_mix():
    other = {"protocol": "ratio", "ratio_0": 0.3, "ratio_1": 0.5}
    table = make(
        verdicts("kl", "none", RIGHT),
        verdicts("kl", "none", BAD, **other),
        verdicts("kl", "none", WRONG, model="logistic"),
    )
    accuracy = table[table["adversary"] == "kl"].set_index(["model", "protocol"])["accuracy"]
    assert accuracy.to_dict() == {("mlp", "pure"): 1.0, ("mlp", "ratio"): 0.5, ("logistic", "pure"): 0.0}


def test_no_scores_at_all():
    """An attack that applies to nothing here (`ceiling` on an MLP) leaves an empty table, not a traceback."""
    empty = verdicts("kl", "none", RIGHT).iloc[:0]
    assert len(make(empty)) == 0


# Claims.

TASKS = {"tasks": ["t"], "controls": {"t": {"fft": "finetune", "fft-rehearsal": "rehearsal"}}, "datasets": {"t": "acs-income"},
         "kinds": {"t": {n: n for n in ("none", "finetune", "rehearsal", "fft", "fft-rehearsal")}}, "tau": 0.1, "seed": 1}  # fmt: skip
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
                frame["gap"] = sign * spread(gap[defence], noise, 8, key + number)
                frame["delta_eo"] = spread(eo[defence], noise, 8, key + 7 * number)
                models.append(frame)
                fell = (bounds or {}).get("fell", -0.1) if defence.startswith("fft") else 0.0
                delta = (bounds or {}).get("delta", -0.1) if defence.startswith("fft") else 0.0
                limit = pd.DataFrame({"model_index": range(8)}).assign(**part, smallest_cell=100)
                limit["adv_balanced_measured"] = spread(0.3 + fell, noise, 8, key + 3 * number)
                limit["weighted_delta"] = spread(0.3 + delta, noise, 8, key + 5 * number)
                broken = np.arange(8) < (bounds or {}).get("literal", 0)
                middle = (bounds or {}).get("literal_excess", np.where(broken, 0.03, -0.03))
                limit["literal_excess_low"], limit["literal_excess_high"] = middle - 0.01, middle + 0.01
                for form in ("literal", "balanced", "corrected", "coupling"):
                    broken = (bounds or {}).get(form, 0)
                    limit[f"{form}_holds"] = [index >= broken for index in range(8)]
                limits.append(limit)
    value, low, high = difference or (-0.2, -0.25, -0.15)
    best = pd.DataFrame(
        [{**same, "defence": d, "adversary": "best", "knowledge": "informed", "victims": 80, "advantage": 0.5,
          "advantage_low": 0.4, "advantage_high": 0.6, "difference_vs_control": value, "difference_vs_control_low": low,
          "difference_vs_control_high": high, "p_vs_control": 0.5} for d in ("fft", "fft-rehearsal")]
    )  # fmt: skip
    return {"models": pd.concat(models), "bounds": pd.concat(limits), "leakage": best, "scores": best.iloc[:0]}


def judge(settings=None, **parts) -> pd.DataFrame:
    made = claims.make(parts=[], tables=tables(**parts), settings={**TASKS, **(settings or {})})
    assert made.column_names == [column.name for column in schema.CLAIMS]
    return made.to_pandas()


def verdict(found: pd.DataFrame, claim: str) -> list[str]:
    return found.loc[found["claim"] == claim, "verdict"].tolist()


HOLDS, FAILS, OPEN = "holds", "fails", "cannot tell"


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
        ("C6", {"difference": (0.2, 0.1, 0.3)}, [FAILS, FAILS]),
        ("C6", {"difference": (-0.01, -0.1, 0.08)}, [OPEN, OPEN]),
        ("C6", {"difference": (0.0, -0.04, 0.04), "vacuous": 1.0}, [FAILS, FAILS]),
        ("C6", {"difference": (0.0, -0.04, 0.04)}, [OPEN, OPEN]),
        ("C7", {"bounds": {"fell": -0.1, "delta": 0.1}}, [FAILS]),
        ("C7", {"bounds": {"fell": 0.1, "delta": 0.1}}, [OPEN]),
        ("C7", {"bounds": {"fell": -0.2, "delta": 0.0}, "noise": 0.05}, [OPEN]),
    ],
)
def test_verdicts(claim, parts, expected):
    assert verdict(judge(**parts), claim) == expected


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
    found = claims.make(parts=[], tables=parts, settings=TASKS).to_pandas()
    assert verdict(found, "C1") == verdict(found, "C2s") == [FAILS]


def test_shadows_and_diverged_models_do_not_count():
    parts = tables()
    extra = parts["models"].copy()
    extra["gap"], extra["delta_eo"], extra["model_index"] = 0.9, 0.9, extra["model_index"] + 100
    half = len(extra) // 2
    extra["role"] = np.where(np.arange(len(extra)) < half, "shadow", "victim")
    extra["status"] = np.where(np.arange(len(extra)) < half, "ok", "diverged")
    before = claims.make(parts=[], tables=parts, settings=TASKS)
    after = claims.make(parts=[], tables={**parts, "models": pd.concat([parts["models"], extra])}, settings=TASKS)
    assert before.drop(["evidence"]).equals(after.drop(["evidence"]))
    assert after["evidence"][0].as_py().endswith(f"({half} diverged victims left out)")


def test_small_cells_are_weak_evidence():
    parts = tables(bounds={"literal": 8})
    parts["bounds"]["smallest_cell"] = 10
    assert "C3" not in set(claims.make(parts=[], tables=parts, settings=TASKS).to_pandas()["claim"])


def test_bounds_that_are_not_known_are_left_out():
    """A query set with an empty (y, a) cell leaves rates, and so bounds, without a value."""
    parts = tables()
    first = parts["bounds"].index == 0
    parts["bounds"]["literal_holds"] = parts["bounds"]["literal_holds"].astype(object)
    unknown = ["adv_balanced_measured", "weighted_delta", "literal_excess_low", "literal_excess_high"]
    parts["bounds"].loc[first, unknown] = np.nan
    parts["bounds"].loc[first, "literal_holds"] = None
    found = claims.make(parts=[], tables=parts, settings=TASKS).to_pandas()
    assert verdict(found, "C7") == verdict(found, "C3") == [HOLDS]


def test_verdict_and_together():
    estimate = intervals.Estimate
    assert claims.verdict(estimate(0, -1, 1, 1), holds_below=2) == HOLDS
    assert claims.verdict(estimate(0, -1, 1, 1), holds_below=0.5) == OPEN
    assert claims.verdict(estimate(0, -1, 1, 1), holds_below=-2) == FAILS
    assert claims.verdict(intervals.UNKNOWN, holds_below=0.5) == OPEN
    assert claims.together([HOLDS, HOLDS]) == HOLDS
    assert claims.together([HOLDS, OPEN]) == OPEN
    assert claims.together([HOLDS, OPEN, FAILS]) == FAILS
    assert claims.together([]) == OPEN
