"""What is checked of rows of generators, and what is said of it: each verdict by rule from the tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import fake_generators as fake
import fake_tables
import generated as small
import tiny
from popleak.measures import information
from popleak.measures.intervals import Estimate
from popleak.measures.verdicts import FAILS, HOLDS, OPEN
from popleak.report import alike, generated, generator_estimates, generators

SEEN, FEW, HIDDEN, ADAPTIVE = "property-inference", "property-inference-200", "property-classifier", "shadow-generators"
NOISE = {"split": np.arange(5), "step": np.array([-0.002, 0.001, 0.0, -0.001, 0.002])}


def one(frames, name, words, what=None):
    """Return the only check of this name whose sentence has these words, about one thing."""
    (found,) = (
        check
        for check in generators.checks(frames, (fake.ALIKE,))
        if check.name == name and words in check.said and what in (None, check.what)
    )
    return found


def estimating(adversary, estimate, sharer="none", task="adult", noise=1.0):
    """Return the tables of one task in which an adversary's estimate of each ratio is as given, but for noise by pool split."""
    frames = fake.released(tasks=(task,))
    table = frames["shares"]
    mine = (table["adversary"] == adversary) & (table["defence"] == sharer)
    splits = noise * NOISE["step"][table.loc[mine, "split"]]
    table.loc[mine, "estimate"] = table.loc[mine, "ratio"].map(estimate).to_numpy() + splits
    return frames


def with_models(**values):
    """Return poisoned tables of one task in which measures of a receiver and world are as given: receiver_world_measure = value."""
    frames = fake.poisoned(tasks=("adult",))
    table = frames["models"]
    for key, value in values.items():
        receiver, world, measure = key.split("__")
        mine = (table["defence"] == receiver.replace("_", "-")) & (table["protocol"] == "fairness-poisoning")
        mine &= (table["world"] == 0) if world == "clean" else (table["world"] == 1) & (table["ratio_1"] == 0.7)
        table.loc[mine, measure] = value + NOISE["step"][table.loc[mine, "split"]]
    return frames


@pytest.mark.parametrize(
    ("value", "limits", "verdict"),
    [(1.0, (0.8, 1.0), HOLDS), (0.9, (0.8, 0.96), OPEN), (0.5, (0.3, 0.7), FAILS), (1.0, (np.nan, np.nan), OPEN)],
)
def test_shares_of_generators_hold_by_the_number_and_fail_by_the_interval(value, limits, verdict):
    assert generator_estimates.counted(Estimate(value, *limits, np.nan), 0.95) == verdict


@pytest.mark.parametrize(
    ("off", "verdict"),
    [(0.0, HOLDS), (0.035, HOLDS), (0.06, FAILS)],
    ids=["exact", "within width and .02", "beyond both"],
)
def test_a2_the_group_in_sight(off, verdict):
    """The width of 4,000 rows is .0215, so that .0415 are allowed."""
    frames = estimating(SEEN, lambda ratio: ratio + off)
    assert one(frames, "A2", "share of generators").verdict == verdict
    assert one(frames, "A2", "Spearman").verdict == HOLDS, "the order is kept"


def test_a2_few_generators_that_miss_cannot_tell():
    frames = estimating(SEEN, lambda ratio: ratio)
    table = frames["shares"]
    mine = table.index[(table["adversary"] == SEEN) & (table["defence"] == "none")]
    table.loc[mine[::16], "estimate"] = 0.0
    found = one(frames, "A2", "share of generators")
    assert 0.9 < found.found.value < 0.95 and found.verdict == OPEN


def test_a2_an_order_that_is_lost():
    assert one(estimating(SEEN, lambda ratio: 1 - ratio), "A2", "Spearman").verdict == FAILS
    assert one(estimating(SEEN, lambda ratio: 0.5, noise=0.0), "A2", "Spearman").found.value == 0
    assert (
        one(estimating(SEEN, {0.1: 0.1, 0.3: 0.5, 0.5: 0.5001, 0.7: 0.7, 0.9: 0.9}.get), "A2", "Spearman").verdict
        == HOLDS
    )


