"""What is called proven: what the run checked, and nothing that a measurement contradicts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import a_report
import fake_tables
from popleak.measures import verdicts
from popleak.report import findings, first, proven

NBSP = "\u00a0"


def rows(**certified):
    """Return rows of `best`, two tasks for each defence: named 50 % and 51 % of the models, with these certificates."""
    return pd.DataFrame(
        [
            {"task": task, "model": "mlp", "defence": name, "accuracy": accuracy, "certified_advantage": limit}
            for name, limit in certified.items()
            for task, accuracy in (("adult", 0.5), ("compas", 0.51))
        ]
    )


def claims(*failed):
    """Return C9 of every defence that is spoken of here; it fails on these tasks and defences."""
    names = ("scratch", "noisy", *(f"noisy-{i}" for i in range(7)))
    return pd.DataFrame(
        [
            {
                "kind": "certified",
                "task": task,
                "defence": name,
                "verdict": verdicts.FAILS if (task, name) in failed else verdicts.HOLDS,
            }
            for task in ("adult", "compas")
            for name in names
        ]
    )


def test_each_certificate_stands_beside_what_was_measured():
    said = proven.said(rows(scratch=0.0, noisy=0.05, none=np.nan), claims(), several=False)
    assert said.replace(NBSP, " ") == (
        "By a theorem whose conditions this run checked for each model, under scratch nobody who sees the released model alone names more than 50.0 % of the models, on 2 tasks, "
        "whatever they try (named here: 50.0 % to 51.0 %). Under noisy nobody who sees the released model alone names more than 52.5 % of the models, on 2 tasks, whatever they "
        "try (named here: 50.0 % to 51.0 %)."
    )


@pytest.mark.parametrize(
    ("main", "judged"),
    [
        (rows(none=np.nan, rehearsal=np.nan), claims()),  # no certificate
        (rows(scratch=0.0).drop(columns="certified_advantage"), claims()),  # results of an earlier version
        (rows(scratch=0.0), None),  # nothing says that no measurement exceeds it
        (rows(scratch=0.0), claims().assign(kind="witness")),  # a paper without such a claim
        (rows(other=0.0), claims()),  # no claim on this defence
    ],
)
def test_nothing_is_proven_without_a_certificate_that_was_held_to_measurements(main, judged):
    assert proven.said(main, judged, several=False) == ""


def test_where_the_claim_fails_nothing_is_called_proven():
    said = proven.said(rows(scratch=0.0), claims(("adult", "scratch")), several=False)
    assert "on 1 task, whatever they try" in said
    assert (
        said.endswith("is wrong.") and "exceed the certificate on adult under scratch: nothing is proven there" in said
    )
    said = proven.said(rows(scratch=0.0), claims(("adult", "scratch"), ("compas", "scratch")), several=False)
    assert said.startswith("Measurements exceed the certificate") and "nobody" not in said


def test_a_certificate_that_allows_nearly_all_is_counted_and_not_boasted_of():
    said = proven.said(rows(noisy=0.9), claims(), several=False)
    assert said.replace(NBSP, " ") == "In 2 of 2 certified cells the theorem leaves an adversary more than 60 %."


def test_of_many_settings_the_strongest_are_named():
    said = proven.said(rows(**{f"noisy-{i}": i / 100 for i in range(7)}), claims(), several=False)
    assert said.count("Under noisy") + said.count("under noisy") == proven.NAMED
    assert said.replace(NBSP, " ").endswith("For 3 more settings of defences the limit is at most 53.0 %.")


@pytest.mark.slow
def test_the_first_screen_and_the_findings_say_it():
    tables = fake_tables.tables(tasks=("adult-sex",))
    judged = tables["claims"].iloc[:1].assign(claim="C9", kind="certified", verdict=verdicts.HOLDS, defence="scratch")
    tables = {**tables, "claims": pd.concat([tables["claims"], judged], ignore_index=True)}
    controls = {"adult-sex": a_report.CONTROLS}
    found = first.answer(tables["leakage"], statistic="accuracy-gap", controls=controls, claims=tables["claims"])
    assert (
        "under scratch nobody who sees the released model alone names more than"
        in dict(found["parts"])["Is anything proven?"]
    )
    lines = findings.findings(tables, tau=0.1)
    assert sum(line.startswith("Proven: by a theorem") for line in lines) == 1
    without = first.answer(tables["leakage"], statistic="accuracy-gap", controls=controls)
    assert "Is anything proven?" not in dict(without["parts"])
