"""Sentences on the settings of fine-tuning: counts by verdict, what is a finding, and when a cause may be named."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

import fake_tables
from popleak.report import page as results
from popleak.report import readme, sensitivity
from popleak.stages import figures

pytestmark = pytest.mark.slow

PAIR = {"protocol": "pure", "ratio_0": 0.0, "ratio_1": 1.0}


def table(word=None, *, tasks=("a", "b"), arms=("x", "y"), share=0.5, balanced=None, **columns) -> pd.DataFrame:
    """Return rows of arms with the fairness term; word: `c6` of each row, or of all; columns: the same of others."""
    rows = [
        {"task": task, "model": "mlp", **PAIR, "defence": arm, "kind": "fft-rehearsal", "epochs": 5, "learning_rate": 0.01,
         "rehearsal": share, "eo_weight": 1.0, "eo_chosen": False, "named": 0.8, "c6": None, "c2": None, "c3": None,
         "c5": None, "balanced_task": balanced, "difference_vs_control_low": np.nan, "difference_vs_control_high": np.nan,
         "constant": 0.0, "excess": np.nan, "excess_low": np.nan, "excess_high": np.nan, "verdict_excess": None}
        for task, arm in itertools.product(tasks, arms)
    ]  # fmt: skip
    return pd.DataFrame(rows).assign(**columns, **({} if word is None else {"c6": word}))


def line(found: pd.DataFrame, start: str) -> str:
    (said,) = [one for one in sensitivity.sentences(found) if one.startswith(start)]
    return said


NAMED = "The share named is lower with rehearsal than under the control (C6; fails: higher): "


def test_every_word_is_counted_by_its_own_name():
    """Also one that these sentences do not know."""
    said = line(table(["holds", "no material difference", "a new word", "cannot tell"]), NAMED)
    assert (
        "holds in 1, fails in 0, no material difference in 1, cannot tell in 1 and a new word in 1 of 4 settings"
        in said
    )
    assert "(2 tasks, 1 pair of worlds, 2 settings of the defence)" in said


def test_what_does_not_apply_is_in_no_total():
    found = table(["holds", "holds", "holds", "not applicable"])
    assert "holds in 3, fails in 0 and no material difference in 0 of 3 settings (2 tasks, 1 pair of worlds, 2 settings of the defence); not applicable in 1 more." in line(found, NAMED)  # fmt: skip
    assert line(found, "Holds in every").count("named less often than its control (3 of 3)") == 1
    assert line(table("not applicable"), NAMED.strip()).endswith("not applicable in all 4 settings.")


SEARCHED = [False, True, False, True]
"""The second arm's lambda, of each task."""


def test_of_what_the_term_does_a_searched_lambda_is_in_no_total():
    """Its verdict is `cannot tell` by rule, so that nothing could hold in every setting."""
    found = table(
        ["holds", "cannot tell", "holds", "not applicable"],
        c5=["holds", "cannot tell"] * 2,
        c2="holds",
        eo_chosen=SEARCHED,
    )
    assert "holds in 2, fails in 0 and no material difference in 0 of 2 settings (2 tasks, 1 pair of worlds, 1 setting of the defence); not applicable in 1 more and lambda was searched in 1 more." in line(found, NAMED)  # fmt: skip
    assert "of 2 settings" in line(found, "Delta_EO is lower with") and line(found, "Delta_EO is lower with").endswith(
        "; lambda was searched in 2 more."
    )
    assert "holds in 4 of 4 settings" in line(found, "The accuracy gap is below tau")  # says nothing of the term
    everywhere = line(found, "Holds in every")
    assert "named less often than its control (2 of 2" in everywhere and "lowers Delta_EO (2 of 2" in everywhere
    assert line(table("cannot tell", eo_chosen=True), NAMED.strip()).endswith("lambda was searched in all 4 settings.")
    both = table(["cannot tell", "not applicable"] * 2, eo_chosen=True)
    assert line(both, NAMED.strip()).endswith("not applicable in 2 and lambda was searched in 2 of 4 settings.")


def test_intervals_beside_the_words_are_of_a_fixed_lambda():
    found = table("cannot tell", eo_chosen=SEARCHED, difference_vs_control_low=0.1, difference_vs_control_high=0.2)
    assert "Of the 2 95 % intervals at a fixed lambda, 0 are below 0 and 2 above" in line(found, NAMED)


@pytest.mark.parametrize(
    ("words", "finding"),
    [
        (["holds", "holds", "holds", "holds"], True),
        (["holds", "cannot tell", "cannot tell", "holds"], True),
        (["holds", "holds", "cannot tell", "cannot tell"], False),  # one task
        (["holds", "cannot tell", "holds", "cannot tell"], False),  # one setting
        (["holds", "cannot tell", "cannot tell", "cannot tell"], False),
    ],
)
def test_a_finding_holds_on_more_than_one_task_and_at_more_than_one_setting(words, finding):
    found = next(one for one in sensitivity.answers(table(words)) if "less often" in one.said)
    assert (found.holds, found.of, found.finding) == (words.count("holds"), 4, finding)
    assert ("not a finding" in str(found)) is not finding