@pytest.mark.parametrize(("off", "verdict"), [(0.01, HOLDS), (0.05, OPEN), (0.08, FAILS)])
def test_a3_the_group_withheld(off, verdict):
    found = one(estimating(HIDDEN, lambda ratio: ratio + off), "A3", "absolute error")
    assert found.verdict == verdict and found.what == HIDDEN
    assert found.beside == "amplification 1.60; of 50 estimates 0 clipped, nothing told by 0"


def test_a3_order():
    assert one(estimating(HIDDEN, lambda ratio: 1 - ratio), "A3", "Spearman").verdict == FAILS


@pytest.mark.parametrize(("times", "verdict"), [(1.0, HOLDS), (1.5, OPEN), (2.0, FAILS)])
def test_a4_two_hundred_rows(times, verdict):
    found = one(estimating(FEW, lambda ratio: ratio + times * drawn(ratio), noise=0.2), "A4", "200 rows")
    assert found.what == FEW and found.verdict == verdict and found.found.value == pytest.approx(times, abs=0.02)


def drawn(ratio):
    return (2 * ratio * (1 - ratio) / (np.pi * 200)) ** 0.5


@pytest.mark.parametrize(("at", "verdict"), [(0.51, HOLDS), (0.53, OPEN), (0.56, FAILS)])
def test_a5_a_share_that_is_one_half(at, verdict):
    found = one(estimating(SEEN, lambda ratio: at, "fair"), "A5", "is counted", "fair")
    assert (
        found.verdict == verdict
        and "shadow-generators errs by 0.24" in found.beside
        and "4000 rows alone" in found.beside
    )


def test_a5_a_share_that_is_set_holds_though_it_never_varies():
    assert (
        one(estimating(SEEN, lambda ratio: 0.5, "fixed-prior", noise=0.0), "A5", "is counted", "fixed-prior").verdict
        == HOLDS
    )


@pytest.mark.parametrize(("known", "verdict"), [(0.0, HOLDS), (0.125, OPEN), (0.5, FAILS)])
def test_a5_the_adversary_that_trains_generators_behind_the_defence(known, verdict):
    """One who knows half of how far the ratio is from the middle errs half as much; plain attacks may see nothing of it."""
    frames = estimating(ADAPTIVE, lambda ratio: 0.5 + known * (ratio - 0.5), "fair", noise=2.0)
    assert one(frames, "A5", "in sight, an adversary", "fair").verdict == verdict
    assert one(frames, "A5", "is counted", "fair").verdict == HOLDS


def answering(estimate, adversary=ADAPTIVE, sharer="fair"):
    """Return the tables of one task in which an adversary answers so behind a sharer's defence, and a little beside it each time."""
    frames = estimating(adversary, lambda ratio: 0.5, sharer)
    table = frames["shares"]
    mine = (table["adversary"] == adversary) & (table["defence"] == sharer)
    noise = fake.rng("answering").normal(0, 0.02, mine.sum())
    table.loc[mine, "estimate"] = np.clip(table.loc[mine, "ratio"].map(estimate).to_numpy() + noise, 0, 1)
    return frames


@pytest.mark.parametrize(
    ("estimate", "verdict"),
    [
        (lambda ratio: min(1, ratio + 0.3), FAILS),
        (lambda ratio: 1 - ratio, FAILS),
        (lambda ratio: 0.3, HOLDS),
        (lambda ratio: 0.3 + 0.1 * ratio, HOLDS),
    ],
    ids=["a bias hides the order", "upside down", "a bias alone", "a slope that gains less than .03"],
)
@pytest.mark.parametrize(("adversary", "where"), [(ADAPTIVE, "in sight"), ("shadow-generators-withheld", "withheld")])
def test_a5_an_adversary_that_errs_as_the_middle_may_follow_the_ratio(adversary, where, estimate, verdict):
    frames = answering(estimate, adversary)
    found = one(frames, "A5", f"{where}, an adversary", "fair")
    assert found.found.low > -0.03, "by its error alone it learns nothing"
    assert found.verdict == verdict == one(frames, "A5", f"{where}, estimates", "fair").verdict
    assert found.beside.endswith("of which less than 0.125 counts as none"), (
        ".03 over the mean distance from the middle, .24"
    )
    if where == "in sight":
        researcher = next(line for line in generated.sentences(frames) if line.startswith("For the researcher"))
        told = {HOLDS: "fair, is so in 1 of 1 task", FAILS: "fair, is not so in 1 of 1 task"}[verdict]
        assert "learns no more than the middle: " in researcher and told in researcher


