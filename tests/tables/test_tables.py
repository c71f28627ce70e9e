"""The table `leakage` on small hand-made scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import told
from popleak.measures import intervals, paired
from popleak.measures import leakage as leakage_measures
from popleak.store import schema
from popleak.tables import leakage

pytestmark = pytest.mark.slow

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


MEASURES = ("accuracy", "auc", "gap", "accuracy_g0", "accuracy_g1", "tpr_g0", "tpr_g1", "fpr_g0", "fpr_g1", "delta_eo",
            "delta_eo_sum", "dp_difference")  # fmt: skip


def victims(scores, **by_defence) -> pd.DataFrame:
    """The table `models` for the victims in scores, all ok and each defence's its own; by_defence: other columns of one defence."""
    keys = [*GAME, "defence", "split", "world", "model_index"]
    found = scores.drop_duplicates(keys)[keys].assign(role="victim", status="ok", eo_weight=0.0, eo_vacuous=0.0)
    rng = np.random.default_rng(0)
    found = found.assign(**{name: rng.random(len(found)) for name in MEASURES})
    for defence, columns in by_defence.items():
        mine = found["defence"] == defence
        for name, value in columns.items():
            found.loc[mine, name] = value
    return found


def make(*frames, controls=None, references=(), searched=(), models=victims, margin=0.05) -> pd.DataFrame:
    settings = {
        "tasks": ["t"],
        "controls": {"t": controls or {}},
        "references": {"t": list(references)},
        "searched": {"t": list(searched)},
        "white_box": {},
        "data": {},
        "margin": margin,
    }
    scores = pd.concat(frames, ignore_index=True)
    table = leakage.make(
        parts=[], tables={"scores": scores, "models": models(scores)}, settings=told.table("leakage", settings)
    )
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


def test_holm_within_families():
    """What the claim asks does not pay for the rows beside it: primary are the best informed adversary's, where worlds differ."""
    equal = {"protocol": "equal", "ratio_0": 0.5, "ratio_1": 0.5}
    table = make(
        *(verdicts("kl", name, one, level) for level in ("informed", "unaware") for name, one in (("none", RIGHT), ("fft", BAD), ("scratch", GOOD))),
        *(verdicts("loss", name, one, "any") for name, one in (("none", GOOD), ("fft", BAD), ("scratch", RIGHT))),
        verdicts("kl", "none", RIGHT, **equal), verdicts("kl", "fft", BAD, **equal),
        verdicts("kl", "none", RIGHT, poison=0.1), verdicts("kl", "fft", BAD, poison=0.1),
        verdicts("kl", "fft", BAD, repeats=5), verdicts("kl", "fft", BAD, shadow_model="logistic"),
        controls={"fft": "scratch"},
    )  # fmt: skip
    primary = table["family"] == "primary"
    assert primary.sum() == 3 and set(table["family"]) == {"primary", "secondary"}
    told = table.loc[primary, ["adversary", "knowledge", "protocol", "poison", "repeats", "shadow_model"]]
    assert set(told.itertuples(index=False, name=None)) == {("best", "informed", "pure", 0.0, 1, "mlp")}
    for name in ("p_vs_none", "p_equal_vs_none", "p_vs_control", "p_equal_vs_control"):
        for part in (table[primary], table[~primary]):
            expected = intervals.holm(part[name].to_numpy())
            assert np.isfinite(expected).any() and np.array_equal(part[f"{name}_holm"], expected, equal_nan=True)
    assert (table["margin"] == 0.05).all()


def test_models_whose_lambda_was_searched_say_nothing_of_the_term():
    """As claim C6: the sentences count this table's words. They are no part of what the claim's other rows pay for."""
    parts = [
        verdicts("kl", name, one, size)
        for size in ("informed",)
        for name, one in (("none", RIGHT), ("fft", BAD), ("finetune", RIGHT))
    ]
    plain, searched = (make(*parts, controls={"fft": "finetune"}, searched=names) for names in ((), ("fft",)))
    assert row(plain, "best", "fft")["family"] == "primary"
    found = row(searched, "best", "fft")
    assert found["family"] == "secondary" and found["verdict_vs_control"] == "cannot tell"
    assert found["reason_vs_control"] == "lambda was searched for each model"
    assert found["difference_vs_control"] == row(plain, "best", "fft")["difference_vs_control"]


def test_reference_lines_are_no_part_of_holms_family():
    parts = [verdicts("kl", "none", RIGHT), verdicts("kl", "fft", BAD), verdicts("data", "none", RIGHT, "any")]
    table = make(*parts, verdicts("data", "fft", GOOD, "any"), references=["data"])
    found = row(table, "data", "fft", knowledge="any")
    assert np.isfinite(found["p_vs_none"]) and np.isnan(found["p_vs_none_holm"]) and pd.isna(found["family"])
    assert np.isfinite(found["p_equal_vs_none"]) and np.isnan(found["p_equal_vs_none_holm"])
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


