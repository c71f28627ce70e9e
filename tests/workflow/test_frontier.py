"""The rule by which the search beyond training again chooses, and what is said of what it chose."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import frontier
from popleak.core.errors import PopleakError


def row(task, defence, accuracy, advantage, *, half=0.05, certified=np.nan, access="post-hoc", public=0.0):
    spread = {"": 0.0, "_low": -half, "_high": half}
    return {
        "task": task, "defence": defence, "protocol": "pure", "ratio_0": 0.0, "ratio_1": 1.0, "access": access, "settings": "{}",
        "rows_public": public, "certified_advantage": certified, "delta_eo": 0.1,
        **{f"accuracy_vs_none{end}": accuracy + move / 10 for end, move in spread.items()},
        **{f"informed_advantage{end}": advantage + move for end, move in spread.items()},
    }  # fmt: skip


def table(*rows) -> pd.DataFrame:
    return pd.DataFrame(rows)


def both(defence, accuracies, advantages, **more):
    return [
        row(f"{name}-20", defence, *values, **more) for name, *values in zip("ab", accuracies, advantages, strict=True)
    ]


def test_the_most_accurate_that_hides_the_world_on_both_tables_is_chosen():
    given = table(
        *both("none", (0, 0), (1, 1)),
        *both("leaks-once", (0.0, 0.0), (0.0, 0.3)),
        *both("hides", (-0.02, -0.04), (0.02, -0.03)),
        *both("hides-worse", (-0.03, -0.05), (0.0, 0.0)),
        *both("below", (0.0, 0.0), (-0.4, 0.0)),  # who is wrong four times of five knows the world
        *both("public", (0.0, 0.0), (0.0, 0.0), public=1.0),
        row("a-20", "once", 0.0, 0.0),
        *both("scratch", (-0.03, -0.05), (0.2, 0.0), certified=0.0, access="training"),
    )  # fmt: skip
    found = list(frontier.choices(given))
    assert [(one["access"], one["defence"], one["tried"], one["hiding"]) for one in found] == [
        ("post-hoc", "hides", 4, 2), ("post-hoc", "hides", 4, 2), ("training", "scratch", 1, 1), ("training", "scratch", 1, 1),
    ]  # fmt: skip


def test_where_nothing_hides_the_world_what_leaks_least_is_chosen():
    given = table(*both("much", (0, 0), (0.9, 0.9)), *both("less", (-0.1, -0.1), (0.4, 0.2)))
    assert {(one["defence"], one["hiding"]) for one in frontier.choices(given)} == {("less", 0)}


@pytest.mark.parametrize(
    ("accuracy", "advantage", "half", "certified", "kept", "hidden"),
    [
        (0.0, 0.0, 0.05, np.nan, "yes", "yes"), (-0.01, 0.0, 0.2, np.nan, "cannot tell", "cannot tell"),
        (-0.05, 0.3, 0.05, np.nan, "no", "no"), (0.0, -0.3, 0.05, np.nan, "yes", "no"), (-0.05, 0.0, 0.3, 0.01, "no", "yes"),
    ],
)  # fmt: skip
def test_what_is_said_of_a_defence(accuracy, advantage, half, certified, kept, hidden):
    (found,) = frontier.outcomes(table(row("adult-4", "one", accuracy, advantage, half=half, certified=certified)))
    assert (found["table"], found["f"], found["kept"], found["hidden"]) == ("adult", 4, kept, hidden)
    (line,) = frontier.tell(pd.DataFrame([found]))
    did = kept == hidden == "yes"
    assert line.endswith(f"hidden by {int(did)} of 1 after training; on every table by {'one' if did else 'none'}")


def test_those_on_public_rows_are_counted_apart():
    given = table(
        row("a-4", "one", 0, 0), row("a-4", "again", 0, 0.5, access="training"), row("a-4", "public", 0, 0, public=1.0)
    )
    (line,) = frontier.tell(pd.DataFrame(frontier.outcomes(given)))
    assert line.endswith(
        "by 0 of 1 that train again, 1 of 1 after training, 1 of 1 on public rows; on every table by one, public"
    )


def test_what_did_both_on_one_table_alone_is_told_apart():
    given = table(*both("once", (0, -0.05), (0, 0)), *both("twice", (0, 0), (0, 0)))
    (line,) = frontier.tell(pd.DataFrame(frontier.outcomes(given)))
    assert line.endswith("by 3 of 4 after training; on every table by twice")


def test_other_tables_are_refused():
    with pytest.raises(PopleakError, match="TABLE-F"):
        list(frontier.choices(table(row("adult", "one", 0, 0))))
