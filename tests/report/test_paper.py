"""The report's tables as files for a paper."""

from __future__ import annotations

import csv
import io
import re

import pytest

import fake_tables
from popleak.report import paper, tables
from popleak.stages import publish
from popleak.steps.report import PAPER
from popleak.store import seal


def made(frames):
    makers = {"leakage": tables.leakage, "models": tables.models, "bounds": tables.bounds, "placebo": tables.placebos}
    return paper.files(frames, {name: make(frames[name]) for name, make in makers.items() if name in frames})


@pytest.mark.slow
def test_every_file_has_the_reports_numbers():
    frames = fake_tables.tables(tasks=("adult-sex", "lsac-race"), victims=4)
    found = made(frames)
    assert tuple(found) == PAPER
    rows = list(csv.DictReader(io.StringIO(found["leakage.csv"])))
    assert len(rows) == len(frames["leakage"])
    best = frames["leakage"].query("adversary == 'best' and knowledge == 'informed' and protocol == 'pure'")
    shown = list(csv.DictReader(io.StringIO(found["summary.csv"])))
    assert [(row["task"], row["defence"]) for row in shown] == [
        (task, name) for task in ("adult-sex", "lsac-race") for name in fake_tables.DEFENCES
    ]
    for row in shown:
        accuracy = best[(best["task"] == row["task"]) & (best["defence"] == row["defence"])]["accuracy"].item()
        assert row["best informed accuracy"].startswith(f"{accuracy:.3f} [")
    assert shown[0]["accuracy minus none"] == "0.0"
    body = [line for line in found["summary.tex"].splitlines() if line.endswith("\\\\")]
    assert len(body) == 1 + len(shown) and {line.count(" & ") for line in body} == {6}
    assert found["summary.tex"].count("\\addlinespace") == 1, "between the tasks, and nowhere else"
    assert not any(file.startswith("placebo") for file in made({k: v for k, v in frames.items() if k != "placebo"}))


@pytest.mark.slow
def test_a_small_p_value_is_never_shown_as_zero():
    """Sorted and written as a number all the same."""
    frames = fake_tables.tables(tasks=("adult-sex",), victims=4)
    leakage = frames["leakage"].assign(p_vs_none_holm=0.0004, p_vs_control_holm=0.0123, p_equal_vs_none_holm=0.0)
    shown = tables.leakage(leakage)
    titles = [column["title"] for column in shown["columns"]]
    first = dict(zip(titles, shown["rows"][0], strict=True))
    assert [first[name]["shown"] for name in ("p vs none", "p equal to none")] == ["<0.001", "<0.001"]
    assert [first[name]["sort"] for name in ("p vs none", "p equal to none")] == ["0.0004", "0"]
    assert first["p vs control"] == {"text": "0.012", "sort": "0.0123"}
    found = made(frames | {"leakage": leakage})
    assert next(csv.DictReader(io.StringIO(found["leakage.csv"])))["p vs none"] == "0.000"
    assert "\\textless{}0.001" in found["leakage.tex"] and " 0.000 " not in rows_of(found["leakage.tex"])[1]
    head = found["leakage.tex"].split("\\begin{tabular}{")[1].split("}")[0]
    drawn = [title.strip(" \\") for title in rows_of(found["leakage.tex"])[0].split(" & ")]
    assert head[drawn.index("p vs none")] == "r"


def rows_of(text):
    return [line for line in text.splitlines() if line.endswith("\\\\")]


@pytest.mark.slow
def test_long_tables_are_as_narrow_as_a_page_and_run_over_pages():
    frames = fake_tables.tables(victims=4, full=True)
    found = made(frames)
    best = frames["leakage"].query("adversary == 'best' and knowledge == 'informed'")
    head, *body = rows_of(found["leakage.tex"])
    assert len(body) == len(best) > paper.PAGE and "adversary" not in head and "than control" in head
    assert found["leakage.tex"].count("longtable}") == 3 and found["leakage.tex"].count("\\bottomrule") == 1
    values = sorted(f"{value:.3f}" for value in best["accuracy"])
    titles = [title.strip(" \\") for title in head.split(" & ")]
    assert sorted(line.split(" & ")[titles.index("accuracy")].split(" [")[0] for line in body) == values
    every = frames["placebo"]["permutation"].isna().sum()
    assert len(rows_of(found["placebo.tex"])) == 1 + every
    for file in [file for file in found if file.endswith(".tex")]:
        widths = {line.count(" & ") for line in rows_of(found[file])}
        assert len(widths) == 1 and widths < set(range(18)), file


def test_verdicts_of_one_cell_are_counted_where_they_differ():
    claims = fake_tables.empty()["claims"]
    claims["claim"], claims["task"] = ["C2", "C2", "C3"], ["t", "t", "u"]
    claims["verdict"] = ["fails", "holds", "cannot tell"]
    titles, rows = paper._verdicts(claims)
    assert titles == ["claim", "t", "u"]
    assert rows == [["C2", "holds 1, fails 1", "\u2013"], ["C3", "\u2013", "cannot tell"]]
    assert paper.as_csv(titles, rows).splitlines()[2] == "C3,,cannot tell"


@pytest.mark.parametrize("name", [r"a_b & 50 % #1 {x} ~ ^ $", r"\input{/etc/passwd}", "a\nb\x00", r"\\"])
def test_a_name_cannot_break_the_table_or_run_a_command(name):
    text = paper.as_latex(["task", "n"], [[name, "-0.5 [-1.0, 0.2]"]], about="x.")
    (row,) = [line for line in text.splitlines() if "0.5" in line]
    assert row.endswith(r"$-$0.5 [$-$1.0, 0.2] \\") and row.count(" & ") == 1
    bare = re.sub(r"\\(textbackslash|textasciitilde|textasciicircum)\{\}|\\[&%$#_{}]", "", row[: row.index(" & ")])
    assert not re.search(r"[\\&%$#_{}~^\x00]", bare)


def test_a_copy_is_checked_by_the_reports_manifest(tmp_path):
    page, table = tmp_path / "x-1.html", tmp_path / "x-1.summary.tex"
    page.write_text("page")
    table.write_text("table")
    seal.write_manifest(tmp_path / "x-1.sha256", [page, table])
    publish.run(files=[page, table], outputs=[tmp_path / "out" / "report.html", tmp_path / "out" / "summary.tex"])
    assert (tmp_path / "out" / "summary.tex").read_text() == "table"
    table.write_text("other")
    with pytest.raises(publish.PopleakError, match=r"summary\.tex: damaged"):
        publish.run(files=[table], outputs=[tmp_path / "out" / "summary.tex"])
