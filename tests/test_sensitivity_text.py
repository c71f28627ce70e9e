"""Sentences on the settings of fine-tuning: counts by verdict, what is a finding, and when a cause may be named."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

import fake_tables
from popleak import figure, readme, sensitivity_text

PAIR = {"protocol": "pure", "ratio_0": 0.0, "ratio_1": 1.0}


def table(word=None, *, tasks=("a", "b"), arms=("x", "y"), share=0.5, balanced=None, **columns) -> pd.DataFrame:
    """Return rows of arms with the fairness term; word: `c6` of each row, or of all; columns: the same of others."""
    rows = [
        {"task": task, "model": "mlp", **PAIR, "defence": arm, "kind": "fft-rehearsal", "epochs": 5, "learning_rate": 0.01,
         "rehearsal": share, "eo_weight": 1.0, "eo_chosen": False, "named": 0.8, "c6": None, "c2": None, "c3": None,
         "c5": None, "balanced_task": balanced, "difference_vs_control_low": np.nan, "difference_vs_control_high": np.nan,
         "excess": np.nan, "excess_low": np.nan, "excess_high": np.nan, "verdict_excess": None}
        for task, arm in itertools.product(tasks, arms)
    ]  # fmt: skip
    return pd.DataFrame(rows).assign(**columns, **({} if word is None else {"c6": word}))


def line(found: pd.DataFrame, start: str) -> str:
    (said,) = [one for one in sensitivity_text.sentences(found) if one.startswith(start)]
    return said


NAMED = "The share named is lower with rehearsal than under the control (C6; fails: higher): "


def test_every_word_is_counted_by_its_own_name():
    """Also one that these sentences do not know."""
    said = line(table(["holds", "no material difference", "a new word", "cannot tell"]), NAMED)
    assert (
        "holds in 1, fails in 0, a new word in 1, cannot tell in 1 and no material difference in 1 of 4 settings"
        in said
    )
    assert "(2 tasks, 1 pair of worlds, 2 settings of the defence)" in said


def test_what_does_not_apply_is_in_no_total():
    found = table(["holds", "holds", "holds", "not applicable"])
    assert "holds in 3 and fails in 0 of 3 settings (2 tasks, 1 pair of worlds, 2 settings of the defence); not applicable in 1 more." in line(found, NAMED)  # fmt: skip
    assert line(found, "Holds in every").count("named less often than its control (3 of 3)") == 1
    assert line(table("not applicable"), NAMED.strip()).endswith("not applicable in all 4 settings.")


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
    found = next(one for one in sensitivity_text.answers(table(words)) if "less often" in one.said)
    assert (found.holds, found.of, found.finding) == (words.count("holds"), 4, finding)
    assert ("no finding" in str(found)) is not finding


def test_the_closing_lines_part_what_holds_everywhere_somewhere_and_nowhere():
    found = table(
        ["holds", "fails", "holds", "holds"], c5="holds", c2="fails", c3=["fails", "fails", "fails", "cannot tell"]
    )
    closing = sensitivity_text.sentences(found)[-3:]
    assert closing[0] == "Holds in every setting tried: fair fine-tuning with rehearsal lowers Delta_EO (4 of 4)."
    assert closing[1].startswith(
        "Holds in some settings: fair fine-tuning with rehearsal is named less often than its control (3 of 4); "
    )
    assert (
        "named more often than its control (1 of 4; on one task or at one setting of the defence alone, so no finding)"
        in closing[1]
    )
    assert "the literal bound is broken (3 of 4)" in closing[1]
    assert closing[2].startswith(
        "Holds in no setting: after fair fine-tuning with rehearsal the accuracy gap is below tau"
    )
    assert "the literal bound holds (0 of 4)" in closing[2]


def test_intervals_are_counted_beside_the_corrected_words():
    found = table(
        "cannot tell",
        difference_vs_control_low=[0.1, -0.2, -0.3, np.nan],
        difference_vs_control_high=[0.2, -0.1, 0.1, np.nan],
    )
    assert (
        "of the 3 95 % intervals at a fixed lambda 1 lie below 0 and 1 above, where chance alone would put about 0.1"
        in line(found, NAMED)
    )


def bare(excess, words, tasks=("a", "b"), low=0.05) -> pd.DataFrame:
    """Return rows without rehearsal whose tasks have twins; the twins' rows are in the table too."""
    rows = table("fails", share=0.0, balanced="t", tasks=tasks, difference_vs_control_low=low, difference_vs_control_high=0.3,
                 excess=excess, excess_low=np.array(excess) - 0.1, excess_high=np.array(excess) + 0.1, verdict_excess=words)  # fmt: skip
    return pd.concat([rows, table("cannot tell", share=0.0, tasks=("t",))], ignore_index=True)