@pytest.mark.parametrize(
    ("limits", "verdict"),
    [((-0.1, 0.1), HOLDS), ((0.05, 0.1), HOLDS), ((0.2, 0.4), FAILS), ((-0.4, -0.2), FAILS), ((0.1, 0.5), FAILS), ((-0.1, 0.5), OPEN), ((0.01, 0.2), OPEN)],
)  # fmt: skip
def test_a_slope_counts_by_its_size_and_by_its_interval(limits, verdict):
    assert generator_estimates.flat(Estimate(sum(limits) / 2, *limits, np.nan), 0.125) == verdict


def test_a8_groups_that_differ_in_nothing():
    frames = estimating(HIDDEN, lambda ratio: 0.5, task=fake.ALIKE)
    found = one(frames, "A8", "do not follow")
    assert found.verdict == HOLDS and found.beside.startswith("amplification 30.00; of 50 estimates ")
    table = frames["shares"]
    mine = (table["adversary"] == HIDDEN) & (table["defence"] == "none")
    table.loc[mine, "estimate"] = table.loc[mine, "ratio"] * (0.9 + NOISE["step"][table.loc[mine, "split"]])
    assert one(frames, "A8", "do not follow").verdict == FAILS
    table.loc[mine, "estimate"] = 1 - table.loc[mine, "estimate"]
    assert one(frames, "A8", "do not follow").verdict == FAILS, "upside down it is told as well"
    wild = fake.released(tasks=(fake.ALIKE,))
    table = wild["shares"]
    mine = (table["adversary"] == HIDDEN) & (table["defence"] == "none")
    table.loc[mine, "estimate"] = (table.loc[mine, "split"] % 2 == (table.loc[mine, "ratio"] > 0.5)).astype(float)
    assert one(wild, "A8", "do not follow").verdict == OPEN, "an interval that holds 0 and .5"


@pytest.mark.parametrize("amplification", [1.6, 30.0, np.inf])
@pytest.mark.parametrize("alike", [True, False])
def test_the_control_is_named_by_the_config_and_not_by_what_comes_out(amplification, alike):
    frames = estimating(HIDDEN, lambda ratio: ratio + 0.2)
    table = frames["shares"]
    table.loc[table["adversary"] == HIDDEN, "amplification"] = amplification
    found = generators.checks(frames, ("adult",) if alike else (fake.ALIKE,))
    names = {check.name for check in found if check.what == HIDDEN and check.name in ("A3", "A8")}
    assert names == ({"A8"} if alike else {"A3"})
    assert {check.verdict for check in found if "error of the ratio" in check.said} == (set() if alike else {FAILS})


def untold(part, **more):
    """Return tables of one task in which a part of the estimates without the group tell nothing, and the others the ratio."""
    frames = estimating(HIDDEN, lambda ratio: ratio, **more)
    table = frames["shares"]
    mine = table.index[(table["adversary"] == HIDDEN) & (table["defence"] == "none")]
    lost = mine[: int(part * len(mine))]
    table.loc[lost, ["raw", "estimate", "amplification", "width", "clipped"]] = (np.nan, 0.5, np.inf, np.inf, True)
    return frames


@pytest.mark.parametrize(("part", "verdict"), [(0.0, HOLDS), (0.04, HOLDS), (0.5, FAILS), (1.0, FAILS)])
def test_a3_what_tells_nothing_is_counted_and_is_no_estimate(part, verdict):
    frames = untold(part)
    found = one(frames, "A3", "anything is told")
    assert found.verdict == verdict and found.found.value == pytest.approx(1 - part)
    assert found.beside.endswith(f"of 50 estimates 0 clipped, nothing told by {int(50 * part)}")
    errors = [check for check in generators.checks(frames) if "error of the ratio" in check.said]
    assert [check.verdict for check in errors] == ([HOLDS] if part < 1 else []), (
        "the ends of the range are not off by .4"
    )
    assert ("left out of that error (adult: " in generated.sentences(frames)[-2]) == (part > 0)


