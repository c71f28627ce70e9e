"""What is said of the gap that a paper reports, beside the gaps of the pairings that were run."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest

import a_report
import fake_tables
import tiny
from popleak.config import papers
from popleak.report import page, readme, reported
from popleak.stages import figures as figure
from popleak.steps.papers import Paper
from popleak.tables._judges import gaps
from popleak.tables._judges.evidence import Evidence

PAPER = papers.load("fair-finetuning")
(CLAIM,) = (claim for claim in PAPER.claims if claim.kind == "gap-falls")
KINDS = {"none": "none", "rehearsal": "rehearsal", "fft-rehearsal": "fft-rehearsal"}
GROUPS = {("acs-income", "age"): ("young", "old")}


def victims(task, before, after, *, model="mlp", splits=6, each=5):
    """Return rows of `models` whose gap before and after is, from world 0 and from world 1, as given, with a little noise."""
    parts = []
    for defence, means in (("none", before), ("fft-rehearsal", after)):
        for world, gap in enumerate(means):
            split, index = (one.ravel() for one in np.indices((splits, each)))
            noise = np.random.default_rng([len(parts), world]).normal(0, 0.004, len(split))
            parts.append(
                pd.DataFrame(
                    {
                        "defence": defence,
                        "world": world,
                        "split": split,
                        "model_index": index,
                        "gap": gap + noise - noise.mean(),
                    }
                )
            )
    fixed = {
        "task": task,
        "model": model,
        "role": "victim",
        "protocol": "pure",
        "ratio_0": 0.0,
        "ratio_1": 1.0,
        "status": "ok",
        "poison": 0.0,
    }
    return pd.concat(parts, ignore_index=True).assign(**fixed)


def frames(*parts):
    models = pd.concat(parts, ignore_index=True)
    tasks = list(dict.fromkeys(models["task"]))
    claims = pd.DataFrame({"claim": CLAIM.id, "kind": CLAIM.kind, "task": tasks})
    leakage = pd.DataFrame(
        {"task": tasks, "dataset": "acs-income", "attribute": ["age" if task == "age" else "sex" for task in tasks]}
    )
    return {"models": models, "claims": claims, "leakage": leakage}


def found(*parts, paper=PAPER, kinds=KINDS):
    tables = frames(*parts)
    return reported.found(tables, paper, {task: kinds for task in tables["claims"]["task"]}, GROUPS)


SEX = victims("sex", (-0.06, -0.08), (0.01, -0.02))
AGE = victims("age", (0.08, -0.1), (0.05, 0.01))
RACE = victims("race", (0.3, -0.34), (0.0, 0.0))


def test_the_nearest_comes_first():
    """Sex is 3 points below the range, age 1, race 12 above it: from old alone, age is in it."""
    (one,) = found(SEX, RACE, AGE)
    assert one.claim == "C1"
    assert [row[0].text for row in one.rows] == ["age", "sex", "race"]
    first, inside, way, after, same, open_ = one.sentences
    assert first.startswith(
        "Nearest to the gap that the paper reports (C1, read as 10 to 20 points) comes, under these settings, age: before"
    )
    assert re.search(
        r"the gap is 9\.0 \(8\.\d to 9\.\d\) points over both directions, 8\.0 \([\d. to]+\) in models trained on young and 10\.0 \([\d. to]+\) in models trained on old; ",
        first,
    )
    assert "its whole interval is outside that range. No other setting's interval overlaps with it." in first
    assert inside.startswith(
        "The whole interval of the gap before, over both directions, is in the range in 0 of 3 settings; in 0 of these"
    )
    assert re.search(
        r"nearest comes age with models trained on old: 10\.0 \([^)]+\) points before and 1\.0 \([^)]+\) after\.", way
    )
    assert "is in the range in 0 of 6 directions; in 0 of these" in way, "10.0 is at its very end"
    # 5 points from young are above 4, although 1 point from old is not
    assert "trained on old: not under the 4 points that the paper reports. " in after
    assert after.endswith(
        "It is under 4 points in both directions in 2 of 3 settings, above in at least one direction in 1, and undecided in 0."
    )
    assert same.startswith(
        "In 1 of 3 settings models of both directions are more accurate on the same group before the defence. "
    )
    assert "which pairing fits the figure here, not which one the paper used" in open_


def test_rows_have_each_direction_and_name_the_groups():
    (one,) = found(SEX, AGE)
    texts = [[cell.text for cell in row] for row in one.rows]
    rows = {row[0]: dict(zip(reported.HEAD, row, strict=True)) for row in texts}
    assert rows["age"]["world 0; world 1"] == "young; old"
    assert rows["sex"]["world 0; world 1"] == "world 0; world 1", "not known"
    assert texts[0][7] == "young; old" and texts[1][7] == "world 1; world 1"
    assert [text.split()[0] for text in texts[0][1:4]] == ["8.0", "10.0", "9.0"]
    assert [text.split()[0] for text in texts[0][4:6]] == ["5.0", "1.0"]
    assert [cell.sort is None for cell in one.rows[0]] == [place in (0, 6, 7) for place in range(8)]
    assert np.allclose([float(cell.sort) for cell in one.rows[0][1:4]], [0.08, 0.1, 0.09])


def test_the_figures_are_those_that_the_claim_is_judged_by():
    (one,) = found(SEX, AGE)
    evidence = Evidence("age", "acs-income", AGE, None, None, {"fft-rehearsal": ["fft-rehearsal"]}, {}, (), 0.1)
    (outcome,) = gaps.gap_falls(CLAIM, evidence)
    judged = [re.findall(r"(\d\.\d{3}) \[(\d\.\d{3}), (\d\.\d{3})\]", line) for line in outcome.lines]
    said = [[float(number) for number in re.findall(r"[\d.]+", one.rows[0][place].text)] for place in (1, 4, 2, 5)]
    wanted = [[100 * float(number) for number in numbers] for direction in judged for numbers in direction]
    assert np.allclose(said, wanted, atol=0.1001)


def test_within_the_range_the_middle_decides():
    (one,) = found(
        victims("a", (0.11, -0.11), (0.0, 0.0)),
        victims("b", (0.16, -0.16), (0.0, 0.0)),
        victims("c", (0.18, -0.18), (0.0, 0.0)),
    )
    assert [row[0].text for row in one.rows] == ["b", "c", "a"]
    assert "its whole interval is in that range." in one.sentences[0]
    assert "in the range in 3 of 3 settings; in 3 of these the gap after is also under 4 points" in one.sentences[1]
    assert "trained on world 1: under the 4 points that the paper reports, in both directions." in one.sentences[3]
    assert "in the range in 6 of 6 directions; in 6 of these the gap after is also under 4 points." in one.sentences[2]
    assert len(one.sentences) == 5, "no group is the easier one"


def test_settings_that_are_not_told_apart_are_named():
    (one,) = found(AGE, victims("sex", (0.0805, -0.1), (0.0, 0.0)), RACE)
    assert [row[0].text for row in one.rows][:2] == ["sex", "age"]
    assert "The interval of age overlaps with it." in one.sentences[0]


def test_each_model_is_a_setting():
    (one,) = found(SEX, AGE, AGE.assign(model="logistic"))
    assert sorted(row[0].text for row in one.rows) == ["age (logistic)", "age (mlp)", "sex (mlp)"]


@pytest.mark.parametrize(
    ("parts", "kinds", "paper"),
    [
        ((AGE,), KINDS, PAPER),
        ((SEX, AGE), KINDS | {"again": "fft-rehearsal"}, PAPER),
        ((SEX, AGE), {"none": "none"}, PAPER),
        ((SEX, AGE), KINDS, None),
        ((SEX, AGE), KINDS, dataclasses.replace(PAPER, claims=tuple(claim for claim in PAPER.claims if claim.kind != CLAIM.kind))),
    ],
    ids=["one task", "swept", "no such defence", "no paper", "no such claim"],
)  # fmt: skip
def test_nothing_is_said_where_nothing_is_compared(parts, kinds, paper: Paper | None):
    assert found(*parts, kinds=kinds, paper=paper) == []


def test_models_that_diverged_leave_no_gap():
    lost = AGE.assign(gap=np.nan, status="diverged")
    (one,) = found(SEX, lost)
    assert one.rows[-1][0].text == "age" and one.rows[-1][1] == ("\u2013", "") and "of 1 setting;" in one.sentences[1]
    (one,) = found(lost, lost.assign(task="sex"))
    assert one.sentences == ["No model is left whose gap is known."]


def test_groups_are_named_where_all_cards_agree():
    card = {"dataset": "table", "attribute": "sex", "attributes": {"sex": {"groups": ["a", "b"]}}}
    assert reported.groups_of([card, card]) == {("table", "sex"): ("a", "b")}
    assert reported.groups_of([card, {**card, "attributes": {"sex": {"groups": ["b", "a"]}}}]) == {}
    assert reported.groups_of([{"title": "no attribute"}]) == {}


@pytest.fixture(scope="module")
def judged():
    """Public tables of two tasks on which the claim is judged."""
    tables = fake_tables.tables(tasks=("acs-sex", "adult-sex"), victims=8)
    (row,) = tables["claims"][tables["claims"]["claim"] == CLAIM.id].to_dict("records")
    return tables | {
        "claims": pd.concat([tables["claims"], pd.DataFrame([{**row, "task": "adult-sex"}])], ignore_index=True)
    }


KNOWN = dict.fromkeys(("acs-sex", "adult-sex"), KINDS)


@pytest.mark.slow
def test_the_report_shows_it_beside_the_claim(judged, tmp_path):
    text = a_report.write(tmp_path, judged, kinds=KNOWN).read_text(encoding="utf-8")
    start, end = text.index('id="claim-C1"'), text.index('id="claim-C2"')
    part = text[start:end]
    assert (
        part.count("Nearest to the gap that the paper reports") == 1 and part.count("Reported and measured gaps") == 2
    )
    assert "Beside the reported figure" not in text[:start] + text[end:]
    without = a_report.write(tmp_path / "without", judged, kinds={}).read_text(encoding="utf-8")
    assert "Beside the reported figure" not in without


@pytest.mark.slow
def test_a_page_on_gaps(judged, tmp_path):
    """An experiment whose main figure is the gap has a page: what was found beside the paper's figure, and claims on gaps alone."""
    tables = fake_tables.write(tmp_path / "tables", judged)
    drawn = figure.draw(name="gap", tables=tables, tau=0.1, stem=tmp_path / "gap")[1]
    readme_page, folder = tmp_path / "README.md", tmp_path / "results"
    readme_page.write_text("\n".join(readme.MARKERS), encoding="utf-8")
    tasks = [{"dataset": "acs_income", "attribute": "sex", "rows": 800}]
    page.write(
        experiment={"experiment": "pairs", "tasks": tasks}, tables={name: tables[name] for name in page.NEEDED}, cards=[],
        figures={"gap": drawn}, folder=folder, page=readme_page, paper=PAPER, kinds=KNOWN,
    )  # fmt: skip
    assert sorted(path.name for path in (folder / "pairs").iterdir()) == [
        "block.md",
        "claims.csv",
        "experiment.json",
        "gap.csv",
        "gap.png",
        "tables.sha256",
    ]
    text = (folder / "pairs.md").read_text(encoding="utf-8")
    assert "- Nearest to the gap that the paper reports (C1" in text and f"| {' | '.join(reported.HEAD)} |" in text
    assert "\n| C1 |" in text and "\n| C2 |" in text and "\n| C6 |" not in text
    assert "(pairs/gap.png)" in text and "The best informed adversary" not in text


def test_the_plan_says_of_which_kind_each_defence_is():
    built = tiny.build(defences=["none", "rehearsal", "fft-rehearsal"])
    (task,) = built.report.settings.kinds
    assert built.report.settings.kinds[task] == KINDS
