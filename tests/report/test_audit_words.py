"""What is said of lights, and which light follows from another one."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest

import tiny
from popleak.cli import stages
from popleak.figures._select import Pair
from popleak.measures.intervals import Estimate
from popleak.measures.learnt import Reference
from popleak.measures.lights import ALIKE, CLEAR, DULL, LEAK, OPEN, PLACEBO, WIDE, Light
from popleak.measures.verdicts import Found
from popleak.report import advised, audit_file, lights, next_steps
from popleak.steps.advise import Asked

ASKED = Asked(
    attribute="sex",
    groups=("Male", "Female"),
    rows=500,
    query_rows=300,
    splits=10,
    victims=100,
    shadows=30,
    learning=("kl",),
)
PURE, RATIO = Pair("pure", 0.0, 1.0), Pair("ratio", 0.3, 0.5)


def lit(
    word=LEAK,
    value=0.34,
    half=0.2,
    *,
    pair=PURE,
    access="scores",
    reason="",
    splits=math.nan,
    placebos=(0.1, -0.22),
    beyond=True,
):
    one = Light(word, reason, word == LEAK, False, beyond, splits)
    accuracy = Estimate(0.5 + value / 2, 0.5 + (value - half) / 2, 0.5 + (value + half) / 2, 0.01)
    found = Found(value, value - half, value + half, 0.01, 200, 10)
    mixed = tuple(Estimate(each, each - 0.1, each + 0.1, 0.5) for each in placebos)
    return lights.Lit("t", "mlp", pair, access, accuracy, found, mixed, ("kl", "loss"), "kl", one)


def test_the_first_sentence_names_the_groups_and_the_cases():
    assert advised.sentence(lit(), ASKED) == (
        "Whoever sees your model's scores can tell an all-Male from an all-Female training set in 67 of 100 cases (57 to 77; guessing is 50; on shuffled "
        "groups up to 61)."
    )
    assert advised.sentence(lit(CLEAR, 0.02, 0.06, pair=RATIO, placebos=()), ASKED) == (
        "Whoever sees your model's scores hardly tells a training set with 30 % Female from one with 50 %: it is right in 51 of 100 cases (48 to 54; guessing "
        "is 50)."
    )
    open_ = advised.sentence(lit(OPEN, reason=WIDE, access="labels"), ASKED)
    assert open_.startswith("These data cannot say whether whoever sees your model's hard labels can tell")


def test_groups_that_are_no_words_are_spelt_out():
    cut = ASKED.__class__(**{**ASKED.__dict__, "groups": ("<= 25", "> 25")})
    assert advised.sides(lit(), cut) == "a training set of <= 25 alone from one of > 25 alone"


def test_who_sees_more_can_do_what_who_sees_less_can():
    open_ = lit(OPEN, reason=WIDE)
    labels, scores = lights._implied([lit(access="labels"), open_])
    assert labels.implied == "" and scores.light.word == LEAK and scores.light.shown and scores.implied == "labels"
    assert "whoever sees the model's hard labels can do it" in advised.reason(scores, ASKED)
    other = lights._implied([lit(access="labels", pair=RATIO), open_])[1]
    assert other.light.word == OPEN, "in other worlds"
    weights = lights._implied([lit(access="scores"), lit(CLEAR, access="weights")])[1]
    assert weights.light.word == LEAK and weights.implied == "scores", "whoever holds the model can ask it"
    rows = lights._implied([lit(access="scores"), lit(CLEAR, access="rows")])[1]
    assert rows.light.word == CLEAR, "whoever has rows has no model"
    start = lights._implied([lit(access="weights"), lit(CLEAR, access="weights-start")])[1]
    assert start.light.word == LEAK and start.implied == "weights", "the weights are among what it sees"
    wide = lights._implied([lit(access="scores"), lit(OPEN, reason=WIDE, access="weights", splits=300.0)])[1]
    assert math.isnan(wide.light.splits), "a red light is not said to need more models"
    known = ["labels", "scores", "weights", "weights-start", "rows"]
    assert set(lights._seeing("weights", known)) == {"weights", "labels", "scores"} and lights._seeing(
        "rows", known
    ) == ["rows"]
    assert set(lights._seeing("weights-start", known)) == {*known} - {"rows"}
    assert lights._seeing("labels", known) == ["labels"] and lights._seeing("scores", known) == ["labels", "scores"]
    assert lights._implied([lit(OPEN, access="labels", reason=WIDE), lit()])[0].light.word == OPEN, (
        "not the other way round"
    )


def test_a_reason_says_what_would_do():
    wide = lit(OPEN, 0.05, 0.2, reason=WIDE, splits=40.0, beyond=False)
    assert (
        advised.reason(wide, ASKED)
        == "the interval is too wide: 40 pool splits would do (800 models, half of them of each training set), if the estimate stays what it is"
    )
    reaching = lit(OPEN, 0.34, 0.2, reason=WIDE, splits=20.0, beyond=False)
    assert advised.reason(reaching, ASKED).startswith(
        "the interval reaches down to what shuffled groups give, 61 of 100: 20 pool splits"
    )
    mixed = lit(OPEN, 0.2, 0.1, reason=PLACEBO, beyond=False)
    assert "may come from this one table and not from its groups" in advised.reason(mixed, ASKED)
    assert "no placebos were run" in advised.reason(lit(placebos=(), beyond=None), ASKED)


def test_no_run_is_advised_that_nobody_can_make():
    near, far = (
        lit(OPEN, 0.1, 0.05, reason=WIDE, splits=splits) for splits in (11.0 * ASKED.splits, 2.0 * ASKED.splits)
    )
    both = next_steps._more([near, far], {"t": ASKED})
    assert len(both) == 2 and both[0].startswith(
        f"To decide 1 grey light, set population.splits to {2 * ASKED.splits} "
    )
    assert both[1].startswith(f"1 grey light would take {11 * ASKED.splits} pool splits or more")
    assert len(next_steps._more([far], {"t": ASKED})) == 1 and not next_steps._more([], {})


def test_the_page_advises_and_discourages_nothing_at_once():
    far = lit(OPEN, 0.1, 0.05, reason=WIDE, splits=11.0 * ASKED.splits)
    assert "more than is worth waiting for" in advised.reason(far, ASKED) and "would do" not in advised.reason(
        far, ASKED
    )


def test_the_question_of_the_tables_own_share_comes_first_and_the_extreme_last():
    own = Pair("ratio", 0.35, 0.5)
    assert sorted([PURE, RATIO, own], key=lambda pair: lights.release_first(pair, 0.343)) == [own, RATIO, PURE]
    assert (
        lights.is_own(Pair("ratio", 0.5, 0.66), 0.66) and not lights.is_own(PURE, 0.01) and not lights.is_own(own, None)
    )


def test_a_leak_elsewhere_is_told_beside_the_first_question():
    open_, leak = lit(OPEN, reason=WIDE, pair=RATIO), lit()
    said = advised.headlines([open_, leak], {"t": ASKED}, {"t": 0.3})
    assert [one for one, _ in said] == [leak, open_], "whoever reads one sentence reads the one that forbids a release"
    assert said[1][1].startswith("The question nearest to a release, your table's own share: these data cannot say")
    assert said[0][1].startswith(
        "The extreme question, one group alone (it says little about smaller differences): whoever sees"
    )
    assert len(advised.headlines([lit(pair=RATIO), leak], {"t": ASKED}, {})) == 1


def test_of_several_models_the_one_that_leaks_is_named_first():
    clear, leak = lit(CLEAR, 0.0, 0.05)._replace(model="logistic"), lit()
    said = [text for _, text in advised.headlines([clear, leak], {"t": ASKED}, {})]
    assert "mlp" in said[0] and "can tell" in said[0] and "logistic" in said[1] and "hardly tells" in said[1]


def test_a_leak_that_whoever_sees_less_shows_is_told_with_its_numbers():
    """The sentence on scores once said that they tell the training set in 51 of 100 cases (48 to 54), red for what labels had shown."""
    both = lights._implied([lit(access="labels"), lit(CLEAR, 0.02, 0.06, access="scores")])
    ((one, said),) = advised.headlines(both, {"t": ASKED}, {})
    assert one.access == "labels" and "whoever sees your model's hard labels can tell" in said and "67 of 100" in said
    assert "too wide" not in advised.reason(both[1], ASKED)


def test_labels_that_are_all_alike_say_nothing():
    one = lit(OPEN, 0.0, 0.02, access="labels", reason=ALIKE)._replace(constant=0.97)
    assert advised.reason(one, ASKED).startswith("97 % of the models give every record one label")
    assert (
        lights.dull_of("labels", 0.9, 0.7, 0.97, None) == ALIKE and lights.dull_of("scores", 0.9, 0.7, 0.97, None) == ""
    )
    assert "on labels cannot become green as most models give every record one label" in next_steps._never([one])[0]
    scores = lit(OPEN, 0.0, 0.02, reason=DULL)._replace(useful=0.61, auc=0.55, reference=Reference(0.6, 0.75, 0.8))
    assert (
        "right about 61.0 % of rows, one answer for all 60.0 %, a logistic regression of as many rows 75.0 % (AUC 0.55, the regression's 0.80)"
        in advised.reason(scores, ASKED)
    )


def test_models_that_are_right_less_often_than_one_answer_for_all_are_told():
    """Training them longer, as the page had advised, took the red off the lights of such models and made them worse."""
    one = lit()._replace(useful=0.912, auc=0.63, reference=Reference(0.92, 0.92, 0.67))
    (said,) = advised.worse([one])
    assert "right about 91.2 % of rows, less than one answer for all, 92.0 %" in said
    assert not advised.worse([one._replace(useful=0.919)]) and not advised.worse([lit()])


def test_where_models_give_one_label_what_is_certified_is_advised():
    """The page said that no defence may hide the training set, beside a table with one that is certified to."""
    rows = pd.DataFrame({
        "task": "t", "model": "mlp", "protocol": "pure", "ratio_0": 0.0, "ratio_1": 1.0, "poison": 0.0, "diverged": 0.0, "constant": 0.9, "accuracy": 0.92,
        "defence": ["none", "scratch", "rehearsal"], "certified_advantage": [np.nan, 0.0, np.nan], "informed_advantage": [0.5, 0.0, 0.1],
    })  # fmt: skip
    where = {("t", "mlp", *PURE)}
    (said,) = next_steps._against(rows, where, "none", {"scratch": "trained again"})
    assert said.startswith("Against the leak try `scratch` (trained again), certified in 1 of 1 question with a leak.")
    (said,) = next_steps._against(rows[rows["defence"] != "scratch"], where, "none", {})
    assert "(rehearsal) is of use: most models give every record one label" in said
    (said,) = next_steps._against(rows.assign(informed_advantage=np.nan, certified_advantage=np.nan), where, "none", {})
    assert "is not judged: that takes attacks on labels or scores" in said


def test_what_was_trained_is_told_beside_the_rows_of_the_table():
    assert advised.trained([lit()], {"t": ASKED}, {}) == "The models `mlp` of t were trained on 500 rows each."
    some = advised.trained([lit()], {"t": ASKED}, {"t": 5039})
    assert some.startswith(
        "The models `mlp` of t were trained on 500 of the 5,039 rows with a label and a group each. A model that you release sees more rows"
    )
    assert "sees more" not in advised.trained([lit()], {"t": ASKED}, {"t": 900})


@pytest.mark.parametrize(("word", "said"), [(LEAK, "1 red"), (CLEAR, "1 green"), (OPEN, "1 grey")])
def test_the_tally_counts_and_says_what_the_words_mean(word, said):
    text = advised.tally([lit(word)], 0.1)
    assert text.startswith(
        f"1 light: {said}. Green: the whole 95 % interval lies within 0.1 of advantage, which is 55 of 100"
    )


def test_the_schema_file_is_current(capsys):
    written = json.loads((tiny.ROOT / "workflow" / "schemas" / "audit.schema.json").read_text(encoding="utf-8"))
    assert written == audit_file.schema()
    assert stages.main(["schema", "audit"]) == 0
    assert json.loads(capsys.readouterr().out) == written