SAME = {"shift": 0, "proxies": 0, "cell_shift": 0, "label_rates": [0.45, 0.45]}


@pytest.mark.parametrize(
    ("task", "found"),
    [
        ({"dataset": "synthetic", "options": SAME}, ["synthetic-group"]),
        ({"dataset": "synthetic", "id": "bit", "options": SAME | {"proxies": 2, "proxy_strength": 0}}, ["bit"]),
        ({"dataset": "synthetic", "options": SAME | {"shift": 0.1}}, []),
        ({"dataset": "synthetic", "options": SAME | {"proxies": 1}}, []),
        ({"dataset": "synthetic", "options": SAME | {"cell_shift": 0.1}}, []),
        ({"dataset": "synthetic", "options": SAME | {"label_rates": [0.4, 0.45]}}, []),
        ({"dataset": "synthetic-twin", "options": {}}, ["synthetic-twin-group"]),
        ({"dataset": "adult", "options": {}}, []),
    ],
)
def test_whose_groups_differ_in_nothing_by_the_config(task, found):
    built = tiny.build(**{**small.raw(), "tasks": [{"rows": 80, "query_rows": 80, **task}]}) if found else None
    assert alike.tasks({"tasks": [{"id": None, **task}]}) == set(found)
    assert built is None or [one.id for one in built.tasks][:1] == found, "as the plan names it"
    assert built is None or alike.tasks(built.report.settings.experiment) == set(found)


def test_the_control_of_the_experiment_is_known_as_one():
    """`generators` names its control, and no other task is one."""
    text = (Path(__file__).parents[2] / "workflow/experiments/generators.yaml").read_text(encoding="utf-8")
    assert alike.tasks(yaml.safe_load(text)) == {"random-bit"}


@pytest.mark.parametrize(
    ("copies", "nearer", "verdict"),
    [(0.0, 0.0, HOLDS), (-0.01, -0.1, HOLDS), (0.006, 0.045, HOLDS), (0.01, 0.05, OPEN), (0.02, 0.06, FAILS)],
    ids=["honest", "fewer", "within the margins", "at them", "beyond"],
)
def test_copies_beside_those_of_chance(copies, nearer, verdict):
    """One who memorised nothing lies at 0 and 1/2, a little above them as often as below."""
    frames = fake.released(tasks=("adult",))
    table = frames["samples"]
    table["copied"], table["nearer"] = (
        base + more + NOISE["step"][table["split"]] for base, more in ((0.05, copies), (0.5, nearer))
    )
    assert one(frames, "copies", "are copies").verdict == one(frames, "copies", "nearer").verdict == verdict


def test_no_copies_at_all_are_no_more_than_none():
    frames = fake.released(tasks=("adult",))
    frames["samples"][["copied", "copied_held_out"]] = 0.0
    assert one(frames, "copies", "are copies").verdict == HOLDS
    frames["samples"]["compared"] = 0
    assert not [check for check in generators.checks(frames) if check.name == "copies"]


@pytest.mark.parametrize("receiver", ["none", "synthetic"])
@pytest.mark.parametrize(("measure", "words"), [("delta_eo", "Delta_EO"), ("dp_difference", "demographic-parity")])
def test_a6_unfairness_rises(receiver, measure, words):
    frames = fake.poisoned(tasks=("adult",))
    assert one(frames, "A6", words, receiver).verdict == HOLDS
    table = frames["models"]
    mine = table["defence"] == receiver
    table.loc[mine, measure] = 1 - table.loc[mine, measure]
    assert one(frames, "A6", words, receiver).verdict == FAILS
    # one pool split in which it falls: the mean rises, and that of a resample with this split twice does not
    table.loc[mine, measure] = 0.1 + 0.1 * table.loc[mine, "ratio_1"] * np.where(
        table.loc[mine, "split"] == 0, -2.5, 1.0
    )
    assert one(frames, "A6", words, receiver).verdict == OPEN