def test_a_diverged_victim_is_in_no_difference():
    frames = verdicts("kl", "none", RIGHT), verdicts("kl", "finetune", GOOD), verdicts("kl", "fft", WRONG)

    def models(scores):
        found = victims(scores)
        found.loc[(found["defence"] == "fft") & (found["split"] == 0) & (found["model_index"] == 0), "status"] = (
            "diverged"
        )
        return found

    table = make(*frames, controls={"fft": "finetune"}, models=models)
    found = row(table, "kl", "fft")
    assert found["diverged"] == 2 and row(table, "kl", "finetune")["diverged"] == 0
    assert found["accuracy"] == 0, "in the accuracy it counts as it answers"
    # six pairs are left: 3 right and 1 wrong of finetune's seven, all wrong of fft's
    expected = intervals.paired_test(np.zeros(6), np.array([1, 0, 1, 1, 1, 1.0]), np.repeat([0, 1], [2, 4]))
    assert found[[f"difference_vs_control{end}" for end in ("", "_low", "_high")]].tolist() == pytest.approx(
        expected[:3]
    )


def test_where_all_diverged_nothing_is_tested():
    scores = verdicts("kl", "none", RIGHT), verdicts("kl", "finetune", GOOD), verdicts("kl", "fft", BAD)
    table = make(
        *scores,
        controls={"fft": "finetune"},
        models=lambda s: victims(s, fft={"status": "diverged", "eo_weight": 1e300}),
    )
    found = row(table, "kl", "fft")
    assert found["diverged"] == 8
    assert found[["difference_vs_none", "difference_vs_control", "p_vs_none", "p_vs_control_holm"]].isna().all()
    assert found["verdict_vs_none"] == found["verdict_vs_control"] == "cannot tell"


VACUOUS = {"eo_weight": 1.0, "eo_vacuous": 1.0}


def own(scores, like=(), **columns):
    """Models as `victims`, where the second of `like` has the measures of the first."""
    found = victims(scores, **columns).set_index("defence")
    for name in MEASURES if like else ():
        found.loc[like[1], name] = found.loc[like[0], name].to_numpy()
    return found.reset_index()


@pytest.mark.parametrize(
    ("models", "control", "none"),
    [
        (lambda s: own(s, fft=VACUOUS), "not applicable", "cannot tell"),
        (lambda s: own(s, fft={**VACUOUS, "eo_vacuous": 0.5}), "cannot tell", "cannot tell"),
        (lambda s: own(s, ("finetune", "fft")), "not applicable", "cannot tell"),
        (lambda s: own(s, ("none", "fft")), "cannot tell", "cannot tell"),
        (lambda s: own(s, fft={**VACUOUS, "status": "diverged"}), "cannot tell", "cannot tell"),
    ],
    ids=[
        "every EO term vacuous",
        "half of them",
        "equal to the last bit",
        "equal measures, other scores",
        "all diverged",
    ],
)
def test_the_same_models_are_nothing_to_test(models, control, none):
    """By evidence, not by name: vacuous terms, or equal measures and scores of every victim."""
    frames = verdicts("kl", "none", RIGHT), verdicts("kl", "finetune", GOOD), verdicts("kl", "fft", GOOD)
    found = row(make(*frames, controls={"fft": "finetune"}, models=models), "kl", "fft")
    assert (found["verdict_vs_control"], found["verdict_vs_none"]) == (control, none)
    if control == "not applicable":
        assert found["difference_vs_control"] == 0
        unknown = [
            "difference_vs_control_low",
            "p_vs_control",
            "p_vs_control_holm",
            "p_equal_vs_control",
            "sd_vs_control",
        ]
        assert found[unknown].isna().all() and found["reason_vs_control"] == "the models are the same"


def test_aware_shadows_of_other_settings_do_not_make_equal_models_differ():
    """EO weight 0: the victims are the control's; aware shadows, of the default weight, score them otherwise."""
    frames = [verdicts("kl", "none", RIGHT), verdicts("loss", "none", GOOD, "any")]
    for name, aware in (("finetune", GOOD), ("fft", BAD)):
        frames += [
            verdicts("kl", name, GOOD),
            verdicts("kl", name, aware, "aware"),
            verdicts("loss", name, GOOD, "any"),
        ]
    table = make(*frames, controls={"fft": "finetune"}, models=lambda s: own(s, ("finetune", "fft")))
    judged = table[(table["defence"] == "fft")].set_index(["adversary", "knowledge"])
    assert set(judged["verdict_vs_control"]) == {"not applicable"} and judged["p_vs_control"].isna().all()
    assert judged.loc[("kl", "informed"), "difference_vs_control"] == 0
    assert judged.loc[("kl", "aware"), "difference_vs_control"] == 0.5 - 7 / 8, "what other shadows do, as measured"


