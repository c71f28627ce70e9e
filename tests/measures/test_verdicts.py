"""The one place that makes verdicts."""

from __future__ import annotations

import numpy as np
import pytest

from popleak.measures.verdicts import (
    FAILS,
    HIGHER,
    HOLDS,
    IDLE,
    LOWER,
    OPEN,
    SAME,
    UNTOLD,
    Found,
    Verdict,
    against_chance,
    below,
    change,
    marks,
    together,
    within,
)


def found(low=-1.0, high=1.0, p=1.0, models=80, splits=5, diverged=0) -> Found:
    return Found((low + high) / 2, low, high, p, models, splits, diverged)


@pytest.mark.parametrize(("limit", "word"), [(2, HOLDS), (0.5, OPEN), (-2, FAILS)])
def test_below(limit, word):
    assert below(found(), limit) == Verdict(word)


def test_within():
    words = [within(found(0.12, 0.18), *ends).word for ends in ((0.1, 0.2), (0.15, 0.2), (0.2, 0.3), (0.0, 0.1))]
    assert words == [HOLDS, OPEN, FAILS, FAILS]


@pytest.mark.parametrize(
    ("lack", "reason"),
    [
        ({"splits": 1}, "one pool split"),
        ({"models": 3}, "3 models are too few"),
        ({"models": 2, "diverged": 6}, "too few for an interval, 6 diverged"),
        ({"models": 0, "diverged": 8}, "all 8 diverged"),
        ({"models": 0}, "no model was measured"),
        ({"low": np.nan, "high": np.nan}, "no interval"),
    ],
)
def test_without_information_there_is_no_verdict(lack, reason):
    one = found(**{"low": -0.2, "high": -0.2, "p": 0.0, **lack})
    for got in (below(one, 0.5), within(one, -1, 1), change(one)):
        assert got.word == OPEN and reason in got.reason


def test_at_zero_the_test_must_agree():
    """Five splits whose differences are all equal agree by luck once in sixteen times; the interval takes victims for independent."""
    assert below(found(-0.3, -0.1, p=0.06), 0.0).word == OPEN
    assert below(found(-0.3, -0.1, p=0.01), 0.0).word == HOLDS
    assert below(found(0.1, 0.3, p=0.01), 0.0).word == FAILS


def test_together():
    holds, fails, idle = (Verdict(word) for word in (HOLDS, FAILS, IDLE))
    unsure = Verdict(OPEN, "why")
    assert together([holds, holds]) == holds
    assert together([holds, unsure]) == unsure
    assert together([holds, unsure, fails]) == fails
    assert together([holds, idle]) == holds, "what is not applicable does not count"
    assert together([idle, idle]) == idle
    assert together([unsure, unsure, Verdict(OPEN, "else")]).reason == "why; else"
    assert together([]) == Verdict(OPEN)


def test_change_rests_on_the_corrected_p_value():
    assert change(found(0.1, 0.3, p=0.04)).word == HIGHER
    assert change(found(-0.3, -0.1, p=0.04)).word == LOWER
    assert change(found(0.1, 0.3, p=0.06)).word == OPEN, "the interval is not corrected"
    assert change(found(0.1, 0.3, p=np.nan)).word == OPEN
    assert change(found(np.nan, np.nan, p=np.nan), same=True).word == IDLE
    assert change(found(models=0, diverged=8), same=True).word == OPEN, (
        "models that diverged are no models that are the same"
    )


@pytest.mark.parametrize(
    ("p", "equal", "told", "same", "expected"),
    [
        (0.5, 0.04, True, False, Verdict(SAME)),
        (
            0.01,
            0.04,
            True,
            False,
            Verdict(SAME),
        ),  # significant, and within the margin: its sign is the interval's to show
        (0.01, 0.06, True, False, Verdict(HIGHER)),
        (0.5, 0.06, True, False, Verdict(OPEN)),
        (0.5, np.nan, True, False, Verdict(OPEN)),
        (0.01, 0.06, False, False, Verdict(OPEN, UNTOLD)),
        (0.5, 0.001, False, False, Verdict(OPEN, UNTOLD)),
        (np.nan, np.nan, False, True, Verdict(IDLE, "the models are the same")),
    ],
)
def test_the_order_of_verdicts_on_a_difference(p, equal, told, same, expected):
    assert change(found(0.01, 0.03, p=p), equal=equal, told=told, same=same) == expected


def test_a_searched_lambda_is_no_basis_for_a_difference():
    """Whatever the tests say, and before what they lack; that the models are the same stays so."""
    for one in (found(0.01, 0.03, p=1e-9), found(models=0, diverged=8)):
        assert change(one, equal=1e-9, searched=True) == Verdict(OPEN, "lambda was searched for each model")
    assert change(found(0.0, 0.0, p=np.nan), same=True, searched=True).word == IDLE


def test_equivalence_cannot_be_shown_without_information():
    assert change(found(-0.01, 0.01, p=0.9, splits=1), equal=1e-9).word == OPEN
    assert change(found(-0.01, 0.01, p=0.9, models=3), equal=1e-9).word == OPEN


def test_chance():
    assert [against_chance(found(*limits), 0.5) for limits in ((0.6, 0.9), (0.4, 0.6), (0.0, 0.2), (np.nan, np.nan))] == [
        "above", OPEN, "below", None,
    ]  # fmt: skip
    for few in ({"splits": 1}, {"models": 3}):
        assert against_chance(found(0.0, 0.2, **few), 0.5) == against_chance(found(0.8, 1.0, **few), 0.5) == OPEN
    row = {"against_chance": "below", "diverged": 3, "victims": 8}
    assert marks(row) == [
        "below chance",
        "3 of 8 victims diverged and answer 0.5 to all",
    ]
    assert marks({"against_chance": "above", "diverged": 0, "victims": 8}) == []


def test_found_in_words():
    assert str(found(0.1, 0.3)) == "0.200 [0.100, 0.300]"
    assert str(Found(-1e-9, np.nan, np.nan, np.nan, 8, 2)) == "0.000"
    assert str(found(models=0, diverged=4)) == "unknown (all 4 diverged)"