@pytest.mark.parametrize(("accuracy", "verdict"), [(0.8, HOLDS), (0.79, OPEN), (0.75, FAILS)])
def test_a6_accuracy(accuracy, verdict):
    frames = with_models(synthetic__clean__accuracy=0.84)
    table = frames["models"]
    mine = (
        (table["defence"] == "synthetic")
        & (table["protocol"] == "fairness-poisoning")
        & (table["world"] == 1)
        & (table["ratio_1"] == 0.7)
    )
    table.loc[mine, "accuracy"] = accuracy - NOISE["step"][table.loc[mine, "split"]]
    assert one(frames, "A6", "accuracy falls", "synthetic").verdict == verdict


@pytest.mark.parametrize(("times", "verdict"), [(0.95, HOLDS), (0.85, OPEN), (0.7, FAILS), (1.3, FAILS)])
def test_a6_the_dependence_that_the_generator_keeps(times, verdict):
    frames = fake.poisoned(tasks=("adult",))
    table = frames["samples"]
    table["information"] = table["information_own"] * (times + NOISE["step"][table["split"]])
    assert one(frames, "A6", "I(S; Y)").verdict == verdict


@pytest.mark.parametrize("cells", ["model_index", "ratio"])
def test_a6_dependence_too_strong_here_does_not_make_up_for_too_weak_there(cells):
    """On average over generators, or over shares, the dependence is kept to the digit."""
    frames = fake.poisoned(tasks=("adult",))
    table = frames["samples"]
    high = (10 * table[cells]).round().astype(int) % 2 if cells == "ratio" else table[cells] == 1
    table["information"] = table["information_own"] * (1 + np.where(high, 0.3, -0.3) + NOISE["step"][table["split"]])
    found = one(frames, "A6", "I(S; Y)")
    assert found.verdict == FAILS and found.found.value == pytest.approx(0.3, abs=0.01)
    said = generated.sentences(frames)[-2]
    assert "dependence of group and label to within 15 %" in said and "is not so in 1 of 1 task" in said
    if cells == "model_index":
        assert found.beside.endswith("with its sign " + ", ".join(f"+0.000 at {share}" for share in fake.SHARES)), (
            "it cancels"
        )


def test_a6_what_the_draw_of_rows_alone_does_to_the_dependence():
    """The approximation beside the check against rows that are drawn."""
    frames = fake.poisoned(tasks=("adult",))
    table = frames["samples"]
    table["information_own"], table["information"] = 0.05, 0.05 * (1.05 + NOISE["step"][table["split"]])
    drawn = float(one(frames, "A6", "I(S; Y)").beside.partition("about ")[2].partition(";")[0])
    half = 0.25 + 0.25 * 0.3128  # of a table with margins 1/2 and I(S; Y) = .05
    counts = np.random.default_rng(1).multinomial(4000, [half, 0.5 - half, 0.5 - half, half], 20000)
    values = information.of_tables(counts.reshape(-1, 2, 2))
    assert values.mean() == pytest.approx(0.05, abs=0.0005)
    assert drawn == pytest.approx(np.abs(values / 0.05 - 1).mean(), rel=0.05)


def telling(changes):
    """Return poisoned tables of one task in which I(X; Y) of the sharer's rows is off by `changes`, by share, and by nothing else."""
    frames = fake.poisoned(tasks=("adult",))
    table = frames["samples"]
    off = np.array([changes.get(ratio, 0.0) for ratio in table["ratio"]])
    # what differs between models is in their clean rows too, and is no change
    table["information_xy_own"] = (
        (0.1 + 0.02 * table["model_index"]) * (1 + off) * (1 + NOISE["step"][table["split"]] * (off != 0))
    )
    return frames


