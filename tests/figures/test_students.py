"""The figures of students and their teachers, on made-up tables."""

from __future__ import annotations

import numpy as np
import pytest

import drawing
import fake_students
import fake_tables
import legible
from drawing import drawn, laid_out
from popleak.figures import _students

pytestmark = pytest.mark.slow

BOTH = ("students", "students-ratio")
TAU = ["tau", "tau_low", "tau_high"]
CASES = len(fake_students.TASKS) * len(fake_students.STUDENTS)


def said(figure):
    return " ".join(figure.get_suptitle().split())


def with_tau(by_student, task="adult"):
    """Return tables of one task in which tau and its limits are as given."""
    frames = fake_students.tables(tasks=(task,), arms=("none", "fft-rehearsal", *by_student))
    table = frames["membership"]
    for name, values in by_student.items():
        table.loc[table["defence"] == name, TAU] = values
    return frames


def with_named(by_defence, task="adult"):
    """Return tables of one task in which the share named, with its limits, is as given."""
    frames = fake_students.tables(tasks=(task,), arms=tuple(by_defence))
    table = frames["leakage"]
    for name, values in by_defence.items():
        table.loc[table["defence"] == name, ["accuracy", "accuracy_low", "accuracy_high"]] = values
    return frames


@pytest.mark.parametrize("name", BOTH)
def test_card_and_imports(name):
    drawing.check_card(name)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"tasks": ("a-task-with-the-longest-id-one-may-give-x", "t2"), "models": ("mlp", "logistic")},
        {"tasks": tuple(f"task-{i:02}" for i in range(12))},
        {"tasks": ("adult",)},
        {"tasks": ("adult",), "arms": ("none", "plain")},
    ],
    ids=["usual", "odd", "many tasks", "one task", "one student"],
)
def test_a_paper_can_show_it(name, shape):
    found, plotted = laid_out(name, fake_students.tables(**shape))
    legible.check(found)
    students = set(shape.get("arms", fake_students.STUDENTS)) - {"none"}
    assert set(plotted["defence"]) == students and set(plotted["task"]) == set(shape.get("tasks", fake_students.TASKS))
    assert plotted["drawn"].any() and plotted.loc[plotted["drawn"].astype(bool), "task"].nunique() <= 7
    assert plotted["drawn"].all() == (len(shape.get("tasks", ())) <= 7)
    assert plotted["drawn"].all() or "5 more not drawn" in said(found)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(
    "frames",
    [
        fake_tables.empty(),
        fake_students.tables(arms=("none", "rehearsal", "fft-rehearsal")),
        fake_students.tables(arms=("plain",)),
    ],
    ids=["no rows", "no student", "no teacher"],
)
def test_without_a_student_and_its_teacher_it_says_so(name, frames):
    found, plotted = laid_out(name, frames)
    assert plotted.empty and len(plotted.columns) > 3
    assert "Nothing to draw" in found.texts[0].get_text()


def test_students_are_known_by_plugin_and_settings():
    """Neither an id nor a comparison makes a student: rehearsal is compared with `none` too."""
    found = _students.found(fake_students.tables(tasks=("adult",)))
    assert [one.defence for one in found.values()] == list(fake_students.STUDENTS)
    assert {one.defence for one in found.values() if one.defended} == {"fair-taught"}
    assert found["adult", "mlp", "fair-taught"].teacher == "fft-rehearsal"


@pytest.mark.parametrize(
    ("column", "value"), [("kind", "a-third-partys"), ("settings", '{"labels": "of another version"}')]
)
def test_what_is_not_known_here_is_no_student(column, value):
    frames = fake_students.tables(tasks=("adult",))
    frames["defences"].loc[frames["defences"]["defence"] == "hard", column] = value
    assert {"plain", "hard"} - {key[2] for key in _students.found(frames)} == {"hard"}


def test_a_student_beside_another_than_its_teacher_is_left_out():
    frames = fake_students.tables(tasks=("adult",))
    table = frames["membership"]
    table.loc[table["defence"] == "fair-taught", "compared_with"] = "rehearsal"
    assert "fair-taught" not in {key[2] for key in _students.found(frames)}


def test_the_curve_is_of_students_that_differ_in_near_duplicates_alone():
    plotted = drawn("students", fake_students.tables(tasks=("adult",)))[1].set_index("defence")["near"].dropna()
    assert plotted.to_dict() == {"plain": 0.0, "tenth": 0.1, "half": 0.5, "whole": 1.0}
    figure, plotted = drawn(
        "students", fake_students.tables(tasks=("adult",), arms=("none", "plain", "hard", "same-rows"))
    )
    assert plotted["near"].isna().all() and len(figure.axes) == 1, "no curve, no panel of it"