def test_that_there_is_no_material_difference_is_a_statement_too():
    found = table("no material difference")
    said = "fair fine-tuning with rehearsal is shown to differ from its control by less than the margin"
    assert line(found, "Holds in every") == f"Holds in every setting to which it applies: {said} (4 of 4)."
    assert f"{said} (0 of 4)" in line(table("holds"), "Holds in no setting")


def test_the_closing_lines_part_what_holds_everywhere_somewhere_and_nowhere():
    found = table(
        ["holds", "fails", "holds", "holds"], c5="holds", c2="fails", c3=["fails", "fails", "fails", "cannot tell"]
    )
    closing = sensitivity.sentences(found)[-3:]
    assert (
        closing[0]
        == "Holds in every setting to which it applies: fair fine-tuning with rehearsal lowers Delta_EO (4 of 4)."
    )
    assert closing[1].startswith(
        "Holds in some settings: fair fine-tuning with rehearsal is named less often than its control (3 of 4); "
    )
    assert (
        "named more often than its control (1 of 4; on one task or at one setting of the defence only, so not a finding)"
        in closing[1]
    )
    assert "the literal bound is broken (3 of 4)" in closing[1]
    assert closing[2].startswith("Holds in no setting: ")
    assert (
        "after fair fine-tuning with rehearsal the accuracy gap is below tau in the majority of runs (0 of 4)"
        in closing[2]
    )
    assert "the literal bound holds (0 of 4)" in closing[2]


def test_intervals_are_counted_beside_the_corrected_words():
    found = table(
        "cannot tell",
        difference_vs_control_low=[0.1, -0.2, -0.3, np.nan],
        difference_vs_control_high=[0.2, -0.1, 0.1, np.nan],
    )
    assert (
        "Of the 3 95 % intervals at a fixed lambda, 1 are below 0 and 1 above; chance alone would put about 0.1"
        in line(found, NAMED)
    )


def bare(excess, words, tasks=("a", "b"), low=0.05, **more) -> pd.DataFrame:
    """Return rows without rehearsal whose tasks have twins; the twins' rows are in the table too."""
    rows = table("fails", share=0.0, balanced="t", tasks=tasks, **more, difference_vs_control_low=low, difference_vs_control_high=0.3,
                 excess=excess, excess_low=np.array(excess) - 0.1, excess_high=np.array(excess) + 0.1, verdict_excess=words)  # fmt: skip
    return pd.concat([rows, table("cannot tell", share=0.0, tasks=("t",))], ignore_index=True)


CAUSE = "4 settings without rehearsal, at a fixed lambda, can be compared with the same task with equal label rates."


def test_the_cause_is_named_where_the_twin_shows_it():
    said = line(bare([0.2, 0.3, 0.25, 0.15], "higher"), CAUSE)
    assert "In 4 of them the fairness term adds" in said and "In 4 of the 4 it adds more" in said
    assert (
        "about 0.1 on either side. What it adds beyond that is +22.5 points in the median over these settings" in said
    )
    assert "and between +15.0 and +30.0 points. So" in said
    assert said.endswith("So label rates that change with the ratio increase what the term adds.")


def test_no_interval_is_given_of_the_setting_that_stands_out():
    """It was once printed with the interval of a setting that nobody had looked for, whose lower end chance lifts above 0."""
    rows = bare([-0.02, 0.3, 0.01, 0.0], "cannot tell", low=[0.05, -0.1, -0.1, -0.1])
    said = line(rows, CAUSE)
    assert "+0.5 points in the median over these settings, and between \u22122.0 and +30.0 points" in said
    assert "20.0" not in said and "40.0" not in said, "ends of its interval"


@pytest.mark.parametrize(
    "words", ["cannot tell", ["higher", "higher", "cannot tell", "cannot tell"], ["higher", *["lower"] * 3]]
)
def test_the_cause_is_not_named_where_it_does_not(words):
    assert line(bare([0.2, 0.3, 0.0, 0.0], words), CAUSE).endswith("label rates are not shown to be the cause.")