@pytest.mark.parametrize(
    ("changes", "verdict", "worst"),
    [({0.7: 0.05}, HOLDS, 0.7), ({0.7: -0.1}, OPEN, 0.7), ({0.5: 0.15, 0.7: 0.5}, FAILS, 0.7), ({0.2: -0.4, 0.7: 0.4}, FAILS, 0.2)],
    ids=["within", "at the limit", "beyond", "off by as much either way"],
)  # fmt: skip
def test_a6_what_the_sharer_keeps_of_features_and_label(changes, verdict, worst):
    frames = telling(changes)
    if worst == 0.2:  # changes cancel on average over shares
        frames["samples"].loc[frames["samples"]["ratio"] == 0.2, "information_xy_own"] *= 0.99
    found = one(frames, "A6", "I(X; Y)")
    assert found.verdict == verdict and f"the worst is at a share of {worst:g}" in found.beside
    assert found.found.value == pytest.approx(changes[worst], abs=0.01), "of the same models' clean rows"
    said = generated.sentences(frames)[-2]
    assert said.startswith("For the researcher") and "That I(X; Y) of the chosen rows stays within 10 %" in said
    assert ("stronger than the one described" in said) == (verdict == FAILS)


def test_a6_rows_without_their_clean_ones_are_no_case():
    frames = telling({0.7: 0.5})
    table = frames["samples"]
    frames["samples"] = table[table["ratio"] > 0]
    assert not [check for check in generators.checks(frames) if "I(X; Y)" in check.said]


@pytest.mark.parametrize(("value", "verdict"), [(0.05, HOLDS), (0.08, HOLDS), (0.101, OPEN), (0.15, FAILS)])
def test_a7_a_receiver_who_balances_and_fine_tunes_fairly(value, verdict):
    """Clean rows give .07: .03 above it is allowed, and any fall."""
    frames = fake.poisoned(tasks=("adult",))
    table = frames["models"]
    table.loc[(table["defence"] == "synthetic") & (table["world"] == 0), "delta_eo"] = 0.07
    mine = (table["defence"] == "balanced-fair") & (table["world"] == 1)
    table.loc[mine, "delta_eo"] = value + NOISE["step"][table.loc[mine, "split"]]
    assert one(frames, "A7", "Delta_EO").verdict == verdict


@pytest.mark.parametrize(("accuracy", "verdict"), [(0.82, HOLDS), (0.8, OPEN), (0.78, FAILS)])
def test_a7_accuracy_is_not_below_that_of_doing_nothing(accuracy, verdict):
    frames = fake.poisoned(tasks=("adult",))
    table = frames["models"]
    table.loc[(table["defence"] == "synthetic") & (table["world"] == 1), "accuracy"] = 0.8
    mine = (table["defence"] == "balanced-fair") & (table["world"] == 1)
    table.loc[mine, "accuracy"] = accuracy + NOISE["step"][table.loc[mine, "split"]]
    assert one(frames, "A7", "accuracy is not below").verdict == verdict


def test_a8_a_share_of_0_changes_nothing():
    frames = fake.poisoned(tasks=("adult",))
    found = one(frames, "A8", "Delta_EO", "synthetic")
    assert found.found.value == 0 and found.verdict == HOLDS
    table = frames["models"]
    moved = (table["world"] == 0) & (table["protocol"] == "fairness-poisoning")
    table.loc[moved, "delta_eo"] += 0.01 + NOISE["step"][table.loc[moved, "split"]]
    assert one(frames, "A8", "Delta_EO", "synthetic").verdict == FAILS
    frames["models"] = table[table["protocol"] == "fairness-poisoning"]
    assert not [check for check in generators.checks(frames) if check.name == "A8"], "no pair, no check"


@pytest.mark.parametrize(
    ("clean", "poisoned", "verdicts"),
    [(0.5, 0.001, (HOLDS, HOLDS)), (0.001, 0.001, (FAILS, HOLDS)), (0.5, 0.5, (HOLDS, FAILS))],
    ids=["tells them apart", "refuses all", "refuses none"],
)
def test_r4_whom_a_receiver_refuses(clean, poisoned, verdicts):
    frames = fake.poisoned(tasks=("adult",))
    table = frames["samples"]
    table["dependence_p"] = np.where(table["ratio"] == 0, clean, poisoned)
    found = one(frames, "R4", "no row was chosen"), one(frames, "R4", "where rows were chosen")
    assert tuple(check.verdict for check in found) == verdicts
    said = " ".join(generated.sentences(frames))
    assert ("that test does not tell who poisoned" in said) == (verdicts[0] == FAILS)


