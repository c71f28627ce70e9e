"""The report's first screen, and its claims by tasks."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import a_report
import fake_tables
from popleak.config import papers
from popleak.measures import intervals, verdicts
from popleak.report import first, matrix
from popleak.report.price import KEYS
from popleak.report.terms import TERMS
from popleak.steps.papers import KINDS
from popleak.steps.tables.leakage import Table
from popleak.tables import leakage as leakage_table

pytestmark = pytest.mark.slow
TASKS = ("acs-sex", "adult-sex", "compas-race")


def judged(*words):
    """Return a table `leakage` of as many tasks, with these verdicts on rehearsal FFt and its control."""
    tables = fake_tables.tables(tasks=TASKS[: len(words)])
    leakage = tables["leakage"].copy()
    for task, word in zip(TASKS, words, strict=False):
        mine = (leakage["task"] == task) & (leakage["defence"] == "fft-rehearsal") & (leakage["adversary"] == "best")
        leakage.loc[mine, "verdict_vs_control"] = word
    return leakage


def answer(leakage, **more):
    controls = dict.fromkeys(TASKS, a_report.CONTROLS)
    return first.answer(leakage, **{"statistic": "accuracy-gap", "controls": controls} | more)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("lower",) * 3, "The fairness term itself lowers leakage further than its control does."),
        (("lower", "higher", "cannot tell"), "of 3 tasks, lowers leakage in 1, raises it in 1 and is undecided in 1."),
        (("lower", "cannot tell", "no material difference"), "lowers leakage in some tasks, and is not shown to"),
        (("higher", "cannot tell", "cannot tell"), "is shown to lower leakage in no task, and raises it in some"),
        (("higher", "no material difference"), "itself lowers leakage in no task, and raises it in some"),
        (("no material difference",) * 3, "makes no difference that matters"),
        (
            ("no material difference", "cannot tell"),
            "The data do not tell whether the fairness term itself lowers leakage.",
        ),
        (("not applicable",) * 2, "changes no model here"),
        (("lower", "not applicable"), "further than its control does"),
    ],
)
def test_the_headline_follows_from_the_verdicts(words, said):
    headline = answer(judged(*words))["headline"]
    assert headline.startswith("fft-rehearsal lowers leakage compared with no defence. ") and said in headline


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("lower", "higher"), "fft-rehearsal lowers leakage compared with no defence in 1 of 2 tasks. "),
        (
            ("cannot tell", "cannot tell"),
            "The data do not tell whether fft-rehearsal lowers leakage compared with no defence. ",
        ),
        (
            ("cannot tell", "not applicable"),
            "The data do not tell whether fft-rehearsal lowers leakage compared with no defence. ",
        ),
        (
            ("higher", "cannot tell"),
            "fft-rehearsal is shown to lower leakage in none of 2 tasks, not even compared with no defence. ",
        ),
        (
            ("higher", "no material difference"),
            "fft-rehearsal lowers leakage in none of 2 tasks, not even compared with no defence. ",
        ),
        (("not applicable", "not applicable"), "fft-rehearsal changes no model, so it does not lower leakage. "),
    ],
)
def test_the_headline_says_first_what_the_defence_does(words, said):
    leakage = judged("cannot tell", "cannot tell")
    for task, word in zip(TASKS, words, strict=False):
        leakage.loc[leakage["task"] == task, "verdict_vs_none"] = word
    assert answer(leakage)["headline"].startswith(said)


def cells(leakage, defence, protocol="pure"):
    """Return which rows are of `best` under a defence, in worlds of one protocol."""
    return leakage["defence"].eq(defence) & leakage["adversary"].eq("best") & leakage["protocol"].eq(protocol)


def test_the_headline_says_where_the_other_form_differs():
    leakage = judged("lower", "lower")
    assert "Under fft " not in answer(leakage)["headline"], "both lower it everywhere"
    leakage.loc[cells(leakage, "fft") & (leakage["task"] == "acs-sex"), "verdict_vs_none"] = "no material difference"
    said = answer(leakage)["headline"]
    assert "Under fft leakage is lower in 1 of 2 tasks (adult-sex), not materially different in 1 (acs-sex)." in said
    leakage.loc[cells(leakage, "fft"), "verdict_vs_control"] = "not applicable"
    assert (
        "Under fft, whose term changes no model here, leakage is lower in 1 of 2 tasks" in answer(leakage)["headline"]
    )


def part(found, asked):
    return dict(found["parts"]).get(asked)


def test_the_other_worlds_are_told_of():
    leakage = judged("lower", "higher")
    leakage.loc[cells(leakage, "fft-rehearsal", "ratio"), "verdict_vs_control"] = "cannot tell"
    leakage.loc[cells(leakage, "fft-rehearsal", "ratio"), "verdict_vs_none"] = "higher"
    said = part(answer(leakage), "And between other worlds?")
    (pair,) = {
        f"ratio: {row.ratio_0:g} vs {row.ratio_1:g}" for row in leakage[leakage["protocol"] == "ratio"].itertuples()
    }
    assert said.startswith(
        f"In worlds of {pair}, leakage under fft-rehearsal is, compared with no defence, higher in 2 of 2 tasks"
    )
    assert "; compared with its control, undecided in 2 of 2 tasks" in said
    informed = leakage[cells(leakage, "fft-rehearsal", "ratio") & (leakage["knowledge"] == "informed")]["accuracy"]
    assert all(f"{100 * end:.1f}\u00a0%" in said for end in (informed.min(), informed.max()))
    assert part(answer(leakage[leakage["protocol"] == "pure"]), "And between other worlds?") is None


def causes(*tasks):
    """Return a table `leakage` in which each task has these verdicts, differences and half widths: of the rows alone, and of the term."""
    leakage = judged(*(task[3] for task in tasks))
    leakage["difference_vs_none"] = leakage["difference_vs_none_low"] = leakage["difference_vs_none_high"] = np.nan
    for name, (by_rows, moved, wide, by_term, added, width) in zip(TASKS, tasks, strict=False):
        there = leakage["task"] == name
        for defence, accuracy in (("none", 0.6), ("rehearsal", 0.6 + moved), ("fft-rehearsal", 0.6 + moved + added)):
            leakage.loc[cells(leakage, defence) & there, "accuracy"] = accuracy
        ends = ("", "_low", "_high")
        rows, term = cells(leakage, "rehearsal") & there, cells(leakage, "fft-rehearsal") & there
        leakage.loc[rows, [f"difference_vs_none{end}" for end in ends]] = [moved, moved - wide, moved + wide]
        leakage.loc[rows, "verdict_vs_none"] = by_rows
        leakage.loc[term, [f"difference_vs_control{end}" for end in ends]] = [added, added - width, added + width]
        assert by_term in set(leakage.loc[term, "verdict_vs_control"])
    return leakage


ASKED = "Is it the fairness term, or the mixing of rows?"


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (("lower", -0.3, 0.05, "lower", -0.05, 0.03), "Mostly the rows: the rows alone lower it by 30.0 points; the term removes some on acs-sex (\u22125.0 points)."),
        (("lower", -0.05, 0.03, "lower", -0.3, 0.05), "Mostly the term: the rows alone lower it by 5.0 points; the term removes some on acs-sex (\u221230.0 points)."),
        (("higher", 0.2, 0.05, "higher", 0.05, 0.03), "Mostly the rows: the rows alone change it by +20.0 points; the term adds leakage on acs-sex (+5.0 points)."),
        (("lower", -0.3, 0.05, "cannot tell", 0.05, 0.1), "Mostly the rows: the rows alone lower it by 30.0 points; the term is undecided on acs-sex (+5.0 points)."),
        (("lower", -0.3, 0.05, "not applicable", 0.0, np.nan), "Mostly the rows: the rows alone lower it by 30.0 points; the term changes no model on acs-sex."),
        (("lower", -0.1, 0.05, "higher", 0.08, 0.05), "Both: the rows alone lower it by 10.0 points; the term adds leakage on acs-sex (+8.0 points)."),
        (("cannot tell", -0.09, 0.1, "cannot tell", 0.05, 0.1), "The data do not tell: the rows alone change it by \u22129.0 points, undecided in 1 of 1 task; the term is undecided"),
        (("lower", -0.09, 0.05, "cannot tell", 0.05, 0.1), "The data do not tell: the rows alone lower it by 9.0 points; the term is undecided"),
        (("no material difference", 0.01, 0.02, "no material difference", 0.0, 0.03), "Neither makes a material difference: the rows alone change it by +1.0 points; "),
    ],
)  # fmt: skip
def test_rows_or_term_in_one_sentence(task, said):
    """Sizes alone once made `both` of two causes of which neither was shown to do anything."""
    assert part(answer(causes(task)), ASKED).startswith(said)


def test_rows_or_term_where_tasks_differ():
    tasks = (("lower", -0.3, 0.05, "lower", -0.05, 0.03), ("cannot tell", 0.02, 0.1, "cannot tell", 0.07, 0.1))
    assert part(answer(causes(*tasks)), ASKED).startswith(
        "Mostly the rows in 1 of 2 tasks (acs-sex), the data do not tell in 1 (adult-sex): the rows alone change it by "
        "\u221230.0 to +2.0 points, undecided in 1 of 2 tasks; the term removes some on acs-sex"
    )


def test_a_searched_lambda_tells_nothing_of_the_size_of_the_term():
    leakage = causes(("lower", -0.3, 0.05, "cannot tell", 0.05, 0.1))
    leakage.loc[cells(leakage, "fft-rehearsal"), "reason_vs_control"] = verdicts.SEARCHED
    assert part(answer(leakage), ASKED).startswith("The data do not tell: ")


def test_what_the_models_pay_is_said_beside_the_verdict(tmp_path):
    leakage, models = judged("lower", "lower"), fake_tables.tables(tasks=TASKS[:2])["models"].copy()
    asked = "At what price?"
    assert part(answer(leakage), asked) is None
    assert part(answer(leakage, models=models), asked).startswith("Nowhere do more than 50 % ")
    mine = (models["task"] == "adult-sex") & (models["defence"] == "fft-rehearsal") & (models["protocol"] == "pure")
    models.loc[models.index[mine][: int(0.93 * mine.sum())], "status"] = "constant"
    models.loc[mine, "accuracy"] -= 0.1
    found = answer(leakage, models=models)
    first_, second = (row["price"] for row in found["rows"])
    assert first_ == [] and second[0] == "93 % of these models give every record one label"
    assert second[1].startswith("accuracy falls by 1")
    assert part(found, asked).startswith(
        "Compared with no defence, on adult-sex 93 % of these models give every record one label and accuracy"
    )
    text = a_report.write(tmp_path, fake_tables.tables(tasks=TASKS[:2]) | {"models": models}).read_text("utf-8")
    assert "93 % of these models" in text.split('<table class="answers">')[1].split("</table>")[0]


def judged_by(change, *, tasks=TASKS, rivals=0, kept=None):
    """Return the tables, `leakage` made as a run makes it, of scores in pure worlds that `change` altered; rivals: how many more attacks
    there are; kept: names of the attacks that are left."""
    tables = dict(fake_tables.tables(tasks=tuple(tasks), pairs=fake_tables.PAIRS[:1], splits=10))
    scores = tables["scores"]
    wanted = scores["adversary"].ne("best") & scores["defence"].isin(["none", "rehearsal", "fft-rehearsal"])
    scores = scores[wanted & scores["knowledge"].isin(["any", "informed"])]
    more = [scores[scores["adversary"] == "kl"].assign(adversary=f"rival-{i}") for i in range(rivals)]
    scores = pd.concat([scores, *more], ignore_index=True)
    scores = change(scores[scores["adversary"].isin(kept)] if kept else scores).reset_index(drop=True)
    settings = Table(
        table="leakage", references={}, white_box={}, searched={}, data={}, margin=0.05,
        controls={task: {"fft-rehearsal": "rehearsal"} for task in tasks},
    )  # fmt: skip
    made = leakage_table.make(parts=[], tables={"scores": scores, "models": tables["models"]}, settings=settings)
    return tables | {"scores": scores, "leakage": made.to_pandas()}


def answered(folder, tables):
    paths = fake_tables.write(folder, {"scores": tables["scores"]})
    controls = {task: {"fft-rehearsal": "rehearsal"} for task in set(tables["leakage"]["task"])}
    return answer(tables["leakage"], scores=paths["scores"], controls=controls)


def coins(scores):
    """Return scores of attacks that know nothing."""
    luck = np.random.default_rng(7).normal(size=len(scores))
    return scores.assign(score=luck, guess=(luck > 0).astype(int))


def test_luck_among_equal_attacks_is_no_lead(tmp_path):
    tasks = [f"task-{i}" for i in range(12)]
    found = answered(tmp_path, judged_by(coins, tasks=tasks, rivals=8))
    leads = pd.DataFrame([row["ahead"] for row in found["rows"]])
    assert (leads["low"] > 0).sum() <= 1 and (leads["value"] < 0).sum() >= 3
    assert abs(leads["value"].mean()) < 0.01
    said = part(found, "Against which adversary?")
    assert f"above 0 in {(leads['low'] > 0).sum()} of 12" in said and "than the paper's own statistic" in said


def test_no_share_is_shown_of_an_attack_that_was_chosen_on_the_same_models(tmp_path):
    rows = answered(tmp_path, judged_by(coins, rivals=8))["rows"]
    assert all(re.fullmatch(r"by \S+|\S+ names most", row["won"]) for row in rows)
    assert any(row["won"].endswith("names most") for row in rows), "chance chose otherwise in one half"


def test_a_choice_that_is_not_the_tables_has_no_interval(tmp_path):
    tables = judged_by(coins, rivals=2)
    best = tables["leakage"]["adversary"] == "best"
    tables["leakage"].loc[best, "accuracy"] += 0.01
    found = answered(tmp_path, tables)
    assert all(row["ahead"]["interval"] == "" and row["sign"] is None for row in found["rows"])
    assert "interval" not in part(found, "Against which adversary?")


def right_of(scores, task, name):
    """Return whether an attack was right, and the splits, of the victims under rehearsal FFt in their order."""
    mine = scores[(scores["task"] == task) & (scores["defence"] == "fft-rehearsal") & (scores["adversary"] == name)]
    mine = mine.sort_values(["split", "world", "model_index"])
    right = np.where(mine["guess"] < 0, 0.5, mine["guess"] == mine["world"])
    return right, mine["split"].to_numpy()


def test_the_rows_are_the_tables_numbers(tmp_path):
    tables = judged_by(lambda scores: scores, rivals=2)
    found, leakage = answered(tmp_path, tables), tables["leakage"]
    assert [row["title"] for row in found["rows"]] == sorted(TASKS)
    for row in found["rows"]:
        there = leakage[leakage["task"] == row["title"]].set_index(["defence", "adversary"])["accuracy"]
        assert row["before"]["value"] == there["none", "best"] and row["beside"]["value"] == there["rehearsal", "best"]
        assert row["after"]["value"] == there["fft-rehearsal", "best"] and row["control"] == "rehearsal"
        names = sorted(set(tables["scores"]["adversary"]))
        right = np.array([right_of(tables["scores"], row["title"], name)[0] for name in names])
        statistic, split = right_of(tables["scores"], row["title"], "accuracy-gap")
        odd = split % 2 == 1
        best = np.where(odd, right[right[:, ~odd].mean(axis=1).argmax()], right[right[:, odd].mean(axis=1).argmax()])
        expected = intervals.mean(best - statistic, split, span=(-1, 1), inflation=1.36)
        np.testing.assert_allclose([row["ahead"][name] for name in ("value", "low", "high")], expected[:3])
        np.testing.assert_allclose(row["ahead"]["value"], row["after"]["value"] - row["statistic"]["value"])


def hesitant(scores):
    """Return scores in which `loss` has those of accuracy-gap, which abstains unless it is sure."""
    scores = scores.copy()
    gap, loss = (scores["adversary"] == name for name in ("accuracy-gap", "loss"))
    rng = np.random.default_rng(3)
    scores.loc[gap, "score"] = rng.normal((scores.loc[gap, "world"] - 0.5) * 3, 1.0)
    scores.loc[loss, "score"] = scores.loc[gap, "score"].to_numpy()
    scores.loc[gap | loss, "guess"] = (scores["score"] > 0).astype(int)
    scores.loc[gap & (scores["score"].abs() < 1.5), "guess"] = -1
    return scores


def test_abstaining_is_not_taken_for_a_weak_attack(tmp_path):
    tables = judged_by(hesitant)
    found = answered(tmp_path, tables)
    for row in found["rows"]:
        outright, _ = right_of(tables["scores"], row["title"], "loss")
        statistic, _ = right_of(tables["scores"], row["title"], "accuracy-gap")
        assert outright.mean() > statistic.mean() + 0.1
        assert row["sign"]["value"] == outright.mean() and row["statistic"]["value"] == statistic.mean()
        assert (
            row["abstains"]
            == f"abstains on {100 * (statistic == 0.5).mean():.0f}\u00a0%; by sign {row['sign']['text']}"
        )
        np.testing.assert_allclose(row["sign"]["ahead"]["value"], row["after"]["value"] - outright.mean())
        assert row["sign"]["ahead"]["low"] < 0 < row["ahead"]["low"], "none is better than the same score outright"
    said = part(found, "Against which adversary?")
    assert "above 0 in 3 of 3. The statistic abstains on" in said and "counts as half right" in said
    assert "By the sign of its score, without abstaining, it would name" in said and said.endswith("in 0 of 3.")
    alone = part(answer(tables["leakage"]), "Against which adversary?")
    assert "The statistic abstains on" in alone and "By the sign" not in alone, "the victims' scores are not at hand"


@pytest.mark.parametrize(("name", "trains"), [("accuracy-gap", False), ("kl", True)])
def test_one_adversary_is_not_called_the_best_of_several(tmp_path, name, trains):
    tables = judged_by(hesitant, kept=[name])
    found = answered(tmp_path, tables)
    assert found["statistic"] == "" and found["adversary"] == name
    assert found["about"] == f"{name} is the only adversary that was run."
    assert all(row["ahead"] is None and row["won"] == "" for row in found["rows"])
    said = part(found, "Against which adversary?")
    assert said.startswith(f"Only one was run: {name} (") and ("trains its own models" in said) == trains
    assert ("By the sign of its score, without abstaining, it would name" in said) != trains
    text = a_report.write(tmp_path, tables).read_text("utf-8")
    screen = text.split('id="answer"')[1].split("</section>")[0]
    assert f"The only adversary that was run, {name}, names the training population" in screen
    assert "strongest" not in screen and "best" not in screen


def test_adversaries_without_shadows_are_not_called_informed(tmp_path):
    found = answered(tmp_path, judged_by(hesitant, kept=["accuracy-gap", "loss"]))
    assert found["adversary"] == "best adversary" and "informed" not in found["about"]
    said = part(found, "Against which adversary?")
    assert said.startswith("Against the strongest adversary that was run. The attack that names most is loss in 3 of 3")


def test_what_it_cannot_say_it_leaves_out():
    leakage = judged("lower", "lower")
    assert answer(leakage, swept=True) is None
    assert answer(leakage.iloc[:0]) is None
    assert answer(leakage[leakage["defence"] == "none"]) is None
    without = answer(leakage, statistic="", controls={})
    assert without["statistic"] == "" and without["controls"] == ""
    assert all(row["ahead"] is None and row["beside"] is None for row in without["rows"])


def test_the_winner_is_no_white_box_and_no_reference():
    full = fake_tables.tables(tasks=TASKS[:1], full=True)["leakage"]
    (row,) = answer(full)["rows"]
    stronger = {"weights", "pair", "data", "kl-transductive"}
    assert stronger <= set(full["adversary"]) and not stronger & set(row["adversaries"])


def test_best_is_not_called_an_attack_that_named_more_or_fewer():
    leakage = judged("lower")
    assert answer(leakage)["rows"][0]["won"] == "by meta"
    mine = (leakage["adversary"] == "best") & (leakage["defence"] == "fft-rehearsal")
    leakage.loc[mine, "accuracy"] -= 0.03
    assert answer(leakage)["rows"][0]["won"] == "meta names most"


def armed():
    """Return a table `claims` with two arms of C6, one claim on whole tasks and the witness."""
    frame = fake_tables.tables()["claims"]
    frame = frame[frame["claim"].isin(["C2", "C6", "C8"])]
    six = frame[frame["claim"] == "C6"]
    arms = [
        six.assign(defence=name, model="mlp", protocol="pure", ratio_0=0.0, ratio_1=1.0, statement=f"{name} lowers it")
        for name in ("fft", "fft-rehearsal")
    ]
    arms[0]["verdict"] = "holds"
    return pd.concat([frame[frame["claim"] == "C2"], *arms, frame[frame["claim"] == "C8"]], ignore_index=True)


def test_every_arm_has_a_line_over_tasks():
    claims = matrix.claims(armed(), papers.load("fair-finetuning"), ["leakage", "gap"])
    lines = {(claim["id"], arm["arm"]): arm["line"] for claim in claims for arm in claim["arms"]}
    assert lines == {
        ("C2", ""): "holds in 3 of 4 tasks, fails in 1",
        ("C6", "fft, pure: 0 vs 1"): "holds in 4 of 4 tasks",
        ("C6", "fft-rehearsal, pure: 0 vs 1"): "fails in 1 of 4 tasks, no material difference in 1, cannot tell in 2",
        ("C8", ""): "holds (it needs no data)",
    }
    assert claims[0]["short"] == "gap small in most models"
    assert [claim["figure"] for claim in claims] == ["gap", "leakage", ""]


def test_every_cell_is_the_tables_verdict_and_leads_to_its_task():
    frame = armed()
    claims = matrix.claims(frame)
    found = matrix.overview(claims)
    places = {
        out["anchor"]: (claim["id"], by["task"], out["arm"])
        for claim in claims
        for by in claim["tasks"]
        for out in by["outcomes"]
    }
    cells = 0
    for row in found["rows"]:
        for task, cell in zip(found["tasks"], row["cells"], strict=True):
            if cell is None:
                continue
            cells += 1
            assert places[cell["anchor"]] == (row["id"], task, row["arm"])
            mine = frame[(frame["claim"] == row["id"]) & (frame["task"] == task)]
            if row["arm"]:
                mine = mine[mine["defence"] == row["arm"].split(",")[0]]
            assert [cell["verdict"]] == list(mine["verdict"])
    assert cells == len(frame) - 1 and found["rows"][-1]["whole"]["verdict"] == verdicts.HOLDS
    assert len(places) == len(frame)


def test_the_witness_has_a_place_of_its_own_and_claims_say_whose_they_are(tmp_path):
    tables = fake_tables.tables() | {"claims": armed()}
    paper = papers.load("fair-finetuning")
    sources = {claim.id: claim.source for claim in paper.claims}
    tables["claims"]["source"] = tables["claims"]["claim"].map(sources)
    text = a_report.write(tmp_path, tables).read_text(encoding="utf-8")
    body = text.split('id="verdicts"')[1].split("<tbody>")[1].split("</tbody>")[0]
    rows = [re.sub("<[^>]*>", "|", row) for row in body.split("</tr>")[:-1]]
    cells = [re.findall(r"<td.*?</td>", row, re.S) for row in body.split("</tr>")[:-1]]
    assert len(rows) == 4 and "Of no task" in rows[-1] and "holds" in cells[-1][1] and 'colspan="4"' in cells[-1][2]
    assert all(len(row) == 2 + 4 for row in cells[:-1])
    assert [re.sub("<[^>]*>", "", row[0]) for row in cells] == ["paper", "ours", "ours", "paper"]


def test_every_kind_names_the_unit_of_its_interval(tmp_path):
    assert set(matrix.UNITS) == set(KINDS)
    text = a_report.write(tmp_path, fake_tables.tables(tasks=("acs-sex",), victims=4)).read_text(encoding="utf-8")
    assert "95 % interval (change in advantage, twice that in accuracy)" in text
    assert text.count("95 % interval (") == text.count('class="data" id="table-of-')


def test_a_verdict_that_useless_models_bought_says_so():
    frame = armed()
    six = frame[(frame["claim"] == "C6") & (frame["defence"] == "fft")].iloc[:1]
    paid = {tuple(six[name].iloc[0] for name in KEYS): ["all of these models give every record one label"]}
    found = [
        (claim["id"], out["price"])
        for claim in matrix.claims(frame, prices=paid)
        for by in claim["tasks"]
        for out in by["outcomes"]
        if out["price"]
    ]
    assert found == [("C6", ["all of these models give every record one label"])]


def test_names_that_differ_in_signs_alone_have_places_of_their_own():
    frame = armed().replace({"task": {"acs-sex": "a b", "adult-sex": "a/b"}})
    (claim, *_) = matrix.claims(frame)
    places = [by["anchor"] for by in claim["tasks"]]
    assert len(set(places)) == len(places) and all(re.fullmatch(r"[\w-]+", place) for place in places)


def test_the_page_holds_question_glossary_and_what_is_not_reproduced(tmp_path):
    paper = papers.load("fair-finetuning")
    tables = fake_tables.tables(tasks=("acs-sex",), victims=4)
    text = a_report.write(tmp_path, tables, absent=["utkface: no file"]).read_text(encoding="utf-8")
    assert (
        text.index(paper.question) < text.index('id="method"') < text.index('id="claims"') < text.index('id="absent"')
    )
    assert all(f"<dt>{term}</dt>".replace("'", "&#39;") in text for term, _ in TERMS)
    assert paper.absent and all(one.what.replace("'", "&#39;") in text for one in paper.absent)
    assert "utkface: no file" in text.split('id="absent"')[1]
    assert "c0de" in text.split('id="provenance"')[1]
    needed = tables["claims"]["splits_needed"].notna().sum()
    assert needed and text.count('data-v="40">40') == needed


def test_a_page_without_a_paper_asks_no_question(tmp_path):
    tables = fake_tables.tables(tasks=("adult-sex",), victims=4)
    text = a_report.write(tmp_path, tables, paper=None, controls=None, downloads=()).read_text(encoding="utf-8")
    assert "What was found" in text and "download" not in text and "Nothing is named" in text


def test_a_row_of_the_answer_leads_to_the_verdict_on_its_arm(tmp_path):
    tables = dict(fake_tables.tables())
    tables["claims"] = armed()
    text = a_report.write(tmp_path, tables).read_text(encoding="utf-8")
    links = re.findall(r'<a class="badge \w+" href="#([^"]+)">', text.split('id="answer"')[1].split("</section>")[0])
    assert len(links) == 4
    for link in links:
        outcome = text.split(f'id="{link}"')[1].split("</div>")[0]
        assert "fft-rehearsal, pure: 0 vs 1" in outcome


def test_what_an_unaware_adversary_names_and_what_the_control_costs_is_said(tmp_path):
    tables = fake_tables.tables(tasks=TASKS)
    leakage, models = tables["leakage"], tables["models"].copy()
    where = (
        (leakage["adversary"] == "best") & (leakage["knowledge"] == "unaware") & (leakage["defence"] == "fft-rehearsal")
    )
    leakage.loc[where, "accuracy"] = 0.623
    fair, control = ((models["defence"] == name).to_numpy() for name in ("fft-rehearsal", "rehearsal"))
    models.loc[control, "accuracy"] = models.loc[fair, "accuracy"].to_numpy() + 0.041
    said = dict(answer(leakage, models=models)["parts"])
    assert "knows of no defence, and trains its own models without it, names 62.3" in said["Against which adversary?"]
    assert (
        "Against the control, which trains on the same rows, mean accuracy changes by \u22124.1 points."
        in said["At what price?"]
    )
    assert (
        "knows of no defence" not in dict(answer(leakage[~where], models=models)["parts"])["Against which adversary?"]
    )