def test_students_are_shown_under_lira_or_the_first_attack():
    frames = fake_students.tables()
    assert set(drawn("students", frames)[1]["adversary"]) == {"lira"}
    plotted = drawn("students", fake_students.tables(attacks=("rmia", "loss-threshold")))[1]
    assert set(plotted["adversary"]) == {"rmia"} and len(plotted) == CASES


def test_numbers_are_the_tables():
    frames = fake_students.tables()
    table = (
        frames["membership"].query("protocol == 'membership' and adversary == 'lira'").set_index(["task", "defence"])
    )
    plotted = drawn("students", frames)[1]
    assert len(plotted) == CASES
    for row in plotted.to_dict("records"):
        assert all(
            row[name] == table.at[(row["task"], row["defence"]), name] for name in [*TAU, "auc", "compared_with"]
        )
    table = frames["leakage"].set_index(["task", "defence"])
    for row in drawn("students-ratio", frames)[1].to_dict("records"):
        assert row["accuracy"] == table.at[(row["task"], row["defence"]), "accuracy"]
        assert row["teacher_accuracy"] == table.at[(row["task"], row["teacher"]), "accuracy"]


def test_the_message_on_what_is_left():
    frames = with_tau({"plain": (0.5, 0.2, 0.8), "hard": (0.1, -0.2, 0.4), "same-rows": (0.9, 0.7, 1.1)})
    text = said(drawn("students", frames)[0])
    assert "in 2 of 3 cases" in text and "less than all of it in 2," in text
    assert "from 0.10 (hard) to 0.90 (same-rows)" in text
    assert "in 1 of 1 case, and less than all of it in 0" in said(
        drawn("students", with_tau({"plain": (1.2, 0.9, 1.5)}))[0]
    )


@pytest.mark.filterwarnings("error")
def test_where_no_teachers_leak_is_shown_there_is_no_point():
    figure, plotted = laid_out("students", with_tau({"plain": (np.nan,) * 3, "half": (np.nan,) * 3}))
    assert said(figure).startswith("No teacher's membership leak is shown") and len(plotted) == 2
    assert len(drawn("students", with_tau({"plain": (np.nan,) * 3, "half": (0.5, 0.4, 0.6)}))[1]) == 2


@pytest.mark.filterwarnings("error")
def test_all_points_are_within_the_panels():
    figure = laid_out("students", with_tau({"plain": (2.6, -9.0, 40.0), "half": (-1.4, -1.9, 0.0)}))[0]
    left, right = figure.axes
    for low, high in (left.get_xlim(), right.get_ylim()):
        assert -2 < low < -1.4 and 2.6 < high < 3


def test_the_message_on_the_ratio():
    """Alike on either side, below it, and not known; students of a defended teacher may leak less, but not much more."""
    named = {"none": (0.9, 0.88, 0.92), "fft-rehearsal": (0.6, 0.55, 0.65), "plain": (0.88, 0.85, 0.93), "hard": (0.6, 0.5, 0.7),
             "half": (0.85, 0.75, 0.9), "fair-taught": (0.5, 0.4, 0.64)}  # fmt: skip
    figure, plotted = drawn("students-ratio", with_named(named))
    assert plotted.set_index("defence")["verdict"].to_dict() == {
        "plain": "within", "hard": "beyond", "half": "cannot tell", "fair-taught": "within",
    }  # fmt: skip
    assert (
        "within 0.1 of an undefended teacher's in 1 of 3 and at most 0.05 above a defended teacher's in 1 of 1"
        in said(figure)
    )
    assert "(1 outside, 1 undecided)" in said(figure)
    cases = (((0.65, 0.6, 0.7), "cannot tell"), ((0.75, 0.73, 0.9), "beyond"), ((0.65, np.nan, np.nan), "cannot tell"))
    for values, verdict in cases:
        plotted = drawn("students-ratio", with_named(named | {"fair-taught": values}))[1]
        assert plotted.set_index("defence").at["fair-taught", "verdict"] == verdict


def test_students_that_all_diverged_have_no_ratio():
    frames = fake_students.tables(tasks=("adult",))
    frames["leakage"].loc[frames["leakage"]["defence"] == "hard", "diverged"] = 256
    assert "hard" not in set(drawn("students-ratio", frames)[1]["defence"])


@pytest.mark.filterwarnings("error")
def test_below_chance_is_ringed():
    frames = with_named({"none": (0.9, 0.85, 0.95), "plain": (0.2, 0.1, 0.3)})
    frames["leakage"].loc[frames["leakage"]["defence"] == "plain", "against_chance"] = "below"
    labels = {text.get_text() for text in laid_out("students-ratio", frames)[0].legends[0].get_texts()}
    assert "below chance" in labels
