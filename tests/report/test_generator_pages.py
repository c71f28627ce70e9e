"""Pages of results on generators and poisoning, the README's lines of them, and their section of the report."""

from __future__ import annotations

import json

import pandas as pd
import pytest

import a_report
import drawing
import fake_generators as fake
import fake_tables
from popleak.measures.verdicts import FAILS, HOLDS, OPEN
from popleak.report import generated, generator_findings, readme
from popleak.report import page as results
from popleak.report.committed import Source
from popleak.stages import figures as figure

pytestmark = pytest.mark.slow

MADE = {"shares": fake.released, "poisoning": fake.poisoned}


def made(main):
    """Return all tables that a page needs, those of no rows with their columns."""
    return {**{name: fake_tables.empty()[name] for name in results.NEEDED}, **MADE[main]()}


@pytest.mark.parametrize("main", MADE)
def test_a_page_has_its_checks_and_figure_beside_it(main, tmp_path, monkeypatch):
    drawing.without_places(monkeypatch)
    frames = made(main)
    tables = fake_tables.write(tmp_path / "tables", frames)
    picture = figure.draw(name=main, tables=tables, tau=0.1, stem=tmp_path / main)[1]
    page, folder = tmp_path / "README.md", tmp_path / "results"
    page.write_text("\n".join(readme.MARKERS), encoding="utf-8")
    name = {"shares": "generators", "poisoning": "poisoning"}[main]
    tasks = sorted(set(frames["samples"]["task"]))
    bit = {
        "dataset": "synthetic",
        "attribute": None,
        "options": {"shift": 0, "proxies": 0, "cell_shift": 0, "label_rates": [0.4, 0.4]},
    }
    experiment = {
        "experiment": name,
        "tasks": [{"id": task, "dataset": task, "attribute": "sex", "rows": 4000} | (bit if task == fake.ALIKE else {}) for task in tasks],
        "population": {"splits": 5, "victims": 2, "shadows": 1},
    }  # fmt: skip
    needed = {table: tables[table] for table in (*results.NEEDED, *results.KINDS[main].needs)}
    (folder / name).mkdir(parents=True)
    for stale in (
        "leakage.png",
        "leakage.csv",
    ):  # of an earlier run that drew more: the page would show it as this run's
        (folder / name / stale).write_text("old")
    results.write(experiment=experiment, tables=needed, cards=[], figures={main: picture}, folder=folder, page=page)
    there = {path.name for path in (folder / name).iterdir()}
    assert there == {"block.md", "experiment.json", "tables.sha256", "checks.csv", f"{main}.png", f"{main}.csv"}
    kept = pd.read_csv(folder / name / "checks.csv")
    assert list(kept["check"]) == list(generated.frame(frames, (fake.ALIKE,))["check"])
    assert set(kept.loc[kept["said"].str.contains("random bit"), "task"]) == ({fake.ALIKE} & set(tasks)), (
        "by the config"
    )
    text = (folder / f"{name}.md").read_text(encoding="utf-8")
    assert "For the researcher: " in text and "What this means for whoever " in text and "[checks.csv]" in text
    assert f"[{name}](results/{name}.md): " in page.read_text(encoding="utf-8"), "a line of the README"


def committed(folder, tasks, rows):
    """Write checks as a page keeps them, and the tasks of the run by data set; rows: (check, words, task, about, value, verdict)."""
    table = pd.DataFrame(rows, columns=["check", "said", "task", "about", "value", "verdict"])
    table.assign(low=0.0, high=1.0, beside="").to_csv(folder / "checks.csv", index=False)
    settings = {"tasks": [{"id": task, "dataset": dataset} for task, dataset in tasks.items()]}
    (folder / "experiment.json").write_text(json.dumps(settings), encoding="utf-8")
    return Source(folder, "[here](here.md)")


def test_tasks_without_an_id_are_of_their_data_set(tmp_path):
    """Two attributes of one table are one data set, which makes no finding."""
    tasks = [{"dataset": "adult", "attribute": one} for one in ("sex", "race")]
    tasks += [
        {"dataset": "acs_income", "attribute": None, "attribute_in_features": True},
        {"id": "x", "dataset": "compas"},
    ]
    (tmp_path / "experiment.json").write_text(json.dumps({"tasks": tasks}), encoding="utf-8")
    assert Source(tmp_path, "").datasets() == {
        "adult-sex": "adult", "adult-race": "adult", "acs-income-sex-in": "acs_income", "x": "compas"
    }  # fmt: skip


