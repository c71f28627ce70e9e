"""Columns of a user's own table that look like direct identifiers: refused until they are dropped or kept."""

from __future__ import annotations

import pytest

from own_tables import examine, load, people, put
from popleak.cli import propose
from popleak.core.errors import PopleakError
from popleak.datasets import _identifiers

FIRST = ("Anna", "Bernd", "Chloë", "Dmitri", "Émile", "Fatma")
FULL = [f"{first} {last}" for first in FIRST for last in ("Brown", "Meyer", "O'Neill", "de Vries", "Łukasik")]


def cycle(values):
    return lambda i: values[i % len(values)]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("name", FULL),
        ("Nachname", ["meyer", "brown", "li", "kaya", "novak"]),
        ("Prénom", FIRST),
        ("CustomerID", [f"c{i}" for i in range(30)]),
        ("person_id", list(range(30))),
        ("SSN", [f"x{i}" for i in range(30)]),
        ("E-Mail", [f"x{i}" for i in range(30)]),
        ("phone", [f"n{i}" for i in range(30)]),
        ("home address", [f"h{i}" for i in range(30)]),
        ("who", FULL),
        ("who", [f"a{i}@example.org" for i in range(12)]),
        ("who", [f"+44 20 7946 0{i}" for i in range(10, 30)]),
        ("who", [f"123-45-67{i}" for i in range(10, 30)]),
        ("who", [f"{i} Main Street" for i in range(1, 30)]),
    ],
)
def test_an_identifier_is_refused_until_it_is_dropped_or_kept(tmp_path, column, values):
    """A column `name` with 30 values once became 30 features without a word."""
    path = put(tmp_path, people(300, **{column: cycle(values)}))
    (problem,) = examine(path).problems
    assert problem.startswith(f"column '{column}': looks by its ")
    assert problem.endswith("name it in options.drop, or in options.keep if it is to be a feature")
    with pytest.raises(PopleakError, match=f"column '{column}': looks by its "):
        load(path)
    dropped, kept = examine(path, drop=[column]), examine(path, keep=[column])
    assert not dropped.problems and column not in dropped.features
    assert not kept.problems and column in kept.features


def test_numbers_that_differ_and_are_named_so_are_refused(tmp_path):
    path = put(tmp_path, people(300, Account=lambda i: 1000 + 17 * i))
    assert "looks by its name like numbers of people" in examine(path).problems[0]
    assert not examine(put(tmp_path, people(300, weight=lambda i: 1000 + 17 * i))).problems, (
        "a quantity may differ in each row"
    )


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("telephone", ["none", "yes"]),
        ("native-country", ["United-States", "Mexico", "Puerto-Rico", "Viet-Nam", "Hong"]),
        (
            "education",
            ["High School", "Some College", "Masters Degree", "Associate Degree", "Trade School", "No School"],
        ),
        ("income_band", [f"{i}000-{i}999" for i in range(10, 40)]),
        ("job_name", [f"j{i}" for i in range(9)]),
        ("num_people", list(range(9))),
        ("region_id", list(range(1, 9))),
        ("paid", ["10.50", "2.25", "3.75", "4.00", "5.50"]),
    ],
)
def test_what_names_nobody_is_a_feature(tmp_path, column, values):
    found = examine(put(tmp_path, people(300, **{column: cycle(values)})))
    assert not found.problems and column in found.features


def test_keep_names_a_feature(tmp_path):
    path = put(tmp_path, people(300))
    assert examine(path, keep=["nme"]).problems == ["options.keep: 'nme' is not a feature: choose from age, job"]


def test_init_drops_identifiers_and_says_why(tmp_path):
    proposed = propose.propose(
        put(tmp_path, people(300, name=cycle(FULL), mail=cycle([f"a{i}@b.org" for i in range(9)])))
    )
    assert "- name  # looks by its name like people's names" in proposed
    assert "- mail  # looks by its name like people's addresses" in proposed


def test_two_answers_are_no_identifier_but_few_rows_may_be():
    assert not _identifiers.seen("phone", ["yes", "no"], rows=50, number=False, own=False)
    assert _identifiers.seen("name", ["Anna", "Bernd"], rows=2, number=False, own=False)
