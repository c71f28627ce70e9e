"""Names and words of a stranger's tables in what is made of them: no markers, no markup, no formulas."""

from __future__ import annotations

import csv
import json
import re

import pandas as pd
import pytest

import fake_tables
import tiny
from popleak.core import inert
from popleak.core.errors import PopleakError
from popleak.report import page as results
from popleak.report import paper, readme
from popleak.report import tables as views
from popleak.stages import figures as figure

pytestmark = pytest.mark.slow
END = readme.MARKERS[1]
EVIL = f"=cmd|' /C calc'!A0 {END} <script>alert(1)</script>"
SPREADSHEET = re.compile(r"^\s*([=@]|[+-](?![\d.]))")
"""How a cell begins that a spreadsheet takes for a formula."""


@pytest.mark.parametrize(
    "text", ["=1+1", "=cmd|' /C calc'!A0", "@SUM(A1)", "+cmd|x", "-2+3+cmd|' /C calc'!A0", "  =1", "\t=1", "-A1"]
)
def test_formulas_are_text(text):
    assert inert.cell(text) == f"'{text}"


@pytest.mark.parametrize(
    "text",
    ["", "-1.5", "+3", "\u22121.0", "-0.05 [-0.1, 0.2]", "1e-05", "-1e-05", "<0.001", "adult-sex", "a=b", "P(a = 1)"],
)
def test_what_is_no_formula_stays(text):
    assert inert.cell(text) == text


def test_frames_are_changed_where_they_must_be():
    frame = pd.DataFrame({"=a": ["x", "=1", None], "n": [-1.0, 2.0, float("nan")]})
    found = inert.frame(frame)
    assert list(found.columns) == ["'=a", "n"] and found["'=a"].tolist()[:2] == ["x", "'=1"]
    assert found["'=a"].isna().tolist() == [False, False, True]
    usual = fake_tables.tables(tasks=("adult-sex",), victims=4)
    for table in usual.values():
        pd.testing.assert_frame_equal(inert.frame(table), table)


def test_markdown_keeps_everything_but_tags():
    text = "**p** < 0.05, a <- b, `x`, [link](to) and <https-like> <!-- no --> </b>"
    assert inert.markdown(text) == "**p** < 0.05, a <- b, `x`, [link](to) and &lt;https-like> &lt;!-- no --> &lt;/b>"


@pytest.fixture(scope="module")
def evil():
    """Public tables in whose words, but for those that popleak reads, there is what programs act on."""
    frames = {name: frame.copy() for name, frame in fake_tables.tables(tasks=("adult-sex", "b"), victims=8).items()}
    for frame in (frame for frame in frames.values() if "task" in frame):
        frame["task"] = frame["task"].replace({"adult-sex": EVIL})
    leakage = frames["leakage"]
    leakage.loc[leakage["task"] == "b", "against_chance"] = "cannot tell"  # so that findings name the other task
    for column in ("statement", "evidence", "plain"):
        if column in frames["claims"]:
            frames["claims"][column] = EVIL
    return frames


def test_a_page_of_results_and_the_readme(evil, tmp_path):
    tables = fake_tables.write(tmp_path / "tables", evil)
    drawn = {
        name: figure.draw(name=name, tables=tables, tau=0.1, stem=tmp_path / name)[1] for name in ("leakage", "summary")
    }
    around = ("# Title\n\nbefore\n", "\nafter\n")
    readme_file, folder = tmp_path / "README.md", tmp_path / "results"
    readme_file.write_text(f"{around[0]}{readme.MARKERS[0]}\n{END}{around[1]}", encoding="utf-8")
    experiment = {
        "experiment": "paper",
        "title": f"{EVIL}\n{END}",
        "tasks": [{"id": EVIL, "dataset": "adult", "attribute": EVIL}],
        "population": {"splits": int(evil["leakage"]["splits"].iloc[0]), "victims": 8, "shadows": 10},
        "training": {"epochs": 1, "learning_rate": 0.1, "batch": 8},
        "tau": 0.1,
        "paper": "fair-finetuning",
    }
    given = {"tables": {name: tables[name] for name in results.NEEDED}, "cards": [], "figures": drawn, "folder": folder}
    results.write(experiment=experiment, page=readme_file, cautions=[EVIL], **given)
    written = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    text = readme_file.read_text(encoding="utf-8")
    assert (
        text.count(END) == 1 and text.startswith(around[0]) and text.endswith(END + around[1]) and "&lt;script>" in text
    )
    results.renew(folder, readme_file)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == written, (
        "as often as one likes"
    )
    page = (folder / "paper.md").read_text(encoding="utf-8")
    assert re.findall(r"<[A-Za-z/!?].*", page) == [results.NOTE] and "&lt;script>" in page
    for path in folder.rglob("*.csv"):
        with open(path, newline="", encoding="utf-8") as handle:
            cells = [cell for row in csv.reader(handle) for cell in row]
        assert any("cmd|" in cell for cell in cells)
        assert [cell for cell in cells if SPREADSHEET.match(cell)] == []
    for name in ("../elsewhere", "/tmp/elsewhere", "a/b", EVIL):
        with pytest.raises(PopleakError, match="is no name of an experiment"):
            results.write(experiment={**experiment, "experiment": name}, page=readme_file, **given)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == written


def test_the_reports_tables(evil):
    makers = {"leakage": views.leakage, "models": views.models, "bounds": views.bounds}
    shown = {name: make(evil[name]) for name, make in makers.items()}
    frames = {name: frame for name, frame in evil.items() if name != "placebo"}
    for name, text in paper.files(frames, shown).items():
        if name.endswith(".csv"):
            cells = [cell for row in csv.reader(text.splitlines()) for cell in row]
            assert [cell for cell in cells if SPREADSHEET.match(cell)] == []


def test_figures_csv(evil, tmp_path):
    tables = fake_tables.write(tmp_path / "tables", evil)
    *_, made = figure.draw(name="gap", tables=tables, tau=0.1, stem=tmp_path / "gap")
    assert "'=cmd|" in made.read_text(encoding="utf-8") and "\n=cmd" not in made.read_text(encoding="utf-8")


def test_committed_results_hold_nothing_of_the_kind():
    for path in (tiny.ROOT / "docs" / "results").rglob("*.csv"):
        for line in path.read_text(encoding="utf-8").splitlines():
            assert not re.search(r"(^|,)\"?[=@]", line), path
    for path in (tiny.ROOT / "docs" / "results").rglob("experiment.json"):
        assert "<" not in json.dumps(json.loads(path.read_text(encoding="utf-8"))), path