READ, HIDDEN, ADAPTIVE = "the share of generators", "the mean absolute error", "group in sight, an adversary"


@pytest.mark.parametrize(
    ("verdicts", "datasets", "shown"),
    [
        ((HOLDS, HOLDS), ("adult", "compas"), True),
        ((HOLDS, HOLDS), ("adult", "adult"), False),
        ((HOLDS, FAILS), ("adult", "compas"), False),
    ],
    ids=["two data sets", "one data set", "one of two"],
)
def test_the_readme_line_on_generators(tmp_path, verdicts, datasets, shown):
    rows = [("A2", READ, task, "x", 1.0, verdict) for task, verdict in zip(("one", "two"), verdicts, strict=True)]
    rows += [
        ("A3", HIDDEN, "one", "x", 0.01, HOLDS),
        ("A3", HIDDEN, "two", "x", 0.1, FAILS),
        ("A5", ADAPTIVE, "one", "fair", 0.0, OPEN),
    ]
    source = committed(tmp_path, dict(zip(("one", "two"), datasets, strict=True)), rows)
    (line,) = generator_findings.lines(source, Source(tmp_path / "none", ""))
    assert (
        line.startswith("**Rows of a generator give away" if shown else "**That rows of a generator give away")
        and ("not shown" in line) != shown
    )
    assert (
        f"in {verdicts.count(HOLDS)} of 2 tasks" in line
        and "mean error is 0.010 to 0.100" in line
        and "in 0 of 1 case" in line
    )


@pytest.mark.parametrize(("verdict", "shown"), [(HOLDS, True), (OPEN, False), (FAILS, False)])
def test_the_readme_line_on_poisoning(tmp_path, verdict, shown):
    rows = [("A6", "Delta_EO rises", task, about, 1.0, verdict if about == "synthetic" else HOLDS)
            for task in ("acs", "adult") for about in ("none", "synthetic")]  # fmt: skip
    rows.append(("A7", "a Delta_EO at most", "adult", "balanced-fair", 0.01, HOLDS))
    source = committed(tmp_path, {"acs": "acs_income", "adult": "adult"}, rows)
    (line,) = generator_findings.lines(Source(tmp_path / "none", ""), source)
    assert (
        "is not shown" in line
    ) != shown and f"in {2 * shown} of 2 tasks, of the same rows without a generator in 2 of 2 tasks" in line
    assert "is shown in 1 of 1 task ([here](here.md): 2 tasks on 2 data sets)." in line


@pytest.mark.parametrize("verdict", [HOLDS, OPEN, FAILS])
def test_the_readme_line_says_where_the_attack_is_another_than_described(tmp_path, verdict):
    rows = [
        ("A6", "Delta_EO rises", "adult", "synthetic", 1.0, HOLDS),
        ("A6", "I(X; Y) of the chosen rows", "adult", "x", 0.5, verdict),
    ]
    source = committed(tmp_path, {"adult": "adult"}, rows)
    (line,) = generator_findings.lines(Source(tmp_path / "none", ""), source)
    assert f"stays within 10 % of that of clean ones in {int(verdict == HOLDS)} of 1 task" in line
    assert ("stronger, and easier to see, than the one described" in line) == (verdict == FAILS)


def test_without_results_there_is_no_line(tmp_path):
    assert generator_findings.lines(Source(tmp_path / "a", ""), Source(tmp_path / "b", "")) == []


def test_the_report_has_a_section(tmp_path, monkeypatch):
    drawing.without_places(monkeypatch)
    frames = dict(fake_tables.tables(tasks=("adult-sex",), victims=8)) | fake.released(tasks=("adult-sex",))
    text = a_report.write(tmp_path, frames, figures=("shares",)).read_text(encoding="utf-8")
    section = text.split('<section id="part-generated">')[1].split("</section>")[0]
    assert (
        "Rows of generators" in section
        and "For the researcher: the ratio of groups" in section
        and 'id="table-generators"' in section
    )
    assert 'id="figure-shares"' in section
    plain = a_report.write(tmp_path / "plain", fake_tables.tables(tasks=("adult-sex",), victims=8)).read_text(
        encoding="utf-8"
    )
    assert "For the researcher: the ratio of groups" not in plain and 'id="table-generators"' not in plain