def test_one_pool_split_decides_nothing():
    for frames in (fake.released(tasks=("adult",), splits=1), fake.poisoned(tasks=("adult",), splits=1)):
        frames["samples"] = frames["samples"][frames["samples"]["split"] == 0]
        found = generators.checks(frames)
        assert found and {check.verdict for check in found} <= {OPEN}


def test_two_ratios_have_no_order():
    frames = fake.released(tasks=("adult",), ratios=(0.1, 0.9))
    assert not [check for check in generators.checks(frames) if "Spearman" in check.said]


@pytest.mark.parametrize(
    "frames",
    [fake_tables.empty(), {}, {"samples": fake_tables.empty()["samples"]}],
    ids=["no rows", "no tables", "one"],
)
def test_without_rows_nothing_is_said(frames):
    assert generators.checks(frames) == [] and generated.sentences(frames) == [] and generated.table(frames) == ""
    assert generated.shown(frames) == []


def test_diverged_generators_and_models_do_not_count():
    frames = fake.released(tasks=("adult",))
    frames["shares"].loc[frames["shares"]["split"] == 0, ["finite", "estimate"]] = (False, np.nan)
    frames["samples"].loc[frames["samples"]["split"] == 0, "finite"] = False
    assert one(frames, "A2", "share of generators").verdict == HOLDS
    assert any("Left out: 10 generators" in said for said in generated.sentences(frames))
    frames = fake.poisoned(tasks=("adult",))
    frames["models"].loc[frames["models"]["split"] == 0, ["delta_eo", "dp_difference", "accuracy"]] = np.nan
    assert one(frames, "A6", "Delta_EO", "none").verdict == HOLDS and one(frames, "A7", "Delta_EO").verdict == HOLDS


def test_sentences_count_verdicts_and_name_what_fails():
    frames = fake.released(tasks=("adult", "compas"))
    table = frames["shares"]
    mine = (table["adversary"] == SEEN) & (table["defence"] == "none") & (table["task"] == "compas")
    table.loc[mine, "estimate"] = table.loc[mine, "ratio"] + 0.1
    said = generated.sentences(frames)
    assert "holds in 1 and fails in 1 of 2 tasks" in said[0] and "it fails on compas (0.000 [" in said[0]
    researcher, owner = said[-2:]
    assert researcher.startswith("For the researcher: ") and "is so in 1 and is not so in 1 of 2 tasks" in researcher
    assert owner.startswith("What this means for whoever owns the data: ") and "to 10.0 points" in owner
    assert any(
        "10 generators a world and sharer's defence in 5 pool splits, of which each released 4,000 rows" in one
        for one in said
    )


def test_sentences_on_poison_speak_of_the_control():
    said = generated.sentences(fake.poisoned())
    researcher, receiver = said[-2:]
    assert "in the control, of the sharer's rows without a generator between, is so in 2 of 2 tasks" in researcher
    assert "refuses 0 % of clean and 100 % of poisoned generators" in receiver


def test_the_table_has_a_row_a_check_and_a_column_a_task():
    frames = fake.released(tasks=("adult", "compas"))
    lines = generated.table(frames).splitlines()
    assert lines[0] == "| | to be seen | of | adult | compas |"
    rows = {(check.name, check.said, check.what) for check in generators.checks(frames)}
    assert len([line for line in lines if line.startswith("| ")]) == len(rows) + 2
    (row,) = (line for line in lines if "| A3 |" in line and "absolute error" in line)
    assert row.count("holds 0.01") == 2
    kept = generated.frame(frames)
    assert list(kept.columns) == list(generated.COLUMNS) and len(kept) == len(generators.checks(frames))
    assert len(generated.shown(frames)[0]["rows"]) == len(kept)


def test_tasks_of_several_generators_are_named_with_them():
    frames = fake.released(tasks=("adult",), models=("one", "two"))
    assert {check.task for check in generators.checks(frames)} == {"adult, one", "adult, two"}
    assert isinstance(generated.frame(frames), pd.DataFrame)