def test_scores_that_differ_are_of_other_models():
    other = verdicts("kl", "fft", GOOD)
    other["score"] *= 1 + 1e-12
    frames = verdicts("kl", "none", RIGHT), verdicts("kl", "finetune", GOOD), other
    table = make(*frames, controls={"fft": "finetune"}, models=lambda s: own(s, ("finetune", "fft")))
    assert row(table, "kl", "fft")["verdict_vs_control"] == "cannot tell"


def test_what_is_not_tested_takes_no_power_from_the_rest():
    frames = [
        verdicts("kl", name, guesses)
        for name, guesses in (("none", RIGHT), ("finetune", GOOD), ("fft", GOOD), ("a", BAD), ("b", GOOD))
    ]
    frames += [verdicts("loss", name, BAD, "any") for name in ("a", "b")]
    controls = {"fft": "finetune", "b": "a"}
    table = make(*frames, controls=controls, models=lambda s: own(s, fft=VACUOUS))
    found = row(table, "kl", "b")
    assert found["p_vs_control_holm"] == pytest.approx(found["p_vs_control"] * 2), "kl and loss: fft's are no tests"
    assert row(table, "best", "b")["p_vs_control_holm"] == row(table, "best", "b")["p_vs_control"]


def test_below_chance_is_said():
    table = make(
        verdicts("kl", "none", [([1] * 20, [0] * 20)] * 5),
        verdicts("loss", "none", [([0, 1] * 10, [0, 1] * 10)] * 5, "any"),
    )
    assert row(table, "kl")["against_chance"] == "below"
    assert set(make(verdicts("kl", "none", [([1] * 40, [0] * 40)]))["against_chance"]) == {"cannot tell"}, "one split"
    assert row(table, "loss")["against_chance"] == "cannot tell"


def named(right: int, size: int = 40) -> tuple[list[int], list[int]]:
    """Guesses on one split of `size` victims, half from each world, of which the first `right` are named rightly."""
    correct = np.arange(size) < right
    correct = correct[np.random.default_rng(5).permutation(size)]
    world = np.arange(size) % 2
    guess = np.where(correct, world, 1 - world)
    return guess[world == 0].tolist(), guess[world == 1].tolist()


def against(control, fft, **options) -> pd.Series:
    """The best informed adversary's row of fft, from the numbers named rightly in each split under it and its control."""
    size = options.pop("size", 40)
    frames = [
        verdicts("kl", name, [named(right, size) for right in rights])
        for name, rights in (("finetune", control), ("fft", fft))
    ]
    none = verdicts("kl", "none", [named(size, size)] * len(fft))
    return row(make(none, *frames, controls={"fft": "finetune"}, **options), "best", "fft")


def test_neither_is_told_from_chance():
    """Named in 48.5 and in 55.0 %, neither told from a coin: once the difference, which is significant, made C6 fail."""
    found = against([19, 20, 19, 20, 19], [22] * 5)
    assert found["accuracy"] == 0.55 and found["difference_vs_control"] == pytest.approx(0.065)
    assert found["p_vs_control_holm"] < 0.05 and found["against_chance"] == "cannot tell"
    assert (found["verdict_vs_control"], found["reason_vs_control"]) == ("cannot tell", "neither is told from chance")
    assert found["verdict_vs_none"] == "lower" and pd.isna(found["reason_vs_none"]), (
        "undefended victims are named always"
    )
    found = against([19, 20, 19, 20, 19], [32, 33, 32, 33, 32])
    assert found["verdict_vs_control"] == "higher" and pd.isna(found["reason_vs_control"])


def test_no_material_difference():
    """One or two more of 400 named in a split: significant, and far within the margin."""
    found = against([360] * 5, [361, 362, 361, 362, 361], size=400)
    assert found["p_vs_control_holm"] < 0.05 and found["p_equal_vs_control_holm"] < 0.05
    assert found["difference_vs_control_low"] > 0, "the interval shows the sign"
    assert found["verdict_vs_control"] == "no material difference" and pd.isna(found["reason_vs_control"])
    assert against([360] * 5, [361, 362, 361, 362, 361], size=400, margin=0.001)["verdict_vs_control"] == "higher"
    assert found["p_equal_vs_none"] == 1 and found["verdict_vs_none"] == "lower"


def test_the_spread_of_a_difference_is_the_measures():
    found = against([19, 20, 19, 20, 19], [22, 30, 22, 22, 22])
    values = np.concatenate([np.r_[np.ones(n), np.zeros(40 - n)] for n in (3, 10, 3, 2, 3)])
    # of `best`, as its tests count it
    raw = paired.spread(values, np.repeat(np.arange(5), 40))
    expected = [leakage_measures.CHOSEN**0.5 * sd for sd in raw]
    assert list(found[["sd_vs_control", "between_vs_control"]]) == pytest.approx(expected)
    assert raw.between > 0.05