def test_the_cause_is_counted_over_all_settings_with_a_twin():
    """Also those where the term adds nothing by the interval: two of forty are no surprise, two of those two would be one."""
    arms, count = [f"arm {number}" for number in range(20)], 40
    words = ["higher" if number in (0, 21) else "cannot tell" for number in range(count)]
    low = [0.05 if word == "higher" else -0.05 for word in words]
    found = table("fails", share=0.0, balanced="t", arms=arms, difference_vs_control_low=low, difference_vs_control_high=0.3,
                  excess=0.1, excess_low=0.0, excess_high=0.2, verdict_excess=words)  # fmt: skip
    said = line(found, "40 settings without")
    assert "In 2 of them the fairness term adds to the share named" in said and "In 2 of the 40 it adds more" in said
    assert said.endswith("label rates are not shown to be the cause.")
    # no twin, no excess; a searched lambda and the same models have no say either
    for left_out in ({"excess_low": np.nan}, {"eo_chosen": True}):
        fewer = found.assign(**{
            name: np.where(np.array(words) == "higher", found[name], value) for name, value in left_out.items()
        })  # fmt: skip
        assert line(fewer, "2 settings without").endswith("increase what the term adds.")


def test_nothing_to_explain_where_the_term_adds_nothing():
    found = bare([0.2] * 4, "higher", low=-0.05)
    assert not any("equal label rates" in said for said in sensitivity.sentences(found))


def test_twins_are_counted_apart():
    found = bare([0.2] * 4, "higher")
    assert "fails in 4 and no material difference in 0 of 4 settings" in line(
        found, "The share named is lower without rehearsal"
    )
    assert "no material difference in 0 and cannot tell in 2 of 2 settings (1 task" in line(
        found, "The same with label rates held equal"
    )


def test_an_experiment_that_is_label_balanced_alone_is_no_twin():
    assert "holds in 4" in line(table("holds", ratio_mode="label-balanced"), NAMED)


def test_without_a_fairness_term_nothing_is_said():
    assert sensitivity.sentences(table("holds").assign(eo_weight=0.0)) == []
    assert sensitivity.sentences(fake_tables.empty()["sensitivity"]) == []


# The page of an experiment that sweeps settings.


def test_the_page_is_on_the_settings(tmp_path):
    frames = fake_tables.tables(tasks=("adult-sex", "lsac-race"), victims=8)
    tables = fake_tables.write(tmp_path / "tables", frames)
    drawn = figures.draw(name="sensitivity", tables=tables, tau=0.1, stem=tmp_path / "drawn")[1]
    page, folder = tmp_path / "README.md", tmp_path / "results"
    begin, end = readme.MARKERS
    page.write_text(f"first\n{begin}\nold\n{end}\nlast\n", encoding="utf-8")
    given = {name: tables[name] for name in (*results.NEEDED, "sensitivity")}
    experiment = {"experiment": "sweep", "title": "A sweep", "tasks": []}
    results.write(
        experiment=experiment, tables=given, cards=[], figures={"sensitivity": drawn}, folder=folder, page=page
    )
    text, block = ((folder / name).read_text(encoding="utf-8") for name in ("sweep.md", "sweep/block.md"))
    assert text.startswith("# A sweep\n") and block.strip() in text
    assert all(f"- {said}\n" in block for said in sensitivity.sentences(frames["sensitivity"]))
    assert (
        "(sweep/sensitivity.png)" in text
        and "[sensitivity.csv](sweep/sensitivity.csv)" in text
        and "| C2 |" not in text
    )
    inner = sorted(path.name for path in (folder / "sweep").iterdir())
    assert inner == ["block.md", "experiment.json", "sensitivity.csv", "sensitivity.png", "tables.sha256"]
    assert len(pd.read_csv(folder / "sweep" / "sensitivity.csv")) == len(frames["sensitivity"])
    assert (
        page.read_text(encoding="utf-8") == f"first\n{begin}\nAll results: [sweep](results/sweep.md).\n\n{end}\nlast\n"
    )


def test_evidence_against_the_cause_is_counted():
    """Ten settings a task: as many more as chance could not give, and more often less."""
    arms = tuple(f"x{i}" for i in range(10))
    rows = bare([0.2] * 20, ["higher"] * 4 + ["lower"] * 12 + ["cannot tell"] * 4, arms=arms)
    said = line(rows, "20 settings without rehearsal")
    assert "In 4 of the 20 it adds more than it does with equal label rates and in 12 less" in said
    assert said.endswith("The settings contradict each other, so label rates are not shown to be the cause.")


def test_the_cause_needs_settings_where_the_term_adds_something():
    """It adds more than in the twin wherever it adds nothing by itself."""
    rows = bare([0.2, 0.3, 0.25, 0.15], "higher", low=[-0.1, -0.1, -0.1, 0.05])
    assert line(rows, CAUSE).endswith("label rates are not shown to be the cause.")


def test_what_was_tried_where_all_lambdas_were_searched():
    assert "; rehearsal share 0.5; lambda chosen for each model." in line(table("cannot tell", eo_chosen=True), "Tried")


def test_settings_whose_models_give_one_label_are_counted():
    said = line(
        table("holds", constant=[0.0, 0.1, 0.98, 0.05]),
        "In 2 of 4 settings at least 10\u00a0% of the victims give all records one label",
    )
    assert said.endswith("says nothing about fairness.")
    assert not [one for one in sensitivity.sentences(table("holds")) if "all records one label" in one]
