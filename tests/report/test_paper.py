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
    long = {"leakage": tables.leakage(frames["leakage"]), "models": tables.models(frames["models"])}
    return paper.files(frames, long | {"bounds": tables.bounds(frames["bounds"])})


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