CAUSE = "In 4 settings without rehearsal, at a fixed lambda, the fairness term adds"


def test_the_cause_is_named_where_the_twin_shows_it():
    said = line(bare([0.2, 0.3, 0.25, 0.15], "higher"), CAUSE)
    assert "In 4 of them" in said and "the most on a, y: +30.0 points, 95 % 20.0 to 40.0" in said
    assert said.endswith("So label rates that move with the ratio are behind part of it.")


@pytest.mark.parametrize(
    "words", ["cannot tell", ["higher", "higher", "cannot tell", "cannot tell"], ["higher", *["lower"] * 3]]
)
def test_the_cause_is_not_named_where_it_does_not(words):
    assert line(bare([0.2, 0.3, 0.0, 0.0], words), CAUSE).endswith("label rates are not shown to be the cause.")


def test_nothing_to_explain_where_the_term_adds_nothing():
    found = bare([0.2] * 4, "higher", low=-0.05)
    assert not any("adds to the share" in said for said in sensitivity_text.sentences(found))


def test_twins_are_counted_apart():
    found = bare([0.2] * 4, "higher")
    assert "fails in 4 of 4 settings" in line(found, "The share named is lower without rehearsal")
    assert "cannot tell in 2 of 2 settings (1 task" in line(found, "The same with label rates held equal")


def test_an_experiment_that_is_label_balanced_alone_is_no_twin():
    assert "holds in 4" in line(table("holds", ratio_mode="label-balanced"), NAMED)


def test_without_a_fairness_term_nothing_is_said():
    assert sensitivity_text.sentences(table("holds").assign(eo_weight=0.0)) == []
    assert sensitivity_text.sentences(fake_tables.empty()["sensitivity"]) == []


# The README's block of an experiment that sweeps settings.


def test_the_block_is_on_the_settings(tmp_path):
    frames = fake_tables.tables(tasks=("adult-sex", "lsac-race"), victims=8)
    tables = fake_tables.write(tmp_path / "tables", frames)
    drawn = figure.draw(name="sensitivity", tables=tables, tau=0.1, stem=tmp_path / "drawn")[1]
    page, folder = tmp_path / "README.md", tmp_path / "results" / "sweep"
    begin, end = readme.markers("sweep")
    other = "\n".join(readme.markers("tables"))
    page.write_text(f"{other}\n{begin}\nold\n{end}\nlast\n", encoding="utf-8")
    readme.write(title="t", tau=0.1, tables={name: tables[name] for name in (*readme.NEEDED, "sensitivity")}, cards=[], absent=[], cautions=[],
                 figures={"sensitivity": drawn}, folder=folder, readme=page)  # fmt: skip
    text, block = page.read_text(encoding="utf-8"), (folder / "block.md").read_text(encoding="utf-8")
    assert text == f"{other}\n{begin}\n{block}{end}\nlast\n"
    assert all(f"- {said}\n" in block for said in sensitivity_text.sentences(frames["sensitivity"]))
    assert f"({folder.as_posix()}/sensitivity.png)" in block and "| C2 |" not in block
    assert sorted(path.name for path in folder.iterdir()) == ["block.md", "sensitivity.csv", "sensitivity.png"]
    assert len(pd.read_csv(folder / "sensitivity.csv")) == len(frames["sensitivity"])
