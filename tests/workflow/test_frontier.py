"""The rule by which the search beyond training again chooses, and what is said of what it chose."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import frontier
from popleak.core.errors import PopleakError


def row(
    task, defence, accuracy, advantage, *, half=0.05, certified=np.nan, access="post-hoc", public=0.0, constant=0.0
):
    spread = {"": 0.0, "_low": -half, "_high": half}
    return {
        "task": task, "defence": defence, "protocol": "pure", "ratio_0": 0.0, "ratio_1": 1.0, "access": access, "settings": "{}",
        "rows_public": public, "certified_advantage": certified, "delta_eo": 0.1, "kind": defence, "model": "mlp", "diverged": 0.0, "constant": constant,
        "accuracy": 0.8, "informed_advantage_low_all": advantage - 2 * half, "informed_advantage_high_all": advantage + 2 * half,
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


def outcomes(*rows, chosen=()) -> list[dict]:
    """Return what is said of rows, beside undefended models that are of use; chosen: rows that the search chose."""
    given = table(*[row(task, "none", 0, 1) for task in dict.fromkeys(one["task"] for one in rows)], *rows)
    picked = pd.DataFrame([{"f": int(one["task"].split("-")[1]), **one} for one in chosen] or [{**rows[0], "f": -1}])
    return list(frontier.outcomes(given, picked))


@pytest.mark.parametrize(
    ("accuracy", "advantage", "half", "certified", "kept", "hidden"),
    [
        (0.0, 0.0, 0.05, np.nan, "yes", "yes"), (-0.01, 0.0, 0.2, np.nan, "cannot tell", "cannot tell"),
        (-0.05, 0.3, 0.05, np.nan, "no", "no"), (0.0, -0.3, 0.05, np.nan, "yes", "no"), (-0.05, 0.0, 0.3, 0.01, "no", "yes"),
        # inside by its own interval, and not by that which holds for all
        (0.0, 0.0, 0.08, np.nan, "yes", "cannot tell"),
    ],
)  # fmt: skip
def test_what_is_said_of_a_defence(accuracy, advantage, half, certified, kept, hidden):
    (found,) = outcomes(row("adult-4", "one", accuracy, advantage, half=half, certified=certified))
    assert (found["table"], found["f"], found["kept"], found["hidden"]) == ("adult", 4, kept, hidden)
    line, _ = frontier.tell(pd.DataFrame([found]))
    assert line.endswith(
        f"of 1 table the accuracy is kept and the world hidden by: others, after training: one on {int(kept == hidden == 'yes')}"
    )


def test_models_of_no_use_keep_nothing():
    (found,) = outcomes(row("a-4", "constant", 0, 0, constant=0.8))
    assert (found["kept"], found["hidden"]) == ("no", "no")


def test_what_does_both_in_every_case_is_named():
    found = outcomes(
        row("a-4", "one", 0, 0),
        row("b-4", "one", 0, 0),
        row("a-4", "public", 0, 0, public=1.0),
        row("b-4", "public", 0, 0.5, public=1.0),
    )
    assert frontier.tell(pd.DataFrame(found))[-1].endswith(
        "both hold under: one of those without public rows, none of those with them"
    )


def test_a_table_whose_undefended_models_are_of_no_use_says_nothing():
    given = table(
        row("a-4", "none", 0, 1, constant=0.6),
        row("a-4", "one", 0, 0),
        row("b-4", "none", 0, 1),
        row("b-4", "one", 0, 0),
    )
    found = pd.DataFrame(frontier.outcomes(given, pd.DataFrame([{**row("a-4", "other", 0, 0), "f": 4}])))
    assert list(found["kept"]) == ["not applicable", "yes"]
    line, _ = frontier.tell(found)
    assert "of 1 table (a says nothing: most undefended" in line and line.endswith("one on 1")


def test_what_was_chosen_is_counted_apart_from_what_was_not_and_from_public_rows():
    rows = [
        row("a-4", "one", 0, 0), row("b-4", "one", 0, 0.5), row("a-4", "again", 0, 0, access="training"), row("a-4", "public", 0, 0, public=1.0),
        row("a-20", "one", 0, 0),
    ]  # fmt: skip
    found = outcomes(*rows, chosen=rows[:1])
    assert [one["chosen"] for one in found] == [True, True, False, False, False], "chosen for F 1 : 4 alone"
    first, second, whole = frontier.tell(pd.DataFrame(found))
    assert first.endswith(
        "of 2 tables the accuracy is kept and the world hidden by: chosen, after training: one on 1; others, training again: again on 1; "
        "on public rows: public on 1"
    )
    assert second.endswith("others, after training: one on 1")
    assert whole == "In all 3 cases both hold under: none of those without public rows, none of those with them"


def test_other_tables_are_refused():
    with pytest.raises(PopleakError, match="TABLE-F"):
        list(frontier.choices(table(row("adult", "one", 0, 0))))
