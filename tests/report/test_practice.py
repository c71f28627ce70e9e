"""What to use when, by rule from the table `defences`: a made-up table for each branch."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import a_report
import fake_tables
from popleak.report import practice

PURE, NARROW, EQUAL = ("pure", 0.0, 1.0), ("ratio", 0.3, 0.5), ("equal", 0.5, 0.5)


def row(
    defence,
    *,
    kind=None,
    access="post-hoc",
    leak=0.5,
    chance="above",
    certified=np.nan,
    change=-0.01,
    half=0.004,
    cost=2.0,
    both=0.06,
    **more,
):
    return {
        "defence": defence, "kind": kind or defence, "access": access, "informed_advantage": leak, "informed_advantage_high": leak + 0.04,
        "informed_advantage_low_all": leak - both, "informed_advantage_high_all": leak + both, "diverged": 0.0, "constant": 0.0,
        "against_chance": chance, "certified_advantage": certified, "accuracy": 0.8 + change, "accuracy_vs_none": change,
        "accuracy_vs_none_low": change - half, "accuracy_vs_none_high": change + half, "seconds_base": 1.0, "seconds_reference": cost,
        "rows_own": 0.5, "rows_complement": 0.5, "rows_public": 0.0, "poison": 0.0, "model": "mlp", **more,
    }  # fmt: skip


NONE = {**row("none", leak=0.9, change=0.0, cost=1.0), "access": None}
SCRATCH = row("scratch", access="training", leak=0.01, chance="cannot tell", certified=0.0, cost=1.0)
LEAKY = row("tuned")
HIDING = row("tuned", leak=0.03, chance="cannot tell")


def table(*rows, tasks=("a", "b"), pairs=(PURE, NARROW)) -> pd.DataFrame:
    names = ("protocol", "ratio_0", "ratio_1")
    cases = [{"task": task, **dict(zip(names, pair, strict=True))} for task in tasks for pair in pairs]
    return pd.DataFrame([{**case, **one} for case in cases for one in (NONE, *rows)])


def said(*rows, **where) -> list[str]:
    return practice.sentences(table(*rows, **where))


def test_one_defence_for_each_access_in_all_cases_is_a_finding():
    training, after, both, scope = said(SCRATCH, HIDING)
    assert training == (
        "With access to the training, use scratch (the only one tried) in all 4 cases: accuracy changes by \u22121.0 points, it costs as much as the training of the "
        "base model, and it is certified in all of them."
    )
    assert after == (
        "From a trained model, without access to its training, use tuned (the only one tried) in all 4 cases: accuracy changes by \u22121.0 points, it costs 2 times the "
        "training of the base model, and an advantage of up to 0.09 is not excluded."
    )
    assert both == (
        "Retraining on the mixture, in all 4 cases, cannot be distinguished in accuracy from the best that starts from a model."
    )
    assert scope == "Found on 2 tasks at 2 settings alike: tasks a and b; worlds pure: 0 vs 1 and ratio: 0.3 vs 0.5."


def test_what_trains_on_public_rows_is_told_apart():
    """Whoever has no public rows must not be told to use them."""
    public = row("student", leak=0.0, chance="cannot tell", certified=0.0, change=0.01, rows_public=1.0)
    training, after, besides, both, scope = said(SCRATCH, HIDING, public)
    assert "use scratch (the only one tried)" in training and "use tuned (the only one tried)" in after
    assert besides.startswith(
        "With public rows besides, labelled and of the same population, use student (the only one tried) in all 4 cases: accuracy changes by +1.0 points"
    )
    assert both.startswith("Retraining on the mixture, in all 4 cases (of those without public rows), cannot")
    assert scope.startswith("Found on 2 tasks at 2 settings alike")
    assert said(SCRATCH, public)[1].endswith("no such defence was run.")


def test_retraining_wins_where_nothing_else_hides_the_world():
    _, after, both, scope = said(SCRATCH, LEAKY)
    assert after == (
        "From a trained model, without access to its training, none of the defences that were run hides the world in all 4 cases: the least that leaks "
        "is tuned, with an advantage of 0.50 for the best informed adversary."
    )
    assert both == (
        "Retraining on the mixture wins in all 4 cases: no defence that starts from a model hides the world and is as accurate."
    )
    assert scope.startswith("Found on 2 tasks")


def test_retraining_wins_by_accuracy_and_loses_by_it():
    worse, better = (
        row("tuned", leak=0.0, chance="cannot tell", change=-0.05),
        row("tuned", leak=0.0, chance="cannot tell", change=0.0),
    )
    assert "wins in all 4 cases" in said(SCRATCH, worse)[2]
    assert said(SCRATCH, better)[2] == (
        "Retraining on the mixture, in all 4 cases, is less accurate than the best that starts from a model."
    )


def test_the_most_accurate_that_hides_counts_not_the_most_accurate():
    leaky = row("leaky", change=0.01)
    sharp = row("sharp", leak=0.02, chance="cannot tell", change=-0.005)
    dull = row("dull", leak=0.0, chance="cannot tell", change=-0.03, cost=1.1)
    assert "use sharp (of 3 tried) in all 4 cases" in said(leaky, dull, sharp)[1]


def test_where_accuracy_does_not_decide_the_cheapest_is_named_and_the_others_told():
    dear = row("dear", leak=0.0, chance="cannot tell", change=-0.008, cost=5.0)
    cheap = row("cheap", leak=0.0, chance="cannot tell", change=-0.012, cost=1.2)
    line = said(dear, cheap)[1]
    assert "use cheap (of 2 tried) in all 4 cases" in line
    assert line.endswith("; in accuracy it cannot be distinguished from dear, at no lower cost.")


def test_a_certificate_counts_also_where_the_adversary_looks_better_than_chance():
    """By chance alone some intervals lie above it; a theorem does not err."""
    lucky = row("proven", leak=0.1, chance="above", certified=0.04)
    loose = row("loose", leak=0.1, chance="above", certified=0.3)
    assert "use proven (of 2 tried) in all 4 cases" in said(lucky, loose)[1]
    assert "it is certified in all of them" in said(lucky)[1]
    assert "none of the defences" in said(loose)[1]


WIDE = {**HIDING, "informed_advantage_high_all": 0.4}


def test_what_few_victims_do_not_show_is_not_said_to_be_shown():
    _, after, both, scope = said(SCRATCH, WIDE)
    assert after == (
        "From a trained model, without access to its training, the data do not decide: the most accurate defence under which the best informed adversary is "
        "not distinguished from chance is tuned (the only one tried) in all 4 cases, but it is not shown to hide the world: accuracy changes by \u22121.0 points, it costs 2 times the training of "
        "the base model, and an advantage of up to 0.40 is not excluded."
    )
    assert both == (
        "Retraining on the mixture, in all 4 cases, is shown to hide the world, and nothing that starts from a model is."
    )
    assert scope.startswith(
        "A finding, as it holds on every task and setting, is only what is said of access to the training"
    )


def test_what_is_shown_to_hide_comes_before_what_is_more_accurate():
    sharp = {
        **WIDE,
        **{name: value + 0.05 for name, value in WIDE.items() if name.startswith("accuracy")},
        "defence": "sharp",
    }
    assert "use tuned (of 2 tried) in all 4 cases" in said(sharp, HIDING)[1]
    doubtful = pd.concat([table(HIDING, sharp, tasks=("a",)), table(sharp, tasks=("b",))])
    assert practice.sentences(doubtful)[1].endswith("; not in every case is it shown that they hide the world.")


def test_different_defences_in_different_cases_are_no_finding():
    one, two = row("one", leak=0.0, chance="cannot tell"), row("two", leak=0.0, chance="cannot tell", change=-0.05)
    frame = pd.concat([table(one, two, tasks=("a",)), table({**one, "accuracy": 0.7, "accuracy_vs_none": -0.1, "accuracy_vs_none_low": -0.11,
                                                             "accuracy_vs_none_high": -0.09}, two, tasks=("b",))])  # fmt: skip
    found = practice.sentences(frame)
    assert found[0] == "With access to the training: no such defence was run."
    assert found[1] == (
        "From a trained model, without access to its training, no one of the 2 defences tried is best throughout all 4 cases: one on a (pure: 0 vs 1) and a (ratio: 0.3 vs 0.5) "
        "and two on b (pure: 0 vs 1) and b (ratio: 0.3 vs 0.5) (mind that accuracy falls by 5.0 points in the worst of them)."
    )
    assert found[-1].startswith("None of this holds on every task and setting, so that none of it is a finding")


def test_hiding_in_some_cases_alone():
    frame = pd.concat([table(HIDING, pairs=(NARROW,)), table(LEAKY, pairs=(PURE,))])
    found = practice.sentences(frame)
    assert "use tuned (the only one tried) in 2 of 4 cases (in the others none hides the world)" in found[1]
    assert found[-1].startswith("None of this holds")


def test_one_finding_of_two():
    frame = pd.concat([table(SCRATCH, HIDING, pairs=(NARROW,)), table(SCRATCH, LEAKY, pairs=(PURE,))])
    found = practice.sentences(frame)
    assert found[2] == (
        "Retraining on the mixture, in 4 cases: in 2 it wins; in 2 it cannot be distinguished in accuracy from the best that starts from a model."
    )
    assert found[3].startswith(
        "A finding, as it holds on every task and setting, is only what is said of access to the training: tasks a and b"
    )


@pytest.mark.parametrize(
    ("where", "what"),
    [
        ({"tasks": ("a",)}, "one task"),
        ({"pairs": (PURE,)}, "one setting"),
        ({"tasks": ("a",), "pairs": (PURE,)}, "one task"),
    ],
)
def test_one_task_or_one_setting_is_no_finding(where, what):
    found = said(SCRATCH, HIDING, **where)
    assert found[-1].startswith(f"This is of {what} alone and so no finding: ")
    if len(where) == 2:
        assert (
            found[0].startswith("With access to the training, use scratch (the only one tried): accuracy")
            and "it is certified" in found[0]
        )
        assert found[2].startswith("Retraining on the mixture cannot be distinguished")


def test_diverged_and_unjudged_rows_equal_worlds_and_poison_say_nothing():
    lost = {**row("lost", leak=0.0, chance="cannot tell", change=0.05), "accuracy": np.nan}
    unjudged = {**row("unjudged", change=0.05), "informed_advantage": np.nan, "against_chance": None}
    frame = pd.concat([table(SCRATCH, HIDING, lost, unjudged), table(row("equal", chance="cannot tell", change=0.1), pairs=(EQUAL,)),
                       table({**row("poisoned", chance="cannot tell", change=0.1), "poison": 0.1})])  # fmt: skip
    text = " ".join(practice.sentences(frame))
    assert "use tuned (of 2 tried) in all 4 cases" in text
    assert not any(name in text for name in ("lost", "unjudged", "equal", "poisoned"))


def test_without_a_defence_nothing_is_said():
    assert said() == [] and practice.sentences(fake_tables.empty()["defences"]) == []


def test_without_intervals_nothing_is_told_apart():
    """Two victims of one split, say."""
    bare = [{**one, "accuracy_vs_none_low": np.nan, "accuracy_vs_none_high": np.nan} for one in
            (row("dear", leak=0.0, chance="cannot tell", change=0.0, cost=4.0), row("cheap", leak=0.0, chance="cannot tell", change=-0.2, cost=1.1))]  # fmt: skip
    assert "use cheap" in said(*bare)[1]


def test_an_advantage_below_chance_hides_nothing():
    """Whoever is right in 20 % of cases need only answer the opposite."""
    flip = row("flip", leak=-0.6, chance="below", change=0.0)
    after = said(flip, row("honest", leak=0.02, chance="cannot tell", change=-0.02))[1]
    assert "use honest (of 2 tried)" in after
    assert said(flip)[1].endswith("flip, with an advantage of 0.60 for the best informed adversary, who need only answer the opposite.")  # fmt: skip
    assert "is tuned, with an advantage of 0.50" in said(flip, LEAKY)[1], "by size, it leaks more than 0.5"


def test_shown_on_both_sides():
    wide = {**row("wide", leak=0.0, chance="cannot tell"), "informed_advantage_low_all": -0.3}
    assert "the data do not decide" in said(wide)[1] and "up to 0.30 is not excluded" in said(wide)[1]


def test_diverged_victims_hide_nothing():
    lost = row("lost", leak=0.0, chance="cannot tell", change=0.005, diverged=0.97)
    assert said(lost)[1].endswith("none of the defences that were run is of use in all 4 cases.")
    assert said(lost)[-1].startswith("None of this holds"), "that is no finding on defences"
    _, after, left, *_ = said(lost, HIDING)
    assert "use tuned (of 2 tried)" in after
    assert left == "Left out, in the cases concerned, are defences of which more than 5 % of the victims diverged (lost)."  # fmt: skip
    assert "none of the defences that were run and are of use hides the world" in said(lost, LEAKY)[1]
    assert "use few" in said(row("few", leak=0.0, chance="cannot tell", diverged=0.05))[1], "at the limit"


def test_constant_models_are_not_recommended_though_certified():
    dull = row("dull", leak=0.0, chance="cannot tell", certified=0.01, change=-0.3, constant=1.0)
    found = said(dull, LEAKY)
    assert "hides the world in all 4 cases: the least that leaks is tuned" in found[1]
    assert "more than 50 % of the models give every record one label (dull)" in " ".join(found)


def test_a_fall_in_accuracy_is_told():
    poor = row("poor", leak=0.0, chance="cannot tell", change=-0.12)
    assert said(poor)[1].endswith("; mind that accuracy falls by 12.0 points in the worst of them.")
    assert said(poor, tasks=("a",), pairs=(PURE,))[1].endswith("; mind that accuracy falls by 12.0 points.")
    assert "mind" not in said(row("fine", leak=0.0, chance="cannot tell", change=-0.03))[1]


def test_a_case_with_a_shorter_list_of_defences_has_no_veto():
    sharp = row("resample", access="training", leak=0.0, chance="cannot tell", certified=0.0, change=0.005, half=0.001)
    training, *_, scope = practice.sentences(pd.concat([table(SCRATCH, sharp), table(SCRATCH, tasks=("c",))]))
    assert training.startswith("With access to the training, use resample (of 2 tried) in the 4 of 6 cases that ran it: ")  # fmt: skip
    assert training.endswith("; elsewhere the best is scratch on c (pure: 0 vs 1) and c (ratio: 0.3 vs 0.5).")
    assert scope.startswith("A finding, as it holds on every task and setting of those that ran what is named, ")


def test_what_few_cases_ran_is_not_recommended_for_all():
    lone = row("lone", leak=0.0, chance="cannot tell", change=0.02, half=0.001)
    frame = pd.concat([table(HIDING, tasks=("a", "b", "c")), table(HIDING, lone, tasks=("d",))])
    after = practice.sentences(frame)[1]
    assert "no one of the 2 defences tried is best throughout all 8 cases: tuned on" in after
    assert after.endswith(" and lone on d (pure: 0 vs 1) and d (ratio: 0.3 vs 0.5).")


def test_of_many_none_wins_by_luck():
    """One of 31 has by chance a 95 % interval that ends below 0.1; that which holds for all together does not."""
    many = [row(f"m{i}", leak=0.03, chance="cannot tell", both=0.2) for i in range(30)]
    lucky = row("lucky", leak=-0.02, chance="cannot tell", change=-0.05, both=0.2)
    assert lucky["informed_advantage_high"] < practice.chosen.EXCLUDED
    after = said(*many, lucky)[1]
    assert "the data do not decide" in after and "(of 31 tried)" in after and "lucky" not in after
    assert "was chosen on the same victims" in " ".join(said(*many, lucky))


def test_retraining_is_known_by_facts_and_compared_even_where_it_is_not_the_best():
    again = row("mine", access="training", leak=0.0, chance="cannot tell", certified=0.0)
    kept = row("over", kind="resample", access="training", leak=0.0, chance="cannot tell")
    for one in (again, kept):
        assert said(one, LEAKY)[2].startswith("Retraining on the mixture wins in all 4 cases")
    stopped = row("early-stopping", access="training", leak=0.0, chance="cannot tell", change=0.01)
    assert not any(line.startswith("Retraining") for line in said(stopped, LEAKY))
    assert "Retraining on the mixture wins in all 4 cases" in " ".join(said(again, stopped, LEAKY))
    leaky = row("scratch-fair", access="training")
    assert "Retraining on the mixture, in all 4 cases, does not hide the world." in said(leaky, HIDING)
    wide = row("scratch", access="training", leak=0.0, chance="cannot tell", both=0.3)
    assert "is not shown to hide the world, and something that starts from a model is." in said(wide, HIDING)[2]  # fmt: skip


def test_what_is_not_known_is_said_in_words():
    bare = row("bare", leak=0.0, chance="cannot tell", both=np.nan, cost=np.nan, change=np.nan)
    bare = {**bare, "accuracy": 0.8}
    text = said(bare)[1]
    assert "by how much accuracy changes is not known, what it costs is not known, and no interval of its advantage is known." in text  # fmt: skip
    assert "nan" not in text and "\u2013" not in text
    cheap = row("cheap", leak=0.0, chance="cannot tell")
    assert "use cheap (of 2 tried)" in said({**cheap, "defence": "bare", "seconds_reference": np.nan}, cheap)[1]


def test_the_page_shows_it(tmp_path):
    frames = fake_tables.tables(**a_report.SMALL)
    page = a_report.write(tmp_path, frames).read_text(encoding="utf-8")
    section = page[page.index('<section id="part-defences">') :]
    section = section[: section.index("</section>")]
    for line in practice.sentences(frames["defences"]):
        assert line in section
    assert "fft-rehearsal-epochs-60" in section


def test_findings_are_what_holds_on_several_tasks_at_several_settings():
    whole = table(SCRATCH, HIDING)
    assert practice.findings(whole) == [f"{one[:-1]} (tasks a and b)." for one in practice.sentences(whole)[:2]]
    assert practice.findings(table(SCRATCH, HIDING, tasks=("a",))) == []
    assert practice.findings(table(SCRATCH)) == [f"{practice.sentences(table(SCRATCH))[0][:-1]} (tasks a and b)."]
    assert practice.findings(table()) == []


def test_cases_whose_undefended_models_are_of_no_use_are_not_judged():
    """A defence under which all records get one label would keep the accuracy, and hide the world, for nothing."""
    frame = table(SCRATCH, HIDING)
    frame.loc[(frame["task"] == "b") & (frame["defence"] == "none"), "constant"] = 0.6
    found = practice.sentences(frame)
    assert "in all 2 cases" in found[0] and found[-1].startswith("This is of one task alone")
    assert any(
        line.startswith("Not judged are b (pure: 0 vs 1) and b (ratio: 0.3 vs 0.5), where most") for line in found
    )
    frame.loc[frame["defence"] == "none", "constant"] = 0.6
    assert len(practice.sentences(frame)) == 1 and practice.findings(frame) == []


def test_where_nothing_hides_the_world_that_is_said_beside_what_does_elsewhere():
    frame = pd.concat([table(HIDING, tasks=("a", "b")), table(row("other"), tasks=("c",))])
    after = practice.sentences(frame)[1]
    assert "use tuned (the only one tried) in the 4 of 6 cases that ran it" in after
    assert after.endswith(
        "; on c (pure: 0 vs 1) and c (ratio: 0.3 vs 0.5) none of those that were run hides the world."
    )


def test_what_is_needed_and_what_ties_in_most_cases_is_told():
    needing = {**SCRATCH, "needs": "rows of S_0, rows of the other world"}
    rival = row("resample", access="training", leak=0.01, chance="cannot tell", certified=0.0, cost=1.5)
    frame = table(needing, rival)
    frame.loc[
        (frame["task"] == "b") & (frame["defence"] == "resample") & (frame["protocol"] == "pure"),
        "accuracy_vs_none_high",
    ] = -0.02
    first = practice.sentences(frame)[0]
    assert "it needs rows of S_0, rows of the other world, and it is certified" in first
    assert first.endswith("in accuracy it cannot be distinguished from resample in 3 of 4 cases, at no lower cost.")


def test_an_owner_reads_no_words_of_the_field():
    needs = {"needs": "rows of S_0, rows of the other world"}
    text = " ".join(practice.plainly(table({**SCRATCH, **needs}, HIDING)))
    assert "the model's own training set, rows of the other training set" in text and "in all 4 questions" in text
    assert not any(word in text for word in ("S_0", "world", "Retraining", "finding"))
